//! Looking: how far a running job is, whether the provider will stop it, and what became of an attempt
//! whose answer was lost.

use super::dispatch::Door;
use crate::clock::chance;
use crate::studio::Studio;
use crate::work::{Claimed, StepError};
use domain::generation::Operation;
use domain::job::{Attempt, Found, Job, Polled, Rules, cancel_answered, polled, reconciled};
use domain::secret::Prompt;
use providers::{AttemptRef, RemoteJob, Words};

impl Studio {
    /// Asks the provider how far a job is.
    pub(crate) async fn poll(&self, claimed: &Claimed, rules: &Rules) -> Result<(), StepError> {
        let (job, attempt, provider) = self.at_provider(claimed)?;
        let Some(remote) = self.remote_job(job, attempt).await? else {
            return self.store_look(job, attempt, Polled::Gone, rules).await;
        };
        let answer = provider.poll(&remote).await;
        self.store_look(job, attempt, answer, rules).await
    }

    async fn store_look(
        &self,
        job: &Job,
        attempt: &Attempt,
        answer: Polled,
        rules: &Rules,
    ) -> Result<(), StepError> {
        if let Polled::Trouble { fault, .. } = &answer {
            tracing::warn!(job_id = %job.id, attempt_id = %attempt.id, provider = %job.provider, status = fault.code, "poll failed");
        }
        let change = polled(job, attempt, answer, self.now(), chance(), rules);
        self.store_step("attempts.poll", job, &change).await
    }

    /// Asks the provider to stop a job.
    pub(crate) async fn stop_remote(&self, claimed: &Claimed, rules: &Rules) -> Result<(), StepError> {
        let (job, attempt, provider) = self.at_provider(claimed)?;
        let delivered = match self.remote_job(job, attempt).await? {
            Some(remote) => provider.cancel(&remote).await,
            None => false,
        };
        tracing::info!(job_id = %job.id, attempt_id = %attempt.id, provider = %job.provider, delivered, "cancel sent");
        let change = cancel_answered(job, delivered, self.now(), chance(), rules);
        self.store_step("attempts.cancel", job, &change).await
    }

    /// Looks for an attempt whose answer was lost.
    pub(crate) async fn reconcile(&self, claimed: &Claimed, rules: &Rules) -> Result<(), StepError> {
        let (job, attempt, provider) = self.at_provider(claimed)?;
        let reference = AttemptRef {
            token_hash: attempt.token_hash.clone(),
            intent_at: attempt.intent_at,
            kind: job.kind,
            words: self.words_of(job).await?,
        };
        let found = provider.reconcile(&reference).await;
        let outcome = match &found {
            Found::Adopted { .. } => "adopted",
            Found::NotSeen => "not_seen",
            Found::NotCreated => "not_created",
            Found::CannotKnow => "cannot_know",
            Found::Trouble { .. } => "trouble",
        };
        tracing::info!(job_id = %job.id, attempt_id = %attempt.id, provider = %job.provider, status = outcome, "reconciled");
        self.metrics.reconciled(&job.provider, outcome);
        let change = reconciled(job, attempt, found, self.now(), chance(), rules);
        self.store_step("attempts.reconcile", job, &change).await
    }

    /// What identifies an attempt that carried no token, because no public address is configured for
    /// callbacks. Only a match that nothing else of ours could be is ever taken.
    async fn words_of(&self, job: &Job) -> Result<Option<Words>, StepError> {
        if self.settings.public_url.is_some() {
            return Ok(None);
        }
        let row = self.generation_of(job).await?;
        let text = self.private.open(row.workspace, row.id, &row.prompt_sealed)?;
        let provider = job.provider.clone();
        let (taken, open) = self
            .db
            .read("attempts.at_provider", move |read| {
                let provider = provider.clone();
                Box::pin(async move { store::attempts::at_provider(read, &provider).await })
            })
            .await?;
        // Prompts are sealed, so two open attempts cannot be compared in the database: with any other
        // attempt open and without an id, this one does not count as alone.
        Ok(Some(Words {
            model: row.spec.model,
            prompt: Prompt::new(text.prompt),
            taken,
            alone: open <= 1,
        }))
    }

    pub(crate) fn at_provider<'a>(
        &self,
        claimed: &'a Claimed,
    ) -> Result<(&'a Job, &'a Attempt, Door), StepError> {
        let attempt = claimed
            .attempt
            .as_ref()
            .ok_or(StepError::AttemptMissing(claimed.job.id))?;
        let provider = self
            .provider(&attempt.provider)
            .ok_or_else(|| StepError::ProviderMissing(attempt.provider.clone()))?;
        Ok((&claimed.job, attempt, provider))
    }

    pub(crate) async fn remote_job(
        &self,
        job: &Job,
        attempt: &Attempt,
    ) -> Result<Option<RemoteJob>, StepError> {
        let Some(external_id) = attempt.external_id.clone() else {
            return Ok(None);
        };
        let operation: Operation = self.generation_of(job).await?.spec.operation;
        Ok(Some(RemoteJob {
            external_id,
            kind: job.kind,
            operation,
        }))
    }
}

//! Dispatch: the intent goes to disk, then one send, then its outcome goes to disk.

use super::record::{Stamp, store_change};
use crate::clock::{chance, random};
use crate::studio::Studio;
use crate::work::{Claimed, StepError};
use domain::actor::{Scope, SystemScope};
use domain::fault::{Fault, FaultKind};
use domain::gate;
use domain::generation::{ReferenceSource, Spec};
use domain::id::AttemptId;
use domain::job::{Attempt, Job, Rules, Submitted, Task, intend, submitted, task, withheld};
use domain::screening::Finding;
use domain::secret::{AttemptToken, Prompt};
use providers::{Call, Input, InputBody, Provider, SendBy};
use std::sync::Arc;
use store::generations::GenerationRow;
use tracing::Instrument;

/// References beyond this are not sent inline (bytes).
const MAX_INLINE_INPUT: u64 = 32 * 1024 * 1024;

pub(crate) const WORKER: SystemScope = SystemScope { reason: "worker" };

impl Studio {
    /// Submits a claimed job that is ready.
    pub(crate) async fn dispatch(&self, claimed: &Claimed, rules: &Rules) -> Result<(), StepError> {
        let job = &claimed.job;
        let Some(provider) = self.provider(&job.provider) else {
            return self.withhold(job, not_configured()).await;
        };
        let row = self.generation_of(job).await?;
        let inputs = match self.inputs(&row, provider.as_ref()).await? {
            Ok(inputs) => inputs,
            Err(fault) => return self.withhold(job, fault).await,
        };
        let permitted = match gate::decide(&ask(&row, provider.as_ref()), self.now()) {
            Ok(permitted) => permitted,
            Err(refusal) => {
                let fault = Fault::new(FaultKind::Policy, refusal.code(), refusal.to_string());
                return self.withhold(job, fault).await;
            }
        };
        let text = self.private.open(row.workspace, row.id, &row.prompt_sealed)?;
        let token = AttemptToken::new(random());
        let send_by = SendBy::within(rules.send_by);
        let Some((leaving, attempt)) = self.write_intent(job, &token, rules).await? else {
            return Ok(());
        };
        let seed = row
            .spec
            .seed
            .map(|seed| seed.wrapping_add(u64::from(job.ordinal)));
        let spec = Spec {
            seed,
            ..row.spec.clone()
        };
        let user_ref = self.private.pseudonym(&row.user.to_string());
        let answer = match Call::new(permitted, spec, Prompt::new(text.prompt), user_ref, send_by) {
            Ok(mut call) => {
                call.ordinal = job.ordinal;
                call.inputs = inputs;
                call.callback = self.callback(&job.provider.0);
                let span = tracing::info_span!("submit", job_id = %job.id, attempt_id = %attempt.id);
                provider.submit(&call, &token).instrument(span).await
            }
            Err(foreign) => {
                let fault = Fault::new(FaultKind::Internal, "gate.foreign_permit", foreign.to_string());
                Submitted::Rejected {
                    fault,
                    again: false,
                    retry_after: None,
                }
            }
        };
        self.store_answer(&leaving, &attempt, answer, rules).await
    }

    /// Writes the intent, unless its owner meanwhile wanted it stopped: then it ends here (`None`).
    async fn write_intent(
        &self,
        job: &Job,
        token: &AttemptToken,
        rules: &Rules,
    ) -> Result<Option<(Job, Attempt)>, StepError> {
        let stamp = Stamp::system(self.now(), WORKER);
        let id = AttemptId::new(stamp.now, Self::id_bytes());
        let (taken, hash, rules) = (job.clone(), token.hash(), *rules);
        let change = self
            .db
            .write("attempts.intent", move |tx| {
                let (stamp, taken, hash) = (stamp.clone(), taken.clone(), hash.clone());
                Box::pin(async move {
                    // The wish may be newer than the copy that was claimed; this is the last moment for it.
                    let wish = store::jobs::find(tx, taken.id)
                        .await?
                        .and_then(|now| now.cancel_requested_at);
                    let before = Job {
                        cancel_requested_at: wish,
                        ..taken
                    };
                    let change = match task(&before, stamp.now, &rules) {
                        Task::Store(ended) => *ended,
                        _ => intend(&before, id, hash, stamp.now, &rules)?,
                    };
                    store_change(tx, &stamp, &before, &change).await?;
                    Ok::<_, StepError>(change)
                })
            })
            .await?;
        self.tell_bell.notify_one();
        Ok(change.attempt.map(|attempt| (change.job, attempt)))
    }

    async fn store_answer(
        &self,
        job: &Job,
        attempt: &Attempt,
        answer: Submitted,
        rules: &Rules,
    ) -> Result<(), StepError> {
        let outcome = match &answer {
            Submitted::Accepted { .. } => "accepted",
            Submitted::Rejected { .. } => "rejected",
            Submitted::Unknown { .. } => "unknown",
        };
        tracing::info!(job_id = %job.id, attempt_id = %attempt.id, provider = %job.provider, status = outcome, "submitted");
        self.metrics.submitted(&job.provider, outcome);
        let now = self.now();
        self.store_step(
            "attempts.answer",
            job,
            &submitted(job, attempt, answer, now, chance(), rules),
        )
        .await
    }

    /// Stores one step of a job with everything that goes along.
    pub(crate) async fn store_step(
        &self,
        name: &'static str,
        before: &Job,
        change: &domain::job::Change,
    ) -> Result<(), StepError> {
        let stamp = Stamp::system(self.now(), WORKER);
        let (stored_before, stored) = (before.clone(), change.clone());
        self.db
            .write(name, move |tx| {
                let (stamp, before, change) = (stamp.clone(), stored_before.clone(), stored.clone());
                Box::pin(async move { store_change(tx, &stamp, &before, &change).await })
            })
            .await?;
        if change.job.state.is_final() {
            let code = change
                .job
                .fault
                .as_ref()
                .map_or("ok", |fault| fault.code.as_str());
            tracing::info!(job_id = %change.job.id, generation_id = %change.job.generation,
                provider = %change.job.provider, state = change.job.state.as_str(), status = code, "job ended");
            self.metrics.ended(change.job.state);
        }
        self.tell_bell.notify_one();
        Ok(())
    }

    async fn withhold(&self, job: &Job, fault: Fault) -> Result<(), StepError> {
        self.store_step("jobs.withhold", job, &withheld(job, fault, self.now()))
            .await
    }

    pub(crate) async fn generation_of(&self, job: &Job) -> Result<GenerationRow, StepError> {
        let id = job.generation;
        self.db
            .read("generations.of_job", move |read| {
                Box::pin(async move { store::generations::find_system(read, WORKER, id).await })
            })
            .await?
            .ok_or(StepError::GenerationMissing(id))
    }

    /// Where the provider may wake us up; its adapter puts the attempt's token at the end.
    fn callback(&self, provider: &str) -> Option<url::Url> {
        let base = self.settings.public_url.as_ref()?;
        format!("{}/callbacks/{provider}/", base.trim_end_matches('/'))
            .parse()
            .ok()
    }

    /// The references of a generation as the provider takes them.
    async fn inputs(
        &self,
        row: &GenerationRow,
        provider: &dyn Provider,
    ) -> Result<Result<Vec<Input>, Fault>, StepError> {
        let scope = domain::actor::Actor::new(row.user, row.workspace).scope();
        let mut inputs = Vec::with_capacity(row.spec.references.len());
        for reference in &row.spec.references {
            let body = match reference.source {
                ReferenceSource::Asset(id) => match self.input_bytes(scope, id).await? {
                    Some(body) => body,
                    None => return Ok(Err(reference_gone())),
                },
                ReferenceSource::Generation(id) => match self.remote_of(scope, id, provider).await? {
                    Some(external_id) => InputBody::Remote(external_id),
                    None => return Ok(Err(reference_gone())),
                },
            };
            inputs.push(Input {
                role: reference.role,
                body,
            });
        }
        Ok(Ok(inputs))
    }

    async fn input_bytes(
        &self,
        scope: Scope,
        id: domain::id::AssetId,
    ) -> Result<Option<InputBody>, StepError> {
        let Some(asset) = self.asset(scope, id).await? else {
            return Ok(None);
        };
        if asset.bytes > MAX_INLINE_INPUT {
            return Ok(None);
        }
        let bytes = self.read_all(&asset).await?;
        Ok(Some(InputBody::Bytes {
            media_type: asset.media_type,
            bytes,
        }))
    }

    async fn remote_of(
        &self,
        scope: Scope,
        id: domain::id::GenerationId,
        provider: &dyn Provider,
    ) -> Result<Option<String>, StepError> {
        let name = provider.card().name.clone();
        let attempts = self
            .db
            .read("attempts.of_generation", move |read| {
                Box::pin(async move {
                    if store::generations::find(read, &scope, id).await?.is_none() {
                        return Ok::<_, store::Error>(Vec::new());
                    }
                    store::attempts::of_generation(read, id).await
                })
            })
            .await?;
        let made = attempts
            .into_iter()
            .find(|a| a.provider == name && a.state == domain::job::AttemptState::Succeeded);
        Ok(made.and_then(|attempt| attempt.external_id))
    }
}

fn ask<'a>(row: &GenerationRow, provider: &'a dyn Provider) -> gate::Ask<'a> {
    let findings: Vec<Finding> = serde_json::from_value(row.findings.clone()).unwrap_or_default();
    gate::Ask {
        purpose: row.purpose.parse().ok(),
        provider: &provider.card().name,
        handling: &provider.card().handling,
        personal_data: findings
            .iter()
            .any(|f| f.kind.is_personal() && f.action == domain::screening::Taken::Reported),
        references: !row.spec.references.is_empty(),
    }
}

fn not_configured() -> Fault {
    Fault::new(
        FaultKind::Operator,
        "provider.not_configured",
        "The provider of this generation is no longer configured. Configure it again, or choose another model.",
    )
}

fn reference_gone() -> Fault {
    Fault::new(
        FaultKind::Invalid,
        "reference.gone",
        "A reference of this generation no longer exists, or is too large to send. Choose it again.",
    )
}

/// A provider that a step works with.
pub(crate) type Door = Arc<dyn Provider>;

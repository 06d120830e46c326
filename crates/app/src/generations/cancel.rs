//! Its owner no longer wants it, or wants it once more.

use super::admit::{Accepted, NewGeneration, SubmitError};
use super::record::{Stamp, store_change};
use crate::studio::Studio;
use domain::actor::Actor;
use domain::audit::Action;
use domain::generation::State;
use domain::id::{GenerationId, UserId, WorkspaceId};
use domain::job::{Job, cancel_wished};
use domain::secret::Prompt;
use std::collections::{BTreeMap, BTreeSet};
use store::Tx;

/// Why it cannot be cancelled or repeated.
#[derive(Debug, thiserror::Error)]
pub enum CancelError {
    /// Not here, or not this actor's.
    #[error("there is no such generation")]
    NotFound,
    /// It is over already.
    #[error("it is over already; nothing was changed")]
    Over,
    /// It still runs.
    #[error("it is not over yet; cancel it first, or wait")]
    NotOver,
    /// Its text can no longer be read.
    #[error("a key could not be used")]
    Key(#[from] vault::KeyError),
    /// The new generation was refused.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The database failed.
    #[error("the database did not take it")]
    Store(#[from] store::Error),
}

/// How often a cancel wish is written again when a worker wrote in between.
const TRIES: u32 = 16;

/// Remembers the wish to stop all that somebody has under way, in one workspace or (`None`) in all of them:
/// whoever may no longer ask for anything spends nothing more. What has not left yet ends here; of the rest
/// the truth is found out first, as when its owner cancels it.
///
/// # Errors
/// [`store::Error::Busy`] if workers always wrote in between; what the database says.
pub(crate) async fn cancel_all_of(
    tx: &mut Tx,
    stamp: &Stamp,
    user: UserId,
    workspace: Option<WorkspaceId>,
    why: &str,
) -> Result<(), store::Error> {
    let mut wished = BTreeSet::new();
    for job in store::jobs::open_of_user(tx, user).await? {
        let (place, generation) = (job.workspace, job.generation);
        if workspace.is_none_or(|only| only == place) && wish(tx, stamp, job).await? {
            wished.insert((place, generation));
        }
    }
    for (place, generation) in wished {
        let action = Action::GenerationCancelRequested;
        let details = BTreeMap::from([("reason".to_owned(), why.to_owned())]);
        let entry = stamp.entry(Some(place), action, generation.to_string(), "ok", details);
        store::audit::append(tx, &entry).await?;
    }
    Ok(())
}

/// Remembers the wish on one job, as it is by then; `false` if it is over.
async fn wish(tx: &mut Tx, stamp: &Stamp, mut job: Job) -> Result<bool, store::Error> {
    for _ in 0..TRIES {
        let Ok(change) = cancel_wished(&job, stamp.now) else {
            return Ok(false);
        };
        match store_change(tx, stamp, &job, &change).await {
            // Nothing was written: a worker was first.
            Err(store::Error::Fenced) => {
                let newer = store::jobs::find(tx, job.id).await?;
                job = newer.ok_or(store::Error::Fenced)?;
            }
            other => return other.map(|()| true),
        }
    }
    Err(store::Error::Busy)
}

impl Studio {
    /// Remembers the wish to stop a generation, and stops at once what has not left yet.
    ///
    /// # Errors
    /// [`CancelError::Over`] if it is over already.
    pub async fn cancel(
        &self,
        actor: &Actor,
        id: GenerationId,
        request_id: Option<&str>,
    ) -> Result<(), CancelError> {
        for _ in 0..TRIES {
            match self.try_cancel(actor, id, request_id).await {
                Err(CancelError::Store(store::Error::Fenced)) => {}
                other => return other,
            }
        }
        Err(CancelError::Store(store::Error::Busy))
    }

    async fn try_cancel(
        &self,
        actor: &Actor,
        id: GenerationId,
        request_id: Option<&str>,
    ) -> Result<(), CancelError> {
        let scope = actor.scope();
        let stamp = Stamp::of(self, actor, request_id);
        self.db
            .write("generations.cancel", move |tx| {
                let stamp = stamp.clone();
                Box::pin(async move {
                    let row = store::generations::find(tx, &scope, id)
                        .await?
                        .ok_or(CancelError::NotFound)?;
                    let mut wished = false;
                    for job in store::jobs::of_generation(tx, id).await? {
                        if let Ok(change) = cancel_wished(&job, stamp.now) {
                            wished = true;
                            store_change(tx, &stamp, &job, &change).await?;
                        }
                    }
                    if !wished {
                        return Err(CancelError::Over);
                    }
                    let workspace = Some(row.workspace);
                    let action = Action::GenerationCancelRequested;
                    let entry = stamp.entry(workspace, action, id.to_string(), "ok", BTreeMap::new());
                    store::audit::append(tx, &entry).await?;
                    Ok(())
                })
            })
            .await?;
        tracing::info!(generation_id = %id, "cancel requested");
        self.work_bell.notify_one();
        self.tell_bell.notify_one();
        Ok(())
    }

    /// Asks again for a generation that is over: a new generation with the same settings.
    ///
    /// # Errors
    /// [`CancelError::NotOver`] while it runs; everything that can refuse a generation.
    pub async fn retry(
        &self,
        actor: &Actor,
        id: GenerationId,
        idempotency: Option<(&str, &[u8])>,
        request_id: Option<&str>,
    ) -> Result<Accepted, CancelError> {
        let scope = actor.scope();
        let row = self
            .db
            .read("generations.find", move |read| {
                Box::pin(async move { store::generations::find(read, &scope, id).await })
            })
            .await?
            .filter(|row| row.deleted_at.is_none())
            .ok_or(CancelError::NotFound)?;
        if matches!(row.state, State::Queued | State::Running) {
            return Err(CancelError::NotOver);
        }
        let text = self.private.open(row.workspace, row.id, &row.prompt_sealed)?;
        let spec = row.spec;
        let wish = NewGeneration {
            kind: spec.kind,
            operation: Some(spec.operation),
            prompt: Prompt::new(text.prompt),
            model: Some(spec.model),
            provider: Some(spec.provider),
            size: spec.size,
            aspect: spec.aspect.filter(|_| spec.size.is_none()),
            resolution: spec.resolution,
            seconds: spec.seconds,
            seed: spec.seed,
            count: spec.count,
            references: spec.references,
            looping: spec.looping,
            purpose: row.purpose.parse().ok(),
            quote: None,
        };
        Ok(self.submit(actor, &wish, idempotency, request_id).await?)
    }
}

//! What every transaction of the line carries besides its change: ledger lines, audit entries, the
//! generation's state as the user sees it, and the event that tells it.

use crate::studio::Studio;
use domain::actor::{Actor, SystemScope};
use domain::audit::{Action, Entry};
use domain::event::{Event, GENERATION_UPDATED, Progress};
use domain::generation::State;
use domain::id::{AuditId, EventId, GenerationId, LedgerId, WorkspaceId};
use domain::job::{Change, Job, rollup};
use domain::ledger::Line;
use domain::time::Time;
use std::collections::BTreeMap;
use store::Tx;

/// Who does something, when, and with which request: stamped on every entry.
#[derive(Clone, Debug)]
pub(crate) struct Stamp {
    pub(crate) now: Time,
    pub(crate) actor: String,
    pub(crate) request_id: Option<String>,
}

impl Stamp {
    pub(crate) fn of(studio: &Studio, actor: &Actor, request_id: Option<&str>) -> Self {
        Self {
            now: studio.now(),
            actor: studio.user_ref(actor),
            request_id: request_id.map(str::to_owned),
        }
    }

    pub(crate) fn system(now: Time, scope: SystemScope) -> Self {
        Self {
            now,
            actor: format!("system:{}", scope.reason),
            request_id: None,
        }
    }

    pub(crate) fn entry(
        &self,
        workspace: Option<WorkspaceId>,
        action: Action,
        object: String,
        outcome: &str,
        details: BTreeMap<String, String>,
    ) -> Entry {
        Entry {
            id: AuditId::new(self.now, Studio::id_bytes()),
            at: self.now,
            actor: self.actor.clone(),
            workspace,
            action,
            object,
            outcome: outcome.to_owned(),
            request_id: self.request_id.clone(),
            details,
        }
    }
}

/// Ledger lines and audit entries of a change.
pub(crate) async fn book_and_note(tx: &mut Tx, stamp: &Stamp, change: &Change) -> Result<(), store::Error> {
    let job = &change.job;
    for booking in &change.bookings {
        let line = Line {
            id: LedgerId::new(stamp.now, Studio::id_bytes()),
            at: stamp.now,
            workspace: job.workspace,
            job: job.id,
            attempt: booking.attempt,
            posting: booking.posting,
            amount: booking.amount,
        };
        store::ledger::append(tx, &line).await?;
    }
    for noted in &change.noted {
        let mut details = BTreeMap::from([
            ("generation".to_owned(), job.generation.to_string()),
            ("job".to_owned(), job.id.to_string()),
            ("provider".to_owned(), job.provider.to_string()),
            ("state".to_owned(), job.state.to_string()),
        ]);
        if let Some(attempt) = &change.attempt {
            details.insert("attempt".to_owned(), attempt.id.to_string());
            if let Some(cost) = attempt.cost {
                details.insert("cost_micros".to_owned(), cost.micros.to_string());
            }
        }
        let entry = stamp.entry(
            Some(job.workspace),
            noted.action,
            noted.object.clone(),
            &noted.outcome,
            details,
        );
        store::audit::append(tx, &entry).await?;
    }
    Ok(())
}

/// Stores a change if the job is still as it was read, with everything that goes along.
pub(crate) async fn store_change(
    tx: &mut Tx,
    stamp: &Stamp,
    before: &Job,
    change: &Change,
) -> Result<(), store::Error> {
    store::jobs::apply(tx, before, change).await?;
    book_and_note(tx, stamp, change).await?;
    if before.state != change.job.state || before.progress != change.job.progress {
        tell(tx, stamp.now, change.job.workspace, change.job.generation).await?;
    }
    Ok(())
}

/// Brings the generation's state up to its jobs' and leaves the event that tells it.
pub(crate) async fn tell(
    tx: &mut Tx,
    now: Time,
    workspace: WorkspaceId,
    id: GenerationId,
) -> Result<State, store::Error> {
    let jobs = store::jobs::of_generation(tx, id).await?;
    let state = rollup(&jobs);
    let fault = jobs
        .iter()
        .filter(|job| job.state.is_final())
        .find_map(|job| job.fault.as_ref());
    let shown = if state == State::Succeeded { None } else { fault };
    let user = store::generations::set_state(tx, id, state, shown, now, state.is_final()).await?;
    let event = Event {
        id: EventId::new(now, Studio::id_bytes()),
        at: now,
        workspace,
        user,
        topic: GENERATION_UPDATED.to_owned(),
        generation: id,
        state,
        progress: if state.is_final() { None } else { overall(&jobs) },
    };
    store::events::append(tx, &event).await?;
    Ok(state)
}

/// The progress of a generation: its only job's, or the mean of several.
pub(crate) fn overall(jobs: &[Job]) -> Option<Progress> {
    if let [job] = jobs {
        return job.progress.clone();
    }
    let stage = jobs
        .iter()
        .find_map(|job| job.progress.as_ref())
        .map(|p| p.stage.clone())?;
    let percents = jobs.iter().map(|job| {
        if job.state.is_final() {
            100
        } else {
            job.progress.as_ref().and_then(|p| p.percent).map_or(0, u32::from)
        }
    });
    let count = u32::try_from(jobs.len()).unwrap_or(u32::MAX).max(1);
    let percent = u8::try_from(percents.sum::<u32>() / count).ok();
    Some(Progress {
        percent,
        step: None,
        steps: None,
        stage,
    })
}

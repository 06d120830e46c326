//! Ends: what a job's last change carries, so that its hold always comes out even.

use super::{Change, Job, JobState};
use crate::audit::Action;
use crate::fault::{Fault, FaultKind};
use crate::ledger::Posting;
use crate::money::Money;
use crate::time::Time;

/// Ends a job: no lease, no progress, the rest of the hold released.
pub(super) fn finish(job: &Job, state: JobState, fault: Option<Fault>, now: Time) -> Change {
    let mut ended = job.clone();
    ended.state = state;
    ended.lease_until = None;
    ended.progress = None;
    ended.run_at = now;
    ended.stage_since = now;
    if fault.is_some() {
        ended.fault = fault;
    }
    let rest = Money {
        micros: job.ceiling.micros.saturating_sub(job.captured.micros).max(0),
        currency: job.ceiling.currency,
    };
    let outcome = match (&ended.fault, state) {
        (_, JobState::Succeeded) => "ok".to_owned(),
        (Some(fault), _) => fault.code.clone(),
        (None, _) => state.as_str().to_owned(),
    };
    let id = job.id;
    Change::of(ended)
        .book(Posting::Release, None, rest)
        .note(Action::GenerationEnded, &id, &outcome)
}

pub(super) fn cancelled() -> Fault {
    Fault::new(FaultKind::Policy, "generation.cancelled", "Stopped by its owner.")
}

pub(super) fn expired() -> Fault {
    Fault::new(
        FaultKind::Unavailable,
        "generation.expired",
        "It was not finished in time. Ask for it again, or choose another model.",
    )
}

pub(super) fn outcome_unknown() -> Fault {
    Fault::new(
        FaultKind::Uncertain,
        "provider.outcome_unknown",
        "The provider's answer was lost and it cannot be found out whether it made this. It was not sent again, \
         so that nothing is paid twice. Check with the provider, or ask for it again.",
    )
}

pub(super) fn result_lost() -> Fault {
    Fault::new(
        FaultKind::Provider,
        "provider.result_lost",
        "The provider finished this, but its result could not be fetched. Ask the operator to check with the provider.",
    )
}

//! The transitions. Pure: a job as read and what happened give the change to store.

use super::finish::{cancelled, expired, finish, outcome_unknown, result_lost};
use super::{Attempt, AttemptState, Change, Job, JobState, Rules};
use crate::audit::Action;
use crate::capability::Correlation;
use crate::event::Progress;
use crate::fault::{Fault, FaultKind};
use crate::id::AttemptId;
use crate::ledger::Posting;
use crate::money::Money;
use crate::secret::TokenHash;
use crate::time::Time;
use std::time::Duration;

/// What a worker that claimed a job does next.
#[derive(Clone, PartialEq, Debug)]
pub enum Task {
    /// Write an intent, then submit.
    Submit,
    /// Ask the provider how far it is.
    Poll,
    /// Ask the provider to stop it.
    Cancel,
    /// Fetch the result.
    Collect,
    /// Look for an attempt whose answer was lost.
    Reconcile,
    /// Nothing to do outside: store this change.
    Store(Box<Change>),
}

/// What came of a submission.
#[derive(Clone, PartialEq, Debug)]
pub enum Submitted {
    /// The provider has it under this id.
    Accepted {
        /// The provider's id.
        external_id: String,
    },
    /// Provably nothing was created.
    Rejected {
        /// Why.
        fault: Fault,
        /// Whether another try may work.
        again: bool,
        /// The provider's wish.
        retry_after: Option<Duration>,
    },
    /// It may or may not have been created.
    Unknown {
        /// What was seen.
        fault: Fault,
    },
}

/// What a look at a running job showed.
#[derive(Clone, PartialEq, Debug)]
pub enum Polled {
    /// Still at work.
    Running {
        /// How far.
        progress: Option<Progress>,
    },
    /// Made.
    Done {
        /// What it cost, if the provider says; the ceiling otherwise.
        cost: Option<Money>,
    },
    /// The provider failed.
    Failed {
        /// Why.
        fault: Fault,
        /// Whether another try may work.
        again: bool,
        /// What it cost nevertheless.
        charged: Option<Money>,
    },
    /// The provider's content rules refused it.
    Blocked {
        /// Why.
        fault: Fault,
        /// What it cost nevertheless.
        charged: Option<Money>,
    },
    /// Stopped at the provider.
    Cancelled,
    /// The provider no longer knows it.
    Gone,
    /// It could not be looked at.
    Trouble {
        /// What was seen.
        fault: Fault,
        /// The provider's wish.
        retry_after: Option<Duration>,
    },
}

/// What came of fetching a result.
#[derive(Clone, PartialEq, Debug)]
pub enum Collected {
    /// Stored.
    Stored,
    /// Not fetched; later again.
    Trouble {
        /// What was seen.
        fault: Fault,
    },
    /// The provider no longer has it.
    Gone,
    /// It is not what was asked for, or not safe to keep.
    Unfit {
        /// Why.
        fault: Fault,
    },
}

/// What looking for a lost attempt showed.
#[derive(Clone, PartialEq, Debug)]
pub enum Found {
    /// The provider has it under this id.
    Adopted {
        /// The provider's id.
        external_id: String,
    },
    /// A complete look shows nothing; proof once the settle time has passed.
    NotSeen,
    /// Proof: it was never created.
    NotCreated,
    /// Nobody can tell.
    CannotKnow,
    /// It could not be looked for.
    Trouble {
        /// What was seen.
        fault: Fault,
    },
}

/// The job is not in a state for this.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the job is not in a state for this")]
pub struct NotNow;

/// A worker takes a job whose time has come: the epoch rises, so that whoever had it before can no
/// longer write. An intent that is still open under an expired lease becomes unknown: its request may
/// have left.
#[must_use]
pub fn claim(job: &Job, attempt: Option<&Attempt>, now: Time, rules: &Rules) -> Option<Change> {
    let leased = job.lease_until.is_some_and(|until| until > now);
    if job.state.is_final() || leased || job.run_at > now {
        return None;
    }
    let mut taken = job.clone();
    taken.epoch += 1;
    taken.lease_until = Some(now.after(rules.lease));
    let open = attempt.filter(|a| a.state == AttemptState::Intent);
    let Some(open) = open.filter(|_| job.state == JobState::Submitting) else {
        return Some(Change::of(taken));
    };
    taken.state = JobState::Reconciling;
    taken.stage_since = now;
    let mut lost = open.clone();
    lost.state = AttemptState::Unknown;
    let id = lost.id;
    Some(
        Change::of(taken)
            .with(lost)
            .note(Action::AttemptAnswered, &id, "unknown"),
    )
}

/// What to do with a claimed job.
#[must_use]
pub fn task(job: &Job, now: Time, rules: &Rules) -> Task {
    let wished = job.cancel_requested_at.is_some();
    match job.state {
        JobState::Ready if wished => {
            Task::Store(Box::new(finish(job, JobState::Cancelled, Some(cancelled()), now)))
        }
        JobState::Ready if job.attempts_made >= rules.max_attempts => {
            Task::Store(Box::new(finish(job, JobState::Failed, None, now)))
        }
        JobState::Ready if now >= job.deadline_at => {
            Task::Store(Box::new(finish(job, JobState::Expired, Some(expired()), now)))
        }
        JobState::Ready => Task::Submit,
        JobState::Waiting if wished && !job.cancel_sent && rules.can_cancel => Task::Cancel,
        JobState::Waiting => Task::Poll,
        JobState::Collecting => Task::Collect,
        _ => Task::Reconcile,
    }
}

/// Writes down, before the first byte leaves, that it is about to.
///
/// # Errors
/// [`NotNow`] unless the job is ready and claimed for long enough to send.
pub fn intend(
    job: &Job,
    id: AttemptId,
    token_hash: TokenHash,
    now: Time,
    rules: &Rules,
) -> Result<Change, NotNow> {
    let send_by = now.after(rules.send_by);
    let held = job.lease_until.is_some_and(|until| until >= send_by);
    if job.state != JobState::Ready || !held {
        return Err(NotNow);
    }
    let mut leaving = job.clone();
    leaving.state = JobState::Submitting;
    leaving.attempts_made += 1;
    leaving.failures = 0;
    leaving.stage_since = now;
    leaving.progress = Some(stage("submitting"));
    let attempt = Attempt {
        id,
        job: job.id,
        number: leaving.attempts_made,
        provider: job.provider.clone(),
        state: AttemptState::Intent,
        token_hash,
        intent_at: now,
        send_by,
        epoch: job.epoch,
        external_id: None,
        ceiling: job.ceiling,
        cost: None,
        fault: None,
    };
    Ok(Change::of(leaving)
        .with(attempt)
        .note(Action::AttemptIntent, &id, "ok"))
}

/// The gate or a missing reference keeps a claimed job from being submitted at all: it ends here.
#[must_use]
pub fn withheld(job: &Job, fault: Fault, now: Time) -> Change {
    finish(job, JobState::Failed, Some(fault), now)
}

/// Stores what came of a submission.
#[must_use]
pub fn submitted(
    job: &Job,
    attempt: &Attempt,
    answer: Submitted,
    now: Time,
    chance: u64,
    rules: &Rules,
) -> Change {
    let mut next = released(job, now);
    let mut seen = attempt.clone();
    match answer {
        Submitted::Accepted { external_id } => {
            seen.state = AttemptState::Submitted;
            seen.external_id = Some(external_id);
            next.state = JobState::Waiting;
            next.failures = 0;
            next.progress = Some(stage("generating"));
            next.run_at = if job.cancel_requested_at.is_some() {
                now
            } else {
                now.after(rules.polling.first(job.kind))
            };
            Change::of(next)
                .with(seen)
                .note(Action::AttemptAnswered, &attempt.id, "accepted")
        }
        Submitted::Rejected {
            fault,
            again,
            retry_after,
        } => {
            seen.state = AttemptState::Rejected;
            seen.fault = Some(fault.clone());
            let wait = rules
                .backoff
                .wait(u32::from(job.attempts_made), chance, retry_after);
            again_or_fail(job, seen, fault, again, wait, now, rules)
        }
        Submitted::Unknown { fault } => {
            seen.state = AttemptState::Unknown;
            seen.fault = Some(fault.clone());
            next.state = JobState::Reconciling;
            next.fault = Some(fault);
            next.failures = 0;
            next.progress = Some(stage("reconciling"));
            next.run_at = now.after(first_look(rules));
            Change::of(next)
                .with(seen)
                .note(Action::AttemptAnswered, &attempt.id, "unknown")
        }
    }
}

/// Stores what a look at a running job showed.
#[must_use]
pub fn polled(job: &Job, attempt: &Attempt, answer: Polled, now: Time, chance: u64, rules: &Rules) -> Change {
    let mut next = released(job, job.stage_since);
    let mut seen = attempt.clone();
    match answer {
        Polled::Running { .. } if now >= job.deadline_at => {
            seen.state = AttemptState::PossibleLoss;
            lose(finish(job, JobState::Expired, Some(expired()), now), seen, rules)
        }
        Polled::Running { progress } => {
            seen.state = AttemptState::Running;
            next.failures = 0;
            next.progress = Some(progress.unwrap_or_else(|| stage("generating")));
            next.run_at = now.after(rules.polling.every(job.kind));
            Change::of(next).with(seen)
        }
        Polled::Done { cost } => {
            seen.state = AttemptState::Succeeded;
            next.state = JobState::Collecting;
            next.failures = 0;
            next.stage_since = now;
            next.run_at = now;
            next.progress = Some(stage("collecting"));
            let change = Change::of(next).note(Action::AttemptEnded, &attempt.id, "ok");
            capture(change, seen, cost.unwrap_or(attempt.ceiling))
        }
        Polled::Failed {
            fault,
            again,
            charged,
        } => {
            seen.state = AttemptState::Failed;
            seen.fault = Some(fault.clone());
            let wait = rules.backoff.wait(u32::from(job.attempts_made), chance, None);
            // A failure that was charged used the agreed ceiling up: another try would be dearer than agreed.
            let again = again && charged.is_none_or(Money::is_zero);
            charge(
                again_or_fail(&charged_job(job, charged), seen, fault, again, wait, now, rules),
                charged,
            )
        }
        Polled::Blocked { fault, charged } => {
            seen.state = AttemptState::Blocked;
            seen.fault = Some(fault.clone());
            let change = finish(
                &charged_job(job, charged),
                JobState::Blocked,
                Some(fault.clone()),
                now,
            );
            charge(
                change
                    .with(seen)
                    .note(Action::AttemptEnded, &attempt.id, &fault.code),
                charged,
            )
        }
        Polled::Cancelled => {
            seen.state = AttemptState::Cancelled;
            let change = finish(job, JobState::Cancelled, Some(cancelled()), now);
            change
                .with(seen)
                .note(Action::AttemptEnded, &attempt.id, "cancelled")
        }
        Polled::Gone if rules.free => {
            seen.state = AttemptState::NotCreated;
            let fault = Fault::new(
                FaultKind::Internal,
                "engine.lost",
                "The engine stopped in between; it starts over.",
            );
            again_or_fail(job, seen, fault, true, Duration::ZERO, now, rules)
        }
        Polled::Gone => {
            seen.state = AttemptState::PossibleLoss;
            lose(
                finish(job, JobState::NeedsAttention, Some(outcome_unknown()), now),
                seen,
                rules,
            )
        }
        Polled::Trouble { fault, retry_after } => {
            next.failures = job.failures.saturating_add(1);
            let overdue = now >= job.deadline_at.after(rules.reconcile_window);
            if overdue {
                seen.state = AttemptState::PossibleLoss;
                seen.fault = Some(fault);
                return lose(
                    finish(job, JobState::NeedsAttention, Some(outcome_unknown()), now),
                    seen,
                    rules,
                );
            }
            next.fault = Some(fault);
            next.run_at = now.after(rules.backoff.wait(next.failures, chance, retry_after));
            Change::of(next)
        }
    }
}

/// Stores what came of fetching a result. A result that its owner no longer wanted is kept (it was
/// paid) and the job counts as cancelled.
#[must_use]
pub fn collected(job: &Job, answer: Collected, now: Time, chance: u64, rules: &Rules) -> Change {
    let overdue = now.since(job.stage_since) >= rules.collect_window;
    match answer {
        Collected::Stored if job.cancel_requested_at.is_some() => {
            finish(job, JobState::Cancelled, Some(cancelled()), now)
        }
        Collected::Stored => finish(
            &Job {
                fault: None,
                ..job.clone()
            },
            JobState::Succeeded,
            None,
            now,
        ),
        Collected::Unfit { fault } => finish(job, JobState::Failed, Some(fault), now),
        Collected::Gone if rules.free => {
            let mut next = released(job, now);
            next.state = JobState::Ready;
            next.run_at = now;
            next.fault = Some(Fault::new(
                FaultKind::Internal,
                "engine.lost",
                "The engine stopped in between; it starts over.",
            ));
            Change::of(next)
        }
        Collected::Gone | Collected::Trouble { .. } if overdue => {
            finish(job, JobState::NeedsAttention, Some(result_lost()), now)
        }
        Collected::Gone => {
            let fault = Fault::new(
                FaultKind::Provider,
                "provider.result_gone",
                "The provider does not show the result.",
            );
            later(job, fault, now, chance, rules)
        }
        Collected::Trouble { fault } => later(job, fault, now, chance, rules),
    }
}

/// Stores what looking for a lost attempt showed.
#[must_use]
pub fn reconciled(
    job: &Job,
    attempt: &Attempt,
    answer: Found,
    now: Time,
    chance: u64,
    rules: &Rules,
) -> Change {
    let mut seen = attempt.clone();
    let settled = now >= attempt.send_by.max(attempt.intent_at).after(rules.settle);
    match answer {
        Found::Adopted { external_id } => {
            let mut next = released(job, now);
            seen.state = AttemptState::Submitted;
            seen.external_id = Some(external_id);
            seen.fault = None;
            next.state = JobState::Waiting;
            next.failures = 0;
            next.fault = None;
            next.run_at = now;
            next.progress = Some(stage("generating"));
            Change::of(next)
                .with(seen)
                .note(Action::AttemptReconciled, &attempt.id, "adopted")
        }
        Found::NotCreated => not_created(job, seen, now, chance, rules),
        Found::NotSeen if settled => not_created(job, seen, now, chance, rules),
        Found::NotSeen => {
            let mut next = released(job, job.stage_since);
            next.run_at = now
                .after(first_look(rules).max(rules.settle / 8))
                .min(attempt.send_by.after(rules.settle))
                .max(now);
            Change::of(next)
        }
        Found::CannotKnow => give_up(job, seen, now, rules),
        Found::Trouble { .. } if now.since(job.stage_since) >= rules.reconcile_window => {
            give_up(job, seen, now, rules)
        }
        Found::Trouble { fault } => later(job, fault, now, chance, rules),
    }
}

/// Its owner wants it stopped. Before an intent it ends at once; afterwards the wish is remembered and
/// the truth is found out first.
///
/// # Errors
/// [`NotNow`] if it is over already.
pub fn cancel_wished(job: &Job, now: Time) -> Result<Change, NotNow> {
    if job.state.is_final() {
        return Err(NotNow);
    }
    let unleased = job.lease_until.is_none_or(|until| until <= now);
    let mut wished = job.clone();
    wished.cancel_requested_at = Some(job.cancel_requested_at.unwrap_or(now));
    if job.state == JobState::Ready && unleased {
        return Ok(finish(&wished, JobState::Cancelled, Some(cancelled()), now));
    }
    if job.state == JobState::Waiting {
        wished.run_at = now;
    }
    Ok(Change::of(wished))
}

/// The provider was asked to stop it; its next look tells.
#[must_use]
pub fn cancel_answered(job: &Job, delivered: bool, now: Time, chance: u64, rules: &Rules) -> Change {
    let mut next = released(job, job.stage_since);
    next.cancel_sent = delivered;
    next.failures = if delivered {
        0
    } else {
        job.failures.saturating_add(1)
    };
    next.run_at = if delivered {
        now
    } else {
        now.after(rules.backoff.wait(next.failures, chance, None))
    };
    if next.failures >= 3 {
        next.cancel_sent = true;
        next.failures = 0;
    }
    Change::of(next)
}

fn stage(name: &str) -> Progress {
    Progress {
        percent: None,
        step: None,
        steps: None,
        stage: name.to_owned(),
    }
}

fn released(job: &Job, since: Time) -> Job {
    Job {
        lease_until: None,
        stage_since: since,
        ..job.clone()
    }
}

/// The first look for a lost attempt: soon, since most losses are a cut connection.
fn first_look(rules: &Rules) -> Duration {
    if rules.correlation == Correlation::List {
        Duration::from_secs(5).min(rules.settle)
    } else {
        Duration::ZERO
    }
}

fn later(job: &Job, fault: Fault, now: Time, chance: u64, rules: &Rules) -> Change {
    let mut next = released(job, job.stage_since);
    next.failures = job.failures.saturating_add(1);
    next.fault = Some(fault);
    next.run_at = now.after(rules.backoff.wait(next.failures, chance, None));
    Change::of(next)
}

fn again_or_fail(
    job: &Job,
    attempt: Attempt,
    fault: Fault,
    again: bool,
    wait: Duration,
    now: Time,
    rules: &Rules,
) -> Change {
    let id = attempt.id;
    let (action, code) = match attempt.state {
        AttemptState::Rejected => (Action::AttemptAnswered, fault.code.clone()),
        AttemptState::NotCreated => (Action::AttemptReconciled, "not_created".to_owned()),
        _ => (Action::AttemptEnded, fault.code.clone()),
    };
    let moderated = fault.kind == FaultKind::Moderated;
    let change = if moderated {
        finish(job, JobState::Blocked, Some(fault), now)
    } else if job.cancel_requested_at.is_some() {
        finish(job, JobState::Cancelled, Some(cancelled()), now)
    } else if !again || job.attempts_made >= rules.max_attempts {
        finish(job, JobState::Failed, Some(fault), now)
    } else if now.after(wait) >= job.deadline_at {
        finish(job, JobState::Expired, Some(expired()), now)
    } else {
        let mut next = released(job, now);
        next.state = JobState::Ready;
        next.run_at = now.after(wait);
        next.fault = Some(fault);
        next.cancel_sent = false;
        next.progress = Some(stage("queued"));
        Change::of(next)
    };
    change.with(attempt).note(action, &id, &code)
}

fn not_created(job: &Job, mut attempt: Attempt, now: Time, chance: u64, rules: &Rules) -> Change {
    attempt.state = AttemptState::NotCreated;
    let fault = job.fault.clone().unwrap_or_else(|| {
        Fault::new(
            FaultKind::Unavailable,
            "provider.unavailable",
            "The provider could not be reached. Nothing was charged.",
        )
    });
    let wait = if rules.free {
        Duration::ZERO
    } else {
        rules.backoff.wait(u32::from(job.attempts_made), chance, None)
    };
    again_or_fail(job, attempt, fault, true, wait, now, rules)
}

fn give_up(job: &Job, mut attempt: Attempt, now: Time, rules: &Rules) -> Change {
    attempt.state = AttemptState::PossibleLoss;
    let id = attempt.id;
    if rules.may_repeat && job.attempts_made < rules.max_attempts && job.cancel_requested_at.is_none() {
        let mut next = released(job, now);
        next.state = JobState::Ready;
        next.run_at = now;
        return lose(Change::of(next), attempt, rules).note(Action::AttemptRepeated, &id, "may_repeat");
    }
    let change = finish(job, JobState::NeedsAttention, Some(outcome_unknown()), now);
    lose(change, attempt, rules).note(Action::AttemptReconciled, &id, "cannot_know")
}

fn lose(change: Change, attempt: Attempt, rules: &Rules) -> Change {
    let (id, amount) = (attempt.id, attempt.ceiling);
    let change = change.with(attempt);
    if rules.free {
        change
    } else {
        change.book(Posting::PossibleLoss, Some(id), amount)
    }
}

fn capture(mut change: Change, mut attempt: Attempt, cost: Money) -> Change {
    attempt.cost = Some(cost);
    change.job.captured.micros = change.job.captured.micros.saturating_add(cost.micros);
    let id = attempt.id;
    change.with(attempt).book(Posting::Capture, Some(id), cost)
}

fn charged_job(job: &Job, charged: Option<Money>) -> Job {
    let mut job = job.clone();
    job.captured.micros = job
        .captured
        .micros
        .saturating_add(charged.map_or(0, |c| c.micros));
    job
}

fn charge(mut change: Change, charged: Option<Money>) -> Change {
    let Some(cost) = charged else { return change };
    if let Some(attempt) = &mut change.attempt {
        attempt.cost = Some(cost);
        let id = attempt.id;
        return change.book(Posting::Capture, Some(id), cost);
    }
    change
}

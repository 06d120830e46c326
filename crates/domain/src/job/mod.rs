//! The generation machine: how one output travels from the queue to its end, whatever fails on the way.
//!
//! A [`Job`] is one output of a generation; an [`Attempt`] is one submission of it to one provider.
//! Every function here takes a job as it was read and returns the [`Change`] to store; the store writes
//! it only if the job still has the epoch and state it was read with (the fence). The protocol (intent
//! before the first byte, unknown outcomes are looked for and never repeated by themselves) is told in
//! `docs/src/generation-machine.md`.

mod finish;
mod machine;
mod rollup;
#[cfg(test)]
mod tests;

pub use machine::{
    Collected, Found, NotNow, Polled, Submitted, Task, cancel_answered, cancel_wished, claim, collected,
    intend, polled, reconciled, submitted, task, withheld,
};
pub use rollup::rollup;

use crate::audit::Action;
use crate::capability::{Correlation, Polling, ProviderName};
use crate::event::Progress;
use crate::fault::Fault;
use crate::generation::{Kind, words};
use crate::id::{AttemptId, GenerationId, JobId, WorkspaceId};
use crate::ledger::Posting;
use crate::money::Money;
use crate::retry::Backoff;
use crate::secret::TokenHash;
use crate::time::Time;
use std::time::Duration;

words! {
    /// Where a job stands.
    JobState {
        /// May be submitted when its time comes.
        Ready = "ready",
        /// An intent is on disk; the request is leaving, or has left, or was about to.
        Submitting = "submitting",
        /// The provider works on it.
        Waiting = "waiting",
        /// The provider is done; the result is to be fetched.
        Collecting = "collecting",
        /// Whether the provider has it is not known; it is looked for.
        Reconciling = "reconciling",
        /// Done, result stored.
        Succeeded = "succeeded",
        /// Not done.
        Failed = "failed",
        /// Refused by content rules.
        Blocked = "blocked",
        /// Stopped by its owner.
        Cancelled = "cancelled",
        /// Not done in time.
        Expired = "expired",
        /// It could not be found out whether the provider made and charged it.
        NeedsAttention = "needs_attention",
    }
}

words! {
    /// Where an attempt stands.
    AttemptState {
        /// On disk before the first byte.
        Intent = "intent",
        /// Accepted by the provider.
        Submitted = "submitted",
        /// The provider works on it.
        Running = "running",
        /// Made.
        Succeeded = "succeeded",
        /// The provider failed.
        Failed = "failed",
        /// The provider's content rules refused it.
        Blocked = "blocked",
        /// Stopped at the provider.
        Cancelled = "cancelled",
        /// Provably nothing was created.
        Rejected = "rejected",
        /// May or may not have been created.
        Unknown = "unknown",
        /// Looked for, and proved never to have been created.
        NotCreated = "not_created",
        /// Closed without proof: it may have been charged.
        PossibleLoss = "possible_loss",
    }
}

impl JobState {
    /// Whether nothing more will happen by itself.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(
            self,
            Self::Ready | Self::Submitting | Self::Waiting | Self::Collecting | Self::Reconciling
        )
    }
}

impl AttemptState {
    /// Whether it may still be made or found; a job has at most one open attempt.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(
            self,
            Self::Intent | Self::Submitted | Self::Running | Self::Unknown
        )
    }
}

/// How urgent: 1 is first, 4 is last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Priority(u8);

impl Priority {
    /// What a user waits for.
    pub const NORMAL: Self = Self(2);

    /// 1 to 4; others are cut to the nearest.
    #[must_use]
    pub fn new(level: u8) -> Self {
        Self(level.clamp(1, 4))
    }

    /// 1 to 4.
    #[must_use]
    pub const fn level(self) -> u8 {
        self.0
    }
}

/// One output of a generation on its way.
#[derive(Clone, PartialEq, Debug)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// What it belongs to.
    pub generation: GenerationId,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// Which output: 0 is the first.
    pub ordinal: u16,
    /// Image or video.
    pub kind: Kind,
    /// Who makes it.
    pub provider: ProviderName,
    /// Where it stands.
    pub state: JobState,
    /// How urgent.
    pub priority: Priority,
    /// Its place in the fair queue (`fairness`).
    pub virtual_time: i64,
    /// Not before.
    pub run_at: Time,
    /// Until when somebody works on it.
    pub lease_until: Option<Time>,
    /// Rises with every claim; a write with an older epoch is refused.
    pub epoch: i64,
    /// Submissions so far.
    pub attempts_made: u16,
    /// Failures in a row while polling, fetching or looking for it.
    pub failures: u32,
    /// No new submission after this.
    pub deadline_at: Time,
    /// Its owner asked to stop it.
    pub cancel_requested_at: Option<Time>,
    /// The provider was asked to stop it.
    pub cancel_sent: bool,
    /// The present stage began; windows are measured from here.
    pub stage_since: Time,
    /// The hold.
    pub ceiling: Money,
    /// What was charged so far.
    pub captured: Money,
    /// The last fault.
    pub fault: Option<Fault>,
    /// How far it is.
    pub progress: Option<Progress>,
}

/// One submission of a job to one provider.
#[derive(Clone, PartialEq, Debug)]
pub struct Attempt {
    /// Its id.
    pub id: AttemptId,
    /// Of which job.
    pub job: JobId,
    /// Which submission of the job: 1 is the first.
    pub number: u16,
    /// To whom.
    pub provider: ProviderName,
    /// Where it stands.
    pub state: AttemptState,
    /// Hash of the token that the provider may echo or call back with.
    pub token_hash: TokenHash,
    /// When the intent was written.
    pub intent_at: Time,
    /// The first byte leaves before this or never.
    pub send_by: Time,
    /// The epoch it was intended under.
    pub epoch: i64,
    /// The provider's id.
    pub external_id: Option<String>,
    /// What it may cost at most.
    pub ceiling: Money,
    /// What it cost.
    pub cost: Option<Money>,
    /// How it ended, if not well.
    pub fault: Option<Fault>,
}

/// The numbers the machine runs by; from configuration and the provider's card.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    /// The most submissions of a job.
    pub max_attempts: u16,
    /// How long a claim is good.
    pub lease: Duration,
    /// How long after the intent the first byte may leave.
    pub send_by: Duration,
    /// Waits after refusals and failures.
    pub backoff: Backoff,
    /// How long a lost submission may take to show (never less than the card says).
    pub settle: Duration,
    /// How long an unknown outcome is looked for when looking itself fails.
    pub reconcile_window: Duration,
    /// How long a paid result is fetched again and again.
    pub collect_window: Duration,
    /// Whether an unknown outcome may be submitted again (the workspace's explicit choice).
    pub may_repeat: bool,
    /// When to look at a running job.
    pub polling: Polling,
    /// What helps to find a lost attempt.
    pub correlation: Correlation,
    /// Whether the provider can stop a running job.
    pub can_cancel: bool,
    /// Whether it costs nothing (our own machine).
    pub free: bool,
}

/// A line for the ledger, before it gets its id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Booking {
    /// What it does.
    pub posting: Posting,
    /// By which attempt.
    pub attempt: Option<AttemptId>,
    /// How much.
    pub amount: Money,
}

/// An entry for the audit log, before it gets its id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Noted {
    /// What was done.
    pub action: Action,
    /// To what.
    pub object: String,
    /// With what outcome.
    pub outcome: String,
}

/// What to store, in one transaction, if the job is still as it was read.
#[derive(Clone, PartialEq, Debug)]
pub struct Change {
    /// The job as it shall be.
    pub job: Job,
    /// The attempt as it shall be; new if the job had none with this id.
    pub attempt: Option<Attempt>,
    /// Ledger lines.
    pub bookings: Vec<Booking>,
    /// Audit entries.
    pub noted: Vec<Noted>,
}

impl Change {
    fn of(job: Job) -> Self {
        Self {
            job,
            attempt: None,
            bookings: Vec::new(),
            noted: Vec::new(),
        }
    }

    fn with(mut self, attempt: Attempt) -> Self {
        self.attempt = Some(attempt);
        self
    }

    fn note(mut self, action: Action, object: &impl std::fmt::Display, outcome: &str) -> Self {
        self.noted.push(Noted {
            action,
            object: object.to_string(),
            outcome: outcome.to_owned(),
        });
        self
    }

    fn book(mut self, posting: Posting, attempt: Option<AttemptId>, amount: Money) -> Self {
        self.bookings.push(Booking {
            posting,
            attempt,
            amount,
        });
        self
    }
}

/// What a job is made of when it is queued.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// Its id.
    pub id: JobId,
    /// What it belongs to.
    pub generation: GenerationId,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// Which output.
    pub ordinal: u16,
    /// Image or video.
    pub kind: Kind,
    /// Who makes it.
    pub provider: ProviderName,
    /// How urgent.
    pub priority: Priority,
    /// Its place in the fair queue.
    pub virtual_time: i64,
    /// No new submission after this.
    pub deadline_at: Time,
    /// What it may cost at most.
    pub ceiling: Money,
}

/// A job in the queue, with the hold of its ceiling.
#[must_use]
pub fn queued(new: NewJob, now: Time) -> Change {
    let ceiling = new.ceiling;
    let job = Job {
        id: new.id,
        generation: new.generation,
        workspace: new.workspace,
        ordinal: new.ordinal,
        kind: new.kind,
        provider: new.provider,
        state: JobState::Ready,
        priority: new.priority,
        virtual_time: new.virtual_time,
        run_at: now,
        lease_until: None,
        epoch: 0,
        attempts_made: 0,
        failures: 0,
        deadline_at: new.deadline_at,
        cancel_requested_at: None,
        cancel_sent: false,
        stage_since: now,
        ceiling,
        captured: Money {
            micros: 0,
            currency: ceiling.currency,
        },
        fault: None,
        progress: None,
    };
    Change::of(job).book(Posting::Hold, None, ceiling)
}

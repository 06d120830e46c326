//! The judgement: bill against ledger and job table.

use super::world::World;
use domain::job::JobState;
use domain::ledger::Posting;

/// What went wrong with a job.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Violation {
    /// Charged more than once.
    BilledTwice,
    /// Never came to an end.
    Lost,
    /// Ended without a reason.
    NoReason,
    /// Ended with an attempt that is still open.
    OpenAttempt,
    /// Had ended and was changed.
    Reopened,
    /// The hold is not what was captured and released.
    UnevenHold,
    /// The ledger does not say what the bill says.
    LedgerDiffers {
        /// Charged by the provider.
        billed: i64,
        /// Captured.
        captured: i64,
        /// Booked as a possible loss.
        possible_loss: i64,
    },
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Jobs.
    pub jobs: usize,
    /// What went wrong.
    pub violations: Vec<Violation>,
    /// Requests that reached the provider.
    pub creations: usize,
    /// Jobs that succeeded.
    pub succeeded: usize,
    /// Jobs that a person must look at.
    pub needs_attention: usize,
    /// Workers that died.
    pub kills: usize,
    /// Writes that the fence or an index refused.
    pub refused_writes: usize,
    /// Answers that did not come.
    pub lost_answers: usize,
    /// Lost attempts that were found again.
    pub adopted: usize,
}

impl Verdict {
    /// Whether nothing went wrong.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }
}

pub(super) fn judge(world: &World) -> Vec<Violation> {
    let mut violations = Vec::new();
    for job in &world.store.jobs {
        let charged: Vec<i64> = world
            .provider
            .made
            .iter()
            .filter(|m| m.job == job.id && m.amount > 0)
            .map(|m| m.amount)
            .collect();
        let billed: i64 = charged.iter().sum();
        if charged.len() > 1 {
            violations.push(Violation::BilledTwice);
        }
        if !job.state.is_final() {
            violations.push(Violation::Lost);
            continue;
        }
        if job.state != JobState::Succeeded && job.fault.is_none() {
            violations.push(Violation::NoReason);
        }
        if world.store.open_attempts(job.id) > 0 {
            violations.push(Violation::OpenAttempt);
        }
        let [hold, captured, released, possible_loss] = [
            Posting::Hold,
            Posting::Capture,
            Posting::Release,
            Posting::PossibleLoss,
        ]
        .map(|posting| world.store.sum(job.id, posting));
        if hold != captured + released {
            violations.push(Violation::UnevenHold);
        }
        let agrees = if world.provider.lists {
            captured == billed && possible_loss == 0
        } else {
            captured <= billed && captured + possible_loss >= billed
        };
        if !agrees {
            violations.push(Violation::LedgerDiffers {
                billed,
                captured,
                possible_loss,
            });
        }
    }
    violations.extend(world.store.reopened.iter().map(|_| Violation::Reopened));
    violations
}

//! The ledger of what generations reserve, cost and give back. Append-only; each kind once for each
//! reference, so that nothing is booked twice. For every job: hold = captured + released at its end.
//! A possible loss is the operator's: it is what a provider may have charged without proof either way.

use crate::id::{AttemptId, JobId, LedgerId, WorkspaceId};
use crate::money::Money;
use crate::time::Time;

crate::generation::words! {
    /// What a line does.
    Posting {
        /// Reserve the ceiling of a job.
        Hold = "hold",
        /// Charge what an attempt cost.
        Capture = "capture",
        /// Give the rest of a hold back.
        Release = "release",
        /// What an attempt with an unknown outcome may have cost.
        PossibleLoss = "possible_loss",
    }
}

/// One line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// Its id.
    pub id: LedgerId,
    /// When.
    pub at: Time,
    /// Whose money.
    pub workspace: WorkspaceId,
    /// For which job.
    pub job: JobId,
    /// By which attempt (captures and possible losses).
    pub attempt: Option<AttemptId>,
    /// What it does.
    pub posting: Posting,
    /// How much; never negative.
    pub amount: Money,
}

impl Line {
    /// What makes it unique together with its posting: the attempt, else the job.
    #[must_use]
    pub fn reference(&self) -> String {
        self.attempt
            .map_or_else(|| self.job.to_string(), |attempt| attempt.to_string())
    }
}

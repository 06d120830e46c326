//! Work: takes jobs whose time has come and does one durable step of each. A step never waits for the
//! next: it stores when to come again, so any worker on any machine can go on. Jobs at a provider hold
//! no worker; thousands of them are looked at by the same loop.

mod housekeeping;
mod relay;
mod scheduler;

pub use housekeeping::{BLOB_GRACE, EVENT_MEMORY, HousekeepingError, KEY_MEMORY};

use domain::capability::ProviderName;
use domain::id::{GenerationId, JobId};
use domain::job::{Attempt, Job, NotNow};

/// A job in the hands of a worker, with its newest attempt.
#[derive(Clone, Debug)]
pub(crate) struct Claimed {
    pub(crate) job: Job,
    pub(crate) attempt: Option<Attempt>,
}

/// Why a step did not store anything. The job's lease runs out and another step finds out what is true.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// Another worker has it by now.
    #[error("the job is no longer in a state for this step")]
    NotNow(#[from] NotNow),
    /// Its generation is not there.
    #[error("generation {0} is missing")]
    GenerationMissing(GenerationId),
    /// Its attempt is not there.
    #[error("the attempt of job {0} is missing")]
    AttemptMissing(JobId),
    /// Its provider is not configured; nothing is concluded about what it did.
    #[error("provider `{0}` has open jobs but is not configured; configure it again")]
    ProviderMissing(ProviderName),
    /// A key failed.
    #[error("a key could not be used")]
    Key(#[from] vault::KeyError),
    /// A blob failed.
    #[error("stored media could not be read")]
    Vault(#[from] vault::VaultError),
    /// The database failed.
    #[error("the database did not take a step")]
    Store(#[from] store::Error),
}

//! What the studio asks of an outside engine.

use crate::call::Call;
use crate::media::MediaStream;
use async_trait::async_trait;
use domain::capability::{Card, ModelId};
use domain::fault::Fault;
use domain::generation::{Kind, Operation, Spec};
use domain::job::{Found, Polled, Submitted};
use domain::money::Money;
use domain::secret::{AttemptToken, Prompt, TokenHash};
use domain::time::Time;

/// An engine's client. Every method makes at most the calls it names and keeps nothing that a restart
/// would miss, except for what it may delete earlier than it would vanish by itself.
#[async_trait]
pub trait Provider: Send + Sync {
    /// Its name, models, prices, data handling and handles.
    fn card(&self) -> &Card;

    /// What it refuses beyond its card (combinations of fields), before anything is quoted or sent.
    ///
    /// # Errors
    /// The fault that [`Provider::submit`] would answer.
    fn check(&self, spec: &Spec) -> Result<(), Fault> {
        let _ = spec;
        Ok(())
    }

    /// Sends once. Never retries, never follows a redirect, never sends after the call's deadline.
    async fn submit(&self, call: &Call, token: &AttemptToken) -> Submitted;

    /// How far it is.
    async fn poll(&self, job: &RemoteJob) -> Polled;

    /// Fresh links of a finished job.
    ///
    /// # Errors
    /// [`Lost`] if it is gone or could not be asked.
    async fn outputs(&self, job: &RemoteJob) -> Result<Vec<RemoteOutput>, Lost>;

    /// The bytes of one output.
    ///
    /// # Errors
    /// [`Lost`] if it is gone, refused by the outbound guard, of a type that nobody asked for, or could
    /// not be fetched.
    async fn fetch(&self, output: &RemoteOutput) -> Result<MediaStream, Lost>;

    /// Looks for an attempt whose answer was lost.
    async fn reconcile(&self, attempt: &AttemptRef) -> Found;

    /// Asks to stop it; whether the wish was delivered.
    async fn cancel(&self, job: &RemoteJob) -> bool;

    /// Has what the provider keeps of it deleted.
    async fn erase(&self, job: &RemoteJob) -> Erased;

    /// Whether it answers and takes our key. Free calls only.
    async fn probe(&self) -> Probe;
}

/// A job at a provider.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RemoteJob {
    /// The provider's id.
    pub external_id: String,
    /// Image or video.
    pub kind: Kind,
    /// How it is made.
    pub operation: Operation,
}

/// One output of a finished job. Its link is a bearer of access and prints as a marker.
#[derive(Clone, PartialEq, Eq)]
pub struct RemoteOutput {
    /// Image or video.
    pub kind: Kind,
    link: String,
}

impl RemoteOutput {
    /// An output behind this link (an address, or what a local engine names it by).
    #[must_use]
    pub const fn new(kind: Kind, link: String) -> Self {
        Self { kind, link }
    }

    /// The link, for the provider's own use.
    #[must_use]
    pub fn expose_link(&self) -> &str {
        &self.link
    }
}

impl std::fmt::Debug for RemoteOutput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{} behind a link]", self.kind)
    }
}

/// Why a result could not be had.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Lost {
    /// The provider no longer has it.
    Gone,
    /// It could not be fetched; a later try, with a fresh link, may work.
    Trouble(Fault),
}

/// An attempt whose answer was lost.
#[derive(Clone, Debug)]
pub struct AttemptRef {
    /// Hash of the token that was planted.
    pub token_hash: TokenHash,
    /// When the intent was written.
    pub intent_at: Time,
    /// Image or video.
    pub kind: Kind,
    /// What else may identify it, where no callback (and so no token) went along. `None` if one did.
    pub words: Option<Words>,
}

/// What identifies an attempt that carried no token.
#[derive(Clone, Debug)]
pub struct Words {
    /// The model asked.
    pub model: ModelId,
    /// The words sent.
    pub prompt: Prompt,
    /// Ids at the provider that other attempts of ours hold.
    pub taken: Vec<String>,
    /// Whether no other attempt with these words is open without an id. Only then may a single match be
    /// taken for this one.
    pub alone: bool,
}

/// What came of the wish to delete.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Erased {
    /// Deleted, or not there.
    Done,
    /// What we had sent along was deleted; what it made there cannot be.
    InputsOnly,
    /// The provider offers no deletion and we had sent nothing along.
    NotOffered,
    /// It could not be asked.
    Trouble(Fault),
}

/// What a free look at the provider showed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Probe {
    /// It answers and takes our key.
    Ok {
        /// What is left on the account, where the provider says.
        balance: Option<Money>,
    },
    /// It does not.
    Fault(Fault),
}

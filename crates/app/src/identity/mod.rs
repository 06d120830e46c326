//! Who is asking: what a request shows, who it turns out to be, and what a login hands out.
//!
//! One file for each noun. Whoever acts is an [`domain::actor::Actor`], and only
//! [`crate::Studio::authenticate`] makes one from a request.

pub mod accounts;
mod agent;
mod denied;
pub mod factors;
pub mod invitations;
pub mod keys;
mod lasting;
pub mod letters;
pub mod login;
pub mod machine;
mod moving;
pub mod oidc;
pub mod outbox;
mod passkey_login;
pub mod passkeys;
pub mod people;
mod possession;
pub mod recovery;
pub mod register;
pub mod reset;
mod sessions;
pub mod settings;
pub mod setup;
mod standing;
mod step_up;
pub(crate) mod throttle;
mod token_keys;
mod tokens;
pub mod totp;
pub mod workspaces;

pub use factors::{FactorError, SecondFactor};
pub use sessions::{SessionError, SessionView};
pub use settings::Settings;
pub use standing::{MAX_STANDINGS, STANDING_MEMORY};
pub(crate) use token_keys::forget_withdrawn as forget_withdrawn_keys;
pub use token_keys::{ANNOUNCED, KeyStatus, Stage, TokenKeyError};
pub use tokens::{Refresh, SessionOpener};

use domain::actor::SystemScope;
use domain::id::{BootId, SessionId, UserId, WorkspaceId};
use domain::identity::{Client, Method};
use secrecy::SecretString;
use std::net::IpAddr;
use std::time::Duration;

/// What identity does by itself.
pub(crate) const SYSTEM: SystemScope = SystemScope { reason: "identity" };

/// What identity keeps in this process: signing keys and standings of the last seconds, proofs of the
/// last minutes.
pub(crate) struct Rooms {
    pub(crate) token_keys: token_keys::TokenKeys,
    pub(crate) standings: standing::Standings,
    pub(crate) possession: possession::Possession,
    /// The side that asks for passkeys, once it is known how browsers reach this studio.
    pub(crate) relying_party: std::sync::OnceLock<Option<credentials::passkeys::RelyingParty>>,
}

impl Rooms {
    /// Empty rooms. `shared`: other processes work on the same database.
    pub(crate) fn new(
        keys: &dyn vault::KeyProvider,
        public_url: Option<&str>,
        shared: bool,
        boot: BootId,
    ) -> Result<Self, vault::KeyError> {
        Ok(Self {
            token_keys: token_keys::TokenKeys::new(public_url),
            standings: standing::Standings::of(MAX_STANDINGS),
            possession: possession::Possession::new(keys, shared, boot)?,
            relying_party: passkeys::known_party(public_url),
        })
    }
}

/// A login that succeeded: what its session is opened with.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// Who.
    pub user: UserId,
    /// Where: a workspace that they are a member of.
    pub workspace: WorkspaceId,
    /// How the tokens travel.
    pub client: Client,
    /// Which browser on which system, in a few words.
    pub agent: String,
    /// A coarse network.
    pub network: String,
    /// How they proved who they are.
    pub methods: Vec<Method>,
    /// The key that the tokens are bound to ([`crate::Studio::bind_to`]).
    pub jkt: Option<String>,
}

/// What a request shows to prove who is asking.
#[derive(Debug)]
pub enum Presented {
    /// An access token, from a cookie or from `Authorization`.
    Access {
        /// The token.
        token: SecretString,
        /// The proof of possession that came along (RFC 9449). Without one a token that is bound to a
        /// key is refused.
        proof: Option<Proof>,
    },
    /// An API key.
    ApiKey {
        /// The whole key as it was shown once.
        secret: SecretString,
        /// Where the request comes from: a key may be tied to networks.
        address: IpAddr,
    },
}

/// A DPoP proof and what it must speak of (RFC 9449 section 4.3).
#[derive(Debug)]
pub struct Proof {
    /// The `DPoP` header.
    pub text: String,
    /// The method of the request.
    pub method: String,
    /// The address of the request without query, under every name that is ours: from our settings, never
    /// from what the request says of itself.
    pub targets: Vec<String>,
}

/// Why nobody was found behind what was shown.
#[derive(Debug, thiserror::Error)]
pub enum Unauthenticated {
    /// Not ours, not well formed, revoked, or of an account that is closed.
    #[error("this does not say who is asking")]
    Unknown,
    /// A good access token whose time is over: refreshing gives another.
    #[error("the access token is over; refresh it")]
    Expired,
    /// The session it belongs to was ended.
    #[error("the session is over; log in again")]
    SessionOver,
    /// An API key that is used from a network it is not for.
    #[error("this key is not for this network")]
    Network,
    /// The proof of possession is missing or wrong.
    #[error("the proof of possession does not hold: {0}")]
    Proof(&'static str),
    /// The proof must carry this nonce (RFC 9449 section 8).
    #[error("the proof of possession needs a nonce of ours")]
    Nonce(String),
    /// The database.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A key.
    #[error(transparent)]
    Key(#[from] vault::KeyError),
}

/// What a login or a refresh hands out.
#[derive(Debug)]
pub struct Tokens {
    /// The access token.
    pub access: SecretString,
    /// The refresh token.
    pub refresh: SecretString,
    /// How long the access token is good.
    pub expires_in: Duration,
    /// How long the refresh token is good at most.
    pub refresh_expires_in: Duration,
    /// The session both belong to.
    pub session: SessionId,
    /// `Bearer`, or `DPoP` when they are bound to a key.
    pub token_type: &'static str,
}

impl From<TokenKeyError> for Unauthenticated {
    fn from(error: TokenKeyError) -> Self {
        match error {
            TokenKeyError::Store(error) => Self::Store(error),
            TokenKeyError::Key(error) => Self::Key(error),
            // Only turning keys says so, and nobody turns keys to find out who is asking.
            TokenKeyError::Scheduled(_) => Self::Unknown,
        }
    }
}

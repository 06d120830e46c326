//! Who is asking: what a request shows, who it turns out to be, and what a login hands out.
//!
//! One file for each noun. Whoever acts is an [`domain::actor::Actor`], and only
//! [`crate::Studio::authenticate`] makes one from a request.

mod denied;
pub mod settings;
mod standing;

pub use settings::Settings;

use domain::id::SessionId;
use secrecy::SecretString;
use std::net::IpAddr;
use std::time::Duration;

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

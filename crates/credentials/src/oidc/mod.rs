//! Logins at OpenID providers: the authorization code flow of OpenID Connect Core 1.0 with PKCE
//! (RFC 7636, S256), `state`, `nonce`, and the `iss` of the answer (RFC 9207).
//!
//! Somebody is (issuer, subject) and nothing else: an address or a name may change hands. Only the
//! signatures that are configured count, with keys that the issuer publishes; what the header of a token
//! says of keys is not used. Requests go out through what the caller brings ([`Exchange`]), so that it
//! can guard them.

mod answer;
mod party;

pub use answer::{Answer, Somebody};
pub use openidconnect::{HttpRequest, HttpResponse};
pub use party::{MIN_REFRESH, RelyingParty};

use secrecy::SecretString;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// Random bytes that a login at a provider begins with: for state, nonce and PKCE verifier.
pub const RANDOM_BYTES: usize = 96;

/// What came of one request.
pub type Exchanged = Pin<Box<dyn Future<Output = Result<HttpResponse, NoAnswer>> + Send>>;
/// Sends one request to the provider. It must not follow redirects.
pub type Exchange = Arc<dyn Fn(HttpRequest) -> Exchanged + Send + Sync>;

/// The way to the provider as the library asks for it.
pub(crate) struct Way(pub(crate) Exchange);

impl<'c> openidconnect::AsyncHttpClient<'c> for Way {
    type Error = NoAnswer;
    type Future = Exchanged;

    fn call(&'c self, request: HttpRequest) -> Exchanged {
        (self.0)(request)
    }
}

/// Why a request got no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct NoAnswer(pub &'static str);

/// A provider, and the studio's place there.
#[derive(Clone, Debug)]
pub struct Config {
    /// The issuer, exactly as it writes itself.
    pub issuer: String,
    /// The studio's name there.
    pub client_id: String,
    /// The studio's secret there; none for a public client.
    pub client_secret: Option<SecretString>,
    /// The one address that the provider sends people back to.
    pub redirect_uri: String,
    /// What is asked for beside `openid`.
    pub scopes: Vec<String>,
    /// The claim that carries groups or roles; with dots for a claim inside another.
    pub role_claim: Option<String>,
    /// Names of the signatures that count: RS256, PS256, ES256, EdDSA.
    pub algorithms: Vec<&'static str>,
}

/// What must come back: kept sealed until it does, and bound to one browser.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
pub struct Transaction {
    pub(crate) state: String,
    pub(crate) nonce: String,
    pub(crate) verifier: String,
}

impl std::fmt::Debug for Transaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Transaction([secret])")
    }
}

/// A login on its way.
#[derive(Debug)]
pub struct Begun {
    /// Where the browser goes.
    pub url: String,
    /// What must come back.
    pub transaction: Transaction,
}

/// Why somebody who was sent to a provider is not in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OidcError {
    /// The configuration cannot be used.
    #[error("the configuration of this provider cannot be used: {0}")]
    Config(&'static str),
    /// The provider could not be asked, or its answer is not usable.
    #[error("the provider could not be asked: {0}")]
    Provider(&'static str),
    /// Not what this browser began.
    #[error("the answer does not belong to what this browser began")]
    State,
    /// Of another issuer than the one that was asked (RFC 9207).
    #[error("the answer is of another issuer")]
    Issuer,
    /// The provider did not let them in, or they did not want to.
    #[error("the provider did not let them in")]
    Denied,
    /// The code was not taken.
    #[error("the provider did not take the code")]
    Code,
    /// The ID token does not hold.
    #[error("the ID token does not hold: {0}")]
    Token(&'static str),
}

impl OidcError {
    /// One word for the audit log.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Config(_) => "configuration",
            Self::Provider(_) => "provider",
            Self::State => "state",
            Self::Issuer => "issuer",
            Self::Denied => "denied",
            Self::Code => "code",
            Self::Token(why) => why,
        }
    }
}

#[cfg(test)]
mod tests;

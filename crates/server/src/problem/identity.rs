//! What somebody is told who could not be found out, or who may not do what they asked for.

use super::{Problem, of_key};
use app::identity::Unauthenticated;
use axum::http::StatusCode;
use domain::rights::Denied;

/// The challenge of RFC 6750 section 3.
const BEARER: &str = "Bearer";
/// The same, when a token was shown that is not good.
const BEARER_INVALID: &str = "Bearer error=\"invalid_token\"";
/// The algorithms of proofs of possession (RFC 9449 section 5.1).
const DPOP_ALGORITHMS: &str = "algs=\"ES256 EdDSA\"";

impl Problem {
    /// Nobody is logged in.
    #[must_use]
    pub fn login_required() -> Self {
        let detail = "Log in, or send an API key or access token as `Authorization: Bearer`.";
        Self::new(StatusCode::UNAUTHORIZED, "login_required", "Log in first", detail)
            .header("www-authenticate", BEARER)
    }

    /// A factor has to be shown again.
    #[must_use]
    pub fn step_up_required() -> Self {
        let detail = "This asks for a factor that was shown within the last five minutes. Show one at \
                      `/api/v1/auth/step-up`, then repeat it.";
        Self::new(
            StatusCode::FORBIDDEN,
            "step_up_required",
            "Show that it is you",
            detail,
        )
    }

    /// A key asks for what takes a person.
    #[must_use]
    pub fn session_required() -> Self {
        let detail = "This asks for a factor that only a person can show. An API key cannot: log in.";
        Self::new(
            StatusCode::FORBIDDEN,
            "session_required",
            "A person has to do this",
            detail,
        )
    }
}

impl From<Unauthenticated> for Problem {
    fn from(error: Unauthenticated) -> Self {
        let unauthorized = StatusCode::UNAUTHORIZED;
        match error {
            Unauthenticated::Unknown => Self::login_required(),
            Unauthenticated::Expired => Self::new(
                unauthorized,
                "token_expired",
                "The access token is over",
                "Get another at `/api/v1/auth/refresh`, then repeat the request.",
            )
            .header("www-authenticate", BEARER_INVALID),
            Unauthenticated::SessionOver => Self::new(
                unauthorized,
                "session_over",
                "The session is over",
                "It was ended, or its account has changed. Log in again.",
            )
            .header("www-authenticate", BEARER_INVALID),
            Unauthenticated::Network => Self::new(
                unauthorized,
                "key_network",
                "Not from this network",
                "This key is good for other networks only; its owner chose them when making it.",
            )
            .header("www-authenticate", BEARER_INVALID),
            Unauthenticated::Proof(why) => Self::new(
                unauthorized,
                "proof_invalid",
                "The proof of possession does not hold",
                format!("The `DPoP` header is not good: {why} (RFC 9449)."),
            )
            .header(
                "www-authenticate",
                format!("DPoP error=\"invalid_dpop_proof\", {DPOP_ALGORITHMS}"),
            ),
            Unauthenticated::Nonce(nonce) => Self::new(
                unauthorized,
                "proof_nonce",
                "The proof of possession needs a nonce",
                "Make another proof with the `DPoP-Nonce` of this answer and repeat the request.",
            )
            .header(
                "www-authenticate",
                format!("DPoP error=\"use_dpop_nonce\", {DPOP_ALGORITHMS}"),
            )
            .header("dpop-nonce", nonce),
            Unauthenticated::Store(error) => error.into(),
            Unauthenticated::Key(error) => of_key(&error),
        }
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        let needs = match &denied {
            Denied::Role { roles } => roles.iter().map(|role| role.as_str().to_owned()).collect(),
            Denied::Scope { scope } => vec![scope.clone()],
        };
        let title = "You may not do this";
        Self::new(
            StatusCode::FORBIDDEN,
            "not_permitted",
            title,
            format!("{denied}."),
        )
        .needing(needs)
    }
}

//! What somebody is told whom a provider sent back and who is not in.

use super::{Problem, of_key};
use app::identity::oidc::FederationError;
use app::outside::OidcError;
use axum::http::StatusCode;

impl From<FederationError> for Problem {
    fn from(error: FederationError) -> Self {
        let unauthorized = StatusCode::UNAUTHORIZED;
        match error {
            FederationError::UnknownProvider => Self::not_found("provider"),
            FederationError::Transaction => Self::new(
                StatusCode::BAD_REQUEST,
                "oidc_transaction",
                "This login is over",
                "It was not begun in this browser, was ended already, or took longer than ten minutes. Begin again.",
            ),
            FederationError::Refused(OidcError::Config(_) | OidcError::Provider(_)) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "oidc_unavailable",
                "The provider cannot be asked",
                "Try again in a moment, or log in another way. The log says what is wrong.",
            )
            .retry_in(10),
            FederationError::Refused(
                OidcError::State
                | OidcError::Issuer
                | OidcError::Denied
                | OidcError::Code
                | OidcError::Token(_),
            ) => Self::new(
                unauthorized,
                "oidc_refused",
                "Not let in by the provider",
                "The provider did not let you in, or what it sent does not hold. Begin again.",
            ),
            FederationError::NoAccount => Self::new(
                StatusCode::FORBIDDEN,
                "oidc_no_account",
                "No account for this identity",
                "Logins there make no account here. Ask an administrator.",
            ),
            FederationError::NoAddress => Self::new(
                StatusCode::FORBIDDEN,
                "oidc_no_address",
                "No verified address",
                "The provider tells no verified e-mail address, which an account needs.",
            ),
            FederationError::AddressTaken => Self::new(
                StatusCode::CONFLICT,
                "oidc_address_taken",
                "The address has an account",
                "It is not yours by that alone. Log in the way you did before.",
            ),
            FederationError::Login(error) => error.into(),
            FederationError::Store(error) => error.into(),
            FederationError::Key(error) => of_key(&error),
        }
    }
}

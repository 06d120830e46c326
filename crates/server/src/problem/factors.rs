//! What somebody is told about their factors.

use super::{Problem, of_key};
use app::identity::factors::FactorError;
use axum::http::StatusCode;

fn seconds(wait: std::time::Duration) -> u32 {
    u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).max(1)
}

impl From<FactorError> for Problem {
    fn from(error: FactorError) -> Self {
        let said = format!("{error}.");
        let conflict = |code, title| Self::new(StatusCode::CONFLICT, code, title, said.clone());
        let unfit = |code, title| Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, title, said.clone());
        match error {
            FactorError::NotFound => Self::not_found("factor"),
            FactorError::LastCredential => conflict("last_credential", "The only way in"),
            FactorError::PasswordShort => conflict("password_short", "A longer password first"),
            FactorError::Exists => conflict("factor_exists", "Set up already"),
            FactorError::TooManyPasskeys => conflict("too_many_passkeys", "As many as there may be"),
            FactorError::NothingToRecover => conflict("nothing_to_recover", "Nothing to recover"),
            FactorError::PasskeysOff => conflict("passkeys_off", "No passkeys under this address"),
            FactorError::SecondFactorNeeded(methods) => {
                let methods = methods.iter().map(|method| method.as_str().to_owned());
                Self::new(
                    StatusCode::FORBIDDEN,
                    "second_factor_needed",
                    "Show your second factor",
                    said.clone(),
                )
                .offering(methods.collect())
            }
            FactorError::Wrong => unfit("factor_wrong", "Not right"),
            FactorError::Passkey(_) => unfit("passkey_refused", "The passkey was refused"),
            FactorError::Name(error) => error.into(),
            FactorError::TooManyTries { retry_after } => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_tries",
                "Too many wrong tries",
                said,
            )
            .retry_in(seconds(retry_after)),
            FactorError::Ticket => Self::new(StatusCode::BAD_REQUEST, "challenge_over", "Begin again", said),
            FactorError::SessionOver => Self::new(
                StatusCode::UNAUTHORIZED,
                "session_over",
                "The session is over",
                said,
            )
            .header("www-authenticate", "Bearer error=\"invalid_token\""),
            FactorError::Busy { retry_after } => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "Busy", said)
                    .retry_in(seconds(retry_after))
            }
            FactorError::Broken => super::internal(),
            FactorError::Store(error) => error.into(),
            FactorError::Key(error) => of_key(&error),
        }
    }
}

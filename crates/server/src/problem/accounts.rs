//! What somebody is told at the entrance, and about their own account.

use super::{FieldProblem, Problem, of_key};
use app::identity::accounts::{AccountError, PasswordError};
use app::identity::login::LoginError;
use app::identity::register::RegisterError;
use app::identity::reset::ResetError;
use app::identity::setup::SetupError;
use app::outside::{HashError, ListError, NotAPassword, Weak};
use axum::http::StatusCode;
use domain::identity::NotPersonal;
use std::time::Duration;

fn seconds(wait: Duration) -> u32 {
    u32::try_from(wait.as_secs()).unwrap_or(u32::MAX).max(1)
}

/// An error as a sentence.
fn sentence(error: &dyn std::error::Error) -> String {
    let text = error.to_string();
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), characters.as_str())
}

impl Problem {
    pub(super) fn field(code: &str, field: &str, problem: &str, said: &str) -> Self {
        let title = "A field does not fit";
        let error = FieldProblem {
            field: field.to_owned(),
            code: problem.to_owned(),
            detail: said.to_owned(),
            start: None,
            end: None,
        };
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, title, said).with(vec![error])
    }

    pub(super) fn ticket_invalid(said: &str) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "ticket_invalid",
            "The link is not good",
            said,
        )
    }

    fn too_many_tries(said: &str, retry_after: Duration) -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_tries",
            "Too many tries",
            said,
        )
        .retry_in(seconds(retry_after))
    }

    /// The password is right; what is lacking is one of these.
    fn second_factor_needed(methods: &[app::identity::SecondFactor]) -> Self {
        let detail = "The password is right. Repeat it with a `code`, or log in with a passkey.";
        let methods = methods.iter().map(|method| method.as_str().to_owned());
        let title = "A second factor is needed";
        Self::new(StatusCode::UNAUTHORIZED, "second_factor_needed", title, detail).offering(methods.collect())
    }
}

impl From<NotPersonal> for Problem {
    fn from(error: NotPersonal) -> Self {
        let said = sentence(&error);
        match error {
            NotPersonal::Email => Self::field("email_invalid", "email", "invalid", &said),
            NotPersonal::Name => Self::field("name_invalid", "name", "invalid", &said),
        }
    }
}

impl From<HashError> for Problem {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Busy { retry_after } => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "Busy",
                "Too many logins at once. Nothing was done; try again shortly.",
            )
            .retry_in(seconds(retry_after)),
            HashError::Record(_) | HashError::Broken => {
                tracing::error!(error = %error, "a password could not be checked");
                super::internal()
            }
        }
    }
}

fn of_list(error: &ListError) -> Problem {
    tracing::error!(error = %error, "the list of breached passwords cannot be read; no password is taken");
    super::internal()
}

impl From<PasswordError> for Problem {
    fn from(error: PasswordError) -> Self {
        let said = sentence(&error);
        let refused = |problem: &str| Self::field("password_refused", "password", problem, &said);
        match error {
            PasswordError::Form(NotAPassword::TooLong) => refused("too_long"),
            PasswordError::Form(NotAPassword::Control) => refused("control"),
            PasswordError::Weak(Weak::TooShort { .. }) => refused("too_short"),
            PasswordError::Weak(Weak::Common) => refused("common"),
            PasswordError::Weak(Weak::Breached) => refused("breached"),
            PasswordError::Weak(Weak::Context) => refused("context"),
            PasswordError::Weak(Weak::Repeated) => refused("repeated"),
            PasswordError::List(error) => of_list(&error),
            PasswordError::Hash(error) => error.into(),
        }
    }
}

impl From<AccountError> for Problem {
    fn from(error: AccountError) -> Self {
        let said = sentence(&error);
        match error {
            AccountError::NotFound => Self::not_found("account"),
            AccountError::Personal(error) => error.into(),
            AccountError::Locale => Self::field("locale_unknown", "locale", "unknown", &said),
            AccountError::Password(error) => error.into(),
            AccountError::SessionNeeded => Self::session_required(),
            AccountError::NoWorkspace => Self::not_found("workspace"),
            AccountError::Store(error) => error.into(),
            AccountError::Key(error) => of_key(&error),
        }
    }
}

impl From<LoginError> for Problem {
    fn from(error: LoginError) -> Self {
        let said = sentence(&error);
        match error {
            LoginError::Wrong => Self::new(StatusCode::UNAUTHORIZED, "login_failed", "Not right", said),
            LoginError::SecondFactorNeeded(methods) => Self::second_factor_needed(&methods),
            LoginError::TooManyTries { retry_after } => Self::too_many_tries(&said, retry_after),
            LoginError::NoWorkspace => Self::new(StatusCode::FORBIDDEN, "no_workspace", "No workspace", said),
            LoginError::Hash(error) => error.into(),
            LoginError::Session(error) => error.into(),
            LoginError::Factor(error) => error.into(),
            LoginError::Store(error) => error.into(),
            LoginError::Key(error) => of_key(&error),
        }
    }
}

impl From<SetupError> for Problem {
    fn from(error: SetupError) -> Self {
        let said = sentence(&error);
        match error {
            SetupError::Code => Self::new(StatusCode::UNAUTHORIZED, "setup_code", "Not the code", said),
            SetupError::Done => Self::new(StatusCode::CONFLICT, "setup_done", "Set up already", said),
            SetupError::Personal(error) => error.into(),
            SetupError::Account(error) => error.into(),
            SetupError::Password(error) => error.into(),
            SetupError::Login(error) => error.into(),
            SetupError::Store(error) => error.into(),
            SetupError::Key(error) => of_key(&error),
        }
    }
}

impl From<RegisterError> for Problem {
    fn from(error: RegisterError) -> Self {
        let said = sentence(&error);
        match error {
            RegisterError::Closed => {
                let title = "By invitation only";
                Self::new(StatusCode::FORBIDDEN, "registration_closed", title, said)
            }
            RegisterError::Ticket => Self::ticket_invalid(&said),
            RegisterError::PasswordNeeded => {
                let title = "The password of the registration is needed";
                Self::new(StatusCode::UNAUTHORIZED, "password_needed", title, said)
            }
            RegisterError::Personal(error) => error.into(),
            RegisterError::Account(error) => error.into(),
            RegisterError::Password(error) => error.into(),
            RegisterError::Store(error) => error.into(),
            RegisterError::Key(error) => of_key(&error),
        }
    }
}

impl From<ResetError> for Problem {
    fn from(error: ResetError) -> Self {
        let said = sentence(&error);
        match error {
            ResetError::Ticket => Self::ticket_invalid(&said),
            ResetError::SecondFactorNeeded(methods) => Self::second_factor_needed(&methods),
            ResetError::Wrong => Self::field("factor_wrong", "code", "wrong", &said),
            ResetError::TooManyTries { retry_after } => Self::too_many_tries(&said, retry_after),
            ResetError::Password(error) => error.into(),
            ResetError::Factor(error) => error.into(),
            ResetError::Store(error) => error.into(),
            ResetError::Key(error) => of_key(&error),
        }
    }
}

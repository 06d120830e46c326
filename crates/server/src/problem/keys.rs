//! What somebody is told about their API keys.

use super::{FieldProblem, Problem, of_key};
use app::identity::keys::ApiKeyError;
use axum::http::StatusCode;

impl Problem {
    /// A key that cannot be as it is wanted.
    pub(crate) fn invalid_key(detail: &str) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_key",
            "A key cannot be like this",
            detail,
        )
    }
}

impl From<ApiKeyError> for Problem {
    fn from(error: ApiKeyError) -> Self {
        let said = format!("{error}.");
        let field = |field: &str, code: &str| {
            Self::invalid_key(&said).with(vec![FieldProblem {
                field: field.to_owned(),
                code: code.to_owned(),
                detail: said.clone(),
                start: None,
                end: None,
            }])
        };
        match error {
            ApiKeyError::NotFound => Self::not_found("key"),
            ApiKeyError::TooMany => Self::new(
                StatusCode::CONFLICT,
                "too_many_keys",
                "As many keys as there may be",
                said,
            ),
            ApiKeyError::NoScope => field("scopes", "empty"),
            ApiKeyError::Over => field("expires_at", "past"),
            ApiKeyError::TooManyNetworks => field("networks", "too_many"),
            ApiKeyError::Key(error) => of_key(&error),
            ApiKeyError::Store(error) => error.into(),
        }
    }
}

//! What somebody is told whose session was not ended.

use super::Problem;
use app::identity::SessionError;

impl From<SessionError> for Problem {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::NotFound => Self::not_found("session"),
            SessionError::Store(error) => error.into(),
        }
    }
}

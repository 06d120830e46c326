//! What administrators are told about people and workspaces, and whoever accepts an invitation.

use super::{Problem, of_key};
use app::identity::invitations::AcceptError;
use app::identity::people::PeopleError;
use app::identity::workspaces::WorkspaceError;
use axum::http::StatusCode;

impl From<PeopleError> for Problem {
    fn from(error: PeopleError) -> Self {
        let said = format!("{error}.");
        let conflict = |code, title| Self::new(StatusCode::CONFLICT, code, title, said.clone());
        match error {
            PeopleError::NotFound => Self::not_found("person"),
            PeopleError::LastAdministrator => conflict("last_administrator", "The last administrator"),
            PeopleError::Disabled => conflict("account_disabled", "The account is disabled"),
            PeopleError::Pending => conflict("account_pending", "The account is not in use yet"),
            PeopleError::NoWorkspace => Self::field("workspace_unknown", "workspace", "unknown", &said),
            PeopleError::Personal(error) => error.into(),
            PeopleError::Account(error) => error.into(),
            PeopleError::Store(error) => error.into(),
            PeopleError::Key(error) => of_key(&error),
        }
    }
}

impl From<WorkspaceError> for Problem {
    fn from(error: WorkspaceError) -> Self {
        let said = format!("{error}.");
        match error {
            WorkspaceError::NotFound => Self::not_found("workspace or member"),
            WorkspaceError::MemberExists => {
                Self::new(StatusCode::CONFLICT, "member_exists", "A member already", said)
            }
            WorkspaceError::Name(error) => error.into(),
            WorkspaceError::Store(error) => error.into(),
            WorkspaceError::Key(error) => of_key(&error),
        }
    }
}

impl From<AcceptError> for Problem {
    fn from(error: AcceptError) -> Self {
        let said = format!("{error}.");
        match error {
            AcceptError::Ticket => Self::ticket_invalid(&said),
            AcceptError::Personal(error) => error.into(),
            AcceptError::Account(error) => error.into(),
            AcceptError::Password(error) => error.into(),
            AcceptError::Login(error) => error.into(),
            AcceptError::Store(error) => error.into(),
            AcceptError::Key(error) => of_key(&error),
        }
    }
}

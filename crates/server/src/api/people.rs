//! People, invitations, workspaces and members as administrators see them.

use super::accounts::MembershipBody;
use app::identity::accounts::Membership;
use app::identity::invitations::{InvitationView, InvitationsPage};
use app::identity::people::{PeoplePage, PersonView};
use app::identity::workspaces::{MemberView, Page, WorkspaceView};
use domain::id::{InvitationId, UserId, WorkspaceId};
use domain::identity::{AccountState, Role};
use domain::time::Time;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Somebody as administrators see them.
#[derive(Serialize, ToSchema)]
pub struct PersonBody {
    /// Their id.
    #[schema(value_type = String)]
    pub id: UserId,
    /// Their address.
    pub email: String,
    /// Their name.
    pub name: String,
    /// Where the account stands.
    pub state: AccountState,
    /// The role in the installation.
    pub role: Role,
    /// Where they belong.
    pub workspaces: Vec<MembershipBody>,
    /// Whether they have a passkey or one-time codes.
    pub second_factor: bool,
    /// When the account was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When they last used a session that is still remembered.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_seen: Option<Time>,
}

/// A page of people, newest first.
#[derive(Serialize, ToSchema)]
pub struct PersonList {
    /// The people.
    pub items: Vec<PersonBody>,
    /// Where the next page begins, if there is one.
    pub next_cursor: Option<String>,
}

impl From<PersonView> for PersonBody {
    fn from(view: PersonView) -> Self {
        let membership = |of: Membership| MembershipBody {
            id: of.workspace,
            name: of.name,
            role: of.role,
        };
        Self {
            id: view.id,
            email: view.texts.email.expose().to_owned(),
            name: view.texts.name.expose().to_owned(),
            state: view.state,
            role: view.role,
            workspaces: view.workspaces.into_iter().map(membership).collect(),
            second_factor: view.second_factor,
            created_at: view.created_at,
            last_seen: view.last_seen,
        }
    }
}

impl From<PeoplePage> for PersonList {
    fn from(page: PeoplePage) -> Self {
        Self {
            items: page.items.into_iter().map(Into::into).collect(),
            next_cursor: page.next.map(|id| id.to_string()),
        }
    }
}

/// Somebody to be invited.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPersonBody {
    pub(crate) email: String,
    /// What they are called until they say so themselves.
    pub(crate) name: Option<String>,
    /// The role in the installation; `user` if absent. Somebody with an account keeps theirs.
    pub(crate) role: Option<Role>,
    /// Where they are to belong; where the caller acts if absent.
    #[schema(value_type = Option<String>)]
    pub(crate) workspace: Option<WorkspaceId>,
    /// The role there; `user` if absent.
    pub(crate) workspace_role: Option<Role>,
    /// The language of the letter: `pt-BR` or `en`.
    pub(crate) locale: Option<String>,
}

/// Somebody who was invited.
#[derive(Serialize, ToSchema)]
pub struct InvitedBody {
    /// Who.
    pub user: PersonBody,
    /// What to hand over, where no mail is sent and they have no account in use. Shown once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

/// What changes about somebody.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PersonChangeBody {
    /// The role in the installation.
    pub(crate) role: Option<Role>,
    /// `active` opens the account, `disabled` closes it.
    pub(crate) state: Option<AccountState>,
}

/// A link, where no mail is sent.
#[derive(Serialize, ToSchema)]
pub struct LinkBody {
    /// What to hand over. Shown once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

/// An open invitation.
#[derive(Serialize, ToSchema)]
pub struct InvitationBody {
    /// Its id.
    #[schema(value_type = String)]
    pub id: InvitationId,
    /// Who is invited.
    pub email: String,
    /// The role in the installation.
    pub role: Role,
    /// Where to.
    #[schema(value_type = String)]
    pub workspace: WorkspaceId,
    /// The role there.
    pub workspace_role: Role,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// Until when it can be accepted.
    #[schema(value_type = String, format = DateTime)]
    pub expires_at: Time,
}

/// A page of open invitations, newest first.
#[derive(Serialize, ToSchema)]
pub struct InvitationList {
    /// The invitations.
    pub items: Vec<InvitationBody>,
    /// Where the next page begins, if there is one.
    pub next_cursor: Option<String>,
}

impl From<InvitationsPage> for InvitationList {
    fn from(page: InvitationsPage) -> Self {
        let body = |view: InvitationView| InvitationBody {
            id: view.id,
            email: view.email.expose().to_owned(),
            role: view.role,
            workspace: view.workspace,
            workspace_role: view.workspace_role,
            created_at: view.created_at,
            expires_at: view.expires_at,
        };
        Self {
            items: page.items.into_iter().map(body).collect(),
            next_cursor: page.next.map(|(at, id)| format!("{}.{id}", at.micros())),
        }
    }
}

/// Where a page of invitations begins: what [`InvitationList`] gave.
pub(crate) fn invitations_after(cursor: &str) -> Option<(Time, InvitationId)> {
    let (at, id) = cursor.split_once('.')?;
    Some((Time::from_micros(at.parse().ok()?), id.parse().ok()?))
}

/// An invitation that is accepted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AcceptanceBody {
    pub(crate) token: String,
    pub(crate) name: String,
    /// Without one a passkey is added next.
    pub(crate) password: Option<String>,
    /// `pt-BR` or `en`.
    pub(crate) locale: Option<String>,
    /// How tokens travel: cookies (`browser`) or in the body (`api`). Browsers need not say.
    pub(crate) client: Option<domain::identity::Client>,
}

/// A workspace.
#[derive(Serialize, ToSchema)]
pub struct WorkspaceBody {
    /// Its id.
    #[schema(value_type = String)]
    pub id: WorkspaceId,
    /// What it is called.
    pub name: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// How many members it has.
    pub members: i64,
}

impl From<WorkspaceView> for WorkspaceBody {
    fn from(view: WorkspaceView) -> Self {
        Self {
            id: view.id,
            name: view.name,
            created_at: view.created_at,
            members: view.members,
        }
    }
}

/// A page of workspaces, oldest first.
#[derive(Serialize, ToSchema)]
pub struct WorkspaceList {
    /// The workspaces.
    pub items: Vec<WorkspaceBody>,
    /// Where the next page begins, if there is one.
    pub next_cursor: Option<String>,
}

impl From<Page<WorkspaceView, WorkspaceId>> for WorkspaceList {
    fn from(page: Page<WorkspaceView, WorkspaceId>) -> Self {
        Self {
            items: page.items.into_iter().map(Into::into).collect(),
            next_cursor: page.next.map(|id| id.to_string()),
        }
    }
}

/// What a workspace is called.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceNameBody {
    pub(crate) name: String,
}

/// A member of a workspace.
#[derive(Serialize, ToSchema)]
pub struct MemberBody {
    /// The id of their account.
    #[schema(value_type = String)]
    pub id: UserId,
    /// Their address.
    pub email: String,
    /// Their name.
    pub name: String,
    /// The role in the workspace.
    pub role: Role,
    /// Since when they belong to it.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
}

/// A page of members.
#[derive(Serialize, ToSchema)]
pub struct MemberList {
    /// The members.
    pub items: Vec<MemberBody>,
    /// Where the next page begins, if there is one.
    pub next_cursor: Option<String>,
}

impl From<Page<MemberView, UserId>> for MemberList {
    fn from(page: Page<MemberView, UserId>) -> Self {
        let body = |view: MemberView| MemberBody {
            id: view.user,
            email: view.texts.email.expose().to_owned(),
            name: view.texts.name.expose().to_owned(),
            role: view.role,
            created_at: view.created_at,
        };
        Self {
            items: page.items.into_iter().map(body).collect(),
            next_cursor: page.next.map(|id| id.to_string()),
        }
    }
}

/// Somebody who becomes a member.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMemberBody {
    /// The id of their account.
    #[schema(value_type = String)]
    pub(crate) user: UserId,
    pub(crate) role: Role,
}

/// A member's new role.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberRoleBody {
    pub(crate) role: Role,
}

//! Who asks, and what they may see. Every find and list takes a [`Scope`]; only authentication makes an
//! [`Actor`], and system work carries its own visible scope with its reason.

use crate::id::{KeyId, SessionId, UserId, WorkspaceId};
use crate::identity::{Role, Scopes, scope_of};
use crate::rights::{Action, Denied, Object, Reach, allows, holders};
use crate::time::Time;
use std::time::Duration;

/// The workspace every installation begins with.
pub const FIRST_WORKSPACE: WorkspaceId = WorkspaceId::from_value(0x0190_0000_0000_7000_8000_0000_0000_0001);
/// The person at the machine itself, who runs commands on the data directory without the server.
pub const LOCAL_USER: UserId = UserId::from_value(0x0190_0000_0000_7000_8000_0000_0000_0002);

/// How someone came in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Via {
    /// A command on the data directory: whoever can read the keys needs no password.
    Machine,
    /// A login.
    Session {
        /// Which.
        id: SessionId,
        /// When a factor was last shown.
        fresh_at: Time,
    },
    /// An API key.
    Key {
        /// Which.
        id: KeyId,
        /// What it may be used for.
        scopes: Scopes,
    },
}

/// Someone who was authenticated, acting in one workspace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Actor {
    user: UserId,
    workspace: WorkspaceId,
    role: Role,
    installation_role: Role,
    via: Via,
}

impl Actor {
    /// The person at the machine: made for commands that run without the server.
    #[must_use]
    pub const fn local() -> Self {
        Self {
            user: LOCAL_USER,
            workspace: FIRST_WORKSPACE,
            role: Role::Admin,
            installation_role: Role::Admin,
            via: Via::Machine,
        }
    }

    /// A user at the machine, for tests of what they must not see.
    #[must_use]
    pub const fn new(user: UserId, workspace: WorkspaceId) -> Self {
        Self {
            user,
            workspace,
            role: Role::User,
            installation_role: Role::User,
            via: Via::Machine,
        }
    }

    /// Someone who proved who they are: their role in the workspace, their role in the installation.
    #[must_use]
    pub const fn authenticated(
        user: UserId,
        workspace: WorkspaceId,
        role: Role,
        installation_role: Role,
        via: Via,
    ) -> Self {
        Self {
            user,
            workspace,
            role,
            installation_role,
            via,
        }
    }

    /// Who.
    #[must_use]
    pub const fn user(&self) -> UserId {
        self.user
    }

    /// Where.
    #[must_use]
    pub const fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    /// The role in the workspace.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// The role in the installation.
    #[must_use]
    pub const fn installation_role(&self) -> Role {
        self.installation_role
    }

    /// How they came in.
    #[must_use]
    pub const fn via(&self) -> &Via {
        &self.via
    }

    /// The session, if they came by one.
    #[must_use]
    pub const fn session(&self) -> Option<SessionId> {
        match &self.via {
            Via::Session { id, .. } => Some(*id),
            Via::Machine | Via::Key { .. } => None,
        }
    }

    /// What this actor may see: their own in their workspace.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        Scope {
            workspace: self.workspace,
            owner: self.user,
        }
    }

    /// Whether this actor may do this, by the table of [`crate::rights`] and by the key's scopes.
    ///
    /// # Errors
    /// What is lacking.
    pub fn may(&self, action: Action, object: Object) -> Result<(), Denied> {
        let role = match object.reach() {
            Reach::Workspace => self.role,
            Reach::Installation => self.installation_role,
        };
        if !allows(role, action, object) {
            return Err(Denied::Role {
                roles: holders(action, object),
            });
        }
        match &self.via {
            Via::Key { scopes, .. } if !scopes.cover(action, object) => Err(Denied::Scope {
                scope: scope_of(action, object),
            }),
            Via::Machine | Via::Session { .. } | Via::Key { .. } => Ok(()),
        }
    }

    /// Whether a factor was shown within this time. A key shows none.
    #[must_use]
    pub fn is_fresh(&self, now: Time, window: Duration) -> bool {
        match &self.via {
            Via::Machine => true,
            Via::Session { fresh_at, .. } => now <= fresh_at.after(window),
            Via::Key { .. } => false,
        }
    }
}

/// What may be seen: what one person has in one workspace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scope {
    workspace: WorkspaceId,
    owner: UserId,
}

impl Scope {
    /// The workspace.
    #[must_use]
    pub const fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    /// Whose things.
    #[must_use]
    pub const fn owner(&self) -> UserId {
        self.owner
    }
}

/// The studio's own work across workspaces, with the reason that its audit entries carry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SystemScope {
    /// Why, such as `scheduler` or `recovery`.
    pub reason: &'static str,
}

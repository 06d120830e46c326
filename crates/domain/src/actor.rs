//! Who asks, and what they may see. Every find and list takes a [`Scope`]; only authentication makes an
//! [`Actor`], and system work carries its own visible scope with its reason.

use crate::id::{UserId, WorkspaceId};

/// The workspace every installation begins with.
pub const FIRST_WORKSPACE: WorkspaceId = WorkspaceId::from_value(0x0190_0000_0000_7000_8000_0000_0000_0001);
/// The person at the machine itself: the only actor while the server listens on loopback.
pub const LOCAL_USER: UserId = UserId::from_value(0x0190_0000_0000_7000_8000_0000_0000_0002);

/// Someone who was authenticated, acting in one workspace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Actor {
    user: UserId,
    workspace: WorkspaceId,
}

impl Actor {
    /// The person at the machine: made for requests that came over loopback and for embedded commands.
    #[must_use]
    pub const fn local() -> Self {
        Self {
            user: LOCAL_USER,
            workspace: FIRST_WORKSPACE,
        }
    }

    /// Somebody else, for tests of what they must not see.
    #[must_use]
    pub const fn new(user: UserId, workspace: WorkspaceId) -> Self {
        Self { user, workspace }
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

    /// What this actor may see.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        Scope {
            workspace: self.workspace,
        }
    }
}

/// What may be seen: one workspace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Scope {
    workspace: WorkspaceId,
}

impl Scope {
    /// The workspace.
    #[must_use]
    pub const fn workspace(&self) -> WorkspaceId {
        self.workspace
    }
}

/// The studio's own work across workspaces, with the reason that its audit entries carry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SystemScope {
    /// Why, such as `scheduler` or `recovery`.
    pub reason: &'static str,
}

//! Who may do what to what: one table. Everything that asks for a right asks here, the documentation
//! prints it, and a test calls every route as every role and compares.
//!
//! The table says what a role may; whose things it may is said by [`crate::actor::Scope`]: a foreign
//! thing does not exist, whatever the role.

use crate::identity::Role;

crate::generation::words! {
    /// What is done.
    Action {
        /// Looked at.
        Read = "read",
        /// Made.
        Create = "create",
        /// Changed.
        Change = "change",
        /// Removed, revoked, ended.
        Delete = "delete",
    }
}

crate::generation::words! {
    /// To what. The words are those of API key scopes.
    Object {
        /// One's own account: name, language, password.
        Account = "account",
        /// One's own sessions.
        Session = "sessions",
        /// One's own passkeys, one-time codes and recovery codes.
        Factor = "factors",
        /// One's own API keys.
        ApiKey = "api_keys",
        /// One's own generations, quotes and events.
        Generation = "generations",
        /// One's own media and uploads.
        Asset = "assets",
        /// Models, prices, data handling, health of providers.
        Catalogue = "models",
        /// Members of the workspace.
        Member = "members",
        /// Accounts, invitations and roles of the installation.
        Person = "people",
        /// Workspaces of the installation.
        Workspace = "workspaces",
        /// The audit log.
        AuditLog = "audit",
    }
}

/// Where a role must be held for an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// Things of one's own in the workspace, or the workspace itself: the role in the workspace counts.
    Workspace,
    /// Things of the installation: the role in the installation counts.
    Installation,
}

impl Object {
    /// Which role counts.
    #[must_use]
    pub const fn reach(self) -> Reach {
        match self {
            Self::Person | Self::Workspace | Self::AuditLog => Reach::Installation,
            Self::Account
            | Self::Session
            | Self::Factor
            | Self::ApiKey
            | Self::Generation
            | Self::Asset
            | Self::Catalogue
            | Self::Member => Reach::Workspace,
        }
    }

    /// Whether an API key can be given a scope for it: what proves who somebody is, is for people.
    #[must_use]
    pub const fn is_for_keys(self) -> bool {
        !matches!(self, Self::Session | Self::Factor | Self::ApiKey)
    }
}

use Action::{Change, Create, Delete, Read};
use Role::{Admin, Auditor, Dpo, Finance, Operator, User};

const EVERYBODY: &[Role] = Role::ALL;
const MAKERS: &[Role] = &[User, Operator, Finance, Dpo, Admin];

/// The table. What is not in it is refused.
pub const TABLE: &[(Object, Action, &[Role])] = &[
    (Object::Account, Read, EVERYBODY),
    (Object::Account, Change, EVERYBODY),
    (Object::Session, Read, EVERYBODY),
    (Object::Session, Change, EVERYBODY),
    (Object::Session, Delete, EVERYBODY),
    (Object::Factor, Read, EVERYBODY),
    (Object::Factor, Create, EVERYBODY),
    (Object::Factor, Change, EVERYBODY),
    (Object::Factor, Delete, EVERYBODY),
    (Object::ApiKey, Read, EVERYBODY),
    (Object::ApiKey, Create, EVERYBODY),
    (Object::ApiKey, Delete, EVERYBODY),
    (Object::Generation, Read, EVERYBODY),
    (Object::Generation, Create, MAKERS),
    (Object::Generation, Change, MAKERS),
    (Object::Generation, Delete, MAKERS),
    (Object::Asset, Read, EVERYBODY),
    (Object::Asset, Create, MAKERS),
    (Object::Asset, Change, MAKERS),
    (Object::Asset, Delete, MAKERS),
    (Object::Catalogue, Read, EVERYBODY),
    (Object::Member, Read, &[Operator, Finance, Dpo, Auditor, Admin]),
    (Object::Member, Create, &[Admin]),
    (Object::Member, Change, &[Admin]),
    (Object::Member, Delete, &[Admin]),
    (Object::Person, Read, &[Dpo, Auditor, Admin]),
    (Object::Person, Create, &[Admin]),
    (Object::Person, Change, &[Admin]),
    (Object::Person, Delete, &[Admin]),
    (Object::Workspace, Read, &[Dpo, Auditor, Admin]),
    (Object::Workspace, Create, &[Admin]),
    (Object::Workspace, Change, &[Admin]),
    (Object::AuditLog, Read, &[Dpo, Auditor, Admin]),
];

/// The roles that may do this.
#[must_use]
pub fn holders(action: Action, object: Object) -> &'static [Role] {
    TABLE
        .iter()
        .find(|(of, what, _)| *of == object && *what == action)
        .map_or(&[], |(_, _, roles)| roles)
}

/// Whether a role may do this.
#[must_use]
pub fn allows(role: Role, action: Action, object: Object) -> bool {
    holders(action, object).contains(&role)
}

/// Why something may not be done.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Denied {
    /// The role does not have it.
    #[error("this needs the role {}", roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(" or "))]
    Role {
        /// Roles that have it.
        roles: &'static [Role],
    },
    /// The key's scopes do not cover it.
    #[error("this key lacks the scope `{scope}`")]
    Scope {
        /// The word that covers it.
        scope: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_stands_once_and_names_somebody() {
        for (at, (object, action, roles)) in TABLE.iter().enumerate() {
            assert!(!roles.is_empty());
            let again = TABLE[at + 1..].iter().any(|(o, a, _)| o == object && a == action);
            assert!(!again, "{object} {action} stands twice");
        }
    }

    #[test]
    fn an_auditor_changes_nothing_that_is_not_their_own_account() {
        for (object, action, roles) in TABLE {
            let own = matches!(
                object,
                Object::Account | Object::Session | Object::Factor | Object::ApiKey
            );
            if *action != Read && !own {
                assert!(!roles.contains(&Auditor), "{object} {action}");
            }
        }
    }

    #[test]
    fn only_administrators_change_what_belongs_to_the_installation() {
        for (object, action, roles) in TABLE {
            if object.reach() == Reach::Installation && *action != Read {
                assert_eq!(*roles, [Admin], "{object} {action}");
            }
        }
    }
}

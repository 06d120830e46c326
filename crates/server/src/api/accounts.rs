//! Accounts as they travel: at the entrance, and as their owners see them.

use app::identity::accounts::{EntrancePolicy, Me};
use domain::id::{UserId, WorkspaceId};
use domain::identity::{Client, Registration, Role};
use domain::time::Time;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What the entrance pages need to know before anybody is logged in.
#[derive(Serialize, ToSchema)]
pub struct PolicyBody {
    /// No administrator can log in yet: `/setup` makes the first one.
    pub setup_needed: bool,
    /// Who may make an account.
    pub registration: Registration,
    /// Least characters of a password alone.
    pub password_min: usize,
    /// Least characters of a password beside a second factor.
    pub password_min_with_factor: usize,
    /// Whether passkeys can be had under this address.
    pub passkeys: bool,
    /// Whether mail is sent.
    pub mail: bool,
    /// Other providers that people may log in with.
    pub oidc: Vec<ProviderOfLogins>,
}

/// A provider of logins.
#[derive(Serialize, ToSchema)]
pub struct ProviderOfLogins {
    /// Its name in addresses.
    pub name: String,
    /// Its name for people.
    pub title: String,
}

impl PolicyBody {
    pub(crate) fn new(policy: EntrancePolicy, passkeys: bool) -> Self {
        let oidc = policy.oidc.into_iter();
        Self {
            setup_needed: policy.setup_needed,
            registration: policy.registration,
            password_min: policy.password_min,
            password_min_with_factor: policy.password_min_with_factor,
            passkeys,
            mail: policy.mail,
            oidc: oidc
                .map(|(name, title)| ProviderOfLogins { name, title })
                .collect(),
        }
    }
}

/// The first administrator.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetupBody {
    /// The code that the studio printed when it started.
    pub(crate) code: String,
    pub(crate) email: String,
    pub(crate) name: String,
    /// Without one a passkey is added next.
    pub(crate) password: Option<String>,
    /// `pt-BR` or `en`.
    pub(crate) locale: Option<String>,
    /// How tokens travel: cookies (`browser`) or in the body (`api`). Browsers need not say.
    pub(crate) client: Option<Client>,
}

/// A login.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginBody {
    pub(crate) email: String,
    pub(crate) password: String,
    /// A code of the app, or a recovery code; asked for by `second_factor_needed`.
    pub(crate) code: Option<String>,
    /// How tokens travel: cookies (`browser`) or in the body (`api`). Browsers need not say.
    pub(crate) client: Option<Client>,
    /// Where to act. Not given: in the workspace that was made first.
    #[schema(value_type = Option<String>)]
    pub(crate) workspace: Option<WorkspaceId>,
}

/// An account that somebody makes for themselves.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterBody {
    pub(crate) email: String,
    pub(crate) name: String,
    pub(crate) password: String,
    /// `pt-BR` or `en`.
    pub(crate) locale: Option<String>,
}

/// What comes next.
#[derive(Serialize, ToSchema)]
pub struct NextBody {
    /// `mail`: look there.
    pub next: &'static str,
}

/// The link of a registration.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VerifyBody {
    pub(crate) token: String,
    /// The password that the registration chose: needed in another browser than that in which it was typed.
    pub(crate) password: Option<String>,
}

/// An address.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmailBody {
    pub(crate) email: String,
}

/// A new password by a link.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetBody {
    pub(crate) token: String,
    pub(crate) password: String,
    /// A code of the app, or a recovery code; asked for by `second_factor_needed`.
    pub(crate) code: Option<String>,
}

/// A new password of one's own.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordBody {
    pub(crate) password: String,
}

/// What changes about oneself.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MeChangeBody {
    pub(crate) name: Option<String>,
    /// `pt-BR` or `en`.
    pub(crate) locale: Option<String>,
}

/// Where to go on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceChoiceBody {
    /// One of the caller's workspaces.
    #[schema(value_type = String)]
    pub(crate) workspace: WorkspaceId,
    /// The refresh token of the session; a browser brings its cookie.
    pub(crate) refresh_token: Option<String>,
}

/// A workspace as one of its members sees it.
#[derive(Serialize, ToSchema)]
pub struct MembershipBody {
    /// Its id.
    #[schema(value_type = String)]
    pub id: WorkspaceId,
    /// What it is called.
    pub name: String,
    /// The role there.
    pub role: Role,
}

/// The caller as they see themselves.
#[derive(Serialize, ToSchema)]
pub struct MeBody {
    /// Their id.
    #[schema(value_type = String)]
    pub id: UserId,
    /// Their address.
    pub email: String,
    /// Their name.
    pub name: String,
    /// Their language.
    pub locale: String,
    /// Their role in the installation.
    pub role: Role,
    /// Where they act.
    pub workspace: MembershipBody,
    /// Every workspace they belong to.
    pub workspaces: Vec<MembershipBody>,
    /// What they may do: `generations:create`, …
    pub rights: Vec<String>,
    /// Whether a second factor is set.
    pub second_factor: bool,
    /// Until when a factor counts as fresh; null for keys.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub fresh_until: Option<Time>,
    /// `session` or `key`.
    pub via: &'static str,
}

impl From<Me> for MeBody {
    fn from(me: Me) -> Self {
        let membership = |of: app::identity::accounts::Membership| MembershipBody {
            id: of.workspace,
            name: of.name,
            role: of.role,
        };
        Self {
            id: me.id,
            email: me.texts.email.expose().to_owned(),
            name: me.texts.name.expose().to_owned(),
            locale: me.locale,
            role: me.role,
            workspace: membership(me.workspace),
            workspaces: me.workspaces.into_iter().map(membership).collect(),
            rights: me.rights,
            second_factor: !me.second_factors.is_empty(),
            fresh_until: me.fresh_until,
            via: me.via,
        }
    }
}

//! Passkeys, one-time codes and recovery codes as they travel.

use app::identity::factors::{Factors, PasskeyView};
use app::identity::passkeys::Ceremony;
use domain::identity::Client;
use domain::time::Time;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// A body that says nothing.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmptyBody {}

/// A ceremony of Web Authentication that began.
#[derive(Serialize, ToSchema)]
pub struct CeremonyBody {
    /// What ends it: good once, for five minutes.
    pub ticket: String,
    /// For `navigator.credentials.create` or `.get`: `publicKey` in the JSON form of the standard, and
    /// `mediation` where the browser may offer passkeys while an address is typed.
    #[schema(value_type = Object)]
    pub options: Value,
}

impl From<Ceremony> for CeremonyBody {
    fn from(ceremony: Ceremony) -> Self {
        Self {
            ticket: ceremony.ticket,
            options: ceremony.options,
        }
    }
}

/// The answer to a login by passkey.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasskeyLoginBody {
    pub(crate) ticket: String,
    /// `PublicKeyCredential.toJSON()`.
    #[schema(value_type = Object)]
    pub(crate) credential: Value,
    /// How tokens travel: cookies (`browser`) or in the body (`api`). Browsers need not say.
    pub(crate) client: Option<Client>,
}

/// The answer of an authenticator that made a passkey.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPasskeyBody {
    pub(crate) ticket: String,
    /// `PublicKeyCredential.toJSON()`.
    #[schema(value_type = Object)]
    pub(crate) credential: Value,
    /// What its owner calls it.
    pub(crate) name: String,
}

/// Another name.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasskeyNameBody {
    pub(crate) name: String,
}

/// A passkey.
#[derive(Serialize, ToSchema)]
pub struct PasskeyBody {
    /// Its id.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When it was last shown.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub used_at: Option<Time>,
    /// Whether it is copied to other devices of its owner.
    pub backed_up: bool,
}

impl From<PasskeyView> for PasskeyBody {
    fn from(view: PasskeyView) -> Self {
        Self {
            id: view.id.to_string(),
            name: view.name,
            created_at: view.created_at,
            used_at: view.used_at,
            backed_up: view.backed_up,
        }
    }
}

/// One-time codes that are set up.
#[derive(Serialize, ToSchema)]
pub struct TotpBody {
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
}

/// Everything that proves who the caller is.
#[derive(Serialize, ToSchema)]
pub struct FactorsBody {
    /// Whether a password is set.
    pub password: bool,
    /// Passkeys, oldest first.
    pub passkeys: Vec<PasskeyBody>,
    /// One-time codes, if they are set up.
    pub totp: Option<TotpBody>,
    /// Recovery codes that were not used yet.
    pub recovery_codes_left: u32,
}

impl From<Factors> for FactorsBody {
    fn from(factors: Factors) -> Self {
        Self {
            password: factors.password,
            passkeys: factors.passkeys.into_iter().map(Into::into).collect(),
            totp: factors.totp.map(|created_at| TotpBody { created_at }),
            recovery_codes_left: factors.recovery_codes_left,
        }
    }
}

/// What an app needs to compute one-time codes. Shown once.
#[derive(Serialize, ToSchema)]
pub struct TotpSetupBody {
    /// The secret in base 32, to type.
    pub secret: String,
    /// The link behind the picture to scan (`otpauth://…`).
    pub uri: String,
}

/// A code of the app.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CodeBody {
    pub(crate) code: String,
}

/// Recovery codes. Shown once.
#[derive(Serialize, ToSchema)]
pub struct RecoveryCodesBody {
    /// Ten codes; each is good once.
    pub recovery_codes: Vec<String>,
}

/// What is shown to go on with something sensitive: one of the two.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StepUpBody {
    /// The password: does where no second factor is set.
    pub(crate) password: Option<String>,
    /// A code of the app, or a recovery code.
    pub(crate) code: Option<String>,
}

/// The answer of an authenticator that shows a passkey.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasskeyAnswerBody {
    pub(crate) ticket: String,
    /// `PublicKeyCredential.toJSON()`.
    #[schema(value_type = Object)]
    pub(crate) credential: Value,
}

//! The sections about who is asking: `[auth]`, `[mail]`, `[oidc.NAME]`, `[limits]`, `[client]`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use domain::identity::{Registration, Role};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::types::{IssuerUrl, Secret};

/// `[auth]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// Who may make an account: nobody (administrators make them), whoever was invited, everybody.
    #[schemars(schema_with = "registrations")]
    pub registration: Registration,
    /// Minutes that an access token is good for.
    #[schemars(range(min = 1, max = 60))]
    pub access_minutes: u64,
    /// Hours without use after which a session ends.
    #[schemars(range(min = 1, max = 720))]
    pub refresh_idle_hours: u64,
    /// Days after which a session ends whatever its use.
    #[schemars(range(min = 1, max = 90))]
    pub refresh_absolute_days: u64,
    /// Hours without use after which an administrator's session ends.
    #[schemars(range(min = 1, max = 720))]
    pub admin_refresh_idle_hours: u64,
    /// Hours after which an administrator's session ends whatever its use.
    #[schemars(range(min = 1, max = 2_160))]
    pub admin_refresh_absolute_hours: u64,
    /// Seconds in which a refresh whose answer was lost may be repeated. 0: never.
    #[schemars(range(min = 0, max = 60))]
    pub refresh_grace_seconds: u64,
    /// Least characters of a password that stands alone.
    #[schemars(range(min = 8, max = 128))]
    pub password_min: u64,
    /// Least characters of a password beside a second factor.
    #[schemars(range(min = 8, max = 128))]
    pub password_min_with_factor: u64,
    /// Passwords that are hashed at the same time; each takes 46 MiB.
    #[schemars(range(min = 1, max = 64))]
    pub hash_permits: u64,
    /// Seconds that a password waits for its turn before the answer is 503.
    #[schemars(range(min = 1, max = 30))]
    pub hash_queue_seconds: u64,
    /// Filter of known breached passwords, beside the built-in list of common ones.
    #[serde(default)]
    pub breach_list: Option<PathBuf>,
    /// Pepper of the password hashes, at least 32 characters. Not set: made from the root key. Several with
    /// blanks between them: the first one counts, passwords under the others move to it at the next login.
    #[serde(default)]
    pub pepper: Option<Secret>,
    /// Minutes for which a factor that was shown counts as fresh.
    #[schemars(range(min = 1, max = 60))]
    pub step_up_minutes: u64,
    /// Minutes that a link for verification or reset is good for.
    #[schemars(range(min = 5, max = 1_440))]
    pub ticket_minutes: u64,
    /// Days that an invitation is good for.
    #[schemars(range(min = 1, max = 90))]
    pub invitation_days: u64,
}

/// `[mail]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// Mail server: `smtp://user:password@host:587` (STARTTLS) or `smtps://…`. Not set: no mail is sent.
    #[serde(default)]
    pub url: Option<Secret>,
    /// Address that mail comes from, for example `Studio <studio@example.org>`.
    #[serde(default)]
    pub from: Option<String>,
    /// Certificates (PEM) of the only authorities that the mail server's certificate may come from. Not set:
    /// those of the machine.
    #[serde(default)]
    pub authorities: Option<PathBuf>,
}

/// `[oidc.NAME]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Oidc {
    /// Issuer of the provider, exactly as it writes it.
    pub issuer: IssuerUrl,
    /// Name of the studio at the provider.
    pub client_id: String,
    /// Secret of the studio at the provider. Not set: a public client (PKCE alone).
    #[serde(default)]
    pub client_secret: Option<Secret>,
    /// Name of the provider on the login page. Not set: NAME.
    #[serde(default)]
    pub title: Option<String>,
    /// What is asked for; `openid` is always asked.
    #[serde(default = "Oidc::usual_scopes")]
    pub scopes: Vec<String>,
    /// Claim of the ID token that carries groups or roles: a text or a list of texts.
    #[serde(default)]
    pub role_claim: Option<String>,
    /// Value of that claim to role. The highest role that fits counts, at every login; none fits: user.
    #[serde(default)]
    #[schemars(schema_with = "role_map")]
    pub role_map: BTreeMap<String, Role>,
    /// Whether a login makes the account when there is none.
    #[serde(default)]
    pub create_accounts: bool,
    /// Signatures of ID tokens that are accepted.
    #[serde(default = "Oidc::usual_algorithms")]
    pub algorithms: Vec<OidcAlgorithm>,
}

impl Oidc {
    fn usual_scopes() -> Vec<String> {
        ["openid", "email", "profile"].map(str::to_owned).to_vec()
    }

    fn usual_algorithms() -> Vec<OidcAlgorithm> {
        vec![OidcAlgorithm::RS256, OidcAlgorithm::ES256, OidcAlgorithm::EdDSA]
    }
}

/// Signature of an ID token (RFC 7518, RFC 8037): public keys only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum OidcAlgorithm {
    /// RSA PKCS#1 v1.5 with SHA-256.
    RS256,
    /// RSA-PSS with SHA-256.
    PS256,
    /// ECDSA P-256 with SHA-256.
    ES256,
    /// Ed25519.
    EdDSA,
}

impl OidcAlgorithm {
    /// The name in the header of a token.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::PS256 => "PS256",
            Self::ES256 => "ES256",
            Self::EdDSA => "EdDSA",
        }
    }
}

/// `[limits]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Requests of one address (one /64 of IPv6), in a minute; as many may come at once.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub address_per_minute: u64,
    /// Requests of one address to the entrances: login, registration, reset, refresh and their like.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub entrance_per_minute: u64,
    /// Requests of one account.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub account_per_minute: u64,
    /// Requests of one API key.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub key_per_minute: u64,
    /// Requests of one workspace.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub workspace_per_minute: u64,
}

/// `[client]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// API key that `studio generate --server` shows.
    #[serde(default)]
    pub api_key: Option<Secret>,
}

fn registrations(_: &mut SchemaGenerator) -> Schema {
    let words: Vec<&str> = Registration::ALL.iter().map(|word| word.as_str()).collect();
    json_schema!({ "type": "string", "enum": words })
}

fn role_map(_: &mut SchemaGenerator) -> Schema {
    let words: Vec<&str> = Role::ALL.iter().map(|word| word.as_str()).collect();
    json_schema!({ "type": "object", "additionalProperties": { "type": "string", "enum": words } })
}

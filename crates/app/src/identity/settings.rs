//! What identity is configured with. The binary fills it from `[auth]`, `[mail]` and `[oidc.NAME]`.

use domain::identity::{Registration, Role};
use secrecy::SecretString;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Numbers and names of identity.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who may make an account.
    pub registration: Registration,
    /// How long an access token is good.
    pub access: Duration,
    /// After how long without use a session ends.
    pub refresh_idle: Duration,
    /// After how long a session ends whatever its use.
    pub refresh_absolute: Duration,
    /// The same two for administrators.
    pub admin_refresh_idle: Duration,
    /// After how long an administrator's session ends whatever its use.
    pub admin_refresh_absolute: Duration,
    /// How long a refresh whose answer was lost may be repeated. Zero: never.
    pub refresh_grace: Duration,
    /// Least characters of a password that stands alone.
    pub password_min: usize,
    /// Least characters of a password beside a second factor.
    pub password_min_with_factor: usize,
    /// Passwords that are hashed at the same time.
    pub hash_permits: usize,
    /// How long a password waits for its turn.
    pub hash_queue: Duration,
    /// Filter of breached passwords of the operator.
    pub breach_list: Option<PathBuf>,
    /// Pepper of the password hashes in place of the one that is derived from the root key; the newest
    /// first where several are known, with blanks between them.
    pub pepper: Option<SecretString>,
    /// How long a factor that was shown counts as fresh.
    pub step_up: Duration,
    /// How long a link for verification or reset is good.
    pub ticket: Duration,
    /// How long an invitation is good.
    pub invitation: Duration,
    /// The mail server. Without one no mail is sent and links are handed to administrators.
    pub mail: Option<MailServer>,
    /// OpenID providers, by name.
    pub oidc: Vec<OidcProvider>,
}

/// Where mail is handed over.
#[derive(Clone, Debug)]
pub struct MailServer {
    /// `smtp://user:password@host:port` or `smtps://…`.
    pub url: SecretString,
    /// `address` or `Name <address>`.
    pub from: String,
    /// PEM certificates of the only authorities that are trusted; the machine's own when there are none.
    pub authorities: Option<PathBuf>,
}

/// An OpenID provider that people may log in with.
#[derive(Clone, Debug)]
pub struct OidcProvider {
    /// Its name in our addresses.
    pub name: String,
    /// Its name for people.
    pub title: String,
    /// Its issuer, exactly.
    pub issuer: String,
    /// Our name there.
    pub client_id: String,
    /// Our secret there; none for a public client.
    pub client_secret: Option<SecretString>,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// The claim that carries groups or roles.
    pub role_claim: Option<String>,
    /// Value of that claim to role.
    pub role_map: BTreeMap<String, Role>,
    /// Whether a login makes the account when there is none.
    pub create_accounts: bool,
    /// Names of the signatures that are accepted: RS256, PS256, ES256, EdDSA.
    pub algorithms: Vec<&'static str>,
}

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

impl Default for Settings {
    fn default() -> Self {
        Self {
            registration: Registration::Invite,
            access: 10 * MINUTE,
            refresh_idle: 24 * HOUR,
            refresh_absolute: 7 * 24 * HOUR,
            admin_refresh_idle: HOUR,
            admin_refresh_absolute: 12 * HOUR,
            refresh_grace: Duration::from_secs(10),
            password_min: 15,
            password_min_with_factor: 8,
            hash_permits: 4,
            hash_queue: Duration::from_secs(2),
            breach_list: None,
            pepper: None,
            step_up: 5 * MINUTE,
            ticket: 30 * MINUTE,
            invitation: 7 * 24 * HOUR,
            mail: None,
            oidc: Vec::new(),
        }
    }
}

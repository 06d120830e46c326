//! Tokens and sessions as they travel.

use app::identity::{SessionView, Tokens};
use domain::id::SessionId;
use domain::identity::Client;
use domain::time::Time;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a login or a refresh hands out. To a browser the tokens go as cookies that no script reads, and
/// only `expires_in` stands here.
#[derive(Serialize, ToSchema)]
pub struct TokensBody {
    /// The access token, for `Authorization`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_token: Option<String>,
    /// The refresh token: good once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// `Bearer`, or `DPoP` for tokens that are bound to a key (RFC 9449).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_type: Option<&'static str>,
    /// Seconds for which the access token is good.
    pub expires_in: u64,
}

impl TokensBody {
    pub(crate) fn new(tokens: &Tokens, client: Client) -> Self {
        let shown = client == Client::Api;
        let text = |secret: &secrecy::SecretString| shown.then(|| secret.expose_secret().to_owned());
        Self {
            access_token: text(&tokens.access),
            refresh_token: text(&tokens.refresh),
            token_type: shown.then_some(tokens.token_type),
            expires_in: tokens.expires_in.as_secs(),
        }
    }
}

/// What a refresh or a logout comes with. A browser brings its cookie instead.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshBody {
    /// The refresh token.
    pub(crate) refresh_token: Option<String>,
}

/// A session as its owner sees it.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionBody {
    /// Its id.
    #[schema(value_type = String)]
    pub id: SessionId,
    /// `browser` or `api`.
    pub client: Client,
    /// Which browser on which system.
    pub agent: String,
    /// A coarse network.
    pub network: String,
    /// When it began.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When it was last refreshed.
    #[schema(value_type = String, format = DateTime)]
    pub used_at: Time,
    /// Whether it is the one that asks.
    pub current: bool,
}

impl From<SessionView> for SessionBody {
    fn from(view: SessionView) -> Self {
        Self {
            id: view.id,
            client: view.client,
            agent: view.agent,
            network: view.network,
            created_at: view.created_at,
            used_at: view.used_at,
            current: view.current,
        }
    }
}

/// The sessions of the caller.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionList {
    /// Those that are alive, newest first.
    pub items: Vec<SessionBody>,
}

/// The public keys that check access tokens (RFC 7517).
#[derive(Debug, Serialize, ToSchema)]
pub struct JwksBody {
    /// The key that signs, and the one that is announced.
    pub keys: Vec<JwkBody>,
}

/// One public key (RFC 8037).
#[derive(Debug, Serialize, ToSchema)]
pub struct JwkBody {
    /// `OKP`.
    pub kty: String,
    /// `Ed25519`.
    pub crv: String,
    /// The key, in base64url.
    pub x: String,
    /// Its RFC 7638 thumbprint.
    pub kid: String,
    /// `EdDSA`.
    pub alg: String,
    /// `sig`.
    #[serde(rename = "use")]
    pub usage: String,
}

//! API keys as they travel.

use app::identity::keys::ApiKeyView;
use domain::time::Time;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A key that the caller wants.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewApiKeyBody {
    /// What its owner calls it: 1 to 100 characters.
    pub(crate) name: String,
    /// What it may be used for: `*` for all that its owner may, or words such as `generations:read`.
    pub(crate) scopes: Vec<String>,
    /// When it ends by itself (RFC 3339). Absent: when it is revoked.
    pub(crate) expires_at: Option<String>,
    /// Networks that it may be used from, such as `10.0.0.0/8`. Absent or empty: from everywhere.
    pub(crate) networks: Option<Vec<String>>,
}

/// A key as its owner sees it.
#[derive(Serialize, ToSchema)]
pub struct ApiKeyBody {
    /// Its id.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// The workspace that it acts in.
    pub workspace: String,
    /// The last characters of the secret.
    pub hint: String,
    /// What it may be used for.
    pub scopes: Vec<String>,
    /// Networks that it may be used from; empty: everywhere.
    pub networks: Vec<String>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// When it ends by itself.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub expires_at: Option<Time>,
    /// When it was last used, to the minute.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub used_at: Option<Time>,
}

impl From<ApiKeyView> for ApiKeyBody {
    fn from(view: ApiKeyView) -> Self {
        Self {
            id: view.id.to_string(),
            name: view.name.expose().to_owned(),
            workspace: view.workspace.to_string(),
            hint: view.hint,
            scopes: view.scopes.words().map(str::to_owned).collect(),
            networks: view.networks,
            created_at: view.created_at,
            expires_at: view.expires_at,
            used_at: view.used_at,
        }
    }
}

/// A key that was just made.
#[derive(Serialize, ToSchema)]
pub struct MadeApiKeyBody {
    /// The key itself. It is shown in this answer and never again.
    pub secret: String,
    /// What stays visible of it.
    #[serde(flatten)]
    pub key: ApiKeyBody,
}

/// The caller's keys.
#[derive(Serialize, ToSchema)]
pub struct ApiKeyList {
    /// Newest first; at most fifty, without revoked ones.
    pub items: Vec<ApiKeyBody>,
}

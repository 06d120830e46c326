//! Stored media and uploads.

use serde::Serialize;
use utoipa::ToSchema;

/// Stored media.
#[derive(Serialize, ToSchema)]
pub struct AssetBody {
    pub(crate) id: String,
    pub(crate) media_type: String,
    pub(crate) width: u32,
    pub(crate) height: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seconds: Option<f64>,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
    pub(crate) demo: bool,
    pub(crate) created_at: String,
}

/// An upload.
#[derive(Serialize, ToSchema)]
pub struct UploadBody {
    pub(crate) id: String,
    pub(crate) offset: u64,
    pub(crate) length: u64,
    /// The asset it became, once complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) asset: Option<String>,
}

//! Their words. Requests hold what the studio sends and nothing else; answers are read leniently.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Serialize, Default)]
pub(super) struct Request<'a> {
    pub(super) prompt: &'a str,
    pub(super) model: &'a str,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) aspect_ratio: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) image_ref: Vec<ImageRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) source: Option<ImageRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) output_format: Option<&'static str>,
    /// Never true: the agent would fetch foreign material from the web.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) web_search: Option<bool>,
    pub(super) user_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) video: Option<Video>,
}

#[derive(Serialize, Default)]
pub(super) struct Video {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resolution: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) duration: Option<String>,
    #[serde(rename = "loop", skip_serializing_if = "Option::is_none")]
    pub(super) looping: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) start_frame: Option<ImageRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) end_frame: Option<ImageRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) edit: Option<Edit>,
}

#[derive(Serialize)]
pub(super) struct Edit {
    pub(super) auto_controls: bool,
}

/// Exactly one of its forms.
#[derive(Serialize, Clone)]
#[serde(untagged)]
pub(super) enum ImageRef {
    Data { data: String, media_type: String },
    File { file_id: String },
    Generation { generation_id: String },
    Url { url: String },
}

#[derive(Deserialize)]
pub(super) struct Generation {
    pub(super) state: String,
    #[serde(default)]
    pub(super) output: Option<Vec<Output>>,
    #[serde(default)]
    pub(super) failure_code: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Output {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) url: Option<String>,
}

#[derive(Serialize)]
pub(super) struct NewFile<'a> {
    pub(super) mime_type: &'a str,
    pub(super) size_bytes: usize,
    pub(super) purpose: &'static str,
    pub(super) expires_at: String,
    pub(super) user_id: &'a str,
}

#[derive(Deserialize)]
pub(super) struct FileCreated {
    pub(super) id: String,
    #[serde(default)]
    pub(super) state: String,
    #[serde(default)]
    pub(super) upload: Option<Upload>,
}

#[derive(Deserialize)]
pub(super) struct Upload {
    pub(super) url: String,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
pub(super) struct File {
    pub(super) state: String,
}

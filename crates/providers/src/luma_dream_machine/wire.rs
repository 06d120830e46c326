//! Their words: requests as `openapi.yaml` 1.1.0 has them; answers read leniently (members may be missing or
//! null although the description does not say so).

use serde::{Deserialize, Serialize};

/// A request with the route it goes to.
pub(super) struct Routed {
    pub(super) route: &'static str,
    /// Path below the base address; `{id}` is the source's id.
    pub(super) path: Vec<String>,
    pub(super) body: Body,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Body {
    Video(Video),
    Image(Image),
    Reframe(Reframe),
    Modify(Modify),
    Upscale(Upscale),
    Audio(Audio),
}

#[derive(Serialize)]
pub(super) struct Video {
    pub(super) generation_type: &'static str,
    pub(super) model: String,
    pub(super) prompt: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) aspect_ratio: Option<&'static str>,
    #[serde(rename = "loop", skip_serializing_if = "Option::is_none")]
    pub(super) looping: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) keyframes: Option<Keyframes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) callback_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resolution: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) duration: Option<String>,
}

#[derive(Serialize, Default)]
pub(super) struct Keyframes {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) frame0: Option<Keyframe>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) frame1: Option<Keyframe>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Keyframe {
    Image { url: String },
    Generation { id: String },
}

#[derive(Serialize)]
pub(super) struct Image {
    pub(super) generation_type: &'static str,
    pub(super) model: String,
    pub(super) prompt: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) aspect_ratio: Option<&'static str>,
    pub(super) format: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) callback_url: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) image_ref: Vec<Media>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) style_ref: Vec<Media>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) character_ref: Option<CharacterRef>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) modify_image_ref: Option<Media>,
}

#[derive(Serialize)]
pub(super) struct CharacterRef {
    pub(super) identity0: Identity,
}

#[derive(Serialize)]
pub(super) struct Identity {
    pub(super) images: Vec<String>,
}

#[derive(Serialize, Clone)]
pub(super) struct Media {
    pub(super) url: String,
}

#[derive(Serialize)]
pub(super) struct Reframe {
    pub(super) generation_type: &'static str,
    pub(super) model: String,
    pub(super) media: Media,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) prompt: String,
    pub(super) aspect_ratio: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) format: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) callback_url: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Modify {
    pub(super) generation_type: &'static str,
    pub(super) model: String,
    pub(super) mode: &'static str,
    pub(super) media: Media,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) first_frame: Option<Media>,
    pub(super) prompt: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) callback_url: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Upscale {
    pub(super) generation_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) resolution: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) callback_url: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Audio {
    pub(super) generation_type: &'static str,
    pub(super) prompt: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) callback_url: Option<String>,
}

#[derive(Deserialize, Clone)]
pub(super) struct Generation {
    pub(super) id: String,
    #[serde(default)]
    pub(super) state: Option<String>,
    #[serde(default)]
    pub(super) failure_reason: Option<String>,
    #[serde(default)]
    pub(super) created_at: Option<String>,
    #[serde(default)]
    pub(super) assets: Option<Assets>,
    #[serde(default)]
    pub(super) model: Option<String>,
    #[serde(default)]
    pub(super) request: Option<Echo>,
}

#[derive(Deserialize, Default, Clone)]
pub(super) struct Assets {
    #[serde(default)]
    pub(super) video: Option<String>,
    #[serde(default)]
    pub(super) image: Option<String>,
}

/// What is read of the echoed request.
#[derive(Deserialize, Default, Clone)]
pub(super) struct Echo {
    #[serde(default)]
    pub(super) prompt: Option<String>,
    #[serde(default)]
    pub(super) callback_url: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct List {
    #[serde(default)]
    pub(super) has_more: Option<bool>,
    pub(super) generations: Vec<Generation>,
}

#[derive(Deserialize)]
pub(super) struct Credits {
    /// US cents.
    pub(super) credit_balance: f64,
}

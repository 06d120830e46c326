//! Events: that something changed, for listeners (pages, webhooks). Ids and states only, never content.

use crate::generation::State;
use crate::id::{EventId, GenerationId, WorkspaceId};
use crate::time::Time;

/// How far a running generation is.
#[derive(Clone, PartialEq, Debug, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct Progress {
    /// 0 to 100; absent if the provider does not say.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub percent: Option<u8>,
    /// Steps done, for engines that count.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub step: Option<u32>,
    /// Steps in all.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub steps: Option<u32>,
    /// Where on the line it is: `queued`, `submitting`, `generating`, `collecting`, `reconciling`.
    pub stage: String,
}

/// A generation changed.
#[derive(Clone, PartialEq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Event {
    /// Its id.
    pub id: EventId,
    /// When.
    pub at: Time,
    /// Whose.
    pub workspace: WorkspaceId,
    /// `generation.updated`.
    pub topic: String,
    /// The generation.
    pub generation: GenerationId,
    /// Its state now.
    pub state: State,
    /// How far it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub progress: Option<Progress>,
}

/// The topic of a changed generation.
pub const GENERATION_UPDATED: &str = "generation.updated";

//! Events: that something changed, for listeners (pages, webhooks). Ids and states only, never content.

use crate::actor::Scope;
use crate::generation::State;
use crate::id::{EventId, GenerationId, UserId, WorkspaceId};
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
    /// In which workspace.
    pub workspace: WorkspaceId,
    /// Whose.
    pub user: UserId,
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

impl Event {
    /// Whether somebody may be told: it is about something of theirs.
    #[must_use]
    pub fn is_for(&self, scope: &Scope) -> bool {
        self.workspace == scope.workspace() && self.user == scope.owner()
    }
}

/// The topic of a changed generation.
pub const GENERATION_UPDATED: &str = "generation.updated";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actor::{Actor, FIRST_WORKSPACE, LOCAL_USER};

    #[test]
    fn an_event_is_for_its_owner_in_its_workspace() {
        let event = Event {
            id: EventId::from_value(1),
            at: Time::from_micros(0),
            workspace: FIRST_WORKSPACE,
            user: LOCAL_USER,
            topic: GENERATION_UPDATED.to_owned(),
            generation: GenerationId::from_value(2),
            state: State::Queued,
            progress: None,
        };
        let elsewhere = WorkspaceId::from_value(3);
        assert!(event.is_for(&Actor::new(LOCAL_USER, FIRST_WORKSPACE).scope()));
        assert!(!event.is_for(&Actor::new(UserId::from_value(4), FIRST_WORKSPACE).scope()));
        assert!(!event.is_for(&Actor::new(LOCAL_USER, elsewhere).scope()));
    }
}

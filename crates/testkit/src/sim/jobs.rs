//! A generation at the simulated provider.

use super::bill::Entry;
use super::faults::Fate;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Which API made it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Api {
    /// Luma Agents.
    Agents,
    /// Luma Dream Machine.
    DreamMachine,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) id: String,
    pub(super) api: Api,
    pub(super) video: bool,
    pub(super) model: String,
    pub(super) kind: String,
    pub(super) created_at: String,
    pub(super) request: Value,
    pub(super) failure: Option<String>,
    pub(super) empty: bool,
    pub(super) hangs: bool,
    pub(super) looks_needed: u32,
    #[serde(default)]
    pub(super) looks: u32,
    pub(super) hidden: u32,
    #[serde(default)]
    pub(super) deleted: bool,
    pub(super) entry: Entry,
}

/// Where a job stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    Queued,
    Working,
    Completed,
    Failed,
}

impl Job {
    pub(super) fn with_fate(mut self, fate: Fate) -> Self {
        match fate {
            Fate::Succeed => {}
            Fate::Fail(why) => self.failure = Some(why.to_owned()),
            Fate::Empty => self.empty = true,
            Fate::Hang => self.hangs = true,
        }
        if self.failure.is_some() {
            self.entry.amount = 0;
        }
        self
    }

    pub(super) const fn stage(&self) -> Stage {
        if self.hangs || self.looks < self.looks_needed {
            if self.looks <= 1 {
                Stage::Queued
            } else {
                Stage::Working
            }
        } else if self.failure.is_some() {
            Stage::Failed
        } else {
            Stage::Completed
        }
    }

    pub(super) fn is_completed(&self) -> bool {
        self.stage() == Stage::Completed && !self.deleted
    }
}

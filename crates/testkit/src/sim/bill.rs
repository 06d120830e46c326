//! The bill: what was really made, and what is due for it. It counts creations, not answers, so it is the
//! oracle for "paid at most once".

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One creation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Id of the generation.
    pub external_id: String,
    /// The token that came along (Dream Machine: end of the callback's path; Agents: `X-Request-Id`).
    pub token: Option<String>,
    /// SHA-256 of the prompt, hexadecimal.
    pub prompt_hash: String,
    /// What is due in millionths of a dollar: nothing for a job that ends as failed.
    pub amount: i64,
    /// When, RFC 3339.
    pub billed_at: String,
}

/// Every creation, in order.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Bill {
    /// The creations.
    pub entries: Vec<Entry>,
}

impl Bill {
    /// What is due in all, in millionths of a dollar.
    #[must_use]
    pub fn total(&self) -> i64 {
        self.entries.iter().map(|entry| entry.amount).sum()
    }

    /// Prompts with how often something that is charged was made for them.
    #[must_use]
    pub fn charged_by_prompt(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for entry in self.entries.iter().filter(|entry| entry.amount > 0) {
            *counts.entry(entry.prompt_hash.clone()).or_default() += 1;
        }
        counts
    }
}

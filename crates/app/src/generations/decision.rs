//! The record of why: which candidates there were, what became of each, and every submission.

use crate::catalogue::Candidate;
use crate::studio::Studio;
use domain::actor::Scope;
use domain::id::GenerationId;
use domain::job::Attempt;

/// Why a generation went where it went.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The generation.
    pub id: GenerationId,
    /// What it was for, as the gate was told.
    pub purpose: String,
    /// Candidates in the order they were looked at.
    pub candidates: Vec<Candidate>,
    /// Every submission, oldest first.
    pub attempts: Vec<Attempt>,
}

impl Studio {
    /// The decision record of a generation in scope.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn decision(&self, scope: Scope, id: GenerationId) -> Result<Option<Decision>, store::Error> {
        let found = self
            .db
            .read("generations.decision", move |read| {
                Box::pin(async move {
                    let Some(row) = store::generations::find(read, &scope, id).await? else {
                        return Ok::<_, store::Error>(None);
                    };
                    Ok(Some((row, store::attempts::of_generation(read, id).await?)))
                })
            })
            .await?;
        Ok(found.map(|(row, attempts)| Decision {
            id,
            purpose: row.purpose,
            candidates: serde_json::from_value(row.notes).unwrap_or_default(),
            attempts,
        }))
    }
}

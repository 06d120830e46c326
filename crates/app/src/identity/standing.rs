//! Whether somebody who was let in still may be.

use super::{Presented, Unauthenticated};
use crate::studio::Studio;
use domain::actor::Actor;

impl Studio {
    /// Finds out who is behind what a request shows.
    ///
    /// # Errors
    /// Why nobody is.
    #[expect(clippy::unused_async, reason = "the session is looked up")]
    pub async fn authenticate(&self, presented: Presented) -> Result<Actor, Unauthenticated> {
        drop(presented);
        Err(Unauthenticated::Unknown)
    }
}

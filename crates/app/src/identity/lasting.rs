//! Whether what let somebody in still holds: a factor that was shown is fresh for a while, and an answer
//! that does not end by itself goes on only as long as whoever asked for it would still be let in.

use crate::studio::Studio;
use domain::actor::{Actor, Via};
use domain::id::{KeyId, SessionId};
use domain::identity::AccountState;

impl Studio {
    /// Whether a factor was shown within the time of the settings. A key shows none.
    #[must_use]
    pub fn is_fresh(&self, actor: &Actor) -> bool {
        actor.is_fresh(self.now(), self.settings.identity.step_up)
    }

    /// Whether somebody who was let in would still be: the session or key is good, the account open, and
    /// the roles and the workspace are the same.
    ///
    /// # Errors
    /// What the database says.
    pub async fn would_still_admit(&self, actor: &Actor) -> Result<bool, store::Error> {
        match actor.via() {
            Via::Machine => Ok(true),
            Via::Session { id, .. } => self.is_session_still(actor, *id).await,
            Via::Key { id, .. } => self.is_key_still(actor, *id).await,
        }
    }

    async fn is_session_still(&self, actor: &Actor, id: SessionId) -> Result<bool, store::Error> {
        let Some(standing) = self.standing(id).await? else {
            return Ok(false);
        };
        Ok(standing.state == AccountState::Active
            && standing.session.is_alive(self.now())
            && standing.session.workspace == actor.workspace()
            && standing.workspace_role == Some(actor.role())
            && standing.role == actor.installation_role())
    }

    async fn is_key_still(&self, actor: &Actor, id: KeyId) -> Result<bool, store::Error> {
        let owner = actor.user();
        let found = self
            .db
            .read("api_keys.still", move |read| {
                Box::pin(async move {
                    let Some(key) = store::api_keys::find(read, owner, id).await? else {
                        return Ok(None);
                    };
                    store::api_keys::find_in_use(read, &key.mac).await
                })
            })
            .await?;
        let now = self.now();
        Ok(found.is_some_and(|found: store::api_keys::InUse| {
            found.key.revoked_at.is_none()
                && found.key.expires_at.is_none_or(|end| end > now)
                && found.state == AccountState::Active
                && found.role == Some(actor.role())
                && found.installation_role == actor.installation_role()
        }))
    }
}

//! Going on in another workspace with the same session.

use super::accounts::AccountError;
use crate::studio::Studio;
use domain::actor::Actor;
use domain::id::WorkspaceId;

impl Studio {
    /// Moves the caller's session to another of their workspaces. Its tokens speak of the earlier one and
    /// are void: a refresh gives those of the new one.
    ///
    /// # Errors
    /// [`AccountError::NoWorkspace`] for one they are no member of, [`AccountError::SessionNeeded`] for
    /// keys.
    pub async fn move_session(&self, actor: &Actor, workspace: WorkspaceId) -> Result<(), AccountError> {
        let session = actor.session().ok_or(AccountError::SessionNeeded)?;
        let user = actor.user();
        self.db
            .write("sessions.move", move |tx| {
                Box::pin(async move {
                    if store::members::find(tx, workspace, user).await?.is_none() {
                        return Err(AccountError::NoWorkspace);
                    }
                    if !store::sessions::set_workspace(tx, session, workspace).await? {
                        return Err(AccountError::SessionNeeded);
                    }
                    Ok(())
                })
            })
            .await?;
        self.forget_standing(user);
        Ok(())
    }
}

//! Its owner removes a generation with its media: rows are marked, blobs that nobody else needs go.

use super::record::Stamp;
use crate::studio::Studio;
use domain::actor::Actor;
use domain::audit::Action;
use domain::id::GenerationId;
use std::collections::BTreeMap;

/// Why it cannot be removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// Not here, or not this actor's.
    #[error("there is no such generation")]
    NotFound,
    /// It still runs.
    #[error("it is not over yet; cancel it first")]
    NotOver,
    /// The database failed.
    #[error("the database did not take it")]
    Store(#[from] store::Error),
    /// The media could not be removed.
    #[error("the media could not be removed")]
    Vault(#[from] vault::VaultError),
}

impl Studio {
    /// Removes a generation that is over.
    ///
    /// # Errors
    /// [`RemoveError::NotOver`] while it runs.
    pub async fn remove(
        &self,
        actor: &Actor,
        id: GenerationId,
        request_id: Option<&str>,
    ) -> Result<(), RemoveError> {
        let scope = actor.scope();
        let stamp = Stamp::of(self, actor, request_id);
        let blobs = self
            .db
            .write("generations.delete", move |tx| {
                let stamp = stamp.clone();
                Box::pin(async move {
                    let row = store::generations::find(tx, &scope, id)
                        .await?
                        .filter(|row| row.deleted_at.is_none())
                        .ok_or(RemoveError::NotFound)?;
                    if !row.state.is_final() {
                        return Err(RemoveError::NotOver);
                    }
                    let mut orphans = Vec::new();
                    for asset in store::assets::of_generation(tx, id).await? {
                        store::assets::mark_deleted(tx, &scope, asset.id, stamp.now).await?;
                        let entry = stamp.entry(
                            Some(row.workspace),
                            Action::AssetDeleted,
                            asset.id.to_string(),
                            "ok",
                            BTreeMap::from([("sha256".to_owned(), asset.sha256.clone())]),
                        );
                        store::audit::append(tx, &entry).await?;
                        if store::assets::references_to_blob(tx, row.workspace, &asset.blob).await? == 0 {
                            orphans.push(asset.blob);
                        }
                    }
                    store::generations::mark_deleted(tx, &scope, id, stamp.now).await?;
                    let action = Action::GenerationDeleted;
                    let entry =
                        stamp.entry(Some(row.workspace), action, id.to_string(), "ok", BTreeMap::new());
                    store::audit::append(tx, &entry).await?;
                    Ok(orphans)
                })
            })
            .await?;
        let workspace = scope.workspace().to_string();
        for blob in blobs {
            self.vault.delete(&workspace, &blob).await?;
        }
        tracing::info!(generation_id = %id, "generation deleted");
        self.tell_bell.notify_one();
        Ok(())
    }
}

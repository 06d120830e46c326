//! Stored media: finding it, reading it, and looking at what it is before anybody relies on it.

use crate::studio::Studio;
use bytes::Bytes;
use domain::actor::Scope;
use domain::id::{AssetId, WorkspaceId};
use futures_util::{Stream, TryStreamExt};
use media::{Inspected, MediaError};
use store::assets::Asset;
use vault::{Stored, VaultError};

/// Why media could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum StoreMediaError {
    /// It is not what it says, or not safe, or the worker failed.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// It could not be read back.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl Studio {
    /// An asset in scope that was not deleted.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn asset(&self, scope: Scope, id: AssetId) -> Result<Option<Asset>, store::Error> {
        let asset = self
            .db
            .read("assets.find", move |read| {
                Box::pin(async move { store::assets::find(read, &scope, id).await })
            })
            .await?;
        Ok(asset.filter(|asset| asset.deleted_at.is_none()))
    }

    /// A stretch of an asset's bytes, streamed in constant memory.
    ///
    /// # Errors
    /// If the blob is missing, damaged or its key is gone.
    pub async fn read_asset(
        &self,
        asset: &Asset,
        offset: u64,
        length: u64,
    ) -> Result<impl Stream<Item = Result<Bytes, VaultError>> + Send + use<>, VaultError> {
        let blob = self.vault.open(&asset.workspace.to_string(), &asset.blob).await?;
        Ok(blob.read_range(offset, length))
    }

    /// All bytes of a small asset.
    pub(crate) async fn read_all(&self, asset: &Asset) -> Result<Bytes, VaultError> {
        self.collect_blob(asset.workspace, &asset.blob, asset.bytes).await
    }

    pub(crate) async fn collect_blob(
        &self,
        workspace: WorkspaceId,
        blob: &str,
        length: u64,
    ) -> Result<Bytes, VaultError> {
        let opened = self.vault.open(&workspace.to_string(), blob).await?;
        let chunks: Vec<Bytes> = opened.read_range(0, length).try_collect().await?;
        Ok(Bytes::from(chunks.concat()))
    }

    /// What a stored blob is: decoded in the capped child, never here.
    pub(crate) async fn look_at(
        &self,
        workspace: WorkspaceId,
        stored: &Stored,
        declared: Option<&str>,
    ) -> Result<Inspected, StoreMediaError> {
        let bytes = self.collect_blob(workspace, &stored.blob, stored.bytes).await?;
        media::agree(declared, None, &bytes)?;
        Ok(self.media.inspect(&bytes).await?)
    }
}

/// Seconds as the database keeps them; `None` for stills.
#[expect(
    clippy::cast_possible_truncation,
    reason = "clips are shorter than 2^62 microseconds"
)]
pub(crate) fn micros(seconds: f64) -> Option<i64> {
    (seconds > 0.0).then(|| (seconds * 1_000_000.0).round() as i64)
}

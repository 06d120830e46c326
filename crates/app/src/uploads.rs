//! Uploads become assets: bytes arrive in parts (tus), each part is sealed as it arrives; when all are
//! there the file is looked at and written anew in the capped child, without anything but the picture.

use crate::generations::stamp_for;
use crate::studio::Studio;
use bytes::Bytes;
use domain::actor::{Actor, Scope};
use domain::audit::Action;
use domain::id::{AssetId, UploadId};
use futures_util::Stream;
use media::{Clean, Cleaned, MediaError};
use std::collections::BTreeMap;
use store::assets::{Asset, Role};
pub use store::uploads::Upload;
use vault::VaultError;

/// The largest file that is taken (bytes): the largest clip the media worker looks at.
pub const MAX_UPLOAD_BYTES: u64 = media::limits::MAX_VIDEO_BYTES;

/// Why an upload is not taken.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// Not here, or not this actor's.
    #[error("there is no such upload")]
    NotFound,
    /// Longer than [`MAX_UPLOAD_BYTES`].
    #[error("at most {limit} bytes can be uploaded")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// No bytes.
    #[error("an empty file cannot be uploaded")]
    Empty,
    /// The part does not begin where the upload stands.
    #[error("the upload stands at byte {at}; go on from there")]
    Offset {
        /// Where it stands.
        at: u64,
    },
    /// The part did not arrive whole; the upload stands where it stood.
    #[error("the connection broke; ask where the upload stands and go on from there")]
    Body,
    /// It is not what it says, or not safe.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// It could not be sealed or read back.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The database failed.
    #[error("the database did not take it")]
    Store(#[from] store::Error),
}

impl Studio {
    /// Begins an upload of `length` bytes that its sender says are of `media_type`.
    ///
    /// # Errors
    /// If it is empty or too large.
    pub async fn begin_upload(
        &self,
        actor: &Actor,
        length: u64,
        media_type: &str,
    ) -> Result<Upload, UploadError> {
        if length == 0 {
            return Err(UploadError::Empty);
        }
        if length > MAX_UPLOAD_BYTES {
            return Err(UploadError::TooLarge {
                limit: MAX_UPLOAD_BYTES,
            });
        }
        let now = self.now();
        let upload = Upload {
            id: UploadId::new(now, Self::id_bytes()),
            workspace: actor.workspace(),
            user: actor.user(),
            media_type: media_type.chars().take(100).collect(),
            length,
            received: 0,
            asset: None,
            created_at: now,
        };
        let row = upload.clone();
        self.db
            .write("uploads.insert", move |tx| {
                let row = row.clone();
                Box::pin(async move { store::uploads::insert(tx, &row).await })
            })
            .await?;
        Ok(upload)
    }

    /// An upload in scope.
    ///
    /// # Errors
    /// If it is not there.
    pub async fn upload(&self, scope: Scope, id: UploadId) -> Result<Upload, UploadError> {
        self.db
            .read("uploads.find", move |read| {
                Box::pin(async move { store::uploads::find(read, &scope, id).await })
            })
            .await?
            .ok_or(UploadError::NotFound)
    }

    /// Takes the next part. When it was the last one the upload becomes an asset. An empty part at the end
    /// of a whole upload tries that again, if it failed for a reason that was not the file's.
    ///
    /// # Errors
    /// [`UploadError::Offset`] if the part does not begin where the upload stands; when the file cannot
    /// be used nothing of it is kept.
    pub async fn append_upload<S>(
        &self,
        actor: &Actor,
        id: UploadId,
        offset: u64,
        body: S,
        request_id: Option<&str>,
    ) -> Result<Upload, UploadError>
    where
        S: Stream<Item = Result<Bytes, std::io::Error>> + Send + Unpin + 'static,
    {
        let upload = self.upload(actor.scope(), id).await?;
        if upload.received != offset || upload.asset.is_some() {
            return Err(UploadError::Offset { at: upload.received });
        }
        if upload.received == upload.length {
            // All bytes are here, but the file could not be looked at the last time: once more.
            self.finish_upload(actor, &upload, request_id).await?;
            return self.upload(actor.scope(), id).await;
        }
        let workspace = upload.workspace.to_string();
        let stored = match self.vault.put(&workspace, body, upload.length - offset).await {
            Ok(stored) => stored,
            Err(VaultError::Source(_)) => return Err(UploadError::Body),
            Err(VaultError::TooLarge { .. }) => return Err(UploadError::TooLarge { limit: upload.length }),
            Err(error) => return Err(error.into()),
        };
        let to = offset + stored.bytes;
        let blob = stored.blob.clone();
        let advanced = self
            .db
            .write("uploads.advance", move |tx| {
                let blob = blob.clone();
                Box::pin(async move { store::uploads::advance(tx, id, offset, to, &blob).await })
            })
            .await?;
        if !advanced {
            let at = self.upload(actor.scope(), id).await?.received;
            return Err(UploadError::Offset { at });
        }
        if to == upload.length {
            self.finish_upload(actor, &upload, request_id).await?;
        }
        self.upload(actor.scope(), id).await
    }

    async fn finish_upload(
        &self,
        actor: &Actor,
        upload: &Upload,
        request_id: Option<&str>,
    ) -> Result<(), UploadError> {
        let id = upload.id;
        let parts = self
            .db
            .read("uploads.parts", move |read| {
                Box::pin(async move { store::uploads::parts(read, id).await })
            })
            .await?;
        let mut bytes = Vec::with_capacity(usize::try_from(upload.length).unwrap_or(0));
        for (blob, length) in &parts {
            bytes.extend_from_slice(&self.collect_blob(upload.workspace, blob, *length).await?);
        }
        let cleaned = self.clean(upload, &bytes).await;
        drop(bytes);
        let (facts, clean) = match cleaned {
            Ok(done) => done,
            Err(error) => {
                // A file that cannot be used goes; when we failed, the parts stay for another try.
                if error.is_about_the_file() {
                    self.drop_parts(upload, parts).await;
                }
                tracing::info!(upload_id = %id, status = error.code(), "upload refused");
                return Err(error.into());
            }
        };
        let asset = self.keep_upload(upload, &facts, clean).await?;
        let stamp = stamp_for(self, actor, request_id);
        let made = asset.clone();
        self.db
            .write("uploads.finish", move |tx| {
                let (asset, stamp) = (asset.clone(), stamp.clone());
                Box::pin(async move {
                    store::assets::insert(tx, &asset).await?;
                    store::uploads::finish(tx, id, asset.id).await?;
                    let details = BTreeMap::from([
                        ("sha256".to_owned(), asset.sha256.clone()),
                        ("media_type".to_owned(), asset.media_type.clone()),
                    ]);
                    let (workspace, object) = (Some(asset.workspace), asset.id.to_string());
                    let entry = stamp.entry(workspace, Action::AssetStored, object, "ok", details);
                    store::audit::append(tx, &entry).await
                })
            })
            .await?;
        self.drop_parts(upload, parts).await;
        tracing::info!(upload_id = %id, asset_id = %made.id, "upload became an asset");
        self.tell_bell.notify_one();
        Ok(())
    }

    async fn clean(&self, upload: &Upload, bytes: &[u8]) -> Result<(Cleaned, Vec<u8>), MediaError> {
        media::agree(Some(&upload.media_type), None, bytes)?;
        self.media.clean(bytes, Clean::default()).await
    }

    async fn keep_upload(
        &self,
        upload: &Upload,
        facts: &Cleaned,
        clean: Vec<u8>,
    ) -> Result<Asset, UploadError> {
        let one = futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::from(clean))]);
        let stored = self
            .vault
            .put(&upload.workspace.to_string(), one, MAX_UPLOAD_BYTES)
            .await?;
        let now = self.now();
        Ok(Asset {
            id: AssetId::new(now, Self::id_bytes()),
            workspace: upload.workspace,
            user: upload.user,
            generation: None,
            ordinal: 0,
            role: Role::Input,
            media_type: facts.media_type.to_string(),
            width: facts.width,
            height: facts.height,
            seconds_micros: crate::assets::micros(facts.seconds),
            bytes: stored.bytes,
            sha256: stored.sha256_hex,
            blob: stored.blob,
            hidden: false,
            demo: false,
            created_at: now,
            deleted_at: None,
        })
    }

    /// Parts are copies of what became (or did not become) the asset; nobody else refers to them.
    async fn drop_parts(&self, upload: &Upload, parts: Vec<(String, u64)>) {
        let (id, workspace) = (upload.id, upload.workspace);
        let cleared = self
            .db
            .write("uploads.clear", move |tx| {
                Box::pin(async move { store::uploads::clear(tx, id).await })
            })
            .await;
        for (blob, _) in parts {
            let name = blob.clone();
            let used = self
                .db
                .read("blobs.used", move |read| {
                    let name = name.clone();
                    Box::pin(async move { store::assets::references_to_blob(read, workspace, &name).await })
                })
                .await;
            if cleared.is_ok()
                && used == Ok(0)
                && let Err(error) = self.vault.delete(&workspace.to_string(), &blob).await
            {
                tracing::warn!(error = %error, "a part of an upload was not removed; the sweep will");
            }
        }
    }
}

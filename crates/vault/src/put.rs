//! Content on its way in: hashed and sealed at once, whole or not at all.

use std::fs::File;
use std::io::{Seek, Write};
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use futures_util::{Stream, StreamExt};
use seal::{SealWriter, SealingKey};
use sha2::{Digest, Sha256};

use crate::files::{self, TemporaryFile};
use crate::name::is_workspace;
use crate::vault::{Inner, PIECE_BYTES, Stored, Vault, VaultError};

impl Vault {
    /// Stores content of at most `limit_bytes`; equal content in one workspace is stored once.
    ///
    /// Holds at most [`PIECE_BYTES`] and one item of the stream. When it returns, the blob
    /// is on disk to stay; when it fails or is dropped, nothing is left.
    ///
    /// # Errors
    /// [`VaultError::TooLarge`], [`VaultError::NoSpace`], [`VaultError::Source`],
    /// [`VaultError::Name`], [`VaultError::Key`] or [`VaultError::Io`].
    pub async fn put<S, E>(&self, workspace: &str, content: S, limit_bytes: u64) -> Result<Stored, VaultError>
    where
        S: Stream<Item = Result<Bytes, E>>,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let workspace = workspace.to_owned();
        let mut upload = self
            .blocking(move |inner| Upload::start(inner, workspace))
            .await?;
        let mut content = pin!(content);
        let mut waiting = Vec::new();
        let mut waiting_bytes = 0;
        let mut total: u64 = 0;
        while let Some(piece) = content.next().await {
            let piece = piece.map_err(|error| VaultError::Source(error.into()))?;
            total = total.saturating_add(piece.len() as u64);
            if total > limit_bytes {
                return Err(VaultError::TooLarge { limit: limit_bytes });
            }
            waiting_bytes += piece.len();
            waiting.push(piece);
            if waiting_bytes >= PIECE_BYTES {
                waiting_bytes = 0;
                let pieces = std::mem::take(&mut waiting);
                upload = self.blocking(move |_| upload.write(pieces)).await?;
            }
        }
        self.blocking(move |_| upload.write(waiting)?.finish()).await
    }
}

/// One blob on its way in. Dropping it removes its file.
struct Upload {
    inner: Arc<Inner>,
    workspace: String,
    key: Arc<SealingKey>,
    temporary: TemporaryFile,
    writer: SealWriter<File>,
    hasher: Sha256,
    bytes: u64,
}

impl Upload {
    fn start(inner: &Arc<Inner>, workspace: String) -> Result<Self, VaultError> {
        if !is_workspace(&workspace) {
            return Err(VaultError::Name);
        }
        let key = inner.keys.workspace_key(&workspace)?;
        let (temporary, file) = TemporaryFile::create(&inner.temporary())?;
        // The final name depends on the content, which is not known yet.
        let place = Inner::place(&workspace, temporary.id())?;
        let writer = seal::encrypt(&key, &place, file)?;
        Ok(Self {
            inner: Arc::clone(inner),
            key,
            temporary,
            writer,
            hasher: Sha256::new(),
            bytes: 0,
            workspace,
        })
    }

    fn write(mut self, pieces: Vec<Bytes>) -> Result<Self, VaultError> {
        for piece in pieces {
            self.hasher.update(&piece);
            self.bytes += piece.len() as u64;
            self.writer.write_all(&piece)?;
        }
        Ok(self)
    }

    fn finish(self) -> Result<Stored, VaultError> {
        let mut file = self.writer.finish()?;
        let sha256_hex = HEXLOWER.encode(&self.hasher.finalize());
        // A keyed name: it cannot be guessed from the content nor compared between workspaces.
        let name = self.key.derive(&format!("blob-name/{sha256_hex}"));
        let blob = HEXLOWER.encode(name.as_slice());
        file.rewind()?;
        let from = Inner::place(&self.workspace, self.temporary.id())?;
        let to = Inner::place(&self.workspace, &blob)?;
        seal::rewrap(&mut file, &[&self.key], &from, &self.key, &to)?;
        file.sync_all()?;
        let path = self.inner.path_of(&self.workspace, &blob)?;
        let temporary = self.temporary;
        self.inner.while_naming(|| {
            let folder = path.parent().unwrap_or(self.inner.folder());
            if let Some(workspace) = folder.parent() {
                files::ensure_folder(workspace)?;
            }
            files::ensure_folder(folder)?;
            // Equal content that is already there is replaced: that mends a damaged blob, and
            // makes an old one young again before the sweep can take it.
            temporary.rename_to(&path)?;
            files::sync_folder(folder)
        })?;
        tracing::debug!(
            workspace = self.workspace,
            blob,
            bytes = self.bytes,
            "blob stored"
        );
        Ok(Stored {
            blob,
            sha256_hex,
            bytes: self.bytes,
        })
    }
}

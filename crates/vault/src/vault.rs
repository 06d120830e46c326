//! The store of blobs: its folder, its keys and its errors.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use seal::{Context, SealError};
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

use crate::files;
use crate::keys::{KeyError, KeyProvider};
use crate::name::{TEMPORARY, is_blob, is_workspace};

/// Content is moved in pieces of this many bytes at most; a stream holds one or two of them.
pub const PIECE_BYTES: usize = 64 * 1024;

/// Why a blob was not stored, read or removed.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// There is no such blob, or its workspace has no key.
    #[error("there is no such blob")]
    NotFound,
    /// The content is longer than the caller allows.
    #[error("the content has more than {limit} bytes")]
    TooLarge {
        /// The caller's limit in bytes.
        limit: u64,
    },
    /// The disk, or the quota on it, is full.
    #[error("there is no room on the disk")]
    NoSpace,
    /// The blob was changed, or is not of this workspace or name.
    #[error("the blob is damaged")]
    Damaged,
    /// The stream of content ended with an error.
    #[error("the content stopped coming: {0}")]
    Source(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The workspace id or the blob's name cannot be one.
    #[error("not a workspace id or blob name")]
    Name,
    /// The key of the workspace.
    #[error(transparent)]
    Key(KeyError),
    /// The file system.
    #[error("the file system failed: {0}")]
    Io(#[source] io::Error),
}

impl From<io::Error> for VaultError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace,
            _ if SealError::is_damage(&error) => Self::Damaged,
            _ => Self::Io(error),
        }
    }
}

impl From<KeyError> for VaultError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Name => Self::Name,
            KeyError::Io { source, .. } if is_full(&source) => Self::NoSpace,
            other => Self::Key(other),
        }
    }
}

impl From<SealError> for VaultError {
    fn from(error: SealError) -> Self {
        match error {
            SealError::Io(error) => error.into(),
            SealError::Id => Self::Name,
            SealError::Random(error) => Self::Io(io::Error::other(error)),
            SealError::NotSealed
            | SealError::TooLong
            | SealError::KeyVersion(_)
            | SealError::WrongKeyOrPlace
            | SealError::Damaged => Self::Damaged,
        }
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// A blob that is on disk to stay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its name: the same content in the same workspace has the same name, and only there.
    pub blob: String,
    /// SHA-256 of the content, in lowercase hexadecimal.
    pub sha256_hex: String,
    /// Bytes of content.
    pub bytes: u64,
}

/// Encrypted blobs below `<data>/blobs`. Cheap to clone.
#[derive(Clone)]
pub struct Vault {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    blobs: PathBuf,
    pub(crate) keys: Arc<dyn KeyProvider>,
    pub(crate) tasks: TaskTracker,
    /// Held while a blob gets its name and while the sweep looks at one and removes it.
    naming: Mutex<()>,
}

impl Vault {
    /// Opens the blobs of a data directory, and removes what a crash left half-written.
    ///
    /// # Errors
    /// [`VaultError::NoSpace`] or [`VaultError::Io`].
    pub async fn in_folder(data: &Path, keys: Arc<dyn KeyProvider>) -> Result<Self, VaultError> {
        let inner = Arc::new(Inner {
            blobs: data.join("blobs"),
            keys,
            tasks: TaskTracker::new(),
            naming: Mutex::new(()),
        });
        let vault = Self { inner };
        vault
            .blocking(|inner| {
                files::ensure_folder(&inner.blobs)?;
                files::ensure_folder(&inner.temporary())?;
                let removed = files::remove_temporary(&inner.temporary())?;
                if removed > 0 {
                    tracing::info!(removed, "half-written blobs removed");
                }
                Ok(())
            })
            .await?;
        Ok(vault)
    }

    /// Bytes of content in a blob.
    ///
    /// # Errors
    /// [`VaultError::NotFound`], [`VaultError::Damaged`], [`VaultError::Name`],
    /// [`VaultError::Key`] or [`VaultError::Io`].
    pub async fn len(&self, workspace: &str, blob: &str) -> Result<u64, VaultError> {
        Ok(self.open(workspace, blob).await?.len())
    }

    /// Removes a blob; false when there was none. Who stores equal content twice has it once: the
    /// caller removes a blob only when nothing refers to its name any more.
    ///
    /// # Errors
    /// [`VaultError::Name`] or [`VaultError::Io`].
    pub async fn delete(&self, workspace: &str, blob: &str) -> Result<bool, VaultError> {
        let (workspace, blob) = (workspace.to_owned(), blob.to_owned());
        self.blocking(move |inner| {
            let path = inner.path_of(&workspace, &blob)?;
            let existed = files::remove(&path)?;
            if existed {
                path.parent().map_or(Ok(()), files::sync_folder)?;
                tracing::debug!(workspace, blob, "blob removed");
            }
            Ok(existed)
        })
        .await
    }

    /// Waits until no file work is running; for a clean end.
    pub async fn drain(&self) {
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
        self.inner.tasks.reopen();
    }

    /// Runs file work on a blocking thread. When the caller is gone by then, what the work returns is
    /// dropped there, before [`Vault::drain`] takes it for finished.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<Inner>) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, VaultError> {
        let inner = Arc::clone(&self.inner);
        let (answer, answered) = oneshot::channel();
        self.inner.tasks.spawn_blocking(move || {
            // An error here is the answer itself, given back because nobody waits for it.
            let _: Result<(), _> = answer.send(work(&inner));
        });
        answered
            .await
            .map_err(|error| VaultError::Io(io::Error::other(error)))?
    }
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Vault({})", self.inner.blobs.display())
    }
}

impl Inner {
    pub(crate) fn folder(&self) -> &Path {
        &self.blobs
    }

    /// Where content waits until it is whole.
    pub(crate) fn temporary(&self) -> PathBuf {
        self.blobs.join(TEMPORARY)
    }

    /// The file of a blob: 256 folders for each workspace keep every one of them short.
    pub(crate) fn path_of(&self, workspace: &str, blob: &str) -> Result<PathBuf, VaultError> {
        if is_workspace(workspace) && is_blob(blob) {
            Ok(self.blobs.join(workspace).join(&blob[..2]).join(blob))
        } else {
            Err(VaultError::Name)
        }
    }

    /// What a blob is sealed to.
    pub(crate) fn place<'i>(workspace: &'i str, object: &'i str) -> Result<Context<'i>, VaultError> {
        Ok(Context::new(workspace, object)?)
    }

    pub(crate) fn while_naming<T>(&self, work: impl FnOnce() -> T) -> T {
        let _held = self.naming.lock().unwrap_or_else(PoisonError::into_inner);
        work()
    }
}

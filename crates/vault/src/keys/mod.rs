//! Where keys come from.

mod file;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use seal::{Context, SealError, SealingKey};
use zeroize::Zeroizing;

pub use file::{FileKeys, MAX_CACHED_KEYS};

/// Why a key could not be had or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The root key is missing although data sealed under one is there.
    #[error("{} is missing, but there is data sealed under it: put the backup of the key there", .0.display())]
    RootMissing(PathBuf),
    /// The root key file is not one.
    #[error("{} is not a root key file, or was changed: put the backup of the key there", .0.display())]
    RootMalformed(PathBuf),
    /// Others may read the root key.
    #[error("{} has mode {mode:o}: only its owner may read it (chmod 600)", .path.display())]
    Permissions {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Something sealed does not open: it was changed, moved, or is of another key.
    #[error("{0} does not open under this key")]
    Damaged(String),
    /// The workspace id cannot name a key.
    #[error("not a workspace id")]
    Name,
    /// The workspace has no key: it never had one, or it was destroyed.
    #[error("the workspace has no key")]
    Destroyed,
    /// Content cannot be sealed in one piece.
    #[error(transparent)]
    Seal(SealError),
    /// The file system.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the file system said.
        source: std::io::Error,
    },
}

/// A key derived for one purpose. It is erased on drop and never printed.
pub struct DerivedKey(Zeroizing<[u8; 32]>);

impl DerivedKey {
    /// The secret bytes.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for DerivedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[derived key]")
    }
}

/// The root of all keys: a key file, a hardware module or a key service.
///
/// Calls may block for as long as the back end takes; a file takes less than a millisecond.
pub trait KeyProvider: Send + Sync {
    /// Wraps a short secret under the root key for a name.
    ///
    /// # Errors
    /// [`KeyError::Seal`] when the secret is too long or the name empty.
    fn wrap(&self, name: &str, secret: &[u8]) -> Result<Vec<u8>, KeyError>;

    /// Opens what [`KeyProvider::wrap`] wrapped for the same name.
    ///
    /// # Errors
    /// [`KeyError::Damaged`].
    fn unwrap(&self, name: &str, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError>;

    /// Ed25519 signature by the installation's audit log key.
    ///
    /// # Errors
    /// Those of the back end.
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], KeyError>;

    /// The public half of that key.
    ///
    /// # Errors
    /// Those of the back end.
    fn public_key(&self) -> Result<[u8; 32], KeyError>;

    /// A key for one purpose, always the same for the same label, for example for pseudonyms.
    ///
    /// # Errors
    /// Those of the back end.
    fn derive(&self, label: &str) -> Result<DerivedKey, KeyError>;

    /// The key of a workspace, made at its first use.
    ///
    /// # Errors
    /// [`KeyError::Name`], [`KeyError::Damaged`] or [`KeyError::Io`].
    fn workspace_key(&self, workspace: &str) -> Result<Arc<SealingKey>, KeyError>;

    /// The key of a workspace if it has one.
    ///
    /// # Errors
    /// [`KeyError::Name`], [`KeyError::Damaged`] or [`KeyError::Io`].
    fn find_workspace_key(&self, workspace: &str) -> Result<Option<Arc<SealingKey>>, KeyError>;

    /// Destroys the key of a workspace: what was sealed under it opens no more, except where a
    /// backup of the key still is. False when there was none.
    ///
    /// # Errors
    /// [`KeyError::Name`] or [`KeyError::Io`].
    fn destroy(&self, workspace: &str) -> Result<bool, KeyError>;

    /// Seals short content, such as a column of a database, for an object of a workspace.
    ///
    /// # Errors
    /// Those of [`KeyProvider::workspace_key`], and [`KeyError::Seal`] when it is too long.
    fn seal_small(&self, workspace: &str, object: &str, content: &[u8]) -> Result<Vec<u8>, KeyError> {
        let key = self.workspace_key(workspace)?;
        let context = Context::new(workspace, object).map_err(KeyError::Seal)?;
        seal::encrypt_small(&key, &context, content).map_err(KeyError::Seal)
    }

    /// Opens what [`KeyProvider::seal_small`] sealed for the same object.
    ///
    /// # Errors
    /// [`KeyError::Destroyed`] when the workspace has no key, [`KeyError::Damaged`].
    fn open_small(
        &self,
        workspace: &str,
        object: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let key = self.find_workspace_key(workspace)?.ok_or(KeyError::Destroyed)?;
        let context = Context::new(workspace, object).map_err(KeyError::Seal)?;
        seal::decrypt_small(&[&key], &context, sealed).map_err(|_| KeyError::Damaged(object.to_owned()))
    }
}

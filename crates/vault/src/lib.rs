//! Encrypted blobs on disk and the keys that open them.
//!
//! [`Vault`] keeps media: content goes in as a stream, is hashed and sealed on the way, and is never
//! on disk in the clear; it comes out from any offset. [`KeyProvider`] is where keys come from; its
//! back end here is [`FileKeys`], a root key in a file.
//!
//! | Below the data directory | Content |
//! |---|---|
//! | `keys/root.key` | the root key, the one secret that must be backed up apart from the rest |
//! | `keys/workspaces/<workspace>.key` | a workspace's key, wrapped by the root key |
//! | `keys/own/<name>.key` | the installation's own secrets, wrapped by the root key |
//! | `blobs/<workspace>/<2 digits>/<name>` | one sealed blob; the name tells nothing of the content |
//! | `blobs/tmp/` | sealed content on its way in |
//!
//! Folders have mode 0700, files 0600. File work runs on tokio's blocking threads, one short step at
//! a time, so a slow reader or writer holds no thread.
//!
//! Floor 1: may import `seal` and other floor-0 rooms, tokio and the file system.

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")
)]

mod files;
mod keys;
mod name;
mod put;
mod read;
mod sweep;
mod vault;

pub use keys::{DerivedKey, FileKeys, KeyError, KeyProvider, MAX_CACHED_KEYS};
pub use name::MAX_WORKSPACE_ID_BYTES;
pub use read::BlobReader;
pub use sweep::Swept;
pub use vault::{PIECE_BYTES, Stored, Vault, VaultError};

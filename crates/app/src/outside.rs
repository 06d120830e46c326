//! Errors of the floor below that an answer to a caller must tell apart.

pub use media::MediaError;
pub use store::Error as StoreError;
pub use vault::{KeyError, VaultError};

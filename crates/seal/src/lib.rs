//! The encryption format of media at rest: age files whose file key is wrapped by a workspace key.
//!
//! A sealed file is an age v1 file (c2sp.org/age): a header that holds the file's own key in
//! wrapped form, then the content in chunks of 64 KiB, each encrypted and authenticated with its
//! place in the file, so that cut, reordered or changed content is refused and any part can be read
//! without the rest. The wrapped key is one stanza of our own:
//!
//! ```text
//! age-encryption.org/v1
//! -> studio-seal <key version, 8 hex digits> <nonce, 12 bytes in base64>
//! <AES-256-GCM of the 16-byte file key, 32 bytes in base64>
//! -> <a random stanza that age adds so that readers keep ignoring unknown ones>
//! --- <HMAC of the header under the file key>
//! ```
//!
//! Base64 is standard and without padding. The associated data of the wrapping bind the file to
//! its [`Context`]: a file moved to another workspace or given another name does not open.
//!
//! Short content, such as a column of a database, is sealed in one piece by [`encrypt_small`].
//!
//! Floor 0: pure over `Read`, `Write` and `Seek`. It may import the age format and the primitives
//! it needs, and none of the other rooms. Keys of files and nonces are drawn from the operating
//! system here rather than taken as arguments, because a repeated one would break the encryption.

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")
)]

mod header;
mod key;
mod reader;
mod small;
mod writer;

pub use header::{MAX_HEADER_BYTES, rewrap};
pub use key::{Context, KEY_BYTES, MAX_ID_BYTES, SealingKey};
pub use reader::{SealReader, decrypt};
pub use small::{MAX_SMALL_BYTES, decrypt_small, encrypt_small};
pub use writer::{SealWriter, encrypt};

/// Bytes of content in one chunk of a sealed file.
pub const CHUNK_BYTES: usize = 64 * 1024;

/// Why something was not sealed or not opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The workspace or object id is empty or longer than [`MAX_ID_BYTES`].
    #[error("an id of a sealed object must have 1 to {MAX_ID_BYTES} bytes")]
    Id,
    /// The bytes are no age file with one stanza of ours, or the header is too long.
    #[error("not a sealed file")]
    NotSealed,
    /// Content to be sealed in one piece is over [`MAX_SMALL_BYTES`].
    #[error("the content is longer than {MAX_SMALL_BYTES} bytes")]
    TooLong,
    /// None of the keys has the version that the file was sealed under.
    #[error("the file is sealed under version {0} of the key, which was not given")]
    KeyVersion(u32),
    /// The key or the context is another one, or the header was changed.
    #[error("the key does not open this file in this place")]
    WrongKeyOrPlace,
    /// The content was changed, cut or lengthened.
    #[error("the content of the sealed file is damaged")]
    Damaged,
    /// The operating system gave no random bytes.
    #[error("no random bytes from the operating system: {0}")]
    Random(getrandom::Error),
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl SealError {
    /// Whether an error of [`SealReader`]'s `Read` means that the content was changed.
    #[must_use]
    pub fn is_damage(error: &std::io::Error) -> bool {
        error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<Self>())
            .is_some_and(|inner| matches!(inner, Self::Damaged))
    }
}

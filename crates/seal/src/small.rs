//! Sealing short content in one piece: a column of a database, another key.
//!
//! | Bytes | Content |
//! |---|---|
//! | 1 | format, 1 |
//! | 4 | version of the key, big-endian |
//! | 12 | nonce |
//! | content + 16 | AES-256-GCM of the content, its tag last |
//!
//! The key is derived from the sealing key for this use alone. The associated data bind the content
//! to its [`Context`], as in files.

use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{Aead, KeyInit, Payload};
use zeroize::Zeroizing;

use crate::SealError;
use crate::key::{Context, SealingKey};

/// Longest content that is sealed in one piece, in bytes.
pub const MAX_SMALL_BYTES: usize = 1024 * 1024;

/// First byte of everything sealed in one piece.
const FORMAT: u8 = 1;

/// First bytes of the associated data.
const ASSOCIATED_DATA_LABEL: &[u8] = b"studio-seal/small/v1";

/// Label of the key for this use.
const KEY_LABEL: &str = "small";

/// Bytes before the encrypted content.
const HEAD_BYTES: usize = 1 + 4 + 12;

/// Bytes of the authentication tag.
const TAG_BYTES: usize = 16;

/// Seals short content for a place.
///
/// # Errors
/// [`SealError::TooLong`] over [`MAX_SMALL_BYTES`], [`SealError::Random`].
pub fn encrypt_small(key: &SealingKey, context: &Context, content: &[u8]) -> Result<Vec<u8>, SealError> {
    if content.len() > MAX_SMALL_BYTES {
        return Err(SealError::TooLong);
    }
    let mut nonce = [0; 12];
    getrandom::fill(&mut nonce).map_err(SealError::Random)?;
    let mut sealed = Vec::with_capacity(HEAD_BYTES + content.len() + TAG_BYTES);
    sealed.push(FORMAT);
    sealed.extend_from_slice(&key.version().to_be_bytes());
    sealed.extend_from_slice(&nonce);
    let aad = context.associated_data(ASSOCIATED_DATA_LABEL, key.version());
    let encrypted = cipher(key)
        .encrypt(
            &nonce.into(),
            Payload {
                msg: content,
                aad: &aad,
            },
        )
        .map_err(|_| SealError::TooLong)?;
    sealed.extend_from_slice(&encrypted);
    Ok(sealed)
}

/// Opens what [`encrypt_small`] sealed for the same place, with the key of its version.
///
/// # Errors
/// [`SealError::NotSealed`], [`SealError::KeyVersion`] or [`SealError::WrongKeyOrPlace`], the last
/// also for changed content.
pub fn decrypt_small(
    keys: &[&SealingKey],
    context: &Context,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let Some((&[FORMAT, v0, v1, v2, v3], rest)) = sealed.split_first_chunk::<5>() else {
        return Err(SealError::NotSealed);
    };
    let Some((nonce, encrypted)) = rest.split_first_chunk::<12>() else {
        return Err(SealError::NotSealed);
    };
    if encrypted.len() > MAX_SMALL_BYTES + TAG_BYTES {
        return Err(SealError::TooLong);
    }
    let version = u32::from_be_bytes([v0, v1, v2, v3]);
    let key = keys
        .iter()
        .find(|key| key.version() == version)
        .ok_or(SealError::KeyVersion(version))?;
    let aad = context.associated_data(ASSOCIATED_DATA_LABEL, version);
    cipher(key)
        .decrypt(
            &(*nonce).into(),
            Payload {
                msg: encrypted,
                aad: &aad,
            },
        )
        .map(Zeroizing::new)
        .map_err(|_| SealError::WrongKeyOrPlace)
}

fn cipher(key: &SealingKey) -> Aes256Gcm {
    Aes256Gcm::new(&(*key.derive(KEY_LABEL)).into())
}

//! Sealing keys, what they are bound to, and the wrapping of file keys.

use std::collections::HashSet;
use std::fmt;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use age_core::format::{FILE_KEY_BYTES, FileKey, Stanza};
use age_core::secrecy::ExposeSecret;
use data_encoding::{BASE64_NOPAD, HEXLOWER};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use crate::SealError;

/// Bytes in a sealing key.
pub const KEY_BYTES: usize = 32;

/// Longest workspace or object id in bytes.
pub const MAX_ID_BYTES: usize = 255;

/// Bytes in an AES-GCM nonce.
const NONCE_BYTES: usize = 12;

/// Bytes of a wrapped file key: the key and the authentication tag.
const WRAPPED_BYTES: usize = FILE_KEY_BYTES + 16;

/// Name of our stanza.
pub(crate) const STANZA_TAG: &str = "studio-seal";

/// First bytes of the associated data, so that no other use of AES-GCM can be taken for this one.
const ASSOCIATED_DATA_LABEL: &[u8] = b"studio-seal/v1";

/// First bytes of what is derived from a sealing key.
const DERIVE_LABEL: &[u8] = b"studio-seal/derive/v1\0";

/// A 256-bit key that seals files, with its version.
///
/// The bytes are erased from memory on drop and never printed. A version of a key may seal at most
/// 2^32 files: the nonces are random (NIST SP 800-38D 8.3).
pub struct SealingKey {
    version: u32,
    bytes: Zeroizing<[u8; KEY_BYTES]>,
}

impl SealingKey {
    /// A key from its bytes.
    #[must_use]
    pub fn new(version: u32, bytes: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        Self { version, bytes }
    }

    /// A new key from the operating system's random source.
    ///
    /// # Errors
    /// [`SealError::Random`].
    pub fn generate(version: u32) -> Result<Self, SealError> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        getrandom::fill(bytes.as_mut_slice()).map_err(SealError::Random)?;
        Ok(Self { version, bytes })
    }

    /// Which of its owner's keys this is.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The secret bytes, to be wrapped or kept.
    #[must_use]
    pub fn expose_bytes(&self) -> &[u8; KEY_BYTES] {
        &self.bytes
    }

    /// A key for another purpose: HMAC-SHA-256 of the label under this key. Different labels give
    /// unrelated keys.
    #[must_use]
    pub fn derive(&self, label: &str) -> Zeroizing<[u8; 32]> {
        hmac_sha256(self.bytes.as_slice(), &[DERIVE_LABEL, label.as_bytes()])
    }

    /// Wraps a file key for a place, under a nonce of its own.
    pub(crate) fn wrap(&self, file_key: &FileKey, context: &Context) -> Result<Stanza, SealError> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(SealError::Random)?;
        let body = self
            .cipher()
            .encrypt(
                &Nonce::from(nonce),
                Payload {
                    msg: file_key.expose_secret(),
                    aad: &context.associated_data(ASSOCIATED_DATA_LABEL, self.version),
                },
            )
            .map_err(|_| SealError::WrongKeyOrPlace)?;
        Ok(Stanza {
            tag: STANZA_TAG.to_owned(),
            args: vec![
                HEXLOWER.encode(&self.version.to_be_bytes()),
                BASE64_NOPAD.encode(&nonce),
            ],
            body,
        })
    }

    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new(&(*self.bytes).into())
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKey(version {}, bytes hidden)", self.version)
    }
}

/// What a sealed file is bound to: it opens only under the same two ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context<'i> {
    workspace: &'i str,
    object: &'i str,
}

impl<'i> Context<'i> {
    /// The object with this id in the workspace with that id.
    ///
    /// # Errors
    /// [`SealError::Id`] when one is empty or longer than [`MAX_ID_BYTES`].
    pub fn new(workspace: &'i str, object: &'i str) -> Result<Self, SealError> {
        let fits = |id: &str| (1..=MAX_ID_BYTES).contains(&id.len());
        if fits(workspace) && fits(object) {
            Ok(Self { workspace, object })
        } else {
            Err(SealError::Id)
        }
    }

    /// Label, then each id after its length in two bytes, then the key version in four bytes.
    pub(crate) fn associated_data(&self, label: &[u8], key_version: u32) -> Vec<u8> {
        let mut data = label.to_vec();
        for id in [self.workspace, self.object] {
            // The length is at most MAX_ID_BYTES.
            data.extend_from_slice(&[0, u8::try_from(id.len()).unwrap_or(u8::MAX)]);
            data.extend_from_slice(id.as_bytes());
        }
        data.extend_from_slice(&key_version.to_be_bytes());
        data
    }
}

/// The key version that a stanza of ours names; none when the stanza is malformed.
pub(crate) fn stanza_key_version(stanza: &Stanza) -> Option<u32> {
    let [version, _] = stanza.args.as_slice() else {
        return None;
    };
    let version = HEXLOWER.decode(version.as_bytes()).ok()?;
    Some(u32::from_be_bytes(version.try_into().ok()?))
}

/// Opens a stanza of ours with the key of its version.
pub(crate) fn unwrap(stanza: &Stanza, keys: &[&SealingKey], context: &Context) -> Result<FileKey, SealError> {
    let version = stanza_key_version(stanza).ok_or(SealError::NotSealed)?;
    let nonce: [u8; NONCE_BYTES] = stanza
        .args
        .get(1)
        .and_then(|nonce| BASE64_NOPAD.decode(nonce.as_bytes()).ok())
        .and_then(|nonce| nonce.try_into().ok())
        .ok_or(SealError::NotSealed)?;
    if stanza.body.len() != WRAPPED_BYTES {
        return Err(SealError::NotSealed);
    }
    let key = keys
        .iter()
        .find(|key| key.version == version)
        .ok_or(SealError::KeyVersion(version))?;
    let opened = key
        .cipher()
        .decrypt(
            &Nonce::from(nonce),
            Payload {
                msg: &stanza.body,
                aad: &context.associated_data(ASSOCIATED_DATA_LABEL, version),
            },
        )
        .map(Zeroizing::new)
        .map_err(|_| SealError::WrongKeyOrPlace)?;
    FileKey::try_init_with_mut(|file_key| {
        if opened.len() == file_key.len() {
            file_key.copy_from_slice(&opened);
            Ok(())
        } else {
            Err(SealError::NotSealed)
        }
    })
}

/// HMAC-SHA-256 over the parts one after the other.
pub(crate) fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    // HMAC takes a key of any length; the error type exists for other MACs.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return Zeroizing::new([0; 32]);
    };
    for part in parts {
        mac.update(part);
    }
    let mut output = mac.finalize().into_bytes();
    let copy = Zeroizing::new(output.into());
    output.as_mut_slice().zeroize();
    copy
}

/// One sealing key and one place, as the age library asks for them when writing.
pub(crate) struct Recipient<'a> {
    pub(crate) key: &'a SealingKey,
    pub(crate) context: &'a Context<'a>,
}

impl age::Recipient for Recipient<'_> {
    fn wrap_file_key(&self, file_key: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), age::EncryptError> {
        let stanza = self
            .key
            .wrap(file_key, self.context)
            .map_err(|error| age::EncryptError::Io(std::io::Error::other(error)))?;
        Ok((vec![stanza], HashSet::new()))
    }
}

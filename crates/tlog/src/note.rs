//! Signed notes (c2sp.org/signed-note) with Ed25519 keys (signature type 0x01).
//!
//! This crate never holds a private key: it says which bytes to sign, and checks every signature
//! against the public key before it becomes a line of a note.

use std::fmt;

use data_encoding::{BASE64, HEXLOWER};
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};

/// The type byte of Ed25519 note signatures.
pub const ED25519_TYPE: u8 = 0x01;

/// Largest note in bytes that is looked at, room for 16 post-quantum signatures.
pub const MAX_NOTE_BYTES: usize = 128 * 1024;

/// Most signature lines that are looked at; the specification asks for at least 16.
pub const MAX_NOTE_SIGNATURES: usize = 64;

/// What every signature line begins with: em dash and space.
const SIGNATURE_PREFIX: &str = "\u{2014} ";

/// Why a note or a key was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// A key name is empty or has a space, a plus sign or a control character.
    #[error("a key name must not be empty nor have spaces, plus signs or control characters")]
    KeyName,
    /// A verifier key is not `name+id+key`, or its id does not belong to the key.
    #[error("not a verifier key: {0}")]
    VerifierKey(&'static str),
    /// The text cannot be signed or read.
    #[error("not a signed note: {0}")]
    Malformed(&'static str),
    /// No signature line is by the key.
    #[error("the note has no signature by {0}")]
    NotSigned(String),
    /// The line by the key does not hold.
    #[error("the signature by {0} is wrong")]
    WrongSignature(String),
}

/// A public key that checks notes, with the name it signs under.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: [u8; 4],
    key: VerifyingKey,
}

impl VerifierKey {
    /// The verifier key of an Ed25519 public key.
    ///
    /// # Errors
    /// [`NoteError::KeyName`], or [`NoteError::VerifierKey`] when the bytes are no usable key.
    pub fn ed25519(name: &str, public_key: &[u8; 32]) -> Result<Self, NoteError> {
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '+') {
            return Err(NoteError::KeyName);
        }
        let key = VerifyingKey::from_bytes(public_key)
            .ok()
            .filter(|key| !key.is_weak())
            .ok_or(NoteError::VerifierKey("the bytes are not an Ed25519 key"))?;
        let mut hasher = Sha256::new();
        hasher.update(name.as_bytes());
        hasher.update([b'\n', ED25519_TYPE]);
        hasher.update(public_key);
        let digest: [u8; 32] = hasher.finalize().into();
        Ok(Self {
            name: name.to_owned(),
            id: [digest[0], digest[1], digest[2], digest[3]],
            key,
        })
    }

    /// Reads `name+id+key`, surrounding white space allowed.
    ///
    /// # Errors
    /// [`NoteError::VerifierKey`] saying what is wrong, or [`NoteError::KeyName`].
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let mut parts = text.trim().splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::VerifierKey("it has no three parts"));
        };
        let key = BASE64
            .decode(key.as_bytes())
            .map_err(|_| NoteError::VerifierKey("the key is not base64"))?;
        let Some((&ED25519_TYPE, public_key)) = key.split_first() else {
            return Err(NoteError::VerifierKey("the key is not of type Ed25519"));
        };
        let public_key = public_key
            .try_into()
            .map_err(|_| NoteError::VerifierKey("the key does not have 32 bytes"))?;
        let key = Self::ed25519(name, public_key)?;
        if HEXLOWER.encode(&key.id) == id {
            Ok(key)
        } else {
            Err(NoteError::VerifierKey("the id does not belong to the key"))
        }
    }

    /// The name the key signs under.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![ED25519_TYPE];
        key.extend_from_slice(self.key.as_bytes());
        write!(
            f,
            "{}+{}+{}",
            self.name,
            HEXLOWER.encode(&self.id),
            BASE64.encode(&key)
        )
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

/// A note split into its text and its signature lines; nothing in it is checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedNote<'n> {
    text: &'n str,
    signatures: Vec<NoteSignature<'n>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct NoteSignature<'n> {
    name: &'n str,
    id: [u8; 4],
    signature: Vec<u8>,
}

impl<'n> SignedNote<'n> {
    /// Splits a note.
    ///
    /// # Errors
    /// [`NoteError::Malformed`] saying what is wrong.
    pub fn parse(note: &'n str) -> Result<Self, NoteError> {
        if note.len() > MAX_NOTE_BYTES {
            return Err(NoteError::Malformed("it is too long"));
        }
        if note.contains(|c: char| c < ' ' && c != '\n') {
            return Err(NoteError::Malformed("it has control characters"));
        }
        let split = note
            .rfind("\n\n")
            .ok_or(NoteError::Malformed("no empty line before the signatures"))?;
        let (text, lines) = (&note[..=split], &note[split + 2..]);
        let lines = lines
            .strip_suffix('\n')
            .ok_or(NoteError::Malformed("it does not end with a signature line"))?;
        let signatures = lines
            .split('\n')
            .map(NoteSignature::parse)
            .collect::<Option<Vec<_>>>()
            .ok_or(NoteError::Malformed("a signature line is not one"))?;
        if signatures.len() > MAX_NOTE_SIGNATURES {
            return Err(NoteError::Malformed("it has too many signatures"));
        }
        Ok(Self { text, signatures })
    }

    /// The text, its last newline included, once a signature by `key` has been checked.
    ///
    /// Lines by other keys are left alone, as the specification asks.
    ///
    /// # Errors
    /// [`NoteError::NotSigned`] without a line by the key, [`NoteError::WrongSignature`] when any
    /// line by the key does not hold.
    pub fn verified_text(&self, key: &VerifierKey) -> Result<&'n str, NoteError> {
        let mut found = false;
        for line in &self.signatures {
            if line.name != key.name || line.id != key.id {
                continue;
            }
            let holds = <[u8; 64]>::try_from(line.signature.as_slice())
                .is_ok_and(|signature| holds(key, self.text, signature));
            if !holds {
                return Err(NoteError::WrongSignature(key.name.clone()));
            }
            found = true;
        }
        if found {
            Ok(self.text)
        } else {
            Err(NoteError::NotSigned(key.name.clone()))
        }
    }
}

impl<'n> NoteSignature<'n> {
    fn parse(line: &'n str) -> Option<Self> {
        let (name, signature) = line.strip_prefix(SIGNATURE_PREFIX)?.split_once(' ')?;
        if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c == '+') {
            return None;
        }
        let bytes = BASE64.decode(signature.as_bytes()).ok()?;
        let (id, signature) = bytes.split_first_chunk::<4>()?;
        Some(Self {
            name,
            id: *id,
            signature: signature.to_vec(),
        })
    }
}

/// Makes the note of a text and the 64-byte Ed25519 signature over exactly these bytes.
///
/// # Errors
/// [`NoteError::Malformed`] when the text does not end with a newline or has control characters,
/// [`NoteError::WrongSignature`] when the signature is not by the key: a wrong one never leaves.
pub fn sign(text: &str, key: &VerifierKey, signature: [u8; 64]) -> Result<String, NoteError> {
    if !text.ends_with('\n') {
        return Err(NoteError::Malformed("the text must end with a newline"));
    }
    if text.contains(|c: char| c < ' ' && c != '\n') {
        return Err(NoteError::Malformed("it has control characters"));
    }
    if !holds(key, text, signature) {
        return Err(NoteError::WrongSignature(key.name.clone()));
    }
    let mut bytes = key.id.to_vec();
    bytes.extend_from_slice(&signature);
    Ok(format!(
        "{text}\n{SIGNATURE_PREFIX}{} {}\n",
        key.name,
        BASE64.encode(&bytes)
    ))
}

fn holds(key: &VerifierKey, text: &str, signature: [u8; 64]) -> bool {
    key.key
        .verify_strict(text.as_bytes(), &Signature::from_bytes(&signature))
        .is_ok()
}

//! Checkpoints: the signed statement of a log's size and root (c2sp.org/tlog-checkpoint).

use crate::hash::Hash;
use crate::note::{self, NoteError, SignedNote, VerifierKey};
use crate::proof::{ProofError, verify_consistency};

/// Size and root of a log at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log this is: a schema-less URL, for example `studio.example/audit`.
    pub origin: String,
    /// Entries in the log.
    pub size: u64,
    /// Root of the tree of that size.
    pub root: Hash,
}

/// Why a checkpoint was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The note around it.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The text of the note.
    #[error("not a checkpoint: {0}")]
    Malformed(&'static str),
    /// It is of another log.
    #[error("the checkpoint is of log {found}, not of {expected}")]
    OtherLog {
        /// The origin that was asked for.
        expected: String,
        /// The origin in the text.
        found: String,
    },
    /// The log would be shorter than what was signed before.
    #[error("the log had {previous} entries and would now have {next}")]
    Shrunk {
        /// Entries then.
        previous: u64,
        /// Entries now.
        next: u64,
    },
    /// The log would not begin with what was signed before.
    #[error("the log does not begin with the log of the earlier checkpoint: {0}")]
    Forked(#[source] ProofError),
}

impl Checkpoint {
    /// The text that is signed: three lines, no extension lines.
    #[must_use]
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root.to_base64())
    }

    /// Reads the text of a checkpoint; extension lines are allowed and left out.
    ///
    /// # Errors
    /// [`CheckpointError::Malformed`] saying which line is wrong.
    pub fn parse_text(text: &str) -> Result<Self, CheckpointError> {
        let body = text
            .strip_suffix('\n')
            .ok_or(CheckpointError::Malformed("no newline at the end"))?;
        let mut lines = body.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(CheckpointError::Malformed("fewer than three lines"));
        };
        if origin.is_empty() || lines.any(str::is_empty) {
            return Err(CheckpointError::Malformed("an empty line"));
        }
        let size =
            parse_decimal(size).ok_or(CheckpointError::Malformed("the size is not a decimal number"))?;
        let root =
            Hash::from_base64(root).ok_or(CheckpointError::Malformed("the root is not a SHA-256 hash"))?;
        Ok(Self {
            origin: origin.to_owned(),
            size,
            root,
        })
    }

    /// Reads a signed checkpoint: checks the signature by `key` and that the origin is its name.
    ///
    /// # Errors
    /// Every variant except [`CheckpointError::Shrunk`] and [`CheckpointError::Forked`].
    pub fn open(signed: &str, key: &VerifierKey) -> Result<Self, CheckpointError> {
        let text = SignedNote::parse(signed)?.verified_text(key)?;
        let checkpoint = Self::parse_text(text)?;
        if checkpoint.origin == key.name() {
            Ok(checkpoint)
        } else {
            Err(CheckpointError::OtherLog {
                expected: key.name().to_owned(),
                found: checkpoint.origin,
            })
        }
    }

    /// The signed note of this checkpoint from the Ed25519 signature over [`Checkpoint::text`].
    ///
    /// # Errors
    /// [`CheckpointError::OtherLog`] when the key's name is not the origin,
    /// [`CheckpointError::Note`] when the signature does not hold.
    pub fn signed(&self, key: &VerifierKey, signature: [u8; 64]) -> Result<String, CheckpointError> {
        if key.name() != self.origin {
            return Err(CheckpointError::OtherLog {
                expected: key.name().to_owned(),
                found: self.origin.clone(),
            });
        }
        Ok(note::sign(&self.text(), key, signature)?)
    }

    /// Checks that this checkpoint may be signed, or believed, after `previous`: the same log,
    /// not shorter, and beginning with it as `proof` shows. A log must never sign two
    /// checkpoints for which this does not hold.
    ///
    /// # Errors
    /// [`CheckpointError::OtherLog`], [`CheckpointError::Shrunk`] or [`CheckpointError::Forked`].
    pub fn check_follows(&self, previous: &Self, proof: &[Hash]) -> Result<(), CheckpointError> {
        if self.origin != previous.origin {
            return Err(CheckpointError::OtherLog {
                expected: previous.origin.clone(),
                found: self.origin.clone(),
            });
        }
        if self.size < previous.size {
            return Err(CheckpointError::Shrunk {
                previous: previous.size,
                next: self.size,
            });
        }
        if previous.size == 0 {
            return match (previous.root == Hash::empty_root(), self.size) {
                (true, 0) if self.root != previous.root => {
                    Err(CheckpointError::Forked(ProofError::WrongRoot))
                }
                (true, _) => Ok(()),
                (false, _) => Err(CheckpointError::Forked(ProofError::WrongOldRoot)),
            };
        }
        verify_consistency(previous.size, &previous.root, self.size, &self.root, proof)
            .map_err(CheckpointError::Forked)
    }
}

/// A decimal number without sign or leading zeroes.
pub(crate) fn parse_decimal(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

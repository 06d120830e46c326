//! The proof of one entry as a text file that verifies without the log (c2sp.org/tlog-proof).

use data_encoding::BASE64;

use crate::checkpoint::{Checkpoint, CheckpointError, parse_decimal};
use crate::hash::Hash;
use crate::note::{MAX_NOTE_BYTES, VerifierKey};
use crate::proof::{ProofError, verify_inclusion};

/// First line of a proof file.
const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// Most hashes in an inclusion proof: one for each level of the largest tree.
pub const MAX_PROOF_HASHES: usize = 64;

/// Longest proof file in bytes: the checkpoint, the hashes and the extra data.
pub const MAX_PROOF_BYTES: usize = MAX_NOTE_BYTES + 128 * 1024;

/// Why a proof file was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OfflineProofError {
    /// The text is not a proof file.
    #[error("not a proof file: {0}")]
    Malformed(&'static str),
    /// The checkpoint in it.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The inclusion proof in it.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

/// All that is needed to show that an entry is in the log, except the entry and the log's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfflineProof {
    /// Opaque data for the application; nothing vouches for it.
    pub extra: Option<Vec<u8>>,
    /// Position of the entry in the log, from 0.
    pub index: u64,
    /// Sibling hashes from the leaf up.
    pub hashes: Vec<Hash>,
    /// The signed checkpoint, word for word.
    pub checkpoint: String,
}

impl OfflineProof {
    /// The text of the file, by custom named `*.tlog-proof`.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("{HEADER}\n");
        if let Some(extra) = &self.extra {
            text.push_str(&format!("extra {}\n", BASE64.encode(extra)));
        }
        text.push_str(&format!("index {}\n", self.index));
        for hash in &self.hashes {
            text.push_str(&hash.to_base64());
            text.push('\n');
        }
        text.push('\n');
        text.push_str(&self.checkpoint);
        text
    }

    /// Reads a proof file; nothing in it is checked yet.
    ///
    /// # Errors
    /// [`OfflineProofError::Malformed`] saying what is wrong.
    pub fn parse(text: &str) -> Result<Self, OfflineProofError> {
        if text.len() > MAX_PROOF_BYTES {
            return Err(OfflineProofError::Malformed("it is too long"));
        }
        let (head, checkpoint) = text.split_once("\n\n").ok_or(OfflineProofError::Malformed(
            "no empty line before the checkpoint",
        ))?;
        let mut lines = head.split('\n');
        if lines.next() != Some(HEADER) {
            return Err(OfflineProofError::Malformed("the first line is not known"));
        }
        let mut line = lines.next();
        let extra = match line.and_then(|line| line.strip_prefix("extra ")) {
            Some(data) => {
                line = lines.next();
                Some(
                    BASE64
                        .decode(data.as_bytes())
                        .map_err(|_| OfflineProofError::Malformed("the extra data is not base64"))?,
                )
            }
            None => None,
        };
        let index = line
            .and_then(|line| line.strip_prefix("index "))
            .and_then(parse_decimal)
            .ok_or(OfflineProofError::Malformed("no line with the index"))?;
        let hashes = lines
            .map(Hash::from_base64)
            .take(MAX_PROOF_HASHES + 1)
            .collect::<Option<Vec<_>>>()
            .filter(|hashes| hashes.len() <= MAX_PROOF_HASHES)
            .ok_or(OfflineProofError::Malformed("a line is not a hash"))?;
        Ok(Self {
            extra,
            index,
            hashes,
            checkpoint: checkpoint.to_owned(),
        })
    }

    /// Checks the checkpoint's signature and that the leaf is in its tree; returns the checkpoint.
    ///
    /// # Errors
    /// [`OfflineProofError::Checkpoint`] or [`OfflineProofError::Proof`].
    pub fn verify(&self, leaf: &Hash, key: &VerifierKey) -> Result<Checkpoint, OfflineProofError> {
        let checkpoint = Checkpoint::open(&self.checkpoint, key)?;
        verify_inclusion(leaf, self.index, checkpoint.size, &self.hashes, &checkpoint.root)?;
        Ok(checkpoint)
    }
}

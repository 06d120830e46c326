//! Checking an exported log: every tile is rebuilt from the entries and compared.
//!
//! An export is a folder with these files, all names relative to it:
//!
//! | File | Content |
//! |---|---|
//! | `checkpoint` | the signed checkpoint |
//! | `log.vkey` | the verifier key of the log, one line |
//! | `tile/<level>/<index>[.p/<width>]` | hashes, 32 bytes each |
//! | `tile/entries/<index>[.p/<width>]` | entries, each after its length in two bytes |

use std::fmt::Display;

use crate::bundle::{Bundle, BundleError, bundles_of};
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::edge::Edge;
use crate::hash::{HASH_BYTES, Hash, leaf_hash};
use crate::note::{NoteError, VerifierKey};
use crate::proof::{prove_inclusion, tiles_for_inclusion, verify_inclusion};
use crate::tile::{MAX_TREE_SIZE, TILE_WIDTH, Tile, Tiles, split_hashes};

/// Name of the file with the signed checkpoint.
pub const CHECKPOINT_FILE: &str = "checkpoint";

/// Name of the file with the log's verifier key.
pub const VKEY_FILE: &str = "log.vkey";

/// What was checked in a log without fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The log's origin.
    pub origin: String,
    /// Entries, every one of them read and hashed.
    pub size: u64,
    /// The signed root, equal to the one computed from the entries.
    pub root: Hash,
    /// The key that signed the checkpoint.
    pub key: VerifierKey,
    /// Whether that key came from the caller. If not it came out of the folder itself, and the
    /// log agrees with itself but may be a whole forgery.
    pub key_was_given: bool,
    /// Tiles compared.
    pub tiles: u64,
    /// Bytes in all entries.
    pub entry_bytes: u64,
}

/// The first thing that is wrong with a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// A file that the size asks for is not there.
    #[error("{path} is missing")]
    Missing {
        /// The file.
        path: String,
    },
    /// A file could not be read.
    #[error("{path} cannot be read: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the reader said.
        reason: String,
    },
    /// The verifier key in the folder is not one, or not the one that was given.
    #[error("{VKEY_FILE}: {0}")]
    Key(NoteError),
    /// The folder names another key than the caller.
    #[error("{VKEY_FILE} names {found}, expected {expected}")]
    OtherKey {
        /// The key that the caller gave.
        expected: String,
        /// The key in the folder.
        found: String,
    },
    /// The checkpoint is unsigned, wrongly signed or unreadable.
    #[error("{CHECKPOINT_FILE}: {0}")]
    Checkpoint(CheckpointError),
    /// A bundle is not a sequence of entries.
    #[error("{path}: {error}")]
    Bundle {
        /// The file.
        path: String,
        /// What is wrong and where.
        error: BundleError,
    },
    /// An entry was changed: the tree vouches for another one at its place.
    #[error("entry {index} ({path}, from byte {byte}) is not the one that the signed tree holds")]
    EntryChanged {
        /// Position of the entry in the log.
        index: u64,
        /// The bundle that holds it.
        path: String,
        /// Where its bytes begin there.
        byte: usize,
    },
    /// A tile differs from what the entries give.
    #[error("{path} differs at byte {byte} from what entry {entry} and its neighbours give")]
    TileDiffers {
        /// The tile.
        path: String,
        /// The first wrong byte in it, or its length when it is too short or too long.
        byte: usize,
        /// The first entry below the wrong hash.
        entry: u64,
    },
    /// Every file agrees with the others, but not with the signed root.
    #[error("the entries give root {computed}, the checkpoint is signed over {signed}")]
    RootDiffers {
        /// Root in the checkpoint.
        signed: Hash,
        /// Root of the entries.
        computed: Hash,
    },
    /// The caller's own check refused an entry.
    #[error("entry {index}: {reason}")]
    EntryRefused {
        /// Position of the entry in the log.
        index: u64,
        /// What the check said.
        reason: String,
    },
}

/// The checkpoint speaks of more entries than a tree may have.
const SIZE_OVER_LIMIT: Finding =
    Finding::Checkpoint(CheckpointError::Malformed("the size is over the limit of a tree"));

/// Checks a whole exported log; see [`verify_entries`].
///
/// # Errors
/// The first [`Finding`].
pub fn verify_folder<E: Display>(
    read: impl Fn(&str) -> Result<Option<Vec<u8>>, E>,
    key: Option<&VerifierKey>,
) -> Result<Report, Finding> {
    verify_entries(read, key, |_, _| Ok(()))
}

/// Checks a whole exported log and shows every entry to `check`, in order.
///
/// `read` returns the bytes of a file of the folder by its name, or none if it is not there.
/// `key` is the log's verifier key from a trusted place; without it the folder's own is used and
/// the report says so. `check` refuses an entry by its reason, for example a time that runs back.
///
/// # Errors
/// The first [`Finding`].
pub fn verify_entries<E: Display>(
    read: impl Fn(&str) -> Result<Option<Vec<u8>>, E>,
    key: Option<&VerifierKey>,
    mut check: impl FnMut(u64, &[u8]) -> Result<(), String>,
) -> Result<Report, Finding> {
    let log = Log { read };
    let used_key = log.key(key)?;
    let checkpoint = log.checkpoint(&used_key)?;
    let mut report = Report {
        origin: checkpoint.origin.clone(),
        size: checkpoint.size,
        root: checkpoint.root,
        key: used_key,
        key_was_given: key.is_some(),
        tiles: 0,
        entry_bytes: 0,
    };
    let mut edge = Edge::new();
    for bundle in bundles_of(checkpoint.size) {
        let bytes = log.file(&bundle.path())?;
        let entries = bundle.decode(&bytes).map_err(|error| Finding::Bundle {
            path: bundle.path(),
            error,
        })?;
        log.compare_leaves(bundle, &entries, &checkpoint)?;
        for (index, entry) in (bundle.first_entry()..).zip(entries) {
            check(index, entry).map_err(|reason| Finding::EntryRefused { index, reason })?;
            report.entry_bytes += entry.len() as u64;
            edge.push(leaf_hash(entry)).map_err(|_| SIZE_OVER_LIMIT)?;
        }
        for (tile, rebuilt) in edge.take_changed() {
            // A partial tile counts only in its last state, below.
            if tile.is_full() {
                log.compare_tile(tile, &rebuilt)?;
                report.tiles += 1;
            }
        }
    }
    for (tile, rebuilt) in edge.partial_tiles() {
        log.compare_tile(tile, &rebuilt)?;
        report.tiles += 1;
    }
    let computed = edge.root();
    if computed == checkpoint.root {
        Ok(report)
    } else {
        Err(Finding::RootDiffers {
            signed: checkpoint.root,
            computed,
        })
    }
}

/// The files of one log.
struct Log<F> {
    read: F,
}

impl<F, E> Log<F>
where
    F: Fn(&str) -> Result<Option<Vec<u8>>, E>,
    E: Display,
{
    fn optional(&self, path: &str) -> Result<Option<Vec<u8>>, Finding> {
        (self.read)(path).map_err(|reason| Finding::Unreadable {
            path: path.to_owned(),
            reason: reason.to_string(),
        })
    }

    fn file(&self, path: &str) -> Result<Vec<u8>, Finding> {
        self.optional(path)?.ok_or_else(|| Finding::Missing {
            path: path.to_owned(),
        })
    }

    /// The key to use; when both are there the folder's must be the given one.
    fn key(&self, given: Option<&VerifierKey>) -> Result<VerifierKey, Finding> {
        let found = match (self.optional(VKEY_FILE)?, given) {
            (Some(bytes), _) => {
                let text = String::from_utf8(bytes)
                    .map_err(|_| Finding::Key(NoteError::VerifierKey("it is not text")))?;
                VerifierKey::parse(&text).map_err(Finding::Key)?
            }
            (None, Some(key)) => key.clone(),
            (None, None) => {
                return Err(Finding::Missing {
                    path: VKEY_FILE.to_owned(),
                });
            }
        };
        match given {
            Some(key) if *key != found => Err(Finding::OtherKey {
                expected: key.to_string(),
                found: found.to_string(),
            }),
            _ => Ok(found),
        }
    }

    fn checkpoint(&self, key: &VerifierKey) -> Result<Checkpoint, Finding> {
        let text = String::from_utf8(self.file(CHECKPOINT_FILE)?)
            .map_err(|_| Finding::Checkpoint(CheckpointError::Malformed("it is not text")))?;
        let checkpoint = Checkpoint::open(&text, key).map_err(Finding::Checkpoint)?;
        if checkpoint.size > MAX_TREE_SIZE {
            return Err(SIZE_OVER_LIMIT);
        }
        Ok(checkpoint)
    }

    /// Compares the entries of a bundle with their leaf hashes and says which side was changed.
    fn compare_leaves(
        &self,
        bundle: Bundle,
        entries: &[&[u8]],
        checkpoint: &Checkpoint,
    ) -> Result<(), Finding> {
        let tile = Tile {
            level: 0,
            index: bundle.index,
            width: bundle.width,
        };
        let stored = split_hashes(&self.file(&tile.path())?);
        let mut byte = 0;
        for ((index, entry), hash) in (bundle.first_entry()..).zip(entries).zip(stored) {
            byte += 2;
            if leaf_hash(entry) != hash && self.tree_vouches_for(index, &hash, checkpoint) {
                return Err(Finding::EntryChanged {
                    index,
                    path: bundle.path(),
                    byte,
                });
            }
            byte += entry.len();
        }
        Ok(())
    }

    /// Whether the stored tiles lead from this leaf hash to the signed root.
    fn tree_vouches_for(&self, index: u64, leaf: &Hash, checkpoint: &Checkpoint) -> bool {
        let Ok(needed) = tiles_for_inclusion(index, checkpoint.size) else {
            return false;
        };
        let mut tiles = Tiles::new();
        for tile in needed {
            let Ok(bytes) = self.file(&tile.path()) else {
                return false;
            };
            if tiles.insert(tile, bytes).is_err() {
                return false;
            }
        }
        prove_inclusion(index, checkpoint.size, &tiles).is_ok_and(|proof| {
            verify_inclusion(leaf, index, checkpoint.size, &proof, &checkpoint.root).is_ok()
        })
    }

    /// Compares a tile with its rebuilt bytes.
    fn compare_tile(&self, tile: Tile, rebuilt: &[u8]) -> Result<(), Finding> {
        let path = tile.path();
        let stored = self.file(&path)?;
        if stored == rebuilt {
            return Ok(());
        }
        let byte = stored
            .iter()
            .zip(rebuilt)
            .position(|(a, b)| a != b)
            .unwrap_or_else(|| stored.len().min(rebuilt.len()));
        let hash = tile.index * TILE_WIDTH + (byte / HASH_BYTES) as u64;
        Err(Finding::TileDiffers {
            path,
            byte,
            entry: hash << (u32::from(tile.level) * 8),
        })
    }
}

//! Append-only Merkle log: RFC 6962 tree, C2SP tiles, checkpoints and proofs.
//!
//! The audit log of the studio is a sequence of entries. This crate turns entries into leaf
//! hashes, keeps the tree as tiles that a database or a folder can hold, makes and checks the
//! proofs that an entry is in the log and that the log only grew, and reads and writes the signed
//! texts that outsiders verify.
//!
//! Floor 0: pure functions. It may import hashing, signatures and text encodings, and none of the
//! other rooms; it does no I/O, asks no clock and holds no private key.
//!
//! | Subject | Source of the rules | Module |
//! |---|---|---|
//! | leaf and node hashes | RFC 6962 2.1, RFC 9162 2.1 | [`hash`] |
//! | tiles, entry bundles, their paths | c2sp.org/tlog-tiles | [`tile`], [`bundle`] |
//! | appending to the right edge | c2sp.org/tlog-tiles | [`edge`] |
//! | inclusion and consistency proofs | RFC 9162 2.1.3, 2.1.4 | [`proof`] |
//! | signed notes and their keys | c2sp.org/signed-note | [`note`] |
//! | checkpoints | c2sp.org/tlog-checkpoint | [`checkpoint`] |
//! | proof of one entry as a text file | c2sp.org/tlog-proof | [`offline`] |
//! | an exported log in a folder | this crate | [`folder`] |

#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")
)]

pub mod bundle;
pub mod checkpoint;
pub mod edge;
pub mod folder;
pub mod hash;
pub mod note;
pub mod offline;
pub mod proof;
pub mod tile;

pub use bundle::{Bundle, BundleError, MAX_ENTRY_BYTES, bundles_of};
pub use checkpoint::{Checkpoint, CheckpointError};
pub use edge::{Appended, Edge, append};
pub use folder::{Finding, Report, verify_entries, verify_folder};
pub use hash::{Hash, leaf_hash, node_hash};
pub use note::{NoteError, SignedNote, VerifierKey};
pub use offline::{OfflineProof, OfflineProofError};
pub use proof::{
    ProofError, prove_consistency, prove_inclusion, tiles_for_append, tiles_for_consistency,
    tiles_for_inclusion, verify_consistency, verify_inclusion,
};
pub use tile::{MAX_TREE_SIZE, TILE_WIDTH, Tile, TileError, Tiles, tiles_of};

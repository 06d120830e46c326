//! Inclusion and consistency proofs (RFC 9162 2.1.3 and 2.1.4): made from tiles, checked alone.

use crate::hash::{Hash, node_hash};
use crate::tile::{
    MAX_TILE_LEVEL, MAX_TREE_SIZE, Subtree, TILE_WIDTH, Tile, TileError, Tiles, hashes_at_level, subtrees_of,
};

/// Why a proof was not made or does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The question has no answer: the entry or the old size is not in the tree.
    #[error("a tree of {size} entries has no proof for {asked}")]
    OutOfRange {
        /// The entry's index or the older size.
        asked: u64,
        /// The tree's size.
        size: u64,
    },
    /// A tile is missing or has the wrong length.
    #[error(transparent)]
    Tile(#[from] TileError),
    /// The proof has too few or too many hashes for these sizes.
    #[error("the proof has the wrong number of hashes for this place in the tree")]
    WrongLength,
    /// The hashes do not lead to the root of the older tree.
    #[error("the proof does not lead to the root of the older tree")]
    WrongOldRoot,
    /// The hashes do not lead to the root of the tree.
    #[error("the proof does not lead to the root of the tree")]
    WrongRoot,
}

/// The partial tiles that [`crate::append`] needs: the right edge of a tree of `size` entries.
#[must_use]
pub fn tiles_for_append(size: u64) -> Vec<Tile> {
    (0..=MAX_TILE_LEVEL)
        .filter_map(|level| Tile::in_tree(level, hashes_at_level(level, size) / TILE_WIDTH, size))
        .collect()
}

/// The tiles that [`prove_inclusion`] needs, as a tree of `size` entries has them.
///
/// # Errors
/// [`ProofError::OutOfRange`] when the tree has no such entry.
pub fn tiles_for_inclusion(index: u64, size: u64) -> Result<Vec<Tile>, ProofError> {
    Ok(tiles_of_ranges(&inclusion_ranges(index, size)?, size))
}

/// The tiles that [`prove_consistency`] needs, as a tree of `size` entries has them.
///
/// # Errors
/// [`ProofError::OutOfRange`] when `old_size` is 0 or larger than `size`.
pub fn tiles_for_consistency(old_size: u64, size: u64) -> Result<Vec<Tile>, ProofError> {
    Ok(tiles_of_ranges(&consistency_ranges(old_size, size)?, size))
}

/// The proof that entry `index` is in the tree of `size` entries: the sibling hashes from the leaf
/// up.
///
/// # Errors
/// [`ProofError::OutOfRange`] when the tree has no such entry, [`ProofError::Tile`] when a tile that
/// [`tiles_for_inclusion`] names is missing.
pub fn prove_inclusion(index: u64, size: u64, tiles: &Tiles) -> Result<Vec<Hash>, ProofError> {
    hashes_of_ranges(&inclusion_ranges(index, size)?, tiles)
}

/// The proof that the tree of `size` entries begins with the tree of `old_size` entries.
///
/// # Errors
/// [`ProofError::OutOfRange`] when `old_size` is 0 or larger than `size`, [`ProofError::Tile`] when
/// a tile that [`tiles_for_consistency`] names is missing.
pub fn prove_consistency(old_size: u64, size: u64, tiles: &Tiles) -> Result<Vec<Hash>, ProofError> {
    hashes_of_ranges(&consistency_ranges(old_size, size)?, tiles)
}

/// Checks an inclusion proof (RFC 9162 2.1.3.2).
///
/// # Errors
/// [`ProofError::OutOfRange`], [`ProofError::WrongLength`] or [`ProofError::WrongRoot`].
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::OutOfRange { asked: index, size });
    }
    let (mut node, mut last) = (index, size - 1);
    let mut computed = *leaf;
    for hash in proof {
        if last == 0 {
            return Err(ProofError::WrongLength);
        }
        if node & 1 == 1 || node == last {
            computed = node_hash(hash, &computed);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            computed = node_hash(&computed, hash);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        Err(ProofError::WrongLength)
    } else if computed == *root {
        Ok(())
    } else {
        Err(ProofError::WrongRoot)
    }
}

/// Checks a consistency proof (RFC 9162 2.1.4.2). The same tree needs an empty proof.
///
/// # Errors
/// [`ProofError::OutOfRange`] when `old_size` is 0 or larger than `size`, else
/// [`ProofError::WrongLength`], [`ProofError::WrongOldRoot`] or [`ProofError::WrongRoot`].
pub fn verify_consistency(
    old_size: u64,
    old_root: &Hash,
    size: u64,
    root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old_size == 0 || old_size > size {
        return Err(ProofError::OutOfRange {
            asked: old_size,
            size,
        });
    }
    if old_size == size {
        return match (proof.is_empty(), old_root == root) {
            (false, _) => Err(ProofError::WrongLength),
            (true, true) => Ok(()),
            (true, false) => Err(ProofError::WrongRoot),
        };
    }
    // When the old size is a power of two its root is itself the first node of the proof.
    let mut hashes = proof.iter();
    let first = if old_size.is_power_of_two() {
        *old_root
    } else {
        *hashes.next().ok_or(ProofError::WrongLength)?
    };
    let (mut node, mut last) = (old_size - 1, size - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (mut old_computed, mut computed) = (first, first);
    for hash in hashes {
        if last == 0 {
            return Err(ProofError::WrongLength);
        }
        if node & 1 == 1 || node == last {
            old_computed = node_hash(hash, &old_computed);
            computed = node_hash(hash, &computed);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            computed = node_hash(&computed, hash);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        Err(ProofError::WrongLength)
    } else if old_computed != *old_root {
        Err(ProofError::WrongOldRoot)
    } else if computed != *root {
        Err(ProofError::WrongRoot)
    } else {
        Ok(())
    }
}

/// Entries `low..high` of the tree: one hash of a proof.
type EntryRange = (u64, u64);

/// `PATH(index, D[size])`: one range for each hash of the proof, from the leaf up.
fn inclusion_ranges(index: u64, size: u64) -> Result<Vec<EntryRange>, ProofError> {
    if index >= size || size > MAX_TREE_SIZE {
        return Err(ProofError::OutOfRange { asked: index, size });
    }
    let (mut low, mut high) = (0, size);
    let mut ranges = Vec::new();
    while high - low > 1 {
        let middle = low + split_point(high - low);
        if index < middle {
            ranges.push((middle, high));
            high = middle;
        } else {
            ranges.push((low, middle));
            low = middle;
        }
    }
    ranges.reverse();
    Ok(ranges)
}

/// `PROOF(old_size, D[size])`: one range for each hash of the proof.
fn consistency_ranges(old_size: u64, size: u64) -> Result<Vec<EntryRange>, ProofError> {
    if old_size == 0 || old_size > size || size > MAX_TREE_SIZE {
        return Err(ProofError::OutOfRange {
            asked: old_size,
            size,
        });
    }
    let (mut low, mut high) = (0, size);
    let mut ranges = Vec::new();
    while high != old_size {
        let middle = low + split_point(high - low);
        if old_size <= middle {
            ranges.push((middle, high));
            high = middle;
        } else {
            ranges.push((low, middle));
            low = middle;
        }
    }
    // The last subtree is the older tree itself when nothing was left of it; its root is known.
    if low > 0 {
        ranges.push((low, high));
    }
    ranges.reverse();
    Ok(ranges)
}

/// The largest power of two below `count`, which is at least 2.
fn split_point(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

fn hashes_of_ranges(ranges: &[EntryRange], tiles: &Tiles) -> Result<Vec<Hash>, ProofError> {
    ranges.iter().map(|range| range_root(*range, tiles)).collect()
}

/// Root over the entries of a range, from its complete subtrees.
fn range_root((low, high): EntryRange, tiles: &Tiles) -> Result<Hash, ProofError> {
    let mut root: Option<Hash> = None;
    for part in subtrees_of(low, high).into_iter().rev() {
        let left = tiles.subtree(part)?;
        root = Some(match root {
            Some(right) => node_hash(&left, &right),
            None => left,
        });
    }
    root.ok_or(ProofError::OutOfRange {
        asked: low,
        size: high,
    })
}

/// The distinct tiles that the ranges touch, each as wide as a tree of `size` entries has it.
fn tiles_of_ranges(ranges: &[EntryRange], size: u64) -> Vec<Tile> {
    let mut tiles: Vec<Tile> = ranges
        .iter()
        .flat_map(|(low, high)| subtrees_of(*low, *high))
        .map(Subtree::in_tile)
        .filter_map(|(tile, _, _)| Tile::in_tree(tile.level, tile.index, size))
        .collect();
    tiles.sort_unstable();
    tiles.dedup();
    tiles
}

//! Appending: only the partial tiles at the right edge of the tree change.

use crate::hash::{HASH_BYTES, Hash, complete_root, node_hash};
use crate::proof::tiles_for_append;
use crate::tile::{
    FULL_WIDTH, MAX_TILE_LEVEL, MAX_TREE_SIZE, TILE_WIDTH, Tile, TileError, Tiles, hashes_at_level,
};

/// What an append changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// Entries in the tree now.
    pub size: u64,
    /// Root of the tree now.
    pub root: Hash,
    /// The new state of every tile that changed, ready to be stored under its level and index.
    pub tiles: Vec<(Tile, Vec<u8>)>,
}

/// Appends leaf hashes to a tree of `size` entries whose right edge is in `edge`.
///
/// # Errors
/// [`TileError::Missing`] when a tile that [`tiles_for_append`] names is not in `edge`,
/// [`TileError::TooLarge`] past [`MAX_TREE_SIZE`].
pub fn append(size: u64, edge: &Tiles, leaves: &[Hash]) -> Result<Appended, TileError> {
    let mut edge = Edge::open(size, edge)?;
    for leaf in leaves {
        edge.push(*leaf)?;
    }
    Ok(Appended {
        size: edge.size(),
        root: edge.root(),
        tiles: edge.take_changed(),
    })
}

/// The right edge of a tree: all that is needed to append to it and to know its root.
///
/// It holds at most 255 hashes for each tile level.
#[derive(Debug, Clone, Default)]
pub struct Edge {
    size: u64,
    levels: Vec<Level>,
}

/// The right edge at one tile level.
#[derive(Debug, Clone, Default)]
struct Level {
    /// Hashes of the partial tile, fewer than 256.
    partial: Vec<Hash>,
    /// Whether the partial tile grew since the changes were last taken.
    grew: bool,
    /// Tiles that became full since then: index and hashes.
    filled: Vec<(u64, Vec<Hash>)>,
}

impl Edge {
    /// The edge of the empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The edge of a tree of `size` entries from its partial tiles.
    ///
    /// # Errors
    /// [`TileError::Missing`] when a tile that [`tiles_for_append`] names is not in `tiles`,
    /// [`TileError::TooLarge`] past [`MAX_TREE_SIZE`].
    pub fn open(size: u64, tiles: &Tiles) -> Result<Self, TileError> {
        if size > MAX_TREE_SIZE {
            return Err(TileError::TooLarge);
        }
        let mut edge = Self {
            size,
            ..Self::default()
        };
        for tile in tiles_for_append(size) {
            edge.level(usize::from(tile.level)).partial = tiles.hashes(tile)?;
        }
        Ok(edge)
    }

    /// Entries in the tree.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends one leaf hash.
    ///
    /// # Errors
    /// [`TileError::TooLarge`] past [`MAX_TREE_SIZE`].
    pub fn push(&mut self, leaf: Hash) -> Result<(), TileError> {
        if self.size >= MAX_TREE_SIZE {
            return Err(TileError::TooLarge);
        }
        self.size += 1;
        let size = self.size;
        let mut carried = Some(leaf);
        let mut number: u8 = 0;
        while let Some(hash) = carried.take() {
            let level = self.level(usize::from(number));
            level.partial.push(hash);
            level.grew = true;
            if level.partial.len() as u64 == TILE_WIDTH {
                let full = std::mem::take(&mut level.partial);
                carried = complete_root(full.clone());
                let last = hashes_at_level(number + 1, size) - 1;
                level.filled.push((last, full));
            }
            number += 1;
        }
        Ok(())
    }

    /// Root of the tree (RFC 9162 2.1.1).
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut root: Option<Hash> = None;
        for level in &self.levels {
            let hashes = &level.partial;
            // The hashes of a partial tile fall into complete subtrees, one for each set bit of
            // their number, the smallest at the right.
            let mut end = hashes.len();
            while end > 0 {
                let count = 1 << end.trailing_zeros();
                let part = complete_root(hashes[end - count..end].to_vec());
                root = match (part, root) {
                    (Some(left), Some(right)) => Some(node_hash(&left, &right)),
                    (part, root) => part.or(root),
                };
                end -= count;
            }
        }
        root.unwrap_or_else(Hash::empty_root)
    }

    /// Takes the tiles that changed since the last call, with their bytes.
    pub fn take_changed(&mut self) -> Vec<(Tile, Vec<u8>)> {
        let size = self.size;
        let mut changed = Vec::new();
        for (number, level) in (0..=MAX_TILE_LEVEL).zip(&mut self.levels) {
            for (index, hashes) in level.filled.drain(..) {
                let tile = Tile {
                    level: number,
                    index,
                    width: FULL_WIDTH,
                };
                changed.push((tile, join_hashes(&hashes)));
            }
            if std::mem::take(&mut level.grew) {
                let last = hashes_at_level(number, size) / TILE_WIDTH;
                changed.extend(
                    Tile::in_tree(number, last, size).map(|tile| (tile, join_hashes(&level.partial))),
                );
            }
        }
        changed
    }

    /// The partial tiles at the right edge as they are now, with their bytes.
    #[must_use]
    pub fn partial_tiles(&self) -> Vec<(Tile, Vec<u8>)> {
        (0..=MAX_TILE_LEVEL)
            .zip(&self.levels)
            .filter_map(|(number, level)| {
                let last = hashes_at_level(number, self.size) / TILE_WIDTH;
                let tile = Tile::in_tree(number, last, self.size)?;
                Some((tile, join_hashes(&level.partial)))
            })
            .collect()
    }

    fn level(&mut self, level: usize) -> &mut Level {
        if self.levels.len() <= level {
            self.levels.resize_with(level + 1, Level::default);
        }
        &mut self.levels[level]
    }
}

/// The bytes of a tile of these hashes.
fn join_hashes(hashes: &[Hash]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(hashes.len() * HASH_BYTES);
    for hash in hashes {
        bytes.extend_from_slice(&hash.0);
    }
    bytes
}

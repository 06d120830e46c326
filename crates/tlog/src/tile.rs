//! Tiles: the tree cut into files of up to 256 consecutive hashes (c2sp.org/tlog-tiles).

use std::collections::BTreeMap;

use crate::hash::{HASH_BYTES, Hash, complete_root};

/// Hashes in a full tile and entries in a full bundle.
pub const TILE_WIDTH: u64 = 256;

/// [`TILE_WIDTH`] as the width of a tile.
pub(crate) const FULL_WIDTH: u16 = 256;

/// Levels of the binary tree that one tile spans.
pub(crate) const TILE_HEIGHT: u32 = 8;

/// Largest tree this crate works with, in entries; the arithmetic cannot overflow below it.
pub const MAX_TREE_SIZE: u64 = 1 << 62;

/// Highest tile level of a tree of [`MAX_TREE_SIZE`] entries.
pub const MAX_TILE_LEVEL: u8 = 7;

/// The name of one tile: where its hashes stand in the tree and how many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    /// 0 for leaf hashes; each hash at level `l` spans `256^l` entries.
    pub level: u8,
    /// Position among the tiles of the level, from 0.
    pub index: u64,
    /// Number of hashes, 1 to 256; below 256 the tile is partial.
    pub width: u16,
}

/// Why a set of tiles cannot answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    /// The computation needs this tile and it was not given.
    #[error("tile {} is missing", .0.path())]
    Missing(Tile),
    /// The bytes are not `width` hashes of 32 bytes.
    #[error("tile {} must have {} bytes and has {length}", .tile.path(), usize::from(.tile.width) * HASH_BYTES)]
    Length {
        /// The tile as it was named.
        tile: Tile,
        /// The bytes that were given.
        length: usize,
    },
    /// The tree would grow past [`MAX_TREE_SIZE`].
    #[error("a tree has at most {MAX_TREE_SIZE} entries")]
    TooLarge,
}

impl Tile {
    /// The tile at this place as a tree of `size` entries has it; none when it would be empty.
    #[must_use]
    pub fn in_tree(level: u8, index: u64, size: u64) -> Option<Self> {
        let width = hashes_at_level(level, size)
            .saturating_sub(index.checked_mul(TILE_WIDTH)?)
            .min(TILE_WIDTH);
        let width = u16::try_from(width).ok().filter(|width| *width > 0)?;
        Some(Self { level, index, width })
    }

    /// Whether the tile has all of its 256 hashes and will never change again.
    #[must_use]
    pub fn is_full(&self) -> bool {
        u64::from(self.width) == TILE_WIDTH
    }

    /// The path below the log's prefix, for example `tile/0/x001/067.p/12`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("tile/{}/{}", self.level, numbered_path(self.index, self.width))
    }

    /// Reads a path as [`Tile::path`] writes it; every other spelling is refused.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let (level, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let (index, width) = parse_numbered_path(rest)?;
        let tile = Self {
            level: level.parse().ok().filter(|l| *l <= MAX_TILE_LEVEL)?,
            index,
            width,
        };
        (tile.path() == path).then_some(tile)
    }
}

/// How many hashes a tree of `size` entries has at a tile level.
pub(crate) fn hashes_at_level(level: u8, size: u64) -> u64 {
    size.checked_shr(u32::from(level) * TILE_HEIGHT).unwrap_or(0)
}

/// Every tile of a tree of `size` entries, level by level from the leaves.
pub fn tiles_of(size: u64) -> impl Iterator<Item = Tile> {
    (0..=MAX_TILE_LEVEL).flat_map(move |level| {
        let tiles = hashes_at_level(level, size).div_ceil(TILE_WIDTH);
        (0..tiles).filter_map(move |index| Tile::in_tree(level, index, size))
    })
}

/// `x001/x234/067` with `.p/<width>` when partial.
pub(crate) fn numbered_path(index: u64, width: u16) -> String {
    let mut path = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        path = format!("x{:03}/{path}", rest % 1000);
        rest /= 1000;
    }
    if u64::from(width) < TILE_WIDTH {
        path = format!("{path}.p/{width}");
    }
    path
}

/// The inverse of [`numbered_path`]; the caller compares the spelling.
pub(crate) fn parse_numbered_path(path: &str) -> Option<(u64, u16)> {
    let (number, width) = match path.split_once(".p/") {
        Some((number, width)) => (number, width.parse().ok()?),
        None => (path, FULL_WIDTH),
    };
    if width == 0 || u64::from(width) > TILE_WIDTH {
        return None;
    }
    let mut index: u64 = 0;
    for element in number.split('/') {
        let digits = element.strip_prefix('x').unwrap_or(element);
        index = index
            .checked_mul(1000)?
            .checked_add(digits.parse::<u16>().ok().map(u64::from)?)?;
    }
    Some((index, width))
}

/// Tiles that were fetched for one computation, from a database, a folder or the network.
///
/// A wider tile answers for a narrower one, so a store may keep only the newest state of each
/// tile. `tiles_for_append`, `tiles_for_inclusion` and `tiles_for_consistency` say which to fetch.
#[derive(Debug, Clone, Default)]
pub struct Tiles {
    by_place: BTreeMap<(u8, u64), Vec<u8>>,
}

impl Tiles {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the bytes of a tile; a narrower state of a tile that is already there changes nothing.
    ///
    /// # Errors
    /// [`TileError::Length`] when the bytes are not exactly `width` hashes.
    pub fn insert(&mut self, tile: Tile, bytes: Vec<u8>) -> Result<(), TileError> {
        if bytes.len() != usize::from(tile.width) * HASH_BYTES {
            return Err(TileError::Length {
                tile,
                length: bytes.len(),
            });
        }
        let held = self.by_place.entry((tile.level, tile.index)).or_default();
        if bytes.len() > held.len() {
            *held = bytes;
        }
        Ok(())
    }

    /// The first `width` hashes of a tile.
    pub(crate) fn hashes(&self, tile: Tile) -> Result<Vec<Hash>, TileError> {
        self.by_place
            .get(&(tile.level, tile.index))
            .and_then(|bytes| bytes.get(..usize::from(tile.width) * HASH_BYTES))
            .map(split_hashes)
            .ok_or(TileError::Missing(tile))
    }

    /// Hash of a complete subtree.
    pub(crate) fn subtree(&self, subtree: Subtree) -> Result<Hash, TileError> {
        let (tile, first, count) = subtree.in_tile();
        let hashes = self.hashes(tile)?;
        hashes
            .get(first..first + count)
            .map(<[Hash]>::to_vec)
            .and_then(complete_root)
            .ok_or(TileError::Missing(tile))
    }
}

/// Cuts bytes into hashes; a rest shorter than a hash is left out.
pub(crate) fn split_hashes(bytes: &[u8]) -> Vec<Hash> {
    bytes
        .as_chunks::<HASH_BYTES>()
        .0
        .iter()
        .copied()
        .map(Hash)
        .collect()
}

/// A complete subtree of `2^height` entries that starts at entry `index * 2^height`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subtree {
    pub(crate) height: u32,
    pub(crate) index: u64,
}

impl Subtree {
    /// The tile that holds it (as narrow as suffices), the first hash in it and their number.
    pub(crate) fn in_tile(self) -> (Tile, usize, usize) {
        let inner = self.height % TILE_HEIGHT;
        let first = self.index << inner;
        let count = 1_u64 << inner;
        let offset = first % TILE_WIDTH;
        let tile = Tile {
            level: u8::try_from(self.height / TILE_HEIGHT).unwrap_or(u8::MAX),
            index: first / TILE_WIDTH,
            width: u16::try_from(offset + count).unwrap_or(u16::MAX),
        };
        (tile, small(offset), small(count))
    }
}

/// A number below 257 as an index.
fn small(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// The complete subtrees, from the left, that a range of entries of the tree consists of.
///
/// `low` is a multiple of the largest power of two that the range holds, as all ranges of
/// RFC 9162 are.
pub(crate) fn subtrees_of(mut low: u64, high: u64) -> Vec<Subtree> {
    let mut parts = Vec::new();
    while low < high {
        let height = (high - low).ilog2().min(low.trailing_zeros());
        parts.push(Subtree {
            height,
            index: low >> height,
        });
        low += 1 << height;
    }
    parts
}

//! Entry bundles: up to 256 entries in one file, each with its length in front
//! (c2sp.org/tlog-tiles, "Log entries").

use crate::tile::{TILE_WIDTH, Tile, numbered_path, parse_numbered_path, tiles_of};

/// Largest entry in bytes: its length must fit the 16-bit prefix.
pub const MAX_ENTRY_BYTES: usize = u16::MAX as usize;

/// The name of one bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bundle {
    /// Position among the bundles; the first entry is `index * 256`.
    pub index: u64,
    /// Number of entries, 1 to 256.
    pub width: u16,
}

/// Why bytes are not a bundle, or entries cannot become one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// An entry is longer than [`MAX_ENTRY_BYTES`].
    #[error("entry {position} of the bundle has {length} bytes, the limit is {MAX_ENTRY_BYTES}")]
    EntryTooLong {
        /// Which entry of the bundle, from 0.
        position: usize,
        /// Its length in bytes.
        length: usize,
    },
    /// The bytes end inside an entry or before the last one.
    #[error("the bundle ends at byte {byte} inside entry {position}")]
    Short {
        /// Which entry of the bundle, from 0.
        position: usize,
        /// Where the bytes end.
        byte: usize,
    },
    /// Bytes follow the last entry.
    #[error("the bundle goes on after its last entry, from byte {byte}")]
    Long {
        /// The first byte too many.
        byte: usize,
    },
}

impl Bundle {
    /// The path below the log's prefix, for example `tile/entries/x001/067.p/12`.
    #[must_use]
    pub fn path(&self) -> String {
        format!("tile/entries/{}", numbered_path(self.index, self.width))
    }

    /// Reads a path as [`Bundle::path`] writes it; every other spelling is refused.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let (index, width) = parse_numbered_path(path.strip_prefix("tile/entries/")?)?;
        let bundle = Self { index, width };
        (bundle.path() == path).then_some(bundle)
    }

    /// Position in the log of the bundle's first entry.
    #[must_use]
    pub fn first_entry(&self) -> u64 {
        self.index * TILE_WIDTH
    }

    /// The bytes of a bundle of these entries.
    ///
    /// # Errors
    /// [`BundleError::EntryTooLong`] for the first entry over the limit.
    pub fn encode<E: AsRef<[u8]>>(entries: &[E]) -> Result<Vec<u8>, BundleError> {
        let mut bytes = Vec::new();
        for (position, entry) in entries.iter().enumerate() {
            let entry = entry.as_ref();
            let length = u16::try_from(entry.len()).map_err(|_| BundleError::EntryTooLong {
                position,
                length: entry.len(),
            })?;
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(entry);
        }
        Ok(bytes)
    }

    /// The entries in the bytes of this bundle, exactly `width` of them.
    ///
    /// # Errors
    /// [`BundleError::Short`] or [`BundleError::Long`] with the place.
    pub fn decode<'b>(&self, bytes: &'b [u8]) -> Result<Vec<&'b [u8]>, BundleError> {
        let mut entries = Vec::with_capacity(usize::from(self.width));
        let mut rest = bytes;
        for position in 0..usize::from(self.width) {
            let short = BundleError::Short {
                position,
                byte: bytes.len(),
            };
            let Some((prefix, after)) = rest.split_first_chunk::<2>() else {
                return Err(short);
            };
            let Some((entry, after)) = after.split_at_checked(usize::from(u16::from_be_bytes(*prefix)))
            else {
                return Err(short);
            };
            entries.push(entry);
            rest = after;
        }
        if rest.is_empty() {
            Ok(entries)
        } else {
            Err(BundleError::Long {
                byte: bytes.len() - rest.len(),
            })
        }
    }
}

/// Every bundle of a log of `size` entries, in order.
pub fn bundles_of(size: u64) -> impl Iterator<Item = Bundle> {
    tiles_of(size)
        .take_while(|tile: &Tile| tile.level == 0)
        .map(|tile| Bundle {
            index: tile.index,
            width: tile.width,
        })
}

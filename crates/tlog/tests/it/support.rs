//! A log as a database would hold it: the newest state of each tile, the entries beside them.

use std::collections::BTreeMap;

use ed25519_dalek::{Signer, SigningKey};
use tlog::{
    Bundle, Checkpoint, Hash, OfflineProof, Tile, Tiles, VerifierKey, append, bundles_of, leaf_hash, tiles_of,
};

pub const ORIGIN: &str = "studio.example/audit";

pub struct TestLog {
    pub entries: Vec<Vec<u8>>,
    pub root: Hash,
    tiles: BTreeMap<(u8, u64), Vec<u8>>,
    signing: SigningKey,
}

impl TestLog {
    pub fn new() -> Self {
        Self {
            entries: Vec::new(),
            root: Hash::empty_root(),
            tiles: BTreeMap::new(),
            signing: SigningKey::from_bytes(&[7; 32]),
        }
    }

    /// A log of `size` entries of different lengths, appended in batches of `batch`.
    pub fn of_size(size: u64, batch: usize) -> Self {
        let entries: Vec<Vec<u8>> = (0..size)
            .map(|n| format!("entry {n} {}", "x".repeat((n % 40) as usize)).into_bytes())
            .collect();
        let mut log = Self::new();
        for batch in entries.chunks(batch) {
            log.append(batch);
        }
        log
    }

    pub fn size(&self) -> u64 {
        self.entries.len() as u64
    }

    pub fn append(&mut self, entries: &[Vec<u8>]) {
        let edge = self.fetch(&tlog::tiles_for_append(self.size()));
        let leaves: Vec<Hash> = entries.iter().map(|entry| leaf_hash(entry)).collect();
        let appended = append(self.size(), &edge, &leaves).unwrap();
        self.entries.extend_from_slice(entries);
        assert_eq!(appended.size, self.size());
        self.root = appended.root;
        for (tile, bytes) in appended.tiles {
            assert_eq!(bytes.len(), usize::from(tile.width) * 32);
            self.tiles.insert((tile.level, tile.index), bytes);
        }
    }

    /// Exactly these tiles, as the database has them now (perhaps wider than asked for).
    pub fn fetch(&self, wanted: &[Tile]) -> Tiles {
        let mut tiles = Tiles::new();
        for tile in wanted {
            let bytes = self.tiles[&(tile.level, tile.index)].clone();
            let width = u16::try_from(bytes.len() / 32).unwrap();
            assert!(width >= tile.width);
            tiles.insert(Tile { width, ..*tile }, bytes).unwrap();
        }
        tiles
    }

    pub fn tile(&self, tile: Tile) -> Vec<u8> {
        self.tiles[&(tile.level, tile.index)][..usize::from(tile.width) * 32].to_vec()
    }

    pub fn key(&self) -> VerifierKey {
        VerifierKey::ed25519(ORIGIN, self.signing.verifying_key().as_bytes()).unwrap()
    }

    pub fn checkpoint(&self) -> String {
        let checkpoint = Checkpoint {
            origin: ORIGIN.to_owned(),
            size: self.size(),
            root: self.root,
        };
        let signature = self.signing.sign(checkpoint.text().as_bytes()).to_bytes();
        checkpoint.signed(&self.key(), signature).unwrap()
    }

    pub fn proof_of(&self, index: u64) -> OfflineProof {
        let needed = tlog::tiles_for_inclusion(index, self.size()).unwrap();
        OfflineProof {
            extra: None,
            index,
            hashes: tlog::prove_inclusion(index, self.size(), &self.fetch(&needed)).unwrap(),
            checkpoint: self.checkpoint(),
        }
    }

    /// Every file of an export.
    pub fn export(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        files.insert("checkpoint".to_owned(), self.checkpoint().into_bytes());
        files.insert("log.vkey".to_owned(), format!("{}\n", self.key()).into_bytes());
        for tile in tiles_of(self.size()) {
            files.insert(tile.path(), self.tile(tile));
        }
        for bundle in bundles_of(self.size()) {
            let first = usize::try_from(bundle.first_entry()).unwrap();
            let entries = &self.entries[first..first + usize::from(bundle.width)];
            files.insert(bundle.path(), Bundle::encode(entries).unwrap());
        }
        files
    }
}

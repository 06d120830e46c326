//! The audit log: entries written in the transactions of what they tell become leaves of a Merkle log
//! here, one sequencer at a time; its checkpoint is stored before it is shown. Outsiders verify an
//! export with nothing else (`security.md` 6, decision 0005).

use crate::studio::Studio;
use domain::id::AuditId;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use store::{Read, Tx};
use tlog::{
    Bundle, Checkpoint, CheckpointError, Finding, Hash, OfflineProof, Report, Tile, TileError, Tiles,
    VerifierKey, bundles_of, leaf_hash, prove_inclusion, tiles_for_append, tiles_for_inclusion, tiles_of,
    verify_folder,
};
use vault::{KeyError, KeyProvider};

/// Entries that become leaves in one transaction.
const BATCH: u32 = 1000;
/// Entries read at once for an export.
const EXPORT_BATCH: i64 = 256;

/// Why the log could not grow or be shown.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The database failed.
    #[error("the database failed: {0}")]
    Store(#[from] store::Error),
    /// A stored tile is missing or damaged.
    #[error("the stored log is damaged: {0}")]
    Tile(#[from] TileError),
    /// A proof could not be made.
    #[error("the stored log is damaged: {0}")]
    Proof(#[from] tlog::ProofError),
    /// A checkpoint could not be signed or does not follow the last one.
    #[error("the checkpoint cannot be signed: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// An entry is too long for a bundle.
    #[error("an audit entry is too long: {0}")]
    Bundle(#[from] tlog::BundleError),
    /// The log key failed.
    #[error("the log key cannot be used: {0}")]
    Key(#[from] KeyError),
    /// The log key's name is not one.
    #[error("the log's name is not valid: {0}")]
    Name(#[from] tlog::NoteError),
    /// A file could not be written or read.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// There is no such entry in the log.
    #[error("there is no entry `{0}` in the log")]
    NoEntry(AuditId),
    /// There is no checkpoint yet.
    #[error("the log has no checkpoint yet")]
    Empty,
}

/// The log's name and key.
#[derive(Clone)]
pub struct LogKey {
    verifier: VerifierKey,
    keys: Arc<dyn KeyProvider>,
}

impl LogKey {
    /// The key of the log of this origin.
    ///
    /// # Errors
    /// If the key provider has none.
    pub fn new(origin: &str, keys: Arc<dyn KeyProvider>) -> Result<Self, LogError> {
        let public = keys.public_key()?;
        Ok(Self {
            verifier: VerifierKey::ed25519(origin, &public)?,
            keys,
        })
    }

    /// What outsiders check with.
    #[must_use]
    pub const fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    fn sign(&self, checkpoint: &Checkpoint) -> Result<String, LogError> {
        let signature = self.keys.sign(checkpoint.text().as_bytes())?;
        Ok(checkpoint.signed(&self.verifier, signature)?)
    }
}

async fn fetch(read: &mut Read, wanted: &[Tile]) -> Result<Tiles, LogError> {
    let mut tiles = Tiles::new();
    for tile in wanted {
        let stored = store::audit::tile(read, i64::from(tile.level), to_i64(tile.index)).await?;
        let bytes = stored.ok_or(TileError::Missing(*tile))?;
        let width = usize::from(tile.width) * 32;
        let narrowed = bytes.get(..width).ok_or(TileError::Missing(*tile))?.to_vec();
        tiles.insert(*tile, narrowed)?;
    }
    Ok(tiles)
}

fn to_i64(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

async fn grow(tx: &mut Tx, key: &LogKey, now: domain::time::Time) -> Result<usize, LogError> {
    let fresh: Vec<(AuditId, Vec<u8>)> = store::audit::unsequenced(tx, BATCH).await?;
    if fresh.is_empty() {
        return Ok(0);
    }
    let size = u64::try_from(store::audit::size(tx).await?).unwrap_or(0);
    let edge = fetch(tx, &tiles_for_append(size)).await?;
    let leaves: Vec<Hash> = fresh.iter().map(|(_, bytes)| leaf_hash(bytes)).collect();
    let grown = tlog::append(size, &edge, &leaves)?;
    let places: Vec<(AuditId, i64)> = fresh
        .iter()
        .zip(size..)
        .map(|((id, _), at)| (*id, to_i64(at)))
        .collect();
    store::audit::set_index(tx, &places).await?;
    let tiles: Vec<(i64, i64, Vec<u8>)> = grown
        .tiles
        .into_iter()
        .map(|(tile, hashes)| (i64::from(tile.level), to_i64(tile.index), hashes))
        .collect();
    store::audit::put_tiles(tx, &tiles).await?;
    let checkpoint = Checkpoint {
        origin: key.verifier.name().to_owned(),
        size: grown.size,
        root: grown.root,
    };
    let note = key.sign(&checkpoint)?;
    store::audit::put_checkpoint(tx, to_i64(grown.size), &grown.root.to_base64(), &note, now).await?;
    Ok(fresh.len())
}

impl Studio {
    /// Makes leaves of waiting entries and signs the checkpoint. Returns how many there were.
    ///
    /// # Errors
    /// If the log is damaged, the key fails or the database does.
    pub async fn grow_log(&self) -> Result<usize, LogError> {
        let key = self.log_key()?;
        let now = self.now();
        self.db
            .write("audit.grow", move |tx| {
                let key = key.clone();
                Box::pin(async move { grow(tx, &key, now).await })
            })
            .await
    }

    /// The log's name and key.
    ///
    /// # Errors
    /// If the key provider has none.
    pub fn log_key(&self) -> Result<LogKey, LogError> {
        LogKey::new(&self.settings.log_origin, Arc::clone(&self.keys))
    }

    /// The newest signed checkpoint.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn checkpoint(&self) -> Result<Option<String>, LogError> {
        let newest = newest_note(&self.db).await?;
        Ok(newest.map(|(_, note)| note))
    }
}

async fn newest_note(db: &store::Db) -> Result<Option<(u64, String)>, LogError> {
    let newest = db
        .read("audit.checkpoint", |read| {
            Box::pin(async move {
                store::audit::newest_checkpoint(read)
                    .await
                    .map_err(LogError::from)
            })
        })
        .await?;
    Ok(newest.map(|checkpoint| (u64::try_from(checkpoint.size).unwrap_or(0), checkpoint.note)))
}

/// The files of the log as they would be exported, by their names.
///
/// # Errors
/// If the database fails or the log is empty.
pub async fn files(db: &store::Db, key: &LogKey) -> Result<BTreeMap<String, Vec<u8>>, LogError> {
    let (size, note) = newest_note(db).await?.ok_or(LogError::Empty)?;
    let mut files = BTreeMap::from([
        (tlog::folder::CHECKPOINT_FILE.to_owned(), note.into_bytes()),
        (
            tlog::folder::VKEY_FILE.to_owned(),
            format!("{}\n", key.verifier).into_bytes(),
        ),
    ]);
    for tile in tiles_of(size) {
        let bytes = db
            .read("audit.tile", move |read| {
                Box::pin(async move {
                    let level = i64::from(tile.level);
                    store::audit::tile(read, level, to_i64(tile.index))
                        .await
                        .map_err(LogError::from)
                })
            })
            .await?;
        let bytes = bytes.ok_or(TileError::Missing(tile))?;
        let width = (usize::from(tile.width) * 32).min(bytes.len());
        files.insert(tile.path(), bytes[..width].to_vec());
    }
    for bundle in bundles_of(size) {
        files.insert(bundle.path(), entries_of(db, bundle).await?);
    }
    Ok(files)
}

async fn entries_of(db: &store::Db, bundle: Bundle) -> Result<Vec<u8>, LogError> {
    let entries: Vec<Vec<u8>> = db
        .read("audit.entries", move |read| {
            Box::pin(async move {
                let (from, count) = (
                    to_i64(bundle.first_entry()),
                    i64::from(bundle.width).min(EXPORT_BATCH),
                );
                store::audit::entries(read, from, count)
                    .await
                    .map_err(LogError::from)
            })
        })
        .await?;
    Ok(Bundle::encode(&entries)?)
}

/// Writes the log into a folder that anybody can verify.
///
/// # Errors
/// If the database fails or a file cannot be written.
pub async fn export(db: &store::Db, key: &LogKey, folder: &Path) -> Result<usize, LogError> {
    let files = files(db, key).await?;
    for (name, bytes) in &files {
        let path = folder.join(name);
        let told = |source| LogError::File {
            path: path.display().to_string(),
            source,
        };
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(told)?;
        }
        std::fs::write(&path, bytes).map_err(told)?;
    }
    Ok(files.len())
}

/// Verifies an exported folder with nothing but its files (and a key from a trusted place, if given).
///
/// # Errors
/// The first thing that is wrong.
pub fn verify_export(folder: &Path, key: Option<&VerifierKey>) -> Result<Report, Finding> {
    verify_folder(
        |name| match std::fs::read(folder.join(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        },
        key,
    )
}

/// Verifies the live log: what an export would hold.
///
/// # Errors
/// If it cannot be read.
pub async fn verify_live(db: &store::Db, key: &LogKey) -> Result<Result<Report, Finding>, LogError> {
    let files = files(db, key).await?;
    let read = |name: &str| Ok::<_, std::convert::Infallible>(files.get(name).cloned());
    Ok(verify_folder(read, Some(&key.verifier)))
}

/// The proof that one entry is in the log, as a `c2sp.org/tlog-proof@v1` text, with the entry's bytes.
///
/// # Errors
/// If there is no such entry or the log is damaged.
pub async fn prove(db: &store::Db, id: AuditId) -> Result<(Vec<u8>, OfflineProof), LogError> {
    let (size, note) = newest_note(db).await?.ok_or(LogError::Empty)?;
    db.read("audit.prove", move |read| {
        let note = note.clone();
        Box::pin(async move {
            let index = store::audit::find_index(read, id)
                .await?
                .ok_or(LogError::NoEntry(id))?;
            let index = u64::try_from(index).unwrap_or(u64::MAX);
            let entries = store::audit::entries(read, to_i64(index), 1).await?;
            let entry = entries.into_iter().next().ok_or(LogError::NoEntry(id))?;
            let tiles = fetch(read, &tiles_for_inclusion(index, size)?).await?;
            let hashes = prove_inclusion(index, size, &tiles)?;
            Ok((
                entry,
                OfflineProof {
                    extra: None,
                    index,
                    hashes,
                    checkpoint: note,
                },
            ))
        })
    })
    .await
}

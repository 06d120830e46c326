//! The audit log as it is kept: entries, the tiles of their Merkle tree, checkpoints. The tree itself is
//! computed elsewhere (`tlog`); entries get their place in it after they are committed.

use crate::args;
use crate::dialect::{self, Lock};
use crate::error::{Error, Result};
use crate::tx::{Read, Tx};
use crate::value::Row;
use domain::audit::Entry;
use domain::id::AuditId;
use domain::time::Time;

/// The most entries of one call.
pub const MAX_ENTRIES: u32 = 1000;

const UNSEQUENCED: &str = "select id, entry from audit_entries where leaf_index is null order by id limit $1";
const ENTRIES: &str = "select entry from audit_entries where leaf_index >= $1 order by leaf_index limit $2";

/// A signed statement of the tree's size and root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Leaves.
    pub size: i64,
    /// The root's hash in base64.
    pub root: String,
    /// The signed text.
    pub note: String,
    /// When it was signed.
    pub at: Time,
}

/// Adds an entry that has no place in the tree yet.
///
/// # Errors
/// [`Error::TooLarge`] beyond [`domain::audit::MAX_ENTRY_BYTES`].
pub async fn append(tx: &mut Tx, entry: &Entry) -> Result<()> {
    let bytes = entry.canonical().map_err(|_| Error::TooLarge("an audit entry"))?;
    let sql = "insert into audit_entries (id, at, workspace, action, object, entry) values ($1, $2, $3, $4, $5, $6)";
    let args = args![
        entry.id,
        entry.at,
        entry.workspace,
        entry.action,
        &entry.object,
        bytes
    ];
    tx.execute(sql, args).await.map(|_| ())
}

/// Committed entries without a place, in the order of their ids. Until the transaction ends nobody else
/// gives places.
///
/// # Errors
/// What the database says.
pub async fn unsequenced(tx: &mut Tx, limit: u32) -> Result<Vec<(AuditId, Vec<u8>)>> {
    dialect::lock(tx, Lock::AUDIT_SEQUENCE).await?;
    let rows = tx.all(UNSEQUENCED, args![limit.min(MAX_ENTRIES)]).await?;
    rows.iter()
        .map(|row| Ok((row.parsed("id")?, row.bytes("entry")?.to_vec())))
        .collect()
}

/// Gives entries their places.
///
/// # Errors
/// [`Error::Conflict`] with `audit_entries_leaf` if a place is taken; [`Error::Fenced`] if an entry has one.
pub async fn set_index(tx: &mut Tx, places: &[(AuditId, i64)]) -> Result<()> {
    for (id, index) in places {
        let sql = "update audit_entries set leaf_index = $2 where id = $1 and leaf_index is null";
        if tx.execute(sql, args![*id, *index]).await? == 0 {
            return Err(Error::Fenced);
        }
    }
    Ok(())
}

/// The hashes of a tile.
///
/// # Errors
/// What the database says.
pub async fn tile(read: &mut Read, level: i64, idx: i64) -> Result<Option<Vec<u8>>> {
    let row = read
        .first(
            "select hashes from audit_tiles where level = $1 and idx = $2",
            args![level, idx],
        )
        .await?;
    row.map(|row| row.bytes("hashes").map(<[u8]>::to_vec)).transpose()
}

/// Keeps tiles (level, place on it, hashes of 32 bytes each); a tile only grows.
///
/// # Errors
/// [`Error::Conflict`] with `audit_tiles_pkey` if a tile would lose or change hashes.
pub async fn put_tiles(tx: &mut Tx, tiles: &[(i64, i64, Vec<u8>)]) -> Result<()> {
    for (level, idx, hashes) in tiles {
        if let Some(old) = tile(tx, *level, *idx).await?
            && !hashes.starts_with(&old)
        {
            return Err(Error::Conflict {
                constraint: "audit_tiles_pkey".to_owned(),
            });
        }
        let sql = "insert into audit_tiles (level, idx, hashes) values ($1, $2, $3) \
                   on conflict (level, idx) do update set hashes = excluded.hashes";
        tx.execute(sql, args![*level, *idx, hashes]).await?;
    }
    Ok(())
}

/// How many entries have a place.
///
/// # Errors
/// What the database says.
pub async fn size(read: &mut Read) -> Result<i64> {
    let row = read
        .one(
            "select max(leaf_index) as newest from audit_entries where leaf_index is not null",
            args![],
        )
        .await?;
    Ok(row.opt_int("newest")?.map_or(0, |newest| newest + 1))
}

/// The checkpoint of the largest tree.
///
/// # Errors
/// What the database says.
pub async fn newest_checkpoint(read: &mut Read) -> Result<Option<Checkpoint>> {
    let sql = "select size, root, note, at from audit_checkpoints order by size desc limit 1";
    read.first(sql, args![])
        .await?
        .as_ref()
        .map(checkpoint)
        .transpose()
}

/// Keeps a checkpoint: one for each size, and never of a smaller tree than the newest.
///
/// # Errors
/// [`Error::Conflict`] with `audit_checkpoints_pkey` if there is one of a larger tree, or one of this size
/// with another root.
pub async fn put_checkpoint(tx: &mut Tx, size: i64, root: &str, note: &str, at: Time) -> Result<()> {
    dialect::lock(tx, Lock::AUDIT_SEQUENCE).await?;
    if let Some(newest) = newest_checkpoint(tx).await?
        && (newest.size > size || (newest.size == size && newest.root != root))
    {
        return Err(Error::Conflict {
            constraint: "audit_checkpoints_pkey".to_owned(),
        });
    }
    let sql = "insert into audit_checkpoints (size, root, note, at) values ($1, $2, $3, $4) \
               on conflict (size) do update set note = excluded.note, at = excluded.at";
    tx.execute(sql, args![size, root, note, at]).await.map(|_| ())
}

/// Entries from a place on, in order; at most [`MAX_ENTRIES`].
///
/// # Errors
/// What the database says.
pub async fn entries(read: &mut Read, from_index: i64, limit: i64) -> Result<Vec<Vec<u8>>> {
    let rows = read
        .all(ENTRIES, args![from_index, limit.min(i64::from(MAX_ENTRIES))])
        .await?;
    rows.iter()
        .map(|row| row.bytes("entry").map(<[u8]>::to_vec))
        .collect()
}

/// The place of an entry; `None` if there is no such entry or it has none yet.
///
/// # Errors
/// What the database says.
pub async fn find_index(read: &mut Read, id: AuditId) -> Result<Option<i64>> {
    let row = read
        .first("select leaf_index from audit_entries where id = $1", args![id])
        .await?;
    row.map_or(Ok(None), |row| row.opt_int("leaf_index"))
}

fn checkpoint(row: &Row) -> Result<Checkpoint> {
    Ok(Checkpoint {
        size: row.int("size")?,
        root: row.text("root")?.to_owned(),
        note: row.text("note")?.to_owned(),
        at: row.time("at")?,
    })
}

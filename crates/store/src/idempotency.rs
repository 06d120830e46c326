//! Idempotency keys: the same request sent again gets the same generation. A key is kept as a hash of
//! its owner and itself: keys of two people never meet, and what a client wrote into one stays unknown.

use crate::args;
use crate::error::{Error, Result};
use crate::tx::{Read, Tx};
use domain::actor::Scope;
use domain::id::GenerationId;
use domain::time::Time;
use sha2::{Digest, Sha256};

/// What is known of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remembered {
    /// It is new and now stands for the generation given.
    Fresh,
    /// It was used with the same request, for this generation.
    Replay(GenerationId),
    /// It was used with another request.
    Mismatch,
}

/// What is kept of a key: SHA-256 of the owner's id, a byte that no id has, and the key.
fn kept(scope: &Scope, key: &str) -> String {
    let hash = Sha256::new()
        .chain_update(scope.owner().to_string())
        .chain_update([0])
        .chain_update(key);
    data_encoding::HEXLOWER.encode(&hash.finalize())
}

/// Notes a key with the fingerprint of its request, or tells what it was used for.
///
/// # Errors
/// What the database says.
pub async fn remember(
    tx: &mut Tx,
    scope: &Scope,
    key: &str,
    fingerprint: &str,
    generation: GenerationId,
    now: Time,
) -> Result<Remembered> {
    let key = kept(scope, key);
    let sql = "insert into idempotency (workspace, idempotency_key, fingerprint, generation, created_at) \
               values ($1, $2, $3, $4, $5) on conflict (workspace, idempotency_key) do nothing";
    if tx
        .execute(sql, args![scope.workspace(), &key, fingerprint, generation, now])
        .await?
        == 1
    {
        return Ok(Remembered::Fresh);
    }
    let sql = "select fingerprint, generation from idempotency where workspace = $1 and idempotency_key = $2";
    // Forgotten between the two statements: the client may simply come again.
    let row = tx
        .first(sql, args![scope.workspace(), &key])
        .await?
        .ok_or(Error::Busy)?;
    if row.text("fingerprint")? == fingerprint {
        row.parsed("generation").map(Remembered::Replay)
    } else {
        Ok(Remembered::Mismatch)
    }
}

/// What a key was used for, before anything is done for the request that brings it again: a repetition
/// gets its first answer even when the request would no longer be taken.
///
/// # Errors
/// What the database says.
pub async fn find(
    read: &mut Read,
    scope: &Scope,
    key: &str,
    fingerprint: &str,
) -> Result<Option<Remembered>> {
    let sql = "select fingerprint, generation from idempotency where workspace = $1 and idempotency_key = $2";
    let args = args![scope.workspace(), kept(scope, key)];
    let Some(row) = read.first(sql, args).await? else {
        return Ok(None);
    };
    if row.text("fingerprint")? == fingerprint {
        row.parsed("generation").map(|id| Some(Remembered::Replay(id)))
    } else {
        Ok(Some(Remembered::Mismatch))
    }
}

/// Forgets keys that were noted before an instant and tells how many.
///
/// # Errors
/// What the database says.
pub async fn forget_before(tx: &mut Tx, before: Time) -> Result<u64> {
    tx.execute("delete from idempotency where created_at < $1", args![before])
        .await
}

//! Recovery codes: keyed hashes, used once.

use crate::args;
use crate::error::Result;
use crate::tx::{Read, Tx};
use domain::id::UserId;
use domain::time::Time;

/// Puts a new set in place of all earlier codes of a person, used or not.
///
/// # Errors
/// What the database says.
pub async fn replace(tx: &mut Tx, user: UserId, hashes: &[String], now: Time) -> Result<()> {
    clear(tx, user).await?;
    let sql = "insert into recovery_codes (user_id, hash, created_at) values ($1, $2, $3)";
    for hash in hashes {
        tx.execute(sql, args![user, hash, now]).await?;
    }
    Ok(())
}

/// Uses up a code; `false` if the person has no such code, or used it before.
///
/// # Errors
/// What the database says.
pub async fn use_up(tx: &mut Tx, user: UserId, hash: &str, now: Time) -> Result<bool> {
    let sql = "update recovery_codes set used_at = $3 where user_id = $1 and hash = $2 and used_at is null";
    Ok(tx.execute(sql, args![user, hash, now]).await? == 1)
}

/// How many are left.
///
/// # Errors
/// What the database says.
pub async fn left(read: &mut Read, user: UserId) -> Result<u32> {
    let sql = "select count(*) as n from recovery_codes where user_id = $1 and used_at is null";
    read.one(sql, args![user]).await?.number("n")
}

/// Removes all codes of a person and tells how many there were.
///
/// # Errors
/// What the database says.
pub async fn clear(tx: &mut Tx, user: UserId) -> Result<u64> {
    let sql = "delete from recovery_codes where user_id = $1";
    tx.execute(sql, args![user]).await
}

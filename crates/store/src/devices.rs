//! Browsers in which an account has logged in. What is kept is the hash of the browser's cookie.

use crate::args;
use crate::error::Result;
use crate::tx::{Read, Tx};
use domain::id::UserId;
use domain::secret::TokenHash;
use domain::time::Time;

/// Whether the account has logged in in this browser since `since`.
///
/// # Errors
/// What the database says.
pub async fn is_known(read: &mut Read, user: UserId, hash: &TokenHash, since: Time) -> Result<bool> {
    let sql = "select hash from devices where hash = $1 and user_id = $2 and used_at >= $3";
    Ok(read.first(sql, args![hash, user, since]).await?.is_some())
}

/// Whether the account has logged in anywhere.
///
/// # Errors
/// What the database says.
pub async fn has_any(read: &mut Read, user: UserId) -> Result<bool> {
    let sql = "select hash from devices where user_id = $1 limit 1";
    Ok(read.first(sql, args![user]).await?.is_some())
}

/// Notes a login; `true` if the account is new in this browser.
///
/// # Errors
/// What the database says.
pub async fn note(tx: &mut Tx, user: UserId, hash: &TokenHash, agent: &str, now: Time) -> Result<bool> {
    let sql = "update devices set used_at = $3, agent = $4 where hash = $1 and user_id = $2";
    if tx.execute(sql, args![hash, user, now, agent]).await? > 0 {
        return Ok(false);
    }
    let sql = "insert into devices (hash, user_id, agent, created_at, used_at) values ($1, $2, $3, $4, $4) \
               on conflict (hash, user_id) do nothing";
    Ok(tx.execute(sql, args![hash, user, agent, now]).await? > 0)
}

/// Forgets the browsers of an account: none lets its owner through a delay any more.
///
/// # Errors
/// What the database says.
pub async fn forget_of(tx: &mut Tx, user: UserId) -> Result<u64> {
    tx.execute("delete from devices where user_id = $1", args![user])
        .await
}

/// Forgets browsers that were not used since this.
///
/// # Errors
/// What the database says.
pub async fn forget_before(tx: &mut Tx, before: Time) -> Result<u64> {
    tx.execute("delete from devices where used_at < $1", args![before])
        .await
}

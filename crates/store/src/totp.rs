//! One-time codes of an app: at most one secret per person, encrypted under the person's key, with the
//! last time step that was accepted.

use crate::args;
use crate::dialect;
use crate::error::Result;
use crate::tx::{Read, Tx};
use domain::id::UserId;
use domain::time::Time;

/// A person's secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Totp {
    /// The secret, encrypted under the person's key.
    pub secret_sealed: Vec<u8>,
    /// The last accepted time step: it and earlier ones are refused.
    pub last_step: i64,
    /// When it was made.
    pub created_at: Time,
    /// When its owner showed the first code. Before that it is no factor.
    pub confirmed_at: Option<Time>,
}

impl std::fmt::Debug for Totp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Totp")
            .field("last_step", &self.last_step)
            .field("confirmed_at", &self.confirmed_at)
            .finish_non_exhaustive()
    }
}

/// Keeps a secret that is still to be confirmed in place of an earlier one that was not; `false` if the
/// person has a confirmed one, which stays.
///
/// # Errors
/// What the database says.
pub async fn begin(tx: &mut Tx, user: UserId, secret_sealed: &[u8], now: Time) -> Result<bool> {
    let sql = "insert into totp (user_id, secret_sealed, last_step, created_at) values ($1, $2, 0, $3) \
               on conflict (user_id) do update set secret_sealed = excluded.secret_sealed, last_step = 0, \
               created_at = excluded.created_at where totp.confirmed_at is null";
    Ok(tx.execute(sql, args![user, secret_sealed, now]).await? == 1)
}

/// A person's secret, confirmed or not.
///
/// # Errors
/// What the database says.
pub async fn find(read: &mut Read, user: UserId) -> Result<Option<Totp>> {
    let sql = "select secret_sealed, last_step, created_at, confirmed_at from totp where user_id = $1";
    let Some(row) = read.first(sql, args![user]).await? else {
        return Ok(None);
    };
    Ok(Some(Totp {
        secret_sealed: row.bytes("secret_sealed")?.to_vec(),
        last_step: row.int("last_step")?,
        created_at: row.time("created_at")?,
        confirmed_at: row.opt_time("confirmed_at")?,
    }))
}

/// Makes a secret a factor, with the step of the code that showed it; `false` if it is one already or
/// another secret was begun meanwhile.
///
/// # Errors
/// What the database says.
pub async fn confirm(tx: &mut Tx, user: UserId, secret_sealed: &[u8], step: i64, now: Time) -> Result<bool> {
    let sql = "update totp set confirmed_at = $4, last_step = $3 where user_id = $1 and secret_sealed = $2 \
               and confirmed_at is null";
    Ok(tx.execute(sql, args![user, secret_sealed, step, now]).await? == 1)
}

/// Uses up a time step; `false` if it or a later one was used before. One of many at the same time wins.
///
/// # Errors
/// What the database says.
pub async fn accept_step(tx: &mut Tx, user: UserId, step: i64) -> Result<bool> {
    let sql =
        "update totp set last_step = $2 where user_id = $1 and last_step < $2 and confirmed_at is not null";
    Ok(tx.execute(sql, args![user, step]).await? == 1)
}

/// Removes a person's secret; `false` if there was none. Removals of one person's factors wait for each
/// other.
///
/// # Errors
/// What the database says.
pub async fn remove(tx: &mut Tx, user: UserId) -> Result<bool> {
    dialect::lock_user(tx, user).await?;
    let sql = "delete from totp where user_id = $1";
    Ok(tx.execute(sql, args![user]).await? == 1)
}

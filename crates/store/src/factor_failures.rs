//! Wrong codes and factors in a row, by person: what the growing delay before the next try is made of.

use crate::args;
use crate::error::Result;
use crate::tx::{Read, Tx};
use domain::id::UserId;
use domain::time::Time;

/// How often in a row a person's factor was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failures {
    /// How often.
    pub count: u32,
    /// When the next try is looked at.
    pub next_at: Time,
}

/// A person's failures in a row, if there are any.
///
/// # Errors
/// What the database says.
pub async fn find(read: &mut Read, user: UserId) -> Result<Option<Failures>> {
    let sql = "select failures, next_at from factor_failures where user_id = $1";
    let Some(row) = read.first(sql, args![user]).await? else {
        return Ok(None);
    };
    Ok(Some(Failures {
        count: row.number("failures")?,
        next_at: row.time("next_at")?,
    }))
}

/// Counts a try before it is looked at and tells how many there were in a row with this one; `None`, and
/// nothing counted, while it is too early. Tries at the same time are counted one after the other, so that
/// none of them slips past the delay of the one before it.
///
/// # Errors
/// What the database says.
pub async fn count_one(tx: &mut Tx, user: UserId, now: Time) -> Result<Option<u32>> {
    let sql = "insert into factor_failures (user_id, failures, next_at, updated_at) values ($1, 1, $2, $2) \
               on conflict (user_id) do update set failures = factor_failures.failures + 1, \
               updated_at = excluded.updated_at where factor_failures.next_at <= $2 returning failures";
    let row = tx.first(sql, args![user, now]).await?;
    row.map(|row| row.number("failures")).transpose()
}

/// Sets when the next try is looked at.
///
/// # Errors
/// What the database says.
pub async fn delay(tx: &mut Tx, user: UserId, next_at: Time) -> Result<()> {
    let sql = "update factor_failures set next_at = $2 where user_id = $1";
    tx.execute(sql, args![user, next_at]).await.map(|_| ())
}

/// Forgets a person's failures: a factor was right.
///
/// # Errors
/// What the database says.
pub async fn clear(tx: &mut Tx, user: UserId) -> Result<()> {
    let sql = "delete from factor_failures where user_id = $1";
    tx.execute(sql, args![user]).await.map(|_| ())
}

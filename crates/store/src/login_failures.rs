//! Failed logins in a row, by the keyed hash of the address that was typed, whether or not an account has
//! it.

use crate::args;
use crate::dialect;
use crate::error::Result;
use crate::tx::{Read, Tx};
use domain::id::UserId;
use domain::time::Time;

/// How often in a row, and when the next try is let through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failures {
    /// In a row.
    pub count: i64,
    /// Before this nobody is let try but on a known device.
    pub next_at: Time,
    /// When the last one was.
    pub updated_at: Time,
}

/// The failures of an address.
///
/// # Errors
/// What the database says.
pub async fn find(read: &mut Read, email_index: &str) -> Result<Option<Failures>> {
    let sql = "select failures, next_at, updated_at from login_failures where email_index = $1";
    let found = read.first(sql, args![email_index]).await?;
    found
        .map(|row| {
            Ok(Failures {
                count: row.int("failures")?,
                next_at: row.time("next_at")?,
                updated_at: row.time("updated_at")?,
            })
        })
        .transpose()
}

/// Counts a try before it is looked at and tells how many there were in a row with this one; those before
/// `since` do not count any more. `None`, and nothing counted, while it is too early. Tries at the same time
/// are counted one after the other, so that none of them slips past the delay of the one before it.
///
/// # Errors
/// What the database says.
pub async fn count(tx: &mut Tx, email_index: &str, since: Time, now: Time) -> Result<Option<i64>> {
    let sql = "insert into login_failures (email_index, failures, next_at, updated_at) values ($1, 1, $2, $2) \
               on conflict (email_index) do update set updated_at = excluded.updated_at, \
               failures = case when login_failures.updated_at < $3 then 1 else login_failures.failures + 1 end \
               where login_failures.next_at <= $2 returning failures";
    let row = tx.first(sql, args![email_index, now, since]).await?;
    row.map(|row| row.int("failures")).transpose()
}

/// Sets when the next try is let through.
///
/// # Errors
/// What the database says.
pub async fn delay(tx: &mut Tx, email_index: &str, next_at: Time) -> Result<()> {
    let sql = "update login_failures set next_at = $2 where email_index = $1";
    tx.execute(sql, args![email_index, next_at]).await.map(|_| ())
}

/// Forgets the failures of an address.
///
/// # Errors
/// What the database says.
pub async fn clear(tx: &mut Tx, email_index: &str) -> Result<()> {
    let sql = "delete from login_failures where email_index = $1";
    tx.execute(sql, args![email_index]).await.map(|_| ())
}

/// Forgets failures that are older than this.
///
/// # Errors
/// What the database says.
pub async fn forget_before(tx: &mut Tx, before: Time) -> Result<u64> {
    tx.execute("delete from login_failures where updated_at < $1", args![before])
        .await
}

/// Makes changes of an account wait until the transaction ends in which somebody is let in: what takes a
/// password away ends that session too, or is seen before it opens.
///
/// # Errors
/// What the database says.
pub async fn hold_account(tx: &mut Tx, user: UserId) -> Result<()> {
    dialect::lock_user(tx, user).await
}

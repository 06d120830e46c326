//! Work that one process at a time does: a named lease with an epoch.

use crate::args;
use crate::error::Result;
use crate::tx::Tx;
use domain::time::Time;
use std::time::Duration;

/// Takes the work if it is free, if its lease ran out, or if `owner` has it. Tells the new epoch, or
/// `None` while another has it.
///
/// # Errors
/// What the database says.
pub async fn acquire(tx: &mut Tx, name: &str, owner: &str, ttl: Duration, now: Time) -> Result<Option<i64>> {
    let sql = "insert into singleton (name, owner, epoch, until_at) values ($1, $2, 1, $3) \
               on conflict (name) do update set owner = excluded.owner, epoch = singleton.epoch + 1, \
               until_at = excluded.until_at where singleton.until_at <= $4 or singleton.owner = $2 \
               returning epoch";
    let row = tx.first(sql, args![name, owner, now.after(ttl), now]).await?;
    row.map(|row| row.int("epoch")).transpose()
}

/// Keeps the work for another while; `false` if it was lost.
///
/// # Errors
/// What the database says.
pub async fn renew(
    tx: &mut Tx,
    name: &str,
    owner: &str,
    epoch: i64,
    ttl: Duration,
    now: Time,
) -> Result<bool> {
    let sql =
        "update singleton set until_at = $4 where name = $1 and owner = $2 and epoch = $3 and until_at > $5";
    Ok(tx
        .execute(sql, args![name, owner, epoch, now.after(ttl), now])
        .await?
        == 1)
}

/// Gives the work up; `false` if it was lost before.
///
/// # Errors
/// What the database says.
pub async fn release(tx: &mut Tx, name: &str, owner: &str, epoch: i64, now: Time) -> Result<bool> {
    let sql =
        "update singleton set until_at = $4 where name = $1 and owner = $2 and epoch = $3 and until_at > $4";
    Ok(tx.execute(sql, args![name, owner, epoch, now]).await? == 1)
}

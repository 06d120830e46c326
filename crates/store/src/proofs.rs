//! Proofs of possession that were shown once and are good no more, for processes that share a database.

use crate::args;
use crate::error::Result;
use crate::tx::Tx;
use domain::time::Time;

/// Takes a proof; `false` if it was taken before. It is remembered until `forget_at` at least.
///
/// # Errors
/// What the database says.
pub async fn first_use(tx: &mut Tx, once: &str, forget_at: Time) -> Result<bool> {
    let sql = "insert into proofs (once, forget_at) values ($1, $2) on conflict (once) do nothing";
    Ok(tx.execute(sql, args![once, forget_at]).await? == 1)
}

/// Forgets proofs whose time is over, `limit` at most; tells how many.
///
/// # Errors
/// What the database says.
pub async fn forget_before(tx: &mut Tx, now: Time, limit: u32) -> Result<u64> {
    let sql = "delete from proofs where once in \
               (select once from proofs where forget_at < $1 order by forget_at, once limit $2)";
    tx.execute(sql, args![now, limit]).await
}

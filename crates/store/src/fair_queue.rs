//! Places in the fair queue: each workspace waits behind itself (`domain::fairness`).

use crate::args;
use crate::error::Result;
use crate::tx::Tx;
use domain::fairness::virtual_finish;
use domain::id::WorkspaceId;

/// What the queue already serves: the smallest virtual time in the queue, or the last one given if the
/// queue is empty.
const SERVED: &str = "select coalesce(min(served), (select max(last_virtual_time) from fair_queue), 0) as served \
     from (select min(virtual_time) as served from jobs where state = 'ready' and priority = 1 \
     union all select min(virtual_time) from jobs where state = 'ready' and priority = 2 \
     union all select min(virtual_time) from jobs where state = 'ready' and priority = 3 \
     union all select min(virtual_time) from jobs where state = 'ready' and priority = 4) as each_priority";

/// The virtual time of the workspace's next job, and notes it as its last.
///
/// # Errors
/// What the database says.
pub async fn next(tx: &mut Tx, workspace: WorkspaceId, weight: u32) -> Result<i64> {
    // Also takes the row, so that two jobs of one workspace cannot get the same place.
    let sql = "insert into fair_queue (workspace, last_virtual_time) values ($1, 0) \
               on conflict (workspace) do update set last_virtual_time = fair_queue.last_virtual_time \
               returning last_virtual_time";
    let last = tx.one(sql, args![workspace]).await?.int("last_virtual_time")?;
    let served = tx.one(SERVED, args![]).await?.int("served")?;
    let next = virtual_finish(last, served, weight);
    let sql = "update fair_queue set last_virtual_time = $2 where workspace = $1";
    tx.execute(sql, args![workspace, next]).await?;
    Ok(next)
}

//! Workspaces: teams with their own budget, policy and members.

use crate::args;
use crate::error::Result;
use crate::tx::Tx;
use domain::actor::FIRST_WORKSPACE;
use domain::time::Time;

/// Makes the workspace that every installation begins with, if it is not there.
///
/// # Errors
/// What the database says.
pub async fn ensure_first(tx: &mut Tx, now: Time) -> Result<()> {
    let sql = "insert into workspaces (id, created_at) values ($1, $2) on conflict (id) do nothing";
    tx.execute(sql, args![FIRST_WORKSPACE, now]).await.map(|_| ())
}

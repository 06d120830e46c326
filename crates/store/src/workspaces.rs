//! Workspaces: teams with their own budget, policy and members.

use crate::args;
use crate::error::{Error, Result};
use crate::tx::{Read, Tx};
use crate::value::Row;
use domain::actor::FIRST_WORKSPACE;
use domain::id::WorkspaceId;
use domain::time::Time;

/// The most rows of one page.
pub const MAX_PAGE: u32 = 500;
/// What the first workspace is called until somebody renames it.
pub const FIRST_NAME: &str = "Studio";

/// One workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspace {
    /// Its id.
    pub id: WorkspaceId,
    /// What it is called.
    pub name: String,
    /// When it was made.
    pub created_at: Time,
}

/// Makes the workspace that every installation begins with, if it is not there, and names it if it has no
/// name.
///
/// # Errors
/// What the database says.
pub async fn ensure_first(tx: &mut Tx, now: Time) -> Result<()> {
    let sql = "insert into workspaces (id, name, created_at) values ($1, $2, $3) \
               on conflict (id) do update set name = excluded.name where workspaces.name = ''";
    tx.execute(sql, args![FIRST_WORKSPACE, FIRST_NAME, now])
        .await
        .map(|_| ())
}

/// Keeps a new workspace.
///
/// # Errors
/// What the database says.
pub async fn insert(tx: &mut Tx, workspace: &Workspace) -> Result<()> {
    let sql = "insert into workspaces (id, name, created_at) values ($1, $2, $3)";
    let args = args![workspace.id, &workspace.name, workspace.created_at];
    tx.execute(sql, args).await.map(|_| ())
}

/// One workspace.
///
/// # Errors
/// What the database says.
pub async fn find(read: &mut Read, id: WorkspaceId) -> Result<Option<Workspace>> {
    let sql = "select id, name, created_at from workspaces where id = $1";
    let found = read.first(sql, args![id]).await?;
    found.as_ref().map(row).transpose()
}

/// Renames a workspace.
///
/// # Errors
/// [`Error::Fenced`] if there is none.
pub async fn rename(tx: &mut Tx, id: WorkspaceId, name: &str) -> Result<()> {
    let sql = "update workspaces set name = $2 where id = $1";
    if tx.execute(sql, args![id, name]).await? == 1 {
        Ok(())
    } else {
        Err(Error::Fenced)
    }
}

/// Workspaces after `after`, oldest first; at most [`MAX_PAGE`].
///
/// # Errors
/// What the database says.
pub async fn page(read: &mut Read, after: Option<WorkspaceId>, limit: u32) -> Result<Vec<Workspace>> {
    let after = after.map_or_else(String::new, |id| id.to_string());
    let sql = "select id, name, created_at from workspaces where id > $1 order by id limit $2";
    let rows = read.all(sql, args![after, limit.min(MAX_PAGE)]).await?;
    rows.iter().map(row).collect()
}

fn row(row: &Row) -> Result<Workspace> {
    Ok(Workspace {
        id: row.parsed("id")?,
        name: row.text("name")?.to_owned(),
        created_at: row.time("created_at")?,
    })
}

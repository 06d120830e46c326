//! Who belongs to which workspace, with which role there.

use crate::args;
use crate::error::{Error, Result};
use crate::tx::{Read, Tx};
use crate::value::Row;
use domain::id::{UserId, WorkspaceId};
use domain::identity::Role;
use domain::time::Time;

/// The most rows of one page.
pub const MAX_PAGE: u32 = 500;

/// One membership.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Where.
    pub workspace: WorkspaceId,
    /// Who.
    pub user: UserId,
    /// As what.
    pub role: Role,
    /// Since when.
    pub created_at: Time,
}

/// A workspace as one of its members sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// Which.
    pub workspace: WorkspaceId,
    /// What it is called.
    pub name: String,
    /// The member's role there.
    pub role: Role,
}

/// Adds a member.
///
/// # Errors
/// [`Error::Conflict`] with `members_pkey` if they are one.
pub async fn insert(tx: &mut Tx, member: &Member) -> Result<()> {
    let sql = "insert into members (workspace, user_id, role, created_at) values ($1, $2, $3, $4)";
    let args = args![member.workspace, member.user, member.role, member.created_at];
    tx.execute(sql, args).await.map(|_| ())
}

/// One membership.
///
/// # Errors
/// What the database says.
pub async fn find(read: &mut Read, workspace: WorkspaceId, user: UserId) -> Result<Option<Member>> {
    let sql =
        "select workspace, user_id, role, created_at from members where workspace = $1 and user_id = $2";
    let found = read.first(sql, args![workspace, user]).await?;
    found.as_ref().map(row).transpose()
}

/// The workspaces of a person, oldest first; at most [`MAX_PAGE`].
///
/// # Errors
/// What the database says.
pub async fn of_user(read: &mut Read, user: UserId) -> Result<Vec<Membership>> {
    let sql = "select members.workspace as workspace, workspaces.name as name, members.role as role from members \
               join workspaces on workspaces.id = members.workspace where members.user_id = $1 \
               order by members.workspace limit $2";
    let rows = read.all(sql, args![user, MAX_PAGE]).await?;
    rows.iter()
        .map(|row| {
            Ok(Membership {
                workspace: row.parsed("workspace")?,
                name: row.text("name")?.to_owned(),
                role: row.parsed("role")?,
            })
        })
        .collect()
}

/// The members of a workspace after `after`, in the order of their ids; at most [`MAX_PAGE`].
///
/// # Errors
/// What the database says.
pub async fn of_workspace(
    read: &mut Read,
    workspace: WorkspaceId,
    after: Option<UserId>,
    limit: u32,
) -> Result<Vec<Member>> {
    let after = after.map_or_else(String::new, |id| id.to_string());
    let sql = "select workspace, user_id, role, created_at from members \
               where workspace = $1 and user_id > $2 order by user_id limit $3";
    let rows = read
        .all(sql, args![workspace, after, limit.min(MAX_PAGE)])
        .await?;
    rows.iter().map(row).collect()
}

/// Sets a member's role in a workspace.
///
/// # Errors
/// [`Error::Fenced`] if they are no member.
pub async fn set_role(tx: &mut Tx, workspace: WorkspaceId, user: UserId, role: Role) -> Result<()> {
    let sql = "update members set role = $3 where workspace = $1 and user_id = $2";
    if tx.execute(sql, args![workspace, user, role]).await? == 1 {
        Ok(())
    } else {
        Err(Error::Fenced)
    }
}

/// Takes a member out of a workspace; `false` if they were none.
///
/// # Errors
/// What the database says.
pub async fn remove(tx: &mut Tx, workspace: WorkspaceId, user: UserId) -> Result<bool> {
    let sql = "delete from members where workspace = $1 and user_id = $2";
    Ok(tx.execute(sql, args![workspace, user]).await? == 1)
}

fn row(row: &Row) -> Result<Member> {
    Ok(Member {
        workspace: row.parsed("workspace")?,
        user: row.parsed("user_id")?,
        role: row.parsed("role")?,
        created_at: row.time("created_at")?,
    })
}

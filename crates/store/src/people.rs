//! What administrators see of a page of accounts besides the accounts themselves: where they belong, when
//! they were last here, whether they have a second factor. A page is a range of ids, so each question is
//! asked once for all of it.

use crate::args;
use crate::error::Result;
use crate::members::Membership;
use crate::tx::Read;
use crate::value::Row;
use domain::id::{UserId, WorkspaceId};
use domain::time::Time;

/// The memberships of the accounts from `low` to `high`.
///
/// # Errors
/// What the database says.
pub async fn memberships(read: &mut Read, low: UserId, high: UserId) -> Result<Vec<(UserId, Membership)>> {
    let sql = "select members.user_id as user_id, members.workspace as workspace, workspaces.name as name, \
               members.role as role from members join workspaces on workspaces.id = members.workspace \
               where members.user_id >= $1 and members.user_id <= $2 order by members.user_id, members.workspace";
    let rows = read.all(sql, args![low, high]).await?;
    let membership = |row: &Row| {
        Ok((
            row.parsed("user_id")?,
            Membership {
                workspace: row.parsed("workspace")?,
                name: row.text("name")?.to_owned(),
                role: row.parsed("role")?,
            },
        ))
    };
    rows.iter().map(membership).collect()
}

/// When the accounts from `low` to `high` last used a session that is still remembered.
///
/// # Errors
/// What the database says.
pub async fn last_seen(read: &mut Read, low: UserId, high: UserId) -> Result<Vec<(UserId, Time)>> {
    let sql = "select user_id, max(used_at) as seen from sessions where user_id >= $1 and user_id <= $2 \
               group by user_id order by user_id";
    let rows = read.all(sql, args![low, high]).await?;
    let seen = |row: &Row| Ok((row.parsed("user_id")?, row.time("seen")?));
    rows.iter().map(seen).collect()
}

/// Which of the accounts from `low` to `high` have a passkey or confirmed one-time codes.
///
/// # Errors
/// What the database says.
pub async fn with_second_factor(read: &mut Read, low: UserId, high: UserId) -> Result<Vec<UserId>> {
    let sql = "select user_id from passkeys where user_id >= $1 and user_id <= $2 \
               union select user_id from totp where user_id >= $1 and user_id <= $2 and confirmed_at is not null";
    let rows = read.all(sql, args![low, high]).await?;
    rows.iter().map(|row| row.parsed("user_id")).collect()
}

/// How many members the workspaces from `low` to `high` have.
///
/// # Errors
/// What the database says.
pub async fn member_counts(
    read: &mut Read,
    low: WorkspaceId,
    high: WorkspaceId,
) -> Result<Vec<(WorkspaceId, i64)>> {
    let sql = "select workspace, count(*) as members from members where workspace >= $1 and workspace <= $2 \
               group by workspace";
    let rows = read.all(sql, args![low, high]).await?;
    let count = |row: &Row| Ok((row.parsed("workspace")?, row.int("members")?));
    rows.iter().map(count).collect()
}

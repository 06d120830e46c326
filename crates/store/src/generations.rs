//! Generations: what users asked for.

use crate::args;
use crate::error::Result;
use crate::tx::{Read, Tx};
use crate::value::{Row, json, opt_json};
use domain::actor::{Scope, SystemScope};
use domain::fault::Fault;
use domain::generation::{Kind, Spec, State};
use domain::id::{GenerationId, UserId, WorkspaceId};
use domain::job::Priority;
use domain::money::Money;
use domain::time::Time;
use serde_json::Value;

/// The most rows of one page.
pub const MAX_PAGE: u32 = 500;

/// A generation as it is accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct NewGeneration {
    /// Its id.
    pub id: GenerationId,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// Who asked.
    pub user: UserId,
    /// Image or video.
    pub kind: Kind,
    /// What was asked for, without the prompt.
    pub spec: Spec,
    /// The prompt, encrypted.
    pub prompt_sealed: Vec<u8>,
    /// What screening found and did.
    pub findings: Value,
    /// What the user is told about it.
    pub notes: Value,
    /// What it is for.
    pub purpose: String,
    /// Where it stands.
    pub state: State,
    /// Made by a demonstration model.
    pub demo: bool,
    /// How urgent.
    pub priority: Priority,
    /// What it will cost at most.
    pub estimated: Money,
    /// The request it came with.
    pub request_id: Option<String>,
    /// When it was accepted.
    pub created_at: Time,
}

/// A generation as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct GenerationRow {
    /// Its id.
    pub id: GenerationId,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// Who asked.
    pub user: UserId,
    /// Image or video.
    pub kind: Kind,
    /// What was asked for, without the prompt.
    pub spec: Spec,
    /// The prompt, encrypted.
    pub prompt_sealed: Vec<u8>,
    /// What screening found and did.
    pub findings: Value,
    /// What the user is told about it.
    pub notes: Value,
    /// What it is for.
    pub purpose: String,
    /// Where it stands.
    pub state: State,
    /// Made by a demonstration model.
    pub demo: bool,
    /// How urgent.
    pub priority: Priority,
    /// What it will cost at most.
    pub estimated: Money,
    /// The request it came with.
    pub request_id: Option<String>,
    /// Why it did not work.
    pub fault: Option<Fault>,
    /// When it was accepted.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
    /// When it came to its end.
    pub finished_at: Option<Time>,
    /// When its owner removed it.
    pub deleted_at: Option<Time>,
}

/// The columns that [`row`] reads.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select id, workspace, user_id, kind, spec, prompt_sealed, findings, notes, purpose, state, demo, \
             priority, estimated_micros, estimated_currency, request_id, fault, created_at, updated_at, \
             finished_at, deleted_at from generations ",
            $rest
        )
    };
}

/// Keeps a new generation.
///
/// # Errors
/// What the database says.
pub async fn insert(tx: &mut Tx, new: &NewGeneration) -> Result<()> {
    let sql = "insert into generations (id, workspace, user_id, kind, spec, prompt_sealed, findings, notes, purpose, \
               state, demo, priority, estimated_micros, estimated_currency, request_id, created_at, updated_at) \
               values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $16)";
    let args = args![
        new.id,
        new.workspace,
        new.user,
        new.kind,
        json(&new.spec)?,
        &new.prompt_sealed,
        json(&new.findings)?,
        json(&new.notes)?,
        &new.purpose,
        new.state,
        new.demo,
        new.priority.level(),
        new.estimated.micros,
        new.estimated.currency,
        new.request_id.as_deref(),
        new.created_at,
    ];
    tx.execute(sql, args).await.map(|_| ())
}

/// One generation that is not deleted.
///
/// # Errors
/// What the database says.
pub async fn find(read: &mut Read, scope: &Scope, id: GenerationId) -> Result<Option<GenerationRow>> {
    let sql = select!("where id = $1 and workspace = $2 and user_id = $3 and deleted_at is null");
    read.first(sql, args![id, scope.workspace(), scope.owner()])
        .await?
        .as_ref()
        .map(row)
        .transpose()
}

/// One generation, whosever it is and even if it is deleted.
///
/// # Errors
/// What the database says.
pub async fn find_system(read: &mut Read, _: SystemScope, id: GenerationId) -> Result<Option<GenerationRow>> {
    read.first(select!("where id = $1"), args![id])
        .await?
        .as_ref()
        .map(row)
        .transpose()
}

/// The newest generations of a person in a workspace that are older than `before`, without deleted ones;
/// at most [`MAX_PAGE`].
///
/// # Errors
/// What the database says.
pub async fn page(
    read: &mut Read,
    scope: &Scope,
    before: Option<GenerationId>,
    limit: u32,
) -> Result<Vec<GenerationRow>> {
    let before = before.unwrap_or(GenerationId::from_value(u128::MAX));
    let sql = select!(
        "where workspace = $1 and user_id = $2 and deleted_at is null and id < $3 order by id desc limit $4"
    );
    let args = args![scope.workspace(), scope.owner(), before, limit.min(MAX_PAGE)];
    let rows = read.all(sql, args).await?;
    rows.iter().map(row).collect()
}

/// Sets where a generation stands and tells whose it is; `finished` also notes that it came to its end,
/// once.
///
/// # Errors
/// What the database says; [`crate::Error::Broken`] if there is none.
pub async fn set_state(
    tx: &mut Tx,
    id: GenerationId,
    state: State,
    fault: Option<&Fault>,
    now: Time,
    finished: bool,
) -> Result<UserId> {
    let sql = "update generations set state = $2, fault = $3, updated_at = $4, \
               finished_at = coalesce(finished_at, cast($5 as bigint)) where id = $1 returning user_id";
    let args = args![id, state, opt_json(fault)?, now, finished.then_some(now)];
    tx.one(sql, args).await?.parsed("user_id")
}

/// Removes a generation from its owner's sight; `false` if there is none, or no longer.
///
/// # Errors
/// What the database says.
pub async fn mark_deleted(tx: &mut Tx, scope: &Scope, id: GenerationId, now: Time) -> Result<bool> {
    let sql = "update generations set deleted_at = $4, updated_at = $4 \
               where id = $1 and workspace = $2 and user_id = $3 and deleted_at is null";
    let args = args![id, scope.workspace(), scope.owner(), now];
    Ok(tx.execute(sql, args).await? == 1)
}

/// Deleted generations whose media is still there, oldest first.
///
/// # Errors
/// What the database says.
pub async fn deleted_with_media(read: &mut Read, _: SystemScope, limit: u32) -> Result<Vec<GenerationId>> {
    let sql = "select id from generations where deleted_at is not null and exists \
               (select 1 from assets where assets.generation = generations.id and assets.deleted_at is null) \
               order by id limit $1";
    read.all(sql, args![limit])
        .await?
        .iter()
        .map(|row| row.parsed("id"))
        .collect()
}

fn row(row: &Row) -> Result<GenerationRow> {
    Ok(GenerationRow {
        id: row.parsed("id")?,
        workspace: row.parsed("workspace")?,
        user: row.parsed("user_id")?,
        kind: row.parsed("kind")?,
        spec: row.json("spec")?,
        prompt_sealed: row.bytes("prompt_sealed")?.to_vec(),
        findings: row.json("findings")?,
        notes: row.json("notes")?,
        purpose: row.text("purpose")?.to_owned(),
        state: row.parsed("state")?,
        demo: row.bool("demo")?,
        priority: Priority::new(row.number("priority")?),
        estimated: row.money("estimated_micros", "estimated_currency")?,
        request_id: row.opt_text("request_id")?.map(str::to_owned),
        fault: row.opt_json("fault")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        finished_at: row.opt_time("finished_at")?,
        deleted_at: row.opt_time("deleted_at")?,
    })
}

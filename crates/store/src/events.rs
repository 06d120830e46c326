//! Events: the outbox. They are written with what they tell of, and get their sequence afterwards.
//!
//! The sequence is given to rows that are committed, never taken at insertion: on Postgres the order of
//! commits is not the order of ids, and a listener that asks for "after 7" would miss a 7 that commits
//! after an 8.

use crate::args;
use crate::dialect::{self, Lock};
use crate::error::{Error, Result};
use crate::tx::{Read, Tx};
use crate::value::{Row, opt_json};
use domain::actor::Scope;
use domain::event::Event;
use domain::time::Time;

/// The most events of one call.
pub const MAX_EVENTS: u32 = 1000;

const UNSEQUENCED: &str = "select id, at, workspace, user_id, topic, generation, state, progress from events \
     where seq is null order by id limit $1";
const AFTER: &str = "select id, at, workspace, user_id, topic, generation, state, progress, seq from events \
     where workspace = $1 and user_id = $2 and seq > $3 order by seq limit $4";

/// Adds an event, not yet sequenced.
///
/// # Errors
/// What the database says.
pub async fn append(tx: &mut Tx, event: &Event) -> Result<()> {
    let sql = "insert into events (id, at, workspace, user_id, topic, generation, state, progress) \
               values ($1, $2, $3, $4, $5, $6, $7, $8)";
    let args = args![
        event.id,
        event.at,
        event.workspace,
        event.user,
        &event.topic,
        event.generation,
        event.state,
        opt_json(event.progress.as_ref())?,
    ];
    tx.execute(sql, args).await.map(|_| ())
}

/// Gives committed events the next numbers, in the order of their ids, and returns them. One caller at a
/// time; others wait.
///
/// # Errors
/// What the database says.
pub async fn sequence(tx: &mut Tx, limit: u32) -> Result<Vec<(i64, Event)>> {
    dialect::lock(tx, Lock::EVENT_SEQUENCE).await?;
    let rows = tx.all(UNSEQUENCED, args![limit.min(MAX_EVENTS)]).await?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut seq = newest_seq(tx).await?;
    let mut sequenced = Vec::with_capacity(rows.len());
    for row in &rows {
        seq += 1;
        let event = event(row)?;
        tx.execute("update events set seq = $2 where id = $1", args![event.id, seq])
            .await?;
        sequenced.push((seq, event));
    }
    let sql = "insert into meta (name, value) values ('events.newest_seq', $1) \
               on conflict (name) do update set value = excluded.value";
    tx.execute(sql, args![seq.to_string()]).await?;
    Ok(sequenced)
}

/// Events of a person in a workspace after a number, in order; at most [`MAX_EVENTS`].
///
/// # Errors
/// What the database says.
pub async fn after(read: &mut Read, scope: &Scope, seq: i64, limit: u32) -> Result<Vec<(i64, Event)>> {
    let args = args![scope.workspace(), scope.owner(), seq, limit.min(MAX_EVENTS)];
    let rows = read.all(AFTER, args).await?;
    rows.iter()
        .map(|row| Ok((row.int("seq")?, event(row)?)))
        .collect()
}

/// The last number given, 0 if none was. It never falls, even when events are pruned.
///
/// # Errors
/// What the database says.
pub async fn newest_seq(read: &mut Read) -> Result<i64> {
    let Some(row) = read
        .first("select value from meta where name = 'events.newest_seq'", args![])
        .await?
    else {
        return Ok(0);
    };
    row.text("value")?.parse().map_err(|_| Error::Column {
        column: "value".to_owned(),
        expected: "a number",
    })
}

/// Removes sequenced events from before an instant and tells how many.
///
/// # Errors
/// What the database says.
pub async fn prune_before(tx: &mut Tx, before: Time) -> Result<u64> {
    tx.execute(
        "delete from events where at < $1 and seq is not null",
        args![before],
    )
    .await
}

fn event(row: &Row) -> Result<Event> {
    Ok(Event {
        id: row.parsed("id")?,
        at: row.time("at")?,
        workspace: row.parsed("workspace")?,
        user: row.parsed("user_id")?,
        topic: row.text("topic")?.to_owned(),
        generation: row.parsed("generation")?,
        state: row.parsed("state")?,
        progress: row.opt_json("progress")?,
    })
}

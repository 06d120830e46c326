//! Jobs: outputs on their way. Taking and changing them is fenced by epoch and state.

use crate::error::{Error, Result};
use crate::tx::{Read, Tx};
use crate::value::{Arg, Row, opt_json};
use crate::{args, attempts, dialect};
use domain::capability::ProviderName;
use domain::id::{GenerationId, JobId, UserId, WorkspaceId};
use domain::job::{self, Attempt, Change, Job, JobState, Priority, Rules};
use domain::time::Time;

/// The most jobs of one claim.
pub const MAX_CLAIM: u32 = 500;

/// The columns that [`row`] reads.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select id, generation, workspace, ordinal, kind, provider, state, priority, virtual_time, run_at, \
             lease_until, epoch, attempts_made, failures, deadline_at, cancel_requested_at, cancel_sent, \
             stage_since, ceiling_micros, ceiling_currency, captured_micros, captured_currency, fault, progress \
             from jobs ",
            $rest
        )
    };
}

/// Results to fetch: providers delete them after a while, so they come first.
const DUE_COLLECTING: &str = select!(
    "where state = 'collecting' and due_at is not null and due_at <= $1 order by priority, virtual_time, id limit $2"
);
/// Jobs in the queue, but those of full providers: see [`ready`]. The plus keeps both databases from
/// reading all that is due and sorting it: they walk the queue in its order and stop at the limit.
const DUE_READY: &str = select!("where state = 'ready' and +due_at <= $1");
/// Jobs at a provider, to be looked at or looked for.
const DUE_STARTED: &str = select!(
    "where state in ('submitting', 'waiting', 'reconciling') and due_at is not null and due_at <= $1 \
     order by priority, virtual_time, id limit $2"
);
const NEXT_DUE: &str = "select min(due_at) as due_at from (\
     select min(due_at) as due_at from jobs where state = 'ready' and due_at is not null \
     union all select min(due_at) from jobs where state = 'submitting' and due_at is not null \
     union all select min(due_at) from jobs where state = 'waiting' and due_at is not null \
     union all select min(due_at) from jobs where state = 'collecting' and due_at is not null \
     union all select min(due_at) from jobs where state = 'reconciling' and due_at is not null) as each_state";

/// A job that was taken, as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct Claimed {
    /// What taking it changed; its `noted` entries are for the audit log.
    pub change: Change,
    /// The job as it is now.
    pub job: Job,
    /// Its newest attempt as it is now.
    pub attempt: Option<Attempt>,
}

/// Keeps a new job.
///
/// # Errors
/// What the database says.
pub async fn insert(tx: &mut Tx, job: &Job) -> Result<()> {
    let sql = "insert into jobs (id, generation, workspace, ordinal, kind, provider, state, priority, virtual_time, \
               run_at, lease_until, due_at, epoch, attempts_made, failures, deadline_at, cancel_requested_at, \
               cancel_sent, stage_since, ceiling_micros, ceiling_currency, captured_micros, captured_currency, \
               fault, progress) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, \
               $18, $19, $20, $21, $22, $23, $24, $25)";
    let args = args![
        job.id,
        job.generation,
        job.workspace,
        job.ordinal,
        job.kind,
        &job.provider,
        job.state,
        job.priority.level(),
        job.virtual_time,
        job.run_at,
        job.lease_until,
        due_at(job),
        job.epoch,
        job.attempts_made,
        job.failures,
        job.deadline_at,
        job.cancel_requested_at,
        job.cancel_sent,
        job.stage_since,
        job.ceiling.micros,
        job.ceiling.currency,
        job.captured.micros,
        job.captured.currency,
        opt_json(job.fault.as_ref())?,
        opt_json(job.progress.as_ref())?,
    ];
    tx.execute(sql, args).await.map(|_| ())
}

/// The jobs of a generation, first output first.
///
/// # Errors
/// What the database says.
pub async fn of_generation(read: &mut Read, generation: GenerationId) -> Result<Vec<Job>> {
    let sql = select!("where generation = $1 order by ordinal");
    read.all(sql, args![generation]).await?.iter().map(row).collect()
}

/// The jobs of a person that are not over, in all workspaces, oldest first. Found among what is open in the
/// installation: that is little beside all that a person ever asked for.
///
/// # Errors
/// What the database says.
pub async fn open_of_user(read: &mut Read, user: UserId) -> Result<Vec<Job>> {
    let sql = select!(
        "where state in ('ready', 'submitting', 'waiting', 'collecting', 'reconciling') and due_at is not null \
         and exists (select 1 from generations where generations.id = jobs.generation \
         and generations.user_id = $1) order by id"
    );
    read.all(sql, args![user]).await?.iter().map(row).collect()
}

/// One job.
///
/// # Errors
/// What the database says.
pub async fn find(read: &mut Read, id: JobId) -> Result<Option<Job>> {
    read.first(select!("where id = $1"), args![id])
        .await?
        .as_ref()
        .map(row)
        .transpose()
}

/// Takes at most `limit` (and [`MAX_CLAIM`]) jobs whose time has come: results to fetch first, then by
/// priority, place in the fair queue and age. Jobs in the queue for a provider in `full` stay there; its
/// started ones do not. A job is given to one caller only, however many ask at once.
///
/// # Errors
/// What the database says.
pub async fn claim_due(
    tx: &mut Tx,
    now: Time,
    limit: u32,
    rules: &(dyn Fn(&ProviderName) -> Rules + Sync),
    full: &[ProviderName],
) -> Result<Vec<Claimed>> {
    let limit = limit.min(MAX_CLAIM) as usize;
    let mut due = due(tx, DUE_COLLECTING, now, limit).await?;
    if due.len() < limit {
        let mut others = self::due(tx, DUE_STARTED, now, limit - due.len()).await?;
        others.extend(ready(tx, now, limit - due.len(), full).await?);
        others.sort_by_key(|job| (job.priority, job.virtual_time, job.id));
        due.extend(others);
        due.truncate(limit);
    }
    let mut claimed = Vec::with_capacity(due.len());
    for before in due {
        let newest = attempts::newest(tx, before.id).await?;
        let Some(change) = job::claim(&before, newest.as_ref(), now, &rules(&before.provider)) else {
            continue;
        };
        store(tx, &before, &change).await?;
        let attempt = change.attempt.clone().or(newest);
        claimed.push(Claimed {
            job: change.job.clone(),
            attempt,
            change,
        });
    }
    Ok(claimed)
}

async fn due(tx: &mut Tx, sql: &str, now: Time, limit: usize) -> Result<Vec<Job>> {
    let sql = format!("{sql}{}", dialect::skip_locked(tx.kind()));
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    tx.all(&sql, args![now, limit]).await?.iter().map(row).collect()
}

async fn ready(tx: &mut Tx, now: Time, limit: usize, full: &[ProviderName]) -> Result<Vec<Job>> {
    let mut args = vec![
        Arg::from(now),
        Arg::from(i64::try_from(limit).unwrap_or(i64::MAX)),
    ];
    let mut sql = DUE_READY.to_owned();
    for name in full {
        args.push(Arg::from(name));
        sql.push_str(&format!(" and provider <> ${}", args.len()));
    }
    sql.push_str(" order by priority, virtual_time, id limit $2");
    sql.push_str(dialect::skip_locked(tx.kind()));
    tx.all(&sql, &args).await?.iter().map(row).collect()
}

/// Stores a change with its attempt, if the job still has the epoch and state of `before`. A wish to
/// cancel that came in between stays. Ledger lines and audit entries are the caller's to write.
///
/// On Postgres changes of one generation wait for each other from here to the end of the transaction, so
/// that [`of_generation`] afterwards shows all of them.
///
/// # Errors
/// [`Error::Fenced`] if someone else changed the job; [`Error::Conflict`] with `attempts_one_open` if it
/// has another open attempt.
pub async fn apply(tx: &mut Tx, before: &Job, change: &Change) -> Result<()> {
    dialect::lock_generation(tx, before.generation).await?;
    store(tx, before, change).await
}

async fn store(tx: &mut Tx, before: &Job, change: &Change) -> Result<()> {
    let job = &change.job;
    let sql = "update jobs set state = $4, run_at = $5, lease_until = $6, due_at = $7, epoch = $8, \
               attempts_made = $9, failures = $10, cancel_requested_at = coalesce(cancel_requested_at, $11), \
               cancel_sent = $12, stage_since = $13, captured_micros = $14, fault = $15, progress = $16, \
               deadline_at = $17, captured_currency = $18 where id = $1 and epoch = $2 and state = $3";
    let args = args![
        before.id,
        before.epoch,
        before.state,
        job.state,
        job.run_at,
        job.lease_until,
        due_at(job),
        job.epoch,
        job.attempts_made,
        job.failures,
        job.cancel_requested_at,
        job.cancel_sent,
        job.stage_since,
        job.captured.micros,
        opt_json(job.fault.as_ref())?,
        opt_json(job.progress.as_ref())?,
        job.deadline_at,
        job.captured.currency,
    ];
    if tx.execute(sql, args).await? == 0 {
        return Err(Error::Fenced);
    }
    match &change.attempt {
        Some(attempt) => attempts::put(tx, job.workspace, attempt).await,
        None => Ok(()),
    }
}

/// Ends all leases now: on a single node they belong to earlier processes, whatever the clock says. Tells
/// how many there were.
///
/// # Errors
/// What the database says.
pub async fn void_leases(tx: &mut Tx, now: Time) -> Result<u64> {
    let sql = "update jobs set lease_until = $1, due_at = case when run_at > $1 then run_at else $1 end \
               where state in ('ready', 'submitting', 'waiting', 'collecting', 'reconciling') \
               and due_at is not null and lease_until > $1";
    tx.execute(sql, args![now]).await
}

/// When the next job may be taken: in the past if one may be taken now.
///
/// # Errors
/// What the database says.
pub async fn next_due(read: &mut Read) -> Result<Option<Time>> {
    read.one(NEXT_DUE, args![]).await?.opt_time("due_at")
}

/// How many unfinished jobs each provider has in each state.
///
/// # Errors
/// What the database says.
pub async fn counts(read: &mut Read) -> Result<Vec<(ProviderName, JobState, i64)>> {
    let sql = "select provider, state, count(*) as jobs from jobs \
               where state in ('ready', 'submitting', 'waiting', 'collecting', 'reconciling') \
               and due_at is not null group by provider, state order by provider, state";
    let rows = read.all(sql, args![]).await?;
    rows.iter()
        .map(|row| {
            Ok((
                ProviderName(row.text("provider")?.to_owned()),
                row.parsed("state")?,
                row.int("jobs")?,
            ))
        })
        .collect()
}

/// Since when the first job in the queue could have been taken; `None` if none waits.
///
/// # Errors
/// What the database says.
pub async fn oldest_ready(read: &mut Read) -> Result<Option<Time>> {
    let sql = "select min(due_at) as due_at from jobs where state = 'ready' and due_at is not null";
    read.one(sql, args![]).await?.opt_time("due_at")
}

/// How many submissions each provider may have in work: sent, running or lost.
///
/// # Errors
/// What the database says.
pub async fn in_flight(read: &mut Read) -> Result<Vec<(ProviderName, i64)>> {
    let sql = "select provider, count(*) as jobs from jobs \
               where state in ('submitting', 'waiting', 'reconciling') and due_at is not null \
               group by provider order by provider";
    let rows = read.all(sql, args![]).await?;
    rows.iter()
        .map(|row| Ok((ProviderName(row.text("provider")?.to_owned()), row.int("jobs")?)))
        .collect()
}

/// How many jobs of a workspace wait in the queue.
///
/// # Errors
/// What the database says.
pub async fn waiting_of(read: &mut Read, workspace: WorkspaceId) -> Result<i64> {
    let sql = "select count(*) as jobs from jobs where workspace = $1 and state = 'ready'";
    read.one(sql, args![workspace]).await?.int("jobs")
}

/// Has a job at a provider looked at now (or when its lease ends): a hint came. `false` if there is
/// nothing to pull forward.
///
/// # Errors
/// What the database says.
pub async fn wake(tx: &mut Tx, id: JobId, now: Time) -> Result<bool> {
    let sql = "update jobs set run_at = $2, due_at = case when lease_until > $2 then lease_until else $2 end \
               where id = $1 and state in ('waiting', 'reconciling') and run_at > $2";
    Ok(tx.execute(sql, args![id, now]).await? == 1)
}

/// From when on a job may be taken; `None` at its end. One number that an index can order.
fn due_at(job: &Job) -> Option<Time> {
    (!job.state.is_final()).then(|| job.lease_until.map_or(job.run_at, |until| until.max(job.run_at)))
}

fn row(row: &Row) -> Result<Job> {
    Ok(Job {
        id: row.parsed("id")?,
        generation: row.parsed("generation")?,
        workspace: row.parsed("workspace")?,
        ordinal: row.number("ordinal")?,
        kind: row.parsed("kind")?,
        provider: ProviderName(row.text("provider")?.to_owned()),
        state: row.parsed("state")?,
        priority: Priority::new(row.number("priority")?),
        virtual_time: row.int("virtual_time")?,
        run_at: row.time("run_at")?,
        lease_until: row.opt_time("lease_until")?,
        epoch: row.int("epoch")?,
        attempts_made: row.number("attempts_made")?,
        failures: row.number("failures")?,
        deadline_at: row.time("deadline_at")?,
        cancel_requested_at: row.opt_time("cancel_requested_at")?,
        cancel_sent: row.bool("cancel_sent")?,
        stage_since: row.time("stage_since")?,
        ceiling: row.money("ceiling_micros", "ceiling_currency")?,
        captured: row.money("captured_micros", "captured_currency")?,
        fault: row.opt_json("fault")?,
        progress: row.opt_json("progress")?,
    })
}

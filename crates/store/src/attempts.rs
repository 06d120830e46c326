//! Attempts: submissions of jobs to providers. They are written with their job (`jobs::apply`).

use crate::args;
use crate::error::{Error, Result};
use crate::tx::{Read, Tx};
use crate::value::{Row, opt_json};
use domain::capability::ProviderName;
use domain::id::{GenerationId, JobId, WorkspaceId};
use domain::job::{Attempt, AttemptState};
use domain::secret::TokenHash;

/// The columns that [`row`] reads.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select id, job, number, provider, state, token_hash, intent_at, send_by, epoch, external_id, \
             ceiling_micros, ceiling_currency, cost_micros, cost_currency, fault from attempts ",
            $rest
        )
    };
}

/// The last submission of a job.
///
/// # Errors
/// What the database says.
pub async fn newest(read: &mut Read, job: JobId) -> Result<Option<Attempt>> {
    let sql = select!("where job = $1 order by number desc limit 1");
    read.first(sql, args![job]).await?.as_ref().map(row).transpose()
}

/// All submissions of a generation, oldest first.
///
/// # Errors
/// What the database says.
pub async fn of_generation(read: &mut Read, generation: GenerationId) -> Result<Vec<Attempt>> {
    let sql = select!("where job in (select id from jobs where generation = $1) order by id");
    read.all(sql, args![generation]).await?.iter().map(row).collect()
}

/// The submission that a token belongs to.
///
/// # Errors
/// What the database says.
pub async fn by_token(read: &mut Read, hash: &TokenHash) -> Result<Option<Attempt>> {
    let sql = select!("where token_hash = $1");
    read.first(sql, args![hash.as_str()])
        .await?
        .as_ref()
        .map(row)
        .transpose()
}

/// How many attempts there are in each state.
///
/// # Errors
/// What the database says.
pub async fn count_by_state(read: &mut Read) -> Result<Vec<(AttemptState, i64)>> {
    let sql = "select state, count(*) as attempts from attempts group by state order by state";
    let rows = read.all(sql, args![]).await?;
    rows.iter()
        .map(|row| Ok((row.parsed("state")?, row.int("attempts")?)))
        .collect()
}

/// Keeps an attempt, new or changed. What it was sent as never changes.
pub(crate) async fn put(tx: &mut Tx, workspace: WorkspaceId, attempt: &Attempt) -> Result<()> {
    let sql = "insert into attempts (id, job, workspace, number, provider, state, token_hash, intent_at, send_by, \
               epoch, external_id, ceiling_micros, ceiling_currency, cost_micros, cost_currency, fault) \
               values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) \
               on conflict (id) do update set state = excluded.state, external_id = excluded.external_id, \
               cost_micros = excluded.cost_micros, cost_currency = excluded.cost_currency, fault = excluded.fault \
               where attempts.job = excluded.job";
    let args = args![
        attempt.id,
        attempt.job,
        workspace,
        attempt.number,
        &attempt.provider,
        attempt.state,
        attempt.token_hash.as_str(),
        attempt.intent_at,
        attempt.send_by,
        attempt.epoch,
        attempt.external_id.as_deref(),
        attempt.ceiling.micros,
        attempt.ceiling.currency,
        attempt.cost.map(|cost| cost.micros),
        attempt.cost.map(|cost| cost.currency),
        opt_json(attempt.fault.as_ref())?,
    ];
    match tx.execute(sql, args).await? {
        0 => Err(Error::Conflict {
            constraint: "attempts_pkey".to_owned(),
        }),
        _ => Ok(()),
    }
}

fn row(row: &Row) -> Result<Attempt> {
    Ok(Attempt {
        id: row.parsed("id")?,
        job: row.parsed("job")?,
        number: row.number("number")?,
        provider: ProviderName(row.text("provider")?.to_owned()),
        state: row.parsed("state")?,
        token_hash: TokenHash::stored(row.text("token_hash")?.to_owned()),
        intent_at: row.time("intent_at")?,
        send_by: row.time("send_by")?,
        epoch: row.int("epoch")?,
        external_id: row.opt_text("external_id")?.map(str::to_owned),
        ceiling: row.money("ceiling_micros", "ceiling_currency")?,
        cost: row.opt_money("cost_micros", "cost_currency")?,
        fault: row.opt_json("fault")?,
    })
}

/// The most ids that [`at_provider`] tells: newer ones first.
const MAX_TAKEN: u32 = 5000;

/// The ids at a provider that attempts hold, newest first, and how many open attempts there have none yet.
///
/// # Errors
/// What the database says.
pub async fn at_provider(read: &mut Read, provider: &ProviderName) -> Result<(Vec<String>, i64)> {
    let sql = "select external_id from attempts where provider = $1 and external_id is not null \
               order by id desc limit $2";
    let rows = read.all(sql, args![provider, MAX_TAKEN]).await?;
    let taken = rows
        .iter()
        .map(|row| row.text("external_id").map(str::to_owned))
        .collect::<Result<_>>()?;
    let sql = "select count(*) as attempts from attempts \
               where provider = $1 and external_id is null and state in ('intent', 'unknown')";
    Ok((taken, read.one(sql, args![provider]).await?.int("attempts")?))
}

//! The ledger: what generations reserve, cost and give back. Append-only.

use crate::args;
use crate::error::Result;
use crate::tx::{Read, Tx};
use crate::value::Row;
use domain::id::GenerationId;
use domain::ledger::{Line, Posting};
use domain::money::Money;

/// Adds a line. Each posting is there once for each reference.
///
/// # Errors
/// [`crate::Error::Conflict`] with `ledger_once` if it was booked before.
pub async fn append(tx: &mut Tx, line: &Line) -> Result<()> {
    let sql = "insert into ledger (id, at, workspace, job, attempt, reference, posting, amount_micros, \
               amount_currency) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let args = args![
        line.id,
        line.at,
        line.workspace,
        line.job,
        line.attempt,
        line.reference(),
        line.posting,
        line.amount.micros,
        line.amount.currency,
    ];
    tx.execute(sql, args).await.map(|_| ())
}

/// The lines of a generation, oldest first.
///
/// # Errors
/// What the database says.
pub async fn of_generation(read: &mut Read, generation: GenerationId) -> Result<Vec<Line>> {
    let sql = "select id, at, workspace, job, attempt, posting, amount_micros, amount_currency from ledger \
               where job in (select id from jobs where generation = $1) order by id";
    read.all(sql, args![generation]).await?.iter().map(line).collect()
}

/// The sum of each posting in each currency.
///
/// # Errors
/// What the database says.
pub async fn totals(read: &mut Read) -> Result<Vec<(Posting, Money)>> {
    let sql = "select posting, amount_currency, cast(sum(amount_micros) as bigint) as amount_micros from ledger \
               group by posting, amount_currency order by posting, amount_currency";
    let rows = read.all(sql, args![]).await?;
    rows.iter()
        .map(|row| {
            Ok((
                row.parsed("posting")?,
                row.money("amount_micros", "amount_currency")?,
            ))
        })
        .collect()
}

fn line(row: &Row) -> Result<Line> {
    Ok(Line {
        id: row.parsed("id")?,
        at: row.time("at")?,
        workspace: row.parsed("workspace")?,
        job: row.parsed("job")?,
        attempt: row.opt_parsed("attempt")?,
        posting: row.parsed("posting")?,
        amount: row.money("amount_micros", "amount_currency")?,
    })
}

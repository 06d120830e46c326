//! Quotes: prices and ceilings told before the call.

use crate::args;
use crate::error::Result;
use crate::tx::{Read, Tx};
use crate::value::json;
use domain::actor::Scope;
use domain::generation::Spec;
use domain::id::{QuoteId, UserId, WorkspaceId};
use domain::money::Money;
use domain::time::Time;

/// One quote.
#[derive(Debug, Clone, PartialEq)]
pub struct Quote {
    /// Its id.
    pub id: QuoteId,
    /// For whom.
    pub workspace: WorkspaceId,
    /// Who asked.
    pub user: UserId,
    /// For what.
    pub spec: Spec,
    /// What it should cost.
    pub price: Money,
    /// What it costs at most.
    pub ceiling: Money,
    /// When it was given.
    pub created_at: Time,
    /// Until when it holds.
    pub expires_at: Time,
}

/// Keeps a quote.
///
/// # Errors
/// What the database says.
pub async fn insert(tx: &mut Tx, quote: &Quote) -> Result<()> {
    let sql = "insert into quotes (id, workspace, user_id, spec, price_micros, price_currency, ceiling_micros, \
               ceiling_currency, created_at, expires_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let args = args![
        quote.id,
        quote.workspace,
        quote.user,
        json(&quote.spec)?,
        quote.price.micros,
        quote.price.currency,
        quote.ceiling.micros,
        quote.ceiling.currency,
        quote.created_at,
        quote.expires_at,
    ];
    tx.execute(sql, args).await.map(|_| ())
}

/// One quote, even if it no longer holds.
///
/// # Errors
/// What the database says.
pub async fn find(read: &mut Read, scope: &Scope, id: QuoteId) -> Result<Option<Quote>> {
    let sql = "select id, workspace, user_id, spec, price_micros, price_currency, ceiling_micros, ceiling_currency, \
               created_at, expires_at from quotes where id = $1 and workspace = $2 and user_id = $3";
    let args = args![id, scope.workspace(), scope.owner()];
    let Some(row) = read.first(sql, args).await? else {
        return Ok(None);
    };
    Ok(Some(Quote {
        id: row.parsed("id")?,
        workspace: row.parsed("workspace")?,
        user: row.parsed("user_id")?,
        spec: row.json("spec")?,
        price: row.money("price_micros", "price_currency")?,
        ceiling: row.money("ceiling_micros", "ceiling_currency")?,
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
    }))
}

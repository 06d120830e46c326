//! Transactions: [`Read`] asks, [`Tx`] also changes. What takes a `Tx` cannot be given a `Read`.

use crate::error::{Error, Result};
use crate::tally::Tally;
use crate::value::{Arg, Row};
use crate::{Kind, postgres, sqlite};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

pub(crate) enum Backend {
    Sqlite(rusqlite::Connection),
    Postgres(postgres::Session),
}

/// A read-only view of the database, the same from its first to its last statement.
pub struct Read {
    pub(crate) backend: Backend,
    pub(crate) tally: Arc<Tally>,
    /// The first statement that failed. A transaction with a failed statement never commits: Postgres
    /// would not allow it, and SQLite must not behave differently.
    pub(crate) failed: Option<Error>,
}

impl Read {
    pub(crate) const fn new(backend: Backend, tally: Arc<Tally>) -> Self {
        Self {
            backend,
            tally,
            failed: None,
        }
    }

    /// Which database this is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self.backend {
            Backend::Sqlite(_) => Kind::Sqlite,
            Backend::Postgres(_) => Kind::Postgres,
        }
    }

    /// All rows of a query.
    ///
    /// # Errors
    /// What the database says.
    pub async fn all(&mut self, sql: &str, args: &[Arg<'_>]) -> Result<Vec<Row>> {
        self.intact()?;
        self.tally.statement(sql);
        let rows = match &mut self.backend {
            Backend::Sqlite(connection) => sqlite::query(connection, sql, args),
            Backend::Postgres(session) => session.query(sql, args).await,
        };
        self.noted(rows)
    }

    /// The first row of a query, if there is one.
    ///
    /// # Errors
    /// What the database says.
    pub async fn first(&mut self, sql: &str, args: &[Arg<'_>]) -> Result<Option<Row>> {
        Ok(self.all(sql, args).await?.into_iter().next())
    }

    /// The row of a query that always has one.
    ///
    /// # Errors
    /// What the database says.
    pub async fn one(&mut self, sql: &str, args: &[Arg<'_>]) -> Result<Row> {
        self.first(sql, args)
            .await?
            .ok_or(Error::Broken("a row that is always there is not"))
    }

    /// After a failed statement no other runs: with a full disk SQLite has left the transaction, and a
    /// statement would commit by itself.
    fn intact(&self) -> Result<()> {
        self.failed.clone().map_or(Ok(()), Err)
    }

    pub(crate) fn noted<T>(&mut self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result {
            self.failed.get_or_insert_with(|| error.clone());
        }
        result
    }
}

/// A transaction that changes the database; it commits when the closure that got it ends well.
pub struct Tx {
    pub(crate) read: Read,
}

impl Tx {
    pub(crate) const fn new(read: Read) -> Self {
        Self { read }
    }

    /// Runs one statement and tells how many rows it changed.
    ///
    /// # Errors
    /// What the database says. A failed statement spoils the whole transaction.
    pub async fn execute(&mut self, sql: &str, args: &[Arg<'_>]) -> Result<u64> {
        self.intact()?;
        self.tally.statement(sql);
        let rows = match &mut self.read.backend {
            Backend::Sqlite(connection) => sqlite::execute(connection, sql, args),
            Backend::Postgres(session) => session.execute(sql, args).await,
        };
        self.noted(rows)
    }

    /// Runs a script of several statements: migrations.
    pub(crate) async fn script(&mut self, sql: &str) -> Result<()> {
        self.intact()?;
        self.tally.statement(sql);
        let done = match &mut self.read.backend {
            Backend::Sqlite(connection) => sqlite::script(connection, sql),
            Backend::Postgres(session) => session.script(sql).await,
        };
        self.noted(done)
    }
}

impl Deref for Tx {
    type Target = Read;
    fn deref(&self) -> &Read {
        &self.read
    }
}

impl DerefMut for Tx {
    fn deref_mut(&mut self) -> &mut Read {
        &mut self.read
    }
}

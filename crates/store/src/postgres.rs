//! Postgres: a pool of connections, statements, errors.
//!
//! Writes run *read committed*; statements that decide by what they read take a lock (`dialect`). A
//! transaction that Postgres breaks off for the sake of another (serialisation failure, deadlock) is
//! repeated whole.

use crate::error::{Error, Result};
use crate::value::{Arg, Row, Value};
use bytes::BytesMut;
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime};
use std::error::Error as _;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{NoTls, Statement};

/// The most times a transaction is run when Postgres keeps breaking it off.
pub(crate) const RUNS: u32 = 10;
/// Connections for writes, beside those for reads.
const WRITE_CONNECTIONS: u32 = 16;
/// How long to wait for a connection.
const WAIT: Duration = Duration::from_secs(5);
/// A statement that takes longer is stopped.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) const BEGIN_WRITE: &str = "begin isolation level read committed";
pub(crate) const BEGIN_READ: &str = "begin isolation level repeatable read read only";

pub(crate) fn open(url: &str, read_connections: u32) -> Result<Pool> {
    // The parser's own message may quote the URL, and a URL may hold a password.
    let mut config = tokio_postgres::Config::from_str(url).map_err(|_| {
        Error::Unreachable("the URL is not one of Postgres (postgres://user@host/name)".to_owned())
    })?;
    config.connect_timeout(WAIT);
    if config.get_application_name().is_none() {
        config.application_name("studio");
    }
    let timeouts = format!(
        "-c statement_timeout={0} -c lock_timeout={0} -c idle_in_transaction_session_timeout=30000",
        STATEMENT_TIMEOUT.as_millis()
    );
    config.options(match config.get_options() {
        Some(given) => format!("{timeouts} {given}"),
        None => timeouts,
    });
    let manager = Manager::from_config(
        config,
        NoTls,
        ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        },
    );
    let size = read_connections.max(1).saturating_add(WRITE_CONNECTIONS);
    Pool::builder(manager)
        .max_size(usize::try_from(size).unwrap_or(usize::MAX))
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(WAIT))
        .create_timeout(Some(WAIT))
        .recycle_timeout(Some(WAIT))
        .build()
        .map_err(|error| Error::Unreachable(error.to_string()))
}

/// A connection in a transaction. Dropped before its end (its caller went away), the connection is
/// closed and Postgres rolls back.
pub(crate) struct Session {
    client: Option<Object>,
    repeatable: bool,
}

impl Session {
    pub(crate) async fn begin(pool: &Pool, how: &str) -> Result<Self> {
        let client = pool.get().await.map_err(|error| match error {
            PoolError::Timeout(_) => Error::Busy,
            PoolError::Closed => Error::Closed,
            PoolError::Backend(error) => unreached(&error),
            other => Error::Unreachable(other.to_string()),
        })?;
        let session = Self {
            client: Some(client),
            repeatable: false,
        };
        session
            .client()?
            .batch_execute(how)
            .await
            .map_err(|error| mapped(&error))?;
        Ok(session)
    }

    fn client(&self) -> Result<&Object> {
        self.client.as_ref().ok_or(Error::Closed)
    }

    /// Whether Postgres broke the transaction off for the sake of another.
    pub(crate) const fn repeatable(&self) -> bool {
        self.repeatable
    }

    pub(crate) async fn end(&mut self, how: &str) -> Result<()> {
        let ended = self.client()?.batch_execute(how).await;
        match ended {
            Ok(()) => {
                // Back to the pool.
                drop(self.client.take());
                Ok(())
            }
            Err(error) => Err(self.seen(&error)),
        }
    }

    pub(crate) async fn query(&mut self, sql: &str, args: &[Arg<'_>]) -> Result<Vec<Row>> {
        let found = self.rows(sql, args).await;
        found
            .map_err(|error| self.seen(&error))
            .and_then(|rows| read(&rows))
    }

    pub(crate) async fn execute(&mut self, sql: &str, args: &[Arg<'_>]) -> Result<u64> {
        let client = self.client()?;
        let done = match client.prepare_cached(sql).await {
            Ok(statement) => client.execute(&statement, &bound(&statement, args)?).await,
            Err(error) => Err(error),
        };
        done.map_err(|error| self.seen(&error))
    }

    pub(crate) async fn script(&mut self, sql: &str) -> Result<()> {
        let done = self.client()?.batch_execute(sql).await;
        done.map_err(|error| self.seen(&error))
    }

    async fn rows(
        &self,
        sql: &str,
        args: &[Arg<'_>],
    ) -> Result<Vec<tokio_postgres::Row>, tokio_postgres::Error> {
        let Some(client) = &self.client else {
            return Ok(Vec::new());
        };
        let statement = client.prepare_cached(sql).await?;
        let args: Vec<&(dyn ToSql + Sync)> = args.iter().map(|arg| arg as &(dyn ToSql + Sync)).collect();
        client.query(&statement, &args).await
    }

    fn seen(&mut self, error: &tokio_postgres::Error) -> Error {
        let code = error.code();
        self.repeatable |= code == Some(&SqlState::T_R_SERIALIZATION_FAILURE)
            || code == Some(&SqlState::T_R_DEADLOCK_DETECTED);
        mapped(error)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(client) = self.client.take() {
            drop(Object::take(client));
        }
    }
}

fn bound<'a>(statement: &Statement, args: &'a [Arg<'_>]) -> Result<Vec<&'a (dyn ToSql + Sync)>> {
    if statement.params().len() != args.len() {
        return Err(Error::Broken("a statement has a parameter without an argument"));
    }
    Ok(args.iter().map(|arg| arg as &(dyn ToSql + Sync)).collect())
}

impl ToSql for Arg<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Arg::Null => Ok(IsNull::Yes),
            Arg::Int(value) => value.to_sql_checked(ty, out),
            Arg::Bool(value) => value.to_sql_checked(ty, out),
            Arg::Text(value) => value.as_ref().to_sql_checked(ty, out),
            Arg::Bytes(value) => value.as_ref().to_sql_checked(ty, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

fn read(found: &[tokio_postgres::Row]) -> Result<Vec<Row>> {
    let Some(first) = found.first() else {
        return Ok(Vec::new());
    };
    let columns: Arc<[String]> = first
        .columns()
        .iter()
        .map(|column| column.name().to_owned())
        .collect();
    let mut rows = Vec::with_capacity(found.len());
    for row in found {
        let mut values = Vec::with_capacity(columns.len());
        for (place, column) in row.columns().iter().enumerate() {
            let value = match *column.type_() {
                Type::VOID => Ok(None),
                Type::INT8 => row
                    .try_get::<_, Option<i64>>(place)
                    .map(|value| value.map(Value::Int)),
                Type::INT4 => row
                    .try_get::<_, Option<i32>>(place)
                    .map(|value| value.map(|value| Value::Int(i64::from(value)))),
                Type::BOOL => row
                    .try_get::<_, Option<bool>>(place)
                    .map(|value| value.map(Value::Bool)),
                Type::BYTEA => row
                    .try_get::<_, Option<Vec<u8>>>(place)
                    .map(|value| value.map(Value::Bytes)),
                _ => row
                    .try_get::<_, Option<String>>(place)
                    .map(|value| value.map(Value::Text)),
            };
            let value = value.map_err(|_| Error::Column {
                column: column.name().to_owned(),
                expected: "a text, bigint, boolean or bytes",
            })?;
            values.push(value.unwrap_or(Value::Null));
        }
        rows.push(Row::new(Arc::clone(&columns), values));
    }
    Ok(rows)
}

/// No connection could be made.
fn unreached(error: &tokio_postgres::Error) -> Error {
    if error.as_db_error().is_some() {
        return mapped(error);
    }
    let cause = error
        .source()
        .map(|cause| format!(": {cause}"))
        .unwrap_or_default();
    Error::Unreachable(format!("{error}{cause}"))
}

fn mapped(error: &tokio_postgres::Error) -> Error {
    let Some(told) = error.as_db_error() else {
        let broken = error.is_closed()
            || error
                .source()
                .is_some_and(<dyn std::error::Error>::is::<std::io::Error>);
        return if broken {
            unreached(error)
        } else {
            Error::Refused(error.to_string())
        };
    };
    let rule = || {
        told.constraint()
            .or(told.column())
            .or(told.table())
            .unwrap_or("unknown")
            .to_owned()
    };
    let code = told.code();
    if *code == SqlState::UNIQUE_VIOLATION {
        Error::Conflict { constraint: rule() }
    } else if code.code().starts_with("23") {
        Error::Rule { rule: rule() }
    } else if *code == SqlState::DISK_FULL {
        Error::NoSpace
    } else if *code == SqlState::QUERY_CANCELED {
        Error::Timeout
    } else if *code == SqlState::LOCK_NOT_AVAILABLE
        || *code == SqlState::TOO_MANY_CONNECTIONS
        || *code == SqlState::T_R_SERIALIZATION_FAILURE
        || *code == SqlState::T_R_DEADLOCK_DETECTED
    {
        Error::Busy
    } else if ["08", "28", "3D", "57"]
        .iter()
        .any(|class| code.code().starts_with(class))
    {
        Error::Unreachable(told.message().to_owned())
    } else if code.code().starts_with("22") {
        // Messages of this class quote values.
        Error::Refused(format!(
            "a value is not of its column's kind (SQLSTATE {})",
            code.code()
        ))
    } else {
        Error::Refused(format!("{} (SQLSTATE {})", told.message(), code.code()))
    }
}

//! SQLite: connections, statements, errors. The writer and the readers are in their own files.

mod readers;
mod writer;

pub(crate) use readers::Readers;
pub(crate) use writer::{Operation, Writer};

use crate::error::{Error, Result};
use crate::value::{Arg, Row, Value};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, OpenFlags, Statement, ffi};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long a connection waits for another process that holds the database.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Prepared statements that a connection keeps; more than the studio has.
const STATEMENT_CACHE: usize = 256;

const COMMON_SETTINGS: &str = "pragma foreign_keys = on; pragma trusted_schema = off; pragma cell_size_check = on; \
     pragma temp_store = memory; pragma mmap_size = 0;";
/// Durable at the end of every commit; the file of the write-ahead log is kept at its length, since
/// overwriting is quicker to sync than growing; checkpoints are the writer's own.
const WRITER_SETTINGS: &str = "pragma journal_mode = wal; pragma synchronous = full; pragma wal_autocheckpoint = 0; \
     pragma secure_delete = fast; pragma cache_size = -65536;";

fn open_writer(path: &Path) -> Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = open(path, flags)?;
    connection
        .execute_batch(WRITER_SETTINGS)
        .map_err(|error| plain(&error))?;
    connection
        .execute_batch("pragma optimize = 0x10002")
        .map_err(|error| plain(&error))?;
    Ok(connection)
}

fn open_reader(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = open(path, flags)?;
    connection
        .execute_batch("pragma query_only = on")
        .map_err(|error| plain(&error))?;
    Ok(connection)
}

fn open(path: &Path, flags: OpenFlags) -> Result<Connection> {
    let connection = Connection::open_with_flags(path, flags).map_err(|error| plain(&error))?;
    connection
        .busy_timeout(BUSY_TIMEOUT)
        .map_err(|error| plain(&error))?;
    connection.set_prepared_statement_cache_capacity(STATEMENT_CACHE);
    connection
        .execute_batch(COMMON_SETTINGS)
        .map_err(|error| plain(&error))?;
    Ok(connection)
}

struct Bound<'a>(&'a Arg<'a>);

impl rusqlite::ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Arg::Null => ValueRef::Null,
            Arg::Int(value) => ValueRef::Integer(*value),
            Arg::Bool(value) => ValueRef::Integer(i64::from(*value)),
            Arg::Text(value) => ValueRef::Text(value.as_bytes()),
            Arg::Bytes(value) => ValueRef::Blob(value),
        }))
    }
}

/// `$2` is a name to SQLite, numbered by where it first stands: it is bound by its number, not its place.
fn bind(statement: &mut Statement<'_>, args: &[Arg<'_>]) -> Result<()> {
    for place in 1..=statement.parameter_count() {
        let number = statement
            .parameter_name(place)
            .and_then(|name| name.strip_prefix('$')?.parse::<usize>().ok());
        let arg = number.and_then(|number| args.get(number.checked_sub(1)?));
        let arg = arg.ok_or(Error::Broken("a statement has a parameter without an argument"))?;
        statement
            .raw_bind_parameter(place, Bound(arg))
            .map_err(|error| plain(&error))?;
    }
    Ok(())
}

pub(crate) fn query(connection: &mut Connection, sql: &str, args: &[Arg<'_>]) -> Result<Vec<Row>> {
    let found = rows(connection, sql, args);
    found.map_err(|error| error.told(connection))
}

pub(crate) fn execute(connection: &mut Connection, sql: &str, args: &[Arg<'_>]) -> Result<u64> {
    let changed = change(connection, sql, args);
    changed.map_err(|error| error.told(connection))
}

pub(crate) fn script(connection: &mut Connection, sql: &str) -> Result<()> {
    connection
        .execute_batch(sql)
        .map_err(|error| Failure::from(error).told(connection))
}

/// A failure before it is known which unique rule it broke.
enum Failure {
    Ours(Error),
    Theirs(rusqlite::Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Ours(error)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Theirs(error)
    }
}

impl Failure {
    fn told(self, connection: &Connection) -> Error {
        match self {
            Self::Ours(error) => error,
            Self::Theirs(error) => explained(&error, connection),
        }
    }
}

fn change(connection: &Connection, sql: &str, args: &[Arg<'_>]) -> Result<u64, Failure> {
    let mut statement = connection.prepare_cached(sql)?;
    bind(&mut statement, args)?;
    Ok(statement.raw_execute()? as u64)
}

fn rows(connection: &Connection, sql: &str, args: &[Arg<'_>]) -> Result<Vec<Row>, Failure> {
    let mut statement = connection.prepare_cached(sql)?;
    bind(&mut statement, args)?;
    let columns: Arc<[String]> = statement.column_names().map(str::to_owned).collect();
    let mut found = Vec::new();
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        let mut values = Vec::with_capacity(columns.len());
        for (place, column) in columns.iter().enumerate() {
            values.push(match row.get_ref(place)? {
                ValueRef::Null => Value::Null,
                ValueRef::Integer(value) => Value::Int(value),
                ValueRef::Text(value) => Value::Text(
                    std::str::from_utf8(value)
                        .map_err(|_| Error::Column {
                            column: column.clone(),
                            expected: "UTF-8",
                        })?
                        .to_owned(),
                ),
                ValueRef::Blob(value) => Value::Bytes(value.to_vec()),
                ValueRef::Real(_) => {
                    return Err(Error::Column {
                        column: column.clone(),
                        expected: "a whole number",
                    }
                    .into());
                }
            });
        }
        found.push(Row::new(Arc::clone(&columns), values));
    }
    Ok(found)
}

/// An error outside a statement, or one that broke no unique rule.
fn plain(error: &rusqlite::Error) -> Error {
    let rusqlite::Error::SqliteFailure(code, message) = error else {
        return Error::Refused(error.to_string());
    };
    let message = message.clone().unwrap_or_else(|| code.to_string());
    match (code.code, code.extended_code) {
        (ErrorCode::DiskFull, _) | (_, ffi::SQLITE_IOERR_SHMSIZE) => Error::NoSpace,
        (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _) => Error::Busy,
        (ErrorCode::OperationInterrupted, _) => Error::Timeout,
        (ErrorCode::CannotOpen, _) => Error::Unreachable(message),
        (ErrorCode::ConstraintViolation, _) => {
            let rule = message
                .rsplit_once(": ")
                .map_or(message.as_str(), |(_, rule)| rule);
            Error::Rule {
                rule: rule.to_owned(),
            }
        }
        _ => Error::Refused(message),
    }
}

/// SQLite tells the columns of a broken unique rule; here they get the rule's name back, so that a
/// conflict reads the same on both databases.
fn explained(error: &rusqlite::Error, connection: &Connection) -> Error {
    if let rusqlite::Error::SqliteFailure(code, Some(message)) = error
        && matches!(
            code.extended_code,
            ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_ROWID
        )
    {
        let columns = message
            .rsplit_once(": ")
            .map_or(message.as_str(), |(_, columns)| columns);
        let table = columns.split('.').next().unwrap_or(columns);
        let named = unique_rule(connection, table, columns).ok().flatten();
        return Error::Conflict {
            constraint: named.unwrap_or_else(|| format!("{table}_pkey")),
        };
    }
    plain(error)
}

fn unique_rule(connection: &Connection, table: &str, columns: &str) -> rusqlite::Result<Option<String>> {
    let wanted: Vec<&str> = columns
        .split(", ")
        .filter_map(|column| column.split('.').nth(1))
        .collect();
    let mut indexes = connection.prepare_cached(
        "select name from pragma_index_list(?1) where \"unique\" = 1 and origin = 'c' order by name",
    )?;
    let mut members = connection.prepare_cached("select name from pragma_index_info(?1) order by seqno")?;
    let names = indexes
        .query_map([table], |row| row.get::<_, String>(0))?
        .collect::<Result<Vec<_>, _>>()?;
    for name in names {
        let found = members
            .query_map([&name], |row| row.get::<_, String>(0))?
            .collect::<Result<Vec<_>, _>>()?;
        if found == wanted {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

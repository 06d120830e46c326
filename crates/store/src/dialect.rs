//! Every statement that differs between the two databases, both variants one above the other. SQLite has
//! one writer, so it needs no locks.

use crate::error::Result;
use crate::tx::{Read, Tx};
use crate::{Kind, args};
use domain::id::{GenerationId, UserId};

/// An advisory lock (Postgres): one number for each kind of work that one at a time may do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lock(i64);

impl Lock {
    /// Changing the schema.
    pub(crate) const MIGRATE: Self = Self(0x5374_7564_0001);
    /// Giving events their sequence.
    pub(crate) const EVENT_SEQUENCE: Self = Self(0x5374_7564_0002);
    /// Giving audit entries their index, tiles and checkpoints.
    pub(crate) const AUDIT_SEQUENCE: Self = Self(0x5374_7564_0003);
    /// Making or unmaking administrators: the last one is never unmade, the first one is made once.
    pub(crate) const ADMINISTRATORS: Self = Self(0x5374_7564_0004);
    /// Making and turning the keys that sign access tokens.
    pub(crate) const TOKEN_KEYS: Self = Self(0x5374_7564_0005);
}

/// Holds a lock until the transaction ends.
pub(crate) async fn lock(tx: &mut Tx, lock: Lock) -> Result<()> {
    match tx.kind() {
        Kind::Sqlite => Ok(()),
        Kind::Postgres => {
            let sql = "select pg_advisory_xact_lock($1)";
            tx.all(sql, args![lock.0]).await.map(|_| ())
        }
    }
}

/// Makes changes of one generation wait for each other, so that whoever ends its last job sees that.
pub(crate) async fn lock_generation(tx: &mut Tx, id: GenerationId) -> Result<()> {
    match tx.kind() {
        Kind::Sqlite => Ok(()),
        Kind::Postgres => {
            let sql = "select id from generations where id = $1 for no key update";
            tx.all(sql, args![id]).await.map(|_| ())
        }
    }
}

/// Makes changes of what proves who somebody is wait for each other, so that of two that each leave the
/// other as the last one, the second sees that.
pub(crate) async fn lock_user(tx: &mut Tx, id: UserId) -> Result<()> {
    match tx.kind() {
        Kind::Sqlite => Ok(()),
        Kind::Postgres => {
            let sql = "select id from users where id = $1 for no key update";
            tx.all(sql, args![id]).await.map(|_| ())
        }
    }
}

/// Makes whoever would refer to an account wait until the transaction ends that may remove it.
pub(crate) async fn lock_user_to_remove(tx: &mut Tx, id: UserId) -> Result<()> {
    match tx.kind() {
        Kind::Sqlite => Ok(()),
        Kind::Postgres => {
            let sql = "select id from users where id = $1 for update";
            tx.all(sql, args![id]).await.map(|_| ())
        }
    }
}

/// The end of a query whose rows are about to be changed: rows that another has taken are left to it.
pub(crate) const fn skip_locked(kind: Kind) -> &'static str {
    match kind {
        Kind::Sqlite => "",
        Kind::Postgres => " for update skip locked",
    }
}

/// The end of the query that takes a refresh token: its session waits for whoever has it, and both are
/// read as they are then.
pub(crate) const fn lock_tokens(kind: Kind) -> &'static str {
    match kind {
        Kind::Sqlite => "",
        Kind::Postgres => " for update of refresh_tokens, sessions",
    }
}

/// Whether a table is there.
pub(crate) async fn has_table(read: &mut Read, name: &str) -> Result<bool> {
    let sql = match read.kind() {
        Kind::Sqlite => "select name from sqlite_schema where type = 'table' and name = $1",
        Kind::Postgres => "select cast(to_regclass($1) as text) as name where to_regclass($1) is not null",
    };
    Ok(read.first(sql, args![name]).await?.is_some())
}

/// Lets the rest of the transaction take as long as it needs.
pub(crate) async fn take_all_the_time(tx: &mut Tx) -> Result<()> {
    match tx.kind() {
        Kind::Sqlite => Ok(()),
        Kind::Postgres => {
            tx.script("set local statement_timeout = 0; set local lock_timeout = 0")
                .await
        }
    }
}

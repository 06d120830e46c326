//! The schema: migrations compiled in, applied in order, forward only, each with its checksum kept.

use crate::dialect::{self, Lock};
use crate::error::{Error, Result};
use crate::tx::{Read, Tx};
use crate::{Db, Kind, args};
use data_encoding::HEXLOWER;
use domain::time::Time;
use sha2::{Digest, Sha256};

/// One step of the schema, for both databases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migration {
    /// Its name, the same in both folders; names sort in the order of their application.
    pub name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

/// Every migration, oldest first.
pub const MIGRATIONS: &[Migration] = &[
    Migration {
        name: "0001_ground",
        sqlite: include_str!("../migrations/sqlite/0001_ground.sql"),
        postgres: include_str!("../migrations/postgres/0001_ground.sql"),
    },
    Migration {
        name: "0002_identity",
        sqlite: include_str!("../migrations/sqlite/0002_identity.sql"),
        postgres: include_str!("../migrations/postgres/0002_identity.sql"),
    },
];

impl Migration {
    /// Its text for this database.
    #[must_use]
    pub const fn sql(&self, kind: Kind) -> &'static str {
        match kind {
            Kind::Sqlite => self.sqlite,
            Kind::Postgres => self.postgres,
        }
    }

    /// SHA-256 of its text.
    #[must_use]
    pub fn checksum(&self, kind: Kind) -> String {
        HEXLOWER.encode(&Sha256::digest(self.sql(kind).as_bytes()))
    }
}

/// A migration that this database has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Its name.
    pub name: String,
    /// The checksum of the text that was applied.
    pub checksum: String,
    /// When.
    pub at: Time,
}

/// What the database has and what it lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// What it has, in order.
    pub applied: Vec<Applied>,
    /// What it lacks, in order.
    pub pending: Vec<Migration>,
}

impl Status {
    /// Whether the program can work with it.
    #[must_use]
    pub const fn is_current(&self) -> bool {
        self.pending.is_empty()
    }
}

/// What the database has and what it lacks.
///
/// # Errors
/// [`Error::Schema`] if it was made by a newer program or from other texts than the ones compiled in.
pub async fn status(db: &Db) -> Result<Status> {
    status_against(db, MIGRATIONS).await
}

/// What [`apply`] would do now: the missing migrations with the text that would run.
///
/// # Errors
/// As [`status`].
pub async fn plan(db: &Db) -> Result<Vec<(&'static str, &'static str)>> {
    let kind = db.kind();
    let status = status(db).await?;
    Ok(status
        .pending
        .iter()
        .map(|migration| (migration.name, migration.sql(kind)))
        .collect())
}

/// Brings the schema to what this program needs and tells which migrations ran. Each is one transaction;
/// several processes may call it at once.
///
/// # Errors
/// As [`status`], and what the database says.
pub async fn apply(db: &Db, now: Time) -> Result<Vec<&'static str>> {
    apply_from(db, MIGRATIONS, now).await
}

async fn status_against(db: &Db, known: &'static [Migration]) -> Result<Status> {
    db.read("migrate.status", move |read| Box::pin(compare(read, known)))
        .await
}

async fn apply_from(db: &Db, known: &'static [Migration], now: Time) -> Result<Vec<&'static str>> {
    let mut done = Vec::new();
    while let Some(name) = db
        .write("migrate.apply", move |tx| Box::pin(apply_next(tx, known, now)))
        .await?
    {
        tracing::info!(migration = name, "the schema was changed");
        done.push(name);
    }
    Ok(done)
}

async fn apply_next(tx: &mut Tx, known: &'static [Migration], now: Time) -> Result<Option<&'static str>> {
    dialect::take_all_the_time(tx).await?;
    dialect::lock(tx, Lock::MIGRATE).await?;
    let Some(next) = compare(tx, known).await?.pending.first().copied() else {
        return Ok(None);
    };
    let kind = tx.kind();
    tx.script(
        "create table if not exists schema_migrations (
            name text not null,
            checksum text not null,
            applied_at bigint not null,
            constraint schema_migrations_pkey primary key (name)
        )",
    )
    .await?;
    tx.script(next.sql(kind)).await?;
    let sql = "insert into schema_migrations (name, checksum, applied_at) values ($1, $2, $3)";
    tx.execute(sql, args![next.name, next.checksum(kind), now])
        .await?;
    Ok(Some(next.name))
}

async fn compare(read: &mut Read, known: &'static [Migration]) -> Result<Status> {
    let kind = read.kind();
    if !dialect::has_table(read, "schema_migrations").await? {
        return Ok(Status {
            applied: Vec::new(),
            pending: known.to_vec(),
        });
    }
    let mut applied = Vec::new();
    for row in read
        .all(
            "select name, checksum, applied_at from schema_migrations order by name",
            args![],
        )
        .await?
    {
        applied.push(Applied {
            name: row.text("name")?.to_owned(),
            checksum: row.text("checksum")?.to_owned(),
            at: row.time("applied_at")?,
        });
    }
    for (place, had) in applied.iter().enumerate() {
        let Some(ours) = known.get(place).filter(|ours| ours.name == had.name) else {
            return Err(Error::Schema(format!(
                "the database has the migration `{}`, which this program does not know: it was used by a newer \
                 program. Start that one, or restore a backup from before the update",
                had.name
            )));
        };
        if ours.checksum(kind) != had.checksum {
            return Err(Error::Schema(format!(
                "the migration `{}` was applied from another text than the one in this program. Nothing was changed. \
                 Start the program that applied it, or restore a backup; migrations are never edited once released",
                had.name
            )));
        }
    }
    let pending = known.get(applied.len()..).unwrap_or_default().to_vec();
    Ok(Status { applied, pending })
}

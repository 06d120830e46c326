//! The database: SQLite and Postgres behind one text of SQL.
//!
//! [`Db::write`] runs a closure over a [`Tx`]: durable when it returns, gone when the closure fails.
//! [`Db::read`] runs one over a [`Read`], which has no way to change anything. The modules are nouns,
//! their functions verbs: `generations::find(tx, &scope, id)`. What belongs to someone is asked for with
//! a [`domain::actor::Scope`], which only authentication makes.
//!
//! On SQLite one thread writes and lets many writes share a commit; on Postgres a write is a transaction
//! on a pooled connection. SQL is written once, with `$1`; what differs stands in `dialect`.
//!
//! Floor 1. May import: `domain`, rusqlite, tokio-postgres. Nothing of its own floor.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")
)]

#[cfg(test)]
extern crate self as store;

mod db;
mod dialect;
mod error;
#[cfg(test)]
mod plans;
mod postgres;
mod sqlite;
mod tally;
mod tx;
mod value;

pub mod api_keys;
pub mod assets;
pub mod attempts;
pub mod audit;
pub mod devices;
pub mod events;
pub mod external_identities;
pub mod factor_failures;
pub mod fair_queue;
pub mod generations;
pub mod idempotency;
pub mod invitations;
pub mod jobs;
pub mod ledger;
pub mod login_failures;
pub mod mails;
pub mod members;
pub mod migrate;
pub mod passkeys;
pub mod people;
pub mod proofs;
pub mod quotes;
pub mod recovery_codes;
pub mod refresh_tokens;
pub mod sessions;
pub mod singleton;
pub mod tickets;
pub mod token_keys;
pub mod totp;
pub mod uploads;
pub mod users;
pub mod workspaces;

pub use db::{Config, Db, Kind, Step};
pub use error::{Error, Result};
pub use tally::{BATCH_BOUNDS, SLOW_WRITE, Stats};
pub use tx::{Read, Tx};
pub use value::{Arg, Row};

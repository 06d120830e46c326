//! The contract of the store, run on SQLite always and on Postgres when `STUDIO_TEST_POSTGRES` names one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

#[macro_use]
mod bed;

mod accounts;
mod api_keys;
mod assets;
mod audit;
mod crash;
mod db;
mod entrance;
mod events;
mod factors;
mod fence;
mod full_disk;
mod generations;
mod groups;
mod jobs;
mod ledger;
mod mails;
mod migrate;
mod people;
mod queue;
mod scope;
mod sessions;
mod small;

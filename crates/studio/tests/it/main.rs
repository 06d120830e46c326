//! Tests of the binary and of what only the whole workspace can show.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod audit;
mod bad_input;
mod bed;
mod bed_sim;
mod canary;
mod chaos;
mod cli;
mod config;
mod events;
mod full_disk;
mod generations;
mod health;
mod http;
mod idempotency;
mod logging;
mod media_files;
mod on_postgres;
mod openapi;
mod stopping;
mod tidy;
mod uploads;

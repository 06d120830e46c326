//! Tests of the binary and of what only the whole workspace can show.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod api_keys;
mod audit;
mod bad_input;
mod bed;
mod bed_sim;
mod canary;
mod chaos;
mod cli;
mod config;
mod config_book;
mod csrf;
mod entrance;
mod events;
mod factors;
mod full_disk;
mod generations;
mod headers;
mod health;
mod http;
mod idempotency;
mod logging;
mod matrix;
mod media_files;
mod oidc;
mod on_postgres;
mod openapi;
mod people;
mod reading;
mod rights;
mod schemathesis;
mod standing;
mod stopping;
mod street;
mod tidy;
mod tokens;
mod uploads;

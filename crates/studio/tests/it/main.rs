//! Tests of the binary and of what only the whole workspace can show.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod bed_sim;
mod chaos;
mod config;
mod logging;
mod tidy;

//! The clients against the simulators, the published description, and the guard against every spelling.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod account;
mod canary;
mod catalogue;
mod outbound;
mod reconcile;
mod references;
mod requests;
mod results;
mod submissions;
mod support;

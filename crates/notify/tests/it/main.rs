//! Mail against servers on this machine: a whole one in another language, and one that misbehaves by script.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod misbehaving;
mod real_server;
mod support;

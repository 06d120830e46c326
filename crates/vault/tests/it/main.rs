//! Blobs and keys: what goes in comes out, nothing else does, and nothing is left behind.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod blobs;
mod damage;
mod disk_full;
mod interrupted;
mod keys;
mod support;
mod sweep;

//! The media worker as the studio uses it: a real child for every job.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod child;
mod clean;
mod foreign;
mod mutated;
mod own;
mod support;
mod video;

//! Sealed files: what goes in comes out, and nothing else does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod damage;
mod python;
mod rewrap;
mod round_trip;
mod small;
mod support;

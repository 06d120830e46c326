//! The log against published vectors, a second tree, a second verifier and random damage.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod append;
mod folder;
mod note;
mod oracle;
mod python;
mod support;
mod vectors;

//! The studio in this process, over a real database, with a clock that tests move.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    unreachable_pub,
    reason = "tests"
)]

mod bed;

mod accounts;
mod factors;
mod keys;
mod leaving;
mod login;
mod outbox;
mod passkey_login;
mod people;
mod possession;
mod refresh;
mod registration;
mod sessions;
mod token_keys;

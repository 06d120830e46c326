//! Words and rules of the studio.
//!
//! Everything here is pure: no I/O, no clock, no randomness, no async. Time, chance and identifiers
//! arrive as arguments, so that the simulator runs the very code that production runs.
//! May import: serde, jiff (formatting of instants only), hashing. Nothing of ours.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")
)]

pub mod actor;
pub mod audit;
pub mod capability;
pub mod event;
pub mod fairness;
pub mod fault;
pub mod gate;
pub mod generation;
pub mod id;
pub mod identity;
pub mod job;
pub mod ledger;
pub mod money;
pub mod retry;
pub mod rights;
pub mod screening;
pub mod secret;
pub mod time;

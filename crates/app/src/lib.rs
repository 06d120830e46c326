//! What the studio does.
//!
//! A generation travels one line of stations, forward only: admit, gate, quote and hold, route,
//! dispatch, collect, seal, settle, tell. Each station is a module of [`generations`]; each durable step
//! is one transaction whose audit entry, event and ledger lines are in it. [`work`] drives the steps.
//! May import floors 0 and 1; introduces floor-1 crates to each other. Knows no HTTP server types and
//! reads no environment.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")
)]

pub mod assets;
pub mod audit;
pub mod catalogue;
pub mod clock;
pub mod embedded;
pub mod events;
pub mod generations;
pub mod identity;
pub mod metrics;
pub mod outside;
pub mod private;
pub mod settings;
mod studio;
pub mod uploads;
pub mod work;

pub use studio::{Parts, StartError, Studio};

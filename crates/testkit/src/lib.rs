//! Fakes for tests, labelled as such. Nothing here is linked into the product.
//!
//! [`sim`] holds wire simulators of Luma's two APIs, built from the documented format, with strict request
//! checks, seeded faults and a bill: the oracle of what was really made and charged. [`simulation`] runs the
//! generation machine of crate `domain` through seeded histories of crashes, pauses and lost answers.
//! [`FixedClock`] is a time that tests set. [`media`] makes small real files. [`authenticator`] holds
//! passkeys in memory and answers a browser's calls, also in wrong ways.
//! [`foreign`] finds independent programs.
//!
//! May import axum, tokio and crate `domain`. The binary `luma-sim` runs the simulators as a process.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")
)]

pub mod authenticator;
pub mod chance;
mod clock;
pub mod foreign;
pub mod media;
pub mod sim;
pub mod simulation;

pub use clock::FixedClock;

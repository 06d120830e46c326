//! The binary: commands, configuration, logging, wiring, doctor.
//!
//! May import every crate of the workspace. The only crate that reads the environment
//! ([`config::Environment`]) and prints to the terminal.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")
)]

pub mod commands;
pub mod config;
pub mod datadir;
pub mod failure;
pub mod logging;
pub mod wiring;

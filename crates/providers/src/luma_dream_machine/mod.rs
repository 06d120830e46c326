//! Luma Dream Machine API (`api.lumalabs.ai/dream-machine/v1`): `photon-1`, `photon-flash-1`, `ray-2`,
//! `ray-flash-2`.
//!
//! References are public addresses or earlier generations; bytes are refused. A callback address carries the
//! attempt's token in its path; the list of generations echoes it, so that an attempt whose answer was lost
//! is found again. Callbacks wake us up and are believed in nothing.

mod card;
mod client;
mod list;
mod map;
mod wire;

pub(crate) use card::card;
pub use client::DreamMachine;
pub use list::{CLOCK_SKEW, MAX_PAGES, PAGE};

/// The name in configuration and API.
pub const NAME: &str = "luma-dream-machine";

//! Native inference: the bundled starter model, a small text-to-image model with the architecture of FLUX.1, and the
//! child process it runs in.
//!
//! [`prompt`] reads free Portuguese and English into the model's words, [`Starter`] draws, [`card()`] says what the
//! model can do, [`worker`] runs it in a process of its own. The layers (`nn`, `models`, `text`, `vae`, `sched`) take
//! their sizes from a configuration; larger models of the same family use the same code.
//!
//! May import the tensor crates (`candle-core`, `candle-nn`, `safetensors`, `half`), `tokio` for the worker's client,
//! and crates of floor 0. Nothing else in the workspace names the tensor crates. It reads no environment, opens no
//! file and no network connection.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")
)]

pub mod card;
pub mod config;
mod error;
pub mod models;
pub mod nn;
pub mod noise;
pub mod prompt;
mod resample;
pub mod sched;
mod starter;
pub mod text;
pub mod vae;
pub mod weights;
pub mod worker;

pub use card::{Card, card};
pub use error::EngineError;
pub use starter::{CONFIG, ENLARGEMENTS, Picture, Progress, Spec, Starter, WEIGHTS};

/// Most characters (Unicode scalar values) of a prompt.
pub const PROMPT_CHARACTERS: usize = 1000;
/// Most sampling steps of a picture.
pub const STEPS: u32 = 100;

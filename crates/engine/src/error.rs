//! What can go wrong between a prompt and a picture.

use serde::{Deserialize, Serialize};

/// An edge error of the engine. Its texts hold no part of a prompt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "code", content = "detail", rename_all = "snake_case")]
pub enum EngineError {
    /// The prompt holds no word at all.
    #[error("the prompt is empty")]
    EmptyPrompt,
    /// The prompt is longer than the model card allows.
    #[error("the prompt has {characters} characters; at most {limit} are allowed")]
    PromptTooLong {
        /// Characters (Unicode scalar values) of the prompt.
        characters: usize,
        /// The limit, [`crate::PROMPT_CHARACTERS`].
        limit: usize,
    },
    /// The card does not list this size.
    #[error("the size {width}x{height} is not supported; see the model's sizes")]
    UnsupportedSize {
        /// Requested width in pixels.
        width: u32,
        /// Requested height in pixels.
        height: u32,
    },
    /// The number of sampling steps is outside the card's limits.
    #[error("{steps} steps are not supported; between 1 and {limit} are")]
    UnsupportedSteps {
        /// Requested steps.
        steps: u32,
        /// The limit, [`crate::STEPS`].
        limit: u32,
    },
    /// The job was cancelled, by the caller or because the worker is ending.
    #[error("the generation was cancelled")]
    Cancelled,
    /// The weights or their configuration are damaged or do not fit together.
    #[error("the model's weights cannot be used: {0}")]
    Weights(String),
    /// A tensor operation failed.
    #[error("the model's computation failed: {0}")]
    Computation(String),
    /// The worker process ended before it answered.
    #[error("the engine's worker process ended before it answered")]
    WorkerDied,
    /// The worker process could not be started.
    #[error("the engine's worker process could not be started: {0}")]
    WorkerNotStarted(String),
    /// The worker process said something that the protocol does not know; it was ended.
    #[error("the engine's worker process broke the protocol: {0}")]
    Protocol(String),
    /// The job took longer than [`crate::worker::Limits::job`]; the worker was ended.
    #[error("the generation took longer than {seconds} s")]
    TimedOut {
        /// The limit in whole seconds.
        seconds: u64,
    },
    /// As many jobs wait as [`crate::worker::Limits::queue`] allows.
    #[error("the engine's queue is full")]
    Busy,
    /// The engine has been shut down.
    #[error("the engine has been shut down")]
    ShutDown,
}

impl From<candle_core::Error> for EngineError {
    fn from(error: candle_core::Error) -> Self {
        Self::Computation(error.to_string())
    }
}

//! Clients of outside engines.
//!
//! [`Provider`] is what the studio asks of an engine; [`luma`] and [`luma_dream_machine`] speak Luma's two
//! APIs; [`Registry`] makes them from configuration. [`http`] is the one place that builds HTTP clients and
//! says what came of a submission: refused, accepted, or unknown. [`outbound`] is the guard before every
//! address that comes from outside.
//!
//! May import `reqwest` (nothing else in the workspace does), `tokio`, serialisation, and crate `domain`.
//! It reads no environment, keeps nothing on disk, and never lets a key, a prompt, a link with its query or
//! a provider's raw text into an error or a log line.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")
)]

mod another_studio;
mod call;
mod codes;
mod config;
pub mod http;
pub mod luma;
pub mod luma_dream_machine;
mod media;
mod mp4;
pub mod outbound;
mod provider;
mod registry;

pub use another_studio::{AnotherStudio, AnotherStudioError};
pub use call::{Call, ForeignPermit, Input, InputBody, SendBy};
pub use codes::{Code, fault_codes};
pub use config::{Config, ProviderConfig};
pub use media::{MAX_IMAGE_BYTES, MAX_VIDEO_BYTES, MediaStream};
pub use provider::{AttemptRef, Erased, Lost, Probe, Provider, RemoteJob, RemoteOutput, Words};
pub use registry::{BuildError, Listed, Registry, card_of};

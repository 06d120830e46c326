//! Luma Agents API (`agents.lumalabs.ai/v1`): `uni-1`, `uni-1-max`, `ray-3.2`.
//!
//! There is no list, no callback and no cancellation: an answer that is lost stays unknown. References go
//! along inline or, when large, through the Files API, and are deleted as soon as their job is erased.

mod card;
mod client;
mod files;
mod map;
mod wire;

pub(crate) use card::card;
pub use client::Luma;
pub use files::{INLINE_BYTES, KEEP_FILES_FOR, MAX_IMAGE_INPUT_BYTES, MAX_VIDEO_INPUT_BYTES};

/// The name in configuration and API.
pub const NAME: &str = "luma";

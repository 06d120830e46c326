//! Foreign bytes made safe, and our own pictures and videos encoded.
//!
//! Whatever comes from outside is looked at in three places, each trusting the one before it less than
//! it could: the first bytes name the type ([`sniff()`], [`agree`]), the container is walked for size,
//! frames and hidden data without decoding a pixel, and decoding happens only in a child process with
//! lowered limits ([`worker`]) that a [`MediaWorker`] starts, feeds and ends. A file that breaks the
//! decoder ends the child; the caller gets a [`MediaError`] that says what to do.
//!
//! May import: the image and video crates (only here), tokio for the child process. Nothing of ours
//! above floor 0.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")
)]

mod animate;
mod client;
mod container;
mod error;
pub mod limits;
mod mp4;
mod picture;
mod protocol;
mod sniff;
mod still;
pub mod worker;

pub use client::MediaWorker;
pub use error::MediaError;
pub use protocol::{Animate, CameraMove, Clean, Cleaned, Encoded, Inspected, Still, StillFormat, Thumbnail};
pub use sniff::{MediaType, agree, sniff};

//! Every bound on media, with its number. Crossing one gives the [`MediaError`](crate::MediaError) named.

use std::time::Duration;

/// Largest picture file, in bytes (`TooLarge`).
pub const MAX_IMAGE_BYTES: u64 = 50 * 1024 * 1024;
/// Largest video file, in bytes (`TooLarge`).
pub const MAX_VIDEO_BYTES: u64 = 200 * 1024 * 1024;
/// Longest side of a picture or video, in pixels (`TooWide`).
pub const MAX_SIDE: u32 = 16_384;
/// Largest picture, in pixels (`TooManyPixels`).
pub const MAX_PIXELS: u64 = 100_000_000;
/// Most memory a picture decoder may ask for, in bytes (`TooMuchMemory`).
pub const MAX_DECODE_BYTES: u64 = 512 * 1024 * 1024;
/// Most frames of an animated picture (`TooManyFrames`).
pub const MAX_FRAMES: u32 = 300;
/// Most pixels of all frames of an animated picture together (`TooManyPixels`).
pub const MAX_ANIMATION_PIXELS: u64 = 200_000_000;
/// Longest video, in seconds (`TooLong`).
pub const MAX_SECONDS: f64 = 60.0;
/// Largest colour profile that is kept, in bytes; a larger one is dropped.
pub const MAX_ICC_BYTES: usize = 1024 * 1024;
/// Deepest nesting of MP4 boxes (`TooComplex`).
pub const MAX_BOX_DEPTH: usize = 16;
/// Most MP4 boxes in one file (`TooComplex`).
pub const MAX_BOXES: usize = 10_000;
/// Most samples (frames or audio packets) of one MP4 track (`TooComplex`).
pub const MAX_SAMPLES: u32 = 100_000;
/// Longest side of a thumbnail, in pixels (`BadRequest`).
pub const MAX_THUMBNAIL_SIDE: u32 = 2_048;
/// Longest side of a video we encode, in pixels (`BadRequest`).
pub const MAX_ANIMATE_SIDE: u32 = 1_920;
/// Shortest side of a video we encode, in pixels (`BadRequest`).
pub const MIN_ANIMATE_SIDE: u32 = 16;
/// Length of a video we encode, in seconds (`BadRequest`).
pub const ANIMATE_SECONDS: std::ops::RangeInclusive<f64> = 1.0..=10.0;
/// Frames per second of a video we encode.
pub const FRAMES_PER_SECOND: u32 = 24;
/// Longest header line between parent and child, in bytes.
pub const MAX_HEADER_BYTES: u64 = 64 * 1024;
/// Largest result that the parent takes from the child, in bytes (`TooLarge`).
pub const MAX_RESULT_BYTES: u64 = 256 * 1024 * 1024;
/// Address space of the child, in bytes.
pub const CHILD_ADDRESS_SPACE: u64 = 1024 * 1024 * 1024;
/// Processor time of the child, in seconds.
pub const CHILD_CPU_SECONDS: u64 = 60;
/// Open files of the child: its three streams and one to spare.
pub const CHILD_OPEN_FILES: u64 = 4;
/// How much the child stands back for other processes.
pub const CHILD_NICE: i32 = 10;
/// How long the parent waits for the child before it ends it.
pub const JOB_TIMEOUT: Duration = Duration::from_secs(120);

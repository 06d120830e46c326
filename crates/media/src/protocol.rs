//! What parent and child say to each other: one JSON line, then one run of bytes with its length in
//! front (eight bytes, little endian), each way.

use std::io::{self, BufRead, Read, Write};

use serde::{Deserialize, Serialize};

use crate::limits::MAX_HEADER_BYTES;
use crate::{MediaError, MediaType};

/// A job for the child; the bytes it is about follow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "job", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Job {
    Inspect,
    Clean(Clean),
    Thumbnail(Thumbnail),
    Still(Still),
    Animate(Animate),
}

/// The child's answer; result bytes follow (none for an inspection or an error).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    Inspected(Inspected),
    Cleaned(Cleaned),
    Encoded(Encoded),
    Error(MediaError),
}

/// How to clean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Clean {
    /// Keep a picture's colour profile (up to [`MAX_ICC_BYTES`](crate::limits::MAX_ICC_BYTES)).
    pub keep_icc: bool,
}

/// What a file is, without decoding it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inspected {
    /// Type by content.
    pub media_type: MediaType,
    /// Width in pixels, as stored (before orientation).
    pub width: u32,
    /// Height in pixels, as stored (before orientation).
    pub height: u32,
    /// Frames; 1 for a still picture.
    pub frames: u32,
    /// Length in seconds; 0 for a still picture.
    pub seconds: f64,
    /// Whether it carries EXIF, XMP, comments, private data or bytes after its end.
    pub has_metadata: bool,
}

/// What cleaning made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cleaned {
    /// Type of the result: the type that came in.
    pub media_type: MediaType,
    /// Width of the result in pixels, after orientation.
    pub width: u32,
    /// Height of the result in pixels, after orientation.
    pub height: u32,
    /// Frames of the result.
    pub frames: u32,
    /// Length in seconds.
    pub seconds: f64,
    /// Whether metadata or foreign bytes were dropped.
    pub dropped: bool,
}

/// What encoding made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Encoded {
    /// Type of the result.
    pub media_type: MediaType,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Frames.
    pub frames: u32,
    /// Length in seconds; 0 for a picture.
    pub seconds: f64,
}

/// Picture formats we write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StillFormat {
    /// PNG.
    Png,
    /// WebP, lossless.
    #[serde(rename = "webp")]
    WebP,
}

/// A small version of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thumbnail {
    /// Longest side of the result in pixels; a smaller picture is not enlarged.
    pub max_side: u32,
    /// Format of the result.
    pub format: StillFormat,
}

/// Our own RGB8 pixels, row by row, to be written as a picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Still {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Format of the result.
    pub format: StillFormat,
    /// What the file says about itself, for example `AI generated; demo model studio-tiny`.
    pub description: String,
}

/// How the camera moves over a still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CameraMove {
    /// Towards the middle, drifting up.
    PushIn,
    /// Away from the middle.
    PullOut,
    /// From the right to the left edge, slightly closer.
    PanLeft,
    /// From the left to the right edge, slightly closer.
    PanRight,
}

impl CameraMove {
    /// The move for a seed, so that the same request gives the same video.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        match seed % 4 {
            0 => Self::PushIn,
            1 => Self::PullOut,
            2 => Self::PanLeft,
            _ => Self::PanRight,
        }
    }
}

/// Our own RGB8 pixels, row by row, to be shown by a moving camera for some seconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Animate {
    /// Width of the still in pixels.
    pub width: u32,
    /// Height of the still in pixels.
    pub height: u32,
    /// Width of the video in pixels, even.
    pub out_width: u32,
    /// Height of the video in pixels, even.
    pub out_height: u32,
    /// Length of the video in seconds.
    pub seconds: f64,
    /// The camera's way.
    pub camera: CameraMove,
    /// Title in the file; should say that this is an animated still.
    pub title: String,
}

/// Writes one message.
pub(crate) fn write_message(mut output: impl Write, header: &impl Serialize, bytes: &[u8]) -> io::Result<()> {
    let mut line = serde_json::to_vec(header)?;
    line.push(b'\n');
    output.write_all(&line)?;
    output.write_all(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes())?;
    output.write_all(bytes)?;
    output.flush()
}

/// Reads one message whose bytes are at most `limit`.
pub(crate) fn read_message<T: for<'de> Deserialize<'de>>(
    mut input: impl BufRead,
    limit: u64,
) -> Result<(T, Vec<u8>), MediaError> {
    let protocol = |what: &str| MediaError::Protocol {
        what: what.to_owned(),
    };
    let mut line = Vec::new();
    input
        .by_ref()
        .take(MAX_HEADER_BYTES)
        .read_until(b'\n', &mut line)
        .map_err(|_| protocol("no header line"))?;
    if line.last() != Some(&b'\n') {
        return Err(protocol("the header line is cut or too long"));
    }
    let header = serde_json::from_slice(&line).map_err(|_| protocol("the header is not understood"))?;
    let mut length = [0; 8];
    input.read_exact(&mut length).map_err(|_| protocol("no length"))?;
    let length = u64::from_le_bytes(length);
    if length > limit {
        return Err(MediaError::TooLarge { bytes: length, limit });
    }
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(usize::try_from(length).unwrap_or(usize::MAX))
        .map_err(|_| MediaError::TooMuchMemory)?;
    input
        .take(length)
        .read_to_end(&mut bytes)
        .map_err(|_| protocol("the bytes could not be read"))?;
    if u64::try_from(bytes.len()) != Ok(length) {
        return Err(protocol("the bytes end too early"));
    }
    Ok((header, bytes))
}

//! What can go wrong with media, said so that a person can act on it.

use serde::{Deserialize, Serialize};

use crate::MediaType;

/// Why a file was not accepted or a job did not finish. Travels from the child to the parent as JSON.
#[derive(Debug, Clone, PartialEq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum MediaError {
    /// The first bytes belong to none of the accepted types.
    #[error("not a PNG, JPEG, WebP, GIF, MP4 or WebM file")]
    UnknownType,
    /// Declared type, file name and first bytes do not agree.
    #[error("declared as {declared} but the content is {found}")]
    TypeMismatch {
        /// What the caller said.
        declared: String,
        /// What the bytes are.
        found: MediaType,
    },
    /// An accepted type that this job cannot handle.
    #[error("{media_type} is not supported here")]
    Unsupported {
        /// The type.
        media_type: MediaType,
    },
    /// An animated PNG or WebP; only GIF animations are re-encoded.
    #[error("animated {media_type} is not supported")]
    Animated {
        /// The type.
        media_type: MediaType,
    },
    /// Fragmented MP4 (with `moof` boxes).
    #[error("fragmented MP4 is not supported")]
    Fragmented,
    /// An MP4 track that is neither video nor audio.
    #[error("the video has a track that is neither video nor audio")]
    UnsupportedTrack,
    /// More bytes than allowed.
    #[error("{bytes} bytes, at most {limit}")]
    TooLarge {
        /// Size found.
        bytes: u64,
        /// Size allowed.
        limit: u64,
    },
    /// A side longer than allowed.
    #[error("{width}x{height} pixels, at most {limit} on a side")]
    TooWide {
        /// Width found.
        width: u32,
        /// Height found.
        height: u32,
        /// Side allowed.
        limit: u32,
    },
    /// More pixels than allowed.
    #[error("{pixels} pixels, at most {limit}")]
    TooManyPixels {
        /// Pixels found.
        pixels: u64,
        /// Pixels allowed.
        limit: u64,
    },
    /// More frames than allowed.
    #[error("{frames} frames, at most {limit}")]
    TooManyFrames {
        /// Frames found.
        frames: u32,
        /// Frames allowed.
        limit: u32,
    },
    /// Longer than allowed.
    #[error("{seconds:.1} s, at most {limit} s")]
    TooLong {
        /// Length found.
        seconds: f64,
        /// Length allowed.
        limit: f64,
    },
    /// More nesting, boxes or samples than allowed.
    #[error("too complex: more than {limit} {what}")]
    TooComplex {
        /// What there is too much of.
        what: String,
        /// How much is allowed.
        limit: u64,
    },
    /// Decoding asked for more memory than the child may have.
    #[error("needs more memory than the media worker may use")]
    TooMuchMemory,
    /// Truncated, or its parts contradict each other.
    #[error("damaged file: {what}")]
    Damaged {
        /// What is wrong, without content of the file.
        what: String,
    },
    /// The caller's own parameters do not fit.
    #[error("bad media job: {what}")]
    BadRequest {
        /// What does not fit.
        what: String,
    },
    /// Our encoder failed.
    #[error("encoding failed: {what}")]
    Encode {
        /// What the encoder said.
        what: String,
    },
    /// The child could not lower its limits and refused to work.
    #[error("the media worker could not lower its limits: {what}")]
    NotCapped {
        /// Which limit.
        what: String,
    },
    /// The child could not be started.
    #[error("the media worker did not start: {what}")]
    NotStarted {
        /// What the system said.
        what: String,
    },
    /// The child took too long and was ended.
    #[error("the media worker took longer than {seconds} s")]
    TimedOut {
        /// Time allowed.
        seconds: u64,
    },
    /// The child ended without an answer.
    #[error("the media worker ended without an answer")]
    Died {
        /// Signal that ended it, when there was one.
        signal: Option<i32>,
    },
    /// Parent and child did not understand each other.
    #[error("the media worker answered unexpectedly: {what}")]
    Protocol {
        /// What was wrong.
        what: String,
    },
}

impl MediaError {
    /// Stable code under which the catalogues keep the text for this error.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownType => "media.unknown_type",
            Self::TypeMismatch { .. } => "media.type_mismatch",
            Self::Unsupported { .. } => "media.unsupported",
            Self::Animated { .. } => "media.animated",
            Self::Fragmented => "media.fragmented",
            Self::UnsupportedTrack => "media.unsupported_track",
            Self::TooLarge { .. } => "media.too_large",
            Self::TooWide { .. } => "media.too_wide",
            Self::TooManyPixels { .. } => "media.too_many_pixels",
            Self::TooManyFrames { .. } => "media.too_many_frames",
            Self::TooLong { .. } => "media.too_long",
            Self::TooComplex { .. } => "media.too_complex",
            Self::TooMuchMemory => "media.too_much_memory",
            Self::Damaged { .. } => "media.damaged",
            Self::BadRequest { .. } => "media.bad_request",
            Self::Encode { .. } => "media.encode",
            Self::NotCapped { .. } => "media.not_capped",
            Self::NotStarted { .. } => "media.not_started",
            Self::TimedOut { .. } => "media.timed_out",
            Self::Died { .. } => "media.died",
            Self::Protocol { .. } => "media.protocol",
        }
    }

    /// What a person can do about it.
    #[must_use]
    pub fn advice(&self) -> &'static str {
        match self {
            Self::UnknownType | Self::Unsupported { .. } => {
                "Send a PNG, JPEG, WebP or GIF picture, or an MP4 video."
            }
            Self::TypeMismatch { .. } => {
                "Give the file the name and type of its real content and send it again."
            }
            Self::Animated { .. } => "Send a still picture, a GIF or an MP4 video.",
            Self::Fragmented => "Export the video as an ordinary MP4 with one index (fast start).",
            Self::UnsupportedTrack => "Export the video again with picture and sound only.",
            Self::TooLarge { .. } => "Make the file smaller and send it again.",
            Self::TooWide { .. } | Self::TooManyPixels { .. } | Self::TooMuchMemory => {
                "Reduce the width and height and send it again."
            }
            Self::TooManyFrames { .. } => "Shorten the animation, or send it as an MP4 video.",
            Self::TooLong { .. } => "Cut the video shorter and send it again.",
            Self::TooComplex { .. } | Self::Damaged { .. } => {
                "Open the file in an editor, export it again and send the new file."
            }
            Self::BadRequest { .. } => "Correct the parameters of the call.",
            Self::Died { .. } | Self::TimedOut { .. } => {
                "Export the file again and retry; if it happens again the file cannot be used."
            }
            Self::Encode { .. } | Self::Protocol { .. } => {
                "Retry; if it happens again report it with the id of the request."
            }
            Self::NotCapped { .. } | Self::NotStarted { .. } => {
                "Run `studio doctor`: the media worker must be able to start and to lower its limits."
            }
        }
    }

    /// Whether the file is at fault, as opposed to the studio or the machine.
    #[must_use]
    pub fn is_about_the_file(&self) -> bool {
        match self {
            Self::UnknownType
            | Self::TypeMismatch { .. }
            | Self::Unsupported { .. }
            | Self::Animated { .. }
            | Self::Fragmented
            | Self::UnsupportedTrack
            | Self::TooLarge { .. }
            | Self::TooWide { .. }
            | Self::TooManyPixels { .. }
            | Self::TooManyFrames { .. }
            | Self::TooLong { .. }
            | Self::TooComplex { .. }
            | Self::TooMuchMemory
            | Self::Damaged { .. } => true,
            Self::BadRequest { .. }
            | Self::Encode { .. }
            | Self::NotCapped { .. }
            | Self::NotStarted { .. }
            | Self::TimedOut { .. }
            | Self::Died { .. }
            | Self::Protocol { .. } => false,
        }
    }

    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged { what: what.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_travel_as_json_and_carry_their_code() {
        let errors = [
            MediaError::UnknownType,
            MediaError::TypeMismatch {
                declared: "image/png".to_owned(),
                found: MediaType::Gif,
            },
            MediaError::TooLong {
                seconds: 61.5,
                limit: 60.0,
            },
            MediaError::Died { signal: Some(9) },
        ];
        for error in errors {
            let json = serde_json::to_value(&error).unwrap();
            let kind = json["kind"].as_str().unwrap();
            assert_eq!(error.code(), format!("media.{kind}"));
            assert_eq!(serde_json::from_value::<MediaError>(json).unwrap(), error);
        }
    }
}

//! Which type some bytes are, by what they begin with, and whether that is what was claimed.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::MediaError;
use crate::limits::{MAX_IMAGE_BYTES, MAX_VIDEO_BYTES};

/// The types that are accepted from outside. Everything else is refused by not being here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MediaType {
    /// Portable Network Graphics.
    #[serde(rename = "image/png")]
    Png,
    /// JPEG.
    #[serde(rename = "image/jpeg")]
    Jpeg,
    /// WebP.
    #[serde(rename = "image/webp")]
    WebP,
    /// Graphics Interchange Format.
    #[serde(rename = "image/gif")]
    Gif,
    /// MPEG-4 part 14.
    #[serde(rename = "video/mp4")]
    Mp4,
    /// WebM.
    #[serde(rename = "video/webm")]
    WebM,
}

impl MediaType {
    /// Every accepted type.
    pub const ALL: [Self; 6] = [
        Self::Png,
        Self::Jpeg,
        Self::WebP,
        Self::Gif,
        Self::Mp4,
        Self::WebM,
    ];

    /// Media type as in `Content-Type`.
    #[must_use]
    pub fn mime(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::WebP => "image/webp",
            Self::Gif => "image/gif",
            Self::Mp4 => "video/mp4",
            Self::WebM => "video/webm",
        }
    }

    /// Usual file name ending, without the dot.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpg",
            Self::WebP => "webp",
            Self::Gif => "gif",
            Self::Mp4 => "mp4",
            Self::WebM => "webm",
        }
    }

    /// Whether it is a video container.
    #[must_use]
    pub fn is_video(self) -> bool {
        matches!(self, Self::Mp4 | Self::WebM)
    }

    /// Largest file of this type, in bytes.
    #[must_use]
    pub fn max_bytes(self) -> u64 {
        if self.is_video() {
            MAX_VIDEO_BYTES
        } else {
            MAX_IMAGE_BYTES
        }
    }

    fn from_mime(mime: &str) -> Option<Self> {
        let essence = mime.split(';').next().unwrap_or_default().trim();
        Self::ALL
            .into_iter()
            .find(|media_type| essence.eq_ignore_ascii_case(media_type.mime()))
            .or_else(|| essence.eq_ignore_ascii_case("image/jpg").then_some(Self::Jpeg))
    }

    fn from_extension(extension: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|media_type| extension.eq_ignore_ascii_case(media_type.extension()))
            .or_else(|| match extension.to_ascii_lowercase().as_str() {
                "jpeg" | "jpe" => Some(Self::Jpeg),
                "m4v" => Some(Self::Mp4),
                _ => None,
            })
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.mime())
    }
}

/// Major brands of MP4 files that browsers play. HEIC, AVIF and QuickTime share the layout but not the
/// decoders and stay out.
const MP4_BRANDS: [&[u8; 4]; 15] = [
    b"isom", b"iso2", b"iso3", b"iso4", b"iso5", b"iso6", b"iso7", b"iso8", b"iso9", b"mp41", b"mp42",
    b"avc1", b"M4V ", b"MSNV", b"dash",
];

/// Names the type of `bytes` by its first bytes; `None` for everything that is not accepted.
///
/// ```
/// assert_eq!(media::sniff(b"GIF89a..."), Some(media::MediaType::Gif));
/// assert_eq!(media::sniff(b"\x7fELF\x02\x01\x01"), None);
/// ```
#[must_use]
pub fn sniff(bytes: &[u8]) -> Option<MediaType> {
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        Some(MediaType::Png)
    } else if bytes.starts_with(b"\xff\xd8\xff") {
        Some(MediaType::Jpeg)
    } else if bytes.starts_with(b"GIF87a") || bytes.starts_with(b"GIF89a") {
        Some(MediaType::Gif)
    } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        Some(MediaType::WebP)
    } else if bytes.get(4..8) == Some(b"ftyp")
        && MP4_BRANDS
            .iter()
            .any(|brand| bytes.get(8..12) == Some(brand.as_slice()))
    {
        Some(MediaType::Mp4)
    } else if bytes.starts_with(b"\x1a\x45\xdf\xa3") {
        // EBML: DocType (0x4282) with the value "webm", not "matroska", early in the header.
        let head = bytes.get(..bytes.len().min(64)).unwrap_or_default();
        head.windows(7)
            .any(|window| window == b"\x42\x82\x84webm")
            .then_some(MediaType::WebM)
    } else {
        None
    }
}

/// Checks that declared type, file name ending and first bytes agree, and that the size is allowed.
/// An absent declaration or a name without an ending claims nothing.
///
/// # Errors
/// `UnknownType`, `TypeMismatch` or `TooLarge`.
pub fn agree(declared: Option<&str>, file_name: Option<&str>, bytes: &[u8]) -> Result<MediaType, MediaError> {
    let found = sniff(bytes).ok_or(MediaError::UnknownType)?;
    let mismatch = |declared: &str| MediaError::TypeMismatch {
        declared: declared.chars().take(80).collect(),
        found,
    };
    // A client that does not know says octet-stream; that is no claim.
    if let Some(declared) = declared.filter(|mime| *mime != "application/octet-stream")
        && MediaType::from_mime(declared) != Some(found)
    {
        return Err(mismatch(declared));
    }
    if let Some((_, extension)) = file_name.and_then(|name| name.rsplit_once('.'))
        && MediaType::from_extension(extension) != Some(found)
    {
        return Err(mismatch(&format!(".{extension}")));
    }
    check_bytes(found, bytes.len())?;
    Ok(found)
}

pub(crate) fn check_bytes(media_type: MediaType, len: usize) -> Result<(), MediaError> {
    let bytes = u64::try_from(len).unwrap_or(u64::MAX);
    let limit = media_type.max_bytes();
    if bytes > limit {
        return Err(MediaError::TooLarge { bytes, limit });
    }
    Ok(())
}

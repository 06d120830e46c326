//! Foreign pictures decoded within limits and written again from their pixels alone.

use std::io::Cursor;

use image::codecs::gif::{GifDecoder, GifEncoder, Repeat};
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::{
    AnimationDecoder, DynamicImage, ImageDecoder, ImageEncoder, ImageError, ImageFormat, ImageReader, Limits,
    imageops,
};

use crate::limits::{MAX_DECODE_BYTES, MAX_FRAMES, MAX_ICC_BYTES, MAX_SIDE, MAX_THUMBNAIL_SIDE};
use crate::protocol::{Clean, Cleaned, Encoded, StillFormat, Thumbnail};
use crate::{MediaError, MediaType, container};

/// Quality of a JPEG that is written again: high enough that nobody sees it was.
const JPEG_QUALITY: u8 = 92;
/// Speed of colour reduction for GIF frames with more than 256 colours (1 best, 30 fastest).
const GIF_SPEED: i32 = 10;

/// Decodes and writes again in the same format; only pixels (and the colour profile on request) survive.
pub(crate) fn clean(
    media_type: MediaType,
    bytes: &[u8],
    how: Clean,
) -> Result<(Cleaned, Vec<u8>), MediaError> {
    let found = container::scan(media_type, bytes)?;
    let mut cleaned = Cleaned {
        media_type,
        width: found.width,
        height: found.height,
        frames: found.frames,
        seconds: found.seconds,
        dropped: found.has_metadata,
    };
    if found.frames > 1 {
        if media_type != MediaType::Gif {
            return Err(MediaError::Animated { media_type });
        }
        return Ok((cleaned, reencode_gif(bytes)?));
    }
    let (picture, icc) = decode(media_type, bytes)?;
    cleaned.width = picture.width();
    cleaned.height = picture.height();
    let icc = icc.filter(|icc| how.keep_icc && icc.len() <= MAX_ICC_BYTES);
    let result = encode(media_type, &picture, icc)?;
    Ok((cleaned, result))
}

/// Decodes, scales down to `max_side` and writes a small version. The first frame of an animated GIF.
pub(crate) fn thumbnail(
    media_type: MediaType,
    bytes: &[u8],
    how: Thumbnail,
) -> Result<(Encoded, Vec<u8>), MediaError> {
    if how.max_side == 0 || how.max_side > MAX_THUMBNAIL_SIDE {
        return Err(MediaError::BadRequest {
            what: format!("max_side must be 1 to {MAX_THUMBNAIL_SIDE}"),
        });
    }
    container::scan(media_type, bytes)?;
    let (picture, _) = decode(media_type, bytes)?;
    let small = if picture.width().max(picture.height()) > how.max_side {
        let rgba = picture.color().has_alpha();
        // An area average first (`thumbnail`) and a filter for the last halving: fast and free of moiré.
        let rough = picture.thumbnail(how.max_side.saturating_mul(2), how.max_side.saturating_mul(2));
        let small = rough.resize(how.max_side, how.max_side, imageops::FilterType::CatmullRom);
        if rgba {
            DynamicImage::ImageRgba8(small.to_rgba8())
        } else {
            DynamicImage::ImageRgb8(small.to_rgb8())
        }
    } else {
        picture
    };
    let media_type = match how.format {
        StillFormat::Png => MediaType::Png,
        StillFormat::WebP => MediaType::WebP,
    };
    let result = encode(media_type, &small, None)?;
    let encoded = Encoded {
        media_type,
        width: small.width(),
        height: small.height(),
        frames: 1,
        seconds: 0.0,
    };
    Ok((encoded, result))
}

/// Decodes one picture within the limits and turns it upright. Also returns its colour profile.
fn decode(media_type: MediaType, bytes: &[u8]) -> Result<(DynamicImage, Option<Vec<u8>>), MediaError> {
    let format = match media_type {
        MediaType::Png => ImageFormat::Png,
        MediaType::Jpeg => ImageFormat::Jpeg,
        MediaType::WebP => ImageFormat::WebP,
        MediaType::Gif => ImageFormat::Gif,
        MediaType::Mp4 | MediaType::WebM => return Err(MediaError::Unsupported { media_type }),
    };
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(decode_limits());
    let mut decoder = reader.into_decoder().map_err(decode_error)?;
    let (width, height) = decoder.dimensions();
    container::check_size(width, height)?;
    if decoder.total_bytes() > MAX_DECODE_BYTES {
        return Err(MediaError::TooMuchMemory);
    }
    // A broken orientation or profile is no reason to refuse the pixels.
    let orientation = decoder.orientation().ok();
    let icc = decoder.icc_profile().ok().flatten();
    let mut picture = DynamicImage::from_decoder(decoder).map_err(decode_error)?;
    if let Some(orientation) = orientation {
        picture.apply_orientation(orientation);
    }
    Ok((picture, icc))
}

fn encode(
    media_type: MediaType,
    picture: &DynamicImage,
    icc: Option<Vec<u8>>,
) -> Result<Vec<u8>, MediaError> {
    let mut result = Vec::new();
    match media_type {
        MediaType::Jpeg => {
            let encoder = JpegEncoder::new_with_quality(&mut result, JPEG_QUALITY);
            if matches!(picture, DynamicImage::ImageLuma8(_)) {
                write(encoder, picture, icc)
            } else {
                write(encoder, &DynamicImage::ImageRgb8(picture.to_rgb8()), icc)
            }
        }
        MediaType::Png => write(PngEncoder::new(&mut result), picture, icc),
        MediaType::WebP => {
            let encoder = WebPEncoder::new_lossless(&mut result);
            match picture {
                DynamicImage::ImageLuma8(_)
                | DynamicImage::ImageLumaA8(_)
                | DynamicImage::ImageRgb8(_)
                | DynamicImage::ImageRgba8(_) => write(encoder, picture, icc),
                _ => write(encoder, &DynamicImage::ImageRgba8(picture.to_rgba8()), icc),
            }
        }
        MediaType::Gif => GifEncoder::new_with_speed(&mut result, GIF_SPEED)
            .encode_frame(image::Frame::new(picture.to_rgba8())),
        MediaType::Mp4 | MediaType::WebM => return Err(MediaError::Unsupported { media_type }),
    }
    .map_err(encode_error)?;
    Ok(result)
}

fn write(
    mut encoder: impl ImageEncoder,
    picture: &DynamicImage,
    icc: Option<Vec<u8>>,
) -> Result<(), ImageError> {
    if let Some(icc) = icc {
        encoder.set_icc_profile(icc).map_err(ImageError::Unsupported)?;
    }
    encoder.write_image(
        picture.as_bytes(),
        picture.width(),
        picture.height(),
        picture.color().into(),
    )
}

fn reencode_gif(bytes: &[u8]) -> Result<Vec<u8>, MediaError> {
    let mut decoder = GifDecoder::new(Cursor::new(bytes)).map_err(decode_error)?;
    decoder.set_limits(decode_limits()).map_err(decode_error)?;
    let mut result = Vec::new();
    {
        let mut encoder = GifEncoder::new_with_speed(&mut result, GIF_SPEED);
        encoder.set_repeat(Repeat::Infinite).map_err(encode_error)?;
        let mut frames = 0;
        for frame in decoder.into_frames() {
            frames += 1;
            if frames > MAX_FRAMES {
                return Err(MediaError::TooManyFrames {
                    frames,
                    limit: MAX_FRAMES,
                });
            }
            let frame = frame.map_err(decode_error)?;
            encoder.encode_frame(frame).map_err(encode_error)?;
        }
    }
    Ok(result)
}

fn decode_limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_DECODE_BYTES);
    limits
}

// By value because `map_err` hands errors over.
#[expect(clippy::needless_pass_by_value, reason = "handed over by map_err")]
fn decode_error(error: ImageError) -> MediaError {
    match error {
        ImageError::Limits(_) => MediaError::TooMuchMemory,
        ImageError::Decoding(_)
        | ImageError::Encoding(_)
        | ImageError::Parameter(_)
        | ImageError::Unsupported(_)
        | ImageError::IoError(_) => MediaError::damaged("the picture cannot be decoded"),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "handed over by map_err")]
fn encode_error(error: ImageError) -> MediaError {
    MediaError::Encode {
        what: error.to_string(),
    }
}

//! Picture containers walked without decoding: size, frames, and whether they carry anything else.

use crate::limits::{MAX_ANIMATION_PIXELS, MAX_FRAMES, MAX_PIXELS, MAX_SIDE};
use crate::{MediaError, MediaType};

/// What the container of a picture says about itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Container {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// 1 for a still picture.
    pub(crate) frames: u32,
    /// Sum of the frame delays, in seconds; 0 for a still picture.
    pub(crate) seconds: f64,
    /// EXIF, XMP, comments, private chunks, or bytes after the end.
    pub(crate) has_metadata: bool,
}

/// Walks the container and checks size, pixels and frames against the limits.
pub(crate) fn scan(media_type: MediaType, bytes: &[u8]) -> Result<Container, MediaError> {
    let found = match media_type {
        MediaType::Png => png(bytes),
        MediaType::Jpeg => jpeg(bytes),
        MediaType::WebP => webp(bytes),
        MediaType::Gif => gif(bytes),
        MediaType::Mp4 | MediaType::WebM => return Err(MediaError::Unsupported { media_type }),
    }?;
    check_size(found.width, found.height)?;
    if found.frames > MAX_FRAMES {
        return Err(MediaError::TooManyFrames {
            frames: found.frames,
            limit: MAX_FRAMES,
        });
    }
    let pixels = u64::from(found.width) * u64::from(found.height) * u64::from(found.frames);
    if found.frames > 1 && pixels > MAX_ANIMATION_PIXELS {
        return Err(MediaError::TooManyPixels {
            pixels,
            limit: MAX_ANIMATION_PIXELS,
        });
    }
    Ok(found)
}

/// Checks one picture's size.
pub(crate) fn check_size(width: u32, height: u32) -> Result<(), MediaError> {
    if width == 0 || height == 0 {
        return Err(MediaError::damaged("a side of zero pixels"));
    }
    if width > MAX_SIDE || height > MAX_SIDE {
        return Err(MediaError::TooWide {
            width,
            height,
            limit: MAX_SIDE,
        });
    }
    let pixels = u64::from(width) * u64::from(height);
    if pixels > MAX_PIXELS {
        return Err(MediaError::TooManyPixels {
            pixels,
            limit: MAX_PIXELS,
        });
    }
    Ok(())
}

/// Reads forward through bytes; every read past the end is a truncation.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], MediaError> {
        let end = self.at.checked_add(len);
        let piece = end
            .and_then(|end| self.bytes.get(self.at..end))
            .ok_or_else(|| MediaError::damaged("the file ends too early"))?;
        self.at += len;
        Ok(piece)
    }

    fn byte(&mut self) -> Result<u8, MediaError> {
        self.take(1).map(|piece| piece[0])
    }

    fn left(&self) -> usize {
        self.bytes.len() - self.at
    }
}

fn be32(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .take(4)
        .fold(0, |sum, &byte| sum << 8 | u32::from(byte))
}

fn le(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .rev()
        .fold(0, |sum, &byte| sum << 8 | u32::from(byte))
}

fn index(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

fn png(bytes: &[u8]) -> Result<Container, MediaError> {
    // Chunks that describe the picture itself; all others are metadata.
    const PICTURE: [&[u8; 4]; 18] = [
        b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"bKGD", b"pHYs",
        b"iCCP", b"cICP", b"mDCV", b"cLLI", b"acTL", b"fcTL", b"fdAT",
    ];
    let mut reader = Reader::new(bytes, 8);
    let (mut size, mut frames, mut seconds, mut metadata) = (None, 0, 0.0, false);
    loop {
        let length = index(be32(reader.take(4)?));
        let kind = reader.take(4)?;
        let data = reader.take(length)?;
        reader.take(4)?;
        match (kind, size) {
            (b"IHDR", None) if length == 13 => size = Some((be32(data), be32(&data[4..]))),
            (_, None) => return Err(MediaError::damaged("the PNG does not begin with its header")),
            (b"fcTL", _) if length == 26 => {
                frames += 1;
                let delay = f64::from(le(&[data[21], data[20]]));
                let unit = f64::from(le(&[data[23], data[22]]));
                seconds += delay / if unit > 0.0 { unit } else { 100.0 };
            }
            (b"IEND", _) => break,
            _ => metadata |= !PICTURE.iter().any(|known| kind == known.as_slice()),
        }
    }
    let (width, height) = size.unwrap_or_default();
    Ok(Container {
        width,
        height,
        frames: frames.max(1),
        seconds: if frames > 1 { seconds } else { 0.0 },
        has_metadata: metadata || reader.left() > 0,
    })
}

fn jpeg(bytes: &[u8]) -> Result<Container, MediaError> {
    let mut reader = Reader::new(bytes, 2);
    let (mut size, mut metadata) = (None, false);
    loop {
        if reader.byte()? != 0xFF {
            return Err(MediaError::damaged("a JPEG marker is missing"));
        }
        let mut marker = reader.byte()?;
        while marker == 0xFF {
            marker = reader.byte()?;
        }
        match marker {
            0xD9 => break,
            0x01 | 0xD0..=0xD7 => continue,
            _ => {}
        }
        let length = index(be32(&[0, 0, reader.byte()?, reader.byte()?]));
        let data = reader.take(
            length
                .checked_sub(2)
                .ok_or_else(|| MediaError::damaged("a JPEG segment is shorter than its header"))?,
        )?;
        match marker {
            0xC0..=0xCF if !matches!(marker, 0xC4 | 0xC8 | 0xCC) => {
                if data.len() < 5 {
                    return Err(MediaError::damaged("the JPEG frame header is cut short"));
                }
                let found = (be32(&[0, 0, data[3], data[4]]), be32(&[0, 0, data[1], data[2]]));
                if size.is_some_and(|size| size != found) {
                    return Err(MediaError::damaged("two JPEG frame headers disagree"));
                }
                size = Some(found);
            }
            0xE0 => metadata |= !data.starts_with(b"JFIF\0"),
            0xE2 => metadata |= !data.starts_with(b"ICC_PROFILE\0"),
            0xEE => metadata |= !data.starts_with(b"Adobe"),
            0xE1..=0xEF | 0xFE => metadata = true,
            0xDA => {
                // Compressed data up to the next marker that is neither a stuffed byte nor a restart.
                let start = reader.at;
                let next = bytes[start..]
                    .windows(2)
                    .position(|pair| pair[0] == 0xFF && !matches!(pair[1], 0x00 | 0xFF | 0xD0..=0xD7));
                let skip = next.ok_or_else(|| MediaError::damaged("the JPEG has no end marker"))?;
                reader.take(skip)?;
            }
            _ => {}
        }
    }
    let (width, height) = size.ok_or_else(|| MediaError::damaged("the JPEG has no frame header"))?;
    Ok(Container {
        width,
        height,
        frames: 1,
        seconds: 0.0,
        has_metadata: metadata || reader.left() > 0,
    })
}

fn webp(bytes: &[u8]) -> Result<Container, MediaError> {
    let declared = index(le(bytes.get(4..8).unwrap_or_default())).saturating_add(8);
    let body = bytes
        .get(..declared)
        .ok_or_else(|| MediaError::damaged("the file ends too early"))?;
    let mut reader = Reader::new(body, 12);
    let (mut size, mut frames, mut milliseconds, mut metadata) = (None, 0, 0u64, false);
    while reader.left() > 0 {
        let kind = reader.take(4)?;
        let length = index(le(reader.take(4)?));
        let data = reader.take(length)?;
        if length % 2 == 1 && reader.left() > 0 {
            reader.take(1)?;
        }
        match kind {
            b"VP8X" if data.len() >= 10 => {
                size = Some((le(&data[4..7]) + 1, le(&data[7..10]) + 1));
            }
            b"VP8 " if data.len() >= 10 && size.is_none() => {
                size = Some((le(&data[6..8]) & 0x3FFF, le(&data[8..10]) & 0x3FFF));
            }
            b"VP8L" if data.len() >= 5 && size.is_none() => {
                let bits = le(&data[1..5]);
                size = Some(((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1));
            }
            b"ANMF" if data.len() >= 16 => {
                frames += 1;
                milliseconds += u64::from(le(&data[12..15]));
            }
            b"VP8 " | b"VP8L" | b"ALPH" | b"ANIM" | b"ICCP" => {}
            _ => metadata = true,
        }
    }
    let (width, height) = size.ok_or_else(|| MediaError::damaged("the WebP has no picture"))?;
    #[expect(clippy::cast_precision_loss, reason = "300 frames of 24-bit delays fit")]
    let seconds = milliseconds as f64 / 1_000.0;
    Ok(Container {
        width,
        height,
        frames: frames.max(1),
        seconds: if frames > 1 { seconds } else { 0.0 },
        has_metadata: metadata || bytes.len() > declared + declared % 2,
    })
}

fn gif(bytes: &[u8]) -> Result<Container, MediaError> {
    let mut reader = Reader::new(bytes, 6);
    let screen = reader.take(7)?;
    let (width, height) = (le(&screen[..2]), le(&screen[2..4]));
    skip_palette(&mut reader, screen[4])?;
    let (mut frames, mut hundredths, mut metadata) = (0, 0, false);
    loop {
        match reader.byte()? {
            0x2C => {
                let flags = reader.take(9)?[8];
                skip_palette(&mut reader, flags)?;
                reader.byte()?;
                skip_blocks(&mut reader)?;
                frames += 1;
            }
            0x21 => {
                let label = reader.byte()?;
                let first = skip_blocks(&mut reader)?;
                match label {
                    0xF9 if first.len() == 4 => hundredths += le(&first[1..3]),
                    0xFF if first == b"NETSCAPE2.0" || first == b"ANIMEXTS1.0" => {}
                    _ => metadata = true,
                }
            }
            0x3B => break,
            _ => return Err(MediaError::damaged("an unknown GIF block")),
        }
    }
    if frames == 0 {
        return Err(MediaError::damaged("the GIF has no picture"));
    }
    Ok(Container {
        width,
        height,
        frames,
        seconds: if frames > 1 {
            f64::from(hundredths) / 100.0
        } else {
            0.0
        },
        has_metadata: metadata || reader.left() > 0,
    })
}

fn skip_palette(reader: &mut Reader<'_>, flags: u8) -> Result<(), MediaError> {
    if flags & 0x80 != 0 {
        reader.take(3 << ((flags & 7) + 1))?;
    }
    Ok(())
}

/// Skips sub-blocks up to their end; returns the first.
fn skip_blocks<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], MediaError> {
    let mut first: Option<&[u8]> = None;
    loop {
        let length = reader.byte()?;
        if length == 0 {
            return Ok(first.unwrap_or_default());
        }
        let block = reader.take(usize::from(length))?;
        first.get_or_insert(block);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Beginnings that lead the walkers in, so that chance reaches more than the first check.
    const HEADS: [(MediaType, &[u8]); 4] = [
        (
            MediaType::Png,
            b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x04\0\0\0\x04\x08\x02\0\0\0\0\0\0\0",
        ),
        (MediaType::Jpeg, b"\xff\xd8\xff"),
        (MediaType::WebP, b"RIFF\x40\0\0\0WEBP"),
        (MediaType::Gif, b"GIF89a\x04\0\x04\0\x80\0\0"),
    ];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn any_bytes_give_a_size_within_the_limits_or_an_error(
            head in 0..HEADS.len(),
            tail in proptest::collection::vec(
                prop_oneof![any::<u8>(), Just(0u8), Just(0xFF), Just(b','), Just(b'!'), Just(0xC0), Just(0xDA)],
                0..200,
            ),
        ) {
            let (media_type, head) = HEADS[head];
            if let Ok(found) = scan(media_type, &[head, &tail].concat()) {
                prop_assert!((1..=MAX_SIDE).contains(&found.width) && (1..=MAX_SIDE).contains(&found.height));
                prop_assert!(u64::from(found.width) * u64::from(found.height) <= MAX_PIXELS);
                prop_assert!((1..=MAX_FRAMES).contains(&found.frames));
            }
        }
    }

    #[test]
    fn animated_png_and_webp_are_counted() {
        let mut png = HEADS[0].1.to_vec();
        for _ in 0..3 {
            // Chunk header, 26 bytes with a delay of 1/4 s, checksum.
            png.extend_from_slice(b"\0\0\0\x1afcTL");
            png.extend_from_slice(&[0; 20]);
            png.extend_from_slice(&[0, 1, 0, 4, 0, 0, 0, 0, 0, 0]);
        }
        png.extend_from_slice(b"\0\0\0\0IEND\xae\x42\x60\x82");
        let found = scan(MediaType::Png, &png).unwrap();
        assert_eq!((found.frames, found.seconds), (3, 0.75));

        let mut webp = b"WEBPVP8X\x0a\0\0\0\x02\0\0\0\x09\0\0\x04\0\0".to_vec();
        for _ in 0..2 {
            webp.extend_from_slice(b"ANMF\x10\0\0\0");
            webp.extend_from_slice(&[0; 12]);
            webp.extend_from_slice(&[0xF4, 1, 0, 0]);
        }
        let mut file = b"RIFF".to_vec();
        file.extend_from_slice(&u32::try_from(webp.len()).unwrap().to_le_bytes());
        file.extend(webp);
        let found = scan(MediaType::WebP, &file).unwrap();
        assert_eq!((found.width, found.height, found.frames), (10, 5, 2));
        assert!((found.seconds - 1.0).abs() < 1e-9);
        assert!(!found.has_metadata);
    }
}

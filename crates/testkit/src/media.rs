//! Small real files: a PNG made here, and a clip of one second with a box that carries its name. Each name
//! gives other bytes, so other digests.

use crate::chance::draw;

const CLIP: &[u8] = include_bytes!("../fixtures/clip.mp4");
const SIDE: u32 = 64;

/// A PNG of 64 by 64 pixels in two colours that depend on the name.
#[must_use]
pub fn png(name: &str) -> Vec<u8> {
    let [_, r, g, b, x, y, z, _] = draw(0, &["png", name]).to_be_bytes();
    let mut rows = Vec::new();
    for row in 0..SIDE {
        rows.push(0);
        for column in 0..SIDE {
            let colour = if (row / 8 + column / 8) % 2 == 0 {
                [r, g, b]
            } else {
                [x, y, z]
            };
            rows.extend_from_slice(&colour);
        }
    }
    let mut header = Vec::new();
    header.extend_from_slice(&SIDE.to_be_bytes());
    header.extend_from_slice(&SIDE.to_be_bytes());
    header.extend_from_slice(&[8, 2, 0, 0, 0]);
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    chunk(&mut file, b"IHDR", &header);
    chunk(&mut file, b"IDAT", &zlib_stored(&rows));
    chunk(&mut file, b"IEND", &[]);
    file
}

/// An H.264 clip of one second, 64 by 64 pixels.
#[must_use]
pub fn mp4(name: &str) -> Vec<u8> {
    let mut file = CLIP.to_vec();
    let text = format!("simulated {name}");
    let size = u32::try_from(text.len() + 8).unwrap_or(u32::MAX);
    file.extend_from_slice(&size.to_be_bytes());
    file.extend_from_slice(b"free");
    file.extend_from_slice(text.as_bytes());
    file
}

fn chunk(file: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
    file.extend_from_slice(&u32::try_from(data.len()).unwrap_or(u32::MAX).to_be_bytes());
    let from = file.len();
    file.extend_from_slice(kind);
    file.extend_from_slice(data);
    let sum = crc32(&file[from..]);
    file.extend_from_slice(&sum.to_be_bytes());
}

/// A zlib stream of stored blocks (RFC 1950, RFC 1951 section 3.2.4).
fn zlib_stored(data: &[u8]) -> Vec<u8> {
    let mut out = vec![0x78, 0x01];
    let blocks = data.chunks(0xffff);
    let last = blocks.len().saturating_sub(1);
    for (number, block) in blocks.enumerate() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        out.push(u8::from(number == last));
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(block);
    }
    out.extend_from_slice(&adler32(data).to_be_bytes());
    out
}

fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |c, _| {
            if c & 1 == 1 {
                (c >> 1) ^ 0xedb8_8320
            } else {
                c >> 1
            }
        })
    })
}

fn adler32(data: &[u8]) -> u32 {
    let (a, b) = data.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    (b << 16) | a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_match_their_published_check_values() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
    }

    #[test]
    fn names_give_other_bytes() {
        assert_ne!(png("a"), png("b"));
        assert_eq!(png("a"), png("a"));
        assert_ne!(mp4("a"), mp4("b"));
    }
}

//! The worker under test, and files built from scratch.

use std::io::Cursor;
use std::path::PathBuf;
use std::process::Command;

use image::codecs::gif::GifEncoder;
use image::{DynamicImage, Frame, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use img_parts::png::PngChunk;
use media::MediaWorker;

/// The example that `cargo test` builds beside this test binary.
pub fn worker_path() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let target = tests.parent().and_then(|deps| deps.parent()).unwrap();
    let path = target.join("examples").join("media_worker");
    assert!(
        path.exists(),
        "{} is missing: build it with `cargo build -p studio-media --example media_worker`",
        path.display()
    );
    path
}

pub fn worker() -> MediaWorker {
    MediaWorker::new(worker_path(), Vec::new())
}

/// A child that is something else: a shell line.
pub fn shell(line: &str) -> MediaWorker {
    MediaWorker::new("/bin/sh".into(), vec!["-c".into(), line.into()])
}

/// A picture whose corners differ, so that turning it shows.
pub fn picture(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        if x < width / 2 && y < height / 2 {
            Rgb([250, 20, 20])
        } else {
            Rgb([
                u8::try_from(x * 200 / width).unwrap(),
                u8::try_from(y * 200 / height).unwrap(),
                120,
            ])
        }
    })
}

pub fn file(format: ImageFormat, width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(picture(width, height))
        .write_to(&mut bytes, format)
        .unwrap();
    bytes.into_inner()
}

pub fn animated_gif(frames: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new_with_speed(&mut bytes, 30);
    for frame in 0..frames {
        let shade = u8::try_from(frame % 250).unwrap();
        let picture = RgbaImage::from_pixel(8, 8, Rgba([shade, 0, 0, 255]));
        encoder
            .encode_frame(Frame::from_parts(
                picture,
                0,
                0,
                image::Delay::from_numer_denom_ms(50, 1),
            ))
            .unwrap();
    }
    drop(encoder);
    bytes
}

/// A PNG with the given header and data that does not matter.
pub fn png_claiming(width: u32, height: u32, depth: u8, colour: u8) -> Vec<u8> {
    let mut header = Vec::new();
    header.extend_from_slice(&width.to_be_bytes());
    header.extend_from_slice(&height.to_be_bytes());
    header.extend_from_slice(&[depth, colour, 0, 0, 0]);
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    // An empty deflate stream with its checksum.
    for (kind, data) in [
        (*b"IHDR", header),
        (*b"IDAT", vec![0x78, 0x9C, 3, 0, 0, 0, 0, 1]),
        (*b"IEND", Vec::new()),
    ] {
        PngChunk::new(kind, data.into())
            .encoder()
            .write_to(&mut bytes)
            .unwrap();
    }
    bytes
}

/// An EXIF APP1 segment with orientation 6 (turn right) and a GPS directory.
pub fn exif_segment() -> Vec<u8> {
    let mut tiff = b"II*\0\x08\0\0\0".to_vec();
    let entry = |tag: u16, kind: u16, count: u32, value: u32| {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&tag.to_le_bytes());
        bytes.extend_from_slice(&kind.to_le_bytes());
        bytes.extend_from_slice(&count.to_le_bytes());
        bytes.extend_from_slice(&value.to_le_bytes());
        bytes
    };
    // Directory 0 at 8: orientation, pointer to the GPS directory at 38; no next directory.
    tiff.extend_from_slice(&2u16.to_le_bytes());
    tiff.extend(entry(0x0112, 3, 1, 6));
    tiff.extend(entry(0x8825, 4, 1, 38));
    tiff.extend_from_slice(&0u32.to_le_bytes());
    // GPS directory: latitude reference "S", latitude as three fractions at 68.
    tiff.extend_from_slice(&2u16.to_le_bytes());
    tiff.extend(entry(1, 2, 2, u32::from(b'S')));
    tiff.extend(entry(2, 5, 3, 68));
    tiff.extend_from_slice(&0u32.to_le_bytes());
    for fraction in [23u32, 33, 1] {
        tiff.extend_from_slice(&fraction.to_le_bytes());
        tiff.extend_from_slice(&1u32.to_le_bytes());
    }
    tiff.extend_from_slice(b"GPSMARK-secret-place");
    let mut segment = vec![0xFF, 0xE1];
    segment.extend_from_slice(&u16::try_from(tiff.len() + 8).unwrap().to_be_bytes());
    segment.extend_from_slice(b"Exif\0\0");
    segment.extend(tiff);
    segment
}

pub fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

/// One MP4 box.
pub fn mp4_box(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(body.len() + 8).unwrap().to_be_bytes().to_vec();
    bytes.extend_from_slice(kind);
    bytes.extend_from_slice(body);
    bytes
}

/// Runs an FFmpeg tool. `None` when it is not installed, said loudly; where CI is set it must be there.
pub fn ffmpeg_tool(tool: &str, args: &[&str]) -> Option<Vec<u8>> {
    match Command::new(tool).args(args).output() {
        Ok(output) => {
            assert!(
                output.status.success(),
                "{tool} failed: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            Some(output.stdout)
        }
        Err(error) => {
            #[expect(
                clippy::disallowed_methods,
                reason = "CI machines must have FFmpeg; a person's machine may not"
            )]
            let required = std::env::var("CI").is_ok_and(|ci| ci == "true");
            assert!(!required, "{tool} is not installed: {error}");
            #[expect(clippy::print_stderr, reason = "a skipped check must be seen")]
            {
                eprintln!("NOT CHECKED: {tool} is not installed ({error})");
            }
            None
        }
    }
}

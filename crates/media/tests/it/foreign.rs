//! Hostile and broken files: each has its typed error, and the parent lives.

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, ImageFormat};
use media::{Clean, MediaError, MediaType, agree, limits, sniff};

use crate::support::{animated_gif, file, mp4_box, png_claiming, worker};

async fn refused(bytes: &[u8]) -> MediaError {
    let inspected = worker().inspect(bytes).await;
    let cleaned = worker().clean(bytes, Clean::default()).await;
    if let Err(error) = inspected {
        assert_eq!(cleaned.unwrap_err(), error);
        return error;
    }
    cleaned.unwrap_err()
}

#[tokio::test]
async fn a_png_that_claims_a_huge_size() {
    let bomb = png_claiming(60_000, 60_000, 8, 2);
    assert!(bomb.len() < 100);
    assert_eq!(
        refused(&bomb).await,
        MediaError::TooWide {
            width: 60_000,
            height: 60_000,
            limit: limits::MAX_SIDE
        }
    );
    assert_eq!(
        refused(&png_claiming(16_384, 16_384, 8, 2)).await,
        MediaError::TooManyPixels {
            pixels: 16_384 * 16_384,
            limit: limits::MAX_PIXELS
        }
    );
    // Within size and pixels, but 16 bits and four channels: 800 MB.
    assert_eq!(
        refused(&png_claiming(16_000, 6_250, 16, 6)).await,
        MediaError::TooMuchMemory
    );
}

#[tokio::test]
async fn a_real_decompression_bomb() {
    let mut bomb = Vec::new();
    PngEncoder::new(&mut bomb)
        .write_image(&vec![0; 20_000 * 5_000], 20_000, 5_000, ExtendedColorType::L8)
        .unwrap();
    assert!(bomb.len() < 2_000_000, "{}", bomb.len());
    assert!(matches!(refused(&bomb).await, MediaError::TooWide { .. }));
}

#[tokio::test]
async fn other_content_under_an_accepted_name() {
    let elf = std::fs::read("/proc/self/exe").unwrap();
    assert!(elf.starts_with(b"\x7fELF"));
    assert_eq!(
        agree(Some("image/png"), Some("photo.png"), &elf).unwrap_err(),
        MediaError::UnknownType
    );
    assert_eq!(refused(&elf).await, MediaError::UnknownType);
    for foreign in [
        b"<svg xmlns='http://www.w3.org/2000/svg'/>".as_slice(),
        b"<!DOCTYPE html><script>alert(1)</script>",
        b"%PDF-1.7 ............",
        b"PK\x03\x04...........",
        b"\0\0\0\x18ftypheic........",
        b"\0\0\0\x14ftypqt  ........",
        b"MZ\x90\0...............",
        b"\x1a\x45\xdf\xa3\x93\x42\x82\x88matroska",
        b"",
    ] {
        assert_eq!(sniff(foreign), None);
        assert_eq!(refused(foreign).await, MediaError::UnknownType);
    }
}

#[test]
fn type_name_and_content_must_agree() {
    let png = file(ImageFormat::Png, 4, 4);
    assert_eq!(agree(None, None, &png), Ok(MediaType::Png));
    assert_eq!(
        agree(Some("image/png; charset=x"), Some("A.PNG"), &png),
        Ok(MediaType::Png)
    );
    assert_eq!(
        agree(Some("application/octet-stream"), Some("name"), &png),
        Ok(MediaType::Png)
    );
    let jpeg = file(ImageFormat::Jpeg, 4, 4);
    assert_eq!(
        agree(Some("image/jpg"), Some("a.jpeg"), &jpeg),
        Ok(MediaType::Jpeg)
    );
    for (declared, name) in [
        (Some("image/jpeg"), None),
        (None, Some("photo.jpg")),
        (None, Some("photo.png.exe")),
        (Some("text/html"), Some("photo.png")),
    ] {
        let error = agree(declared, name, &png).unwrap_err();
        assert!(
            matches!(
                error,
                MediaError::TypeMismatch {
                    found: MediaType::Png,
                    ..
                }
            ),
            "{error}"
        );
    }
    let mut large = png;
    large.resize(usize::try_from(limits::MAX_IMAGE_BYTES).unwrap(), 0);
    assert_eq!(agree(None, None, &large), Ok(MediaType::Png));
    large.push(0);
    assert_eq!(
        agree(None, None, &large).unwrap_err(),
        MediaError::TooLarge {
            bytes: limits::MAX_IMAGE_BYTES + 1,
            limit: limits::MAX_IMAGE_BYTES
        }
    );
}

#[tokio::test]
async fn a_gif_with_too_many_frames() {
    assert_eq!(
        refused(&animated_gif(1_000)).await,
        MediaError::TooManyFrames {
            frames: 1_000,
            limit: limits::MAX_FRAMES
        }
    );
    let most = worker().inspect(&animated_gif(limits::MAX_FRAMES)).await.unwrap();
    assert_eq!(most.frames, limits::MAX_FRAMES);
    assert!((most.seconds - 15.0).abs() < 1e-9);
}

#[tokio::test]
async fn truncated_files() {
    for format in [
        ImageFormat::Png,
        ImageFormat::Jpeg,
        ImageFormat::WebP,
        ImageFormat::Gif,
    ] {
        let whole = file(format, 64, 48);
        for part in [whole.len() / 4, whole.len() / 2, whole.len() - 3] {
            let error = refused(&whole[..part]).await;
            assert!(
                matches!(error, MediaError::Damaged { .. }),
                "{format:?} cut to {part}: {error}"
            );
            assert!(error.is_about_the_file() && !error.advice().is_empty());
        }
    }
}

fn ftyp() -> Vec<u8> {
    mp4_box(b"ftyp", b"isom\0\0\x02\0isommp41")
}

#[tokio::test]
async fn mp4_boxes_nested_ten_thousand_deep() {
    let mut inner = Vec::new();
    for _ in 0..10_000 {
        inner = mp4_box(b"trak", &inner);
    }
    let bytes = [ftyp(), mp4_box(b"moov", &inner)].concat();
    assert_eq!(
        refused(&bytes).await,
        MediaError::TooComplex {
            what: "levels of boxes".to_owned(),
            limit: limits::MAX_BOX_DEPTH as u64
        }
    );
    let wide = mp4_box(b"trak", &[]).repeat(limits::MAX_BOXES);
    let bytes = [ftyp(), mp4_box(b"moov", &wide)].concat();
    assert_eq!(
        refused(&bytes).await,
        MediaError::TooComplex {
            what: "boxes".to_owned(),
            limit: limits::MAX_BOXES as u64
        }
    );
}

#[tokio::test]
async fn mp4_boxes_that_lie_about_their_size() {
    let lying = |size: u32, kind: &[u8; 4]| {
        let mut bytes = size.to_be_bytes().to_vec();
        bytes.extend_from_slice(kind);
        bytes
    };
    let mut wide_size = lying(1, b"mdat");
    wide_size.extend_from_slice(&u64::MAX.to_be_bytes());
    for tail in [
        lying(0xFFFF_FFFF, b"moov"),
        lying(7, b"moov"),
        lying(1, b"mdat"),
        wide_size,
        mp4_box(b"moov", &lying(64, b"trak")),
        mp4_box(b"moov", &lying(0, b"trak")),
        vec![0, 0, 0],
    ] {
        let error = refused(&[ftyp(), tail].concat()).await;
        assert!(matches!(error, MediaError::Damaged { .. }), "{error}");
    }
    // A table of four thousand million samples in twelve bytes.
    let table = mp4_box(b"stsz", &[0, 0, 0, 0, 0, 0, 0, 9, 0xFF, 0xFF, 0xFF, 0xFF]);
    let moov = [b"stbl", b"minf", b"mdia", b"trak", b"moov"]
        .iter()
        .fold(table, |inner, kind| mp4_box(kind, &inner));
    let error = refused(&[ftyp(), moov, mp4_box(b"mdat", &[0; 8])].concat()).await;
    assert!(matches!(error, MediaError::TooComplex { .. }), "{error}");
}

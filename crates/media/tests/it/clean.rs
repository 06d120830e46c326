//! Cleaning: what must be gone is gone, what must stay is there.

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, GenericImageView, ImageDecoder, ImageEncoder, ImageFormat};
use img_parts::png::{Png, PngChunk};
use media::{Clean, MediaError, MediaType, StillFormat, Thumbnail};

use crate::support::{animated_gif, contains, exif_segment, file, picture, png_claiming, worker};

#[tokio::test]
async fn a_photo_loses_its_place_and_stands_upright() {
    let plain = file(ImageFormat::Jpeg, 64, 32);
    let mut photo = plain[..2].to_vec();
    photo.extend(exif_segment());
    photo.extend_from_slice(&plain[2..]);
    let found = worker().inspect(&photo).await.unwrap();
    assert_eq!((found.width, found.height), (64, 32));
    assert!(found.has_metadata);
    assert!(!worker().inspect(&plain).await.unwrap().has_metadata);

    let (cleaned, bytes) = worker().clean(&photo, Clean::default()).await.unwrap();
    assert_eq!(cleaned.media_type, MediaType::Jpeg);
    assert_eq!((cleaned.width, cleaned.height), (32, 64));
    assert!(cleaned.dropped);
    for gone in [b"Exif".as_slice(), b"GPSMARK", b"secret"] {
        assert!(contains(&photo, gone) || gone == b"secret");
        assert!(!contains(&bytes, gone));
    }
    assert!(!worker().inspect(&bytes).await.unwrap().has_metadata);
    // Orientation 6 is a quarter turn to the right: the red corner moves from the left to the right.
    let upright = image::load_from_memory(&bytes).unwrap();
    assert_eq!(upright.dimensions(), (32, 64));
    let [red, green, _, _] = upright.get_pixel(24, 8).0;
    assert!(red > 200 && green < 80, "{red} {green}");
    let [red, _, _, _] = upright.get_pixel(8, 8).0;
    assert!(red < 120, "{red}");
}

#[tokio::test]
async fn a_png_with_a_zip_behind_it() {
    let plain = file(ImageFormat::Png, 20, 10);
    let mut polyglot = plain.clone();
    polyglot.extend_from_slice(b"PK\x03\x04 payload of another kind PK\x05\x06");
    assert!(worker().inspect(&polyglot).await.unwrap().has_metadata);
    let (cleaned, bytes) = worker().clean(&polyglot, Clean::default()).await.unwrap();
    assert!(cleaned.dropped);
    assert!(!contains(&bytes, b"PK\x03\x04") && !contains(&bytes, b"payload"));
    assert_eq!(
        image::load_from_memory(&bytes).unwrap().to_rgb8(),
        picture(20, 10)
    );
}

#[tokio::test]
async fn text_chunks_are_dropped_and_transparency_stays() {
    let mut bytes = Vec::new();
    let pixels = [10, 20, 30, 0, 40, 50, 60, 128];
    PngEncoder::new(&mut bytes)
        .write_image(&pixels, 2, 1, ExtendedColorType::Rgba8)
        .unwrap();
    let mut png = Png::from_bytes(bytes.into()).unwrap();
    png.chunks_mut().insert(
        1,
        PngChunk::new(*b"tEXt", b"parameters\0secret prompt".as_slice().into()),
    );
    let mut with_text = Vec::new();
    png.encoder().write_to(&mut with_text).unwrap();
    let (cleaned, bytes) = worker().clean(&with_text, Clean::default()).await.unwrap();
    assert!(cleaned.dropped && !contains(&bytes, b"secret"));
    assert_eq!(
        image::load_from_memory(&bytes).unwrap().to_rgba8().into_raw(),
        pixels
    );
}

#[tokio::test]
async fn a_gif_that_is_also_a_script() {
    // A valid GIF whose comment holds a script, with more of it behind the end.
    let plain = file(ImageFormat::Gif, 6, 6);
    let mut polyglot = plain[..plain.len() - 1].to_vec();
    polyglot.extend_from_slice(b"\x21\xFE\x0D*/=1;alert(1)\0\x3B//<script>");
    let (cleaned, bytes) = worker().clean(&polyglot, Clean::default()).await.unwrap();
    assert!(cleaned.dropped);
    assert!(!contains(&bytes, b"alert") && !contains(&bytes, b"script"));
    assert_eq!(media::sniff(&bytes), Some(MediaType::Gif));
    // The classic form is no picture at all.
    let classic = b"GIF89a/*\x00\x00\x00\x00*/=1;alert(document.domain);";
    let error = worker().clean(classic, Clean::default()).await.unwrap_err();
    assert!(matches!(error, MediaError::Damaged { .. }), "{error}");
}

#[tokio::test]
async fn an_animated_gif_stays_animated() {
    let (cleaned, bytes) = worker().clean(&animated_gif(12), Clean::default()).await.unwrap();
    assert_eq!((cleaned.frames, cleaned.width), (12, 8));
    let again = worker().inspect(&bytes).await.unwrap();
    assert_eq!(again.frames, 12);
    assert!((again.seconds - 0.6).abs() < 1e-9, "{}", again.seconds);
}

#[tokio::test]
async fn a_colour_profile_stays_only_on_request() {
    let profile = b"a colour profile".repeat(20);
    let pixels = picture(8, 8).into_raw();
    let mut png = Vec::new();
    let mut encoder = PngEncoder::new(&mut png);
    encoder.set_icc_profile(profile.clone()).unwrap();
    encoder
        .write_image(&pixels, 8, 8, ExtendedColorType::Rgb8)
        .unwrap();
    let mut jpeg = Vec::new();
    let mut encoder = JpegEncoder::new(&mut jpeg);
    encoder.set_icc_profile(profile.clone()).unwrap();
    encoder
        .write_image(&pixels, 8, 8, ExtendedColorType::Rgb8)
        .unwrap();
    for bytes in [png, jpeg] {
        for keep_icc in [true, false] {
            let (_, cleaned) = worker().clean(&bytes, Clean { keep_icc }).await.unwrap();
            let found = image::ImageReader::new(std::io::Cursor::new(&cleaned))
                .with_guessed_format()
                .unwrap()
                .into_decoder()
                .unwrap()
                .icc_profile()
                .unwrap();
            assert_eq!(found, keep_icc.then(|| profile.clone()));
        }
    }
}

#[tokio::test]
async fn webp_and_high_depth_pictures_pass() {
    let (cleaned, bytes) = worker()
        .clean(&file(ImageFormat::WebP, 33, 17), Clean::default())
        .await
        .unwrap();
    assert_eq!(cleaned.media_type, MediaType::WebP);
    assert_eq!(
        image::load_from_memory(&bytes).unwrap().to_rgb8(),
        picture(33, 17)
    );
    let mut deep = Vec::new();
    PngEncoder::new(&mut deep)
        .write_image(
            &[0x12, 0x34, 0x56, 0x78, 0x9A, 0xBC],
            1,
            1,
            ExtendedColorType::Rgb16,
        )
        .unwrap();
    let (_, bytes) = worker().clean(&deep, Clean::default()).await.unwrap();
    assert_eq!(
        image::load_from_memory(&bytes).unwrap().as_bytes(),
        image::load_from_memory(&deep).unwrap().as_bytes()
    );
}

#[tokio::test]
async fn thumbnails_keep_proportions_and_never_grow() {
    let photo = file(ImageFormat::Jpeg, 800, 400);
    for format in [StillFormat::Png, StillFormat::WebP] {
        let how = Thumbnail {
            max_side: 128,
            format,
        };
        let (encoded, bytes) = worker().thumbnail(&photo, how).await.unwrap();
        assert_eq!((encoded.width, encoded.height), (128, 64));
        assert_eq!(media::sniff(&bytes), Some(encoded.media_type));
        let small = image::load_from_memory(&bytes).unwrap();
        assert_eq!(small.dimensions(), (128, 64));
        let [red, green, _, _] = small.get_pixel(20, 12).0;
        assert!(red > 200 && green < 80, "{red} {green}");
    }
    let how = Thumbnail {
        max_side: 128,
        format: StillFormat::Png,
    };
    let (encoded, _) = worker()
        .thumbnail(&file(ImageFormat::Png, 20, 10), how)
        .await
        .unwrap();
    assert_eq!((encoded.width, encoded.height), (20, 10));
    let first = worker().thumbnail(&animated_gif(3), how).await.unwrap().0;
    assert_eq!((first.width, first.frames), (8, 1));
    for max_side in [0, media::limits::MAX_THUMBNAIL_SIDE + 1] {
        let how = Thumbnail { max_side, ..how };
        let error = worker().thumbnail(&photo, how).await.unwrap_err();
        assert!(matches!(error, MediaError::BadRequest { .. }));
    }
    let error = worker()
        .thumbnail(&png_claiming(60_000, 9, 8, 2), how)
        .await
        .unwrap_err();
    assert!(matches!(error, MediaError::TooWide { .. }));
}

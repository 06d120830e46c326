//! Our own stills: pixels kept, and the file says what made it.

use image::ImageDecoder;
use media::{MediaError, MediaType, Still, StillFormat};

use crate::support::{contains, picture, worker};

fn job(format: StillFormat) -> Still {
    Still {
        width: 31,
        height: 17,
        format,
        description: "AI generated; demo model studio-tiny <&>".to_owned(),
    }
}

#[tokio::test]
async fn stills_keep_every_pixel_and_say_what_they_are() {
    let pixels = picture(31, 17);
    for (format, media_type) in [
        (StillFormat::Png, MediaType::Png),
        (StillFormat::WebP, MediaType::WebP),
    ] {
        let (encoded, bytes) = worker().still(job(format), &pixels).await.unwrap();
        assert_eq!(encoded.media_type, media_type);
        assert_eq!(media::sniff(&bytes), Some(media_type));
        assert_eq!(image::load_from_memory(&bytes).unwrap().to_rgb8(), pixels);
        for said in [
            b"Secure AI Studio".as_slice(),
            b"AI generated; demo model studio-tiny",
            b"trainedAlgorithmicMedia",
            b"&lt;&amp;&gt;",
        ] {
            assert!(contains(&bytes, said), "{format:?}");
        }
        let found = worker().inspect(&bytes).await.unwrap();
        assert_eq!((found.width, found.height), (31, 17));
        assert!(found.has_metadata);
        // The same pixels give the same bytes, and cleaning takes the words out again.
        let (_, again) = worker().still(job(format), &pixels).await.unwrap();
        assert_eq!(again, bytes);
        let (_, bare) = worker().clean(&bytes, media::Clean::default()).await.unwrap();
        assert!(!contains(&bare, b"Studio"));
    }
}

#[tokio::test]
async fn the_words_are_found_by_a_reader_of_the_formats() {
    for format in [StillFormat::Png, StillFormat::WebP] {
        let (_, bytes) = worker().still(job(format), &picture(31, 17)).await.unwrap();
        let mut decoder = image::ImageReader::new(std::io::Cursor::new(&bytes))
            .with_guessed_format()
            .unwrap()
            .into_decoder()
            .unwrap();
        let xmp = String::from_utf8(decoder.xmp_metadata().unwrap().unwrap()).unwrap();
        assert!(xmp.contains("studio-tiny &lt;&amp;&gt;") && xmp.contains("trainedAlgorithmicMedia"));
    }
    let (_, bytes) = worker()
        .still(job(StillFormat::Png), &picture(31, 17))
        .await
        .unwrap();
    let png = img_parts::png::Png::from_bytes(bytes.into()).unwrap();
    let texts: Vec<_> = png
        .chunks_by_type(*b"iTXt")
        .map(|chunk| String::from_utf8(chunk.contents().to_vec()).unwrap())
        .collect();
    assert_eq!(texts[0], "Software\0\0\0\0\0Secure AI Studio");
    assert_eq!(
        texts[1],
        "Description\0\0\0\0\0AI generated; demo model studio-tiny <&>"
    );
}

#[tokio::test]
async fn pixels_and_size_must_fit_together() {
    let pixels = picture(31, 17);
    for (width, height) in [(30, 17), (31, 18), (0, 17), (20_000, 1)] {
        let job = Still {
            width,
            height,
            ..job(StillFormat::Png)
        };
        let error = worker().still(job, &pixels).await.unwrap_err();
        assert!(matches!(error, MediaError::BadRequest { .. }), "{error}");
    }
    let job = Still {
        description: "x".repeat(2_001),
        ..job(StillFormat::Png)
    };
    let error = worker().still(job, &pixels).await.unwrap_err();
    assert!(matches!(error, MediaError::BadRequest { .. }), "{error}");
}

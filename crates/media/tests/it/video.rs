//! Animated stills, and cleaning MP4 files that other software made.

use std::path::Path;

use image::ImageFormat;
use media::{Animate, CameraMove, Clean, MediaError, MediaType};
use re_mp4::{Mp4, TrackKind};

use crate::support::{contains, ffmpeg_tool, file, mp4_box, picture, worker};

const TITLE: &str = "animated still, demo";

fn job(camera: CameraMove) -> Animate {
    Animate {
        width: 256,
        height: 256,
        out_width: 512,
        out_height: 512,
        seconds: 2.5,
        camera,
        title: TITLE.to_owned(),
    }
}

async fn small_clip() -> Vec<u8> {
    let job = Animate {
        width: 64,
        height: 48,
        out_width: 64,
        out_height: 48,
        seconds: 1.0,
        ..job(CameraMove::PushIn)
    };
    worker().animate(job, &picture(64, 48)).await.unwrap().1
}

fn position(bytes: &[u8], kind: &[u8; 4]) -> usize {
    bytes.windows(4).position(|window| window == kind).unwrap()
}

#[tokio::test]
async fn an_animated_still_plays_from_the_first_byte() {
    let (encoded, bytes) = worker()
        .animate(job(CameraMove::PushIn), &picture(256, 256))
        .await
        .unwrap();
    assert_eq!(encoded.media_type, MediaType::Mp4);
    assert_eq!((encoded.frames, encoded.width, encoded.height), (60, 512, 512));
    assert!(position(&bytes, b"moov") < position(&bytes, b"mdat"));
    assert!(contains(&bytes, TITLE.as_bytes()));
    let movie = Mp4::read_bytes(&bytes).unwrap();
    let tracks: Vec<_> = movie.tracks().values().collect();
    assert_eq!(tracks.len(), 1);
    assert_eq!(tracks[0].kind, Some(TrackKind::Video));
    assert_eq!((tracks[0].width, tracks[0].height), (512, 512));
    assert_eq!(tracks[0].samples.len(), 60);
    assert!(tracks[0].samples[0].is_sync);
    assert!(tracks[0].codec_string(&movie).unwrap().starts_with("avc1."));
    assert_eq!(tracks[0].duration * 10, tracks[0].timescale * 25);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clip.mp4");
    std::fs::write(&path, &bytes).unwrap();
    let Some(output) = ffmpeg_tool(
        "ffprobe",
        &[
            "-v",
            "error",
            "-count_frames",
            "-show_entries",
            "stream=codec_name,pix_fmt,width,height,avg_frame_rate,nb_read_frames,color_space:format=duration:format_tags=title",
            "-of",
            "default=noprint_wrappers=1",
            path.to_str().unwrap(),
        ],
    ) else {
        return;
    };
    let output = String::from_utf8(output).unwrap();
    for line in [
        "codec_name=h264",
        "pix_fmt=yuv420p",
        "width=512",
        "height=512",
        "avg_frame_rate=24/1",
        "nb_read_frames=60",
        "color_space=smpte170m",
        "duration=2.500000",
        "TAG:title=animated still, demo",
    ] {
        assert!(output.contains(line), "{line} in {output}");
    }
}

#[tokio::test]
async fn every_camera_move_shows_the_still() {
    for camera in [
        CameraMove::PushIn,
        CameraMove::PullOut,
        CameraMove::PanLeft,
        CameraMove::PanRight,
    ] {
        let job = Animate {
            width: 64,
            height: 48,
            out_width: 96,
            out_height: 48,
            seconds: 1.0,
            ..job(camera)
        };
        let (encoded, bytes) = worker().animate(job, &picture(64, 48)).await.unwrap();
        assert_eq!(encoded.frames, 24);
        let found = worker().inspect(&bytes).await.unwrap();
        assert_eq!((found.width, found.height, found.frames), (96, 48, 24));
        assert!((found.seconds - 1.0).abs() < 0.01);
    }
    assert_eq!(CameraMove::from_seed(0), CameraMove::PushIn);
    assert_eq!(CameraMove::from_seed(7), CameraMove::PanRight);
}

#[tokio::test]
async fn odd_sizes_and_lengths_are_refused() {
    let good = Animate {
        width: 64,
        height: 48,
        ..job(CameraMove::PushIn)
    };
    for bad in [
        Animate {
            out_width: 511,
            ..good.clone()
        },
        Animate {
            out_height: 8,
            ..good.clone()
        },
        Animate {
            out_width: 1_922,
            ..good.clone()
        },
        Animate {
            seconds: 0.5,
            ..good.clone()
        },
        Animate {
            seconds: f64::NAN,
            ..good.clone()
        },
        Animate {
            seconds: 10.5,
            ..good.clone()
        },
        Animate {
            width: 65,
            ..good.clone()
        },
        Animate {
            title: "x".repeat(201),
            ..good
        },
    ] {
        let error = worker().animate(bad, &picture(64, 48)).await.unwrap_err();
        assert!(
            matches!(error, MediaError::BadRequest { .. } | MediaError::Protocol { .. }),
            "{error}"
        );
    }
}

#[tokio::test]
async fn cleaning_blanks_titles_dates_and_hidden_bytes() {
    let clip = small_clip().await;
    // Boxes of other kinds, and bytes in the media data that no frame uses.
    let mut dirty = clip.clone();
    dirty.extend(mp4_box(b"uuid", b"0123456789abcdefGPS -23.55 -46.63"));
    dirty.extend(mp4_box(b"free", b"PK\x03\x04hidden"));
    dirty.extend(mp4_box(b"mdat", b"<script>hidden</script>"));
    let (cleaned, bytes) = worker().clean(&dirty, Clean::default()).await.unwrap();
    assert_eq!(bytes.len(), dirty.len());
    assert!(cleaned.dropped);
    assert_eq!((cleaned.width, cleaned.height, cleaned.frames), (64, 48, 24));
    for gone in [b"GPS".as_slice(), b"hidden", TITLE.as_bytes(), b"udta", b"uuid"] {
        assert!(contains(&dirty, gone));
        assert!(!contains(&bytes, gone), "{}", String::from_utf8_lossy(gone));
    }
    let samples = |bytes: &[u8]| -> Vec<Vec<u8>> {
        let movie = Mp4::read_bytes(bytes).unwrap();
        let track = movie.tracks().values().next().unwrap();
        track
            .samples
            .iter()
            .map(|sample| bytes[sample.byte_range()].to_vec())
            .collect()
    };
    assert_eq!(samples(&bytes), samples(&clip));
    // Cleaning what is clean changes nothing and says so.
    let (again, same) = worker().clean(&bytes, Clean::default()).await.unwrap();
    assert_eq!(same, bytes);
    assert!(!again.dropped);
}

#[tokio::test]
async fn broken_indexes_are_refused() {
    let clip = small_clip().await;
    // The first chunk moved behind the end of the file.
    let mut outside = clip.clone();
    let at = position(&outside, b"stco") + 12;
    outside[at..at + 4].copy_from_slice(&0x7FFF_0000u32.to_be_bytes());
    let error = worker().clean(&outside, Clean::default()).await.unwrap_err();
    assert!(matches!(error, MediaError::Damaged { .. }), "{error}");
    // A length of hours.
    let mut long = clip.clone();
    let at = position(&long, b"mdhd") + 4 + 16;
    long[at..at + 4].copy_from_slice(&(90_000u32 * 7_200).to_be_bytes());
    let error = worker().clean(&long, Clean::default()).await.unwrap_err();
    assert!(matches!(error, MediaError::TooLong { .. }), "{error}");
    // A track of another kind.
    let mut other = clip.clone();
    let at = position(&other, b"vide");
    other[at..at + 4].copy_from_slice(b"meta");
    let error = worker().clean(&other, Clean::default()).await.unwrap_err();
    assert_eq!(error, MediaError::UnsupportedTrack);
    let fragmented = [clip.clone(), mp4_box(b"moof", &[])].concat();
    let error = worker().clean(&fragmented, Clean::default()).await.unwrap_err();
    assert_eq!(error, MediaError::Fragmented);
    let cut = &clip[..clip.len() - 100];
    let error = worker().clean(cut, Clean::default()).await.unwrap_err();
    assert!(matches!(error, MediaError::Damaged { .. }), "{error}");
    // WebM is recognised and refused with advice; it is not decoded here.
    let webm = b"\x1a\x45\xdf\xa3\x93\x42\x82\x84webm............";
    let error = worker().inspect(webm).await.unwrap_err();
    assert_eq!(
        error,
        MediaError::Unsupported {
            media_type: MediaType::WebM
        }
    );
}

/// Checksums of every decoded frame and audio packet.
fn decoded(path: &Path) -> Option<String> {
    let output = ffmpeg_tool(
        "ffmpeg",
        &[
            "-v",
            "error",
            "-i",
            path.to_str().unwrap(),
            "-map",
            "0",
            "-f",
            "framemd5",
            "-",
        ],
    )?;
    // Comment lines repeat the file's tags.
    let text = String::from_utf8(output).unwrap();
    Some(
        text.lines()
            .filter(|line| !line.starts_with('#'))
            .collect::<Vec<_>>()
            .join("\n"),
    )
}

#[tokio::test]
async fn a_video_of_other_software_plays_the_same_after_cleaning() {
    let folder = tempfile::tempdir().unwrap();
    let still = folder.path().join("still.png");
    std::fs::write(&still, file(ImageFormat::Png, 64, 48)).unwrap();
    for faststart in ["0", "faststart"] {
        let path = folder.path().join(format!("made-{faststart}.mp4"));
        let made = ffmpeg_tool(
            "ffmpeg",
            &[
                "-v",
                "error",
                "-y",
                "-loop",
                "1",
                "-i",
                still.to_str().unwrap(),
                "-f",
                "lavfi",
                "-i",
                "sine=frequency=440:duration=2",
                "-t",
                "2",
                "-pix_fmt",
                "yuv420p",
                "-c:a",
                "aac",
                "-metadata",
                "title=secret title",
                "-metadata",
                "location=-23.5505-046.6333/",
                "-metadata",
                "creation_time=2026-01-02T03:04:05Z",
                "-movflags",
                faststart,
                path.to_str().unwrap(),
            ],
        );
        if made.is_none() {
            return;
        }
        let bytes = std::fs::read(&path).unwrap();
        assert!(contains(&bytes, b"secret title") && contains(&bytes, b"loci"));
        let (cleaned, result) = worker().clean(&bytes, Clean::default()).await.unwrap();
        assert!(cleaned.dropped);
        assert_eq!((cleaned.width, cleaned.height), (64, 48));
        assert!((cleaned.seconds - 2.0).abs() < 0.1, "{}", cleaned.seconds);
        for gone in [b"secret title".as_slice(), b"loci", b"VideoHandler", b"Lavf"] {
            assert!(!contains(&result, gone), "{}", String::from_utf8_lossy(gone));
        }
        let clean_path = folder.path().join(format!("clean-{faststart}.mp4"));
        std::fs::write(&clean_path, &result).unwrap();
        let frames = decoded(&path).unwrap();
        assert!(frames.lines().count() > 50);
        assert_eq!(decoded(&clean_path).unwrap(), frames);
        let tags = ffmpeg_tool(
            "ffprobe",
            &[
                "-v",
                "error",
                "-show_entries",
                "format_tags=creation_time,title,location:stream_tags=creation_time",
                "-of",
                "default=noprint_wrappers=1",
                clean_path.to_str().unwrap(),
            ],
        );
        assert_eq!(String::from_utf8(tags.unwrap()).unwrap().trim(), "");
    }
}

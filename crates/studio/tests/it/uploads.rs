//! Uploads by tus 1.0.0, and what is and is not taken.

use std::sync::Barrier;
use std::thread;

use serde_json::Value;

use crate::bed::{Bed, Place};
use crate::http::{Answer, Call};
use crate::media_files::{contains, jpeg_with_place, png, png_claiming, png_saying, png_texts};

pub const PART: &str = "application/offset+octet-stream";

/// The largest upload in bytes (`tus-max-size`).
const MAX_BYTES: u64 = 200 * 1024 * 1024;

pub fn metadata(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(key, value)| format!("{key} {}", data_encoding::BASE64.encode(value.as_bytes())))
        .collect();
    pairs.join(",")
}

pub fn creation(bed: &Bed, length: usize, media_type: &str) -> Call {
    bed.call("POST", "/api/v1/uploads")
        .header("Tus-Resumable", "1.0.0")
        .header("Upload-Length", length.to_string())
        .header("Upload-Metadata", metadata(&[("filetype", media_type)]))
}

/// Begins an upload and returns its address.
pub fn begin(bed: &Bed, length: usize, media_type: &str) -> String {
    let answer = creation(bed, length, media_type).send();
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.header("location").unwrap().to_owned()
}

/// A part of an upload.
pub fn part(bed: &Bed, upload: &str, offset: usize, bytes: &[u8]) -> Call {
    bed.call("PATCH", upload)
        .header("Tus-Resumable", "1.0.0")
        .header("Upload-Offset", offset.to_string())
        .header("Content-Type", PART)
        .body(bytes)
}

/// Sends a whole file with its creation.
pub fn whole(bed: &Bed, file: &[u8], media_type: &str) -> Answer {
    creation(bed, file.len(), media_type)
        .header("Content-Type", PART)
        .body(file)
        .send()
}

fn assert_asset(bed: &Bed, answer: &Answer) -> (Value, Vec<u8>) {
    let asset = answer
        .header("studio-asset")
        .unwrap_or_else(|| panic!("{answer:?}"));
    let shown = bed.get(&format!("/api/v1/assets/{asset}")).expect(200);
    (shown, bed.content(asset))
}

#[test]
fn a_file_arrives_in_parts() {
    let place = Place::new();
    let bed = place.serve();
    let file = png(40, 30);
    let upload = begin(&bed, file.len(), "image/png");
    let head = || {
        let head = bed.call("HEAD", &upload).header("Tus-Resumable", "1.0.0").send();
        assert_eq!((head.status, head.header("tus-resumable")), (200, Some("1.0.0")));
        assert_eq!(
            head.header("upload-length"),
            Some(file.len().to_string().as_str())
        );
        assert_eq!(head.header("cache-control"), Some("no-store"));
        head.header("upload-offset").unwrap().parse::<usize>().unwrap()
    };
    assert_eq!(head(), 0);
    let first = part(&bed, &upload, 0, &file[..100]).send();
    assert_eq!((first.status, first.header("upload-offset")), (204, Some("100")));
    assert_eq!(head(), 100);

    part(&bed, &upload, 0, &file[..100])
        .send()
        .problem(409, "upload.offset");
    part(&bed, &upload, 101, &file[101..])
        .send()
        .problem(409, "upload.offset");
    assert_eq!(head(), 100, "a conflict changes nothing");
    let long = [&file[100..], b"more"].concat();
    part(&bed, &upload, 100, &long)
        .send()
        .problem(413, "upload.too_large");
    assert_eq!(head(), 100, "nor does more than was announced");

    let last = part(&bed, &upload, 100, &file[100..]).send();
    assert_eq!(last.status, 204, "{last:?}");
    let (shown, content) = assert_asset(&bed, &last);
    assert_eq!(
        (shown["width"].as_u64(), shown["height"].as_u64()),
        (Some(40), Some(30))
    );
    assert!(content.starts_with(b"\x89PNG"));
    let at_end = bed.get(&upload).expect(200);
    assert_eq!(at_end["offset"], file.len());
    assert_eq!(at_end["asset"], shown["id"]);
    part(&bed, &upload, file.len(), b"x")
        .send()
        .problem(409, "upload.offset");
    assert_eq!(place.blobs().len(), 1, "the parts are gone");
    bed.stop();
}

#[test]
fn a_small_file_comes_with_its_creation() {
    let place = Place::new();
    let bed = place.serve();
    let options = bed.call("OPTIONS", "/api/v1/uploads").send();
    assert_eq!(options.header("tus-version"), Some("1.0.0"));
    assert_eq!(
        options.header("tus-extension"),
        Some("creation,creation-with-upload")
    );
    assert_eq!(
        options.header("tus-max-size"),
        Some(MAX_BYTES.to_string().as_str())
    );
    let file = png(8, 8);
    let answer = whole(&bed, &file, "image/png");
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(
        answer.header("upload-offset"),
        Some(file.len().to_string().as_str())
    );
    assert_asset(&bed, &answer);
}

#[test]
fn an_upload_that_is_told_wrongly_is_refused() {
    let place = Place::new();
    let mut bed = place.serve();
    let upload = begin(&bed, 10, "image/png");
    let create = || {
        bed.call("POST", "/api/v1/uploads")
            .header("Tus-Resumable", "1.0.0")
    };
    let named = metadata(&[("filetype", "image/png")]);
    let large = (MAX_BYTES + 1).to_string();
    let cases: [(Call, u16, &str); 11] = [
        (bed.call("POST", "/api/v1/uploads"), 412, "upload.tus_version"),
        (create(), 400, "upload.header"),
        (create().header("Upload-Length", "-1"), 400, "upload.header"),
        (create().header("Upload-Length", "9"), 400, "upload.metadata"),
        (
            create()
                .header("Upload-Length", "9")
                .header("Upload-Metadata", "filetype %%"),
            400,
            "upload.metadata",
        ),
        (
            create()
                .header("Upload-Length", "0")
                .header("Upload-Metadata", &named),
            400,
            "upload.empty",
        ),
        (
            create()
                .header("Upload-Length", large)
                .header("Upload-Metadata", &named),
            413,
            "upload.too_large",
        ),
        (
            bed.call("PATCH", &upload)
                .header("Tus-Resumable", "1.0.0")
                .header("Upload-Offset", "0"),
            415,
            "upload.content_type",
        ),
        (
            bed.call("PATCH", &upload)
                .header("Tus-Resumable", "1.0.0")
                .header("Content-Type", PART),
            400,
            "upload.header",
        ),
        (part(&bed, "/api/v1/uploads/upl_0", 0, b"x"), 404, "not_found"),
        (
            part(
                &bed,
                "/api/v1/uploads/upl_01a204db4b9b7d578c8d38bee07331e6",
                0,
                b"x",
            ),
            404,
            "not_found",
        ),
    ];
    for (call, status, code) in cases {
        call.send().problem(status, code);
    }
    bed.get("/api/v1/uploads/nothing").problem(404, "not_found");
    bed.assert_alive();
}

#[test]
fn a_file_that_is_not_what_it_says_is_not_kept() {
    let place = Place::new();
    let mut bed = place.serve();
    let elf = std::fs::read(env!("CARGO_BIN_EXE_studio")).unwrap()[..4096].to_vec();
    let page = b"<!doctype html><script>alert(1)</script>".to_vec();
    let broken = png(64, 64)[..200].to_vec();
    let cases: [(&str, Vec<u8>, &str, &str); 7] = [
        (
            "an executable called a picture",
            elf,
            "image/png",
            "media.unknown_type",
        ),
        ("a page called a picture", page, "image/png", "media.unknown_type"),
        (
            "a picture called a clip",
            png(8, 8),
            "video/mp4",
            "media.type_mismatch",
        ),
        (
            "a bomb by its sides",
            png_claiming(60_000, 60_000),
            "image/png",
            "media.too_wide",
        ),
        (
            "a bomb by its area",
            png_claiming(16_000, 16_000),
            "image/png",
            "media.too_many_pixels",
        ),
        ("a file cut short", broken, "image/png", "media.damaged"),
        (
            "more size than data",
            png_claiming(500, 500),
            "image/png",
            "media.damaged",
        ),
    ];
    for (what, file, media_type, code) in cases {
        let answer = whole(&bed, &file, media_type);
        assert_eq!(answer.status, 422, "{what}: {answer:?}");
        answer.problem(422, code);
        assert!(place.blobs().is_empty(), "{what}: nothing of it is kept");
        bed.assert_alive();
    }
    bed.picture("um barco");
}

#[test]
fn what_a_picture_tells_besides_the_picture_is_left_out() {
    let place = Place::new();
    let bed = place.serve();
    let photograph = jpeg_with_place("PLACE-Rua-das-Flores-7");
    assert!(contains(&photograph, b"Exif"));
    let (shown, content) = assert_asset(&bed, &whole(&bed, &photograph, "image/jpeg"));
    assert_eq!(shown["media_type"], "image/jpeg");
    assert_eq!(
        (shown["width"].as_u64(), shown["height"].as_u64()),
        (Some(48), Some(32))
    );
    for secret in [b"Exif".as_slice(), b"PLACE-Rua"] {
        assert!(!contains(&content, secret), "{}", String::from_utf8_lossy(secret));
    }
    let said = png_saying("AUTHOR-Maria");
    assert!(png_texts(&said).contains("AUTHOR-Maria"));
    let (_, content) = assert_asset(&bed, &whole(&bed, &said, "image/png"));
    assert_eq!(png_texts(&content), "");
}

#[test]
fn of_two_parts_at_once_one_is_taken() {
    let place = Place::new();
    let bed = place.serve();
    let file = png(64, 64);
    let upload = begin(&bed, file.len(), "image/png");
    let start = Barrier::new(4);
    let statuses: Vec<_> = thread::scope(|scope| {
        let send = || {
            start.wait();
            part(&bed, &upload, 0, &file[..1000]).send().status
        };
        let all: Vec<_> = (0..4).map(|_| scope.spawn(send)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let count = |status: u16| statuses.iter().filter(|s| **s == status).count();
    assert_eq!((count(204), count(409)), (1, 3), "{statuses:?}");
    let last = part(&bed, &upload, 1000, &file[1000..]).send();
    assert_eq!(last.status, 204, "{last:?}");
    assert_asset(&bed, &last);
}

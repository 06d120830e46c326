//! Marked words go in through every door; then everything that the studio tells others is searched for
//! them: logs, problems, metrics, events, the audit log, and the files of the data directory.

use std::fs;

use serde_json::{Value, json};

use crate::bed::{Bed, Place, files_below, small};
use crate::events::Listener;
use crate::http::{Answer, Call};
use crate::media_files::{contains, jpeg_with_place, png};
use crate::uploads::{self, metadata};

/// In every marked word. No word of any language, and harmless to every parser.
const MARK: &str = "canariozq";
const GENERATIONS: &str = "/api/v1/generations";

/// A marked word that says which door it came through.
fn mark(door: &str) -> String {
    format!("{MARK}{door}")
}

/// The request with a marked word in every header that a client, a proxy or a browser may send.
fn marked(call: Call) -> Call {
    let trace = format!("00-{}-01", mark("trace"));
    let headers = [
        ("User-Agent", mark("agent")),
        ("Authorization", format!("Bearer {}", mark("bearer"))),
        ("Cookie", format!("session={}", mark("cookie"))),
        ("Referer", format!("http://127.0.0.1/{}", mark("referer"))),
        ("X-Request-Id", format!("{} not sane", mark("request"))),
        ("X-Forwarded-For", mark("forwarded")),
        ("X-Api-Key", mark("key")),
        ("Accept-Language", mark("language")),
        ("traceparent", trace),
        ("tracestate", format!("vendor={}", mark("state"))),
        ("baggage", format!("user={}", mark("baggage"))),
    ];
    headers
        .iter()
        .fold(call, |call, (name, value)| call.header(name, value))
}

fn create(bed: &Bed, body: &Value) -> Call {
    marked(bed.call("POST", GENERATIONS)).json(body)
}

fn small_with(field: &str, value: Value) -> Value {
    let mut body = small("um barco");
    body[field] = value;
    body
}

/// Requests that are refused; each carries marked words in its own way.
fn refused(bed: &Bed) -> Vec<Answer> {
    let word = |door: &str| Value::String(mark(door));
    let mut calls: Vec<Call> = [
        json!({"kind": "image", "prompt": format!("{} \u{202e}x", mark("bidi"))}),
        json!({"kind": "image", "prompt": format!("{} <lora:{}:1>", mark("before"), mark("lora"))}),
        json!({"kind": "image", "prompt": mark("long").repeat(200)}),
        json!({"kind": "image", "prompt": [mark("list")]}),
        json!({"kind": mark("kind"), "prompt": mark("prompt")}),
        small_with("model", word("model")),
        small_with("provider", word("provider")),
        small_with("size", word("size")),
        small_with("aspect", word("aspect")),
        small_with("resolution", word("resolution")),
        small_with("seed", word("seed")),
        small_with("seed", json!(format!("x, expected {}", mark("expected")))),
        small_with("seconds", word("seconds")),
        small_with("purpose", word("purpose")),
        small_with("operation", word("operation")),
        small_with("quote", word("quote")),
        small_with("references", json!([{"asset": mark("asset"), "role": "image"}])),
        small_with(
            "references",
            json!([{"generation": mark("generation"), "role": mark("role")}]),
        ),
        json!(mark("text")),
    ]
    .iter()
    .map(|body| create(bed, body))
    .collect();
    let body = |text: String| {
        let call = marked(bed.call("POST", GENERATIONS));
        call.header("Content-Type", "application/json").body(text)
    };
    calls.push(body(mark("bare")));
    calls.push(body(format!("{{\"kind\":\"image\",\"prompt\":\"{}", mark("cut"))));
    calls.push(body(format!("{}{}", small("um barco"), mark("after"))));
    calls.push(
        create(bed, &small("um barco")).header("Idempotency-Key", format!("{} {}", mark("key"), mark("key"))),
    );
    calls.push(
        create(bed, &small("um barco")).header("Origin", format!("https://{}.example", mark("origin"))),
    );
    let word = mark("path");
    for path in [
        format!("{GENERATIONS}?cursor={word}"),
        format!("{GENERATIONS}?{word}={word}"),
        format!("{GENERATIONS}/{word}"),
        format!("/api/v1/assets/{word}/content"),
        format!("/api/v1/uploads/{word}"),
        format!("/api/v1/{word}"),
        format!("/{word}?{word}"),
        format!("/api/v1/events?last_event_id={word}"),
    ] {
        calls.push(marked(bed.call("GET", &path)));
    }
    calls.push(marked(bed.call("GET", "/api/v1/events")).header("Last-Event-ID", mark("event")));
    calls.push(marked(bed.call("GET", "/live")).header("Host", mark("host")));
    calls.push(marked(bed.call("GET", "/metrics")));
    let create_upload = |names: String| {
        marked(bed.call("POST", "/api/v1/uploads"))
            .header("Tus-Resumable", "1.0.0")
            .header("Upload-Length", "9")
            .header("Upload-Metadata", names)
            .header("Content-Type", uploads::PART)
            .body("not media")
    };
    calls.push(create_upload(metadata(&[
        ("filename", &mark("file")),
        ("filetype", "image/png"),
    ])));
    calls.push(create_upload(format!("filename {}", mark("metadata"))));
    calls.push(marked(bed.call("POST", "/api/v1/uploads")).header("Tus-Resumable", mark("tus")));
    calls.into_iter().map(Call::send).collect()
}

/// Requests that are taken.
fn taken(bed: &Bed) -> Vec<String> {
    let mut ids = Vec::new();
    let wish = small(&format!("um barco vermelho de {} no mar", mark("owner")));
    for key in ["one", "one", "two"] {
        let answer = create(bed, &wish).header("Idempotency-Key", mark(key)).send();
        ids.push(answer.expect(202)["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(ids[0], ids[1]);
    let path = format!("{GENERATIONS}/{}", ids[0]);
    bed.made(&ids[0]);
    bed.made(&ids[2]);
    let seen = marked(bed.call("GET", &path)).send();
    assert!(seen.text().contains(&mark("owner")), "its owner sees the prompt");
    marked(bed.call("POST", &format!("{path}/retry")))
        .send()
        .expect(202);
    marked(bed.call("POST", &format!("/callbacks/{}/{}", mark("who"), mark("token")))).send();
    let names = metadata(&[
        ("filename", &format!("{}.jpg", mark("name"))),
        ("filetype", "image/jpeg"),
    ]);
    let photograph = jpeg_with_place(&mark("exif"));
    let upload = marked(bed.call("POST", "/api/v1/uploads"))
        .header("Tus-Resumable", "1.0.0")
        .header("Upload-Length", photograph.len().to_string())
        .header("Upload-Metadata", names)
        .header("Content-Type", uploads::PART)
        .body(photograph)
        .send();
    assert_eq!(upload.status, 201, "{upload:?}");
    assert_eq!(
        marked(uploads::part(bed, "/api/v1/uploads/x", 0, &png(1, 1)))
            .send()
            .status,
        404
    );
    ids
}

fn assert_clean(what: &str, text: &str) {
    // Capitals, lower case, and the forms in which bytes are often written.
    let lower = text.to_lowercase();
    for form in [
        MARK.to_owned(),
        data_encoding::HEXLOWER.encode(MARK.as_bytes()),
        data_encoding::BASE64.encode(&MARK.as_bytes()[..9]).to_lowercase(),
    ] {
        let at = lower.find(&form);
        let around = at.map(|at| {
            lower[at.saturating_sub(200)..]
                .chars()
                .take(400)
                .collect::<String>()
        });
        assert!(
            at.is_none(),
            "{what} tells a marked word: {}",
            around.unwrap_or_default()
        );
    }
}

fn nothing_is_told(format: &str) {
    let place = Place::new()
        .with("LOG__FORMAT", format)
        .with("LOG__LEVEL", "debug")
        .with("LOG__DIR", "logs")
        .with("METRICS__TOKEN", "a-token-of-some-length");
    let mut bed = place.serve();
    for answer in refused(&bed) {
        assert!(answer.status >= 400, "{answer:?}");
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json"),
            "{answer:?}"
        );
        assert_clean("a problem", &format!("{answer:?}{}", answer.text()));
    }
    let ids = taken(&bed);
    for told in Listener::after(&bed, 0).until_ended(&ids[2]) {
        assert_clean("an event", &format!("{told:?}"));
    }
    let metrics = bed
        .call("GET", "/metrics")
        .header("Authorization", "Bearer a-token-of-some-length");
    let metrics = metrics.send();
    assert_eq!(metrics.status, 200);
    assert_clean("the metrics", &metrics.text());
    bed.assert_alive();
    no_file_tells_the_prompt(&place);

    let log = bed.log();
    assert!(
        log.contains("generation accepted") && log.contains("debug") | log.contains("DEBUG"),
        "{log}"
    );
    bed.stop();
    no_file_tells_the_prompt(&place);
    assert_clean(
        "standard error",
        &fs::read_to_string(place.file("stderr.log")).unwrap(),
    );
    let files = files_below(&place.file("logs"));
    assert!(!files.is_empty());
    for file in files {
        assert_clean("a log file", &fs::read_to_string(&file).unwrap());
    }
    place.run_with_data(&["audit", "export", "-o", "export"]).well();
    for file in files_below(&place.file("export")) {
        assert_clean(
            "the audit log",
            &String::from_utf8_lossy(&fs::read(&file).unwrap()),
        );
    }
}

/// Prompts are sealed before they reach a file; names of uploads are not kept at all.
fn no_file_tells_the_prompt(place: &Place) {
    let files = place.data_files();
    assert!(files.iter().any(|file| file.ends_with("studio.db")), "{files:?}");
    for file in files {
        let bytes = fs::read(&file).unwrap();
        for door in [
            "owner", "prompt", "bidi", "name", "exif", "agent", "bearer", "cookie",
        ] {
            let word = mark(door);
            assert!(
                !contains(&bytes, word.as_bytes()),
                "{} holds {word}",
                file.display()
            );
        }
    }
}

#[test]
fn nothing_that_came_in_is_told_by_json_logs_or_answers() {
    nothing_is_told("json");
}

#[test]
fn nothing_that_came_in_is_told_by_pretty_logs_or_answers() {
    nothing_is_told("pretty");
}

#[test]
fn the_search_finds_what_it_looks_for() {
    let caught = |text: String| std::panic::catch_unwind(move || assert_clean("it", &text)).is_err();
    assert!(caught(format!("... {} ...", mark("x").to_uppercase())));
    assert!(caught(data_encoding::HEXLOWER.encode(mark("x").as_bytes())));
    assert!(caught(data_encoding::BASE64.encode(mark("x").as_bytes())));
    assert!(!caught("a boat".to_owned()));
}

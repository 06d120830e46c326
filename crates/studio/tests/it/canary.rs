//! Marked words go in through every door; then everything that the studio tells others is searched for
//! them: logs, problems, metrics, events, the audit log, and the files of the data directory.

use std::fs;

use serde_json::{Value, json};

use crate::bed::{Bed, EMAIL, PASSWORD, Place, files_below, small};
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
    // Of a browser only its name and system are kept.
    let browser = format!("Mozilla/5.0 (X11; Linux x86_64; {}) Firefox/140.0", mark("agent"));
    let headers = [
        ("User-Agent", browser),
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

/// What shows somebody in vain.
fn shown() -> [(&'static str, String); 7] {
    let cookies = |name: &str| format!("{name}={}", mark("cookie"));
    [
        ("Authorization", format!("Bearer {}", mark("bearer"))),
        ("Authorization", format!("Bearer sas_live_{}", mark("key"))),
        ("Authorization", format!("Bearer ey.{}.x", mark("jwt"))),
        ("Authorization", format!("DPoP {}", mark("dpop"))),
        ("Authorization", format!("Basic {}", mark("basic"))),
        ("Cookie", cookies("__Host-sas_at")),
        ("Cookie", cookies("__Host-sas_rt")),
    ]
}

/// A body for a schema of the API description with a marked word in every text.
fn filled(api: &Value, schema: &Value, name: &str, depth: u32) -> Value {
    if depth == 0 {
        return Value::Null;
    }
    if let Some(reference) = schema["$ref"].as_str() {
        let of = api.pointer(reference.trim_start_matches('#')).unwrap();
        return filled(api, of, name, depth - 1);
    }
    for choice in ["oneOf", "anyOf", "allOf"] {
        let choices = schema[choice].as_array().into_iter().flatten();
        if let Some(first) = choices.into_iter().find(|one| one["type"] != "null") {
            return filled(api, first, name, depth - 1);
        }
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds[0].as_str().unwrap_or_default(),
        kind => kind.as_str().unwrap_or_default(),
    };
    match kind {
        "object" if schema["properties"].is_object() => {
            let properties = schema["properties"].as_object().unwrap();
            let fields = properties
                .iter()
                .map(|(name, schema)| (name.clone(), filled(api, schema, name, depth - 1)));
            Value::Object(fields.collect())
        }
        "array" => json!([filled(api, &schema["items"], name, depth - 1)]),
        "integer" | "number" => json!(1),
        "boolean" => json!(true),
        _ if name == "email" => json!(format!("{}@example.org", mark("email"))),
        _ => json!(mark(name)),
    }
}

/// Bodies whose words differ from the schema's in what decides how far they get.
fn near(body: &Value) -> Vec<Value> {
    let mut bodies = vec![body.clone()];
    for (field, value) in [
        ("client", json!("api")),
        ("locale", json!("en")),
        ("role", json!("user")),
    ] {
        for at in 0..bodies.len() {
            if bodies[at].get(field).is_some() {
                let mut changed = bodies[at].clone();
                changed[field] = value.clone();
                bodies.push(changed);
            }
        }
    }
    bodies
}

/// Every route of the API with marked words in its path and body; as nobody, with what shows somebody in
/// vain, with a key, and with a fresh login.
fn every_route(place: &Place, bed: &Bed) -> Vec<Answer> {
    let api: Value = serde_json::from_str(&place.run(&["openapi"]).well()).unwrap();
    let login = json!({"email": EMAIL, "password": PASSWORD, "client": "api"});
    let session = bed
        .call("POST", "/api/v1/auth/login")
        .anonymous()
        .json(&login)
        .send();
    let session = session.expect(200)["access_token"].as_str().unwrap().to_owned();
    let mut answers = Vec::new();
    // What ends the login comes last.
    let (last, first): (Vec<&server::Route>, Vec<&server::Route>) = server::ROUTES
        .iter()
        .partition(|route| route.path.ends_with("/logout"));
    for route in first.into_iter().chain(last) {
        // It streams without an end for whoever may listen.
        if route.path == "/api/v1/events" {
            continue;
        }
        let parts: Vec<_> = route
            .path
            .split('/')
            .map(|part| {
                if part.starts_with('{') {
                    mark("part")
                } else {
                    part.to_owned()
                }
            })
            .collect();
        let (method, path) = (route.method.to_uppercase(), parts.join("/"));
        let schema =
            &api["paths"][route.path][route.method]["requestBody"]["content"]["application/json"]["schema"];
        let bodies = if schema.is_null() {
            vec![None]
        } else {
            near(&filled(&api, schema, "body", 12))
                .into_iter()
                .map(Some)
                .collect()
        };
        for body in bodies {
            let call = || {
                let call = marked(bed.call(&method, &path));
                match &body {
                    Some(body) => call.json(body),
                    None => call,
                }
            };
            answers.push(call().send());
            answers.push(call().anonymous().send());
            answers.push(call().bearer(&session).send());
            for (name, value) in shown() {
                answers.push(call().anonymous().header(name, value).send());
            }
        }
    }
    answers
}

/// What an account holds that is personal or secret, kept under its own key or as a hash.
fn personal(bed: &Bed) {
    let entrance = |path: &str, body: Value| {
        let call = marked(bed.call("POST", path)).anonymous().json(&body).send();
        assert!(call.status < 500, "{call:?}");
        call
    };
    let login = json!({"email": EMAIL, "password": PASSWORD, "client": "api"});
    let login = entrance("/api/v1/auth/login", login).expect(200);
    let session = login["access_token"].as_str().unwrap();
    let name = json!({"name": mark("person")});
    let changed = marked(bed.call("PATCH", "/api/v1/me").bearer(session))
        .json(&name)
        .send();
    assert!(changed.status < 300, "{changed:?}");
    let key = json!({"name": mark("named"), "scopes": ["generations:read"]});
    let made = marked(bed.call("POST", "/api/v1/me/api-keys").bearer(session))
        .json(&key)
        .send();
    assert_eq!(made.expect(201)["name"], mark("named"));
    for word in ["password", "code"] {
        let email = format!("{}@example.org", mark("email"));
        let wrong = json!({"email": email, "password": mark(word), "code": mark("code"), "client": "api"});
        entrance("/api/v1/auth/login", wrong).problem(401, "login_failed");
    }
    let forgotten = json!({"email": format!("{}@example.org", mark("forgotten"))});
    entrance("/api/v1/auth/password/forgot", forgotten).expect(202);
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
    for (name, value) in shown() {
        calls.push(create(bed, &small("um barco")).anonymous().header(name, value));
    }
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
        let answer = create(bed, &wish)
            .header("Idempotency-Key", mark(&format!("idempotency{key}")))
            .send();
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
        ("filename", &format!("{}.jpg", mark("filename"))),
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
        .with("METRICS__TOKEN", "a-token-of-some-length")
        .with("LIMITS__ENTRANCE_PER_MINUTE", "1000000");
    let mut bed = place.serve();
    // Before the password becomes a marked word as well.
    personal(&bed);
    for answer in every_route(&place, &bed) {
        // Whoever was let in sees what is theirs.
        if answer.status >= 400 {
            assert_clean("a problem", &format!("{answer:?}{}", answer.text()));
        }
    }
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
    assert!(!log.contains(EMAIL), "{log}");
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
        let text = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
        assert_clean("the audit log", &text);
        assert!(!text.contains(EMAIL), "{text}");
    }
}

/// What is personal is sealed before it reaches a file, secrets are hashed, names of uploads are not kept at
/// all. Names of workspaces are nobody's.
fn no_file_tells_the_prompt(place: &Place) {
    let files = place.data_files();
    assert!(files.iter().any(|file| file.ends_with("studio.db")), "{files:?}");
    for file in files {
        let bytes = fs::read(&file).unwrap();
        for secret in [EMAIL, PASSWORD, place.key()] {
            assert!(!contains(&bytes, secret.as_bytes()), "{}", file.display());
        }
        for door in [
            "owner",
            "prompt",
            "bidi",
            "person",
            "filename",
            "named",
            "exif",
            "agent",
            "bearer",
            "cookie",
            "email",
            "forgotten",
            "password",
            "code",
            "token",
            "jwt",
            "dpop",
            "idempotency",
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

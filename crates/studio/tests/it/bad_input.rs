//! Whatever comes in, a clear problem goes out and the process stays.

use serde_json::{Value, json};

use crate::bed::{Bed, Place, small, until};
use crate::http::{Answer, raw_answer};

const GENERATIONS: &str = "/api/v1/generations";

fn raw(bed: &Bed, body: impl Into<Vec<u8>>) -> Answer {
    bed.call("POST", GENERATIONS)
        .header("Content-Type", "application/json")
        .body(body)
        .send()
}

fn with(field: &str, value: Value) -> Value {
    let mut body = small("um barco");
    body[field] = value;
    body
}

fn nothing_was_made(bed: &Bed) {
    assert_eq!(bed.get(GENERATIONS).expect(200)["items"], json!([]));
}

#[test]
fn prompts_that_cannot_be_sent_say_why_and_where() {
    let place = Place::new();
    let mut bed = place.serve();
    let huge = "barco ".repeat(1_000_000 / 6);
    for (prompt, code) in [
        ("", "screening.empty"),
        (" \n\t ", "screening.empty"),
        ("\u{200b}\u{200b}", "screening.empty"),
        ("😀🚢🌊", "screening.prompt_without_words"),
        ("barco \u{202e}ahlemrev", "screening.bidi"),
        ("barco \u{2066}x\u{2069}", "screening.bidi"),
        ("barco\u{e0041}", "screening.tag"),
        ("barco\u{0}", "screening.control"),
        ("barco \u{fdd0}", "screening.noncharacter"),
        ("barco <lora:x:1>", "screening.injection"),
        (huge.as_str(), "screening.too_long"),
        (&"b".repeat(1001), "screening.too_long"),
    ] {
        let answer = bed.post(GENERATIONS, &small(prompt));
        let problem = answer.problem(422, "prompt_refused");
        let errors = problem["errors"].as_array().unwrap();
        let found = errors.iter().find(|error| error["code"] == code);
        let found = found.unwrap_or_else(|| panic!("{code}: {problem}"));
        assert_eq!(found["field"], "prompt");
        assert!(found["start"].as_u64() <= found["end"].as_u64(), "{found}");
        assert!(
            answer.body.len() < 10_000,
            "an answer is not as long as its question"
        );
    }
    nothing_was_made(&bed);
    bed.assert_alive();
}

#[test]
fn personal_data_is_taken_out_and_that_is_said() {
    let place = Place::new();
    let bed = place.serve();
    let prompt = "barco de João, CPF 529.982.247-25, joao@example.com";
    let done = bed.picture(prompt);
    assert_eq!(done["prompt"], "barco de João, CPF [CPF], [EMAIL]");
    let findings = done["screening"]["findings"].as_array().unwrap();
    let cpf = findings.iter().find(|f| f["kind"] == "screening.cpf").unwrap();
    assert_eq!(cpf["action"], "redacted");
    let at = prompt.find("529").unwrap();
    assert_eq!(
        (cpf["start"].as_u64(), cpf["end"].as_u64()),
        (Some(at as u64), Some(at as u64 + 14))
    );
    for file in place.data_files() {
        let bytes = std::fs::read(&file).unwrap();
        assert!(
            !crate::media_files::contains(&bytes, b"529.982"),
            "{}",
            file.display()
        );
    }
    assert!(!bed.log().contains("529.982"), "{}", bed.log());
}

#[test]
fn fields_that_do_not_fit_are_named() {
    let place = Place::new();
    let mut bed = place.serve();
    for (field, value) in [
        ("size", json!("129x128")),
        ("size", json!("512")),
        ("size", json!("99999999999x1")),
        ("seconds", json!(3)),
        ("aspect", json!("16:9")),
        ("count", json!(9)),
        ("references", json!([{"role": "image"}])),
        ("references", json!([{"role": "image", "asset": "x"}])),
        ("quote", json!("x")),
    ] {
        let problem = bed
            .post(GENERATIONS, &with(field, value.clone()))
            .problem(422, "invalid_request");
        let named = problem["errors"][0]["field"].as_str().unwrap();
        assert!(named.starts_with(field), "{field} {value}: {problem}");
    }
    for (field, value) in [
        ("kind", json!("sound")),
        ("prompt", json!(7)),
        ("seed", json!(-1)),
        ("seed", json!("1")),
        ("count", json!(1.5)),
        ("loop", json!("yes")),
        ("aspect", json!("wide")),
        ("purpose", json!("fun")),
        ("references", json!({})),
        ("colour", json!("red")),
    ] {
        let problem = bed
            .post(GENERATIONS, &with(field, value.clone()))
            .problem(422, "invalid_json");
        assert!(
            problem["detail"].as_str().unwrap().contains(field),
            "{field} {value}: {problem}"
        );
    }
    for (field, value) in [("model", "gpt"), ("provider", "nobody")] {
        bed.post(GENERATIONS, &with(field, json!(value)))
            .problem(422, "model_unknown");
    }
    bed.post(GENERATIONS, &with("provider", json!("luma")))
        .problem(409, "provider.not_configured");
    let reference = json!([{"role": "image", "asset": "ast_01a204db4b9b7d578c8d38bee07331e6"}]);
    let answer = bed.post(GENERATIONS, &with("references", reference));
    assert_eq!(answer.status, 422, "{answer:?}");
    nothing_was_made(&bed);
    bed.assert_alive();
}

#[test]
fn bodies_that_are_not_ours() {
    let place = Place::new();
    let mut bed = place.serve();
    for body in [
        "",
        "x",
        "{",
        "[]",
        "null",
        "7",
        "{\"kind\":\"image\",\"kind\":\"image\"}",
        "\u{feff}{}",
    ] {
        raw(&bed, body).problem(422, "invalid_json");
    }
    raw(&bed, [0xff, 0xfe, b'{', b'}']).problem(422, "invalid_json");
    raw(&bed, "[".repeat(200_000)).problem(422, "invalid_json");
    raw(&bed, format!("{}{}", small("um barco"), small("um barco"))).problem(400, "invalid_json");
    let form = bed
        .call("POST", GENERATIONS)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body("kind=image&prompt=barco")
        .send();
    form.problem(415, "not_json");
    bed.call("POST", GENERATIONS)
        .body(small("um barco").to_string())
        .send()
        .problem(415, "not_json");

    let long_name = format!("{{\"{}\":1}}", "n".repeat(500_000));
    let answer = raw(&bed, long_name);
    answer.problem(422, "invalid_json");
    assert!(
        answer.body.len() < 4_000,
        "{} bytes for a wrong name",
        answer.body.len()
    );

    // 1 MiB is the limit of `server.body_limit_bytes`.
    let filler = |bytes: usize| with("prompt", json!("b".repeat(bytes))).to_string();
    raw(&bed, filler(1_040_000)).problem(422, "prompt_refused");
    raw(&bed, filler(1_100_000)).problem(413, "body_too_large");
    raw(&bed, filler(20_000_000)).problem(413, "body_too_large");
    nothing_was_made(&bed);
    bed.assert_alive();
}

#[test]
fn addresses_and_methods_that_do_not_exist() {
    let place = Place::new();
    let mut bed = place.serve();
    for path in [
        "/api/v1/nothing",
        "/api/v2/generations",
        "/api",
        "/v1/images/generations",
        "/nothing",
        "/../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/assets/nothing.js",
        "/api/v1/generations/x",
        "/api/v1/generations/gen_",
        "/api/v1/generations/gen_zz",
        "/api/v1/generations/ast_01a204db4b9b7d578c8d38bee07331e6",
        "/api/v1/generations/gen_01a204db4b9b7d578c8d38bee07331e6",
        "/api/v1/generations/gen_01A204DB4B9B7D578C8D38BEE07331E6",
        "/api/v1/generations/%ff",
        "/api/v1/generations/%00",
        "/api/v1/assets/x",
        "/api/v1/assets/ast_01a204db4b9b7d578c8d38bee07331e6",
        "/api/v1/assets/ast_01a204db4b9b7d578c8d38bee07331e6/content",
        "/api/v1/uploads/x",
    ] {
        bed.get(path).problem(404, "not_found");
    }
    for (method, path) in [
        ("PUT", "/api/v1/generations"),
        ("DELETE", "/api/v1/generations"),
        ("PATCH", "/api/v1/generations/x"),
        ("GET", "/api/v1/generations/x/cancel"),
        ("POST", "/api/v1/models"),
        ("POST", "/live"),
        ("POST", "/"),
        ("TRACE", "/live"),
        ("GET", "/api/v1/uploads"),
    ] {
        bed.call(method, path).send().problem(405, "method_not_allowed");
    }
    // A guess at a token learns nothing, and no path brings the handler out of step.
    assert_eq!(bed.call("POST", "/callbacks/luma/guess").send().status, 200);
    assert_eq!(
        bed.call("POST", &format!("/callbacks/luma/{}", "t".repeat(5000)))
            .send()
            .status,
        200
    );
    assert_eq!(bed.call("POST", "/callbacks/luma/%ff").send().status, 200);
    bed.assert_alive();
}

#[test]
fn request_ids_are_echoed_when_they_are_sane() {
    let place = Place::new();
    let bed = place.serve();
    let echoed = |id: &str| {
        let answer = bed
            .call("GET", "/api/v1/nothing")
            .header("X-Request-Id", id)
            .send();
        answer.problem(404, "not_found");
        answer.header("x-request-id").unwrap().to_owned()
    };
    for good in ["a", "0d0f6f0e-4f7a-4d0e_9.x", &"r".repeat(128)] {
        assert_eq!(echoed(good), good);
    }
    for bad in ["a b", "joao@example.com", "ação", "<b>", &"r".repeat(129)] {
        let id = echoed(bad);
        assert!(
            id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit()),
            "{bad} -> {id}"
        );
    }
    // Lines are written beside the answers, so the last one may still be on its way.
    until("the id is in the log", || {
        bed.log().contains("r".repeat(128).as_str()).then_some(())
    });
}

#[test]
fn other_names_and_other_sites_are_turned_away() {
    let place = Place::new();
    let mut bed = place.serve();
    let port = bed.address.port();
    for host in [
        "evil.example",
        &format!("evil.example:{port}"),
        "127.0.0.1.evil.example",
        "",
        "localhost:1",
    ] {
        bed.call("GET", "/api/v1/models")
            .header("Host", host)
            .send()
            .problem(421, "foreign_host");
    }
    for host in [
        "localhost",
        &format!("localhost:{port}"),
        &format!("127.0.0.1:{port}"),
        "[::1]",
    ] {
        assert_eq!(
            bed.call("GET", "/live").header("Host", host).send().status,
            200,
            "{host}"
        );
    }
    // Every name that a request gives counts: a second one, and the one in its target.
    let twice = format!("GET /live HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nHost: evil.example\r\n\r\n");
    let target = format!("GET http://evil.example/live HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n");
    for request in [twice, target, "GET /live HTTP/1.1\r\n\r\n".to_owned()] {
        raw_answer(bed.address, request.as_bytes()).problem(421, "foreign_host");
    }
    let ours = format!("GET http://127.0.0.1:{port}/live HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n");
    assert_eq!(raw_answer(bed.address, ours.as_bytes()).status, 200);
    let create = |name: &str, value: &str| {
        bed.call("POST", GENERATIONS)
            .header(name, value)
            .json(&small("um barco"))
            .send()
    };
    for (name, value) in [
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
        ("Origin", "https://127.0.0.1.evil.example"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
    ] {
        create(name, value).problem(403, "cross_site");
    }
    nothing_was_made(&bed);
    create("Sec-Fetch-Site", "same-origin").expect(202);
    create("Origin", &format!("http://127.0.0.1:{port}")).expect(202);
    bed.assert_alive();
}

#[test]
fn every_route_is_behind_the_guard_and_every_answer_carries_the_headers() {
    let place = Place::new();
    let bed = place.serve();
    for route in server::ROUTES {
        let path = route
            .path
            .replace("{id}", "x")
            .replace("{provider}", "luma")
            .replace("{token}", "x");
        let method = route.method.to_uppercase();
        let foreign = bed.call(&method, &path).header("Host", "evil.example").send();
        let open = path.starts_with("/callbacks/");
        assert_eq!(foreign.status, if open { 200 } else { 421 }, "{method} {path}");
        let safe = matches!(route.method, "get" | "head" | "options");
        let crossing = bed.call(&method, &path).header("Sec-Fetch-Site", "cross-site");
        if !safe && !open {
            assert_eq!(crossing.send().status, 403, "{method} {path}");
        }
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
        ] {
            assert_eq!(foreign.header(name), Some(value), "{method} {path}");
        }
        let policy = foreign.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'"), "{policy}");
        assert!(foreign.header("x-request-id").is_some(), "{method} {path}");
    }
}

#[test]
fn a_quote_is_kept_to_or_refused() {
    let place = Place::new();
    let bed = place.serve();
    let answer = bed.post("/api/v1/quotes", &small("um barco"));
    let quote = answer.expect(201);
    assert_eq!(quote["ceiling"], json!({"micros": 0, "currency": "USD"}));
    assert_eq!(
        (&quote["provider"], &quote["model"]),
        (&json!("embedded"), &json!("studio-tiny"))
    );
    nothing_was_made(&bed);
    let done = bed.made(&bed.ask(&with("quote", quote["id"].clone())));
    assert_eq!(done["cost"]["actual"], quote["ceiling"]);
    let unknown = with("quote", json!("quo_01a204db4b9b7d578c8d38bee07331e6"));
    bed.post(GENERATIONS, &unknown).problem(409, "quote_expired");
    bed.post("/api/v1/quotes", &small(""))
        .problem(422, "prompt_refused");
    bed.post("/api/v1/quotes", &with("size", json!("1x1")))
        .problem(422, "invalid_request");
}

#[test]
fn the_public_address_is_ours_as_well() {
    let place = Place::new().with("SERVER__PUBLIC_URL", "https://studio.example.org");
    let bed = place.serve();
    let from = |host: &str, origin: &str| {
        let call = bed.call("POST", "/api/v1/quotes").header("Host", host);
        call.header("Origin", origin).json(&small("um barco")).send()
    };
    from("studio.example.org", "https://studio.example.org").expect(201);
    from("STUDIO.example.org", "https://studio.example.org").expect(201);
    from("studio.example.org", "https://evil.example").problem(403, "cross_site");
    from("studio.example.org.evil.example", "https://studio.example.org").problem(421, "foreign_host");
}

#[test]
fn what_is_no_http_is_turned_away_and_the_rest_goes_on() {
    let place = Place::new();
    let mut bed = place.serve();
    let long = format!(
        "GET /live HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n",
        "a".repeat(2_000_000)
    );
    let many = format!("GET /live HTTP/1.1\r\n{}\r\n", "X: a\r\n".repeat(10_000));
    let cases: [(&[u8], &[u16]); 6] = [
        (b"\x16\x03\x01 no tls here\r\n\r\n", &[400]),
        (b"GET /live HTTP/9.9\r\n\r\n", &[400, 505]),
        (
            b"POST /api/v1/quotes HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 7\r\n\r\n12345",
            &[400],
        ),
        (
            b"POST /api/v1/quotes HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
            &[400],
        ),
        (long.as_bytes(), &[431]),
        (many.as_bytes(), &[431]),
    ];
    for (request, statuses) in cases {
        let answer = raw_answer(bed.address, request);
        assert!(statuses.contains(&answer.status), "{answer:?}");
        bed.assert_alive();
    }
}

#[test]
fn pages_are_for_browsers_and_never_stand_in_for_the_api() {
    let place = Place::new();
    let bed = place.serve();
    let page = |path: &str| bed.call("GET", path).header("Accept", "text/html,*/*").send();
    let first = page("/");
    assert_eq!(
        (first.status, first.header("content-type")),
        (200, Some("text/html; charset=utf-8"))
    );
    assert_eq!(first.header("cache-control"), Some("no-cache"));
    assert_eq!(page("/any/page/of/the/web/part").body, first.body);
    for path in ["/api/v1/nothing", "/api/", "/v1/models", "/assets/nothing.js"] {
        page(path).problem(404, "not_found");
    }
    let tag = first.header("etag").unwrap();
    let again = bed.call("GET", "/").header("If-None-Match", tag).send();
    assert_eq!((again.status, again.body.len()), (304, 0));
}

#[test]
fn a_request_that_does_not_come_to_its_end_is_told_so() {
    let place = Place::new().with("SERVER__REQUEST_TIMEOUT_SECONDS", "1");
    let mut bed = place.serve();
    let half = bed.call("POST", GENERATIONS).json(&small("um barco")).begin(10);
    let answer = half.answer();
    answer.problem(504, "request_timeout");
    nothing_was_made(&bed);
    bed.assert_alive();
}

//! Security headers: on every answer of every route, whatever becomes of the request.

use std::collections::BTreeMap;

use crate::bed::{Bed, Place, small};
use crate::http::{Answer, Call};

/// What every answer carries.
const ALWAYS: [(&str, &str); 5] = [
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];
/// What a page may not do without. `data:` and `'unsafe-…'` are nowhere.
const POLICY: [(&str, &str); 15] = [
    ("default-src", "'none'"),
    ("script-src", "'self'"),
    ("style-src", "'self'"),
    ("img-src", "'self' blob:"),
    ("media-src", "'self' blob:"),
    ("font-src", "'self'"),
    ("connect-src", "'self'"),
    ("manifest-src", "'self'"),
    ("worker-src", "'self'"),
    ("object-src", "'none'"),
    ("form-action", "'self'"),
    ("base-uri", "'none'"),
    ("frame-ancestors", "'none'"),
    ("require-trusted-types-for", "'script'"),
    ("trusted-types", "svelte-trusted-html"),
];

fn assert_headers(answer: &Answer, what: &str) {
    for (name, value) in ALWAYS {
        assert_eq!(answer.header(name), Some(value), "{what}: {answer:?}");
    }
    for name in [
        "content-security-policy",
        "permissions-policy",
        "cache-control",
        "x-request-id",
    ] {
        let count = answer.headers.iter().filter(|(of, _)| of == name).count();
        assert_eq!(count, 1, "{what}: {name}: {answer:?}");
    }
    assert_eq!(answer.header("server"), None, "{what}");
    assert_eq!(answer.header("access-control-allow-origin"), None, "{what}");
}

fn assert_policy(answer: &Answer, what: &str) {
    let policy = answer.header("content-security-policy").unwrap();
    let found: BTreeMap<_, _> = policy
        .split("; ")
        .map(|part| part.split_once(' ').unwrap_or_else(|| panic!("{part}")))
        .collect();
    assert_eq!(found, POLICY.into(), "{what}");
}

/// A path of this pattern with nothing behind it.
fn concrete(pattern: &str) -> String {
    pattern
        .split('/')
        .map(|part| if part.starts_with('{') { "x" } else { part })
        .collect::<Vec<_>>()
        .join("/")
}

fn send(bed: &Bed, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut call = Call::new(bed.address, method, path);
    for (name, value) in headers {
        call = call.header(name, value);
    }
    call.send()
}

#[test]
fn every_route_answers_with_them_whatever_it_answers() {
    let place = Place::new();
    let bed = place.serve_to_nobody();
    for route in server::ROUTES {
        let path = concrete(route.path);
        let method = route.method.to_uppercase();
        let tries: [&[(&str, &str)]; 6] = [
            &[],
            &[("Host", "evil.example")],
            &[("Sec-Fetch-Site", "cross-site")],
            &[("Content-Type", "text/plain")],
            &[("Authorization", "Bearer x.y.z")],
            &[
                ("Cookie", "__Host-sas_at=x"),
                ("Content-Type", "application/json"),
            ],
        ];
        for headers in tries {
            let answer = send(&bed, &method, &path, headers);
            let what = format!("{method} {path} {headers:?}");
            assert_headers(&answer, &what);
            assert_policy(&answer, &what);
            // Public keys are for everybody, and for a while.
            if !(route.path == "/.well-known/jwks.json" && answer.status == 200) {
                assert_eq!(answer.header("cache-control"), Some("no-store"), "{what}");
            }
            assert_eq!(answer.header("strict-transport-security"), None, "{what}");
        }
        let other = send(&bed, "TRACE", &path, &[]);
        assert_headers(&other, &path);
        assert_eq!(other.status, 405, "{path}: {other:?}");
        let allowed = other.header("allow").unwrap();
        assert!(
            allowed.split(", ").any(|word| word == method),
            "{method} {path}: {allowed}"
        );
    }
    for path in [
        "/",
        "/any/page",
        "/favicon.svg",
        "/assets/nothing.js",
        "/api/v1/nothing",
        "/%ff",
    ] {
        for method in ["GET", "HEAD", "POST"] {
            let answer = send(&bed, method, path, &[("Accept", "text/html")]);
            assert_headers(&answer, &format!("{method} {path}"));
            assert_policy(&answer, &format!("{method} {path}"));
        }
    }
}

#[test]
fn what_a_page_may_use_is_closed_but_for_passkeys() {
    let place = Place::new();
    let bed = place.serve();
    let answer = bed.get("/");
    let permissions = answer.header("permissions-policy").unwrap();
    for part in permissions.split(", ") {
        let (feature, who) = part.split_once('=').unwrap();
        let is_passkey = feature.starts_with("publickey-credentials-");
        assert_eq!(who, if is_passkey { "(self)" } else { "()" }, "{part}");
    }
    for feature in [
        "camera",
        "microphone",
        "geolocation",
        "payment",
        "usb",
        "serial",
        "hid",
        "bluetooth",
    ] {
        assert!(permissions.contains(&format!("{feature}=()")), "{permissions}");
    }
    for feature in ["get", "create"] {
        let open = format!("publickey-credentials-{feature}=(self)");
        assert!(permissions.contains(&open), "{permissions}");
    }
}

#[test]
fn media_may_do_nothing_and_is_kept_by_nobody_else() {
    let place = Place::new();
    let bed = place.serve();
    let done = bed.picture("um barco no mar");
    let asset = done["outputs"][0]["asset"].as_str().unwrap();
    let path = format!("/api/v1/assets/{asset}/content");
    let whole = bed.get(&path);
    assert_eq!(whole.status, 200);
    let tag = whole.header("etag").unwrap().to_owned();
    let part = bed.call("GET", &path).header("Range", "bytes=0-9").send();
    let same = bed.call("GET", &path).header("If-None-Match", &tag).send();
    let save = bed.get(&format!("{path}?download=1"));
    for (answer, status) in [(&whole, 200), (&part, 206), (&same, 304), (&save, 200)] {
        assert_eq!(answer.status, status, "{answer:?}");
        assert_headers(answer, "content");
        assert_eq!(
            answer.header("content-security-policy"),
            Some("default-src 'none'; sandbox")
        );
        assert_eq!(answer.header("cache-control"), Some("private, no-cache"));
    }
    assert!(
        save.header("content-disposition")
            .unwrap()
            .starts_with("attachment;")
    );
    // A page of another site gets nothing of it, whoever looks at that page.
    for site in ["cross-site", "same-site"] {
        let across = bed.call("GET", &path).header("Sec-Fetch-Site", site).send();
        across.problem(403, "cross_site");
    }
}

#[test]
fn who_comes_by_https_is_told_to_stay_with_it() {
    let place = Place::new().with("SERVER__PUBLIC_URL", "https://studio.example.org");
    let bed = place.serve();
    for path in ["/", "/live", "/api/v1/models", "/api/v1/nothing"] {
        let answer = bed.get(path);
        assert_headers(&answer, path);
        let told = answer.header("strict-transport-security");
        assert_eq!(told, Some("max-age=63072000; includeSubDomains"), "{path}");
    }
}

#[test]
fn a_refused_body_and_a_late_one_carry_them_too() {
    let place = Place::new().with("SERVER__REQUEST_TIMEOUT_SECONDS", "1");
    let bed = place.serve();
    let large = bed
        .call("POST", "/api/v1/generations")
        .header("Content-Type", "application/json")
        .body("x".repeat(3_000_000))
        .send();
    assert_eq!(large.status, 413, "{large:?}");
    assert_headers(&large, "too large");
    let half = bed.call("POST", "/api/v1/generations").json(&small("um barco"));
    let late = half.begin(10).answer();
    assert_eq!(late.status, 504, "{late:?}");
    assert_headers(&late, "too late");
}

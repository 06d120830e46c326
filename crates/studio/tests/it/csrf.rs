//! Requests that another site makes in a reader's browser: every method with every header that browsers
//! send or leave out, against the running server, compared with the rules written down once more here.

use crate::bed::{Bed, Place};
use crate::http::{Answer, Call};

const METHODS: [&str; 7] = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"];
const SITES: [Option<&str>; 7] = [
    None,
    Some("same-origin"),
    Some("none"),
    Some("same-site"),
    Some("cross-site"),
    Some("Same-Origin"),
    Some(""),
];
/// What shows who is asking. None of it is good: that a request passes the guard shows as its being asked
/// who it is.
const SHOWN: [Option<(&str, &str)>; 4] = [
    None,
    Some(("Cookie", "a=b; __Host-sas_at=x.y.z")),
    Some(("Cookie", "theme=dark")),
    Some(("Authorization", "Bearer x.y.z")),
];
/// `Content-Type` and whether there is a body.
const CONTENTS: [(Option<&str>, bool); 9] = [
    (None, false),
    (None, true),
    (Some("application/json"), true),
    (Some("application/json; charset=utf-8"), true),
    (Some("application/offset+octet-stream"), true),
    (Some("application/x-www-form-urlencoded"), true),
    (Some("multipart/form-data; boundary=x"), true),
    (Some("text/plain"), true),
    (Some("text/plain"), false),
];

fn origins(port: u16) -> [Option<String>; 9] {
    let ours = ["localhost", "127.0.0.1"].map(|host| Some(format!("http://{host}:{port}")));
    let [localhost, address] = ours;
    [
        None,
        localhost,
        address,
        Some(format!("https://localhost:{port}")),
        Some("http://localhost".to_owned()),
        Some(format!("http://localhost:{port}.evil.example")),
        Some("https://evil.example".to_owned()),
        Some("null".to_owned()),
        Some(String::new()),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Passes,
    CrossSite,
    ContentType,
}

struct Case<'a> {
    method: &'a str,
    site: Option<&'a str>,
    origin: Option<&'a str>,
    has_our_cookie: bool,
    content: (Option<&'a str>, bool),
}

/// The rules, in the words of the design: safe methods pass (what is private is not read for another
/// site); `Sec-Fetch-Site` decides where it is sent; else `Origin`; else there is no cookie of ours. What
/// passes and changes something is JSON or a part of an upload.
fn fate(case: &Case, port: u16, is_private: bool) -> Fate {
    let same = |site| site == "same-origin" || site == "none";
    if ["GET", "HEAD", "OPTIONS"].contains(&case.method) {
        let is_read_across = is_private && case.site.is_some_and(|site| !same(site));
        return if is_read_across {
            Fate::CrossSite
        } else {
            Fate::Passes
        };
    }
    let ours = [
        format!("http://localhost:{port}"),
        format!("http://127.0.0.1:{port}"),
    ];
    let is_ours = match (case.site, case.origin) {
        (Some(site), _) => same(site),
        (None, Some(origin)) => ours.iter().any(|ours| ours == origin),
        (None, None) => !case.has_our_cookie,
    };
    let (content_type, has_body) = case.content;
    let essence = content_type.map(|text| text.split(';').next().unwrap());
    let is_taken = match essence {
        None => !has_body,
        Some(essence) => ["application/json", "application/offset+octet-stream"].contains(&essence),
    };
    match (is_ours, is_taken) {
        (false, _) => Fate::CrossSite,
        (true, false) => Fate::ContentType,
        (true, true) => Fate::Passes,
    }
}

/// A request that shows nothing of who makes it.
fn anonymous(bed: &Bed, method: &str, path: &str) -> Call {
    Call::new(bed.address, method, path)
}

fn call(bed: &Bed, path: &str, case: &Case, shown: Option<(&str, &str)>) -> Call {
    let mut call = anonymous(bed, case.method, path);
    if let Some(site) = case.site {
        call = call.header("Sec-Fetch-Site", site);
    }
    if let Some(origin) = case.origin {
        call = call.header("Origin", origin);
    }
    if let Some((name, value)) = shown {
        call = call.header(name, value);
    }
    let (content_type, has_body) = case.content;
    if let Some(content_type) = content_type {
        call = call.header("Content-Type", content_type);
    }
    if has_body { call.body("{}") } else { call }
}

fn met(answer: &Answer) -> Fate {
    // The answer to HEAD has no body that would tell why, and nothing else answers 403 here.
    match answer.status {
        403 => Fate::CrossSite,
        415 => Fate::ContentType,
        _ => Fate::Passes,
    }
}

/// Every combination, at a path; returns how many there were.
fn walk(bed: &Bed, path: &str, is_private: impl Fn(&str) -> bool) -> usize {
    let port = bed.address.port();
    let origins = origins(port);
    let mut count = 0;
    for method in METHODS {
        for site in SITES {
            for origin in &origins {
                for shown in SHOWN {
                    let contents: &[_] = if ["GET", "HEAD", "OPTIONS"].contains(&method) {
                        &CONTENTS[..1]
                    } else {
                        &CONTENTS
                    };
                    for content in contents {
                        let case = Case {
                            method,
                            site,
                            origin: origin.as_deref(),
                            has_our_cookie: shown.is_some_and(|(_, value)| value.contains("__Host-sas_")),
                            content: *content,
                        };
                        let answer = call(bed, path, &case, shown).send();
                        let expected = fate(&case, port, is_private(method));
                        let what = format!(
                            "{method} {path} site {site:?} origin {origin:?} {shown:?} {content:?}: {answer:?}"
                        );
                        assert_eq!(met(&answer), expected, "{what}");
                        if expected == Fate::CrossSite && method != "HEAD" {
                            answer.problem(403, "cross_site");
                        }
                        count += 1;
                    }
                }
            }
        }
    }
    count
}

#[test]
fn what_another_site_makes_a_browser_send_is_refused_on_a_route_for_somebody() {
    let place = Place::new();
    let bed = place.serve_to_nobody();
    let count = walk(&bed, "/api/v1/generations", |method| {
        ["GET", "HEAD"].contains(&method)
    });
    assert!(count > 9_000, "{count} combinations");
}

#[test]
fn what_another_site_makes_a_browser_send_is_refused_where_nobody_is_asked_who_they_are() {
    let place = Place::new()
        .with("LIMITS__ADDRESS_PER_MINUTE", "1000000")
        .with("LIMITS__ENTRANCE_PER_MINUTE", "1000000");
    let bed = place.serve_to_nobody();
    // Pages, and what leads in: a login that another site makes is a login all the same.
    walk(&bed, "/", |_| false);
}

#[test]
fn a_cookie_without_its_page_changes_nothing_and_a_callback_needs_none() {
    let place = Place::new();
    let bed = place.serve_to_nobody();
    let callback = |headers: &[(&str, &str)]| {
        let mut call = anonymous(&bed, "POST", "/callbacks/luma/guess");
        for (name, value) in headers {
            call = call.header(name, value);
        }
        call.send().status
    };
    assert_eq!(callback(&[]), 200);
    assert_eq!(
        callback(&[
            ("Host", "proxy.internal"),
            ("Content-Type", "text/plain"),
            ("Sec-Fetch-Site", "cross-site")
        ]),
        200,
        "other machines say what they like"
    );
    assert_eq!(
        callback(&[("Cookie", "__Host-sas_at=x"), ("Sec-Fetch-Site", "cross-site")]),
        403
    );
    assert_eq!(callback(&[("Cookie", "__Host-sas_at=x")]), 403);
    // No spelling of another path comes by the way of callbacks.
    for path in [
        "/callbacks/../api/v1/generations",
        "/callbacks/%2e%2e/api/v1/generations",
        "/callbacks/luma/x/../../../api/v1/generations",
        "//callbacks/luma/x",
        "/Callbacks/luma/x",
    ] {
        let call = anonymous(&bed, "POST", path).header("Sec-Fetch-Site", "cross-site");
        call.send().problem(403, "cross_site");
    }
    // One good header does not cover for a bad one beside it.
    let twice = anonymous(&bed, "POST", "/api/v1/generations")
        .header("Sec-Fetch-Site", "same-origin")
        .header("Sec-Fetch-Site", "cross-site");
    twice.send().problem(403, "cross_site");
    let twice = anonymous(&bed, "POST", "/api/v1/generations")
        .header("Origin", format!("http://localhost:{}", bed.address.port()))
        .header("Origin", "https://evil.example");
    twice.send().problem(403, "cross_site");
    let twice = anonymous(&bed, "POST", "/api/v1/generations")
        .header("Content-Type", "application/json")
        .header("Content-Type", "text/plain");
    twice.send().problem(415, "not_json");
}

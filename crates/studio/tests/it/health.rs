//! Health and metrics.

use crate::bed::Place;

#[test]
fn a_studio_that_serves_is_live_started_and_ready() {
    let place = Place::new();
    let bed = place.serve();
    for path in ["/live", "/startup", "/ready"] {
        let answer = bed.get(path);
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok\n"), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
    bed.stop();
}

#[test]
fn metrics_count_what_happened() {
    let place = Place::new();
    let bed = place.serve();
    bed.picture("um barco");
    bed.get("/api/v1/generations/secret-looking-id");
    let answer = bed.get("/metrics");
    assert_eq!(answer.status, 200);
    let media_type = answer.header("content-type").unwrap();
    assert!(
        media_type.starts_with("application/openmetrics-text; version=1.0.0"),
        "{media_type}"
    );
    let text = answer.text();
    assert!(text.ends_with("# EOF\n"), "{text}");
    assert!(!text.contains("secret-looking-id"), "paths are patterns: {text}");
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let value = line.rsplit(' ').next().unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
    assert!(text.contains("route=\"/api/v1/generations/{id}\""), "{text}");
}

#[test]
fn metrics_ask_for_their_token() {
    let place = Place::new().with("METRICS__TOKEN", "a-token-of-some-length");
    let bed = place.serve();
    bed.get("/metrics").problem(401, "metrics_token");
    let with = |value: &str| bed.call("GET", "/metrics").header("Authorization", value).send();
    for wrong in [
        "Bearer wrong",
        "Bearer ",
        "Basic a-token-of-some-length",
        "a-token-of-some-length",
    ] {
        with(wrong).problem(401, "metrics_token");
    }
    assert_eq!(with("Bearer a-token-of-some-length").status, 200);
}

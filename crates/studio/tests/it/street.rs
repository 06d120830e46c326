//! How many requests are answered, and whose they are counted as.

use crate::bed::{Bed, Place};
use crate::http::{Answer, Call};

fn from(bed: &Bed, path: &str, headers: &[(&str, &str)]) -> Answer {
    let call = Call::new(bed.address, "GET", path);
    headers
        .iter()
        .fold(call, |call, (name, value)| call.header(name, value))
        .send()
}

/// Whether the next request is answered, with headers that claim to come from elsewhere.
fn is_answered(bed: &Bed, headers: &[(&str, &str)]) -> bool {
    let answer = from(bed, "/docs", headers);
    if answer.status == 429 {
        answer.problem(429, "too_many_requests");
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait), "{answer:?}");
        return false;
    }
    assert_eq!(answer.status, 200, "{answer:?}");
    true
}

#[test]
fn an_address_that_asks_too_often_is_told_when_to_come_back() {
    let place = Place::new().with("LIMITS__ADDRESS_PER_MINUTE", "4");
    let bed = place.serve();
    let first = from(&bed, "/docs", &[]);
    assert_eq!(first.header("ratelimit-policy"), Some("\"address\";q=4;w=60"));
    assert_eq!(first.header("ratelimit"), Some("\"address\";r=3"));
    // Nobody is a proxy here, so what is claimed does not count.
    for n in 0..3 {
        let claim = format!("198.51.100.{n}");
        assert!(is_answered(
            &bed,
            &[
                ("X-Forwarded-For", &claim),
                ("Forwarded", &format!("for={claim}"))
            ]
        ));
    }
    assert!(!is_answered(&bed, &[]));
    assert!(!is_answered(&bed, &[("X-Forwarded-For", "198.51.100.77")]));
    let refused = from(&bed, "/api/v1/me", &[]);
    let state = refused.header("ratelimit").unwrap();
    assert!(state.starts_with("\"address\";r=0;t="), "{state}");
    // Probes are never held back.
    for _ in 0..10 {
        assert_eq!(from(&bed, "/live", &[]).status, 200);
        assert_eq!(from(&bed, "/ready", &[]).header("ratelimit"), None);
    }
}

#[test]
fn behind_a_proxy_each_client_has_its_own_share() {
    let place = Place::new()
        .with("LIMITS__ADDRESS_PER_MINUTE", "2")
        .with("SERVER__TRUSTED_PROXIES", "127.0.0.1,10.0.0.0/8");
    let bed = place.serve();
    let through = |hops: &str| is_answered(&bed, &[("X-Forwarded-For", hops)]);
    assert!(through("198.51.100.1") && through("6.6.6.6, 198.51.100.1"));
    for hops in [
        "198.51.100.1",
        "1.2.3.4, 198.51.100.1",
        "x, 198.51.100.1, 10.0.0.3",
    ] {
        assert!(!through(hops), "{hops}");
    }
    assert!(through("198.51.100.2") && through("2001:db8::1") && through("2001:db8::2:3"));
    assert!(!through("2001:db8::4"), "a whole /64 is one client");
    assert!(through("2001:db8:0:1::4"));
}

#[test]
fn entrances_accounts_and_keys_are_counted_apart() {
    let place = Place::new()
        .with("LIMITS__ENTRANCE_PER_MINUTE", "2")
        .with("LIMITS__KEY_PER_MINUTE", "3")
        .with("LIMITS__ACCOUNT_PER_MINUTE", "5");
    place.key();
    let other = place.make_key(crate::bed::EMAIL, "*");
    let bed = place.serve();
    let login = || {
        let body = serde_json::json!({"email": "nobody@example.org", "password": "not the right one at all"});
        Call::new(bed.address, "POST", "/api/v1/auth/login")
            .json(&body)
            .send()
    };
    for _ in 0..2 {
        login().problem(401, "login_failed");
    }
    login().problem(429, "too_many_requests");
    // Whoever is in may go on.
    for left in [2, 1, 0] {
        let answer = bed.get("/api/v1/models");
        let state = answer.header("ratelimit").unwrap();
        assert!(
            state.contains(&format!("\"key\";r={left}")) && state.contains("\"account\";r="),
            "{state}"
        );
    }
    let refused = bed.get("/api/v1/models");
    refused.problem(429, "too_many_requests");
    let by_other = || {
        Call::new(bed.address, "GET", "/api/v1/models")
            .bearer(&other)
            .send()
    };
    let statuses: Vec<u16> = (0..3).map(|_| by_other().status).collect();
    assert_eq!(statuses, [200, 200, 429], "five of one account, whatever the key");
}

#[test]
fn what_is_denied_counts_too() {
    let place = Place::new().with("LIMITS__KEY_PER_MINUTE", "3");
    place.key();
    let narrow = place.make_key(crate::bed::EMAIL, "assets:read");
    let bed = place.serve();
    let asked = || {
        Call::new(bed.address, "GET", "/api/v1/models")
            .bearer(&narrow)
            .send()
    };
    for left in [2, 1, 0] {
        let denied = asked();
        denied.problem(403, "not_permitted");
        let state = denied.header("ratelimit").unwrap();
        assert!(state.contains(&format!("\"key\";r={left}")), "{state}");
    }
    asked().problem(429, "too_many_requests");
}

#[test]
fn the_studio_says_where_it_is() {
    let place = Place::new().with("SERVER__PUBLIC_URL", "https://studio.example.org");
    let bed = place.serve();
    let foreign = from(&bed, "/docs", &[("Host", "evil.example")]);
    foreign.problem(421, "foreign_host");
    assert_eq!(from(&bed, "/docs", &[("Host", "studio.example.org")]).status, 200);
    drop(bed);
    let files = |place: Place| {
        place
            .with("SERVER__TLS_CERT", "none.pem")
            .with("SERVER__TLS_KEY", "none.pem")
    };
    files(Place::new())
        .run_with_data(&["serve", "--listen", "127.0.0.1:0"])
        .badly(3, "serve.tls");
    Place::new()
        .with("SERVER__TRUSTED_PROXIES", "10.0.0.0/8")
        .with("SERVER__PUBLIC_URL", "http://studio.example.org")
        .run_with_data(&["serve", "--listen", "0.0.0.0:0"])
        .badly(5, "serve.in_the_clear");
}

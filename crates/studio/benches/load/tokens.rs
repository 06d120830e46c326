//! Tokens: what checking one costs, alone and in a request that asks for nothing else.

use crate::http::Client;
use crate::process::{EMAIL, PASSWORD, Studio};
use crate::{Times, UNLIMITED};
use credentials::access::{Claims, SigningKey, Verifier};
use credentials::possession::{Expected, verify};
use domain::id::{SessionId, UserId, WorkspaceId};
use domain::identity::Method;
use domain::time::Time;
use secrecy::ExposeSecret;
use std::path::Path;
use std::time::{Duration, Instant};

/// Checks of a token that are timed.
const CHECKS: u32 = 20_000;
/// Requests that are timed.
const REQUESTS: usize = 5_000;
/// RFC 9449 section 4.1: a proof by P-256, with the second in which it was made.
const PROOF: (&str, i64) = (
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg",
    1_562_262_616,
);

fn each(mut work: impl FnMut()) -> f64 {
    let began = Instant::now();
    for _ in 0..CHECKS {
        work();
    }
    began.elapsed().as_secs_f64() * 1e6 / f64::from(CHECKS)
}

fn checks() {
    let key = SigningKey::from_secret(&[7; 32]).unwrap();
    let verifier = Verifier::new("issuer", "audience", [key.public()]);
    let claims = Claims {
        iss: "issuer".to_owned(),
        aud: "audience".to_owned(),
        sub: UserId::from_value(1),
        tenant: WorkspaceId::from_value(2),
        sid: SessionId::from_value(3),
        scope: "*".to_owned(),
        iat: 1000,
        nbf: 1000,
        exp: 1600,
        jti: "AAAAAAAAAAAAAAAAAAAAAA".to_owned(),
        auth_time: 1000,
        amr: vec![Method::Password, Method::Totp],
        acr: "aal2".to_owned(),
        epoch: 0,
        cnf: None,
    };
    let token = key.sign(&claims);
    let now = Time::from_micros(1_100_000_000);
    let checked = each(|| drop(verifier.verify(token.expose_secret(), now).unwrap()));
    let signed = each(|| drop(key.sign(&claims)));
    let targets = ["https://server.example.com/token".to_owned()];
    let expected = Expected {
        method: "POST",
        targets: &targets,
        access_token: None,
        nonces: None,
        now: Time::from_micros(PROOF.1 * 1_000_000),
    };
    let proved = each(|| drop(verify(PROOF.0, &expected).unwrap()));
    println!(
        "token            check {checked:.0} us, sign {signed:.0} us, proof of possession {proved:.0} us ({CHECKS} of each)"
    );
}

pub fn run(binary: &Path) {
    checks();
    let folder = tempfile::tempdir().unwrap();
    let limits = [
        "STUDIO__LIMITS__ADDRESS_PER_MINUTE",
        "STUDIO__LIMITS__ACCOUNT_PER_MINUTE",
        "STUDIO__LIMITS__KEY_PER_MINUTE",
        "STUDIO__LIMITS__WORKSPACE_PER_MINUTE",
    ];
    let settings = limits.map(|name| (name, UNLIMITED.to_string()));
    let studio = Studio::start(binary, folder.path(), &settings);
    let password = std::str::from_utf8(PASSWORD).unwrap();
    let body = format!(r#"{{"email":"{EMAIL}","password":"{password}","client":"api"}}"#);
    let mut client = Client::new(studio.port, "");
    let (status, answer) = client.ask("POST", "/api/v1/auth/login", None, &body).unwrap();
    assert_eq!(status, 200);
    let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
    let token = answer["access_token"].as_str().unwrap();
    for (what, path, bearer) in [
        ("nobody asks", "/live", ""),
        ("by token", "/api/v1/me/sessions", token),
        ("by key", "/api/v1/generations?limit=1", studio.key.as_str()),
        ("by token", "/api/v1/generations?limit=1", token),
    ] {
        let mut client = Client::new(studio.port, bearer);
        let mut took: Vec<Duration> = Vec::with_capacity(REQUESTS);
        for _ in 0..REQUESTS {
            let asked = Instant::now();
            let (status, _) = client.ask("GET", path, None, "").unwrap();
            took.push(asked.elapsed());
            assert_eq!(status, 200, "{path}");
        }
        let times = Times::new(took);
        println!(
            "GET              {what:11} {path:27} p50 {:.2} ms, p99 {:.2} ms ({REQUESTS} requests, one connection)",
            times.percentile(50),
            times.percentile(99),
        );
    }
    studio.stop();
}

//! A program that knows nothing of the studio but its API description asks everything, in every form it
//! can think of, as nobody, as a user and as an administrator. No answer is a failure of the server, and
//! none has a status, a media type or a body that the description does not tell.

use std::process::Command;

use serde_json::json;
use testkit::foreign::program;

use crate::bed::{EMAIL, PASSWORD, Place};

/// Requests made up for each operation in the phase of chance; the phase of borders adds its own.
const EXAMPLES: &str = "8";
/// The same requests each time.
const SEED: &str = "20261122";
/// Streams without an end, what ends the very session that asks, and what makes real pictures by the hundred.
const LEFT_OUT: [&str; 2] = ["/api/v1/events", "/api/v1/auth/logout"];

fn place() -> Place {
    // Made-up logins must reach what is behind the limits.
    Place::new()
        .with("LIMITS__ENTRANCE_PER_MINUTE", "30000")
        .with("AUTH__REGISTRATION", "open")
}

fn ask_everything(place: &Place, email: Option<&str>) {
    let bed = place.serve();
    let mut command = Command::new(program("schemathesis"));
    command
        .current_dir(place.file("."))
        .arg("run")
        .arg(format!("http://{}/openapi.json", bed.address))
        .args(["--max-examples", EXAMPLES, "--seed", SEED])
        .args(["--phases", "examples,coverage,fuzzing", "--request-timeout", "30"])
        .args(["--checks", "not_a_server_error,status_code_conformance"])
        .args(["--checks", "content_type_conformance,response_schema_conformance"])
        .args([
            "--suppress-health-check",
            "all",
            "--continue-on-failure",
            "--warnings",
            "off",
        ]);
    for path in LEFT_OUT {
        command.args(["--exclude-path", path]);
    }
    if let Some(email) = email {
        let body = json!({"email": email, "password": PASSWORD, "client": "api"});
        let login = bed.call("POST", "/api/v1/auth/login").anonymous().json(&body);
        let token = login.send().expect(200)["access_token"].clone();
        let token = token.as_str().unwrap().to_owned();
        command
            .arg("--header")
            .arg(format!("Authorization: Bearer {token}"));
    }
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{told}\n{}\n{}",
        String::from_utf8_lossy(&output.stderr),
        bed.log()
    );
    assert_eq!(bed.get("/ready").status, 200, "it still answers");
}

#[test]
fn nobody_gets_described_answers_to_everything() {
    ask_everything(&place(), None);
}

#[test]
fn a_user_gets_described_answers_to_everything() {
    let place = place();
    place.make_account("user@example.org", "user");
    ask_everything(&place, Some("user@example.org"));
}

#[test]
fn an_administrator_gets_described_answers_to_everything() {
    ask_everything(&place(), Some(EMAIL));
}

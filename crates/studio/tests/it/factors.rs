//! Second factors against the running server: passkeys by a soft authenticator, one-time codes by the
//! computation of an app.

use crate::bed::{Bed, EMAIL, PASSWORD, Place};
use crate::entrance::cookies;
use crate::http::{Answer, Call};
use credentials::totp::Secret;
use domain::time::Time;
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};
use testkit::authenticator::Authenticator;

fn post(bed: &Bed, token: &str, path: &str, body: &Value) -> Answer {
    Call::new(bed.address, "POST", path)
        .bearer(token)
        .json(body)
        .send()
}

fn enter(bed: &Bed, body: &Value) -> Answer {
    Call::new(bed.address, "POST", "/api/v1/auth/login")
        .json(body)
        .send()
}

fn login(bed: &Bed, code: Option<&str>) -> Answer {
    let mut body = json!({"email": EMAIL, "password": PASSWORD, "client": "api"});
    if let Some(code) = code {
        body["code"] = json!(code);
    }
    enter(bed, &body)
}

fn token(answer: &Answer) -> String {
    answer.expect(200)["access_token"].as_str().unwrap().to_owned()
}

/// The code that an app shows some seconds from now.
#[expect(
    clippy::disallowed_methods,
    reason = "the server under test reads the clock too"
)]
fn code_in(secret: &str, seconds: i64) -> String {
    let bytes = data_encoding::BASE32_NOPAD.decode(secret.as_bytes()).unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros();
    let then = Time::from_micros(i64::try_from(now).unwrap() + seconds * 1_000_000);
    Secret::stored(&bytes).unwrap().code_at(then).unwrap()
}

fn add_passkey(bed: &Bed, token: &str, authenticator: &mut Authenticator) -> Value {
    let begun = post(bed, token, "/api/v1/auth/passkeys/register/start", &json!({})).expect(200);
    let credential = authenticator.create(&begun["options"]).unwrap();
    let body = json!({"ticket": begun["ticket"], "credential": credential, "name": "Chave"});
    post(bed, token, "/api/v1/auth/passkeys/register/finish", &body).expect(201)
}

/// ASVS 7.2.4: a session begins anew, whatever it is that somebody logs in with.
#[test]
fn a_passkey_login_ends_the_session_that_the_browser_had() {
    let place = Place::new();
    let bed = place.serve();
    let mut keychain = Authenticator::at(&format!("http://localhost:{}", bed.address.port()));
    let browser = |path: &str, cookie: &str, body: &Value| {
        let call = Call::new(bed.address, "POST", path).header("Sec-Fetch-Site", "same-origin");
        call.header("Cookie", cookie).json(body).send()
    };
    let body = json!({"email": EMAIL, "password": PASSWORD});
    let first = browser("/api/v1/auth/login", "", &body);
    first.expect(200);
    let before = cookies(&first);
    add_passkey(&bed, &token(&login(&bed, None)), &mut keychain);
    let me = |cookie: &str| {
        let call = Call::new(bed.address, "GET", "/api/v1/me").header("Cookie", cookie);
        call.send().status
    };
    assert_eq!(me(&before), 200);
    let begun = browser("/api/v1/auth/passkeys/login/start", &before, &json!({})).expect(200);
    let credential = keychain.get(&begun["options"]).unwrap();
    let body = json!({"ticket": begun["ticket"], "credential": credential});
    let second = browser("/api/v1/auth/passkeys/login/finish", &before, &body);
    second.expect(200);
    assert_eq!((me(&before), me(&cookies(&second))), (401, 200));
}

#[test]
fn from_a_password_to_passkey_codes_and_recovery_codes_and_back() {
    let place = Place::new();
    let bed = place.serve();
    let policy = bed.get("/api/v1/auth/policy").expect(200);
    assert_eq!(policy["passkeys"], true);
    let mine = token(&login(&bed, None));

    // A passkey, made by a session whose password was just shown.
    let mut keychain = Authenticator::at(&format!("http://localhost:{}", bed.address.port()));
    let passkey = add_passkey(&bed, &mine, &mut keychain);
    assert_eq!(
        (&passkey["name"], &passkey["backed_up"]),
        (&json!("Chave"), &json!(false))
    );
    let needed = login(&bed, None).expect(401);
    assert_eq!(
        (&needed["code"], &needed["methods"]),
        (&json!("second_factor_needed"), &json!(["passkey"]))
    );

    // Logging in with it types nothing.
    let begun = Call::new(bed.address, "POST", "/api/v1/auth/passkeys/login/start")
        .json(&json!({}))
        .send()
        .expect(200);
    let body = json!({"ticket": begun["ticket"], "credential": keychain.get(&begun["options"]).unwrap(), "client": "api"});
    let finish = || {
        Call::new(bed.address, "POST", "/api/v1/auth/passkeys/login/finish")
            .json(&body)
            .send()
    };
    let mine = token(&finish());
    assert_eq!(finish().expect(400)["code"], "challenge_over");
    let me = Call::new(bed.address, "GET", "/api/v1/me")
        .bearer(&mine)
        .send()
        .expect(200);
    assert_eq!(
        (&me["email"], &me["second_factor"]),
        (&json!(EMAIL), &json!(true))
    );

    // One-time codes.
    let setup = post(&bed, &mine, "/api/v1/auth/totp/start", &json!({})).expect(200);
    let secret = setup["secret"].as_str().unwrap();
    assert!(
        setup["uri"]
            .as_str()
            .unwrap()
            .starts_with("otpauth://totp/Secure%20AI%20Studio:")
    );
    let wrong = post(
        &bed,
        &mine,
        "/api/v1/auth/totp/confirm",
        &json!({"code": "12345x"}),
    );
    assert_eq!(wrong.expect(422)["code"], "factor_wrong");
    let confirm = json!({"code": code_in(secret, 0)});
    let confirmed = post(&bed, &mine, "/api/v1/auth/totp/confirm", &confirm).expect(200);
    let codes: Vec<&str> = confirmed["recovery_codes"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    assert_eq!(codes.len(), 10);
    let again = post(&bed, &mine, "/api/v1/auth/totp/start", &json!({}));
    assert_eq!(again.expect(409)["code"], "factor_exists");

    // The password with a code of each kind, each good once.
    let next = code_in(secret, 30);
    assert!(login(&bed, Some(&next)).status == 200);
    assert_eq!(login(&bed, Some(&next)).expect(401)["code"], "login_failed");
    assert!(login(&bed, Some(codes[0])).status == 200);
    assert_eq!(login(&bed, Some(codes[0])).expect(401)["code"], "login_failed");
    let factors = Call::new(bed.address, "GET", "/api/v1/me/factors")
        .bearer(&mine)
        .send()
        .expect(200);
    assert_eq!(factors["recovery_codes_left"], 9);
    assert!(factors["password"] == true && factors["totp"]["created_at"].is_string());
    assert_eq!(factors["passkeys"][0]["id"], passkey["id"]);

    // Showing one again.
    let step_up = |body: &Value| post(&bed, &mine, "/api/v1/auth/step-up", body);
    let alone = step_up(&json!({"password": PASSWORD})).expect(403);
    assert_eq!(alone["code"], "second_factor_needed");
    assert_eq!(alone["methods"], json!(["totp", "passkey", "recovery"]));
    assert_eq!(step_up(&json!({"code": codes[1]})).status, 204);
    assert_eq!(
        step_up(&json!({"code": codes[1]})).expect(422)["code"],
        "factor_wrong"
    );
    for unfit in [
        json!({}),
        json!({"code": "1", "password": "2"}),
        json!({"codes": "1"}),
    ] {
        assert_eq!(step_up(&unfit).expect(422)["code"], "invalid_json", "{unfit}");
    }
    let begun = post(&bed, &mine, "/api/v1/auth/step-up/passkey/start", &json!({})).expect(200);
    let credential = keychain.get(&begun["options"]).unwrap();
    let body = json!({"ticket": begun["ticket"], "credential": credential});
    assert_eq!(
        post(&bed, &mine, "/api/v1/auth/step-up/passkey/finish", &body).status,
        204
    );

    // A new set makes the old one void.
    let newer = post(&bed, &mine, "/api/v1/auth/recovery-codes", &json!({})).expect(200);
    assert_eq!(login(&bed, Some(codes[2])).expect(401)["code"], "login_failed");
    assert!(login(&bed, newer["recovery_codes"][0].as_str()).status == 200);

    // And back to the password alone.
    let id = passkey["id"].as_str().unwrap();
    let delete = |path: &str| Call::new(bed.address, "DELETE", path).bearer(&mine).send();
    assert_eq!(delete("/api/v1/auth/totp").status, 204);
    assert_eq!(delete("/api/v1/auth/totp").status, 404);
    let rename = Call::new(bed.address, "PATCH", &format!("/api/v1/auth/passkeys/{id}")).bearer(&mine);
    assert_eq!(rename.json(&json!({"name": "Celular"})).send().status, 204);
    assert_eq!(delete(&format!("/api/v1/auth/passkeys/{id}")).status, 204);
    assert_eq!(delete(&format!("/api/v1/auth/passkeys/{id}")).status, 404);
    let none = post(&bed, &mine, "/api/v1/auth/recovery-codes", &json!({}));
    assert_eq!(none.expect(409)["code"], "nothing_to_recover");
    assert!(login(&bed, None).status == 200);

    // Nothing of it is in the log.
    let log = bed.log();
    for hidden in [secret, codes[1], &next, PASSWORD, EMAIL] {
        assert!(!log.contains(hidden), "{hidden} is in the log");
    }
    bed.stop();
}

#[test]
fn an_api_key_neither_sees_nor_changes_factors() {
    let bed = Place::new().serve();
    for (method, path) in [
        ("GET", "/api/v1/me/factors"),
        ("POST", "/api/v1/auth/totp/start"),
        ("POST", "/api/v1/auth/passkeys/register/start"),
        ("POST", "/api/v1/auth/recovery-codes"),
        ("POST", "/api/v1/auth/step-up"),
        ("DELETE", "/api/v1/auth/totp"),
    ] {
        let mut call = bed.call(method, path);
        if method == "POST" {
            call = call.json(&json!({}));
        }
        let told = call.send().expect(403);
        assert_eq!(told["code"], "not_permitted", "{method} {path}");
    }
    bed.stop();
}

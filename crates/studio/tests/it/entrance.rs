//! The entrance over HTTP, and accounts at the command line.

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::bed::{EMAIL, Ended, PASSWORD, Place};
use crate::http::{Answer, Call};

/// A serving process of which every line is read.
struct Fresh {
    child: Child,
    address: SocketAddr,
    code: String,
    // Kept open: a process that cannot tell ends.
    _lines: BufReader<std::process::ChildStdout>,
}

impl Drop for Fresh {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves where nobody has an account, and reads the code for the first administrator.
fn fresh(place: &Place) -> Fresh {
    let mut child = place
        .studio(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(place.data())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut next = || {
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        line
    };
    let first = next();
    let port = first.trim_end().rsplit(':').next().unwrap().parse().unwrap();
    next();
    let told = next();
    let rest = told
        .strip_prefix(&format!("Open http://localhost:{port}/setup with the code "))
        .unwrap();
    let code = rest.strip_suffix(" (valid 30 minutes)\n").unwrap().to_owned();
    Fresh {
        child,
        address: SocketAddr::from(([127, 0, 0, 1], port)),
        code,
        _lines: lines,
    }
}

fn post(address: SocketAddr, path: &str, body: &Value) -> Answer {
    Call::new(address, "POST", path).json(body).send()
}

/// What an answer says, without what differs from request to request.
fn said(answer: &Answer) -> (u16, Value, Vec<String>) {
    let mut body = answer.json();
    body.as_object_mut().unwrap().remove("request_id");
    let names = answer
        .headers
        .iter()
        .map(|(name, _)| name.to_lowercase())
        .collect();
    (answer.status, body, names)
}

/// The cookies that an answer sets, as a browser sends them back.
pub fn cookies(answer: &Answer) -> String {
    let lines = answer
        .headers
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    let pairs: Vec<_> = lines
        .map(|(_, line)| line.split(';').next().unwrap().to_owned())
        .collect();
    pairs.join("; ")
}

#[test]
fn a_fresh_installation_lets_nobody_in_until_it_is_set_up() {
    let place = Place::new();
    let fresh = fresh(&place);
    let at = fresh.address;
    for (email, password) in [
        ("admin", "admin"),
        ("admin@example.org", "password"),
        ("root@localhost", ""),
    ] {
        post(
            at,
            "/api/v1/auth/login",
            &json!({"email": email, "password": password}),
        )
        .problem(401, "login_failed");
    }
    Call::new(at, "GET", "/api/v1/me")
        .send()
        .problem(401, "login_required");
    assert_eq!(
        Call::new(at, "GET", "/api/v1/auth/policy").send().json()["setup_needed"],
        true
    );
    let setup = |code: &str, password: &str| {
        let body = json!({"code": code, "email": "ana@example.org", "name": "Ana", "password": password, "locale": "pt-BR"});
        post(at, "/api/v1/setup", &body)
    };
    setup("AAAA-AAAA", PASSWORD).problem(401, "setup_code");
    // Fourteen characters alone are refused, fifteen are not.
    let short = setup(&fresh.code, "gato vento cin");
    assert_eq!(
        short.problem(422, "password_refused")["errors"][0]["code"],
        "too_short"
    );
    let entered = setup(&fresh.code, "gato vento cinz").expect(200);
    assert_eq!(entered["token_type"], "Bearer");
    setup(&fresh.code, PASSWORD).problem(401, "setup_code");
    let me = Call::new(at, "GET", "/api/v1/me").bearer(entered["access_token"].as_str().unwrap());
    assert_eq!(me.send().expect(200)["role"], "admin");
    assert_eq!(
        Call::new(at, "GET", "/api/v1/auth/policy").send().json()["setup_needed"],
        false
    );
}

#[test]
fn known_and_unknown_addresses_get_the_same_answers() {
    let place = Place::new();
    place.key();
    let bed = place.serve();
    let both = |path: &str, body: &dyn Fn(&str) -> Value| {
        let known = said(&post(bed.address, path, &body(EMAIL)));
        let unknown = said(&post(bed.address, path, &body("nobody@example.org")));
        assert_eq!(known, unknown, "{path}");
        known
    };
    let (status, ..) = both(
        "/api/v1/auth/login",
        &|email| json!({"email": email, "password": "wrong"}),
    );
    assert_eq!(status, 401);
    let (status, body, _) = both("/api/v1/auth/password/forgot", &|email| json!({"email": email}));
    assert_eq!((status, body), (202, json!({"next": "mail"})));
    let (status, ..) = both(
        "/api/v1/auth/register",
        &|email| json!({"email": email, "name": "Ana", "password": PASSWORD}),
    );
    assert_eq!(status, 403, "registration is by invitation");
}

#[test]
fn a_registration_is_tied_to_its_browser_whether_or_not_the_address_is_known() {
    let place = Place::new().with("AUTH__REGISTRATION", "open");
    place.key();
    let bed = place.serve();
    for path in ["/api/v1/auth/register", "/api/v1/auth/password/forgot"] {
        let ask = |email: &str, from_browser: bool| {
            let mut body = json!({"email": email});
            if path.ends_with("register") {
                body["name"] = json!("Ana");
                body["password"] = json!(PASSWORD);
            }
            let call = Call::new(bed.address, "POST", path).json(&body);
            let call = if from_browser {
                call.header("Sec-Fetch-Site", "same-origin")
            } else {
                call
            };
            call.send()
        };
        let (known, unknown) = (ask(EMAIL, true), ask("nobody@example.org", true));
        assert_eq!(said(&known), said(&unknown), "{path}");
        assert_eq!((known.status, known.json()), (202, json!({"next": "mail"})));
        for answer in [&known, &unknown] {
            assert!(cookies(answer).starts_with("__Host-sas_tx="), "{path}");
        }
        assert_ne!(cookies(&known), cookies(&unknown));
        assert_eq!(cookies(&ask(EMAIL, false)), "", "a program has no cookies");
    }
    let nonsense = json!({"token": format!("sast_{}", "A".repeat(43)), "password": PASSWORD});
    post(bed.address, "/api/v1/auth/email/verify", &nonsense).problem(400, "ticket_invalid");
}

#[test]
fn a_thousand_bytes_of_any_script_are_a_password_to_the_last_character() {
    let place = Place::new();
    let fresh = fresh(&place);
    let long = format!("{}🌻", "coração de 猫 ".repeat(59));
    assert!((990..=1024).contains(&long.len()), "{}", long.len());
    let body = json!({"code": fresh.code, "email": "ana@example.org", "name": "Ana", "password": long});
    post(fresh.address, "/api/v1/setup", &body).expect(200);
    let login = |password: &str| {
        post(
            fresh.address,
            "/api/v1/auth/login",
            &json!({"email": "ana@example.org", "password": password}),
        )
        .status
    };
    assert_eq!(login(&long), 200);
    assert_eq!(login(&long.replace('🌻', "🌼")), 401);
    assert_eq!(login(long.trim_end_matches('🌻')), 401);
    assert_eq!(
        login(&"x".repeat(100_000)),
        401,
        "too long to be one: not told apart"
    );
}

#[test]
fn a_login_begins_a_new_session_and_the_one_before_is_over() {
    let place = Place::new();
    place.key();
    let bed = place.serve();
    let browser = |path: &str, cookie: &str, body: &Value| {
        let call = Call::new(bed.address, "POST", path).header("Sec-Fetch-Site", "same-origin");
        call.header("Cookie", cookie).json(body).send()
    };
    let body = json!({"email": EMAIL, "password": PASSWORD});
    let first = browser("/api/v1/auth/login", "", &body);
    let shown = first.expect(200);
    assert!(
        shown.get("access_token").is_none() && shown["expires_in"] == 600,
        "{shown}"
    );
    let before = cookies(&first);
    assert_eq!(before.matches("__Host-sas_").count(), 3, "{before}");
    let me = |cookie: &str| {
        Call::new(bed.address, "GET", "/api/v1/me")
            .header("Cookie", cookie)
            .send()
            .status
    };
    assert_eq!(me(&before), 200);
    let second = browser("/api/v1/auth/login", &before, &body);
    second.expect(200);
    let after = cookies(&second);
    assert_eq!(
        after.matches("__Host-sas_").count(),
        2,
        "the browser is known: {after}"
    );
    assert_eq!((me(&before), me(&after)), (401, 200));
    let changed = browser(
        "/api/v1/me/password",
        &after,
        &json!({"password": "outra frase bem comprida"}),
    );
    assert_eq!(changed.status, 204, "a factor was just shown");
    let by_key = bed.post(
        "/api/v1/me/password",
        &json!({"password": "outra frase bem comprida"}),
    );
    by_key.problem(403, "session_required");
}

#[test]
fn accounts_are_made_shown_closed_and_reset_at_the_command_line() {
    let place = Place::new();
    place.make_account("ana@example.org", "admin");
    place.make_account("bia@example.org", "user");
    let twice = place.run_with_data(&["user", "create", "--email", "BIA@example.org"]);
    twice.badly(1, "user.exists");
    let made = place
        .run_with_data(&["user", "create", "--email", "caio@example.org", "--name", "Caio"])
        .well();
    let (id, link) = made.trim_end().split_once('\n').unwrap();
    assert!(
        id.starts_with("usr_") && link.starts_with("http://localhost:8080/reset#token=sast_"),
        "{made}"
    );
    let list = place.run_with_data(&["user", "list"]).well();
    assert_eq!(list.lines().count(), 3, "{list}");
    assert!(
        list.contains("ana@example.org  admin  active") && list.contains("Caio"),
        "{list}"
    );
    place
        .run_with_data(&["user", "disable", "--email", "ana@example.org"])
        .badly(5, "user.last_administrator");
    place
        .run_with_data(&["user", "disable", "--email", "bia@example.org"])
        .well();
    place
        .run_with_data(&["user", "reset", "--email", "bia@example.org"])
        .badly(1, "user.none");
    place
        .run_with_data(&["user", "create", "--email", "no address"])
        .badly(2, "user.invalid");
    let weak = |text: &[u8]| {
        let mut child = place
            .studio([
                "user",
                "create",
                "--email",
                "d@example.org",
                "--password-stdin",
                "--data",
            ])
            .arg(place.data())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text).unwrap();
        Ended::from(child.wait_with_output().unwrap())
    };
    weak(b"password\n").badly(5, "user.password");
    weak(b"\n").badly(2, "user.password_input");

    let bed = place.serve_to_nobody();
    place.run_with_data(&["user", "list"]).badly(4, "data.in_use");
    let login = json!({"email": "bia@example.org", "password": PASSWORD});
    bed.post("/api/v1/auth/login", &login)
        .problem(401, "login_failed");
    let token = link.split_once("#token=").unwrap().1;
    let reset = |password: &str| {
        bed.post(
            "/api/v1/auth/password/reset",
            &json!({"token": token, "password": password}),
        )
    };
    assert_eq!(
        reset("curta").problem(422, "password_refused")["errors"][0]["field"],
        "password"
    );
    assert_eq!(reset(PASSWORD).status, 204);
    reset(PASSWORD).problem(400, "ticket_invalid");
    let login = json!({"email": "caio@example.org", "password": PASSWORD});
    let token = bed.post("/api/v1/auth/login", &login).expect(200)["access_token"].clone();
    let change = Call::new(bed.address, "PATCH", "/api/v1/me").bearer(token.as_str().unwrap());
    let me = change
        .json(&json!({"name": "Caio César", "locale": "en"}))
        .send()
        .expect(200);
    assert_eq!(
        (&me["name"], &me["locale"], &me["role"]),
        (&json!("Caio César"), &json!("en"), &json!("user"))
    );
}

#[test]
fn a_list_of_breached_passwords_is_made_and_used() {
    let place = Place::new();
    let (lines, list) = (place.file("lines"), place.file("breached.words"));
    std::fs::write(&lines, "uma frase que vazou inteira\n").unwrap();
    let made = place.run(&[
        "user",
        "breach-list",
        lines.to_str().unwrap(),
        "-o",
        list.to_str().unwrap(),
    ]);
    assert!(made.well().starts_with("1 passwords in "));
    let place = place.with("AUTH__BREACH_LIST", list.to_str().unwrap());
    let fresh = fresh(&place);
    let body = json!({"code": fresh.code, "email": "ana@example.org", "name": "Ana", "password": "Uma frase que vazou inteira"});
    let refused = post(fresh.address, "/api/v1/setup", &body).problem(422, "password_refused");
    assert_eq!(refused["errors"][0]["code"], "breached");
    place
        .run(&["user", "breach-list", "/nonexistent"])
        .badly(4, "user.breach_list");
}

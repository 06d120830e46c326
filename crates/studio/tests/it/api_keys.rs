//! API keys from outside: made once, shown once, good for what they name; and what a person makes is
//! there for nobody else.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::bed::{Bed, EMAIL, PASSWORD, Place, small, until};
use crate::events::Listener;
use crate::http::Answer;

const KEYS: &str = "/api/v1/me/api-keys";
const GENERATIONS: &str = "/api/v1/generations";
const OTHER: &str = "bia@example.org";

/// A fresh login of the administrator.
fn session(bed: &Bed) -> String {
    let body = json!({"email": EMAIL, "password": PASSWORD, "client": "api"});
    let login = bed.call("POST", "/api/v1/auth/login").anonymous().json(&body);
    let tokens = login.send().expect(200);
    tokens["access_token"].as_str().unwrap().to_owned()
}

#[expect(
    clippy::disallowed_methods,
    reason = "the end of a key is told in the machine's time"
)]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

fn make(bed: &Bed, session: &str, body: &Value) -> Answer {
    bed.call("POST", KEYS).bearer(session).json(body).send()
}

fn get(bed: &Bed, key: &str, path: &str) -> Answer {
    bed.call("GET", path).bearer(key).send()
}

#[test]
fn a_key_is_shown_once_and_opens_what_its_scopes_name() {
    let place = Place::new();
    let bed = place.serve();
    let session = session(&bed);
    let wish = json!({"name": "leitura", "scopes": ["generations:read"]});
    let made = make(&bed, &session, &wish).expect(201);
    let (id, key) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    assert!(key.starts_with("sas_live_") && key.len() == 58, "{made}");
    let list = get(&bed, &session, KEYS);
    assert!(!list.text().contains(key), "shown once");
    let list = list.expect(200);
    let shown = list["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["id"] == id);
    let shown = shown.unwrap();
    assert_eq!(
        (&shown["name"], &shown["used_at"]),
        (&json!("leitura"), &Value::Null)
    );
    assert!(key.ends_with(shown["hint"].as_str().unwrap()));

    assert_eq!(get(&bed, key, GENERATIONS).status, 200);
    let asked = bed
        .call("POST", GENERATIONS)
        .bearer(key)
        .json(&small("um barco"))
        .send();
    assert_eq!(
        asked.problem(403, "not_permitted")["needs"],
        json!(["generations:write"])
    );
    for call in [
        bed.call("POST", KEYS).json(&wish),
        bed.call("DELETE", &format!("{KEYS}/{id}")),
        bed.call("GET", KEYS),
    ] {
        call.bearer(key).send().problem(403, "not_permitted");
    }
    assert!(
        get(&bed, &session, KEYS).text().contains("\"used_at\":\"20"),
        "its use is noted"
    );

    let last = if key.ends_with('a') { "b" } else { "a" };
    let mistyped = format!("{}{last}", &key[..key.len() - 1]);
    let answer = get(&bed, &mistyped, GENERATIONS);
    answer.problem(401, "login_required");
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));

    let revoke = || {
        bed.call("DELETE", &format!("{KEYS}/{id}"))
            .bearer(&session)
            .send()
    };
    assert_eq!(revoke().status, 204);
    get(&bed, key, GENERATIONS).problem(401, "login_required");
    revoke().problem(404, "not_found");
    bed.stop();
    let audit = place.run_with_data(&["audit", "export", "-o", "export"]);
    audit.well();
}

#[test]
fn a_key_ends_by_itself_and_stays_in_its_networks() {
    let place = Place::new();
    let bed = place.serve();
    let session = session(&bed);
    let secret = |body: Value| {
        let made = make(&bed, &session, &body).expect(201);
        made["secret"].as_str().unwrap().to_owned()
    };
    let far = secret(json!({"name": "a", "scopes": ["*"], "networks": ["10.0.0.0/8", "fd00::/8"]}));
    get(&bed, &far, GENERATIONS).problem(401, "key_network");
    let near = secret(json!({"name": "a", "scopes": ["*"], "networks": ["127.0.0.0/8"]}));
    assert_eq!(get(&bed, &near, GENERATIONS).status, 200);

    let now = now();
    let end = now + jiff::SignedDuration::from_secs(3);
    let brief = secret(json!({"name": "a", "scopes": ["*"], "expires_at": end.to_string()}));
    until("the end of a key", || {
        let answer = get(&bed, &brief, GENERATIONS);
        (answer.status == 401).then_some(answer)
    })
    .problem(401, "login_required");

    for (field, value) in [
        ("name", json!("")),
        ("name", json!("a\nb")),
        ("scopes", json!([])),
        ("scopes", json!(["generations:fly"])),
        ("expires_at", json!(now.to_string())),
        ("expires_at", json!("soon")),
        ("networks", json!(["home"])),
        ("networks", json!(vec!["10.0.0.0/8"; 21])),
    ] {
        let mut body = json!({"name": "a", "scopes": ["*"]});
        body[field] = value;
        let problem = make(&bed, &session, &body).problem(422, "invalid_key");
        let named = problem["errors"][0]["field"].as_str().unwrap().to_owned();
        assert!(named.starts_with(field), "{problem}");
    }
}

#[test]
fn commands_make_show_and_revoke_keys() {
    let place = Place::new();
    place.make_account(OTHER, "user");
    let create = [
        "key",
        "create",
        "--email",
        OTHER,
        "--scopes",
        "generations:read,assets:read",
    ];
    let said = place
        .run_with_data(&[&create[..], &["--name", "robô", "--days", "30"]].concat())
        .well();
    let key = said.trim_end();
    assert_eq!(said, format!("{key}\n"), "the key alone");
    assert!(key.starts_with("sas_live_") && key.len() == 58, "{said}");
    let list = place.run_with_data(&["key", "list", "--email", OTHER]).well();
    assert!(
        list.contains("robô") && list.contains("assets:read generations:read"),
        "{list}"
    );
    assert!(list.contains(&key[54..]) && !list.contains(key), "{list}");
    let id = list.split(' ').next().unwrap().to_owned();

    let bed = place.serve();
    assert_eq!(get(&bed, key, GENERATIONS).status, 200);
    get(&bed, key, "/api/v1/models").problem(403, "not_permitted");
    place.run_with_data(&create).badly(4, "data.in_use");
    bed.stop();

    let revoke = ["key", "revoke", &id, "--email"];
    let by = |email: &'static str| place.run_with_data(&[&revoke[..], &[email]].concat());
    by(EMAIL).badly(1, "key.none");
    assert_eq!(by(OTHER).well(), "");
    by(OTHER).badly(1, "key.none");
    assert_eq!(place.run_with_data(&["key", "list", "--email", OTHER]).well(), "");
    let bed = place.serve();
    get(&bed, key, GENERATIONS).problem(401, "login_required");
    bed.stop();

    let with = |email: &str, scopes: &str| {
        place.run_with_data(&["key", "create", "--email", email, "--scopes", scopes])
    };
    with("nobody@example.org", "*").badly(1, "key.no_account");
    with("no address", "*").badly(2, "key.email");
    with(OTHER, "fly").badly(2, "key.scopes");
    with(OTHER, "").badly(2, "key.invalid");
    let log = place.run_with_data(&["key", "create", "--email", OTHER, "--scopes", "*", "--days", "0"]);
    assert_eq!(log.code, Some(2), "{log:?}");
}

#[test]
fn what_a_person_makes_is_there_for_nobody_else() {
    let place = Place::new();
    place.make_account(OTHER, "admin");
    let other = place.make_key(OTHER, "*");
    let bed = place.serve();
    let as_other = |method: &str, path: &str| bed.call(method, path).bearer(&other);

    let wish = small("um barco vermelho");
    let create = |key: &str| {
        let call = bed.call("POST", GENERATIONS).bearer(key);
        let made = call.header("Idempotency-Key", "one-key").json(&wish).send();
        (
            made.header("idempotent-replayed").map(str::to_owned),
            made.expect(202),
        )
    };
    let (_, mine) = create(place.key());
    let id = mine["id"].as_str().unwrap();
    let mine = bed.made(id);
    let asset = mine["outputs"][0]["asset"].as_str().unwrap();
    let quote = bed.post("/api/v1/quotes", &wish).expect(201);

    assert_eq!(
        as_other("GET", GENERATIONS).send().expect(200)["items"],
        json!([])
    );
    for (method, path) in [
        ("GET", format!("{GENERATIONS}/{id}")),
        ("GET", format!("{GENERATIONS}/{id}/decision")),
        ("POST", format!("{GENERATIONS}/{id}/cancel")),
        ("POST", format!("{GENERATIONS}/{id}/retry")),
        ("DELETE", format!("{GENERATIONS}/{id}")),
        ("GET", format!("/api/v1/assets/{asset}")),
        ("GET", format!("/api/v1/assets/{asset}/content")),
    ] {
        as_other(method, &path).send().problem(404, "not_found");
    }
    let upload = crate::uploads::begin(&bed, 10, "image/png");
    as_other("GET", &upload).send().problem(404, "not_found");

    // What is another's is told from what never was by nothing.
    let answers = |body: &Value| {
        let answer = as_other("POST", GENERATIONS).json(body).send();
        let problem = answer.json();
        (answer.status, problem["code"].clone(), problem["detail"].clone())
    };
    let with = |field: &str, value: Value| {
        let mut body = wish.clone();
        body[field] = value;
        answers(&body)
    };
    let reference = |asset: &str| with("references", json!([{"asset": asset, "role": "image"}]));
    let never = "0".repeat(32);
    assert_eq!(reference(asset), reference(&format!("ast_{never}")));
    let quoted = with("quote", quote["id"].clone());
    assert_eq!(quoted, with("quote", json!(format!("quo_{never}"))));
    assert!(quoted.0 >= 400, "{quoted:?}");

    let (replayed, theirs) = create(&other);
    let their_id = theirs["id"].as_str().unwrap();
    assert_ne!(their_id, id, "the same key of two people stands for two requests");
    assert_eq!(replayed, None);
    let (replayed, again) = create(&other);
    assert_eq!(
        (replayed.as_deref(), again["id"].as_str()),
        (Some("true"), Some(their_id))
    );
    let told = Listener::of(as_other("GET", "/api/v1/events"), 0).until_ended(their_id);
    let about: BTreeSet<_> = told
        .iter()
        .map(|told| told.data["data"]["id"].to_string())
        .collect();
    assert_eq!(about, BTreeSet::from([format!("\"{their_id}\"")]));
    let page = bed.get(GENERATIONS).expect(200);
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    assert_eq!(page["items"][0]["id"], id);
}

//! Whoever is shut out is out: their next request is refused and what still streams to them ends. And
//! what is sensitive asks for a factor that was shown a short while ago.

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::bed::{Bed, EMAIL, PASSWORD, Place, until};
use crate::http::{Call, Stream};
use crate::people::Person;

const EVENTS: &str = "/api/v1/events";
const BIA: &str = "bia@example.org";

/// A stream of events that is open.
fn listening(bed: &Bed, person: &Person) -> Stream {
    Stream::open(&person.call(bed, "GET", EVENTS))
}

/// Waits for the end of a stream. It says something every few seconds as long as it goes on.
fn ends(mut stream: Stream) {
    let mut lines = 0;
    while stream.line().is_some() {
        lines += 1;
        assert!(lines < 8, "the stream goes on");
    }
}

fn own_session(bed: &Bed, person: &Person) -> String {
    let sessions = person.get(bed, "/api/v1/me/sessions").expect(200);
    let items = sessions["items"].as_array().unwrap();
    let current = items.iter().find(|item| item["current"] == true).unwrap();
    current["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_session_that_is_ended_elsewhere_is_over_and_so_is_its_stream() {
    let place = Place::new();
    let bed = place.serve();
    let here = Person::login(&bed, EMAIL);
    let elsewhere = Person::login(&bed, EMAIL);
    let stream = listening(&bed, &elsewhere);
    let path = format!("/api/v1/me/sessions/{}", own_session(&bed, &elsewhere));
    assert_eq!(here.call(&bed, "DELETE", &path).send().status, 204);
    elsewhere.get(&bed, "/api/v1/models").problem(401, "session_over");
    ends(stream);
    here.me(&bed);
}

#[test]
fn a_key_that_is_revoked_is_over_and_so_is_its_stream() {
    let place = Place::new();
    let bed = place.serve();
    let ana = Person::login(&bed, EMAIL);
    let body = json!({"name": "k", "scopes": ["generations:read"]});
    let made = ana.post(&bed, "/api/v1/me/api-keys", &body).expect(201);
    let key = Person::bearing(made["secret"].as_str().unwrap());
    let stream = listening(&bed, &key);
    let path = format!("/api/v1/me/api-keys/{}", made["id"].as_str().unwrap());
    assert_eq!(ana.call(&bed, "DELETE", &path).send().status, 204);
    key.get(&bed, "/api/v1/generations")
        .problem(401, "login_required");
    ends(stream);
}

#[test]
fn an_account_that_is_closed_is_out_by_every_way_at_once() {
    let place = Place::new();
    place.key();
    place.make_account(BIA, "user");
    let key = Person::bearing(&place.make_key(BIA, "*"));
    let bed = place.serve();
    let ana = Person::login(&bed, EMAIL);
    let bia = Person::login(&bed, BIA);
    let streams = [listening(&bed, &bia), listening(&bed, &key)];
    let path = format!("/api/v1/admin/users/{}", bia.me(&bed)["id"].as_str().unwrap());
    let closed = ana
        .call(&bed, "PATCH", &path)
        .json(&json!({"state": "disabled"}))
        .send();
    assert_eq!(closed.expect(200)["state"], "disabled");
    bia.get(&bed, "/api/v1/models").problem(401, "session_over");
    key.get(&bed, "/api/v1/models").problem(401, "login_required");
    streams.into_iter().for_each(ends);
    let body = json!({"email": BIA, "password": PASSWORD, "client": "api"});
    let again = Call::new(bed.address, "POST", "/api/v1/auth/login")
        .json(&body)
        .send();
    again.problem(401, "login_failed");
}

#[test]
fn what_is_sensitive_asks_for_a_factor_again_after_a_while() {
    let place = Place::new();
    let bed = place.serve();
    let ana = Person::login(&bed, EMAIL);
    let make = |name: &str| {
        let body = json!({"name": name, "scopes": ["models:read"]});
        ana.post(&bed, "/api/v1/me/api-keys", &body)
    };
    make("fresh").expect(201);
    // As if the login had been an hour earlier.
    let database = Connection::open(place.data().join("studio.db")).unwrap();
    let back = "update sessions set fresh_at = fresh_at - 3600000000";
    assert_eq!(database.execute(back, []).unwrap(), 1);
    drop(database);
    // What this process knows of the session is a few seconds old at most.
    let nobodys = "/api/v1/me/api-keys/key_01a204db4b9b7d578c8d38bee07331e6";
    let refused = until("the factor is stale", || {
        let answer = ana.call(&bed, "DELETE", nobodys).send();
        (answer.status != 404).then_some(answer)
    });
    let problem = refused.problem(403, "step_up_required");
    assert_eq!(problem["methods"], json!(["password"]));
    ana.get(&bed, "/api/v1/me/api-keys").expect(200);
    let step_up = |password: &str| ana.post(&bed, "/api/v1/auth/step-up", &json!({"password": password}));
    assert!(step_up("some other words").status >= 400);
    make("still stale").problem(403, "step_up_required");
    // Sessions are listed all the same; whoever found one open ends none of the others.
    let own = format!("/api/v1/me/sessions/{}", own_session(&bed, &ana));
    for path in ["/api/v1/me/sessions", &own] {
        let refused = ana.call(&bed, "DELETE", path).send();
        refused.problem(403, "step_up_required");
    }
    assert_eq!(step_up(PASSWORD).status, 204);
    make("fresh again").expect(201);
    let others = ana.call(&bed, "DELETE", "/api/v1/me/sessions").send();
    assert_eq!(others.status, 204);
}

#[test]
fn a_line_of_the_log_knows_who_asked_by_a_pseudonym_and_only_who_is_known() {
    let place = Place::new().with("LOG__FORMAT", "json");
    let bed = place.serve();
    let ana = Person::login(&bed, EMAIL);
    let line_of = |call: Call, id: &str| -> Value {
        call.header("X-Request-Id", id).send();
        until("the line of the request", || {
            let log = bed.log();
            let mut lines = log.lines().filter_map(|line| serde_json::from_str(line).ok());
            lines.find(|line: &Value| line["request_id"] == id && line["msg"] == "request")
        })
    };
    let known = line_of(ana.call(&bed, "GET", "/api/v1/models"), "known");
    assert!(known["user_ref"].as_str().unwrap().starts_with("u_"), "{known}");
    let unknown = Call::new(bed.address, "GET", "/api/v1/models").header("Authorization", "Bearer x.y.z");
    let unknown = line_of(unknown, "unknown");
    assert_eq!(unknown["status"], 401, "{unknown}");
    assert_eq!(unknown.get("user_ref"), None, "{unknown}");
}

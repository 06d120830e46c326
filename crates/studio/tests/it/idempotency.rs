//! The same request twice is one generation, whether it comes twice at once or after a restart.

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::thread;

use serde_json::{Value, json};

use crate::bed::{Bed, Place, small};
use crate::http::Answer;

fn ask(bed: &Bed, key: &str, body: &Value) -> Answer {
    bed.call("POST", "/api/v1/generations")
        .header("Idempotency-Key", key)
        .json(body)
        .send()
}

fn id(answer: &Answer) -> String {
    answer.expect(202)["id"].as_str().unwrap().to_owned()
}

fn count(bed: &Bed) -> usize {
    let page = bed.get("/api/v1/generations?limit=100").expect(200);
    page["items"].as_array().unwrap().len()
}

#[test]
fn the_same_key_gives_the_same_generation_also_after_a_restart() {
    let place = Place::new();
    let bed = place.serve();
    let body = json!({"kind": "image", "prompt": "um barco", "size": "128x128"});
    let first = ask(&bed, "k-1", &body);
    assert_eq!(first.header("idempotent-replayed"), None);
    let again = ask(&bed, "k-1", &body);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    assert_eq!(id(&again), id(&first));
    assert_ne!(
        id(&ask(&bed, "k-2", &body)),
        id(&first),
        "another key, another generation"
    );
    bed.stop();

    let bed = place.serve();
    assert_eq!(id(&ask(&bed, "k-1", &body)), id(&first));
    assert_eq!(count(&bed), 2);
    let other = ask(&bed, "k-1", &small("uma casa"));
    other.problem(422, "idempotency_mismatch");
    assert_eq!(count(&bed), 2);
}

#[test]
fn a_repetition_gets_its_first_answer_even_when_nothing_could_make_it_any_more() {
    let place = Place::new();
    let bed = place.serve();
    let body = small("um barco");
    let first = id(&ask(&bed, "k-1", &body));
    bed.made(&first);
    bed.stop();

    let place = place.with("PROVIDERS__EMBEDDED__ENABLED", "false");
    let bed = place.serve();
    assert_ne!(
        ask(&bed, "k-2", &body).status,
        202,
        "nobody is left to make a new one"
    );
    assert_eq!(id(&ask(&bed, "k-1", &body)), first);
}

#[test]
fn twenty_at_once_are_one() {
    let place = Place::new();
    let bed = place.serve();
    let (body, start) = (small("um barco"), Barrier::new(20));
    let ids: BTreeSet<_> = thread::scope(|scope| {
        let all: Vec<_> = (0..20)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    id(&ask(&bed, "all-at-once", &body))
                })
            })
            .collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(ids.len(), 1, "{ids:?}");
    assert_eq!(count(&bed), 1);
    let made = bed.made(ids.first().unwrap());
    assert_eq!(made["outputs"].as_array().unwrap().len(), 1);
    let entries = crate::audit::entries_of_place(&place, bed);
    let of = |action: &str| entries.iter().filter(|entry| entry["action"] == action).count();
    assert_eq!(
        (
            of("generation.accepted"),
            of("attempt.intent"),
            of("asset.stored")
        ),
        (1, 1, 1)
    );
}

#[test]
fn asking_again_with_a_key_asks_once() {
    let place = Place::new();
    let bed = place.serve();
    let first = bed.picture("um barco");
    let path = format!("/api/v1/generations/{}/retry", first["id"].as_str().unwrap());
    let again = || bed.call("POST", &path).header("Idempotency-Key", "again").send();
    assert_eq!(id(&again()), id(&again()));
    assert_eq!(count(&bed), 2);
}

#[test]
fn a_key_that_is_none_is_refused() {
    let place = Place::new();
    let bed = place.serve();
    for key in ["", "with space", "não", &"k".repeat(201)] {
        ask(&bed, key, &small("um barco")).problem(400, "idempotency_key_invalid");
    }
    assert_eq!(id(&ask(&bed, &"k".repeat(200), &small("um barco"))).len(), 36);
    assert_eq!(count(&bed), 1);
}

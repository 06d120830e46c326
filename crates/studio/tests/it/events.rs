//! Events: in order, none missing, none twice, however often a listener comes back.

use std::time::Instant;

use serde_json::Value;

use crate::bed::{Bed, PATIENCE, Place, small};
use crate::http::{Call, Stream};

/// One event as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    pub id: i64,
    pub topic: String,
    pub data: Value,
}

impl Told {
    fn of(&self, generation: &str) -> bool {
        self.data["data"]["id"] == generation
    }
}

/// A listener.
pub struct Listener(Stream);

impl Listener {
    /// Listens to everything after this event; 0 is before the first.
    pub fn after(bed: &Bed, id: i64) -> Self {
        Self::of(bed.call("GET", "/api/v1/events"), id)
    }

    /// The same with a call of somebody else.
    pub fn of(call: Call, id: i64) -> Self {
        Self(Stream::open(&call.header("Last-Event-ID", id.to_string())))
    }

    /// The next event, or none when the stream ends.
    pub fn next(&mut self) -> Option<Told> {
        let (mut id, mut topic, mut data) = (None, None, None);
        // Comments keep the stream going, so that this is looked at now and then.
        let end = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < end, "no event within {PATIENCE:?}");
            let line = self.0.line()?;
            match line.split_once(':') {
                Some(("id", value)) => id = value.trim().parse().ok(),
                Some(("event", value)) => topic = Some(value.trim().to_owned()),
                Some(("data", value)) => data = serde_json::from_str(value.trim()).ok(),
                _ if line.is_empty() && data.is_some() => {
                    return Some(Told {
                        id: id.expect("an id"),
                        topic: topic.expect("a topic"),
                        data: data.unwrap(),
                    });
                }
                _ => {}
            }
        }
    }

    /// Everything up to and including the event that is waited for.
    pub fn until(&mut self, mut wanted: impl FnMut(&Told) -> bool) -> Vec<Told> {
        let mut all = Vec::new();
        loop {
            let told = self
                .next()
                .unwrap_or_else(|| panic!("the stream ended after {all:?}"));
            let found = wanted(&told);
            all.push(told);
            if found {
                return all;
            }
        }
    }

    /// Waits until a generation is being drawn.
    pub fn until_drawn(&mut self, generation: &str) {
        self.until(|told| told.of(generation) && told.data["data"]["progress"]["percent"].as_i64() > Some(0));
    }

    /// Waits for the end of a generation.
    pub fn until_ended(&mut self, generation: &str) -> Vec<Told> {
        self.until(|told| {
            let state = told.data["data"]["state"].as_str().unwrap();
            told.of(generation) && !matches!(state, "queued" | "running")
        })
    }
}

#[test]
fn a_listener_that_comes_back_gets_exactly_what_it_missed() {
    let place = Place::new();
    let bed = place.serve();
    let first = bed.ask(&small("um barco vermelho"));
    let all = Listener::after(&bed, 0).until_ended(&first);
    assert!(all.len() >= 3, "{all:?}");
    assert!(all.windows(2).all(|pair| pair[0].id < pair[1].id), "{all:?}");
    assert_eq!(all[0].data["data"]["state"], "queued");
    assert_eq!(all.last().unwrap().data["data"]["state"], "succeeded");
    for told in &all {
        assert_eq!(told.data["sequence"], told.id);
        assert_eq!(told.data["type"], told.topic.as_str());
        assert!(told.data["timestamp"].is_string(), "{told:?}");
        assert!(!told.data.to_string().contains("barco"), "{told:?}");
    }

    // From every place in the middle, while something new happens as well.
    let mut listeners: Vec<_> = all.iter().map(|told| Listener::after(&bed, told.id)).collect();
    let second = bed.ask(&small("uma casa azul"));
    let more = Listener::after(&bed, all.last().unwrap().id).until_ended(&second);
    for (place, listener) in listeners.iter_mut().enumerate() {
        let expected: Vec<_> = all[place + 1..].iter().chain(&more).cloned().collect();
        assert_eq!(listener.until_ended(&second), expected, "after event {place}");
    }
    bed.stop();
}

#[test]
fn two_listeners_hear_the_same() {
    let place = Place::new();
    let bed = place.serve();
    let (mut one, mut two) = (Listener::after(&bed, 0), Listener::after(&bed, 0));
    let id = bed.ask(&small("uma árvore verde"));
    assert_eq!(one.until_ended(&id), two.until_ended(&id));
    bed.stop();
    assert!(
        one.next().is_none() && two.next().is_none(),
        "a stop ends the streams"
    );
}

#[test]
fn events_outlive_the_process() {
    let place = Place::new();
    let bed = place.serve();
    let id = bed.ask(&small("um sol amarelo"));
    let before = Listener::after(&bed, 0).until_ended(&id);
    bed.stop();
    let bed = place.serve();
    assert_eq!(Listener::after(&bed, 0).until_ended(&id), before);
    let next = bed.ask(&small("um sol amarelo"));
    let after = Listener::after(&bed, 0).until_ended(&next);
    assert_eq!(after[..before.len()], before[..]);
    assert!(after[before.len()].id > before.last().unwrap().id);
}

#[test]
fn the_place_to_resume_can_be_given_in_the_address() {
    let place = Place::new();
    let bed = place.serve();
    let id = bed.ask(&small("um barco"));
    let all = Listener::after(&bed, 0).until_ended(&id);
    let path = format!("/api/v1/events?last_event_id={}", all[0].id);
    let mut listener = Listener(Stream::open(&bed.call("GET", &path)));
    assert_eq!(listener.until_ended(&id), all[1..]);
    let headers = &listener.0.headers;
    assert!(
        headers.contains(&("content-type".to_owned(), "text/event-stream".to_owned())),
        "{headers:?}"
    );

    let nonsense = bed
        .call("GET", "/api/v1/events")
        .header("Last-Event-ID", "x")
        .send();
    nonsense.problem(400, "invalid_last_event_id");
    bed.get("/api/v1/events?last_event_id=x")
        .problem(400, "invalid_query");
    bed.get("/api/v1/events?other=1").problem(400, "invalid_query");
}

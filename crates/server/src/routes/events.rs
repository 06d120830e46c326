//! Events over SSE, with resume: what a listener missed comes from the database, then it goes on live.

use crate::Site;
use crate::extract::{Caller, Query, header};
use crate::problem::Problem;
use app::events::Told;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use domain::actor::{Actor, Scope};
use futures_util::Stream;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;

/// A comment is sent this often, so that proxies keep the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Events read from the database at once.
const BATCH: u32 = 200;
/// Events that wait for a slow reader before the stream waits too.
const BUFFER: usize = 64;

/// How often it is asked whether the listener would still be let in.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// Where to resume when the header cannot be set.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventsQuery {
    last_event_id: Option<i64>,
}

fn sse(told: &Told) -> Event {
    let event = &told.event;
    let data = serde_json::json!({
        "type": event.topic,
        "timestamp": event.at,
        "sequence": told.sequence,
        "data": {"id": event.generation, "state": event.state, "progress": event.progress},
    });
    Event::default()
        .id(told.sequence.to_string())
        .event(event.topic.clone())
        .data(data.to_string())
}

/// Streams events of the caller's own generations: `id` is the sequence, resume with `Last-Event-ID`.
#[utoipa::path(get, operation_id = "events_stream", path = "/api/v1/events", tag = "generations",
    params(("Last-Event-ID" = Option<i64>, Header, description = "Resume after this sequence"), ("last_event_id" = Option<i64>, Query, description = "The same, where the header cannot be set")),
    responses((status = 200, description = "Server-sent events; `data` is `{type, timestamp, sequence, data}`", content_type = "text/event-stream", body = String),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "Unreadable parameter")))]
pub(crate) async fn stream(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    headers: HeaderMap,
    Query(query): Query<EventsQuery>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let from_header = match header(&headers, "last-event-id") {
        None => None,
        Some(text) => Some(text.parse::<i64>().map_err(|_| {
            Problem::bad_request(
                "invalid_last_event_id",
                "`Last-Event-ID` is the number of an event.",
            )
        })?),
    };
    let resume = match from_header.or(query.last_event_id) {
        Some(sequence) => sequence,
        None => site.studio.newest_event().await?,
    };
    let (sender, receiver) = mpsc::channel(BUFFER);
    tokio::spawn(feed(site, actor, resume, sender));
    let stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

type Sender = mpsc::Sender<Result<Event, Infallible>>;

/// Feeds one listener until it goes away, would not be let in any more, or the server stops.
async fn feed(site: Arc<Site>, actor: Actor, mut seen: i64, sender: Sender) {
    let scope = actor.scope();
    let mut asked = tokio::time::interval(ASK_AGAIN);
    let mut live = site.studio.feed().subscribe();
    if !catch_up(&site, scope, &mut seen, &sender).await {
        return;
    }
    loop {
        let next = tokio::select! {
            () = site.stop.cancelled() => return,
            () = sender.closed() => return,
            _ = asked.tick() => {
                // Who cannot be found out now is not told anything either; the listener comes back.
                if !site.studio.would_still_admit(&actor).await.unwrap_or(false) {
                    return;
                }
                continue;
            }
            next = live.recv() => next,
        };
        match next {
            Ok(told) if told.sequence > seen => {
                seen = told.sequence;
                if told.event.is_for(&scope) && sender.send(Ok(sse(&told))).await.is_err() {
                    return;
                }
            }
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => {
                if !catch_up(&site, scope, &mut seen, &sender).await {
                    return;
                }
            }
            Err(RecvError::Closed) => return,
        }
    }
}

async fn catch_up(site: &Site, scope: Scope, seen: &mut i64, sender: &Sender) -> bool {
    loop {
        let Ok(missed) = site.studio.events_after(scope, *seen, BATCH).await else {
            return false;
        };
        let Some(last) = missed.last() else { return true };
        *seen = last.sequence;
        for told in &missed {
            if sender.send(Ok(sse(told))).await.is_err() {
                return false;
            }
        }
    }
}

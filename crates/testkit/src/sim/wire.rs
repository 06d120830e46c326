//! Answers, good and bad, and the results themselves.

use super::connection::Cut;
use super::faults::{Misdeed, Plan, Route};
use super::state::State;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Path, State as Shared};
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::routing::get;
use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

pub(super) type Answer = Response<Body>;

/// Lets the first part of a body reach the client before the rest is withheld.
const PART: Duration = Duration::from_millis(5);

pub(super) fn routes() -> Router<Arc<State>> {
    Router::new()
        .route("/objects/{id}", get(object))
        .route("/bill", get(bill))
}

pub(super) fn answer(status: u16, media_type: &str, body: impl Into<Body>) -> Answer {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Ok(value) = media_type.parse() {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    response
}

pub(super) fn json_answer(status: u16, value: &Value) -> Answer {
    answer(status, "application/json", value.to_string())
}

pub(super) fn detail(status: u16, text: &str) -> Answer {
    json_answer(status, &json!({ "detail": text }))
}

fn with_retry_after(mut response: Answer, seconds: u32) -> Answer {
    response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    response
}

/// The refusal of a request whose bearer key is not the plan's.
pub(super) fn refused(headers: &HeaderMap, plan: &Plan) -> Option<Answer> {
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let good = given == Some(format!("Bearer {}", plan.key).as_str());
    (!good).then(|| detail(401, "Invalid API key is provided"))
}

fn text_of(status: u16) -> &'static str {
    match status {
        402 => "Insufficient balance",
        403 => "Client suspended",
        404 => "Generation not found",
        413 => "Media too large",
        502 => "Upstream failure",
        503 => "Media ingestion is unavailable; retry or send base64",
        _ => "Simulated refusal",
    }
}

/// Misdeeds that happen before anything takes effect.
pub(super) async fn before(misdeed: Option<Misdeed>, cut: &Cut) -> Option<Answer> {
    Some(match misdeed? {
        Misdeed::Throttle(seconds) => with_retry_after(detail(429, "Rate limit exceeded"), seconds),
        Misdeed::TooMany => with_retry_after(detail(429, "Too many concurrent jobs"), 2),
        Misdeed::Status(status) => detail(status, text_of(status)),
        Misdeed::Page(status) => answer(status, "text/html", "<html>gateway</html>"),
        Misdeed::CutBefore => {
            cut.now();
            detail(500, "never read")
        }
        Misdeed::StallBefore => std::future::pending().await,
        Misdeed::Redirect => {
            let mut response = answer(307, "text/plain", "");
            response
                .headers_mut()
                .insert(header::LOCATION, header::HeaderValue::from_static("/elsewhere"));
            response
        }
        _ => return None,
    })
}

/// A good answer, or what a misdeed makes of it after it took effect.
pub(super) async fn after(
    misdeed: Option<Misdeed>,
    cut: &Cut,
    status: u16,
    media_type: &str,
    body: Vec<u8>,
) -> Answer {
    match misdeed {
        Some(Misdeed::StatusAfter(status)) => detail(status, text_of(status)),
        Some(Misdeed::CutAfter) => {
            cut.now();
            detail(500, "never read")
        }
        Some(Misdeed::StallAfter) => std::future::pending().await,
        Some(Misdeed::Garbage) => answer(200, media_type, "\u{0}<<not json"),
        Some(Misdeed::NoId) => answer(status, media_type, "{}"),
        Some(Misdeed::WrongType) => answer(200, "text/html", "<html>moved</html>"),
        Some(Misdeed::CutBody) => parts(status, media_type, &body, true),
        Some(Misdeed::StallBody) => parts(status, media_type, &body, false),
        Some(Misdeed::SlowBody) => {
            let bytes: Vec<u8> = body;
            let single = stream::iter(bytes).then(|byte| async move {
                tokio::task::yield_now().await;
                Ok::<_, std::io::Error>(Bytes::copy_from_slice(&[byte]))
            });
            answer(status, media_type, Body::from_stream(single))
        }
        _ => answer(status, media_type, body),
    }
}

/// Half of a body under the length of the whole, then a cut or silence.
fn parts(status: u16, media_type: &str, body: &[u8], cut: bool) -> Answer {
    let half = Bytes::copy_from_slice(body.get(..body.len() / 2).unwrap_or_default());
    let first = stream::once(async move { Ok(half) });
    let rest = stream::once(async move {
        tokio::time::sleep(PART).await;
        if !cut {
            std::future::pending::<()>().await;
        }
        Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset))
    });
    let mut response = answer(status, media_type, Body::from_stream(first.chain(rest)));
    response
        .headers_mut()
        .insert(header::CONTENT_LENGTH, body.len().into());
    response
}

async fn object(
    Shared(state): Shared<Arc<State>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let misdeed = state.hear(Route::Output, &id);
    if let Some(answer) = before(misdeed, &cut).await {
        return answer;
    }
    if headers.contains_key(header::AUTHORIZATION) {
        return detail(400, "Only one authentication mechanism is allowed");
    }
    let Some(job) = state.job(&id).filter(super::jobs::Job::is_completed) else {
        return detail(404, "No such object");
    };
    let (media_type, bytes) = if job.video {
        ("video/mp4", crate::media::mp4(&id))
    } else {
        ("image/png", crate::media::png(&id))
    };
    after(misdeed, &cut, 200, media_type, bytes).await
}

async fn bill(Shared(state): Shared<Arc<State>>) -> Answer {
    json_answer(200, &serde_json::to_value(state.bill()).unwrap_or_default())
}

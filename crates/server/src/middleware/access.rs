//! One log line and one count for each request: route pattern, status, time. Never the path itself, a
//! query, a body or an address.

use crate::Site;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use std::sync::Arc;
use std::time::Instant;
use tracing::Instrument;

/// Records a request.
pub(crate) async fn record(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("other".to_owned(), |p| p.as_str().to_owned());
    let trace_id = trace_id(&request);
    let span = tracing::info_span!(
        "request",
        request_id = super::request_id::current().unwrap_or_default(),
        trace_id,
        user_ref = tracing::field::Empty,
        route,
    );
    let response = next.run(request).instrument(span.clone()).await;
    let status = response.status().as_u16();
    let took = started.elapsed();
    site.studio
        .metrics()
        .request(method.as_str(), &route, status, took);
    let dur_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let asked_often = matches!(route.as_str(), "/live" | "/ready" | "/startup" | "/metrics");
    span.in_scope(|| {
        if asked_often {
            // Not being ready yet is an answer, not a failure; who asks every few seconds must not fill the log.
            tracing::debug!(method = method.as_str(), status, dur_ms, "request");
        } else if status >= 500 {
            tracing::error!(method = method.as_str(), status, dur_ms, "request failed");
        } else {
            tracing::info!(method = method.as_str(), status, dur_ms, "request");
        }
    });
    response
}

/// The trace id of a well-formed `traceparent` (W3C Trace Context level 1).
fn trace_id(request: &Request) -> Option<String> {
    let text = request.headers().get("traceparent")?.to_str().ok()?;
    let mut parts = text.split('-');
    let (version, trace) = (parts.next()?, parts.next()?);
    let hex = |s: &str| s.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let good = version.len() == 2
        && hex(version)
        && trace.len() == 32
        && hex(trace)
        && trace.bytes().any(|b| b != b'0');
    good.then(|| trace.to_owned())
}

//! Health: whether the process answers, whether it can take work, and the metrics.

use crate::Site;
use crate::extract::ClientInfo;
use crate::problem::Problem;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;

/// How long the readiness probe may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Whether the process answers at all.
#[utoipa::path(get, operation_id = "health_live", path = "/live", tag = "health", responses((status = 200, description = "It answers", body = String)))]
pub(crate) async fn live() -> &'static str {
    "ok\n"
}

/// Whether start-up recovery is done.
#[utoipa::path(get, operation_id = "health_startup", path = "/startup", tag = "health", responses((status = 200, description = "Done", body = String),
    (status = 503, body = Problem, content_type = "application/problem+json", description = "Not yet")))]
pub(crate) async fn startup(State(site): State<Arc<Site>>) -> Result<&'static str, Problem> {
    if site.is_started() {
        Ok("ok\n")
    } else {
        Err(not_ready("starting", "Start-up recovery is not done yet."))
    }
}

/// Whether it can take work: recovered, not draining, and a durable write goes through within two
/// seconds. Providers do not count: they are not ours.
#[utoipa::path(get, operation_id = "health_ready", path = "/ready", tag = "health", responses((status = 200, description = "Ready", body = String),
    (status = 503, body = Problem, content_type = "application/problem+json", description = "Not ready")))]
pub(crate) async fn ready(State(site): State<Arc<Site>>) -> Result<&'static str, Problem> {
    if !site.is_started() {
        return Err(not_ready("starting", "Start-up recovery is not done yet."));
    }
    if site.stop.is_cancelled() {
        return Err(not_ready("draining", "It is stopping and takes no new work."));
    }
    match tokio::time::timeout(PROBE_TIMEOUT, site.studio.db().probe()).await {
        Ok(Ok(_)) => Ok("ok\n"),
        Ok(Err(error)) => {
            tracing::error!(error = %error, "the readiness probe failed");
            Err(not_ready(
                "database",
                "The database does not take writes. `studio doctor` says more.",
            ))
        }
        Err(_) => Err(not_ready(
            "database",
            "The database takes longer than two seconds to write.",
        )),
    }
}

fn not_ready(code: &str, detail: &str) -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        &format!("not_ready.{code}"),
        "Not ready",
        detail,
    )
}

/// Metrics in OpenMetrics form; asks for the token if one is configured, else answers this machine only.
#[utoipa::path(get, operation_id = "health_metrics", path = "/metrics", tag = "health", responses((status = 200, description = "OpenMetrics text", content_type = "application/openmetrics-text", body = String),
    (status = 401, body = Problem, content_type = "application/problem+json", description = "The token is missing or wrong, or none is set")))]
pub(crate) async fn metrics(
    State(site): State<Arc<Site>>,
    client: ClientInfo,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if let Some(token) = &site.settings.metrics_token {
        let given = headers
            .get(AUTHORIZATION)
            .and_then(|v| v.to_str().ok())
            .and_then(|v| v.strip_prefix("Bearer "));
        // Digests are compared, so that the time taken tells nothing about the token.
        let same = given.is_some_and(|g| {
            Sha256::digest(g.as_bytes()) == Sha256::digest(token.expose_secret().as_bytes())
        });
        if !same {
            return Err(token_needed(
                "Send `Authorization: Bearer` with the token of `metrics.token`.",
            ));
        }
    } else if !client.address.to_canonical().is_loopback() {
        return Err(token_needed(
            "Set `metrics.token` to read metrics from another machine.",
        ));
    }
    site.studio.count_jobs().await?;
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(CONTENT_TYPE, kind)], site.studio.metrics().text()).into_response())
}

fn token_needed(detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, "metrics_token", "Token needed", detail)
}

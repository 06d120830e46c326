//! The router on one page. The table is data, so that tests walk it: a route that the API description
//! or the table does not know fails them.

use crate::Site;
use crate::middleware::{access, guard, headers, request_id};
use crate::problem::Problem;
use crate::routes::{assets, callbacks, docs, events, generations, health, models, quotes, uploads};
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::routing::{get, post};
use std::sync::Arc;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

/// One route of the API: method and pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// HTTP method, lower case.
    pub method: &'static str,
    /// Path pattern.
    pub path: &'static str,
}

const fn route(method: &'static str, path: &'static str) -> Route {
    Route { method, path }
}

/// Every route of the API.
pub const ROUTES: &[Route] = &[
    route("get", "/live"),
    route("get", "/ready"),
    route("get", "/startup"),
    route("get", "/metrics"),
    route("get", "/openapi.json"),
    route("get", "/docs"),
    route("post", "/api/v1/quotes"),
    route("post", "/api/v1/generations"),
    route("get", "/api/v1/generations"),
    route("get", "/api/v1/generations/{id}"),
    route("delete", "/api/v1/generations/{id}"),
    route("get", "/api/v1/generations/{id}/decision"),
    route("post", "/api/v1/generations/{id}/cancel"),
    route("post", "/api/v1/generations/{id}/retry"),
    route("get", "/api/v1/events"),
    route("get", "/api/v1/models"),
    route("get", "/api/v1/providers"),
    route("get", "/api/v1/assets/{id}"),
    route("get", "/api/v1/assets/{id}/content"),
    route("options", "/api/v1/uploads"),
    route("post", "/api/v1/uploads"),
    route("head", "/api/v1/uploads/{id}"),
    route("get", "/api/v1/uploads/{id}"),
    route("patch", "/api/v1/uploads/{id}"),
    route("post", "/callbacks/{provider}/{token}"),
];

/// The whole site.
pub fn router(site: Arc<Site>) -> Router {
    let limit = DefaultBodyLimit::max(site.settings.body_limit_bytes);
    let timeout = TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, site.settings.request_timeout);
    let quick = Router::new()
        .route("/live", get(health::live))
        .route("/ready", get(health::ready))
        .route("/startup", get(health::startup))
        .route("/metrics", get(health::metrics))
        .route("/openapi.json", get(docs::description))
        .route("/docs", get(docs::page))
        .route("/api/v1/quotes", post(quotes::create))
        .route(
            "/api/v1/generations",
            post(generations::create).get(generations::list),
        )
        .route(
            "/api/v1/generations/{id}",
            get(generations::show).delete(generations::remove),
        )
        .route("/api/v1/generations/{id}/decision", get(generations::decision))
        .route("/api/v1/generations/{id}/cancel", post(generations::cancel))
        .route("/api/v1/generations/{id}/retry", post(generations::retry))
        .route("/api/v1/models", get(models::list))
        .route("/api/v1/providers", get(models::providers))
        .route("/api/v1/assets/{id}", get(assets::show))
        .route("/callbacks/{provider}/{token}", post(callbacks::wake))
        .layer(limit)
        .layer(timeout)
        .layer(map_response(crate::problem::late));
    let streams = Router::new()
        .route("/api/v1/events", get(events::stream))
        .route("/api/v1/assets/{id}/content", get(assets::content))
        .route("/api/v1/uploads", post(uploads::create).options(uploads::options))
        .route(
            "/api/v1/uploads/{id}",
            get(uploads::show).head(uploads::head).patch(uploads::append),
        )
        .layer(DefaultBodyLimit::disable());
    Router::new()
        .merge(quick)
        .merge(streams)
        .fallback(crate::web::page)
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
        .layer(CatchPanicLayer::custom(|_| crate::problem::panicked()))
        .layer(from_fn_with_state(Arc::clone(&site), guard::same_site))
        .layer(from_fn(headers::security))
        .layer(from_fn_with_state(Arc::clone(&site), access::record))
        .layer(from_fn(request_id::give))
        .with_state(site)
}

//! While nobody logs in, the caller is whoever reaches the loopback address. Two things could reach it
//! from outside through a browser: a page whose name was rebound to loopback, and a form of another
//! site. Both are refused here, before any handler: the host must be ours and a change must come from
//! our own pages (or from a client that is no browser).

use crate::Site;
use crate::problem::Problem;
use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// Refuses foreign hosts and cross-site changes.
pub(crate) async fn same_site(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    if request.uri().path().starts_with("/callbacks/") {
        return next.run(request).await;
    }
    if !names_us(&site, &request) {
        let detail = "This server answers under its own address only. Use the address it printed at start.";
        return Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "foreign_host",
            "Not this server",
            detail,
        )
        .into_response();
    }
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if !safe && !is_same_site(&site, request.headers()) {
        let detail = "A change must come from the studio's own pages or from a client that is no browser.";
        return Problem::new(
            StatusCode::FORBIDDEN,
            "cross_site",
            "Cross-site request refused",
            detail,
        )
        .into_response();
    }
    next.run(request).await
}

/// Whether the request names us: every host that it gives, in the header or in its target, is ours.
fn names_us(site: &Site, request: &Request) -> bool {
    let headers = request.headers().get_all(HOST).iter();
    let mut names = headers.map(|value| value.to_str().unwrap_or(""));
    let target = request.uri().authority().map(axum::http::uri::Authority::as_str);
    let is_named = request.headers().contains_key(HOST) || target.is_some();
    is_named && names.all(|name| is_ours(site, name)) && target.is_none_or(|name| is_ours(site, name))
}

fn is_ours(site: &Site, host: &str) -> bool {
    let port = site.listen.port();
    let loopback = ["127.0.0.1", "localhost", "[::1]"];
    let local = loopback
        .iter()
        .any(|name| host.eq_ignore_ascii_case(name) || host.eq_ignore_ascii_case(&format!("{name}:{port}")));
    local
        || host == site.listen.to_string()
        || public_authority(site).is_some_and(|ours| host.eq_ignore_ascii_case(ours))
}

fn public_authority(site: &Site) -> Option<&str> {
    let url = site.settings.public_url.as_deref()?;
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next()
}

fn is_same_site(site: &Site, headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|v| v.to_str().ok());
    match text("sec-fetch-site") {
        Some("same-origin" | "none") => return true,
        Some(_) => return false,
        None => {}
    }
    match headers.get(ORIGIN) {
        None => true,
        Some(origin) => {
            let origin = origin.to_str().unwrap_or("");
            origin
                .split_once("://")
                .is_some_and(|(_, authority)| is_ours(site, authority))
        }
    }
}

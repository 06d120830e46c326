//! Requests that somebody else's page makes in a reader's browser, and requests under somebody else's
//! name, are refused before any handler (`Sec-Fetch-Site`, then `Origin`, then cookies: the order of
//! Fetch Metadata resource isolation). No token is needed for that, and no path is left out but one: a
//! provider's callback, which a one-time token in its path stands for and no cookie.

use crate::Site;
use crate::cookies;
use crate::names::Names;
use crate::problem::Problem;
use crate::router::{Line, Route, line_of};
use axum::body::HttpBody;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, HOST, ORIGIN};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// The one route that other machines call without being asked who they are.
const CALLBACK: &str = "/callbacks/{provider}/{token}";
/// What a change may carry. A form of another site can send neither without asking first.
const CONTENT_TYPES: [&str; 2] = ["application/json", "application/offset+octet-stream"];

/// Why a request is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Refusal {
    /// It names a host that is not ours.
    Host,
    /// Another site made it.
    CrossSite,
    /// It carries a cookie of ours and does not say which page made it.
    Unexplained,
    /// A change in a form that a form of another site could send.
    ContentType,
}

/// Refuses what is not from our own pages or a client that is no browser.
pub(crate) async fn same_site(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let route = match line_of(&request) {
        Line::Found(route) => Some(route),
        Line::OtherMethod(_) | Line::Unknown | Line::NoPattern => None,
    };
    let headers = request.headers();
    if route.is_some_and(|route| route.path == CALLBACK) && !cookies::has_ours(headers) {
        return next.run(request).await;
    }
    let verdict = names_us(&site.names, &request)
        .and_then(|()| origin_is_ours(&site.names, request.method(), headers, route))
        .and_then(|()| content_is_ours(&request));
    match verdict {
        Ok(()) => next.run(request).await,
        Err(refusal) => told(refusal, route).into_response(),
    }
}

fn told(refusal: Refusal, route: Option<&Route>) -> Problem {
    let crossing = |detail| {
        Problem::new(
            StatusCode::FORBIDDEN,
            "cross_site",
            "Cross-site request refused",
            detail,
        )
    };
    match refusal {
        Refusal::Host => Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "foreign_host",
            "Not this server",
            "This server answers under its own address only. Use the address it printed at start.",
        ),
        Refusal::CrossSite => {
            crossing("This must come from the studio's own pages or from a client that is no browser.")
        }
        Refusal::Unexplained => crossing(
            "A change that carries a cookie must say which page made it (`Sec-Fetch-Site` or `Origin`).",
        ),
        Refusal::ContentType if route.is_some_and(|route| route.path.starts_with("/api/v1/uploads")) => {
            Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "upload.content_type",
                "Not a part",
                "A part is sent as `Content-Type: application/offset+octet-stream`.",
            )
        }
        Refusal::ContentType => Problem::not_json(),
    }
}

/// Whether the request names us: every host that it gives, in the header or in its target, is ours.
fn names_us(ours: &Names, request: &Request) -> Result<(), Refusal> {
    let headers = request.headers().get_all(HOST).iter();
    let mut names = headers.map(|value| value.to_str().unwrap_or(""));
    let target = request.uri().authority().map(axum::http::uri::Authority::as_str);
    let is_named = request.headers().contains_key(HOST) || target.is_some();
    let all_ours = names.all(|name| ours.is_host(name)) && target.is_none_or(|name| ours.is_host(name));
    if is_named && all_ours {
        Ok(())
    } else {
        Err(Refusal::Host)
    }
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Whether one of our pages, or no page, made the request.
fn origin_is_ours(
    ours: &Names,
    method: &Method,
    headers: &HeaderMap,
    route: Option<&Route>,
) -> Result<(), Refusal> {
    let mut sites = headers.get_all("sec-fetch-site").iter().peekable();
    let is_told = sites.peek().is_some();
    let is_same = sites.all(|site| matches!(site.as_bytes(), b"same-origin" | b"none"));
    if is_safe(method) {
        // Reading changes nothing, but what is somebody's own is not for pages of others either.
        let is_private = route.is_some_and(|route| route.access.right().is_some());
        return if is_private && !is_same {
            Err(Refusal::CrossSite)
        } else {
            Ok(())
        };
    }
    if is_told {
        return if is_same { Ok(()) } else { Err(Refusal::CrossSite) };
    }
    let mut origins = headers.get_all(ORIGIN).iter().peekable();
    if origins.peek().is_some() {
        let all_ours = origins.all(|origin| origin.to_str().is_ok_and(|origin| ours.is_origin(origin)));
        return if all_ours { Ok(()) } else { Err(Refusal::CrossSite) };
    }
    if cookies::has_ours(headers) {
        Err(Refusal::Unexplained)
    } else {
        Ok(())
    }
}

/// Whether a change carries only what a form of another site cannot send. Without a body it needs to say
/// nothing.
fn content_is_ours(request: &Request) -> Result<(), Refusal> {
    if is_safe(request.method()) {
        return Ok(());
    }
    let mut types = request.headers().get_all(CONTENT_TYPE).iter().peekable();
    if types.peek().is_none() {
        return if request.body().is_end_stream() {
            Ok(())
        } else {
            Err(Refusal::ContentType)
        };
    }
    let taken = |value: &axum::http::HeaderValue| {
        let essence = value
            .to_str()
            .unwrap_or("")
            .split(';')
            .next()
            .unwrap_or("")
            .trim();
        CONTENT_TYPES
            .iter()
            .any(|taken| essence.eq_ignore_ascii_case(taken))
    };
    if types.all(taken) {
        Ok(())
    } else {
        Err(Refusal::ContentType)
    }
}

//! The embedded web part: hashed files for ever, the page itself always fresh.

use crate::problem::Problem;
use axum::body::Body;
use axum::http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use rust_embed::{Embed, EmbeddedFile};

#[derive(Embed)]
#[folder = "$OUT_DIR/web"]
struct Files;

/// Whether the web part was built into this binary, or a page that says how to build it.
pub const IS_BUILT: bool = matches!(env!("STUDIO_WEB").as_bytes(), b"built");

/// Files under here carry a digest of their content in their names.
const HASHED: &str = "assets/";

/// Serves a file of the web part; any other address that a browser opens is the page itself.
pub(crate) async fn page(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path().trim_start_matches('/');
    if path.starts_with("api/") || path.starts_with("v1/") || path.starts_with("callbacks/") {
        return Problem::not_found("address").into_response();
    }
    if method != Method::GET && method != Method::HEAD {
        return Problem::method_not_allowed().into_response();
    }
    let compressed = headers
        .get(ACCEPT_ENCODING)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|v| v.contains("gzip"));
    if !path.is_empty()
        && let Some(response) = file(path, compressed, &headers)
    {
        return response;
    }
    let wants_page = headers
        .get(ACCEPT)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|v| v.contains("text/html"));
    let is_page = path.is_empty() || (wants_page && !path.starts_with(HASHED));
    let page = if is_page {
        file("index.html", compressed, &headers)
    } else {
        None
    };
    page.unwrap_or_else(|| Problem::not_found("address").into_response())
}

fn file(path: &str, compressed: bool, headers: &HeaderMap) -> Option<Response> {
    let packed = if compressed {
        Files::get(&format!("{path}.gz"))
    } else {
        None
    };
    let encoding = packed.is_some();
    let found: EmbeddedFile = packed.or_else(|| Files::get(path))?;
    let tag = format!(
        "\"{}\"",
        data_encoding::HEXLOWER.encode(&found.metadata.sha256_hash()[..16])
    );
    let mut response = Response::new(Body::empty());
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(path)));
    fields.insert(VARY, HeaderValue::from_static("accept-encoding"));
    let fresh = if path.starts_with(HASHED) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    fields.insert(CACHE_CONTROL, HeaderValue::from_static(fresh));
    if encoding {
        fields.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if let Ok(value) = HeaderValue::from_str(&tag) {
        fields.insert(ETAG, value);
    }
    if headers
        .get(IF_NONE_MATCH)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|given| given.contains(&tag))
    {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Some(response);
    }
    *response.body_mut() = Body::from(found.data.into_owned());
    Some(response)
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or("") {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

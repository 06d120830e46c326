//! Stored media: what it is, and its bytes with ranges, streamed in constant memory.

use crate::Site;
use crate::api::AssetBody;
use crate::extract::{Caller, Id, Query, header};
use crate::problem::Problem;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::id::AssetId;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// What stored media may do in a browser when opened by itself: nothing.
const MEDIA_POLICY: &str = "default-src 'none'; sandbox";

/// Shows what an asset is.
#[utoipa::path(get, operation_id = "assets_show", path = "/api/v1/assets/{id}", tag = "media", params(("id" = String, Path)),
    responses((status = 200, description = "The asset", body = AssetBody), (status = 404, body = Problem, content_type = "application/problem+json", description = "Not here")))]
pub(crate) async fn show(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    Id(id): Id<AssetId>,
) -> Result<axum::Json<AssetBody>, Problem> {
    let asset = site
        .studio
        .asset(actor.scope(), id)
        .await?
        .ok_or_else(|| Problem::not_found("asset"))?;
    #[expect(
        clippy::cast_precision_loss,
        reason = "clips are shorter than 2^52 microseconds"
    )]
    let seconds = asset.seconds_micros.map(|micros| micros as f64 / 1_000_000.0);
    Ok(axum::Json(AssetBody {
        id: asset.id.to_string(),
        media_type: asset.media_type,
        width: asset.width,
        height: asset.height,
        seconds,
        bytes: asset.bytes,
        sha256: asset.sha256,
        demo: asset.demo,
        created_at: asset.created_at.to_string(),
    }))
}

/// How the bytes are wanted.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContentQuery {
    download: Option<u8>,
}

/// The bytes of an asset. One range at a time (RFC 9110 section 14).
#[utoipa::path(get, operation_id = "assets_content", path = "/api/v1/assets/{id}/content", tag = "media",
    params(("id" = String, Path), ("download" = Option<u8>, Query, description = "1: offer to save"), ("Range" = Option<String>, Header, description = "`bytes=a-b`, `bytes=a-` or `bytes=-n`")),
    responses((status = 200, description = "All bytes", content_type = "application/octet-stream", body = Vec<u8>), (status = 206, description = "A range"), (status = 304, description = "Not changed"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "Not here"), (status = 416, body = Problem, content_type = "application/problem+json", description = "No such range")))]
pub(crate) async fn content(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    method: Method,
    Id(id): Id<AssetId>,
    Query(query): Query<ContentQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let asset = site
        .studio
        .asset(actor.scope(), id)
        .await?
        .ok_or_else(|| Problem::not_found("asset"))?;
    let total = asset.bytes;
    let tag = format!("\"{}\"", asset.sha256);
    let mut response = Response::new(Body::empty());
    let save = if query.download == Some(1) {
        "attachment"
    } else {
        "inline"
    };
    let name = format!(
        "{save}; filename=\"{}.{}\"",
        asset.id,
        extension(&asset.media_type)
    );
    for (name, value) in [
        ("content-type", asset.media_type.as_str()),
        ("etag", &tag),
        ("accept-ranges", "bytes"),
        // Kept, and asked for again each time: who was shut out sees nothing of what was kept.
        ("cache-control", "private, no-cache"),
        ("content-security-policy", MEDIA_POLICY),
        ("content-disposition", &name),
    ] {
        set(&mut response, name, value);
    }
    if header(&headers, "if-none-match").is_some_and(|given| given.split(',').any(|t| t.trim() == tag)) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(response);
    }
    let unchanged = header(&headers, "if-range").is_none_or(|given| given == tag);
    let range = header(&headers, "range").filter(|_| unchanged && method == Method::GET);
    let (first, length) = match range.as_deref().map(|text| parse_range(text, total)) {
        None | Some(Wanted::All) => (0, total),
        Some(Wanted::Part(part)) => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            set(
                &mut response,
                "content-range",
                &format!("bytes {}-{}/{total}", part.start(), part.end()),
            );
            (*part.start(), part.end() - part.start() + 1)
        }
        Some(Wanted::None) => return Ok(not_satisfiable(total)),
    };
    set(&mut response, "content-length", &length.to_string());
    if method == Method::GET {
        *response.body_mut() = Body::from_stream(site.studio.read_asset(&asset, first, length).await?);
    }
    Ok(response)
}

/// Says how long the file is, so that a client can ask again (RFC 9110 section 15.5.17).
fn not_satisfiable(total: u64) -> Response {
    let detail = format!("The file has {total} bytes; ask for a range within.");
    let problem = Problem::new(
        StatusCode::RANGE_NOT_SATISFIABLE,
        "range_not_satisfiable",
        "No such range",
        detail,
    );
    let mut response = problem.into_response();
    set(&mut response, "content-range", &format!("bytes */{total}"));
    response
}

fn set(response: &mut Response, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response
            .headers_mut()
            .insert(HeaderName::from_static(name), value);
    }
}

fn extension(media_type: &str) -> &'static str {
    match media_type {
        "image/png" => "png",
        "image/jpeg" => "jpg",
        "image/webp" => "webp",
        "image/gif" => "gif",
        "video/mp4" => "mp4",
        "video/webm" => "webm",
        _ => "bin",
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    Part(RangeInclusive<u64>),
    None,
}

/// Reads one byte range. Several ranges, other units and nonsense count as no range (RFC 9110, 14.2).
fn parse_range(text: &str, total: u64) -> Wanted {
    let Some(spec) = text.trim().strip_prefix("bytes=") else {
        return Wanted::All;
    };
    let Some((first, last)) = spec.split_once('-') else {
        return Wanted::All;
    };
    let (first, last) = (first.trim(), last.trim());
    let number = |text: &str| {
        text.bytes()
            .all(|b| b.is_ascii_digit())
            .then(|| text.parse::<u64>().ok())
            .flatten()
    };
    match (first.is_empty(), last.is_empty()) {
        (true, true) => Wanted::All,
        (true, false) => match number(last) {
            Some(0) => Wanted::None,
            Some(count) if total > 0 => Wanted::Part(total.saturating_sub(count)..=total - 1),
            Some(_) => Wanted::None,
            None => Wanted::All,
        },
        (false, last_is_empty) => {
            let Some(first) = number(first) else {
                return Wanted::All;
            };
            let last = if last_is_empty {
                Some(u64::MAX)
            } else {
                number(last)
            };
            match last {
                None => Wanted::All,
                Some(last) if last < first => Wanted::All,
                Some(_) if first >= total => Wanted::None,
                Some(last) => Wanted::Part(first..=last.min(total - 1)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_as_in_rfc_9110() {
        assert_eq!(parse_range("bytes=0-499", 1000), Wanted::Part(0..=499));
        assert_eq!(parse_range("bytes=500-", 1000), Wanted::Part(500..=999));
        assert_eq!(parse_range("bytes=-500", 1000), Wanted::Part(500..=999));
        assert_eq!(parse_range("bytes=-5000", 1000), Wanted::Part(0..=999));
        assert_eq!(parse_range("bytes=999-2000", 1000), Wanted::Part(999..=999));
        assert_eq!(parse_range("bytes=1000-", 1000), Wanted::None);
        assert_eq!(parse_range("bytes=-0", 1000), Wanted::None);
        for nonsense in [
            "bytes=",
            "bytes=-",
            "bytes=5-2",
            "lines=1-2",
            "bytes=0-1,3-4",
            "bytes=a-b",
            "bytes=+1-2",
        ] {
            assert_eq!(parse_range(nonsense, 1000), Wanted::All, "{nonsense}");
        }
    }
}

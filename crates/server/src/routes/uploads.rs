//! Uploads by tus 1.0.0 (core, creation, creation-with-upload): <https://tus.io/protocols/resumable-upload>.

use crate::Site;
use crate::api::UploadBody;
use crate::extract::{Caller, Id, header};
use crate::middleware::request_id::current;
use crate::problem::Problem;
use app::uploads::{MAX_UPLOAD_BYTES, Upload};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use base64::Engine as _;
use domain::id::UploadId;
use futures_util::TryStreamExt;
use std::sync::Arc;

const VERSION: &str = "1.0.0";
const PART: &str = "application/offset+octet-stream";

fn answer(status: StatusCode, fields: &[(&'static str, String)]) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        HeaderName::from_static("tus-resumable"),
        HeaderValue::from_static(VERSION),
    );
    for (name, value) in fields {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    response
}

fn check_version(headers: &HeaderMap) -> Result<(), Problem> {
    if header(headers, "tus-resumable").as_deref() == Some(VERSION) {
        return Ok(());
    }
    let detail = "Send `Tus-Resumable: 1.0.0`.";
    Err(Problem::new(
        StatusCode::PRECONDITION_FAILED,
        "upload.tus_version",
        "Unknown tus version",
        detail,
    ))
}

fn number(headers: &HeaderMap, name: &'static str) -> Result<u64, Problem> {
    header(headers, name)
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| Problem::bad_request("upload.header", format!("`{name}` is a whole number of bytes.")))
}

/// `filetype` of `Upload-Metadata`; the file's name is not kept: it may name a person.
fn media_type(headers: &HeaderMap) -> Result<String, Problem> {
    let text = header(headers, "upload-metadata").unwrap_or_default();
    let value = text
        .split(',')
        .find_map(|pair| pair.trim().strip_prefix("filetype "));
    let bad = || {
        Problem::bad_request(
            "upload.metadata",
            "`Upload-Metadata` needs `filetype` in base64, such as image/png.",
        )
    };
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(value.ok_or_else(bad)?.trim())
        .map_err(|_| bad())?;
    String::from_utf8(bytes).map_err(|_| bad())
}

fn standing(upload: &Upload) -> Vec<(&'static str, String)> {
    let mut fields = vec![("upload-offset", upload.received.to_string())];
    if let Some(asset) = upload.asset {
        fields.push(("studio-asset", asset.to_string()));
    }
    fields
}

/// What this server speaks.
#[utoipa::path(options, operation_id = "uploads_options", path = "/api/v1/uploads", tag = "media", responses((status = 204, description = "tus version, extensions and the largest size in headers")))]
pub(crate) async fn options() -> Response {
    answer(
        StatusCode::NO_CONTENT,
        &[
            ("tus-version", VERSION.to_owned()),
            ("tus-extension", "creation,creation-with-upload".to_owned()),
            ("tus-max-size", MAX_UPLOAD_BYTES.to_string()),
        ],
    )
}

/// Begins an upload; the first part may come along.
#[utoipa::path(post, operation_id = "uploads_create", path = "/api/v1/uploads", tag = "media",
    params(("Tus-Resumable" = String, Header), ("Upload-Length" = u64, Header), ("Upload-Metadata" = String, Header, description = "`filetype` in base64")),
    responses((status = 201, description = "Begun; `Location` is the upload, `Studio-Asset` the asset once complete"), (status = 400, body = Problem, content_type = "application/problem+json", description = "Unreadable header"),
        (status = 412, body = Problem, content_type = "application/problem+json", description = "Unknown tus version"), (status = 413, body = Problem, content_type = "application/problem+json", description = "Too large"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "The file cannot be used"), (status = 507, body = Problem, content_type = "application/problem+json", description = "No room")))]
pub(crate) async fn create(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    check_version(&headers)?;
    let length = number(&headers, "upload-length")?;
    let mut upload = site
        .studio
        .begin_upload(&actor, length, &media_type(&headers)?)
        .await?;
    if header(&headers, "content-type").as_deref() == Some(PART) {
        let stream = Box::pin(body.into_data_stream().map_err(std::io::Error::other));
        upload = site
            .studio
            .append_upload(&actor, upload.id, 0, stream, current().as_deref())
            .await?;
    }
    let mut fields = standing(&upload);
    fields.push(("location", format!("/api/v1/uploads/{}", upload.id)));
    Ok(answer(StatusCode::CREATED, &fields))
}

/// Where an upload stands.
#[utoipa::path(head, operation_id = "uploads_head", path = "/api/v1/uploads/{id}", tag = "media", params(("id" = String, Path)),
    responses((status = 200, description = "`Upload-Offset` and `Upload-Length`"), (status = 404, description = "Not here")))]
pub(crate) async fn head(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    Id(id): Id<UploadId>,
) -> Result<Response, Problem> {
    let upload = site.studio.upload(actor.scope(), id).await?;
    let mut fields = standing(&upload);
    fields.push(("upload-length", upload.length.to_string()));
    fields.push(("cache-control", "no-store".to_owned()));
    Ok(answer(StatusCode::OK, &fields))
}

/// Where an upload stands, as JSON.
#[utoipa::path(get, operation_id = "uploads_show", path = "/api/v1/uploads/{id}", tag = "media", params(("id" = String, Path)),
    responses((status = 200, description = "The upload", body = UploadBody), (status = 404, body = Problem, content_type = "application/problem+json", description = "Not here")))]
pub(crate) async fn show(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    Id(id): Id<UploadId>,
) -> Result<axum::Json<UploadBody>, Problem> {
    let upload = site.studio.upload(actor.scope(), id).await?;
    Ok(axum::Json(UploadBody {
        id: upload.id.to_string(),
        offset: upload.received,
        length: upload.length,
        asset: upload.asset.map(|asset| asset.to_string()),
    }))
}

/// Sends the next part.
#[utoipa::path(patch, operation_id = "uploads_append", path = "/api/v1/uploads/{id}", tag = "media",
    params(("id" = String, Path), ("Tus-Resumable" = String, Header), ("Upload-Offset" = u64, Header)),
    responses((status = 204, description = "Taken; `Studio-Asset` is the asset once complete"), (status = 400, body = Problem, content_type = "application/problem+json", description = "Unreadable header or broken body"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "Not here"), (status = 409, body = Problem, content_type = "application/problem+json", description = "It stands elsewhere"),
        (status = 412, body = Problem, content_type = "application/problem+json", description = "Unknown tus version"), (status = 413, body = Problem, content_type = "application/problem+json", description = "Longer than it said"),
        (status = 415, body = Problem, content_type = "application/problem+json", description = "Not a part"), (status = 422, body = Problem, content_type = "application/problem+json", description = "The file cannot be used"),
        (status = 507, body = Problem, content_type = "application/problem+json", description = "No room")))]
pub(crate) async fn append(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    Id(id): Id<UploadId>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    check_version(&headers)?;
    if header(&headers, "content-type").as_deref() != Some(PART) {
        let detail = "A part is sent as `Content-Type: application/offset+octet-stream`.";
        return Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "upload.content_type",
            "Not a part",
            detail,
        ));
    }
    let offset = number(&headers, "upload-offset")?;
    let stream = Box::pin(body.into_data_stream().map_err(std::io::Error::other));
    let upload = site
        .studio
        .append_upload(&actor, id, offset, stream, current().as_deref())
        .await?;
    Ok(answer(StatusCode::NO_CONTENT, &standing(&upload)))
}

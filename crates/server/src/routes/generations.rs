//! Generations: ask, list, look, cancel, ask again, remove.

use crate::Site;
use crate::api::{DecisionBody, GenerationBody, GenerationPage, NewGenerationBody};
use crate::extract::{Caller, Id, IdempotencyKey, Json, Query};
use crate::middleware::request_id::current;
use crate::problem::{FieldProblem, Problem};
use app::generations::{Accepted, NewGeneration};
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::actor::Actor;
use domain::id::GenerationId;
use std::sync::Arc;

/// Items of a page when `limit` is absent.
const DEFAULT_PAGE: u32 = 30;

/// The wish of a body, or the field that is not of its form.
pub(crate) fn parse(body: NewGenerationBody) -> Result<NewGeneration, Problem> {
    body.parse().map_err(|bad| {
        let field = FieldProblem {
            field: bad.field,
            code: "invalid".to_owned(),
            detail: bad.detail.to_owned(),
            start: None,
            end: None,
        };
        let detail = "A field is not of its form.";
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid_request",
            "The request does not fit",
            detail,
        )
        .with(vec![field])
    })
}

async fn accepted(site: &Site, actor: &Actor, accepted: &Accepted) -> Result<Response, Problem> {
    let id = accepted.id;
    let view = site.studio.generation(actor.scope(), id).await?;
    let body = view
        .map(GenerationBody::from)
        .ok_or_else(|| Problem::not_found("generation"))?;
    let mut response = (StatusCode::ACCEPTED, axum::Json(body)).into_response();
    if let Ok(location) = HeaderValue::from_str(&format!("/api/v1/generations/{id}")) {
        response.headers_mut().insert(LOCATION, location);
    }
    if accepted.replayed {
        response
            .headers_mut()
            .insert("idempotent-replayed", HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// Asks for a generation. It is on disk when this answers.
#[utoipa::path(post, operation_id = "generations_create", path = "/api/v1/generations", tag = "generations", request_body = NewGenerationBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "Repeating a request with the same key and body gives the same generation")),
    responses((status = 202, description = "Accepted durably", body = GenerationBody), (status = 400, body = Problem, content_type = "application/problem+json", description = "Unreadable request or key"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "The gate refused it"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "Model not available, or quote over"),
        (status = 413, body = Problem, content_type = "application/problem+json", description = "Body too large"),
        (status = 415, body = Problem, content_type = "application/problem+json", description = "Not JSON"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "Does not fit"),
        (status = 429, body = Problem, content_type = "application/problem+json", description = "Queue full"),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "Busy"),
        (status = 507, body = Problem, content_type = "application/problem+json", description = "No room")))]
pub(crate) async fn create(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    IdempotencyKey(key): IdempotencyKey,
    Json { value, raw }: Json<NewGenerationBody>,
) -> Result<Response, Problem> {
    let wish = parse(value)?;
    let key = key.as_deref().map(|key| (key, raw.as_ref()));
    let done = site
        .studio
        .submit(&actor, &wish, key, current().as_deref())
        .await?;
    accepted(&site, &actor, &done).await
}

/// Where a page begins and how long it is.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageQuery {
    limit: Option<u32>,
    cursor: Option<String>,
}

/// Lists generations, newest first.
#[utoipa::path(get, operation_id = "generations_list", path = "/api/v1/generations", tag = "generations",
    params(("limit" = Option<u32>, Query, description = "1 to 100, 30 if absent"), ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, description = "A page", body = GenerationPage), (status = 400, body = Problem, content_type = "application/problem+json", description = "Unreadable parameter")))]
pub(crate) async fn list(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    Query(query): Query<PageQuery>,
) -> Result<axum::Json<GenerationPage>, Problem> {
    let before = match query.cursor.as_deref() {
        None => None,
        Some(text) => Some(text.parse::<GenerationId>().map_err(|_| {
            Problem::bad_request(
                "invalid_cursor",
                "`cursor` is the `next_cursor` of the page before.",
            )
        })?),
    };
    let limit = query.limit.unwrap_or(DEFAULT_PAGE);
    let page = site.studio.generations(actor.scope(), before, limit).await?;
    Ok(axum::Json(page.into()))
}

/// Shows one generation.
#[utoipa::path(get, operation_id = "generations_show", path = "/api/v1/generations/{id}", tag = "generations", params(("id" = String, Path)),
    responses((status = 200, description = "The generation", body = GenerationBody), (status = 404, body = Problem, content_type = "application/problem+json", description = "Not here")))]
pub(crate) async fn show(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    Id(id): Id<GenerationId>,
) -> Result<axum::Json<GenerationBody>, Problem> {
    let view = site.studio.generation(actor.scope(), id).await?;
    view.map(|view| axum::Json(view.into()))
        .ok_or_else(|| Problem::not_found("generation"))
}

/// Shows why it went where it went: every candidate with its fate, every submission with its outcome.
#[utoipa::path(get, operation_id = "generations_decision", path = "/api/v1/generations/{id}/decision", tag = "generations", params(("id" = String, Path)),
    responses((status = 200, description = "The record", body = DecisionBody), (status = 404, body = Problem, content_type = "application/problem+json", description = "Not here")))]
pub(crate) async fn decision(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    Id(id): Id<GenerationId>,
) -> Result<axum::Json<DecisionBody>, Problem> {
    let found = site.studio.decision(actor.scope(), id).await?;
    found
        .map(|decision| axum::Json(decision.into()))
        .ok_or_else(|| Problem::not_found("generation"))
}

/// Stops a generation: at once if it has not left yet, otherwise as soon as the truth is known.
#[utoipa::path(post, operation_id = "generations_cancel", path = "/api/v1/generations/{id}/cancel", tag = "generations", params(("id" = String, Path)),
    responses((status = 202, description = "The wish is on disk", body = GenerationBody), (status = 404, body = Problem, content_type = "application/problem+json", description = "Not here"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "Over already")))]
pub(crate) async fn cancel(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    Id(id): Id<GenerationId>,
) -> Result<(StatusCode, axum::Json<GenerationBody>), Problem> {
    site.studio.cancel(&actor, id, current().as_deref()).await?;
    let view = site.studio.generation(actor.scope(), id).await?;
    let body = view
        .map(GenerationBody::from)
        .ok_or_else(|| Problem::not_found("generation"))?;
    Ok((StatusCode::ACCEPTED, axum::Json(body)))
}

/// Asks again with the same settings: a new generation.
#[utoipa::path(post, operation_id = "generations_retry", path = "/api/v1/generations/{id}/retry", tag = "generations",
    params(("id" = String, Path), ("Idempotency-Key" = Option<String>, Header, description = "As for a new generation")),
    responses((status = 202, description = "Accepted durably", body = GenerationBody), (status = 404, body = Problem, content_type = "application/problem+json", description = "Not here"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "It still runs"), (status = 422, body = Problem, content_type = "application/problem+json", description = "Does not fit any more")))]
pub(crate) async fn retry(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    Id(id): Id<GenerationId>,
    IdempotencyKey(key): IdempotencyKey,
) -> Result<Response, Problem> {
    let body = format!("retry {id}");
    let key = key.as_deref().map(|key| (key, body.as_bytes()));
    let done = site.studio.retry(&actor, id, key, current().as_deref()).await?;
    accepted(&site, &actor, &done).await
}

/// Removes a generation that is over, with its media.
#[utoipa::path(delete, operation_id = "generations_remove", path = "/api/v1/generations/{id}", tag = "generations", params(("id" = String, Path)),
    responses((status = 204, description = "Removed"), (status = 404, body = Problem, content_type = "application/problem+json", description = "Not here"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "It still runs")))]
pub(crate) async fn remove(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    Id(id): Id<GenerationId>,
) -> Result<StatusCode, Problem> {
    site.studio.remove(&actor, id, current().as_deref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

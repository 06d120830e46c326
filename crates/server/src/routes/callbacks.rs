//! Callbacks of providers: wake-ups only. The token in the path ties them to an attempt; the body is not
//! believed, the provider is asked instead.

use crate::Site;
use crate::problem::Problem;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use std::sync::Arc;

/// The most characters of a token that are looked at.
const MAX_TOKEN: usize = 128;

/// Wakes the attempt of this token. Answers 200 whether or not there is one, so that a guess learns
/// nothing (and because Luma repeats a callback that is not answered with 200).
#[utoipa::path(post, operation_id = "callbacks_wake", path = "/callbacks/{provider}/{token}", tag = "callbacks", params(("provider" = String, Path), ("token" = String, Path)),
    responses((status = 200, description = "Taken"), (status = 503, body = Problem, content_type = "application/problem+json", description = "Busy")))]
pub(crate) async fn wake(
    State(site): State<Arc<Site>>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<StatusCode, Problem> {
    // A path that is no text holds no token of ours.
    if let Ok(Path((_, token))) = path
        && token.len() <= MAX_TOKEN
    {
        site.studio.wake_by_token(&token).await?;
    }
    Ok(StatusCode::OK)
}

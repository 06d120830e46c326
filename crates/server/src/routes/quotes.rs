//! Quotes: the price and ceiling before the call.

use crate::Site;
use crate::api::{NewGenerationBody, QuoteBody};
use crate::extract::{Caller, Json};
use crate::problem::Problem;
use axum::extract::State;
use axum::http::StatusCode;
use std::sync::Arc;

/// Tells what a generation would cost at most, and holds to it for 15 minutes.
#[utoipa::path(post, operation_id = "quotes_create", path = "/api/v1/quotes", tag = "generations", request_body = NewGenerationBody,
    responses((status = 201, description = "The quote", body = QuoteBody), (status = 422, body = Problem, content_type = "application/problem+json", description = "Does not fit"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "Model not available")))]
pub(crate) async fn create(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    Json { value, .. }: Json<NewGenerationBody>,
) -> Result<(StatusCode, axum::Json<QuoteBody>), Problem> {
    let wish = super::generations::parse(value)?;
    let quote = site.studio.quote(&actor, &wish).await?;
    Ok((StatusCode::CREATED, axum::Json(quote.into())))
}

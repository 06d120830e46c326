//! Passkeys: making, naming and removing one. Logging in with one: `passkey_login`.

use crate::Site;
use crate::api::factors::{CeremonyBody, EmptyBody, NewPasskeyBody, PasskeyBody, PasskeyNameBody};
use crate::extract::{Caller, Id, Json};
use crate::middleware::request_id::current;
use crate::problem::Problem;
use axum::extract::State;
use axum::http::StatusCode;
use domain::id::PasskeyId;
use std::sync::Arc;

/// Begins to make a passkey.
#[utoipa::path(post, operation_id = "passkeys_register_start", path = "/api/v1/auth/passkeys/register/start", tag = "factors", request_body = EmptyBody,
    responses((status = 200, description = "For the browser", body = CeremonyBody),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "`passkeys_off`: not under this address; `too_many_passkeys`")))]
pub(crate) async fn register_start(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    Json { .. }: Json<EmptyBody>,
) -> Result<axum::Json<CeremonyBody>, Problem> {
    Ok(axum::Json(site.studio.begin_passkey(&actor).await?.into()))
}

/// Keeps the passkey that was made.
#[utoipa::path(post, operation_id = "passkeys_register_finish", path = "/api/v1/auth/passkeys/register/finish", tag = "factors", request_body = NewPasskeyBody,
    responses((status = 201, description = "The passkey", body = PasskeyBody),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "`challenge_over`: used, or too late"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "`passkeys_off`: not under this address; `too_many_passkeys`"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "`passkey_refused`: the answer does not hold; `name_invalid`")))]
pub(crate) async fn register_finish(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    Json { value, .. }: Json<NewPasskeyBody>,
) -> Result<(StatusCode, axum::Json<PasskeyBody>), Problem> {
    let request = current();
    let made = site.studio.finish_passkey(
        &actor,
        &value.ticket,
        &value.credential,
        &value.name,
        request.as_deref(),
    );
    Ok((StatusCode::CREATED, axum::Json(made.await?.into())))
}

/// Renames a passkey.
#[utoipa::path(patch, operation_id = "passkeys_rename", path = "/api/v1/auth/passkeys/{id}", tag = "factors", params(("id" = String, Path)), request_body = PasskeyNameBody,
    responses((status = 204, description = "Renamed"), (status = 404, body = Problem, content_type = "application/problem+json", description = "Not here"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "`name_invalid`")))]
pub(crate) async fn rename(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    Id(id): Id<PasskeyId>,
    Json { value, .. }: Json<PasskeyNameBody>,
) -> Result<StatusCode, Problem> {
    site.studio.rename_passkey(&actor, id, &value.name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a passkey.
#[utoipa::path(delete, operation_id = "passkeys_remove", path = "/api/v1/auth/passkeys/{id}", tag = "factors", params(("id" = String, Path)),
    responses((status = 204, description = "Gone"), (status = 404, body = Problem, content_type = "application/problem+json", description = "Not here"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "`last_credential`: the only way in; `password_short`: the password is too short to stand alone")))]
pub(crate) async fn remove(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    Id(id): Id<PasskeyId>,
) -> Result<StatusCode, Problem> {
    site.studio
        .remove_passkey(&actor, id, current().as_deref())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

//! The caller's own account.

use super::sessions::{handed_out, proof_if_any};
use crate::Site;
use crate::api::accounts::{MeBody, MeChangeBody, PasswordBody, WorkspaceChoiceBody};
use crate::api::sessions::TokensBody;
use crate::cookies;
use crate::extract::{Caller, Json};
use crate::middleware::request_id::current;
use crate::problem::Problem;
use app::identity::{Refresh, Unauthenticated};
use axum::extract::{FromRequest as _, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use domain::identity::Client;
use secrecy::SecretString;
use std::sync::Arc;

/// Who the caller is, where they act and what they may do.
#[utoipa::path(get, operation_id = "me", path = "/api/v1/me", tag = "account",
    responses((status = 200, description = "The caller", body = MeBody),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "The account is gone")))]
pub(crate) async fn show(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
) -> Result<axum::Json<MeBody>, Problem> {
    Ok(axum::Json(site.studio.me(&actor).await?.into()))
}

/// Changes the caller's name or language.
#[utoipa::path(patch, operation_id = "me_change", path = "/api/v1/me", tag = "account", request_body = MeChangeBody,
    responses((status = 200, description = "The caller now", body = MeBody),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "The account is gone"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "`name_invalid`, `locale_unknown`")))]
pub(crate) async fn change(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    Json { value, .. }: Json<MeChangeBody>,
) -> Result<axum::Json<MeBody>, Problem> {
    let (name, locale) = (value.name.as_deref(), value.locale.as_deref());
    let request_id = current();
    let changed = site.studio.change_me(&actor, name, locale, request_id.as_deref());
    Ok(axum::Json(changed.await?.into()))
}

/// Sets the caller's password and ends their other sessions.
#[utoipa::path(post, operation_id = "me_password", path = "/api/v1/me/password", tag = "account", request_body = PasswordBody,
    responses((status = 204, description = "Set"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "`password_refused`")))]
pub(crate) async fn password(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    Json { value, .. }: Json<PasswordBody>,
) -> Result<StatusCode, Problem> {
    let password = SecretString::from(value.password);
    site.studio
        .set_my_password(&actor, &password, current().as_deref())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Goes on in another of the caller's workspaces: the same session, new tokens.
#[utoipa::path(post, operation_id = "me_workspace", path = "/api/v1/me/workspace", tag = "account", request_body = WorkspaceChoiceBody,
    responses((status = 200, description = "New tokens; a browser gets them as cookies", body = TokensBody),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such workspace of theirs")))]
pub(crate) async fn workspace(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    request: Request,
) -> Result<Response, Problem> {
    let proof = proof_if_any(&site, &request)?;
    let cookie = cookies::refresh(request.headers());
    let Json { value, .. } = Json::<WorkspaceChoiceBody>::from_request(request, &()).await?;
    let (token, client) = match (value.refresh_token, cookie) {
        (Some(token), _) => (SecretString::from(token), Client::Api),
        (None, Some(cookie)) => (cookie, Client::Browser),
        (None, None) => return Err(Unauthenticated::SessionOver.into()),
    };
    site.studio.move_session(&actor, value.workspace).await?;
    let refreshed = site.studio.refresh(Refresh {
        token,
        client,
        proof,
        request_id: current(),
    });
    Ok(handed_out(&refreshed.await?, client))
}

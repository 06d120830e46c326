//! Logging in with a passkey.

use super::entrance::Coming;
use crate::Site;
use crate::api::factors::{CeremonyBody, EmptyBody, PasskeyLoginBody};
use crate::api::sessions::TokensBody;
use crate::extract::Json;
use crate::problem::Problem;
use axum::extract::{Request, State};
use axum::response::Response;
use std::sync::Arc;

/// Begins a login with a passkey. Nobody needs to be named: the authenticator knows whose it is.
#[utoipa::path(post, operation_id = "passkeys_login_start", path = "/api/v1/auth/passkeys/login/start", tag = "auth", request_body = EmptyBody,
    responses((status = 200, description = "For the browser", body = CeremonyBody),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "`passkeys_off`: not under this address")))]
pub(crate) async fn start(
    State(site): State<Arc<Site>>,
    Json { .. }: Json<EmptyBody>,
) -> Result<axum::Json<CeremonyBody>, Problem> {
    Ok(axum::Json(site.studio.begin_passkey_login().await?.into()))
}

/// Logs in with the passkey that was shown: it counts as two factors.
#[utoipa::path(post, operation_id = "passkeys_login_finish", path = "/api/v1/auth/passkeys/login/finish", tag = "auth", request_body = PasskeyLoginBody,
    responses((status = 200, description = "In; a browser gets its tokens as cookies", body = TokensBody),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "`challenge_over`: used, or too late"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "`login_failed`: whatever is wrong with the answer; `proof_nonce`, `proof_invalid`"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "`no_workspace`: no member of any; or from another site"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "`passkeys_off`: not under this address")))]
pub(crate) async fn finish(State(site): State<Arc<Site>>, request: Request) -> Result<Response, Problem> {
    let coming = Coming::<PasskeyLoginBody>::read(&site, request).await?;
    let body = &coming.body;
    let entrance = coming.entrance(body.client);
    let entered = site
        .studio
        .login_by_passkey(&body.ticket, &body.credential, entrance)
        .await?;
    Ok(coming.entered(&site, body.client, &entered).await)
}

//! One-time codes, recovery codes, what one has of them, and showing one again.

use crate::Site;
use crate::api::factors::{
    CeremonyBody, CodeBody, EmptyBody, FactorsBody, PasskeyAnswerBody, RecoveryCodesBody, StepUpBody,
    TotpSetupBody,
};
use crate::extract::{Caller, Json};
use crate::middleware::request_id::current;
use crate::problem::Problem;
use axum::extract::State;
use axum::http::StatusCode;
use secrecy::SecretString;
use std::sync::Arc;

/// Everything that proves who the caller is.
#[utoipa::path(get, operation_id = "factors_list", path = "/api/v1/me/factors", tag = "factors",
    responses((status = 200, description = "Password, passkeys, one-time codes, recovery codes left", body = FactorsBody)))]
pub(crate) async fn list(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
) -> Result<axum::Json<FactorsBody>, Problem> {
    Ok(axum::Json(site.studio.factors(&actor).await?.into()))
}

/// Begins to set up one-time codes. They count once a code was shown (`/confirm`).
#[utoipa::path(post, operation_id = "totp_start", path = "/api/v1/auth/totp/start", tag = "factors", request_body = EmptyBody,
    responses((status = 200, description = "The secret, once", body = TotpSetupBody),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "`factor_exists`: set up already")))]
pub(crate) async fn totp_start(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    Json { .. }: Json<EmptyBody>,
) -> Result<axum::Json<TotpSetupBody>, Problem> {
    let setup = site.studio.begin_totp(&actor).await?;
    Ok(axum::Json(TotpSetupBody {
        secret: setup.secret.to_string(),
        uri: setup.link.to_string(),
    }))
}

/// Makes one-time codes a factor by a first code; gives recovery codes in place of earlier ones.
#[utoipa::path(post, operation_id = "totp_confirm", path = "/api/v1/auth/totp/confirm", tag = "factors", request_body = CodeBody,
    responses((status = 200, description = "Set up; recovery codes, once", body = RecoveryCodesBody),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "Nothing was begun"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "`factor_exists`: set up already"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "`factor_wrong`: not this code"),
        (status = 429, body = Problem, content_type = "application/problem+json", description = "`too_many_tries`: `Retry-After` says when")))]
pub(crate) async fn totp_confirm(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    Json { value, .. }: Json<CodeBody>,
) -> Result<axum::Json<RecoveryCodesBody>, Problem> {
    let recovery_codes = site
        .studio
        .confirm_totp(&actor, &value.code, current().as_deref())
        .await?;
    Ok(axum::Json(RecoveryCodesBody { recovery_codes }))
}

/// Takes one-time codes away.
#[utoipa::path(delete, operation_id = "totp_remove", path = "/api/v1/auth/totp", tag = "factors",
    responses((status = 204, description = "Gone"), (status = 404, body = Problem, content_type = "application/problem+json", description = "There are none"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "`password_short`: the password is too short to stand alone")))]
pub(crate) async fn totp_remove(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
) -> Result<StatusCode, Problem> {
    site.studio.remove_totp(&actor, current().as_deref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a new set of recovery codes; earlier ones are void.
#[utoipa::path(post, operation_id = "recovery_codes_create", path = "/api/v1/auth/recovery-codes", tag = "factors", request_body = EmptyBody,
    responses((status = 200, description = "Ten codes, once", body = RecoveryCodesBody),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "`nothing_to_recover`: neither passkey nor one-time codes")))]
pub(crate) async fn recovery_codes(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    Json { .. }: Json<EmptyBody>,
) -> Result<axum::Json<RecoveryCodesBody>, Problem> {
    let recovery_codes = site
        .studio
        .new_recovery_codes(&actor, current().as_deref())
        .await?;
    Ok(axum::Json(RecoveryCodesBody { recovery_codes }))
}

/// Shows a factor, so that sensitive acts are open for five minutes.
#[utoipa::path(post, operation_id = "step_up", path = "/api/v1/auth/step-up", tag = "factors", request_body = StepUpBody,
    responses((status = 204, description = "Shown"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "`second_factor_needed`: a password alone does not do, `methods` says what does; no right to it, or from another site"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "`factor_wrong`, or not exactly one of password and code"),
        (status = 429, body = Problem, content_type = "application/problem+json", description = "`too_many_tries`: `Retry-After` says when")))]
pub(crate) async fn step_up(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    Json { value, .. }: Json<StepUpBody>,
) -> Result<StatusCode, Problem> {
    let request = current();
    match (value.password, value.code) {
        (Some(password), None) => {
            let password = SecretString::from(password);
            site.studio
                .step_up_by_password(&actor, &password, request.as_deref())
                .await?;
        }
        (None, Some(code)) => {
            let code = SecretString::from(code);
            site.studio
                .step_up_by_code(&actor, &code, request.as_deref())
                .await?;
        }
        (Some(_), Some(_)) | (None, None) => {
            return Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid_json",
                "The body does not fit",
                "Send either `password` or `code`.",
            ));
        }
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Begins to show a passkey.
#[utoipa::path(post, operation_id = "step_up_passkey_start", path = "/api/v1/auth/step-up/passkey/start", tag = "factors", request_body = EmptyBody,
    responses((status = 200, description = "For the browser", body = CeremonyBody),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No passkey"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "`passkeys_off`: not under this address")))]
pub(crate) async fn step_up_passkey_start(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    Json { .. }: Json<EmptyBody>,
) -> Result<axum::Json<CeremonyBody>, Problem> {
    Ok(axum::Json(
        site.studio.begin_passkey_step_up(&actor).await?.into(),
    ))
}

/// Shows it.
#[utoipa::path(post, operation_id = "step_up_passkey_finish", path = "/api/v1/auth/step-up/passkey/finish", tag = "factors", request_body = PasskeyAnswerBody,
    responses((status = 204, description = "Shown"),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "`challenge_over`: used, or too late"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "`passkeys_off`: not under this address"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "`passkey_refused`: the answer does not hold")))]
pub(crate) async fn step_up_passkey_finish(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    Json { value, .. }: Json<PasskeyAnswerBody>,
) -> Result<StatusCode, Problem> {
    let request = current();
    let shown = site
        .studio
        .step_up_by_passkey(&actor, &value.ticket, &value.credential, request.as_deref());
    shown.await?;
    Ok(StatusCode::NO_CONTENT)
}

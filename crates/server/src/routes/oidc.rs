//! Logging in at an OpenID provider: the browser goes there and comes back. Both routes are pages of the
//! browser, so what went wrong is told by the login page and not as JSON.

use crate::Site;
use crate::cookies;
use crate::extract::{ClientInfo, Query};
use crate::problem::Problem;
use app::identity::login::Entrance;
use app::identity::oidc::FederationError;
use app::outside::OidcAnswer;
use axum::extract::{Path, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::identity::Client;
use secrecy::SecretString;
use serde::Deserialize;
use std::sync::Arc;

/// The page that tells what went wrong; the code follows.
const LOGIN_PAGE: &str = "/login?error=";

/// Where somebody wants to be afterwards.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct StartQuery {
    /// A path of ours; anything else counts as `/`.
    #[serde(rename = "return")]
    back: Option<String>,
}

/// What the provider sends the browser back with (RFC 6749 section 4.1.2, RFC 9207).
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct CallbackQuery {
    /// The code.
    code: Option<String>,
    /// What was sent along.
    state: Option<String>,
    /// The issuer.
    iss: Option<String>,
    /// Why there is no code.
    error: Option<String>,
}

/// Sends the browser to a provider, to log in there.
#[utoipa::path(get, operation_id = "oidc_start", path = "/api/v1/auth/oidc/{provider}/start", tag = "auth",
    params(("provider" = String, Path, description = "Its name in the configuration"), StartQuery),
    responses((status = 303, description = "To the provider; to the login page with `error` if it cannot be asked"),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "The query cannot be read"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such provider")))]
pub(crate) async fn start(
    State(site): State<Arc<Site>>,
    Path(provider): Path<String>,
    Query(query): Query<StartQuery>,
) -> Result<Response, Problem> {
    match site
        .studio
        .begin_federation(&provider, query.back.as_deref())
        .await
    {
        Ok(begun) => {
            let mut response = see_other(&begun.url);
            cookies::set_transaction(response.headers_mut(), &begun.transaction);
            Ok(response)
        }
        Err(error) => told(error),
    }
}

/// Takes the browser back from a provider and lets its owner in.
#[utoipa::path(get, operation_id = "oidc_callback", path = "/api/v1/auth/oidc/{provider}/callback", tag = "auth",
    params(("provider" = String, Path, description = "Its name in the configuration"), CallbackQuery),
    responses((status = 303, description = "In, with cookies, on the page that was wanted; else to the login page with `error`: `oidc_transaction`, `oidc_refused`, `oidc_no_account`, `oidc_no_address`, `oidc_address_taken`, `oidc_unavailable`, `login_failed`, `no_workspace`"),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "The query cannot be read"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "No such provider")))]
pub(crate) async fn callback(
    State(site): State<Arc<Site>>,
    Path(provider): Path<String>,
    Query(query): Query<CallbackQuery>,
    info: ClientInfo,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let answer = OidcAnswer {
        code: query.code.map(SecretString::from),
        state: query.state.map(SecretString::from),
        iss: query.iss,
        error: query.error,
    };
    let entrance = Entrance {
        client: Client::Browser,
        agent: info.agent,
        address: info.address,
        device: info.device,
        jkt: None,
        request_id: info.request_id,
    };
    let transaction = cookies::transaction(&headers);
    let ended = site
        .studio
        .end_federation(&provider, transaction.as_ref(), &answer, entrance)
        .await;
    let mut response = match ended {
        Ok(login) => {
            let mut response = see_other(&login.back);
            cookies::set_session(response.headers_mut(), &login.logged_in.tokens);
            if let Some(device) = &login.logged_in.device {
                cookies::set_device(response.headers_mut(), device);
            }
            response
        }
        Err(error) => told(error)?,
    };
    cookies::clear_transaction(response.headers_mut());
    Ok(response)
}

/// What went wrong, on the login page.
fn told(error: FederationError) -> Result<Response, Problem> {
    let is_unknown = matches!(error, FederationError::UnknownProvider);
    let problem = Problem::from(error);
    if is_unknown {
        return Err(problem);
    }
    Ok(see_other(&format!("{LOGIN_PAGE}{}", problem.code)))
}

fn see_other(location: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(value) = HeaderValue::from_str(location) {
        response.headers_mut().insert(LOCATION, value);
    }
    response
}

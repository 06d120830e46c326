//! Refreshing and ending sessions, and the keys that check their tokens.

use crate::Site;
use crate::api::sessions::{JwkBody, JwksBody, RefreshBody, SessionList, TokensBody};
use crate::cookies;
use crate::extract::{Caller, Id, Json};
use crate::middleware::identity::proof;
use crate::middleware::request_id::current;
use crate::problem::Problem;
use app::identity::{Proof, Refresh, Tokens, Unauthenticated};
use axum::body::HttpBody as _;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::id::SessionId;
use domain::identity::Client;
use secrecy::SecretString;
use std::sync::Arc;

/// The answer that hands out tokens: as cookies to a browser, in the body to others.
pub(crate) fn handed_out(tokens: &Tokens, client: Client) -> Response {
    let mut response = axum::Json(TokensBody::new(tokens, client)).into_response();
    if client == Client::Browser {
        cookies::set_session(response.headers_mut(), tokens);
    }
    response
}

/// The proof of possession of a request that asks for tokens, if one came along.
pub(crate) fn proof_if_any(site: &Site, request: &Request) -> Result<Option<Proof>, Unauthenticated> {
    if request.headers().contains_key("dpop") {
        proof(site, request, request.headers()).map(Some)
    } else {
        Ok(None)
    }
}

/// The body, or an empty one.
async fn body(request: Request) -> Result<RefreshBody, Problem> {
    if request.body().size_hint().exact() == Some(0) {
        return Ok(RefreshBody::default());
    }
    let Json { value, .. } = Json::<RefreshBody>::from_request(request, &()).await?;
    Ok(value)
}

/// Hands out new tokens for a refresh token, which is good once. Used a second time it ends its session,
/// unless the first answer was lost a few seconds ago.
#[utoipa::path(post, operation_id = "auth_refresh", path = "/api/v1/auth/refresh", tag = "auth", request_body = RefreshBody,
    responses((status = 200, description = "New tokens; a browser gets them as cookies", body = TokensBody),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "`session_over`: log in again; `proof_nonce`, `proof_invalid`: make another proof")))]
pub(crate) async fn refresh(State(site): State<Arc<Site>>, request: Request) -> Result<Response, Problem> {
    let proof = proof_if_any(&site, &request)?;
    let cookie = cookies::refresh(request.headers());
    let body = body(request).await?;
    let (token, client) = match (body.refresh_token, cookie) {
        (Some(token), _) => (SecretString::from(token), Client::Api),
        (None, Some(cookie)) => (cookie, Client::Browser),
        (None, None) => return Err(Unauthenticated::SessionOver.into()),
    };
    let request_id = current();
    let refreshed = site.studio.refresh(Refresh {
        token,
        client,
        proof,
        request_id,
    });
    match refreshed.await {
        Ok(tokens) => Ok(handed_out(&tokens, client)),
        Err(Unauthenticated::SessionOver) if client == Client::Browser => {
            let mut response = Problem::from(Unauthenticated::SessionOver).into_response();
            cookies::clear_session(response.headers_mut());
            Ok(response)
        }
        Err(error) => Err(error.into()),
    }
}

/// The access token of a request, whatever came along to prove it: enough to end its session.
fn access_token(headers: &HeaderMap) -> Option<SecretString> {
    let Some(given) = headers.get(AUTHORIZATION) else {
        return cookies::access(headers);
    };
    let (scheme, token) = given.to_str().ok()?.trim().split_once(' ')?;
    let is_token = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("dpop");
    is_token.then(|| SecretString::from(token.trim()))
}

/// Ends the session of the tokens that come along, in a cookie, in `Authorization` or in the body, and has
/// a browser forget what it keeps of this site.
#[utoipa::path(post, operation_id = "auth_logout", path = "/api/v1/auth/logout", tag = "auth", request_body = RefreshBody,
    responses((status = 204, description = "Nobody is logged in any more, whether or not somebody was")))]
pub(crate) async fn logout(State(site): State<Arc<Site>>, request: Request) -> Result<Response, Problem> {
    let (access, cookie) = (
        access_token(request.headers()),
        cookies::refresh(request.headers()),
    );
    let refresh = body(request)
        .await?
        .refresh_token
        .map(SecretString::from)
        .or(cookie);
    site.studio
        .logout(access.as_ref(), refresh.as_ref(), current().as_deref())
        .await?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    let all = HeaderValue::from_static(r#""cache", "cookies", "storage""#);
    headers.insert("clear-site-data", all);
    cookies::clear_session(headers);
    Ok(response)
}

/// The caller's sessions that are alive.
#[utoipa::path(get, operation_id = "sessions_list", path = "/api/v1/me/sessions", tag = "account",
    responses((status = 200, description = "The sessions, newest first", body = SessionList)))]
pub(crate) async fn list(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
) -> Result<axum::Json<SessionList>, Problem> {
    let views = site.studio.sessions(&actor).await?;
    let items = views.into_iter().map(Into::into).collect();
    Ok(axum::Json(SessionList { items }))
}

/// Ends one session of the caller: its tokens are refused from now on.
#[utoipa::path(delete, operation_id = "sessions_end", path = "/api/v1/me/sessions/{id}", tag = "account", params(("id" = String, Path, description = "The session's id")),
    responses((status = 204, description = "Ended"), (status = 404, body = Problem, content_type = "application/problem+json", description = "There is none, or no longer")))]
pub(crate) async fn end(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    Id(id): Id<SessionId>,
) -> Result<StatusCode, Problem> {
    site.studio.end_session(&actor, id, current().as_deref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends the caller's sessions but the one that asks.
#[utoipa::path(delete, operation_id = "sessions_end_others", path = "/api/v1/me/sessions", tag = "account",
    responses((status = 204, description = "Ended")))]
pub(crate) async fn end_others(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
) -> Result<StatusCode, Problem> {
    site.studio
        .end_other_sessions(&actor, current().as_deref())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The public keys that check access tokens: the one that signs and the one that will. Kept by others for
/// at most five minutes; a new key is here for a day before it signs.
#[utoipa::path(get, operation_id = "jwks", path = "/.well-known/jwks.json", tag = "auth",
    responses((status = 200, description = "The keys (RFC 7517)", body = JwksBody)))]
pub(crate) async fn jwks(State(site): State<Arc<Site>>) -> Result<Response, Problem> {
    let jwks = site.studio.jwks().await.map_err(Unauthenticated::from)?;
    let keys = jwks.keys.into_iter().map(|key| JwkBody {
        kty: key.kty,
        crv: key.crv,
        x: key.x,
        kid: key.kid,
        alg: key.alg,
        usage: key.usage,
    });
    let body = JwksBody { keys: keys.collect() };
    let cached = [(CACHE_CONTROL, "public, max-age=300")];
    Ok((cached, axum::Json(body)).into_response())
}

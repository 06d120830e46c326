//! The router on one page. The table is data, so that tests walk it: a route that the API description
//! or the table does not know fails them.

use crate::Site;
use crate::access::Access::{self, Entrance, Fresh, Public, Right};
use crate::middleware::{access, arrival, guard, headers, identity, request_id};
use crate::problem::Problem;
use crate::routes::{
    assets, callbacks, docs, entrance, events, factors, generations, health, keys, me, models, oidc,
    passkey_login, passkeys, people, quotes, sessions, uploads, workspaces,
};
use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request};
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::routing::{delete, get, patch, post};
use domain::rights::Action::{Change, Create, Delete, Read};
use domain::rights::Object;
use std::sync::Arc;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

/// One route of the API: method, pattern, and what it asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// HTTP method, lower case.
    pub method: &'static str,
    /// Path pattern.
    pub path: &'static str,
    /// What it asks of its caller.
    pub access: Access,
}

const fn route(method: &'static str, path: &'static str, access: Access) -> Route {
    Route { method, path, access }
}

/// Every route of the API.
pub const ROUTES: &[Route] = &[
    route("get", "/live", Public),
    route("get", "/ready", Public),
    route("get", "/startup", Public),
    route("get", "/metrics", Public),
    route("get", "/openapi.json", Public),
    route("get", "/docs", Public),
    route("post", "/api/v1/quotes", Right(Create, Object::Generation)),
    route("post", "/api/v1/generations", Right(Create, Object::Generation)),
    route("get", "/api/v1/generations", Right(Read, Object::Generation)),
    route("get", "/api/v1/generations/{id}", Right(Read, Object::Generation)),
    route(
        "delete",
        "/api/v1/generations/{id}",
        Right(Delete, Object::Generation),
    ),
    route(
        "get",
        "/api/v1/generations/{id}/decision",
        Right(Read, Object::Generation),
    ),
    route(
        "post",
        "/api/v1/generations/{id}/cancel",
        Right(Change, Object::Generation),
    ),
    route(
        "post",
        "/api/v1/generations/{id}/retry",
        Right(Create, Object::Generation),
    ),
    route("get", "/api/v1/events", Right(Read, Object::Generation)),
    route("get", "/api/v1/models", Right(Read, Object::Catalogue)),
    route("get", "/api/v1/providers", Right(Read, Object::Catalogue)),
    route("get", "/api/v1/assets/{id}", Right(Read, Object::Asset)),
    route("get", "/api/v1/assets/{id}/content", Right(Read, Object::Asset)),
    route("options", "/api/v1/uploads", Public),
    route("post", "/api/v1/uploads", Right(Create, Object::Asset)),
    route("head", "/api/v1/uploads/{id}", Right(Read, Object::Asset)),
    route("get", "/api/v1/uploads/{id}", Right(Read, Object::Asset)),
    route("patch", "/api/v1/uploads/{id}", Right(Change, Object::Asset)),
    route("get", "/.well-known/jwks.json", Public),
    route("post", "/api/v1/auth/refresh", Entrance),
    route("post", "/api/v1/auth/logout", Public),
    route("get", "/api/v1/me/sessions", Right(Read, Object::Session)),
    route("delete", "/api/v1/me/sessions", Fresh(Delete, Object::Session)),
    route(
        "delete",
        "/api/v1/me/sessions/{id}",
        Fresh(Delete, Object::Session),
    ),
    route("get", "/api/v1/me/api-keys", Right(Read, Object::ApiKey)),
    route("post", "/api/v1/me/api-keys", Fresh(Create, Object::ApiKey)),
    route(
        "delete",
        "/api/v1/me/api-keys/{id}",
        Fresh(Delete, Object::ApiKey),
    ),
    route("get", "/api/v1/me/factors", Right(Read, Object::Factor)),
    route(
        "post",
        "/api/v1/auth/passkeys/register/start",
        Fresh(Create, Object::Factor),
    ),
    route(
        "post",
        "/api/v1/auth/passkeys/register/finish",
        Fresh(Create, Object::Factor),
    ),
    route(
        "patch",
        "/api/v1/auth/passkeys/{id}",
        Fresh(Change, Object::Factor),
    ),
    route(
        "delete",
        "/api/v1/auth/passkeys/{id}",
        Fresh(Delete, Object::Factor),
    ),
    route("post", "/api/v1/auth/totp/start", Fresh(Create, Object::Factor)),
    route("post", "/api/v1/auth/totp/confirm", Fresh(Create, Object::Factor)),
    route("delete", "/api/v1/auth/totp", Fresh(Delete, Object::Factor)),
    route(
        "post",
        "/api/v1/auth/recovery-codes",
        Fresh(Create, Object::Factor),
    ),
    route("post", "/api/v1/auth/step-up", Right(Change, Object::Session)),
    route(
        "post",
        "/api/v1/auth/step-up/passkey/start",
        Right(Change, Object::Session),
    ),
    route(
        "post",
        "/api/v1/auth/step-up/passkey/finish",
        Right(Change, Object::Session),
    ),
    route("get", "/api/v1/auth/oidc/{provider}/start", Entrance),
    route("get", "/api/v1/auth/oidc/{provider}/callback", Entrance),
    route("post", "/api/v1/auth/passkeys/login/start", Entrance),
    route("post", "/api/v1/auth/passkeys/login/finish", Entrance),
    route("post", "/callbacks/{provider}/{token}", Public),
    route("get", "/api/v1/auth/policy", Public),
    route("post", "/api/v1/setup", Entrance),
    route("post", "/api/v1/auth/login", Entrance),
    route("post", "/api/v1/auth/register", Entrance),
    route("post", "/api/v1/auth/email/verify", Entrance),
    route("post", "/api/v1/auth/password/forgot", Entrance),
    route("post", "/api/v1/auth/password/reset", Entrance),
    route("get", "/api/v1/me", Right(Read, Object::Account)),
    route("patch", "/api/v1/me", Right(Change, Object::Account)),
    route("post", "/api/v1/me/password", Fresh(Change, Object::Account)),
    route("post", "/api/v1/me/workspace", Right(Change, Object::Session)),
    route("post", "/api/v1/auth/invitation", Entrance),
    route("get", "/api/v1/admin/users", Right(Read, Object::Person)),
    route("post", "/api/v1/admin/users", Fresh(Create, Object::Person)),
    route("get", "/api/v1/admin/users/{id}", Right(Read, Object::Person)),
    route("patch", "/api/v1/admin/users/{id}", Fresh(Change, Object::Person)),
    route(
        "post",
        "/api/v1/admin/users/{id}/reset",
        Fresh(Change, Object::Person),
    ),
    route(
        "delete",
        "/api/v1/admin/users/{id}/sessions",
        Fresh(Delete, Object::Person),
    ),
    route("get", "/api/v1/admin/invitations", Right(Read, Object::Person)),
    route(
        "delete",
        "/api/v1/admin/invitations/{id}",
        Fresh(Delete, Object::Person),
    ),
    route("get", "/api/v1/admin/workspaces", Right(Read, Object::Workspace)),
    route(
        "post",
        "/api/v1/admin/workspaces",
        Fresh(Create, Object::Workspace),
    ),
    route(
        "patch",
        "/api/v1/admin/workspaces/{id}",
        Fresh(Change, Object::Workspace),
    ),
    route(
        "get",
        "/api/v1/admin/workspaces/{id}/members",
        Right(Read, Object::Member),
    ),
    route(
        "post",
        "/api/v1/admin/workspaces/{id}/members",
        Fresh(Create, Object::Member),
    ),
    route(
        "patch",
        "/api/v1/admin/workspaces/{id}/members/{user}",
        Fresh(Change, Object::Member),
    ),
    route(
        "delete",
        "/api/v1/admin/workspaces/{id}/members/{user}",
        Fresh(Delete, Object::Member),
    ),
];

/// What the table says about a request.
pub(crate) enum Line {
    /// This line.
    Found(&'static Route),
    /// The path takes other methods.
    OtherMethod(Vec<&'static str>),
    /// The router knows the path, the table does not.
    Unknown,
    /// No path of the API.
    NoPattern,
}

/// The line of a request. HEAD is GET without its body, unless a line says otherwise.
pub(crate) fn line_of(request: &Request) -> Line {
    let Some(pattern) = request.extensions().get::<MatchedPath>() else {
        return Line::NoPattern;
    };
    line(request.method().as_str(), pattern.as_str())
}

fn line(method: &str, pattern: &str) -> Line {
    let of_path = || ROUTES.iter().filter(|route| route.path == pattern);
    let find = |method: &str| of_path().find(|route| route.method.eq_ignore_ascii_case(method));
    let as_get = || method.eq_ignore_ascii_case("head").then(|| find("get")).flatten();
    if let Some(route) = find(method).or_else(as_get) {
        return Line::Found(route);
    }
    let methods: Vec<_> = of_path().map(|route| route.method).collect();
    if methods.is_empty() {
        Line::Unknown
    } else {
        Line::OtherMethod(methods)
    }
}

/// People, invitations, workspaces and members.
fn administration() -> Router<Arc<Site>> {
    Router::new()
        .route("/api/v1/auth/invitation", post(people::accept))
        .route("/api/v1/admin/users", get(people::list).post(people::invite))
        .route(
            "/api/v1/admin/users/{id}",
            get(people::show).patch(people::change),
        )
        .route("/api/v1/admin/users/{id}/reset", post(people::reset))
        .route("/api/v1/admin/users/{id}/sessions", delete(people::end_sessions))
        .route("/api/v1/admin/invitations", get(people::invitations))
        .route(
            "/api/v1/admin/invitations/{id}",
            delete(people::revoke_invitation),
        )
        .route(
            "/api/v1/admin/workspaces",
            get(workspaces::list).post(workspaces::create),
        )
        .route("/api/v1/admin/workspaces/{id}", patch(workspaces::rename))
        .route(
            "/api/v1/admin/workspaces/{id}/members",
            get(workspaces::members).post(workspaces::add_member),
        )
        .route(
            "/api/v1/admin/workspaces/{id}/members/{user}",
            patch(workspaces::change_member).delete(workspaces::remove_member),
        )
}

/// The whole site.
pub fn router(site: Arc<Site>) -> Router {
    let limit = DefaultBodyLimit::max(site.settings.body_limit_bytes);
    let timeout = TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, site.settings.request_timeout);
    let quick = Router::new()
        .route("/live", get(health::live))
        .route("/ready", get(health::ready))
        .route("/startup", get(health::startup))
        .route("/metrics", get(health::metrics))
        .route("/openapi.json", get(docs::description))
        .route("/docs", get(docs::page))
        .route("/api/v1/quotes", post(quotes::create))
        .route(
            "/api/v1/generations",
            post(generations::create).get(generations::list),
        )
        .route(
            "/api/v1/generations/{id}",
            get(generations::show).delete(generations::remove),
        )
        .route("/api/v1/generations/{id}/decision", get(generations::decision))
        .route("/api/v1/generations/{id}/cancel", post(generations::cancel))
        .route("/api/v1/generations/{id}/retry", post(generations::retry))
        .route("/api/v1/models", get(models::list))
        .route("/api/v1/providers", get(models::providers))
        .route("/api/v1/assets/{id}", get(assets::show))
        .route("/.well-known/jwks.json", get(sessions::jwks))
        .route("/api/v1/auth/refresh", post(sessions::refresh))
        .route("/api/v1/auth/logout", post(sessions::logout))
        .route(
            "/api/v1/me/sessions",
            get(sessions::list).delete(sessions::end_others),
        )
        .route("/api/v1/me/sessions/{id}", delete(sessions::end))
        .route("/api/v1/me/api-keys", get(keys::list).post(keys::create))
        .route("/api/v1/me/api-keys/{id}", delete(keys::revoke))
        .route("/api/v1/me/factors", get(factors::list))
        .route(
            "/api/v1/auth/passkeys/register/start",
            post(passkeys::register_start),
        )
        .route(
            "/api/v1/auth/passkeys/register/finish",
            post(passkeys::register_finish),
        )
        .route(
            "/api/v1/auth/passkeys/{id}",
            patch(passkeys::rename).delete(passkeys::remove),
        )
        .route("/api/v1/auth/totp/start", post(factors::totp_start))
        .route("/api/v1/auth/totp/confirm", post(factors::totp_confirm))
        .route("/api/v1/auth/totp", delete(factors::totp_remove))
        .route("/api/v1/auth/recovery-codes", post(factors::recovery_codes))
        .route("/api/v1/auth/step-up", post(factors::step_up))
        .route(
            "/api/v1/auth/step-up/passkey/start",
            post(factors::step_up_passkey_start),
        )
        .route(
            "/api/v1/auth/step-up/passkey/finish",
            post(factors::step_up_passkey_finish),
        )
        .route("/api/v1/auth/policy", get(entrance::policy))
        .route("/api/v1/setup", post(entrance::setup))
        .route("/api/v1/auth/login", post(entrance::login))
        .route("/api/v1/auth/register", post(entrance::register))
        .route("/api/v1/auth/email/verify", post(entrance::verify_email))
        .route("/api/v1/auth/password/forgot", post(entrance::forgot))
        .route("/api/v1/auth/password/reset", post(entrance::reset))
        .route("/api/v1/me", get(me::show).patch(me::change))
        .route("/api/v1/me/password", post(me::password))
        .route("/api/v1/me/workspace", post(me::workspace))
        .route("/api/v1/auth/oidc/{provider}/start", get(oidc::start))
        .route("/api/v1/auth/oidc/{provider}/callback", get(oidc::callback))
        .route("/api/v1/auth/passkeys/login/start", post(passkey_login::start))
        .route("/api/v1/auth/passkeys/login/finish", post(passkey_login::finish))
        .route("/callbacks/{provider}/{token}", post(callbacks::wake))
        .merge(administration())
        .layer(limit)
        .layer(timeout)
        .layer(map_response(crate::problem::late));
    let streams = Router::new()
        .route("/api/v1/events", get(events::stream))
        .route("/api/v1/assets/{id}/content", get(assets::content))
        .route("/api/v1/uploads", post(uploads::create).options(uploads::options))
        .route(
            "/api/v1/uploads/{id}",
            get(uploads::show).head(uploads::head).patch(uploads::append),
        )
        .layer(DefaultBodyLimit::disable());
    Router::new()
        .merge(quick)
        .merge(streams)
        .fallback(crate::web::page)
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
        .layer(CatchPanicLayer::custom(|_| crate::problem::panicked()))
        .layer(from_fn_with_state(Arc::clone(&site), arrival::by_actor))
        .layer(from_fn_with_state(Arc::clone(&site), identity::admit))
        .layer(from_fn_with_state(Arc::clone(&site), guard::same_site))
        .layer(from_fn_with_state(Arc::clone(&site), arrival::by_address))
        .layer(from_fn_with_state(Arc::clone(&site), headers::security))
        .layer(from_fn_with_state(Arc::clone(&site), access::record))
        .layer(from_fn(request_id::give))
        .with_state(site)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: &str, pattern: &str) -> Option<&'static str> {
        match line(method, pattern) {
            Line::Found(route) => Some(route.method),
            Line::OtherMethod(_) | Line::Unknown | Line::NoPattern => None,
        }
    }

    #[test]
    fn a_request_has_the_line_of_its_method_and_pattern_or_none() {
        assert_eq!(found("GET", "/api/v1/models"), Some("get"));
        assert_eq!(found("HEAD", "/api/v1/models"), Some("get"));
        assert_eq!(found("HEAD", "/api/v1/uploads/{id}"), Some("head"));
        assert_eq!(found("OPTIONS", "/api/v1/models"), None);
        assert!(matches!(line("POST", "/api/v1/models"), Line::OtherMethod(methods) if methods == ["get"]));
        assert!(matches!(line("GET", "/api/v1/nothing"), Line::Unknown));
    }
}

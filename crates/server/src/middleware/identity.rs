//! Who is asking, and whether they may: before any handler, for every route of the table. A route that
//! is not in the table is not reached.

use super::arrival;
use crate::Site;
use crate::cookies;
use crate::extract::client_address;
use crate::problem::Problem;
use crate::router::{Line, line_of};
use app::identity::{Presented, Proof, Unauthenticated};
use axum::extract::{Request, State};
use axum::http::header::{ALLOW, AUTHORIZATION};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::actor::{Actor, Via};
use domain::rights::Denied;
use secrecy::SecretString;
use std::sync::Arc;

/// What an API key begins with.
const API_KEY: &str = "sas_live_";

/// Lets through who may, and tells the handler who it is.
pub(crate) async fn admit(State(site): State<Arc<Site>>, mut request: Request, next: Next) -> Response {
    let route = match line_of(&request) {
        Line::Found(route) => route,
        // Pages and their files; the fallback knows what is there.
        Line::NoPattern => return next.run(request).await,
        Line::OtherMethod(methods) => return other_method(&methods),
        Line::Unknown => {
            tracing::error!("a route is not in the table; nobody is let in");
            return Problem::not_found("address").into_response();
        }
    };
    let Some(wanted) = route.access.right() else {
        return next.run(request).await;
    };
    let shown = match shown(&site, &request) {
        Ok(shown) => shown,
        Err(error) => return Problem::from(error).into_response(),
    };
    let actor = match site.studio.authenticate(shown).await {
        Ok(actor) => actor,
        Err(error) => return Problem::from(error).into_response(),
    };
    tracing::Span::current().record("user_ref", site.studio.user_ref(&actor));
    if let Err(denied) = actor.may(wanted.0, wanted.1) {
        let denied = async {
            note(&site, &actor, route.path, wanted, &denied).await;
            Problem::from(denied)
        };
        return counted(&site, &actor, denied).await;
    }
    if route.access.is_fresh() && !site.studio.is_fresh(&actor) {
        return counted(&site, &actor, not_fresh(&site, &actor)).await;
    }
    request.extensions_mut().insert(actor);
    next.run(request).await
}

/// Refuses somebody known. That counts as a request of theirs, before anything is written about it; those
/// that are let in are counted where they go on ([`arrival::by_actor`]).
async fn counted(site: &Site, actor: &Actor, refused: impl Future<Output = Problem>) -> Response {
    let counted = site.rates.known(actor);
    let mut response = match arrival::refusal(&counted) {
        Some(problem) => problem.into_response(),
        None => refused.await.into_response(),
    };
    response.extensions_mut().insert(counted);
    response
}

fn other_method(methods: &[&'static str]) -> Response {
    let mut response = Problem::method_not_allowed().into_response();
    if let Ok(value) = HeaderValue::from_str(&methods.join(", ").to_uppercase()) {
        response.headers_mut().insert(ALLOW, value);
    }
    response
}

/// A denied act is in the audit log once. It is denied whether or not that works.
async fn note(
    site: &Site,
    actor: &Actor,
    route: &str,
    wanted: (domain::rights::Action, domain::rights::Object),
    denied: &Denied,
) {
    let request_id = super::request_id::current();
    let noted = site
        .studio
        .note_denied(actor, route, wanted, denied, request_id.as_deref())
        .await;
    if let Err(error) = noted {
        tracing::error!(error = %error, "a denied request is not in the audit log");
    }
}

async fn not_fresh(site: &Site, actor: &Actor) -> Problem {
    if matches!(actor.via(), Via::Key { .. }) {
        return Problem::session_required();
    }
    match site.studio.second_factors_of(actor.user()).await {
        Ok(methods) if methods.is_empty() => {
            Problem::step_up_required().offering(vec!["password".to_owned()])
        }
        Ok(methods) => {
            let words = methods.iter().map(|method| method.as_str().to_owned());
            Problem::step_up_required().offering(words.collect())
        }
        Err(error) => error.into(),
    }
}

/// What the request shows. A browser drops the cookie of an access token when its time is over and keeps
/// the one that gets another.
fn shown(site: &Site, request: &Request) -> Result<Presented, Unauthenticated> {
    match presented(site, request)? {
        Some(presented) => Ok(presented),
        None if cookies::refresh(request.headers()).is_some() => Err(Unauthenticated::Expired),
        None => Err(Unauthenticated::Unknown),
    }
}

/// What a request shows. `Authorization` goes before a cookie; several of them say nothing.
pub(crate) fn presented(site: &Site, request: &Request) -> Result<Option<Presented>, Unauthenticated> {
    let headers = request.headers();
    let mut given = headers.get_all(AUTHORIZATION).iter();
    let Some(first) = given.next() else {
        let token = cookies::access(headers);
        return Ok(token.map(|token| Presented::Access { token, proof: None }));
    };
    if given.next().is_some() {
        return Err(Unauthenticated::Unknown);
    }
    let text = first.to_str().map_err(|_| Unauthenticated::Unknown)?;
    let (scheme, token) = text.trim().split_once(' ').ok_or(Unauthenticated::Unknown)?;
    let token = token.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        let secret = SecretString::from(token);
        if token.starts_with(API_KEY) {
            let address = client_address(request.extensions());
            return Ok(Some(Presented::ApiKey { secret, address }));
        }
        return Ok(Some(Presented::Access {
            token: secret,
            proof: None,
        }));
    }
    if scheme.eq_ignore_ascii_case("dpop") {
        let proof = proof(site, request, headers)?;
        return Ok(Some(Presented::Access {
            token: SecretString::from(token),
            proof: Some(proof),
        }));
    }
    Err(Unauthenticated::Unknown)
}

/// The one proof of possession of a request, with the addresses it may speak of.
pub(crate) fn proof(site: &Site, request: &Request, headers: &HeaderMap) -> Result<Proof, Unauthenticated> {
    let mut given = headers.get_all("dpop").iter();
    let text = given.next().and_then(|value| value.to_str().ok());
    let text = text.ok_or(Unauthenticated::Proof("there is no `DPoP` header"))?;
    if given.next().is_some() {
        return Err(Unauthenticated::Proof("there is more than one `DPoP` header"));
    }
    let path = request.uri().path();
    let targets = site
        .names
        .origins()
        .iter()
        .map(|origin| format!("{origin}{path}"));
    Ok(Proof {
        text: text.to_owned(),
        method: request.method().as_str().to_owned(),
        targets: targets.collect(),
    })
}

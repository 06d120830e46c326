//! Extractors: what a handler is given was checked on its way in, and refused with a problem answer.

use crate::cookies;
use crate::problem::Problem;
use axum::extract::rejection::QueryRejection;
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Request};
use axum::http::header::{CONTENT_TYPE, USER_AGENT};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, StatusCode};
use bytes::Bytes;
use domain::actor::Actor;
use domain::identity::Client;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The most characters of a place in a body that an answer repeats: names of fields are the caller's.
const MAX_PLACE: usize = 100;
/// The most bytes of what the reader said that an answer repeats.
const MAX_SAID: usize = 400;

/// The most characters of a `User-Agent` that are looked at.
const MAX_AGENT: usize = 512;

/// Who asks. Only [`crate::middleware::identity`] puts somebody there, after their right was found in the
/// table; a handler that a request reaches without that answers 401.
pub(crate) struct Caller(pub(crate) Actor);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let actor = parts.extensions.get::<Actor>().cloned();
        actor.map(Self).ok_or_else(Problem::login_required)
    }
}

/// The address of the client, as far as it can be believed: set where trusted proxies are known.
#[derive(Clone, Copy)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

/// The address of the client: the believed one, else the other end of the connection.
pub(crate) fn client_address(extensions: &Extensions) -> IpAddr {
    let believed = extensions.get::<ClientAddress>().map(|address| address.0);
    let peer = || {
        extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|peer| peer.0.ip())
    };
    believed
        .or_else(peer)
        .unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

/// What is known of the client that asks, besides who uses it.
pub(crate) struct ClientInfo {
    /// Where from.
    pub(crate) address: IpAddr,
    /// What it calls itself, cut.
    pub(crate) agent: String,
    /// What shows the browser as a known one.
    pub(crate) device: Option<SecretString>,
    /// Whether tokens go as cookies: browsers say so by `Sec-Fetch-Site`, which no script can set.
    pub(crate) client: Client,
    /// The request.
    pub(crate) request_id: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for ClientInfo {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let agent = parts.headers.get(USER_AGENT).and_then(|v| v.to_str().ok());
        let is_browser = parts.headers.contains_key("sec-fetch-site");
        Ok(Self {
            address: client_address(&parts.extensions),
            agent: agent.unwrap_or("").chars().take(MAX_AGENT).collect(),
            device: cookies::device(&parts.headers),
            client: if is_browser { Client::Browser } else { Client::Api },
            request_id: crate::middleware::request_id::current(),
        })
    }
}

/// A JSON body, with the bytes it came in (the fingerprint of an idempotency key).
pub(crate) struct Json<T> {
    pub(crate) value: T,
    pub(crate) raw: Bytes,
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let content_type = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .unwrap_or("");
        let essence = content_type.split(';').next().unwrap_or("").trim();
        if !essence.eq_ignore_ascii_case("application/json") {
            return Err(Problem::not_json());
        }
        let raw = Bytes::from_request(request, state).await.map_err(|rejection| {
            if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                let detail = "The body is larger than this server takes (`server.body_limit_bytes`).";
                Problem::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "body_too_large",
                    "The body is too large",
                    detail,
                )
            } else {
                Problem::bad_request(
                    "body_interrupted",
                    "The body did not arrive whole. Send it again.",
                )
            }
        })?;
        let mut reader = serde_json::Deserializer::from_slice(&raw);
        let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let place: String = error.path().to_string().chars().take(MAX_PLACE).collect();
            let said = without_values(&error.into_inner());
            Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid_json",
                "The body does not fit",
                format!("At `{place}`: {said}"),
            )
        })?;
        reader.end().map_err(|_| {
            Problem::bad_request(
                "invalid_json",
                "There is more after the JSON value. Send one value.",
            )
        })?;
        Ok(Self { value, raw })
    }
}

/// What the reader said, without what it read: an error text must not carry a piece of a prompt.
fn without_values(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let safe = text.starts_with("unknown field")
        || text.starts_with("missing field")
        || text.starts_with("unknown variant");
    if safe && text.len() < MAX_SAID && !text.starts_with("unknown variant") {
        return text;
    }
    // The last one is the reader's own: what it read comes before and may hold these words too.
    if let Some((_, expected)) = text.rsplit_once(", expected ")
        && expected.len() < MAX_SAID
    {
        return format!("expected {expected}");
    }
    format!(
        "it is not valid JSON here (line {}, column {})",
        error.line(),
        error.column()
    )
}

/// Query parameters.
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Query::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(QueryRejection::FailedToDeserializeQueryString(_) | _) => Err(Problem::bad_request(
                "invalid_query",
                "A query parameter cannot be read; `/docs` tells their forms.",
            )),
        }
    }
}

/// An id in the path. What is not an id of this noun does not exist.
pub(crate) struct Id<T>(pub(crate) T);

impl<S: Send + Sync, T: std::str::FromStr + Send> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = axum::extract::Path::<String>::from_request_parts(parts, state).await;
        let id = text.ok().and_then(|axum::extract::Path(text)| text.parse().ok());
        id.map(Self).ok_or_else(|| Problem::not_found("object"))
    }
}

/// The `Idempotency-Key` header.
pub(crate) struct IdempotencyKey(pub(crate) Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(Self(header(&parts.headers, "idempotency-key")))
    }
}

/// A header as text; what is not ASCII counts as an invalid value and is refused where it is used.
pub(crate) fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get(name)
        .map(|value| value.to_str().unwrap_or("\u{0}").to_owned())
}

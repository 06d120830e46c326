//! The one place that builds HTTP clients for providers, and the calls that every provider makes.
//!
//! A paid call has a client of its own ([`submit`]): HTTP/1.1, no retry, no redirect, no kept connections,
//! so that the number of sends is exactly ours. Free calls share connections. No client reads a proxy from
//! the environment. Answers are read up to [`MAX_ANSWER_BYTES`].

mod classify;
mod headers;
mod submit;

pub(crate) use classify::{classify, refusal};
pub use headers::retry_after;
pub(crate) use submit::{Answer, Sent};

use crate::codes::Code;
use crate::config::ProviderConfig;
use bytes::{Bytes, BytesMut};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, ClientBuilder, Method};
use secrecy::ExposeSecret;
use std::time::{Duration, Instant};
use url::Url;

/// The most bytes of a provider's answer that are read: 1 MiB.
pub const MAX_ANSWER_BYTES: usize = 1 << 20;
/// The most characters of an id that a provider gives.
pub const MAX_EXTERNAL_ID_CHARS: usize = 128;

/// A client that never retries, never follows, and knows no proxy.
pub(crate) fn plain(connect: Duration) -> ClientBuilder {
    Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .connect_timeout(connect)
        .user_agent(concat!("secure-ai-studio/", env!("CARGO_PKG_VERSION")))
}

/// The clients of one provider with its address and key.
pub(crate) struct Wire {
    provider: &'static str,
    base: Url,
    authorization: HeaderValue,
    paid: Client,
    free: Client,
    call_timeout: Duration,
}

impl Wire {
    /// Clients for this configuration and key.
    pub(crate) fn new(
        provider: &'static str,
        config: &ProviderConfig,
        key: &str,
    ) -> Result<Self, &'static str> {
        let mut authorization = HeaderValue::try_from(format!("Bearer {key}"))
            .map_err(|_| "the key has characters that no key has")?;
        authorization.set_sensitive(true);
        let build = |client: ClientBuilder| {
            client
                .build()
                .map_err(|_| "TLS could not be set up on this machine")
        };
        let paid = build(
            plain(config.connect_timeout())
                .http1_only()
                .pool_max_idle_per_host(0),
        )?;
        let free = build(plain(config.connect_timeout()).pool_idle_timeout(Duration::from_secs(60)))?;
        Ok(Self {
            provider,
            base: config.base_url.clone(),
            authorization,
            paid,
            free,
            call_timeout: config.call_timeout(),
        })
    }

    /// Makes clients from a configuration with a key.
    pub(crate) fn with_key(provider: &'static str, config: &ProviderConfig) -> Result<Self, &'static str> {
        let key = config
            .api_key
            .as_ref()
            .map(|key| key.expose_secret().trim())
            .filter(|key| !key.is_empty());
        Self::new(provider, config, key.ok_or("it has no key")?)
    }

    pub(crate) fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    /// A free call; a connection that broke is a fault, never a second call.
    pub(crate) async fn ask(
        &self,
        method: Method,
        route: &'static str,
        url: Url,
        body: Option<&serde_json::Value>,
    ) -> Result<Answer, Code> {
        let mut request = self
            .free
            .request(method, url)
            .header(AUTHORIZATION, self.authorization.clone());
        if let Some(body) = body {
            request = request.json(body);
        }
        let began = Instant::now();
        let outcome = async {
            let response = request.timeout(self.call_timeout).send().await.map_err(|e| {
                if e.is_connect() {
                    Code::Unreachable
                } else {
                    Code::Unavailable
                }
            })?;
            let (status, headers) = (response.status(), response.headers().clone());
            let body = read_capped(response, MAX_ANSWER_BYTES).await;
            Ok(Answer {
                status: status.as_u16(),
                retry_after: retry_after(&headers),
                body,
            })
        }
        .await;
        self.log(route, began, &outcome);
        outcome
    }

    pub(crate) async fn get(&self, route: &'static str, url: Url) -> Result<Answer, Code> {
        self.ask(Method::GET, route, url, None).await
    }

    fn log(&self, route: &'static str, began: Instant, outcome: &Result<Answer, Code>) {
        let dur_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        match outcome {
            Ok(answer) => {
                tracing::info!(
                    provider = self.provider,
                    route,
                    status = answer.status,
                    dur_ms,
                    "provider answered"
                );
            }
            Err(code) => {
                tracing::warn!(
                    provider = self.provider,
                    route,
                    outcome = code.as_str(),
                    dur_ms,
                    "provider call failed"
                );
            }
        }
    }
}

/// Reads an answer up to its limit.
pub(crate) async fn read_capped(mut response: reqwest::Response, limit: usize) -> Result<Bytes, Code> {
    let mut whole = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| Code::Unavailable)? {
        if whole.len() + chunk.len() > limit {
            return Err(Code::Unavailable);
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

/// Whether a provider's id is one that we can put into a path and a column.
pub(crate) fn is_external_id(id: &str) -> bool {
    let length = 1..=MAX_EXTERNAL_ID_CHARS;
    length.contains(&id.len())
        && id
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

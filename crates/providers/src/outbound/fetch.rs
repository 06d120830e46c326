//! Fetching from an address that came from outside: no credentials, no proxy, no decompression, redirects
//! followed by us with the whole check again, the body as a bounded stream.

use super::resolver::{Filtering, was_refused};
use super::{Guard, Passage, Refusal};
use crate::http::plain;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use reqwest::header::{CONTENT_TYPE, HeaderMap, LOCATION};
use reqwest::{Client, Method, StatusCode};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// The most redirects of one fetch.
pub const MAX_REDIRECTS: usize = 3;

/// What came of a fetch.
pub enum Fetched {
    /// The body follows.
    Body {
        /// Declared media type, without parameters.
        media_type: Option<String>,
        /// Declared length.
        length: Option<u64>,
        /// The bytes; an error is a cut or a stall.
        chunks: Pin<Box<dyn Stream<Item = Result<Bytes, ()>> + Send>>,
    },
    /// Another status than success.
    Status(u16),
    /// The guard refused the address or where it led.
    Refused(Refusal),
    /// It could not be reached, or there were too many redirects.
    Unreachable,
}

/// Clients under one guard.
pub struct Fetcher {
    guard: Arc<Guard>,
    public: Client,
    listed: Client,
}

impl Fetcher {
    /// Clients that connect within `connect` and give up on a body that stands still for `stall`.
    ///
    /// # Errors
    /// A sentence, if TLS cannot be set up on this machine.
    pub fn new(guard: Guard, connect: Duration, stall: Duration) -> Result<Self, &'static str> {
        let guard = Arc::new(guard);
        let client = |passage| {
            plain(connect)
                .read_timeout(stall)
                .dns_resolver(Filtering {
                    guard: Arc::clone(&guard),
                    passage,
                })
                .build()
                .map_err(|_| "TLS could not be set up on this machine")
        };
        Ok(Self {
            public: client(Passage::Public)?,
            listed: client(Passage::ListedOnly)?,
            guard,
        })
    }

    /// Fetches.
    pub async fn get(&self, url: Url) -> Fetched {
        let mut url = url;
        for _ in 0..=MAX_REDIRECTS {
            let response = match self.send(Method::GET, url.clone(), HeaderMap::new(), None).await {
                Ok(response) => response,
                Err(fetched) => return fetched,
            };
            let status = response.status();
            if status.is_redirection() {
                let next = response
                    .headers()
                    .get(LOCATION)
                    .and_then(|to| url.join(to.to_str().ok()?).ok());
                match next {
                    Some(next) => url = next,
                    None => return Fetched::Status(status.as_u16()),
                }
                continue;
            }
            if !status.is_success() {
                return Fetched::Status(status.as_u16());
            }
            let media_type = declared_type(response.headers());
            let length = response.content_length();
            let chunks = response.bytes_stream().map(|chunk| chunk.map_err(|_| ()));
            return Fetched::Body {
                media_type,
                length,
                chunks: Box::pin(chunks),
            };
        }
        Fetched::Unreachable
    }

    /// Hands bytes over to an address with exactly these headers; the status that came back.
    ///
    /// # Errors
    /// What else came of it.
    pub async fn put(&self, url: Url, headers: HeaderMap, body: Bytes) -> Result<u16, Fetched> {
        self.send(Method::PUT, url, headers, Some(body))
            .await
            .map(|response| response.status().as_u16())
    }

    /// Asks once, and gives status, headers and a body of at most `most` bytes. No redirect is followed.
    ///
    /// # Errors
    /// What else came of it.
    pub async fn ask(
        &self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Vec<u8>,
        most: usize,
    ) -> Result<(StatusCode, HeaderMap, Vec<u8>), Fetched> {
        let body = (!body.is_empty()).then(|| Bytes::from(body));
        let response = self.send(method, url, headers, body).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let mut chunks = response.bytes_stream();
        let mut all = Vec::new();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|_| Fetched::Unreachable)?;
            if all.len() + chunk.len() > most {
                return Err(Fetched::Unreachable);
            }
            all.extend_from_slice(&chunk);
        }
        Ok((status, headers, all))
    }

    async fn send(
        &self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Option<Bytes>,
    ) -> Result<reqwest::Response, Fetched> {
        let client = match self.guard.check(&url).map_err(Fetched::Refused)? {
            Passage::Public => &self.public,
            Passage::ListedOnly => &self.listed,
        };
        let mut request = client.request(method, url).headers(headers);
        if let Some(body) = body {
            request = request.body(body);
        }
        request.send().await.map_err(|error| {
            if was_refused(&error) {
                Fetched::Refused(Refusal::NotPublic("resolved"))
            } else {
                Fetched::Unreachable
            }
        })
    }
}

fn declared_type(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    Some(
        text.split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase(),
    )
}

//! A client of another studio's API, for `studio generate --server`.
//!
//! Repeating a request is harmless here: it carries an `Idempotency-Key`, and the other studio answers a
//! repetition with the same generation. Still nothing is repeated by itself; the caller decides.

use crate::http::plain;
use bytes::Bytes;
use reqwest::{Client, RequestBuilder, Response};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use std::time::Duration;
use url::{Host, Url};

/// How long it may take to reach the other studio.
const CONNECT: Duration = Duration::from_secs(5);
/// How long one answer may take, downloads included.
const CALL: Duration = Duration::from_secs(120);

/// Why the other studio did not do it.
#[derive(Debug, thiserror::Error)]
pub enum AnotherStudioError {
    /// The address cannot be one.
    #[error("`{0}` is not the address of a studio; write it as http://127.0.0.1:8080")]
    Address(String),
    /// An API key would travel in the clear.
    #[error("an API key is sent over https only, or to this machine")]
    Unprotected,
    /// It cannot be reached, or the connection broke.
    #[error("the studio cannot be reached: {0}")]
    Unreachable(&'static str),
    /// It refused, and says why.
    #[error("{title}: {detail}")]
    Problem {
        /// HTTP status.
        status: u16,
        /// Stable code.
        code: String,
        /// What happened.
        title: String,
        /// What to do.
        detail: String,
    },
    /// What it answered is not what a studio answers.
    #[error("the answer is not one of a studio; is the address right?")]
    Unreadable,
}

/// Another studio.
pub struct AnotherStudio {
    client: Client,
    base: Url,
    key: Option<SecretString>,
}

type Answered<T> = Result<T, AnotherStudioError>;

impl AnotherStudio {
    /// The studio at this address, and the API key that it is shown.
    ///
    /// # Errors
    /// [`AnotherStudioError::Address`]; [`AnotherStudioError::Unprotected`] with a key for another machine
    /// without TLS.
    pub fn at(address: &str, key: Option<SecretString>) -> Answered<Self> {
        let wrong = || AnotherStudioError::Address(address.to_owned());
        let base: Url = address.parse().map_err(|_| wrong())?;
        if !matches!(base.scheme(), "http" | "https") || !base.has_host() {
            return Err(wrong());
        }
        if key.is_some() && base.scheme() == "http" && !is_this_machine(&base) {
            return Err(AnotherStudioError::Unprotected);
        }
        let client = plain(CONNECT).timeout(CALL).build().map_err(|_| wrong())?;
        Ok(Self { client, base, key })
    }

    /// Asks for a generation.
    ///
    /// # Errors
    /// [`AnotherStudioError`].
    pub async fn generate(&self, body: &Value, key: &str) -> Answered<Value> {
        let request = self
            .client
            .post(self.url("api/v1/generations")?)
            .header("idempotency-key", key)
            .json(body);
        json(self.send(request).await?).await
    }

    /// A generation as it is now.
    ///
    /// # Errors
    /// [`AnotherStudioError`].
    pub async fn generation(&self, id: &str) -> Answered<Value> {
        let request = self.client.get(self.url(&format!("api/v1/generations/{id}"))?);
        json(self.send(request).await?).await
    }

    /// The bytes of an asset.
    ///
    /// # Errors
    /// [`AnotherStudioError`].
    pub async fn content(&self, asset: &str) -> Answered<Bytes> {
        let request = self
            .client
            .get(self.url(&format!("api/v1/assets/{asset}/content"))?);
        let response = self.send(request).await?;
        response
            .bytes()
            .await
            .map_err(|_| AnotherStudioError::Unreachable("the download broke off"))
    }

    /// Uploads a reference in one go (tus, creation with upload) and gives the asset it became.
    ///
    /// # Errors
    /// [`AnotherStudioError`].
    pub async fn upload(&self, bytes: Bytes) -> Answered<String> {
        // The content decides the type; octet-stream claims nothing.
        let request = self
            .client
            .post(self.url("api/v1/uploads")?)
            .header("tus-resumable", "1.0.0")
            .header("upload-length", bytes.len())
            .header("upload-metadata", "filetype YXBwbGljYXRpb24vb2N0ZXQtc3RyZWFt")
            .header("content-type", "application/offset+octet-stream")
            .body(bytes);
        let response = self.send(request).await?;
        let asset = response
            .headers()
            .get("studio-asset")
            .and_then(|value| value.to_str().ok());
        asset.map(str::to_owned).ok_or(AnotherStudioError::Unreadable)
    }

    async fn send(&self, request: RequestBuilder) -> Answered<Response> {
        match &self.key {
            Some(key) => send(request.bearer_auth(key.expose_secret())).await,
            None => send(request).await,
        }
    }

    fn url(&self, path: &str) -> Answered<Url> {
        let base = self.base.as_str().trim_end_matches('/');
        format!("{base}/{path}")
            .parse()
            .map_err(|_| AnotherStudioError::Address(self.base.to_string()))
    }
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

async fn send(request: RequestBuilder) -> Answered<Response> {
    let response = request.send().await.map_err(|error| {
        AnotherStudioError::Unreachable(if error.is_connect() {
            "nobody answers at this address"
        } else if error.is_timeout() {
            "it took too long"
        } else {
            "the connection broke"
        })
    })?;
    let status = response.status().as_u16();
    if response.status().is_success() {
        return Ok(response);
    }
    let problem = json(response).await?;
    let text = |key: &str| problem[key].as_str().map(str::to_owned);
    match (text("code"), text("title")) {
        (Some(code), Some(title)) => Err(AnotherStudioError::Problem {
            status,
            code,
            title,
            detail: text("detail").unwrap_or_default(),
        }),
        _ => Err(AnotherStudioError::Unreadable),
    }
}

async fn json(response: Response) -> Answered<Value> {
    response.json().await.map_err(|_| AnotherStudioError::Unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_goes_over_tls_or_stays_on_this_machine() {
        let key = || Some(SecretString::from("a key"));
        for good in [
            "https://studio.example",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
            "http://localhost:8080",
        ] {
            assert!(AnotherStudio::at(good, key()).is_ok(), "{good}");
        }
        for bad in [
            "http://studio.example",
            "http://10.0.0.1:8080",
            "http://localhost.example",
        ] {
            let refused = AnotherStudio::at(bad, key()).map(|_| ());
            assert!(matches!(refused, Err(AnotherStudioError::Unprotected)), "{bad}");
            assert!(AnotherStudio::at(bad, None).is_ok(), "{bad} without a key");
        }
    }
}

//! One paid send. Whether its first byte may have left is known, not guessed: the body is handed to the
//! connection through a gate that looks at the deadline at the last moment and notes that it was opened.
//!
//! The HTTP/1 writer holds the head back until it has asked for the body, so a gate that stays shut means
//! that no byte of the request was written; and a head without its body creates nothing at any server.

use super::{MAX_ANSWER_BYTES, Wire, read_capped, retry_after};
use crate::call::SendBy;
use crate::codes::Code;
use bytes::Bytes;
use reqwest::Body;
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use url::Url;

/// What a provider answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Result<Bytes, Code>,
}

/// What came of one send.
#[derive(Debug)]
pub(crate) enum Sent {
    /// An answer came.
    Answered(Answer),
    /// Provably nothing left.
    Withheld(Code),
    /// It left, and no answer came.
    Lost,
}

#[derive(Debug, thiserror::Error)]
#[error("the deadline has passed")]
struct TooLate;

impl Wire {
    /// Sends once, unless the deadline has passed when the first byte is due.
    pub(crate) async fn submit(
        &self,
        route: &'static str,
        url: Url,
        headers: &[(&'static str, String)],
        body: Bytes,
        deadline: SendBy,
    ) -> Sent {
        let began = Instant::now();
        let sent = self
            .submit_while(url, headers, body, move || !deadline.has_passed())
            .await;
        let dur_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let provider = self.provider;
        match &sent {
            Sent::Answered(answer) => {
                tracing::info!(
                    provider,
                    route,
                    status = answer.status,
                    dur_ms,
                    "submission answered"
                );
            }
            Sent::Withheld(code) => {
                tracing::warn!(
                    provider,
                    route,
                    outcome = code.as_str(),
                    dur_ms,
                    "submission not sent"
                );
            }
            Sent::Lost => tracing::warn!(
                provider,
                route,
                outcome = "lost",
                dur_ms,
                "submission without an answer"
            ),
        }
        sent
    }

    pub(super) async fn submit_while(
        &self,
        url: Url,
        headers: &[(&'static str, String)],
        body: Bytes,
        in_time: impl Fn() -> bool + Send + 'static,
    ) -> Sent {
        if !in_time() {
            return Sent::Withheld(Code::SendByPassed);
        }
        let opened = Arc::new(AtomicBool::new(false));
        let late = Arc::new(AtomicBool::new(false));
        let length = body.len();
        let gate = {
            let (opened, late) = (Arc::clone(&opened), Arc::clone(&late));
            futures_util::stream::once(async move {
                if !in_time() {
                    late.store(true, Ordering::SeqCst);
                    return Err(TooLate);
                }
                opened.store(true, Ordering::SeqCst);
                Ok(body)
            })
        };
        let mut request = self
            .paid
            .post(url)
            .header(AUTHORIZATION, self.authorization.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(CONTENT_LENGTH, length)
            .timeout(self.call_timeout)
            .body(Body::wrap_stream(gate));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        match request.send().await {
            Ok(response) => {
                let (status, headers) = (response.status().as_u16(), response.headers().clone());
                let body = read_capped(response, MAX_ANSWER_BYTES).await;
                Sent::Answered(Answer {
                    status,
                    retry_after: retry_after(&headers),
                    body,
                })
            }
            Err(_) if late.load(Ordering::SeqCst) => Sent::Withheld(Code::SendByPassed),
            Err(_) if !opened.load(Ordering::SeqCst) => Sent::Withheld(Code::Unreachable),
            Err(_) => Sent::Lost,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ProviderConfig;
    use std::sync::atomic::AtomicUsize;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    fn wire(base: &str) -> Wire {
        let mut config = ProviderConfig::new(Url::parse(base).unwrap(), None);
        config.call_timeout_ms = 500;
        Wire::new("test", &config, "key").unwrap()
    }

    #[tokio::test]
    async fn a_deadline_that_passes_while_connecting_leaves_not_one_byte_on_the_wire() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = Vec::new();
            let _ = stream.read_to_end(&mut bytes).await;
            bytes
        });
        let looks = AtomicUsize::new(0);
        let wire = wire(&format!("http://{address}"));
        let in_time = move || looks.fetch_add(1, Ordering::SeqCst) == 0;
        let sent = wire
            .submit_while(wire.url(&["x"]), &[], Bytes::from_static(b"{}"), in_time)
            .await;
        assert!(matches!(sent, Sent::Withheld(Code::SendByPassed)), "{sent:?}");
        drop(wire);
        assert_eq!(seen.await.unwrap(), b"", "bytes left after the deadline");
    }

    #[tokio::test]
    async fn a_port_that_nobody_listens_on_is_provably_not_sent() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let wire = wire(&format!("http://{address}"));
        let sent = wire
            .submit_while(wire.url(&["x"]), &[], Bytes::from_static(b"{}"), || true)
            .await;
        assert!(matches!(sent, Sent::Withheld(Code::Unreachable)), "{sent:?}");
    }

    #[tokio::test]
    async fn a_server_that_hears_and_hangs_up_leaves_it_unknown() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = tokio::spawn(async move {
            let mut heard = Vec::new();
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0_u8; 4096];
            while !heard.ends_with(b"{}") {
                let n = stream.read(&mut buffer).await.unwrap();
                heard.extend_from_slice(&buffer[..n]);
            }
            String::from_utf8(heard).unwrap()
        });
        let wire = wire(&format!("http://{address}"));
        let sent = wire
            .submit_while(wire.url(&["x"]), &[], Bytes::from_static(b"{}"), || true)
            .await;
        assert!(matches!(sent, Sent::Lost), "{sent:?}");
        let heard = served.await.unwrap().to_ascii_lowercase();
        assert!(heard.contains("content-length: 2"), "{heard}");
        assert!(!heard.contains("transfer-encoding"), "{heard}");
    }
}

//! Foreign bytes on their way in: bounded, typed, never held whole.

use bytes::Bytes;
use domain::fault::Fault;
use domain::generation::Kind;
use futures_util::Stream;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::codes::Code;
use crate::outbound::{Fetched, Fetcher};
use crate::provider::{Lost, RemoteOutput};
use futures_util::StreamExt;
use url::Url;

/// The most bytes of a fetched picture: 64 MiB.
pub const MAX_IMAGE_BYTES: u64 = 64 << 20;
/// The most bytes of a fetched clip: 1 GiB.
pub const MAX_VIDEO_BYTES: u64 = 1 << 30;

/// The most bytes of an output of this kind.
pub(crate) const fn limit(kind: Kind) -> u64 {
    match kind {
        Kind::Image => MAX_IMAGE_BYTES,
        Kind::Video => MAX_VIDEO_BYTES,
    }
}

type Chunks = Pin<Box<dyn Stream<Item = Result<Bytes, Fault>> + Send>>;

/// A result as it arrives. It ends with a fault if it is cut, stalls, or grows past its limit.
pub struct MediaStream {
    media_type: Option<String>,
    length: Option<u64>,
    left: u64,
    over: bool,
    chunks: Chunks,
}

impl MediaStream {
    /// A stream of at most `limit` bytes. `media_type` is what the sender declares, `None` if it declares
    /// nothing useful; the bytes themselves decide.
    #[must_use]
    pub fn new(media_type: Option<String>, length: Option<u64>, limit: u64, chunks: Chunks) -> Self {
        Self {
            media_type,
            length,
            left: limit,
            over: false,
            chunks,
        }
    }

    /// The declared media type.
    #[must_use]
    pub fn media_type(&self) -> Option<&str> {
        self.media_type.as_deref()
    }

    /// The declared length in bytes.
    #[must_use]
    pub const fn length(&self) -> Option<u64> {
        self.length
    }
}

impl std::fmt::Debug for MediaStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[stream of {:?}]", self.media_type)
    }
}

impl Stream for MediaStream {
    type Item = Result<Bytes, Fault>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.over {
            return Poll::Ready(None);
        }
        let next = std::task::ready!(self.chunks.as_mut().poll_next(cx));
        let item = next.map(|chunk| {
            let chunk = chunk?;
            let size = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
            self.left = self
                .left
                .checked_sub(size)
                .ok_or_else(|| Code::OutputTooLarge.fault())?;
            Ok(chunk)
        });
        self.over = !matches!(item, Some(Ok(_)));
        Poll::Ready(item)
    }
}

/// Declared types that may be a picture or clip; object stores often declare nothing better than bytes.
const TYPES: &[&str] = &[
    "image/png",
    "image/jpeg",
    "image/webp",
    "image/gif",
    "video/mp4",
    "video/webm",
];
const UNTYPED: &[&str] = &["application/octet-stream", "binary/octet-stream"];

/// Fetches an output of this provider through the guard.
pub(crate) async fn fetch(
    provider: &'static str,
    fetcher: &Fetcher,
    output: &RemoteOutput,
) -> Result<MediaStream, Lost> {
    let trouble = |code: Code| Err(Lost::Trouble(code.fault()));
    let Ok(url) = Url::parse(output.expose_link()) else {
        return trouble(Code::LinkRefused);
    };
    let began = std::time::Instant::now();
    let fetched = fetcher.get(url).await;
    let dur_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let status = match &fetched {
        Fetched::Body { .. } => 200,
        Fetched::Status(status) => *status,
        Fetched::Refused(_) | Fetched::Unreachable => 0,
    };
    tracing::info!(provider, route = "GET output", status, dur_ms, "result asked for");
    let (media_type, length, chunks) = match fetched {
        Fetched::Body {
            media_type,
            length,
            chunks,
        } => (media_type, length, chunks),
        Fetched::Status(401 | 403 | 404 | 410) => return trouble(Code::LinkExpired),
        Fetched::Status(_) | Fetched::Unreachable => return trouble(Code::OutputCut),
        Fetched::Refused(_) => return trouble(Code::LinkRefused),
    };
    let media_type = media_type.filter(|declared| !UNTYPED.contains(&declared.as_str()));
    if media_type
        .as_deref()
        .is_some_and(|declared| !TYPES.contains(&declared))
    {
        return trouble(Code::OutputType);
    }
    let limit = limit(output.kind);
    if length.is_some_and(|length| length > limit) {
        return trouble(Code::OutputTooLarge);
    }
    let chunks = chunks.map(|chunk| chunk.map_err(|()| Code::OutputCut.fault()));
    Ok(MediaStream::new(media_type, length, limit, Box::pin(chunks)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    #[tokio::test]
    async fn a_stream_past_its_limit_ends_with_a_fault() {
        let chunks = || {
            Box::pin(stream::iter([
                Ok(Bytes::from_static(b"abcd")),
                Ok(Bytes::from_static(b"ef")),
            ]))
        };
        let whole: Vec<_> = MediaStream::new(None, None, 6, chunks()).collect().await;
        assert_eq!(whole.len(), 2);
        assert!(whole.iter().all(Result::is_ok));
        let cut: Vec<_> = MediaStream::new(None, None, 5, chunks()).collect().await;
        assert_eq!(cut.len(), 2, "the fault is the last item");
        assert_eq!(cut[1].as_ref().unwrap_err().code, "provider.output_too_large");
    }
}

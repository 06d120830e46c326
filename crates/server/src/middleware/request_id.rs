//! Request ids: taken from the caller when sane, made otherwise, echoed, in every log line and problem.

use app::clock::random;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::Response;

/// The longest id that is taken from a caller.
pub(crate) const MAX_REQUEST_ID: usize = 128;
/// The header.
pub(crate) const HEADER: &str = "x-request-id";

tokio::task_local! {
    static CURRENT: String;
}

/// The id of the request that this task answers.
pub(crate) fn current() -> Option<String> {
    CURRENT.try_with(Clone::clone).ok()
}

fn sane(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MAX_REQUEST_ID
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// Gives every request its id.
pub(crate) async fn give(request: Request, next: Next) -> Response {
    let given = request
        .headers()
        .get(HEADER)
        .and_then(|v| v.to_str().ok())
        .filter(|id| sane(id));
    let id = given.map_or_else(|| data_encoding::HEXLOWER.encode(&random::<16>()), str::to_owned);
    let mut response = CURRENT.scope(id.clone(), next.run(request)).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::sane;

    #[test]
    fn only_plain_short_ids_are_taken() {
        assert!(sane("0d0f6f0e-4f7a-4d0e"));
        assert!(!sane(""));
        assert!(!sane("a b"));
        assert!(!sane("joao@example.com"));
        assert!(!sane(&"a".repeat(MAX_REQUEST_ID + 1)));
    }
    use super::MAX_REQUEST_ID;
}

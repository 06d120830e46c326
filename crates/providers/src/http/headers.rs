//! `Retry-After` in both of its forms (RFC 9110 section 10.2.3).

use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use std::time::Duration;

/// How long the provider wishes us to wait: seconds, or a date held against the answer's own `Date`, so that
/// a wrong clock on either side does not matter. A date without `Date` says nothing.
#[must_use]
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let wish = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = wish.parse::<u32>() {
        return Some(Duration::from_secs(u64::from(seconds)));
    }
    let until = instant(wish)?;
    let now = instant(headers.get(DATE)?.to_str().ok()?)?;
    Some(Duration::from_secs(
        u64::try_from(until.saturating_sub(now)).unwrap_or(0),
    ))
}

fn instant(date: &str) -> Option<i64> {
    jiff::fmt::rfc2822::parse(date)
        .ok()
        .map(|stamp| stamp.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_nonsense_is_not() {
        let of = |wish: &str, date: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, wish.parse().unwrap());
            if let Some(date) = date {
                headers.insert(DATE, date.parse().unwrap());
            }
            retry_after(&headers).map(|wait| wait.as_secs())
        };
        let (now, later) = ("Sun, 22 Nov 2026 19:00:00 GMT", "Sun, 22 Nov 2026 19:01:30 GMT");
        assert_eq!(of("7", None), Some(7));
        assert_eq!(of(later, Some(now)), Some(90));
        assert_eq!(
            of(now, Some(later)),
            Some(0),
            "a date in the past asks for no wait"
        );
        assert_eq!(of(later, None), None);
        for nonsense in ["-1", "1.5", "soon", "", "99999999999"] {
            assert_eq!(of(nonsense, Some(now)), None, "{nonsense}");
        }
    }
}

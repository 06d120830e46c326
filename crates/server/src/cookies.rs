//! Cookies of the browser. Their names begin with `__Host-`: a browser takes and sends them for this very
//! host and over a secure connection (or loopback) only, and no script reads them.

use app::identity::Tokens;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;

/// The access token.
pub(crate) const ACCESS: &str = "__Host-sas_at";
/// The refresh token.
pub(crate) const REFRESH: &str = "__Host-sas_rt";
/// A browser in which its owner has logged in before.
pub(crate) const DEVICE: &str = "__Host-sas_dev";
/// What ties a login at another provider, or a reset, to the browser that began it.
pub(crate) const TRANSACTION: &str = "__Host-sas_tx";
/// What all names of ours begin with.
const OURS: &str = "__Host-sas_";

/// How long a browser is remembered as known.
pub(crate) const DEVICE_LIFE: Duration = Duration::from_secs(365 * 24 * 3600);
/// How long a transaction may take.
pub(crate) const TRANSACTION_LIFE: Duration = Duration::from_secs(600);

/// Whether a cookie goes along when another site leads here.
#[derive(Clone, Copy)]
enum SameSite {
    /// Never.
    Strict,
    /// When a link or a redirect opens a page of ours.
    Lax,
}

fn set(headers: &mut HeaderMap, name: &str, value: &str, life: Duration, same_site: SameSite) {
    let word = match same_site {
        SameSite::Strict => "Strict",
        SameSite::Lax => "Lax",
    };
    let life = life.as_secs();
    let line = format!("{name}={value}; Path=/; Max-Age={life}; Secure; HttpOnly; SameSite={word}");
    if let Ok(mut value) = HeaderValue::from_str(&line) {
        value.set_sensitive(true);
        headers.append(SET_COOKIE, value);
    }
}

/// Hands the tokens of a session to the browser.
pub(crate) fn set_session(headers: &mut HeaderMap, tokens: &Tokens) {
    let (access, refresh) = (tokens.access.expose_secret(), tokens.refresh.expose_secret());
    set(headers, ACCESS, access, tokens.expires_in, SameSite::Strict);
    set(
        headers,
        REFRESH,
        refresh,
        tokens.refresh_expires_in,
        SameSite::Strict,
    );
}

/// Takes them back. The browser stays known.
pub(crate) fn clear_session(headers: &mut HeaderMap) {
    for name in [ACCESS, REFRESH] {
        set(headers, name, "", Duration::ZERO, SameSite::Strict);
    }
}

/// Makes the browser a known one.
pub(crate) fn set_device(headers: &mut HeaderMap, secret: &SecretString) {
    set(
        headers,
        DEVICE,
        secret.expose_secret(),
        DEVICE_LIFE,
        SameSite::Strict,
    );
}

/// Ties what begins now to this browser. Lax: another provider's redirect has to bring it back.
pub(crate) fn set_transaction(headers: &mut HeaderMap, secret: &SecretString) {
    set(
        headers,
        TRANSACTION,
        secret.expose_secret(),
        TRANSACTION_LIFE,
        SameSite::Lax,
    );
}

/// Ends it.
pub(crate) fn clear_transaction(headers: &mut HeaderMap) {
    set(headers, TRANSACTION, "", Duration::ZERO, SameSite::Lax);
}

fn pairs(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    let lines = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
}

/// The value of a cookie. One that is there twice counts as not there: which of them is ours cannot be
/// told.
fn get(headers: &HeaderMap, name: &str) -> Option<SecretString> {
    let mut found = pairs(headers).filter(|(of, _)| *of == name);
    let (_, value) = found.next()?;
    (found.next().is_none() && !value.is_empty()).then(|| SecretString::from(value))
}

/// The access token of the browser.
pub(crate) fn access(headers: &HeaderMap) -> Option<SecretString> {
    get(headers, ACCESS)
}

/// The refresh token of the browser.
pub(crate) fn refresh(headers: &HeaderMap) -> Option<SecretString> {
    get(headers, REFRESH)
}

/// What shows a browser as a known one.
pub(crate) fn device(headers: &HeaderMap) -> Option<SecretString> {
    get(headers, DEVICE)
}

/// What ties this browser to what it began.
pub(crate) fn transaction(headers: &HeaderMap) -> Option<SecretString> {
    get(headers, TRANSACTION)
}

/// Whether any cookie of ours came along, readable or not.
pub(crate) fn has_ours(headers: &HeaderMap) -> bool {
    headers.get_all(COOKIE).iter().any(|value| {
        let bytes = value.as_bytes();
        bytes.windows(OURS.len()).any(|part| part == OURS.as_bytes())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::id::SessionId;

    fn tokens() -> Tokens {
        Tokens {
            access: SecretString::from("a.b.c"),
            refresh: SecretString::from("sasr_x"),
            expires_in: Duration::from_secs(600),
            refresh_expires_in: Duration::from_secs(86_400),
            session: SessionId::from_value(1),
            token_type: "Bearer",
        }
    }

    fn lines(headers: &HeaderMap) -> Vec<&str> {
        let values = headers.get_all(SET_COOKIE).iter();
        values.map(|value| value.to_str().unwrap()).collect()
    }

    #[test]
    fn every_cookie_keeps_to_the_prefix_and_out_of_scripts() {
        let mut headers = HeaderMap::new();
        let secret = SecretString::from("x");
        set_session(&mut headers, &tokens());
        clear_session(&mut headers);
        set_device(&mut headers, &secret);
        set_transaction(&mut headers, &secret);
        clear_transaction(&mut headers);
        assert_eq!(lines(&headers).len(), 7);
        for line in lines(&headers) {
            assert!(line.starts_with(OURS), "{line}");
            for part in ["Secure", "HttpOnly", "Path=/"] {
                assert!(line.split("; ").any(|of| of == part), "{line}");
            }
            assert!(!line.contains("Domain"), "{line}");
            let strict = line.ends_with("SameSite=Strict");
            assert_eq!(strict, !line.starts_with(TRANSACTION), "{line}");
        }
        assert_eq!(
            lines(&headers)[0],
            "__Host-sas_at=a.b.c; Path=/; Max-Age=600; Secure; HttpOnly; SameSite=Strict"
        );
        assert!(lines(&headers)[2].starts_with("__Host-sas_at=; Path=/; Max-Age=0;"));
    }

    #[test]
    fn cookies_are_found_once_or_not_at_all() {
        let with = |line: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(COOKIE, HeaderValue::from_static(line));
            headers
        };
        let found = |line| access(&with(line)).map(|value| value.expose_secret().to_owned());
        assert_eq!(found("__Host-sas_at=a.b.c").as_deref(), Some("a.b.c"));
        assert_eq!(found("x=1; __Host-sas_at=a=b ;y").as_deref(), Some("a=b"));
        assert_eq!(found("__Host-sas_at=1; __Host-sas_at=2"), None);
        assert_eq!(found("__Host-sas_at="), None);
        assert_eq!(found("_Host-sas_at=1; sas_at=2"), None);
        assert!(has_ours(&with("a=b; __Host-sas_dev=1")));
        assert!(!has_ours(&with("a=b; __Host-other=1")));
        assert!(!has_ours(&HeaderMap::new()));
    }
}

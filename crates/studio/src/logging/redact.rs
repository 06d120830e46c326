//! The net under the typed secrets: what a log line must not carry is replaced by a marker.
//!
//! Two meshes. By name: a field that is called like a secret or like personal data loses its value.
//! By pattern: bearer tokens, keys of known forms, `name=value` pairs with such a name, passwords in
//! addresses, e-mail addresses and CPF are replaced wherever they stand in a text. A net has holes:
//! the types that refuse to print are what is relied on.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::Value;

/// What stands in the place of what was taken out.
pub(super) const MARKER: &str = "[redacted]";
/// Longest text of one field, in bytes; the rest is cut and said to be.
pub(super) const MAX_TEXT_BYTES: usize = 8_192;

/// A field whose name has one of these words is not written.
const DENIED_WORDS: [&str; 18] = [
    "authorization",
    "cookie",
    "password",
    "passwd",
    "passphrase",
    "prompt",
    "secret",
    "token",
    "credential",
    "credentials",
    "apikey",
    "signature",
    "sig",
    "email",
    "cpf",
    "cnpj",
    "phone",
    "birthdate",
];
/// A word that makes the following `key` a secret one.
const KEY_OWNERS: [&str; 6] = ["api", "private", "access", "signing", "session", "master"];
/// A number whose name ends so measures something and says nothing.
const MEASURES: [&str; 7] = ["count", "chars", "bytes", "len", "ms", "seconds", "limit"];
/// How keys of known services and of signed tokens begin.
const KEY_PREFIXES: [&str; 12] = [
    "sas_live_",
    "luma-api-",
    "sk-",
    "sk_",
    "AKIA",
    "AIza",
    "ghp_",
    "github_pat_",
    "xoxb-",
    "whsec_",
    "whsk_",
    "eyJ",
];
/// Fewer characters than this are not a key.
const MIN_KEY_CHARS: usize = 16;

/// The text of a field as it may be written.
pub(super) fn text_field(name: &str, text: &str) -> String {
    if is_denied(name) {
        return MARKER.to_owned();
    }
    // Cut before looking: what is behind the cut is not written at all.
    let end = text.floor_char_boundary(MAX_TEXT_BYTES);
    let mut clean = in_text(&text[..end]).into_owned();
    if end < text.len() {
        clean.push_str(&format!(" [cut, {} bytes]", text.len()));
    }
    clean
}

/// The number of a field as it may be written.
pub(super) fn number_field(name: &str, value: Value) -> Value {
    let measures = words(name)
        .last()
        .is_some_and(|word| MEASURES.contains(&word.as_str()));
    if is_denied(name) && !measures && !value.is_boolean() {
        MARKER.into()
    } else {
        value
    }
}

/// Whether a field of this name is never written.
fn is_denied(name: &str) -> bool {
    let words: Vec<String> = words(name).collect();
    words.iter().any(|word| DENIED_WORDS.contains(&word.as_str()))
        || words
            .windows(2)
            .any(|pair| KEY_OWNERS.contains(&pair[0].as_str()) && pair[1] == "key")
}

/// The words of `api_key`, `api-key`, `apiKey` and `http.apiKey`, in lower case.
fn words(name: &str) -> impl Iterator<Item = String> {
    let mut words = vec![String::new()];
    let mut after_lower = false;
    for c in name.chars() {
        if !c.is_ascii_alphanumeric() || (after_lower && c.is_ascii_uppercase()) {
            words.push(String::new());
        }
        after_lower = c.is_ascii_lowercase();
        if let (true, Some(word)) = (c.is_ascii_alphanumeric(), words.last_mut()) {
            word.push(c.to_ascii_lowercase());
        }
    }
    words.into_iter().filter(|word| !word.is_empty())
}

/// A text without what looks like a secret or like personal data.
pub(super) fn in_text(text: &str) -> Cow<'_, str> {
    let mut found: Vec<Range<usize>> = Vec::new();
    user_info(text, &mut found);
    pairs(text, &mut found);
    tokens(text, &mut found);
    addresses(text, &mut found);
    tax_numbers(text, &mut found);
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    found.sort_by_key(|range| (range.start, range.end));
    let mut clean = String::with_capacity(text.len());
    let mut at = 0;
    for range in found {
        if range.start >= at {
            clean.push_str(&text[at..range.start]);
            clean.push_str(MARKER);
        }
        at = at.max(range.end);
    }
    clean.push_str(&text[at..]);
    Cow::Owned(clean)
}

/// `user:password` in `scheme://user:password@host`.
fn user_info(text: &str, found: &mut Vec<Range<usize>>) {
    for (at, _) in text.match_indices("://") {
        let start = at + 3;
        let authority = text[start..].find(|c: char| c.is_whitespace() || "/?#\"'<>".contains(c));
        let authority = &text[start..authority.map_or(text.len(), |end| start + end)];
        if let Some(end) = authority.rfind('@') {
            found.push(start..start + end);
        }
    }
}

/// The value of `name=value`, `name: value` and `"name":"value"` when the name is denied.
fn pairs(text: &str, found: &mut Vec<Range<usize>>) {
    for (at, sign) in text.match_indices(['=', ':']) {
        let name = text[..at].trim_end_matches(['"', '\'', ' ', '\\']);
        let start = name
            .rfind(|c: char| !is_name_char(c))
            .map_or(0, |before| before + char_len(name, before));
        if !is_denied(&name[start..])
            || (sign == ":" && (text[at..].starts_with("::") || name.ends_with(':')))
        {
            continue;
        }
        let after = &text[at + 1..];
        let value = after.trim_start_matches([' ', '\\', '"', '\'']);
        let start = at + 1 + (after.len() - value.len());
        let quoted = after[..after.len() - value.len()].contains(['"', '\'']);
        let length = if name.to_ascii_lowercase().contains("prompt") {
            value.len()
        } else if quoted {
            value.find(['"', '\'']).unwrap_or(value.len())
        } else {
            value
                .find(|c: char| c.is_whitespace() || "&,;)}]\"'".contains(c))
                .unwrap_or(value.len())
        };
        if length > 0 {
            found.push(start..start + length);
        }
    }
}

/// What follows `Bearer` or `Basic`, and words that begin like a key.
fn tokens(text: &str, found: &mut Vec<Range<usize>>) {
    let mut after_scheme = false;
    let mut at = 0;
    for word in text.split(|c: char| !is_token_char(c)) {
        let key =
            |prefix: &&str| word.len() >= MIN_KEY_CHARS && word.starts_with(*prefix) && has_digits(word);
        if (after_scheme && word.len() >= 8) || KEY_PREFIXES.iter().any(key) {
            found.push(at..at + word.len());
        }
        after_scheme = word.eq_ignore_ascii_case("bearer")
            || word.eq_ignore_ascii_case("basic")
            || (after_scheme && word.is_empty());
        at += word.len();
        at += text[at..].chars().next().map_or(0, char::len_utf8);
    }
}

/// E-mail addresses.
fn addresses(text: &str, found: &mut Vec<Range<usize>>) {
    for (at, _) in text.match_indices('@') {
        // The end of a password in an address: the host behind it stays readable.
        if found.iter().any(|range| range.end == at) {
            continue;
        }
        let local = text[..at].rfind(|c: char| !is_local_char(c));
        let start = local.map_or(0, |before| before + char_len(text, before));
        let domain = text[at + 1..].find(|c: char| !(c.is_alphanumeric() || c == '.' || c == '-'));
        let end = domain.map_or(text.len(), |length| at + 1 + length);
        let domain = text[at + 1..end].trim_end_matches('.');
        if start < at && domain.contains('.') && !domain.starts_with('.') {
            found.push(start..at + 1 + domain.len());
        }
    }
}

/// CPF: eleven digits with valid check digits, or any eleven written `123.456.789-01`.
fn tax_numbers(text: &str, found: &mut Vec<Range<usize>>) {
    let mut at = 0;
    for run in text.split(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-')) {
        let number = run.trim_matches(['.', '-']);
        let digits: String = number.chars().filter(char::is_ascii_digit).collect();
        let shape: String = number
            .chars()
            .map(|c| if c.is_ascii_digit() { '0' } else { c })
            .collect();
        if shape == "000.000.000-00" || (digits.len() == 11 && domain::screening::is_cpf(&digits)) {
            let start = at + (run.len() - run.trim_start_matches(['.', '-']).len());
            found.push(start..start + number.len());
        }
        at += run.len();
        at += text[at..].chars().next().map_or(0, char::len_utf8);
    }
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~+/".contains(c)
}

fn is_local_char(c: char) -> bool {
    c.is_alphanumeric() || "!#$%&'*+/=?^_`{|}~.-".contains(c)
}

fn has_digits(word: &str) -> bool {
    word.bytes().filter(u8::is_ascii_digit).count() >= 2
}

fn char_len(text: &str, at: usize) -> usize {
    text[at..].chars().next().map_or(1, char::len_utf8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_denied_in_every_spelling() {
        for name in [
            "authorization",
            "Authorization",
            "http.request.header.cookie",
            "set-cookie",
            "api_key",
            "apiKey",
            "api-key",
            "client_secret",
            "clientSecret",
            "prompt",
            "user_prompt",
            "access_token",
            "private_key",
            "e_mail_token",
            "cpf",
            "user.email",
        ] {
            assert_eq!(text_field(name, "canary"), MARKER, "{name}");
        }
        for name in [
            "route", "key", "provider", "user_ref", "tokens", "promptly", "outcome", "monkey",
        ] {
            assert_eq!(text_field(name, "canary"), "canary", "{name}");
        }
    }

    #[test]
    fn numbers_that_measure_are_kept() {
        assert_eq!(number_field("prompt_chars", 12.into()), Value::from(12));
        assert_eq!(number_field("has_token", true.into()), Value::from(true));
        assert_eq!(number_field("cpf", 12.into()), Value::from(MARKER));
        assert_eq!(text_field("prompt_chars", "a boat"), MARKER);
    }

    #[test]
    fn patterns_are_found_where_they_stand() {
        for (text, clean) in [
            (
                "sent Authorization: Bearer abcdefgh12345",
                "sent Authorization: [redacted] [redacted]",
            ),
            ("header bearer abc.def-1234 ok", "header bearer [redacted] ok"),
            ("key luma-api-0123456789abcdef used", "key [redacted] used"),
            ("key sas_live_0123456789abcdefABCDEF used", "key [redacted] used"),
            ("jwt eyJhbGciOiJFZDI1NTE5In0.e30.x1y2 end", "jwt [redacted] end"),
            ("GET /x?token=abc&size=3", "GET /x?token=[redacted]&size=3"),
            (
                "{\"api_key\":\"abc\",\"n\":1}",
                "{\"api_key\":\"[redacted]\",\"n\":1}",
            ),
            ("password = hunter2, next", "password = [redacted], next"),
            ("prompt: a red boat at sea", "prompt: [redacted]"),
            (
                "postgres://u:p%40ss@db.example/x",
                "postgres://[redacted]@db.example/x",
            ),
            ("mail to Ana.Silva+x@exemplo.com.br.", "mail to [redacted]."),
            ("cpf 529.982.247-25", "cpf [redacted]"),
            ("número 52998224725!", "número [redacted]!"),
            ("ação do joão josé@exemplo.org fim", "ação do joão [redacted] fim"),
        ] {
            assert_eq!(in_text(text), clean, "{text}");
        }
    }

    #[test]
    fn ordinary_lines_are_left_alone() {
        for text in [
            "generation gen_01j00000000000000000000000 succeeded in 8123 ms",
            "listening on http://127.0.0.1:8080",
            "retry in 3 s: connection refused (os error 111)",
            "model luma-dream-machine at 2026-11-22T18:40:17Z",
            "12345678901 bytes",
            "providers::luma::client: status=429",
            "domain::secret::Prompt built",
            "a@b",
        ] {
            assert_eq!(in_text(text), text);
        }
    }

    #[test]
    fn long_texts_are_cut() {
        let cut = text_field("body", &"é".repeat(MAX_TEXT_BYTES));
        assert!(cut.len() < MAX_TEXT_BYTES + 40 && cut.ends_with("[cut, 16384 bytes]"));
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in "\\PC{0,200}") {
            let _ = in_text(&text);
        }

        #[test]
        fn a_canary_in_a_known_place_never_stays(
            before in "[a-zA-Zçã ]{0,20}", canary in "[a-zA-Z]{4}[0-9]{4}[a-zA-Z]{12}", after in "( [a-zA-Zçã ]{0,20})?",
            form in 0..8usize,
        ) {
            let carrier = match form {
                0 => format!("Bearer {canary}"),
                1 => format!("api_key={canary}"),
                2 => format!("\"password\": \"{canary}\""),
                3 => format!("https://{canary}:x@host/"),
                4 => format!("{canary}@exemplo.com"),
                5 => format!("luma-api-{canary}"),
                6 => format!("prompt={canary} {canary}"),
                _ => format!("Cookie: {canary}"),
            };
            let clean = in_text(&format!("{before} {carrier}{after}")).into_owned();
            prop_assert!(!clean.contains(&canary), "{}", clean);
        }
    }
}

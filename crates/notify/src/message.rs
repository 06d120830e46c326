//! What is sent: one message to one person, in plain text and in simple HTML. Its headers are made of
//! types that cannot hold a line break, so that nothing in them can begin another header.

use domain::id::MailId;
use domain::identity::Email;
use domain::time::Time;
use lettre::Address;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use std::time::{Duration, SystemTime};
use url::Host;

/// The most characters of a [`Line`].
pub const MAX_LINE_CHARACTERS: usize = 200;

/// One line of text for a header: no control characters, not empty, at most [`MAX_LINE_CHARACTERS`].
#[derive(Clone, PartialEq, Eq)]
pub struct Line(String);

/// A text that does not fit a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a header has 1 to {MAX_LINE_CHARACTERS} characters and no line breaks")]
pub struct NotALine;

impl Line {
    /// Checks the text.
    ///
    /// # Errors
    /// [`NotALine`].
    pub fn new(text: &str) -> Result<Self, NotALine> {
        let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
        let fits = (1..=MAX_LINE_CHARACTERS).contains(&text.chars().count()) && !text.contains(breaks);
        fits.then(|| Self(text.to_owned())).ok_or(NotALine)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[line]")
    }
}

/// One message. Prints its id alone: everything else is personal.
#[derive(Clone)]
pub struct Message {
    /// Its id: the `Message-ID` is made of it, so that a message that was sent twice can be told for one.
    pub id: MailId,
    /// To whom.
    pub to: Email,
    /// What it is about.
    pub subject: Line,
    /// The text.
    pub text: String,
    /// The same as HTML: no pictures, no scripts, nothing to load.
    pub html: String,
    /// When it was written.
    pub date: Time,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Message({})", self.id)
    }
}

/// Tells mail programs that no person wrote it and none should answer by themselves (RFC 3834 section 5).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// An address as SMTP takes it: its domain in ASCII (RFC 5890). `None` if mail cannot be sent there.
pub(crate) fn address(email: &Email) -> Option<Address> {
    let (local, domain) = email.expose().rsplit_once('@')?;
    let Host::Domain(domain) = Host::parse(domain).ok()? else {
        return None;
    };
    Address::new(local, domain).ok()
}

/// The bytes of a message; `None` if its parts do not make one.
pub(crate) fn compose(message: &Message, from: &Mailbox, to: &Address) -> Option<Vec<u8>> {
    let micros = u64::try_from(message.date.micros()).ok()?;
    let date = SystemTime::UNIX_EPOCH + Duration::from_micros(micros);
    let id = format!("<{}@{}>", message.id, from.email.domain());
    let body = MultiPart::alternative_plain_html(message.text.clone(), message.html.clone());
    let made = lettre::Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, to.clone()))
        .subject(message.subject.as_str())
        .date(date)
        .message_id(Some(id))
        .header(AutoSubmitted)
        .multipart(body)
        .ok()?;
    Some(made.formatted())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_holds_no_line_break() {
        assert!(Line::new("Confirme seu endereço 🌻").is_ok());
        for bad in [
            "",
            "a\r\nBcc: b@c.d",
            "a\nb",
            "a\rb",
            "a\u{85}b",
            "a\u{2028}b",
            "a\0b",
        ] {
            assert_eq!(Line::new(bad), Err(NotALine), "{bad:?}");
        }
        assert!(Line::new(&"é".repeat(MAX_LINE_CHARACTERS)).is_ok());
        assert!(Line::new(&"é".repeat(MAX_LINE_CHARACTERS + 1)).is_err());
    }

    #[test]
    fn domains_travel_in_ascii() {
        let address = |text| address(&Email::parse(text).unwrap()).map(|address| address.to_string());
        assert_eq!(
            address("ana@correio.é.example"),
            Some("ana@correio.xn--9ca.example".to_owned())
        );
        assert_eq!(address("ana@127.0.0.1"), None);
    }

    #[test]
    fn nothing_personal_is_printed() {
        let message = Message {
            id: MailId::from_value(7),
            to: Email::parse("ana@example.org").unwrap(),
            subject: Line::new("Ana").unwrap(),
            text: "Ana".to_owned(),
            html: "Ana".to_owned(),
            date: Time::from_micros(0),
        };
        assert!(
            !format!("{message:?}{:?}", message.subject)
                .to_lowercase()
                .contains("ana")
        );
    }
}

//! Where mail is handed over, and how the way there is protected.

use domain::identity::Email;
use secrecy::{ExposeSecret, SecretString};
use std::net::IpAddr;
use url::{Host, Url};

/// The port of a submission server with STARTTLS (RFC 6409).
const SUBMISSION_PORT: u16 = 587;
/// The port of a submission server with TLS from the first byte (RFC 8314 section 3.3).
const SUBMISSIONS_PORT: u16 = 465;

/// What the operator configured.
#[derive(Clone, Debug)]
pub struct Config {
    /// `smtp://user:password@host:port` or `smtps://…`; user, password and port may be left out. What
    /// stands in user and password is percent-encoded. `smtp+insecure://` gives protection up by name.
    pub url: SecretString,
    /// The sender: `studio@example.org` or `Studio <studio@example.org>`.
    pub from: String,
    /// PEM certificates of the only authorities that are trusted; the machine's own when there are none.
    pub authorities: Option<Vec<u8>>,
}

/// Why mail cannot be sent with this configuration. Never tells the password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No address of a mail server.
    #[error("write the mail server as smtp://user:password@host:587 or smtps://user:password@host:465")]
    Url,
    /// A kind of address that is none of a mail server.
    #[error("`{0}` is no way to a mail server; write smtp://, smtps:// or smtp+insecure://")]
    Scheme(String),
    /// More than a server.
    #[error(
        "the address of the mail server ends after the port; percent-encode `/`, `?`, `#` and `@` in the password"
    )]
    Rest,
    /// A password without a user, or bytes that are no text.
    #[error("the user and password of the mail server cannot be read; percent-encode them")]
    Credentials,
    /// A password that would travel in the clear.
    #[error("smtp+insecure:// to another machine takes no password: anybody on the way could read it")]
    PasswordInTheClear,
    /// The sender is no address.
    #[error("the sender of mail is no address; write studio@example.org or Studio <studio@example.org>")]
    From,
    /// The certificates of the authorities cannot be read, or TLS has no authority to trust.
    #[error("the certificates to trust for mail cannot be used; give PEM, or install ca-certificates")]
    Authorities,
}

/// How the connection is protected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protection {
    /// TLS from the first byte.
    Tls,
    /// STARTTLS before anything else; without it nothing is sent.
    StartTls,
    /// None: on this machine, or because the operator said so.
    None,
}

/// A configuration that was understood.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) protection: Protection,
    pub(crate) credentials: Option<(String, SecretString)>,
    pub(crate) from: lettre::message::Mailbox,
}

impl Server {
    pub(crate) fn read(config: &Config) -> Result<Self, ConfigError> {
        let url = Url::parse(config.url.expose_secret()).map_err(|_| ConfigError::Url)?;
        let host = host(&url).ok_or(ConfigError::Url)?;
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(ConfigError::Rest);
        }
        let here = is_this_machine(&host);
        let protection = match url.scheme() {
            "smtps" => Protection::Tls,
            // Nobody stands between two programs on one machine; an authority named for it is a wish.
            "smtp" if here && config.authorities.is_none() => Protection::None,
            "smtp" => Protection::StartTls,
            "smtp+insecure" => Protection::None,
            other => return Err(ConfigError::Scheme(other.to_owned())),
        };
        let credentials = credentials(&url)?;
        if credentials.is_some() && protection == Protection::None && !here {
            return Err(ConfigError::PasswordInTheClear);
        }
        let default_port = if protection == Protection::Tls {
            SUBMISSIONS_PORT
        } else {
            SUBMISSION_PORT
        };
        Ok(Self {
            host,
            port: url.port().unwrap_or(default_port),
            protection,
            credentials,
            from: sender(&config.from)?,
        })
    }
}

fn host(url: &Url) -> Option<String> {
    match url.host()? {
        Host::Domain("") => None,
        // The address does not say so itself: for schemes that are not of the web, `url` leaves names as
        // they are written.
        Host::Domain(name) => match Host::parse(name).ok()? {
            Host::Domain(name) => Some(name),
            Host::Ipv4(address) => Some(address.to_string()),
            Host::Ipv6(address) => Some(address.to_string()),
        },
        Host::Ipv4(address) => Some(address.to_string()),
        Host::Ipv6(address) => Some(address.to_string()),
    }
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

fn credentials(url: &Url) -> Result<Option<(String, SecretString)>, ConfigError> {
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        ("", Some(_)) => Err(ConfigError::Credentials),
        (user, password) => {
            let user = decoded(user)?;
            let password = decoded(password.unwrap_or_default())?;
            Ok(Some((user, SecretString::from(password))))
        }
    }
}

/// Undoes percent-encoding (RFC 3986 section 2.1).
fn decoded(text: &str) -> Result<String, ConfigError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || {
            let digit = rest.next().and_then(|byte| char::from(byte).to_digit(16));
            digit.and_then(|digit| u8::try_from(digit).ok())
        };
        match (digit(), digit()) {
            (Some(high), Some(low)) => bytes.push(high * 16 + low),
            _ => return Err(ConfigError::Credentials),
        }
    }
    let text = String::from_utf8(bytes).map_err(|_| ConfigError::Credentials)?;
    if text.contains(char::is_control) {
        return Err(ConfigError::Credentials);
    }
    Ok(text)
}

fn sender(text: &str) -> Result<lettre::message::Mailbox, ConfigError> {
    if text.contains(char::is_control) {
        return Err(ConfigError::From);
    }
    let text = text.trim();
    let (name, address) = match text.strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
        Some((name, address)) => (Some(name.trim().trim_matches('"')), address),
        None => (None, text),
    };
    let email = Email::parse(address).map_err(|_| ConfigError::From)?;
    let address = crate::message::address(&email).ok_or(ConfigError::From)?;
    let name = name.filter(|name| !name.is_empty()).map(str::to_owned);
    Ok(lettre::message::Mailbox::new(name, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> Result<Server, ConfigError> {
        Server::read(&Config {
            url: SecretString::from(url),
            from: "Estúdio <studio@example.org>".to_owned(),
            authorities: None,
        })
    }

    #[test]
    fn the_way_is_protected_unless_it_does_not_leave_the_machine() {
        for (url, port, protection) in [
            ("smtp://mail.example.org", 587, Protection::StartTls),
            ("smtp://u:p@mail.example.org:2525", 2525, Protection::StartTls),
            ("smtps://mail.example.org", 465, Protection::Tls),
            ("smtps://localhost", 465, Protection::Tls),
            ("smtp://localhost:25", 25, Protection::None),
            ("smtp://127.0.0.9:25", 25, Protection::None),
            ("smtp://[::1]:25", 25, Protection::None),
            ("smtp://u:p@[::1]:25", 25, Protection::None),
            ("smtp://10.0.0.1", 587, Protection::StartTls),
            ("smtp://127.0.0.1.example.org", 587, Protection::StartTls),
            ("smtp+insecure://relay.example.org", 587, Protection::None),
        ] {
            let server = read(url).unwrap();
            assert_eq!((server.port, server.protection), (port, protection), "{url}");
        }
    }

    #[test]
    fn what_cannot_be_meant_is_refused_without_telling_the_password() {
        for (url, error) in [
            ("mail.example.org", ConfigError::Url),
            ("smtp://", ConfigError::Url),
            (
                "https://mail.example.org",
                ConfigError::Scheme("https".to_owned()),
            ),
            ("smtp://mail.example.org/inbox", ConfigError::Rest),
            ("smtp://mail.example.org?tls=none", ConfigError::Rest),
            ("smtp://:hunter2@mail.example.org", ConfigError::Credentials),
            ("smtp://u:%zz@mail.example.org", ConfigError::Credentials),
            (
                "smtp://u:hunter2%0d%0aX@mail.example.org",
                ConfigError::Credentials,
            ),
            (
                "smtp+insecure://u:hunter2@relay.example.org",
                ConfigError::PasswordInTheClear,
            ),
        ] {
            let refused = read(url).err();
            assert!(!format!("{refused:?}").contains("hunter2"));
            assert_eq!(refused, Some(error), "{url}");
        }
    }

    #[test]
    fn users_and_passwords_are_percent_decoded() {
        let server = read("smtps://ana%40example.org:p%2Fw%20d%C3%A9@mail.example.org").unwrap();
        let (user, password) = server.credentials.unwrap();
        assert_eq!(
            (user.as_str(), password.expose_secret()),
            ("ana@example.org", "p/w dé")
        );
    }

    #[test]
    fn a_sender_is_an_address_with_or_without_a_name() {
        let good = |text| sender(text).unwrap().to_string();
        assert_eq!(good("studio@example.org"), "studio@example.org");
        assert_eq!(good("Studio <studio@example.org>"), "Studio <studio@example.org>");
        for bad in [
            "",
            "Studio",
            "Studio <studio>",
            "a@b.c\r\nBcc: d@e.f",
            "Studio\n <a@b.c>",
        ] {
            assert_eq!(sender(bad), Err(ConfigError::From), "{bad:?}");
        }
    }
}

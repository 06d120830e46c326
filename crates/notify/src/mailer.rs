//! Hands one message to the mail server and says what became of it. One call is one try; every wait is
//! bounded by a named timeout.

use crate::config::{Config, ConfigError, Protection, Server};
use crate::message::{Message, address, compose};
use lettre::Address;
use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, Certificate, CertificateStore, TlsParameters, TlsParametersBuilder,
};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use secrecy::ExposeSecret;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// How long each part of a try may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timeouts {
    /// Connection, greeting and TLS.
    pub connect: Duration,
    /// Login, and each command before the content.
    pub command: Duration,
    /// The content until the server has taken it. Long, because a message whose acceptance was not
    /// heard is sent again (RFC 5321 section 4.5.3.2.6 allows servers ten minutes).
    pub content: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(20),
            command: Duration::from_secs(30),
            content: Duration::from_secs(180),
        }
    }
}

/// How far a try came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// The server was not reached, or did not greet.
    Connect,
    /// The connection could not be protected.
    Protect,
    /// The user or password was refused.
    Login,
    /// The sender was refused.
    Sender,
    /// The recipient was refused.
    Recipient,
    /// The content was refused, or its acceptance was not heard.
    Content,
}

impl Stage {
    /// Its word in logs and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Protect => "protect",
            Self::Login => "login",
            Self::Sender => "sender",
            Self::Recipient => "recipient",
            Self::Content => "content",
        }
    }
}

/// Why a message did not get through: the stage and the server's code. The server's words are left
/// out, for they tell addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Problem {
    /// How far it came.
    pub stage: Stage,
    /// The server's reply code, if it replied.
    pub code: Option<u16>,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.stage.as_str())?;
        self.code.map_or(Ok(()), |code| write!(f, " {code}"))
    }
}

/// What became of one try.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The server took it over.
    Sent,
    /// It may work another time: the server cannot be reached, asks for patience, or is not set up right.
    Later {
        /// Why.
        reason: Problem,
    },
    /// It will not work for this message, however often it is tried.
    Never {
        /// Why.
        reason: Problem,
    },
}

/// Sends mail by one server.
#[derive(Clone)]
pub struct Mailer {
    server: Arc<Server>,
    tls: Option<TlsParameters>,
    hello: ClientId,
    timeouts: Timeouts,
}

impl std::fmt::Debug for Mailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let server = &self.server;
        write!(
            f,
            "Mailer({}:{}, {:?})",
            server.host, server.port, server.protection
        )
    }
}

impl Mailer {
    /// A mailer with this configuration. Nothing is connected yet.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn new(config: &Config, timeouts: Timeouts) -> Result<Self, ConfigError> {
        let server = Server::read(config)?;
        let tls = match server.protection {
            Protection::None => None,
            Protection::Tls | Protection::StartTls => {
                Some(tls(&server.host, config.authorities.as_deref()).ok_or(ConfigError::Authorities)?)
            }
        };
        Ok(Self {
            hello: ClientId::Domain(server.from.email.domain().to_owned()),
            server: Arc::new(server),
            tls,
            timeouts,
        })
    }

    /// Where mail is handed over, for people: `host:port`.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}:{}", self.server.host, self.server.port)
    }

    /// How the way there is protected.
    #[must_use]
    pub fn protection(&self) -> Protection {
        self.server.protection
    }

    /// Connects and logs in, and sends nothing.
    ///
    /// # Errors
    /// Where it stopped.
    pub async fn probe(&self) -> Result<(), Problem> {
        let mut connection = self.connect().await?;
        self.leave(&mut connection).await;
        Ok(())
    }

    /// Sends a message: one try, one outcome. `Sent` means that the server has taken it over. When the
    /// connection breaks after the content, the server may have taken it although this says `Later`.
    pub async fn send(&self, message: &Message) -> Outcome {
        let never = |stage| Outcome::Never {
            reason: Problem { stage, code: None },
        };
        let Some(to) = address(&message.to) else {
            return never(Stage::Recipient);
        };
        let Some(bytes) = compose(message, &self.server.from, &to) else {
            return never(Stage::Content);
        };
        let mut connection = match self.connect().await {
            Ok(connection) => connection,
            Err(reason) => return Outcome::Later { reason },
        };
        let outcome = self.hand_over(&mut connection, to, &bytes).await;
        self.leave(&mut connection).await;
        match outcome {
            Ok(()) => Outcome::Sent,
            // Before the recipient, a refusal is about how the studio is known to its server.
            Err(reason) => match (reason.stage, reason.code) {
                (Stage::Recipient | Stage::Content, Some(500..=599)) => Outcome::Never { reason },
                _ => Outcome::Later { reason },
            },
        }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, Problem> {
        let server = &self.server;
        let wrapped = self.tls.clone().filter(|_| server.protection == Protection::Tls);
        let place = (server.host.as_str(), server.port);
        let connecting = AsyncSmtpConnection::connect_tokio1(
            place,
            Some(self.timeouts.connect),
            &self.hello,
            wrapped,
            None,
        );
        // With TLS from the first byte, a certificate that is not trusted ends the connecting.
        let mut connection = within(self.timeouts.connect, connecting, |error| {
            if error.is_some_and(is_handshake) {
                Stage::Protect
            } else {
                Stage::Connect
            }
        })
        .await?;
        if let (Protection::StartTls, Some(tls)) = (server.protection, self.tls.clone()) {
            let protecting = connection.starttls(tls, &self.hello);
            within(self.timeouts.connect, protecting, |_| Stage::Protect).await?;
        }
        if let Some((user, password)) = &server.credentials {
            let credentials = Credentials::new(user.clone(), password.expose_secret().to_owned());
            let login = connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials);
            within(self.timeouts.command, login, |_| Stage::Login).await?;
        }
        Ok(connection)
    }

    async fn hand_over(
        &self,
        connection: &mut AsyncSmtpConnection,
        to: Address,
        bytes: &[u8],
    ) -> Result<(), Problem> {
        let wait = self.timeouts.command;
        let mut options = Vec::new();
        if !to.to_string().is_ascii() {
            // RFC 6531: such an address can be written to only by way of servers that say so.
            if !connection.server_info().supports_feature(Extension::SmtpUtfEight) {
                return Err(Problem {
                    stage: Stage::Recipient,
                    code: Some(553),
                });
            }
            options.push(MailParameter::SmtpUtfEight);
            options.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        let from = self.server.from.email.clone();
        let mail = connection.command(Mail::new(Some(from), options));
        within(wait, mail, |_| Stage::Sender).await?;
        let recipient = connection.command(Rcpt::new(to, Vec::new()));
        within(wait, recipient, |_| Stage::Recipient).await?;
        within(wait, connection.command(Data), |_| Stage::Content).await?;
        within(self.timeouts.content, connection.message(bytes), |_| {
            Stage::Content
        })
        .await
        .map(|_| ())
    }

    /// Says goodbye. What was taken over stays so whether or not the goodbye is heard.
    async fn leave(&self, connection: &mut AsyncSmtpConnection) {
        tokio::time::timeout(self.timeouts.command, connection.abort())
            .await
            .unwrap_or_default();
    }
}

async fn within<T>(
    wait: Duration,
    step: impl Future<Output = Result<T, SmtpError>>,
    stage: impl Fn(Option<&SmtpError>) -> Stage,
) -> Result<T, Problem> {
    match tokio::time::timeout(wait, step).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(Problem {
            stage: stage(Some(&error)),
            code: error.status().map(u16::from),
        }),
        Err(_) => Err(Problem {
            stage: stage(None),
            code: None,
        }),
    }
}

/// Whether the handshake of TLS is what failed: lettre wraps it as a connection's invalid input.
fn is_handshake(error: &SmtpError) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            return io.kind() == std::io::ErrorKind::InvalidData;
        }
        source = cause.source();
    }
    false
}

fn tls(host: &str, authorities: Option<&[u8]>) -> Option<TlsParameters> {
    let mut builder = TlsParametersBuilder::new(host.to_owned());
    if let Some(pem) = authorities {
        // A file without a certificate would trust nobody and fail only when mail is sent.
        let begins = b"-----BEGIN CERTIFICATE-----";
        pem.windows(begins.len()).find(|window| window == begins)?;
        let certificate = Certificate::from_pem(pem).ok()?;
        builder = builder
            .certificate_store(CertificateStore::None)
            .add_root_certificate(certificate);
    }
    builder.build().ok()
}

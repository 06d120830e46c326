//! Messages and mailers for tests.

use domain::id::MailId;
use domain::identity::Email;
use domain::time::Time;
use notify::{Config, Line, Mailer, Message, Timeouts};
use std::time::Duration;

/// Long enough for a busy machine, short enough for a server that says nothing.
pub const QUICK: Timeouts = Timeouts {
    connect: Duration::from_secs(20),
    command: Duration::from_secs(20),
    content: Duration::from_secs(20),
};

pub fn message(to: &str) -> Message {
    Message {
        id: MailId::from_value(0x0193_a4c1_0000_7000_8000_0000_0000_0007),
        to: Email::parse(to).unwrap(),
        subject: Line::new("Confirme seu endereço de e-mail: é você? 🌻").unwrap(),
        text:
            "Olá, Ana.\n\n.um ponto no começo da linha\n\nhttps://studio.example.org/verify-email#token=abc\n"
                .to_owned(),
        html: "<p>Olá, Ana.</p><p>.</p>".to_owned(),
        date: Time::from_micros(1_795_000_000_000_000),
    }
}

pub fn mailer(url: &str, authorities: Option<&str>, timeouts: Timeouts) -> Mailer {
    let config = Config {
        url: url.to_owned().into(),
        from: "Estúdio <studio@example.org>".to_owned(),
        authorities: authorities.map(|pem| pem.as_bytes().to_vec()),
    };
    Mailer::new(&config, timeouts).unwrap()
}

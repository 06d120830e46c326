//! Messages that leave the studio: e-mail over SMTP.
//!
//! It sends what it is given, once, and says what became of it; when to try again is for `app`. It is
//! the only crate that names lettre. May import: `domain`.
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")
)]

mod config;
mod mailer;
mod message;

pub use config::{Config, ConfigError, Protection};
pub use mailer::{Mailer, Outcome, Problem, Stage, Timeouts};
pub use message::{Line, MAX_LINE_CHARACTERS, Message, NotALine};

//! The outbox: letters are kept in the transaction that is their reason and sent by a worker.
//!
//! At least once: a process that ends between the server's taking a letter over and the note of it sends
//! the letter again when its lease runs out, under the same `Message-ID`. Nothing is lost while no mail
//! server is configured or reachable: letters wait until their link is over or [`MAX_TRIES`] are used up.

use super::letters::{self, Facts, Letter, LetterKind, Unwritable};
use crate::clock::{chance, random};
use crate::settings::Settings;
use crate::studio::{StartError, Studio};
use domain::actor::SystemScope;
use domain::id::MailId;
use domain::identity::Email;
use domain::retry::Backoff;
use domain::time::Time;
use notify::{Config, ConfigError, Mailer, Outcome, Problem, Stage, Timeouts};
use seal::{Context, SealingKey};
use std::sync::Arc;
use std::time::Duration;
use store::Tx;
use store::mails::{Counts, NewMail, Taken};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use vault::{KeyError, KeyProvider};
use zeroize::Zeroizing;

/// Letters that are on their way at once.
const AT_ONCE: u32 = 4;
/// How long a worker has a letter: longer than every wait of one try together.
const LEASE: Duration = Duration::from_secs(600);
/// The waits between tries.
const BACKOFF: Backoff = Backoff {
    base: Duration::from_secs(30),
    cap: Duration::from_secs(3600),
};
/// The most tries of one letter: with the waits above, between two and four days.
pub const MAX_TRIES: i64 = 100;
/// A letter that waited this long is not sent any more, nor kept: it is no news.
pub const LONGEST_WAIT: Duration = Duration::from_secs(8 * 24 * 3600);
/// How long a letter that went its way is remembered, without what it said.
pub const MEMORY: Duration = Duration::from_secs(30 * 24 * 3600);
/// The longest wait before the worker looks for letters of other processes.
const LONGEST_NAP: Duration = Duration::from_secs(10);

const POST: SystemScope = SystemScope { reason: "outbox" };

/// What the worker sends with.
pub(crate) struct Outbox {
    mailer: Option<Mailer>,
    /// The address of the studio in letters, without a slash at its end.
    place: Option<String>,
    /// Seals letters to addresses without an account.
    sealing: SealingKey,
    bell: Notify,
}

impl Outbox {
    pub(crate) fn new(keys: &dyn KeyProvider, settings: &Settings) -> Result<Self, StartError> {
        let place = settings.public_url.as_deref();
        let derived = keys.derive("mail")?;
        Ok(Self {
            mailer: mailer_of(&settings.identity)?,
            place: place.map(|place| place.trim_end_matches('/').to_owned()),
            sealing: SealingKey::new(1, Zeroizing::new(*derived.expose())),
            bell: Notify::new(),
        })
    }
}

/// What mail is sent with by these settings, if it is.
///
/// # Errors
/// [`ConfigError`], also when the file of authorities cannot be read.
pub fn mailer_of(settings: &super::Settings) -> Result<Option<Mailer>, ConfigError> {
    let Some(server) = &settings.mail else {
        return Ok(None);
    };
    let read = |path| std::fs::read(path).map_err(|_| ConfigError::Authorities);
    let config = Config {
        url: server.url.clone(),
        from: server.from.clone(),
        authorities: server.authorities.as_ref().map(read).transpose()?,
    };
    Mailer::new(&config, Timeouts::default()).map(Some)
}

/// A sealed letter, ready for [`put`].
#[derive(Clone, Debug)]
pub struct Envelope(NewMail);

/// What is sealed.
#[derive(serde::Serialize, serde::Deserialize)]
struct Content {
    to: String,
    locale: String,
    kind: LetterKind,
    link: Option<String>,
    good_until: Option<Time>,
    facts: Facts,
}

/// Puts a letter into the outbox, in the transaction that is its reason: it is sent if and only if that
/// is committed. Call [`Studio::ring_outbox`] afterwards.
///
/// # Errors
/// What the database says.
pub async fn put(tx: &mut Tx, envelope: &Envelope) -> Result<(), store::Error> {
    store::mails::insert(tx, &envelope.0).await
}

impl Studio {
    /// Seals a letter: under the key of the person it is about, or under the installation's where there
    /// is no account.
    ///
    /// # Errors
    /// If the key cannot be had.
    pub fn seal_letter(&self, letter: &Letter) -> Result<Envelope, KeyError> {
        let now = self.now();
        let id = MailId::new(now, random());
        let content = Content {
            to: letter.to.expose().to_owned(),
            locale: letter.locale.clone(),
            kind: letter.kind,
            link: letter.link.clone(),
            good_until: letter.good_until,
            facts: letter.facts.clone(),
        };
        let plain = serde_json::to_vec(&content).map(Zeroizing::new);
        let plain = plain.map_err(|_| KeyError::Damaged("letter".to_owned()))?;
        let object = id.to_string();
        let letter_sealed = match letter.user {
            Some(user) => self.keys.seal_small(&user.to_string(), &object, &plain)?,
            None => {
                let context = Context::new("mail", &object).map_err(KeyError::Seal)?;
                seal::encrypt_small(&self.outbox.sealing, &context, &plain).map_err(KeyError::Seal)?
            }
        };
        Ok(Envelope(NewMail {
            id,
            user: letter.user,
            kind: letter.kind.as_str().to_owned(),
            letter_sealed,
            created_at: now,
        }))
    }

    /// Whether letters are sent. Where they are not, administrators hand links over themselves.
    #[must_use]
    pub const fn sends_mail(&self) -> bool {
        self.outbox.mailer.is_some()
    }

    /// The address of one of our pages, such as `/reset#token=…`, for letters; the path alone while the
    /// studio does not know its address (`server.public_url`).
    #[must_use]
    pub fn page_link(&self, path: &str) -> String {
        format!("{}{path}", self.outbox.place.as_deref().unwrap_or_default())
    }

    /// Wakes the worker after a letter was committed.
    pub fn ring_outbox(&self) {
        self.outbox.bell.notify_one();
    }

    /// Sends letters until told to stop. What is on its way then comes to its end.
    pub async fn run_outbox(self: Arc<Self>, stop: CancellationToken) {
        loop {
            let mut more = true;
            while more && !stop.is_cancelled() {
                more = match self.deliver_due().await {
                    Ok(count) => count > 0,
                    Err(error) => {
                        tracing::error!(error = %error, "the outbox does not work; trying again");
                        false
                    }
                };
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.outbox.bell.notified() => {}
                () = tokio::time::sleep(LONGEST_NAP) => {}
            }
        }
    }

    /// Tries a few of the letters whose time has come, each once. Tells how many that were.
    ///
    /// # Errors
    /// What the database says. What was sent but could not be noted is sent again.
    pub async fn deliver_due(&self) -> Result<usize, store::Error> {
        let counts = self.mail_counts().await?;
        let now = self.now();
        let age = counts
            .oldest
            .map_or(0, |oldest| now.micros().saturating_sub(oldest.micros()));
        self.metrics.set_mails(counts.waiting, age / 1_000_000);
        let Some(mailer) = self.outbox.mailer.as_ref().filter(|_| counts.waiting > 0) else {
            return Ok(0);
        };
        let taken = self
            .db
            .write("outbox.take", move |tx| {
                Box::pin(store::mails::take(tx, POST, now, now.after(LEASE), AT_ONCE))
            })
            .await?;
        let tries = taken.iter().map(|taken| self.deliver(mailer, taken));
        for outcome in futures_util::future::join_all(tries).await {
            outcome?;
        }
        Ok(taken.len())
    }

    /// How many letters wait and how many were given up.
    ///
    /// # Errors
    /// What the database says.
    pub async fn mail_counts(&self) -> Result<Counts, store::Error> {
        self.db
            .read("outbox.counts", |read| Box::pin(store::mails::counts(read, POST)))
            .await
    }

    async fn deliver(&self, mailer: &Mailer, taken: &Taken) -> Result<(), store::Error> {
        let verdict = match self.message_of(taken) {
            Ok(message) => match mailer.send(&message).await {
                Outcome::Sent => Verdict::Sent,
                Outcome::Later { reason } => Verdict::Later(reason.to_string(), Some(reason)),
                Outcome::Never { reason } => Verdict::GiveUp(reason.to_string()),
            },
            Err(verdict) => verdict,
        };
        let verdict = match verdict {
            Verdict::Later(why, _) if taken.tries >= MAX_TRIES => Verdict::GiveUp(why),
            other => other,
        };
        self.note(taken, verdict).await
    }

    /// The message that a letter becomes, or what becomes of a letter that does not become one.
    fn message_of(&self, taken: &Taken) -> Result<notify::Message, Verdict> {
        let give_up = |why: &str| Verdict::GiveUp(why.to_owned());
        let place = self.outbox.place.as_deref();
        let place = place.ok_or_else(|| Verdict::Later("no public address".to_owned(), None))?;
        let letter = self.open_letter(taken).map_err(|error| match error {
            // The person was erased with their key, or the row was changed: no try will open it.
            KeyError::Destroyed | KeyError::Damaged(_) => give_up("unreadable"),
            _ => Verdict::Later("key".to_owned(), None),
        })?;
        let now = self.now();
        let is_old = now.since(taken.created_at) >= LONGEST_WAIT;
        if is_old || letter.good_until.is_some_and(|until| until <= now) {
            return Err(give_up("expired"));
        }
        letters::write(&letter, place, taken.id, taken.created_at).map_err(|error| {
            let (Unwritable::Text(_) | Unwritable::Fact | Unwritable::Link) = error;
            tracing::error!(mail = %taken.id, kind = taken.kind, error = %error, "a letter cannot be written");
            give_up("unwritable")
        })
    }

    fn open_letter(&self, taken: &Taken) -> Result<Letter, KeyError> {
        let object = taken.id.to_string();
        let damaged = || KeyError::Damaged("letter".to_owned());
        let plain = match taken.user {
            Some(user) => self
                .keys
                .open_small(&user.to_string(), &object, &taken.letter_sealed)?,
            None => {
                let context = Context::new("mail", &object).map_err(KeyError::Seal)?;
                seal::decrypt_small(&[&self.outbox.sealing], &context, &taken.letter_sealed)
                    .map_err(|_| damaged())?
            }
        };
        let content: Content = serde_json::from_slice(&plain).map_err(|_| damaged())?;
        Ok(Letter {
            user: taken.user,
            to: Email::parse(&content.to).map_err(|_| damaged())?,
            locale: content.locale,
            kind: content.kind,
            link: content.link,
            good_until: content.good_until,
            facts: content.facts,
        })
    }

    async fn note(&self, taken: &Taken, verdict: Verdict) -> Result<(), store::Error> {
        let (id, now, kept) = (taken.id, self.now(), taken.clone());
        let (kind, tries) = (&taken.kind, taken.tries);
        match verdict {
            Verdict::Sent => {
                self.metrics.mail("sent");
                tracing::info!(mail = %id, kind, tries, "letter sent");
                self.db
                    .write("outbox.sent", move |tx| {
                        Box::pin(store::mails::sent(tx, POST, id, now))
                    })
                    .await
            }
            Verdict::Later(why, reason) => {
                self.metrics.mail("later");
                if reason.is_some_and(|reason| !matches!(reason.stage, Stage::Recipient | Stage::Content)) {
                    tracing::warn!(mail = %id, kind, tries, problem = why, "the mail server does not take letters");
                } else {
                    tracing::info!(mail = %id, kind, tries, problem = why, "letter not sent yet");
                }
                let failures = u32::try_from(tries).unwrap_or(u32::MAX);
                let due = now.after(BACKOFF.wait(failures, chance(), None));
                self.db
                    .write("outbox.later", move |tx| {
                        let (kept, why) = (kept.clone(), why.clone());
                        Box::pin(
                            async move { store::mails::later(tx, POST, &kept, due, &why).await.map(|_| ()) },
                        )
                    })
                    .await
            }
            Verdict::GiveUp(why) => {
                self.metrics.mail("given_up");
                tracing::error!(mail = %id, kind, tries, problem = why, "a letter was given up");
                self.db
                    .write("outbox.give_up", move |tx| {
                        let (kept, why) = (kept.clone(), why.clone());
                        Box::pin(
                            async move { store::mails::give_up(tx, POST, &kept, &why).await.map(|_| ()) },
                        )
                    })
                    .await
            }
        }
    }
}

/// What becomes of a letter after a try.
enum Verdict {
    Sent,
    Later(String, Option<Problem>),
    GiveUp(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_longer_than_a_whole_try() {
        let Timeouts {
            connect,
            command,
            content,
        } = Timeouts::default();
        // Connection and STARTTLS; login, sender, recipient, start of the content and the goodbye.
        assert!(connect * 2 + command * 5 + content < LEASE);
    }

    #[test]
    fn tries_go_on_for_days() {
        let total = |chance| -> Duration {
            (1..u32::try_from(MAX_TRIES).unwrap())
                .map(|failures| BACKOFF.wait(failures, chance, None))
                .sum()
        };
        assert!(total(0) > Duration::from_secs(46 * 3600), "{:?}", total(0));
        assert!(total(u64::MAX) < Duration::from_secs(5 * 24 * 3600));
    }
}

//! Letters to people about their accounts: short, plain, one link, no tracking, in the person's language.
//! A notice tells what happened and never carries anything that lets someone in.

use domain::id::{MailId, UserId};
use domain::identity::Email;
use domain::time::Time;
use notify::{Line, Message};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// What a letter is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LetterKind {
    /// A link that shows that the address is read.
    VerifyEmail,
    /// A link to choose a new password.
    ResetPassword,
    /// A link to become a member.
    Invitation,
    /// Notice: an account that was there became a member.
    AddedToWorkspace,
    /// Notice: a login from a browser or program that was not known.
    NewDevice,
    /// Notice: a factor was added, removed or used up.
    FactorChanged,
    /// Notice: a refresh token was used twice and its session was ended.
    TokenReused,
    /// Notice: a password was set.
    PasswordChanged,
    /// Notice: an API key was made.
    ApiKeyMade,
    /// Notice: someone tried to register an address that has an account.
    AlreadyRegistered,
}

impl LetterKind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[
        Self::VerifyEmail,
        Self::ResetPassword,
        Self::Invitation,
        Self::AddedToWorkspace,
        Self::NewDevice,
        Self::FactorChanged,
        Self::TokenReused,
        Self::PasswordChanged,
        Self::ApiKeyMade,
        Self::AlreadyRegistered,
    ];

    /// Its word in the database, in logs and in the catalogues.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_password",
            Self::Invitation => "invitation",
            Self::AddedToWorkspace => "added_to_workspace",
            Self::NewDevice => "new_device",
            Self::FactorChanged => "factor_changed",
            Self::TokenReused => "token_reused",
            Self::PasswordChanged => "password_changed",
            Self::ApiKeyMade => "api_key_made",
            Self::AlreadyRegistered => "already_registered",
        }
    }

    /// The page that a notice links to. The other kinds bring a link of their own.
    #[must_use]
    pub const fn page(self) -> Option<&'static str> {
        match self {
            Self::VerifyEmail | Self::ResetPassword | Self::Invitation => None,
            Self::AddedToWorkspace => Some("/"),
            Self::NewDevice
            | Self::FactorChanged
            | Self::TokenReused
            | Self::PasswordChanged
            | Self::ApiKeyMade => Some("/me/security"),
            Self::AlreadyRegistered => Some("/login"),
        }
    }
}

/// What changed about the factors of an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactorChange {
    /// A passkey was added.
    PasskeyAdded,
    /// A passkey was removed.
    PasskeyRemoved,
    /// One-time codes were turned on.
    TotpAdded,
    /// One-time codes were turned off.
    TotpRemoved,
    /// A set of recovery codes was made.
    RecoveryCodesMade,
    /// A recovery code was used up.
    RecoveryCodeUsed,
}

impl FactorChange {
    /// Every change.
    pub const ALL: &'static [Self] = &[
        Self::PasskeyAdded,
        Self::PasskeyRemoved,
        Self::TotpAdded,
        Self::TotpRemoved,
        Self::RecoveryCodesMade,
        Self::RecoveryCodeUsed,
    ];

    const fn key(self) -> &'static str {
        match self {
            Self::PasskeyAdded => "factor_changed.what.passkey_added",
            Self::PasskeyRemoved => "factor_changed.what.passkey_removed",
            Self::TotpAdded => "factor_changed.what.totp_added",
            Self::TotpRemoved => "factor_changed.what.totp_removed",
            Self::RecoveryCodesMade => "factor_changed.what.recovery_codes_made",
            Self::RecoveryCodeUsed => "factor_changed.what.recovery_code_used",
        }
    }
}

/// What a letter's text may tell. What a kind does not tell stays `None`.
#[derive(Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Facts {
    /// What the person is called.
    pub name: Option<String>,
    /// When it happened.
    pub at: Option<Time>,
    /// The browser, in a few words.
    pub device: Option<String>,
    /// The coarse network.
    pub network: Option<String>,
    /// The workspace's name.
    pub workspace: Option<String>,
    /// What changed about the factors.
    pub what: Option<FactorChange>,
    /// Whether the link works only in the browser in which it was asked for.
    pub same_browser: bool,
}

impl std::fmt::Debug for Facts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[facts]")
    }
}

/// A letter to one person. Prints its kind alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Letter {
    /// Whose account it is about. It is sealed under this person's key.
    pub user: Option<UserId>,
    /// To whom.
    pub to: Email,
    /// The person's language, as the account keeps it.
    pub locale: String,
    /// What it is about.
    pub kind: LetterKind,
    /// The whole link with its token, for the kinds that bring one. Notices carry none.
    pub link: Option<String>,
    /// Until when the link is good. Later the letter is not sent any more.
    pub good_until: Option<Time>,
    /// What its text tells.
    pub facts: Facts,
}

impl std::fmt::Debug for Letter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Letter({})", self.kind.as_str())
    }
}

/// Why a letter cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unwritable {
    /// A text is missing in a catalogue.
    #[error("the text `{0}` is missing")]
    Text(&'static str),
    /// The text tells something that the letter does not bring.
    #[error("a letter lacks what its text tells")]
    Fact,
    /// It has no link, or a notice has one.
    #[error("a letter has no link, or a notice has one")]
    Link,
}

type Texts = BTreeMap<String, String>;

static PORTUGUESE: LazyLock<Texts> =
    LazyLock::new(|| read(include_str!("../../../../locales/mail/pt-BR.json")));
static ENGLISH: LazyLock<Texts> = LazyLock::new(|| read(include_str!("../../../../locales/mail/en.json")));

/// A catalogue. One that cannot be read is empty, which a test excludes.
fn read(text: &str) -> Texts {
    serde_json::from_str(text).unwrap_or_default()
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Language {
    Portuguese,
    English,
}

impl Language {
    fn of(locale: &str) -> Self {
        if locale.to_ascii_lowercase().starts_with("pt") {
            Self::Portuguese
        } else {
            Self::English
        }
    }

    const fn tag(self) -> &'static str {
        match self {
            Self::Portuguese => "pt-BR",
            Self::English => "en",
        }
    }

    fn texts(self) -> &'static Texts {
        match self {
            Self::Portuguese => &PORTUGUESE,
            Self::English => &ENGLISH,
        }
    }

    fn time(self, time: Time) -> Option<String> {
        let format = match self {
            Self::Portuguese => "%d/%m/%Y %H:%M UTC",
            Self::English => "%Y-%m-%d %H:%M UTC",
        };
        let instant = jiff::Timestamp::from_microsecond(time.micros()).ok()?;
        Some(instant.strftime(format).to_string())
    }
}

/// Writes a letter. `place` is the address of the studio, without a slash at its end.
pub(crate) fn write(letter: &Letter, place: &str, id: MailId, now: Time) -> Result<Message, Unwritable> {
    let writer = Writer {
        letter,
        language: Language::of(&letter.locale),
    };
    let link = match (letter.kind.page(), &letter.link) {
        (Some(page), None) => format!("{place}{page}"),
        (None, Some(link)) => link.clone(),
        _ => return Err(Unwritable::Link),
    };
    let kind = letter.kind.as_str();
    // Before an address is proved, its name is what somebody else wrote: no way to send a stranger a text.
    let is_proved = !matches!(letter.kind, LetterKind::VerifyEmail | LetterKind::Invitation);
    let greeting = if is_proved && letter.facts.name.is_some() {
        writer.text("greeting_named")?
    } else {
        writer.text("greeting")?
    };
    let text = if letter.facts.same_browser && letter.kind == LetterKind::ResetPassword {
        writer.text("reset_password.text_same_browser")?
    } else {
        writer.text(&format!("{kind}.text"))?
    };
    let after = writer.text(&format!("{kind}.after"))?;
    let action = writer.text(&format!("{kind}.action"))?;
    let footer = writer.text("footer")?;
    let subject = writer.text(&format!("{kind}.subject"))?;
    Ok(Message {
        id,
        to: letter.to.clone(),
        subject: Line::new(&subject).map_err(|_| Unwritable::Text("subject"))?,
        text: format!("{greeting}\n\n{text}\n\n{link}\n\n{after}\n\n-- \n{footer}\n"),
        html: html(
            writer.language,
            &[&greeting, &text],
            (&link, &action),
            &[&after, &footer],
        ),
        date: now,
    })
}

struct Writer<'l> {
    letter: &'l Letter,
    language: Language,
}

impl Writer<'_> {
    fn text(&self, key: &str) -> Result<String, Unwritable> {
        let text = self.language.texts().get(key).ok_or(Unwritable::Text("text"))?;
        let mut filled = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some((before, tail)) = rest.split_once('{') {
            let (name, tail) = tail.split_once('}').ok_or(Unwritable::Text("text"))?;
            filled.push_str(before);
            filled.push_str(&self.fact(name).ok_or(Unwritable::Fact)?);
            rest = tail;
        }
        filled.push_str(rest);
        Ok(filled)
    }

    fn fact(&self, name: &str) -> Option<String> {
        let facts = &self.letter.facts;
        match name {
            "name" => facts.name.as_deref().map(one_line),
            "at" => self.language.time(facts.at?),
            "until" => self.language.time(self.letter.good_until?),
            "device" => facts.device.as_deref().map(one_line),
            "network" => facts.network.as_deref().map(one_line),
            "workspace" => facts.workspace.as_deref().map(one_line),
            "what" => self.language.texts().get(facts.what?.key()).cloned(),
            _ => None,
        }
    }
}

/// What somebody else wrote, without line breaks and anything that a mail program might take for an
/// address to open.
fn one_line(text: &str) -> String {
    let text: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    text.replace("://", ": //").replace("www.", "www .")
}

fn html(language: Language, before: &[&str], (link, action): (&str, &str), after: &[&str]) -> String {
    let paragraph = |text: &&str| format!("<p>{}</p>\n", escaped(text));
    let paragraphs = |texts: &[&str]| texts.iter().map(paragraph).collect::<String>();
    format!(
        "<!doctype html>\n<html lang=\"{}\">\n<body>\n{}<p><a href=\"{}\">{}</a></p>\n{}</body>\n</html>\n",
        language.tag(),
        paragraphs(before),
        escaped(link),
        escaped(action),
        paragraphs(after)
    )
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const NOW: Time = Time::from_micros(1_795_000_000_000_000);
    const TOKEN: &str = "https://studio.example.org/reset#token=s3cret&x=<1>";

    fn letter(kind: LetterKind, locale: &str) -> Letter {
        Letter {
            user: None,
            to: Email::parse("ana@example.org").unwrap(),
            locale: locale.to_owned(),
            kind,
            link: kind.page().is_none().then(|| TOKEN.to_owned()),
            good_until: Some(NOW),
            facts: Facts {
                name: Some("Ana <b>Lúcia</b>\r\nhttps://evil.example".to_owned()),
                at: Some(NOW),
                device: Some("Firefox (Linux)".to_owned()),
                network: Some("192.0.2.0/24".to_owned()),
                workspace: Some("Estúdio \"A\" & B".to_owned()),
                what: Some(FactorChange::PasskeyAdded),
                same_browser: false,
            },
        }
    }

    fn written(letter: &Letter) -> Message {
        write(letter, "https://studio.example.org", MailId::from_value(7), NOW).unwrap()
    }

    #[test]
    fn both_catalogues_say_the_same_things() {
        let names = |text: &str| -> BTreeSet<String> {
            text.split('{')
                .skip(1)
                .map(|rest| rest.split('}').next().unwrap().to_owned())
                .collect()
        };
        assert!(PORTUGUESE.len() > 40);
        assert_eq!(
            PORTUGUESE.keys().collect::<Vec<_>>(),
            ENGLISH.keys().collect::<Vec<_>>()
        );
        for (key, text) in &*PORTUGUESE {
            assert_eq!(names(text), names(&ENGLISH[key]), "{key}");
            assert!(!text.trim().is_empty() && !ENGLISH[key].trim().is_empty());
        }
    }

    #[test]
    fn no_text_is_without_use() {
        let mut used: BTreeSet<String> = [
            "greeting",
            "greeting_named",
            "footer",
            "reset_password.text_same_browser",
        ]
        .map(str::to_owned)
        .into();
        for kind in LetterKind::ALL {
            for part in ["subject", "text", "action", "after"] {
                used.insert(format!("{}.{part}", kind.as_str()));
            }
        }
        used.extend(FactorChange::ALL.iter().map(|change| change.key().to_owned()));
        assert_eq!(PORTUGUESE.keys().cloned().collect::<BTreeSet<_>>(), used);
    }

    #[test]
    fn every_letter_is_whole_in_both_languages_and_links_once() {
        for locale in ["pt-BR", "en", "fr"] {
            for kind in LetterKind::ALL {
                let letter = letter(*kind, locale);
                let message = written(&letter);
                for text in [&message.text, &message.html] {
                    assert!(!text.contains('{') && !text.contains('}'), "{kind:?} {text}");
                    assert_eq!(text.matches("https://").count(), 1, "{kind:?} {text}");
                }
                assert!(!message.text.contains('\r') && !message.html.contains("<b>"));
                // Before an address is proved, its name is what somebody else wrote.
                let named = !matches!(kind, LetterKind::VerifyEmail | LetterKind::Invitation);
                assert_eq!(message.text.contains("Ana"), named, "{kind:?}");
                let link = letter
                    .link
                    .unwrap_or_else(|| format!("https://studio.example.org{}", kind.page().unwrap()));
                assert!(message.text.contains(&format!("\n\n{link}\n\n")));
                assert!(message.html.contains(&format!("href=\"{}\"", escaped(&link))));
            }
        }
    }

    #[test]
    fn a_notice_carries_nothing_that_lets_someone_in() {
        for kind in LetterKind::ALL.iter().filter(|kind| kind.page().is_some()) {
            assert!(!written(&letter(*kind, "en")).text.contains("token"));
            let with_link = Letter {
                link: Some(TOKEN.to_owned()),
                ..letter(*kind, "en")
            };
            assert_eq!(
                write(&with_link, "", MailId::from_value(7), NOW).unwrap_err(),
                Unwritable::Link
            );
        }
        let without = Letter {
            link: None,
            ..letter(LetterKind::ResetPassword, "en")
        };
        assert_eq!(
            write(&without, "", MailId::from_value(7), NOW).unwrap_err(),
            Unwritable::Link
        );
    }

    #[test]
    fn a_letter_that_lacks_a_fact_is_not_written() {
        let lacking = Letter {
            facts: Facts::default(),
            ..letter(LetterKind::NewDevice, "en")
        };
        assert_eq!(
            write(&lacking, "", MailId::from_value(7), NOW).unwrap_err(),
            Unwritable::Fact
        );
    }

    #[test]
    fn it_speaks_the_persons_language() {
        let text = |locale| written(&letter(LetterKind::NewDevice, locale)).text;
        assert!(text("pt-BR").contains("em 18/11/2026 11:06 UTC"));
        assert!(text("en").contains("at 2026-11-18 11:06 UTC"));
        assert_eq!(text("pt"), text("pt-BR"));
        let mut reset = letter(LetterKind::ResetPassword, "en");
        reset.facts.same_browser = true;
        assert!(
            written(&reset)
                .text
                .contains("in the browser it was asked for in")
        );
        assert_eq!(
            format!("{reset:?} {:?}", reset.facts),
            "Letter(reset_password) [facts]"
        );
    }
}

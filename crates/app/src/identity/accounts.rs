//! Accounts: how their addresses are found and their texts opened, what their owners see and change of
//! themselves, and which passwords they may choose.

use super::Settings;
use super::factors::{SecondFactor, second_factors};
use super::letters::{Facts, Letter, LetterKind};
use super::outbox::Envelope;
use crate::generations::record::Stamp;
use crate::studio::Studio;
use credentials::password::{HashError, Hasher, ListError, NotAPassword, Password, Pepper, Policy, Weak};
use domain::actor::{Actor, Via};
use domain::audit::Action;
use domain::id::UserId;
use domain::identity::{Email, Name, NotPersonal, Registration, Role};
use domain::rights;
use domain::time::Time;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use std::collections::BTreeMap;
pub use store::members::Membership;
use store::users::User;
use vault::{KeyError, KeyProvider};

/// Languages in which people are written to; the first is the default.
pub const LOCALES: &[&str] = &["pt-BR", "en"];
/// What texts of an account are sealed for.
const SEALED_EMAIL: &str = "email";
const SEALED_NAME: &str = "name";
/// The actor of entries about somebody who is not known.
const NOBODY: &str = "anonymous";

/// What accounts are found and checked with.
pub(crate) struct Accounts {
    index: vault::DerivedKey,
    pub(crate) hasher: Hasher,
    policy: Policy,
    pub(crate) setup: super::setup::Setup,
}

/// Why accounts cannot be looked after.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// A key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The operator's list of breached passwords.
    #[error("`auth.breach_list`: {0}")]
    List(#[from] ListError),
    /// There is no randomness.
    #[error(transparent)]
    Hash(#[from] HashError),
}

impl Accounts {
    pub(crate) fn new(settings: &Settings, keys: &dyn KeyProvider) -> Result<Self, AccountsError> {
        Ok(Self {
            index: keys.derive("email-index")?,
            hasher: Self::hasher(settings, keys)?,
            policy: Policy::new(
                settings.password_min,
                settings.password_min_with_factor,
                settings.breach_list.as_deref(),
            )?,
            setup: super::setup::Setup::default(),
        })
    }

    fn hasher(settings: &Settings, keys: &dyn KeyProvider) -> Result<Hasher, AccountsError> {
        let derived = Pepper::of(keys.derive("password-pepper")?.expose());
        // The first counts for new records; records under the others are renewed at the next login.
        let own = settings
            .pepper
            .as_ref()
            .map_or("", |pepper| pepper.expose_secret());
        let mut peppers: Vec<Pepper> = own
            .split_whitespace()
            .map(|pepper| Pepper::of(pepper.as_bytes()))
            .collect();
        peppers.push(derived);
        let newest = peppers.remove(0);
        Ok(Hasher::new(
            newest,
            peppers,
            settings.hash_permits,
            settings.hash_queue,
        )?)
    }

    /// By what the account of an address is found: a keyed hash, so that the database does not tell which
    /// addresses it knows.
    pub(crate) fn index_of(&self, normalised: &str) -> String {
        // HMAC takes keys of every length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.index.expose()) else {
            return String::new();
        };
        mac.update(normalised.as_bytes());
        data_encoding::HEXLOWER.encode(&mac.finalize().into_bytes())
    }
}

/// What an account is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountTexts {
    /// Its address.
    pub email: Email,
    /// Its owner's name.
    pub name: Name,
}

/// Why a password is not taken.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// It is no password at all.
    #[error(transparent)]
    Form(#[from] NotAPassword),
    /// It is too easy to guess.
    #[error("{0}")]
    Weak(Weak),
    /// The operator's list cannot be read.
    #[error(transparent)]
    List(#[from] ListError),
    /// It could not be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
}

/// Why an account was not shown or changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// It is gone.
    #[error("there is no such account")]
    NotFound,
    /// A name or address.
    #[error(transparent)]
    Personal(#[from] NotPersonal),
    /// A language that is not spoken here.
    #[error("choose one of {}", LOCALES.join(", "))]
    Locale,
    /// The password.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// Only a session can be moved or kept.
    #[error("this needs a login, not a key")]
    SessionNeeded,
    /// They are no member of that workspace.
    #[error("there is no such workspace here")]
    NoWorkspace,
    /// The database.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A key.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Somebody as they see themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Me {
    /// Their id.
    pub id: UserId,
    /// Address and name.
    pub texts: AccountTexts,
    /// Their language.
    pub locale: String,
    /// Their role in the installation.
    pub role: Role,
    /// Where they act, with their role there.
    pub workspace: Membership,
    /// Every workspace they belong to.
    pub workspaces: Vec<Membership>,
    /// What they may do: `generations:create`, …
    pub rights: Vec<String>,
    /// Their second factors.
    pub second_factors: Vec<SecondFactor>,
    /// Until when a factor counts as fresh; for sessions.
    pub fresh_until: Option<Time>,
    /// `session`, `key` or `machine`.
    pub via: &'static str,
}

/// What the entrance pages need to know before anybody is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntrancePolicy {
    /// No administrator can log in yet.
    pub setup_needed: bool,
    /// Who may make an account.
    pub registration: Registration,
    /// Least characters of a password alone.
    pub password_min: usize,
    /// Least characters of a password beside a second factor.
    pub password_min_with_factor: usize,
    /// Whether mail is sent.
    pub mail: bool,
    /// Providers of logins: name in addresses, name for people.
    pub oidc: Vec<(String, String)>,
}

/// A language that is spoken here, the default if none was asked for.
pub(crate) fn locale_of(asked: Option<&str>) -> Result<String, AccountError> {
    let asked = asked.unwrap_or(LOCALES[0]);
    let known = LOCALES.iter().find(|locale| locale.eq_ignore_ascii_case(asked));
    known
        .map(|locale| (*locale).to_owned())
        .ok_or(AccountError::Locale)
}

impl Studio {
    /// By what the account of an address is found.
    pub(crate) fn email_index(&self, email: &Email) -> String {
        self.accounts.index_of(&email.normalised())
    }

    /// Address and name, sealed under the person's own key.
    pub(crate) fn seal_texts(
        &self,
        user: UserId,
        texts: &AccountTexts,
    ) -> Result<(Vec<u8>, Vec<u8>), KeyError> {
        let email = texts.email.expose().as_bytes();
        let email = self.keys.seal_small(&user.to_string(), SEALED_EMAIL, email)?;
        Ok((email, self.seal_account_name(user, &texts.name)?))
    }

    pub(crate) fn seal_account_name(&self, user: UserId, name: &Name) -> Result<Vec<u8>, KeyError> {
        let name = name.expose().as_bytes();
        self.keys.seal_small(&user.to_string(), SEALED_NAME, name)
    }

    /// Opens address and name of an account.
    ///
    /// # Errors
    /// If the person's key is gone, or what it opens is not what was sealed.
    pub(crate) fn open_texts(&self, user: &User) -> Result<AccountTexts, KeyError> {
        let owner = user.id.to_string();
        let open = |object: &str, sealed: &[u8]| self.keys.open_small(&owner, object, sealed);
        let damaged = || KeyError::Damaged(owner.clone());
        let email = open(SEALED_EMAIL, &user.email_sealed)?;
        let name = open(SEALED_NAME, &user.name_sealed)?;
        let text = |bytes: &[u8]| {
            std::str::from_utf8(bytes)
                .map(str::to_owned)
                .map_err(|_| damaged())
        };
        Ok(AccountTexts {
            email: Email::parse(&text(&email)?).map_err(|_| damaged())?,
            name: Name::parse(&text(&name)?).map_err(|_| damaged())?,
        })
    }

    /// A letter to the owner of an account, ready for the outbox; `link` with the time it is good until.
    pub(crate) fn letter_to(
        &self,
        account: &User,
        kind: LetterKind,
        link: Option<(String, Time)>,
        facts: Facts,
    ) -> Result<Envelope, KeyError> {
        let texts = self.open_texts(account)?;
        let (link, good_until) = link.unzip();
        self.seal_letter(&Letter {
            user: Some(account.id),
            to: texts.email,
            locale: account.locale.clone(),
            kind,
            link,
            good_until,
            facts: Facts {
                name: Some(texts.name.expose().to_owned()),
                ..facts
            },
        })
    }

    /// The stamp of somebody who is only now finding their way in, or of nobody.
    pub(crate) fn stamp_at_entrance(&self, user: Option<UserId>, request_id: Option<&str>) -> Stamp {
        Stamp {
            now: self.now(),
            actor: user.map_or_else(
                || NOBODY.to_owned(),
                |user| self.private.pseudonym(&user.to_string()),
            ),
            request_id: request_id.map(str::to_owned),
        }
    }

    /// Takes a password by the policy.
    pub(crate) fn new_password(
        &self,
        text: &SecretString,
        with_factor: bool,
        texts: &AccountTexts,
    ) -> Result<Password, PasswordError> {
        let password = Password::parse(text.expose_secret())?;
        let domain = texts.email.expose().rsplit('@').next().unwrap_or("");
        let words = [texts.email.local_part(), domain, texts.name.expose()];
        match self.accounts.policy.check(&password, with_factor, &words)? {
            Some(weak) => Err(PasswordError::Weak(weak)),
            None => Ok(password),
        }
    }

    /// How long a password would have to be to stand alone, if it is shorter than that.
    pub(crate) fn too_short_alone(&self, password: &Password) -> Option<usize> {
        let least = self.accounts.policy.least(false);
        (password.characters() < least).then_some(least)
    }

    /// The number of password hashes so far: what logins cost, and for tests of what they must not tell.
    #[must_use]
    pub fn password_hashes(&self) -> u64 {
        self.accounts.hasher.calls()
    }

    /// The most password hashes that were computed at the same time.
    #[must_use]
    pub fn password_hashes_at_once(&self) -> usize {
        self.accounts.hasher.most_at_once()
    }

    /// Who may make an account. Where it is open and mail is not set up, letters wait in the outbox until
    /// it is.
    #[must_use]
    pub fn registration(&self) -> Registration {
        self.settings.identity.registration
    }

    /// What the entrance pages need to know.
    ///
    /// # Errors
    /// What the database says.
    pub async fn entrance_policy(&self) -> Result<EntrancePolicy, store::Error> {
        let is_set_up = self
            .db
            .read("accounts.is_set_up", |read| {
                Box::pin(store::users::is_set_up(read))
            })
            .await?;
        let settings = &self.settings.identity;
        let oidc = settings.oidc.iter();
        Ok(EntrancePolicy {
            setup_needed: !is_set_up,
            registration: self.registration(),
            password_min: settings.password_min,
            password_min_with_factor: settings.password_min_with_factor,
            mail: settings.mail.is_some(),
            oidc: oidc
                .map(|provider| (provider.name.clone(), provider.title.clone()))
                .collect(),
        })
    }

    /// The caller as they see themselves.
    ///
    /// # Errors
    /// [`AccountError::NotFound`] for commands that run without an account.
    pub async fn me(&self, actor: &Actor) -> Result<Me, AccountError> {
        let (id, here) = (actor.user(), actor.workspace());
        let (user, workspaces, second_factors) = self
            .db
            .read("accounts.me", move |read| {
                Box::pin(async move {
                    let user = store::users::find(read, id).await?;
                    let workspaces = store::members::of_user(read, id).await?;
                    let factors = second_factors(read, id).await?;
                    Ok::<_, store::Error>((user, workspaces, factors))
                })
            })
            .await?;
        let user = user.ok_or(AccountError::NotFound)?;
        let workspace = workspaces.iter().find(|of| of.workspace == here).cloned();
        let (fresh_until, via) = match actor.via() {
            Via::Session { fresh_at, .. } => {
                (Some(fresh_at.after(self.settings.identity.step_up)), "session")
            }
            Via::Key { .. } => (None, "key"),
            Via::Machine => (None, "machine"),
        };
        Ok(Me {
            id,
            texts: self.open_texts(&user)?,
            locale: user.locale,
            role: user.role,
            workspace: workspace.ok_or(AccountError::NoWorkspace)?,
            workspaces,
            rights: rights_of(actor),
            second_factors,
            fresh_until,
            via,
        })
    }

    /// Changes what the caller says of themselves.
    ///
    /// # Errors
    /// [`AccountError::Personal`], [`AccountError::Locale`].
    pub async fn change_me(
        &self,
        actor: &Actor,
        name: Option<&str>,
        locale: Option<&str>,
        request_id: Option<&str>,
    ) -> Result<Me, AccountError> {
        let user = actor.user();
        let name = name.map(Name::parse).transpose()?;
        let name = name.map(|name| self.seal_account_name(user, &name)).transpose()?;
        let locale = locale.map(|locale| locale_of(Some(locale))).transpose()?;
        let stamp = Stamp::of(self, actor, request_id);
        let mut details = BTreeMap::new();
        for (what, changed) in [("name", name.is_some()), ("locale", locale.is_some())] {
            if changed {
                details.insert(what.to_owned(), "changed".to_owned());
            }
        }
        let entry = stamp.entry(None, Action::AccountChanged, user.to_string(), "ok", details);
        self.db
            .write("accounts.change", move |tx| {
                let (name, locale, entry) = (name.clone(), locale.clone(), entry.clone());
                let now = stamp.now;
                Box::pin(async move {
                    store::users::set_profile(tx, user, name.as_deref(), locale.as_deref(), now).await?;
                    store::audit::append(tx, &entry).await
                })
            })
            .await
            .map_err(gone)?;
        self.tell_bell.notify_one();
        self.me(actor).await
    }
}

/// Whoever is not there cannot be changed.
pub(crate) fn gone(error: store::Error) -> AccountError {
    match error {
        store::Error::Fenced => AccountError::NotFound,
        other => AccountError::Store(other),
    }
}

/// The words of everything an actor may do.
fn rights_of(actor: &Actor) -> Vec<String> {
    let lines = rights::TABLE.iter();
    lines
        .filter(|(object, action, _)| actor.may(*action, *object).is_ok())
        .map(|(object, action, _)| format!("{object}:{action}"))
        .collect()
}

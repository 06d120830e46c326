//! Making an account by oneself, where that is open, and proving that somebody reads at its address.
//!
//! Whether the address has an account is told to nobody but its owner, by letter: the answer is the same,
//! after the same number of password hashes. What a registration asks for is kept in its ticket until the
//! letter's link is used, so that nobody can lay a password under the account of somebody else who
//! registers later; and it is applied for whoever registered alone: in the browser in which that was done,
//! or with the password that was typed there. Who reads at the address need not be who typed it.

use super::accounts::{AccountError, AccountTexts, PasswordError, locale_of};
use super::letters::{Facts, LetterKind};
use super::outbox;
use super::setup::NewAccount;
use crate::clock::random;
use crate::studio::Studio;
use credentials::opaque::{self, Purpose};
use credentials::password::{Password, Verified};
use domain::audit::{Action, Entry};
use domain::id::UserId;
use domain::identity::{AccountState, Email, Name, NotPersonal, Registration, Role};
use domain::secret::TokenHash;
use domain::time::Time;
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;
use std::time::Duration;
use store::Tx;
use store::tickets::{self, Kind, Ticket};
use store::users::User;
use vault::KeyError;

/// Links of one kind that an account may have at once: the next one makes the oldest void, so that links
/// that somebody else asked for do not keep the owner's from coming.
pub const MAX_OPEN_LINKS: usize = 3;
/// Letters with a link of one kind to one address in [`LETTER_WINDOW`]: more are not written, so that nobody
/// is buried in them.
pub const MAX_LETTERS: i64 = 10;
/// In how long [`MAX_LETTERS`] are counted.
pub const LETTER_WINDOW: Duration = Duration::from_secs(3600);
/// Passwords that are compared for one link to verify an address; then it is void.
pub const MAX_PASSWORDS: i64 = 10;
/// What the content of a ticket is sealed for.
const SEALED_TICKET: &str = "ticket";

/// What somebody says who makes an account.
#[derive(Debug)]
pub struct NewRegistration {
    /// Their address.
    pub email: String,
    /// Their name.
    pub name: String,
    /// Their password.
    pub password: SecretString,
    /// Their language.
    pub locale: Option<String>,
    /// What ties the link to the browser in which they register.
    pub browser: Option<SecretString>,
    /// The request.
    pub request_id: Option<String>,
}

/// Somebody who opened the link of their registration.
#[derive(Debug)]
pub struct Verification {
    /// The link's token.
    pub token: SecretString,
    /// The password that the registration chose, where the link is opened in another browser.
    pub password: Option<SecretString>,
    /// What ties the link to the browser in which the registration was typed.
    pub browser: Option<SecretString>,
    /// The request.
    pub request_id: Option<String>,
}

/// Why no account was made or verified.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// Accounts are made by administrators or by invitation.
    #[error("accounts are made by invitation here; ask an administrator")]
    Closed,
    /// The link was used, is over, or never was.
    #[error("this link was used or is over; ask for another")]
    Ticket,
    /// The link was opened in another browser than its registration's, and the password of that is not
    /// there or not right.
    #[error("type the password you chose when you registered")]
    PasswordNeeded,
    /// Address or name.
    #[error(transparent)]
    Personal(#[from] NotPersonal),
    /// The language.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The password.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The database.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A key.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// What a registration asks for.
#[derive(serde::Serialize, serde::Deserialize)]
struct Wish {
    name: String,
    password: String,
    locale: String,
}

/// What a registration writes, computed outside the transaction.
#[derive(Clone)]
struct Writing {
    account: Option<NewAccount>,
    ticket: Ticket,
    /// None goes to a closed account.
    letter: Option<outbox::Envelope>,
    entry: Entry,
}

/// Makes room for another link: the oldest become void. `false` if there were letters enough; then nothing
/// is to be written.
pub(crate) async fn make_room(tx: &mut Tx, ticket: &Ticket) -> Result<bool, store::Error> {
    let (Some(user), kind, now) = (ticket.user, ticket.kind, ticket.created_at) else {
        return Ok(true);
    };
    let window = i64::try_from(LETTER_WINDOW.as_micros()).unwrap_or(i64::MAX);
    let since = Time::from_micros(now.micros().saturating_sub(window));
    if tickets::made_since(tx, user, kind, since).await? >= MAX_LETTERS {
        return Ok(false);
    }
    let open = tickets::open_of(tx, user, kind, now).await?;
    let over = (open.len() + 1).saturating_sub(MAX_OPEN_LINKS);
    for oldest in open.iter().take(over) {
        tickets::take(tx, kind, &oldest.hash, now).await?;
    }
    Ok(true)
}

/// The hash of what ties a link to a browser.
fn tie_of(browser: Option<&SecretString>) -> Option<TokenHash> {
    browser.map(|browser| TokenHash::of(browser.expose_secret()))
}

/// A ticket's secret and its hash.
pub(crate) fn fresh_ticket() -> (SecretString, TokenHash) {
    let secret = opaque::secret(Purpose::Ticket, &random());
    let hash = opaque::hash_of(&secret);
    (secret, hash)
}

/// The hash of a ticket as it came back.
pub(crate) fn shown_ticket(text: &SecretString) -> Option<TokenHash> {
    opaque::hash(Purpose::Ticket, text.expose_secret())
}

impl Studio {
    /// Makes an account that waits for its address to be verified; says nothing of whether it was new.
    ///
    /// # Errors
    /// [`RegisterError::Closed`], and what is wrong with what was typed.
    pub async fn register(&self, new: NewRegistration) -> Result<(), RegisterError> {
        if self.registration() != Registration::Open {
            return Err(RegisterError::Closed);
        }
        let texts = AccountTexts {
            email: Email::parse(&new.email)?,
            name: Name::parse(&new.name)?,
        };
        let locale = locale_of(new.locale.as_deref())?;
        let password = self.new_password(&new.password, false, &texts)?;
        let record = self
            .accounts
            .hasher
            .hash(&password)
            .await
            .map_err(PasswordError::Hash)?;
        let index = self.email_index(&texts.email);
        let known = self
            .db
            .read("register.look", move |read| {
                Box::pin(async move { store::users::find_by_email_index(read, &index).await })
            })
            .await?;
        let wish = Wish {
            name: texts.name.expose().to_owned(),
            password: record,
            locale: locale.clone(),
        };
        let writing = match known {
            None => {
                let mut account = self.new_account(&texts, locale, Role::User, None)?;
                account.user.state = AccountState::Pending;
                let user = account.user.clone();
                self.asking(&user, Some(account), &wish, &new)?
            }
            Some(user) if user.state == AccountState::Pending => self.asking(&user, None, &wish, &new)?,
            Some(user) => self.reminding(&user, new.request_id.as_deref())?,
        };
        Ok(self.written(writing).await?)
    }

    /// Asks for the address to be verified.
    fn asking(
        &self,
        user: &User,
        account: Option<NewAccount>,
        wish: &Wish,
        new: &NewRegistration,
    ) -> Result<Writing, KeyError> {
        let good_until = self.now().after(self.settings.identity.ticket);
        let (secret, hash) = fresh_ticket();
        let content = serde_json::to_vec(wish).map_err(|_| KeyError::Damaged(SEALED_TICKET.to_owned()))?;
        let link = self.page_link(&format!("/verify-email#token={}", secret.expose_secret()));
        let letter = self.letter_to(
            user,
            LetterKind::VerifyEmail,
            Some((link, good_until)),
            Facts::default(),
        )?;
        let stamp = self.stamp_at_entrance(Some(user.id), new.request_id.as_deref());
        let outcome = if account.is_some() {
            "pending"
        } else {
            "asked_again"
        };
        let entry = stamp.entry(
            None,
            Action::AccountCreated,
            user.id.to_string(),
            outcome,
            BTreeMap::new(),
        );
        Ok(Writing {
            account,
            ticket: Ticket {
                browser: tie_of(new.browser.as_ref()),
                payload_sealed: Some(
                    self.keys
                        .seal_small(&user.id.to_string(), hash.as_str(), &content)?,
                ),
                ..self.ticket_of(user.id, Kind::VerifyEmail, hash)
            },
            letter: Some(letter),
            entry,
        })
    }

    /// A ticket of somebody that is good from now on.
    pub(crate) fn ticket_of(&self, user: UserId, kind: Kind, hash: TokenHash) -> Ticket {
        let now = self.now();
        Ticket {
            hash,
            kind,
            user: Some(user),
            browser: None,
            payload_sealed: None,
            created_at: now,
            expires_at: now.after(self.settings.identity.ticket),
            used_at: None,
            tries: 0,
        }
    }

    /// Reminds the owner of an account that there is one. A closed account gets no letter; what is computed
    /// and kept is the same, so that an answer takes as long.
    fn reminding(&self, user: &User, request_id: Option<&str>) -> Result<Writing, KeyError> {
        let letter = self.letter_to(user, LetterKind::AlreadyRegistered, None, Facts::default())?;
        let is_closed = user.state == AccountState::Disabled;
        let stamp = self.stamp_at_entrance(None, request_id);
        let entry = stamp.entry(
            None,
            Action::AccountCreated,
            user.id.to_string(),
            if is_closed { "disabled" } else { "exists" },
            BTreeMap::new(),
        );
        Ok(Writing {
            account: None,
            // Its secret is nobody's: it only counts how many of these letters are on their way.
            ticket: self.ticket_of(user.id, Kind::VerifyEmail, fresh_ticket().1),
            letter: (!is_closed).then_some(letter),
            entry,
        })
    }

    async fn written(&self, writing: Writing) -> Result<(), store::Error> {
        let done = self
            .db
            .write("register", move |tx| {
                let mut writing = writing.clone();
                Box::pin(async move {
                    if let Some(NewAccount { user, member }) = &writing.account {
                        store::users::insert(tx, user).await?;
                        store::members::insert(tx, member).await?;
                    }
                    if make_room(tx, &writing.ticket).await? {
                        tickets::insert(tx, &writing.ticket).await?;
                        if let Some(letter) = &writing.letter {
                            outbox::put(tx, letter).await?;
                        }
                    } else {
                        "not_sent".clone_into(&mut writing.entry.outcome);
                    }
                    store::audit::append(tx, &writing.entry).await
                })
            })
            .await;
        match done {
            // Two registrations of one address at once: the other one's letter is on its way.
            Err(store::Error::Conflict { constraint }) if constraint == "users_email" => Ok(()),
            done => {
                self.tell_bell.notify_one();
                self.ring_outbox();
                done
            }
        }
    }

    /// Opens the account whose link this is, with the password that its registration asked for, if it is
    /// who registered that asks.
    ///
    /// # Errors
    /// [`RegisterError::Ticket`]; [`RegisterError::PasswordNeeded`], which uses the link up only after
    /// [`MAX_PASSWORDS`] passwords.
    pub async fn verify_email(&self, asked: Verification) -> Result<(), RegisterError> {
        let request_id = asked.request_id.as_deref();
        let hash = shown_ticket(&asked.token).ok_or(RegisterError::Ticket)?;
        let (now, looked) = (self.now(), hash.clone());
        let found = self
            .db
            .read("register.ticket", move |read| {
                Box::pin(async move { tickets::find(read, Kind::VerifyEmail, &looked, now).await })
            })
            .await?;
        let ticket = found.ok_or(RegisterError::Ticket)?;
        let user = ticket.user.ok_or(RegisterError::Ticket)?;
        let wish = self.wish_of(user, &ticket)?.ok_or(RegisterError::Ticket)?;
        let is_its_browser = ticket.browser.is_some() && ticket.browser == tie_of(asked.browser.as_ref());
        if !is_its_browser {
            let typed = asked.password.as_ref().ok_or(RegisterError::PasswordNeeded)?;
            self.typed_at_registration(user, &ticket, &wish, typed, request_id)
                .await?;
        }
        let name = self.seal_account_name(user, &Name::parse(&wish.name)?)?;
        let stamp = self.stamp_at_entrance(Some(user), request_id);
        let object = user.to_string();
        let entry = stamp.entry(None, Action::AccountVerified, object, "ok", BTreeMap::new());
        let (password, locale) = (wish.password, wish.locale);
        self.db
            .write("register.verify", move |tx| {
                let (hash, entry) = (hash.clone(), entry.clone());
                let (name, password, locale) = (name.clone(), password.clone(), locale.clone());
                Box::pin(async move {
                    if tickets::take(tx, Kind::VerifyEmail, &hash, now).await?.is_none() {
                        return Err(RegisterError::Ticket);
                    }
                    tickets::revoke_of(tx, user, Kind::VerifyEmail, now).await?;
                    // An account that was opened or closed another way since keeps what it has.
                    let account = store::users::find(tx, user).await?;
                    if account.is_none_or(|account| account.state != AccountState::Pending)
                        || !store::users::verify_email(tx, user, now).await?
                    {
                        return Err(RegisterError::Ticket);
                    }
                    store::users::set_password(tx, user, Some(&password), false, now).await?;
                    store::users::set_profile(tx, user, Some(&name), Some(&locale), now).await?;
                    Ok(store::audit::append(tx, &entry).await?)
                })
            })
            .await?;
        self.tell_bell.notify_one();
        Ok(())
    }

    /// Whether this is the password of the registration. The try is counted before it is looked at, so that
    /// many at once are no more than [`MAX_PASSWORDS`].
    async fn typed_at_registration(
        &self,
        user: UserId,
        ticket: &Ticket,
        wish: &Wish,
        typed: &SecretString,
        request_id: Option<&str>,
    ) -> Result<(), RegisterError> {
        // What cannot be a password matches nothing.
        let typed = Password::parse(typed.expose_secret()).map_err(|_| RegisterError::PasswordNeeded)?;
        let (hash, now) = (ticket.hash.clone(), self.now());
        let is_open = self
            .db
            .write("register.try", move |tx| {
                let hash = hash.clone();
                Box::pin(async move {
                    tickets::count_try(tx, &hash, MAX_PASSWORDS + 1, now).await?;
                    let open = tickets::find(tx, Kind::VerifyEmail, &hash, now).await?;
                    Ok::<_, store::Error>(open.is_some())
                })
            })
            .await?;
        if !is_open {
            return Err(RegisterError::Ticket);
        }
        let hasher = &self.accounts.hasher;
        let verified = hasher.verify(Some(&wish.password), &typed).await;
        if verified.map_err(PasswordError::Hash)? != Verified::No {
            return Ok(());
        }
        let stamp = self.stamp_at_entrance(None, request_id);
        let object = user.to_string();
        let entry = stamp.entry(
            None,
            Action::AccountVerified,
            object,
            "wrong_password",
            BTreeMap::new(),
        );
        self.db
            .write("register.wrong", move |tx| {
                let entry = entry.clone();
                Box::pin(async move { store::audit::append(tx, &entry).await })
            })
            .await?;
        self.tell_bell.notify_one();
        Err(RegisterError::PasswordNeeded)
    }

    fn wish_of(&self, user: UserId, ticket: &Ticket) -> Result<Option<Wish>, KeyError> {
        let Some(sealed) = &ticket.payload_sealed else {
            return Ok(None);
        };
        let content = self
            .keys
            .open_small(&user.to_string(), ticket.hash.as_str(), sealed)?;
        let wish =
            serde_json::from_slice(&content).map_err(|_| KeyError::Damaged(SEALED_TICKET.to_owned()))?;
        Ok(Some(wish))
    }
}

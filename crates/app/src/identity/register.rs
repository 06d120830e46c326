//! Making an account by oneself, where that is open, and proving that somebody reads at its address.
//!
//! Whether the address has an account is told to nobody but its owner, by letter: the answer is the same,
//! after the same number of password hashes. What a registration asks for is kept in its ticket until the
//! letter's link is used, so that nobody can lay a password under the account of somebody else who
//! registers later.

use super::accounts::{AccountError, AccountTexts, PasswordError, locale_of};
use super::letters::{Facts, LetterKind};
use super::outbox;
use super::setup::NewAccount;
use crate::clock::random;
use crate::studio::Studio;
use credentials::opaque::{self, Purpose};
use domain::audit::{Action, Entry};
use domain::id::UserId;
use domain::identity::{AccountState, Email, Name, NotPersonal, Registration, Role};
use domain::secret::TokenHash;
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;
use store::tickets::{self, Kind, Ticket};
use store::users::User;
use vault::KeyError;

/// Links of one kind that an account may have at once: more are not written, so that nobody can be buried
/// in letters.
pub const MAX_OPEN_LINKS: usize = 3;
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
    letter: outbox::Envelope,
    entry: Entry,
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
        let now = self.now();
        let (known, open) = self
            .db
            .read("register.look", move |read| {
                Box::pin(async move {
                    let known = store::users::find_by_email_index(read, &index).await?;
                    let open = match &known {
                        Some(user) => tickets::open_of(read, user.id, Kind::VerifyEmail, now)
                            .await?
                            .len(),
                        None => 0,
                    };
                    Ok::<_, store::Error>((known, open))
                })
            })
            .await?;
        let wish = Wish {
            name: texts.name.expose().to_owned(),
            password: record,
            locale: locale.clone(),
        };
        let request_id = new.request_id.as_deref();
        let writing = match known {
            None => {
                let mut account = self.new_account(&texts, locale, Role::User, None)?;
                account.user.state = AccountState::Pending;
                let user = account.user.clone();
                Some(self.asking(&user, Some(account), &wish, request_id)?)
            }
            Some(user) if user.state == AccountState::Pending && open < MAX_OPEN_LINKS => {
                Some(self.asking(&user, None, &wish, request_id)?)
            }
            Some(user) if user.state == AccountState::Active && open < MAX_OPEN_LINKS => {
                Some(self.reminding(&user, request_id)?)
            }
            Some(_) => None,
        };
        if let Some(writing) = writing {
            self.written(writing).await?;
        }
        Ok(())
    }

    /// Asks for the address to be verified.
    fn asking(
        &self,
        user: &User,
        account: Option<NewAccount>,
        wish: &Wish,
        request_id: Option<&str>,
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
        let stamp = self.stamp_at_entrance(Some(user.id), request_id);
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
                payload_sealed: Some(
                    self.keys
                        .seal_small(&user.id.to_string(), hash.as_str(), &content)?,
                ),
                ..self.ticket_of(user.id, Kind::VerifyEmail, hash)
            },
            letter,
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

    /// Reminds the owner of an account that there is one.
    fn reminding(&self, user: &User, request_id: Option<&str>) -> Result<Writing, KeyError> {
        let letter = self.letter_to(user, LetterKind::AlreadyRegistered, None, Facts::default())?;
        let stamp = self.stamp_at_entrance(None, request_id);
        let entry = stamp.entry(
            None,
            Action::AccountCreated,
            user.id.to_string(),
            "exists",
            BTreeMap::new(),
        );
        Ok(Writing {
            account: None,
            // Its secret is nobody's: it only counts how many of these letters are on their way.
            ticket: self.ticket_of(user.id, Kind::VerifyEmail, fresh_ticket().1),
            letter,
            entry,
        })
    }

    async fn written(&self, writing: Writing) -> Result<(), store::Error> {
        let done = self
            .db
            .write("register", move |tx| {
                let writing = writing.clone();
                Box::pin(async move {
                    if let Some(NewAccount { user, member }) = &writing.account {
                        store::users::insert(tx, user).await?;
                        store::members::insert(tx, member).await?;
                    }
                    tickets::insert(tx, &writing.ticket).await?;
                    outbox::put(tx, &writing.letter).await?;
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

    /// Opens the account whose link this is, with the password that its registration asked for.
    ///
    /// # Errors
    /// [`RegisterError::Ticket`].
    pub async fn verify_email(
        &self,
        token: &SecretString,
        request_id: Option<&str>,
    ) -> Result<(), RegisterError> {
        let hash = shown_ticket(token).ok_or(RegisterError::Ticket)?;
        let now = self.now();
        let asked = hash.clone();
        let found = self
            .db
            .read("register.ticket", move |read| {
                Box::pin(async move { tickets::find(read, Kind::VerifyEmail, &asked, now).await })
            })
            .await?;
        let ticket = found.ok_or(RegisterError::Ticket)?;
        let user = ticket.user.ok_or(RegisterError::Ticket)?;
        let wish = self.wish_of(user, &ticket)?;
        let name = match &wish {
            Some(wish) => Some(self.seal_account_name(user, &Name::parse(&wish.name)?)?),
            None => None,
        };
        let (password, locale) = wish.map(|wish| (wish.password, wish.locale)).unzip();
        let stamp = self.stamp_at_entrance(Some(user), request_id);
        let entry = stamp.entry(
            None,
            Action::AccountVerified,
            user.to_string(),
            "ok",
            BTreeMap::new(),
        );
        self.db
            .write("register.verify", move |tx| {
                let (hash, entry) = (hash.clone(), entry.clone());
                let (name, password, locale) = (name.clone(), password.clone(), locale.clone());
                Box::pin(async move {
                    if tickets::take(tx, Kind::VerifyEmail, &hash, now).await?.is_none() {
                        return Err(RegisterError::Ticket);
                    }
                    tickets::revoke_of(tx, user, Kind::VerifyEmail, now).await?;
                    if store::users::verify_email(tx, user, now).await? {
                        if let Some(password) = &password {
                            store::users::set_password(tx, user, Some(password), false, now).await?;
                        }
                        store::users::set_profile(tx, user, name.as_deref(), locale.as_deref(), now).await?;
                    }
                    Ok(store::audit::append(tx, &entry).await?)
                })
            })
            .await?;
        self.tell_bell.notify_one();
        Ok(())
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

//! A new password: by its owner who is logged in, or by a link for somebody who forgot it. Neither takes a
//! second factor away.

use super::accounts::PasswordError;
use super::factors::{FactorError, SecondFactor, second_factors};
use super::letters::{Facts, LetterKind};
use super::outbox;
use super::recovery::{CodeOutcome, TypedCode};
use super::register::{fresh_ticket, make_room, shown_ticket};
use crate::generations::record::Stamp;
use crate::studio::Studio;
use credentials::password::Weak;
use domain::actor::Actor;
use domain::audit::{Action, Entry};
use domain::id::{SessionId, UserId};
use domain::identity::AccountState;
use domain::secret::TokenHash;
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;
use std::time::Duration;
use store::Tx;
use store::tickets::{self, Kind, Ticket};
use store::users::User;
use vault::KeyError;

/// Wrong codes after which a reset link is void.
const MAX_CODES: i64 = 10;
/// Why sessions end when a password is changed.
const WHY: &str = "password_changed";

/// A reset by link.
#[derive(Debug)]
pub struct Reset {
    /// The link's token.
    pub token: SecretString,
    /// The new password.
    pub password: SecretString,
    /// A one-time or recovery code, where codes are set up.
    pub code: Option<SecretString>,
    /// What ties the link to the browser in which it was asked for.
    pub browser: Option<SecretString>,
    /// The request.
    pub request_id: Option<String>,
}

/// Why no password was set.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// The link was used, is over, never was, or is of another browser.
    #[error("this link was used, is over, or was asked for in another browser; ask for another")]
    Ticket,
    /// Codes are set up: one is needed here too.
    #[error("a one-time code is needed")]
    SecondFactorNeeded(Vec<SecondFactor>),
    /// The code is wrong.
    #[error("the code is not right")]
    Wrong,
    /// Too many wrong codes.
    #[error("too many tries; try again in {} s", .retry_after.as_secs().max(1))]
    TooManyTries {
        /// When the next is looked at.
        retry_after: Duration,
    },
    /// The password.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// A factor could not be looked at.
    #[error(transparent)]
    Factor(#[from] FactorError),
    /// The database.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A key.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// What a new password writes, computed outside the transaction.
#[derive(Clone)]
struct Change {
    user: UserId,
    record: String,
    /// How long it would have to be to stand alone, if it is shorter than that.
    too_short_alone: Option<usize>,
    keep: Option<SessionId>,
    letter: outbox::Envelope,
    stamp: Stamp,
    entry: Entry,
}

impl Change {
    async fn write(&self, tx: &mut Tx) -> Result<(), ResetError> {
        let (user, now) = (self.user, self.stamp.now);
        let is_short = self.too_short_alone.is_some();
        store::users::set_password(tx, user, Some(&self.record), is_short, now).await?;
        // The second factor may have been removed since it was looked for. Removals wait for each other
        // and for this.
        if let Some(least) = self.too_short_alone
            && second_factors(tx, user).await?.is_empty()
        {
            return Err(PasswordError::Weak(Weak::TooShort { least }).into());
        }
        tickets::revoke_of(tx, user, Kind::ResetPassword, now).await?;
        store::audit::append(tx, &self.entry).await?;
        match self.keep {
            // The caller's own session goes on; the tokens of the others end with their sessions.
            Some(session) => Studio::end_other_sessions_of(tx, user, Some(session), WHY, &self.stamp).await?,
            None => Studio::end_all_sessions_of(tx, user, WHY, &self.stamp).await?,
        };
        Ok(outbox::put(tx, &self.letter).await?)
    }
}

enum Ended {
    Done,
    Ticket,
    Wrong,
    TooEarly(Duration),
}

impl Studio {
    /// Sends a reset link to the owner of an address, if there is one; says nothing of whether. `browser`
    /// ties the link to the browser that asks.
    ///
    /// # Errors
    /// What the database or a key says.
    pub async fn forgot_password(
        &self,
        email: &str,
        browser: Option<&SecretString>,
        request_id: Option<&str>,
    ) -> Result<(), ResetError> {
        let index = self.accounts.index_of(&email.trim().to_lowercase());
        let known = self
            .db
            .read("reset.look", move |read| {
                Box::pin(async move { store::users::find_by_email_index(read, &index).await })
            })
            .await?;
        let id = known.as_ref().map(|user| user.id);
        let user = known.filter(|user| user.state == AccountState::Active);
        let sent = user.map(|user| self.reset_link(&user, browser)).transpose()?;
        let stamp = self.stamp_at_entrance(None, request_id);
        let object = id.map_or_else(|| "unknown".to_owned(), |id| id.to_string());
        let entry = stamp.entry(
            None,
            Action::PasswordResetRequested,
            object,
            "not_sent",
            BTreeMap::new(),
        );
        self.db
            .write("reset.ask", move |tx| {
                let (sent, mut entry) = (sent.clone(), entry.clone());
                Box::pin(async move {
                    if let Some((ticket, letter)) = &sent
                        && make_room(tx, ticket).await?
                    {
                        tickets::insert(tx, ticket).await?;
                        outbox::put(tx, letter).await?;
                        "sent".clone_into(&mut entry.outcome);
                    }
                    store::audit::append(tx, &entry).await
                })
            })
            .await?;
        self.tell_bell.notify_one();
        self.ring_outbox();
        Ok(())
    }

    fn reset_link(
        &self,
        user: &User,
        browser: Option<&SecretString>,
    ) -> Result<(Ticket, outbox::Envelope), KeyError> {
        let (secret, hash) = fresh_ticket();
        let ticket = Ticket {
            browser: browser.map(|browser| TokenHash::of(browser.expose_secret())),
            ..self.ticket_of(user.id, Kind::ResetPassword, hash)
        };
        let link = self.page_link(&format!("/reset#token={}", secret.expose_secret()));
        let facts = Facts {
            same_browser: browser.is_some(),
            ..Facts::default()
        };
        let letter = self.letter_to(
            user,
            LetterKind::ResetPassword,
            Some((link, ticket.expires_at)),
            facts,
        )?;
        Ok((ticket, letter))
    }

    /// Sets a new password by a link. Second factors stay, and where codes are set up one is asked for.
    ///
    /// # Errors
    /// [`ResetError`]. A link is used up only by a new password.
    pub async fn reset_password(&self, reset: Reset) -> Result<(), ResetError> {
        let hash = shown_ticket(&reset.token).ok_or(ResetError::Ticket)?;
        let (ticket, user) = self.reset_ticket(&hash).await?;
        let shown = reset
            .browser
            .as_ref()
            .map(|browser| TokenHash::of(browser.expose_secret()));
        if ticket.browser.is_some() && ticket.browser != shown {
            return Err(ResetError::Ticket);
        }
        let factors = self.second_factors_of(user.id).await?;
        let code = self.reset_code(&user, &factors, &reset).await?;
        let change = self
            .change_of(&user, &reset.password, !factors.is_empty(), None, {
                self.stamp_at_entrance(Some(user.id), reset.request_id.as_deref())
            })
            .await?;
        let details = BTreeMap::from([("at".to_owned(), "password_reset".to_owned())]);
        let wrong = {
            let object = user.id.to_string();
            // Whoever typed it need not be the owner.
            let stamp = self.stamp_at_entrance(None, reset.request_id.as_deref());
            stamp.entry(None, Action::StepUpFailed, object, "wrong_code", details)
        };
        let ended = self
            .db
            .write("reset", move |tx| {
                let (hash, change, code) = (hash.clone(), change.clone(), code.clone());
                let wrong = wrong.clone();
                Box::pin(async move {
                    let now = change.stamp.now;
                    if let Some(code) = code {
                        match code.use_up(tx).await? {
                            CodeOutcome::Right(_) => {}
                            CodeOutcome::Wrong => {
                                tickets::count_try(tx, &hash, MAX_CODES, now).await?;
                                store::audit::append(tx, &wrong).await?;
                                return Ok::<_, ResetError>(Ended::Wrong);
                            }
                            CodeOutcome::TooEarly { retry_after } => return Ok(Ended::TooEarly(retry_after)),
                        }
                    }
                    if tickets::take(tx, Kind::ResetPassword, &hash, now)
                        .await?
                        .is_none()
                    {
                        return Ok(Ended::Ticket);
                    }
                    // Who opened the link reads at the address.
                    store::users::verify_email(tx, change.user, now).await?;
                    // A browser that somebody else made known lets nobody through a delay any more.
                    store::devices::forget_of(tx, change.user).await?;
                    change.write(tx).await?;
                    Ok(Ended::Done)
                })
            })
            .await?;
        self.password_changed(user.id);
        match ended {
            Ended::Done => Ok(()),
            Ended::Ticket => Err(ResetError::Ticket),
            Ended::Wrong => Err(ResetError::Wrong),
            Ended::TooEarly(retry_after) => Err(ResetError::TooManyTries { retry_after }),
        }
    }

    async fn reset_ticket(&self, hash: &TokenHash) -> Result<(Ticket, User), ResetError> {
        let (asked, now) = (hash.clone(), self.now());
        let found = self
            .db
            .read("reset.ticket", move |read| {
                Box::pin(async move {
                    let Some(ticket) = tickets::find(read, Kind::ResetPassword, &asked, now).await? else {
                        return Ok::<_, store::Error>(None);
                    };
                    let user = match ticket.user {
                        Some(user) => store::users::find(read, user).await?,
                        None => None,
                    };
                    Ok(user.map(|user| (ticket, user)))
                })
            })
            .await?;
        found
            .filter(|(_, user)| user.state != AccountState::Disabled)
            .ok_or(ResetError::Ticket)
    }

    async fn reset_code(
        &self,
        user: &User,
        factors: &[SecondFactor],
        reset: &Reset,
    ) -> Result<Option<TypedCode>, ResetError> {
        if !factors.contains(&SecondFactor::Totp) {
            return Ok(None);
        }
        let Some(code) = &reset.code else {
            return Err(ResetError::SecondFactorNeeded(factors.to_vec()));
        };
        let request_id = reset.request_id.as_deref();
        Ok(Some(
            self.typed_code(user.id, code.expose_secret(), request_id).await?,
        ))
    }

    async fn change_of(
        &self,
        user: &User,
        password: &SecretString,
        with_factor: bool,
        keep: Option<SessionId>,
        stamp: Stamp,
    ) -> Result<Change, ResetError> {
        let texts = self.open_texts(user)?;
        let password = self.new_password(password, with_factor, &texts)?;
        let too_short_alone = self.too_short_alone(&password);
        let record = self
            .accounts
            .hasher
            .hash(&password)
            .await
            .map_err(PasswordError::Hash)?;
        let facts = Facts {
            at: Some(stamp.now),
            ..Facts::default()
        };
        let id = user.id.to_string();
        Ok(Change {
            user: user.id,
            record,
            too_short_alone,
            keep,
            letter: self.letter_to(user, LetterKind::PasswordChanged, None, facts)?,
            entry: stamp.entry(None, Action::PasswordChanged, id, "ok", BTreeMap::new()),
            stamp,
        })
    }

    /// Sets the caller's own password and ends their other sessions.
    ///
    /// # Errors
    /// What is wrong with the password, and what the database says.
    pub async fn set_my_password(
        &self,
        actor: &Actor,
        password: &SecretString,
        request_id: Option<&str>,
    ) -> Result<(), ResetError> {
        let id = actor.user();
        let user = self
            .db
            .read("password.account", move |read| {
                Box::pin(store::users::find(read, id))
            })
            .await?
            .ok_or(store::Error::Fenced)?;
        let with_factor = !self.second_factors_of(id).await?.is_empty();
        let stamp = Stamp::of(self, actor, request_id);
        let change = self
            .change_of(&user, password, with_factor, actor.session(), stamp)
            .await?;
        self.db
            .write("password.change", move |tx| {
                let change = change.clone();
                Box::pin(async move { change.write(tx).await })
            })
            .await?;
        self.password_changed(id);
        Ok(())
    }

    fn password_changed(&self, user: UserId) {
        self.forget_standing(user);
        self.tell_bell.notify_one();
        self.ring_outbox();
    }
}

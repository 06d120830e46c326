//! Showing a factor again before something sensitive. The session is fresh for a while afterwards
//! ([`super::Settings::step_up`]).

use super::factors::{self, Doing, FactorError, SecondFactor};
use super::recovery::CodeOutcome;
use crate::studio::Studio;
use credentials::password::{Password, Verified};
use domain::actor::Actor;
use domain::audit::Action;
use domain::id::SessionId;
use domain::identity::Method;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use std::time::Duration;
use store::Tx;

/// How showing a factor ended, decided inside the transaction that notes it.
enum Ended {
    Shown,
    Wrong,
    TooEarly(Duration),
    SecondFactorNeeded(Vec<SecondFactor>),
    SessionOver,
}

impl Ended {
    fn answer(self) -> Result<(), FactorError> {
        match self {
            Self::Shown => Ok(()),
            Self::Wrong => Err(FactorError::Wrong),
            Self::TooEarly(retry_after) => Err(FactorError::TooManyTries { retry_after }),
            Self::SecondFactorNeeded(methods) => Err(FactorError::SecondFactorNeeded(methods)),
            Self::SessionOver => Err(FactorError::SessionOver),
        }
    }
}

/// The session that is to become fresh, and who it is of.
#[derive(Clone)]
struct Stepping {
    doing: Doing,
    session: SessionId,
}

impl Stepping {
    /// Makes the session fresh and notes by what.
    async fn shown(&self, tx: &mut Tx, method: Method) -> Result<Ended, store::Error> {
        let now = self.doing.stamp.now;
        let standing = store::sessions::standing(tx, self.session).await?;
        let Some(mut methods) = standing.map(|standing| standing.session.methods) else {
            return Ok(Ended::SessionOver);
        };
        if !methods.contains(&method) {
            methods.push(method);
        }
        if !store::sessions::show_factor(tx, self.session, &methods, now).await? {
            return Ok(Ended::SessionOver);
        }
        self.note(tx, Action::StepUpSucceeded, "ok", method.as_str())
            .await?;
        Ok(Ended::Shown)
    }

    async fn refused(&self, tx: &mut Tx, outcome: &str, factor: &str) -> Result<(), store::Error> {
        self.note(tx, Action::StepUpFailed, outcome, factor).await
    }

    async fn note(
        &self,
        tx: &mut Tx,
        action: Action,
        outcome: &str,
        factor: &str,
    ) -> Result<(), store::Error> {
        let entry = self
            .doing
            .entry(action, self.session.to_string(), outcome, factor);
        store::audit::append(tx, &entry).await
    }
}

impl Studio {
    fn stepping(&self, actor: &Actor, request_id: Option<&str>) -> Result<Stepping, FactorError> {
        Ok(Stepping {
            session: actor.session().ok_or(FactorError::SessionOver)?,
            doing: self.doing(actor, request_id),
        })
    }

    /// Shows a code: of the app, or a recovery code.
    ///
    /// # Errors
    /// [`FactorError::Wrong`], [`FactorError::TooManyTries`], [`FactorError::SessionOver`].
    pub async fn step_up_by_code(
        &self,
        actor: &Actor,
        code: &SecretString,
        request_id: Option<&str>,
    ) -> Result<(), FactorError> {
        let stepping = self.stepping(actor, request_id)?;
        let typed = self
            .typed_code(actor.user(), code.expose_secret(), request_id)
            .await?;
        let ended = self.db.write("step_up.code", move |tx| {
            let (stepping, typed) = (stepping.clone(), typed.clone());
            Box::pin(async move {
                Ok::<_, FactorError>(match typed.use_up(tx).await? {
                    CodeOutcome::Right(method) => stepping.shown(tx, method).await?,
                    CodeOutcome::Wrong => {
                        stepping.refused(tx, "wrong", "code").await?;
                        Ended::Wrong
                    }
                    CodeOutcome::TooEarly { retry_after } => {
                        stepping.refused(tx, "too_early", "code").await?;
                        Ended::TooEarly(retry_after)
                    }
                })
            })
        });
        self.stepped(actor, ended.await?)
    }

    /// Shows the password. Where a second factor is set that does not do.
    ///
    /// # Errors
    /// [`FactorError::SecondFactorNeeded`], and those of [`Studio::step_up_by_code`].
    pub async fn step_up_by_password(
        &self,
        actor: &Actor,
        password: &SecretString,
        request_id: Option<&str>,
    ) -> Result<(), FactorError> {
        let stepping = self.stepping(actor, request_id)?;
        let user = actor.user();
        let needed = self.second_factors_of(user).await?;
        if !needed.is_empty() {
            return Err(FactorError::SecondFactorNeeded(needed));
        }
        let typed = Password::parse(password.expose_secret()).map_err(|_| FactorError::Wrong)?;
        let begin = stepping.clone();
        let begun = self.db.write("step_up.password", move |tx| {
            let begin = begin.clone();
            Box::pin(async move {
                let begun = factors::begin_try(tx, user, begin.doing.stamp.now).await?;
                match begun {
                    // Counted as wrong until it is known to be right: hashing happens outside.
                    Ok(count) => factors::end_try(tx, user, count, false, begin.doing.stamp.now).await?,
                    Err(_) => begin.refused(tx, "too_early", Method::Password.as_str()).await?,
                }
                let account = store::users::find(tx, user).await?;
                let record = account.and_then(|account| account.password);
                Ok::<_, FactorError>(begun.map(|_| record))
            })
        });
        let record = match begun.await? {
            Ok(record) => record,
            Err(wait) => return Ended::TooEarly(wait).answer(),
        };
        let verified = self.accounts.hasher.verify(record.as_deref(), &typed).await?;
        let right = record.is_some() && verified != Verified::No;
        let ended = self.db.write("step_up.password", move |tx| {
            let stepping = stepping.clone();
            Box::pin(async move {
                if !right {
                    stepping.refused(tx, "wrong", Method::Password.as_str()).await?;
                    return Ok::<_, FactorError>(Ended::Wrong);
                }
                // One that was set up while the password was compared counts.
                let needed = factors::second_factors(tx, user).await?;
                if !needed.is_empty() {
                    return Ok(Ended::SecondFactorNeeded(needed));
                }
                store::factor_failures::clear(tx, user).await?;
                Ok(stepping.shown(tx, Method::Password).await?)
            })
        });
        self.stepped(actor, ended.await?)
    }

    /// Shows a passkey: ends what [`Studio::begin_passkey_step_up`] began.
    ///
    /// # Errors
    /// [`FactorError::Ticket`], [`FactorError::Passkey`], [`FactorError::SessionOver`].
    pub async fn step_up_by_passkey(
        &self,
        actor: &Actor,
        ticket: &str,
        answer: &Value,
        request_id: Option<&str>,
    ) -> Result<(), FactorError> {
        let stepping = self.stepping(actor, request_id)?;
        let checked = self.check_passkey_step_up(actor.user(), ticket, answer).await;
        let shown = match checked {
            Ok(shown) => shown,
            Err(FactorError::Passkey(error)) => {
                let noted = self.db.write("step_up.passkey", move |tx| {
                    let stepping = stepping.clone();
                    Box::pin(
                        async move { stepping.refused(tx, error.word(), Method::Passkey.as_str()).await },
                    )
                });
                noted.await?;
                self.tell_bell.notify_one();
                return Err(error.into());
            }
            Err(other) => return Err(other),
        };
        let ended = self.db.write("step_up.passkey", move |tx| {
            let (stepping, shown) = (stepping.clone(), shown.clone());
            Box::pin(async move {
                let now = stepping.doing.stamp.now;
                if !shown.keep(tx, now).await? {
                    stepping.refused(tx, "cloned", Method::Passkey.as_str()).await?;
                    return Ok::<_, FactorError>(Ended::Wrong);
                }
                store::factor_failures::clear(tx, shown.user()).await?;
                Ok(stepping.shown(tx, Method::Passkey).await?)
            })
        });
        self.stepped(actor, ended.await?)
    }

    fn stepped(&self, actor: &Actor, ended: Ended) -> Result<(), FactorError> {
        self.tell_bell.notify_one();
        // The next request of this session has to see that it is fresh.
        self.forget_standing(actor.user());
        ended.answer()
    }
}

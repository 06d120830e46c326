//! Recovery codes, and looking at a code that somebody typed: of the app, or one of these.

use super::factors::{self, Doing, FactorError};
use super::letters::FactorChange;
use super::outbox::{self, Envelope};
use super::totp::open_secret;
use crate::clock::random;
use crate::studio::Studio;
use credentials::recovery::{CODES, RecoveryCode};
use domain::actor::Actor;
use domain::audit::Action;
use domain::id::UserId;
use domain::identity::Method;
use domain::time::Time;
use std::time::Duration;
use store::Tx;

/// Label of the key under which codes are hashed.
const KEY: &str = "recovery-codes";
/// The word in audit entries and letters.
const FACTOR: &str = "recovery";

/// A new set: texts for its owner, hashes for the database.
pub(crate) struct Fresh {
    pub(crate) texts: Vec<String>,
    pub(crate) hashes: Vec<String>,
}

impl Fresh {
    pub(crate) fn make(studio: &Studio, user: UserId) -> Result<Self, vault::KeyError> {
        let codes: Vec<_> = (0..CODES).map(|_| RecoveryCode::new(random())).collect();
        let hashes = codes.iter().map(|code| hash(studio, user, code));
        Ok(Self {
            hashes: hashes.collect::<Result<_, _>>()?,
            texts: codes.iter().map(RecoveryCode::expose).collect(),
        })
    }
}

fn hash(studio: &Studio, user: UserId, code: &RecoveryCode) -> Result<String, vault::KeyError> {
    let key = studio.keys.derive(KEY)?;
    let hash = code.hash(key.expose(), user);
    hash.ok_or_else(|| vault::KeyError::Damaged(KEY.to_owned()))
}

/// How a code that was typed ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeOutcome {
    /// It was good, and is used up.
    Right(Method),
    /// It is wrong, or was used before.
    Wrong,
    /// It was not looked at: there were too many wrong ones.
    TooEarly {
        /// How long until the next is looked at.
        retry_after: Duration,
    },
}

/// A code that somebody typed, with everything computed that needs no transaction.
#[derive(Clone)]
pub(crate) struct TypedCode {
    user: UserId,
    now: Time,
    doing: Doing,
    step: Option<i64>,
    recovery: Option<(String, Envelope)>,
}

impl TypedCode {
    /// Uses the code up within the caller's transaction, which has to commit whatever the outcome: a
    /// wrong try counts. A recovery code that was good is in the audit log.
    pub(crate) async fn use_up(&self, tx: &mut Tx) -> Result<CodeOutcome, store::Error> {
        let count = match factors::begin_try(tx, self.user, self.now).await? {
            Ok(count) => count,
            Err(retry_after) => return Ok(CodeOutcome::TooEarly { retry_after }),
        };
        let method = self.match_one(tx).await?;
        factors::end_try(tx, self.user, count, method.is_some(), self.now).await?;
        Ok(method.map_or(CodeOutcome::Wrong, CodeOutcome::Right))
    }

    async fn match_one(&self, tx: &mut Tx) -> Result<Option<Method>, store::Error> {
        if let Some(step) = self.step
            && store::totp::accept_step(tx, self.user, step).await?
        {
            return Ok(Some(Method::Totp));
        }
        let Some((hash, letter)) = &self.recovery else {
            return Ok(None);
        };
        if !store::recovery_codes::use_up(tx, self.user, hash, self.now).await? {
            return Ok(None);
        }
        let user = self.user.to_string();
        let entry = self.doing.entry(Action::RecoveryCodeUsed, user, "ok", FACTOR);
        store::audit::append(tx, &entry).await?;
        outbox::put(tx, letter).await?;
        Ok(Some(Method::Recovery))
    }
}

impl Studio {
    /// Gets a typed code ready to be looked at in a transaction ([`TypedCode::use_up`]).
    pub(crate) async fn typed_code(
        &self,
        user: UserId,
        code: &str,
        request_id: Option<&str>,
    ) -> Result<TypedCode, FactorError> {
        let now = self.now();
        let kept = self
            .db
            .read("totp.find", move |read| Box::pin(store::totp::find(read, user)))
            .await?;
        let step = match kept.filter(|totp| totp.confirmed_at.is_some()) {
            Some(totp) => {
                open_secret(self, user, &totp.secret_sealed)?.matching_step(code, now, totp.last_step)
            }
            None => None,
        };
        let recovery = match RecoveryCode::parse(code) {
            Some(code) => {
                let letter = self.factor_notice(user, FactorChange::RecoveryCodeUsed).await?;
                Some((hash(self, user, &code)?, letter))
            }
            None => None,
        };
        let stamp = self.stamp_at_entrance(Some(user), request_id);
        Ok(TypedCode {
            user,
            now,
            doing: Doing { user, stamp },
            step,
            recovery,
        })
    }

    /// Hands out a new set of recovery codes; earlier ones are void.
    ///
    /// # Errors
    /// [`FactorError::NothingToRecover`] without a passkey or one-time codes.
    pub async fn new_recovery_codes(
        &self,
        actor: &Actor,
        request_id: Option<&str>,
    ) -> Result<Vec<String>, FactorError> {
        let doing = self.doing(actor, request_id);
        let (user, now) = (doing.user, doing.stamp.now);
        let codes = Fresh::make(self, user)?;
        let hashes = codes.hashes.clone();
        let letter = self.factor_notice(user, FactorChange::RecoveryCodesMade).await?;
        let made = self.db.write("recovery_codes.make", move |tx| {
            let (doing, hashes, letter) = (doing.clone(), hashes.clone(), letter.clone());
            Box::pin(async move {
                if factors::second_factors(tx, user).await?.is_empty() {
                    return Ok(false);
                }
                store::recovery_codes::replace(tx, user, &hashes, now).await?;
                let entry = doing.entry(Action::FactorAdded, user.to_string(), "ok", FACTOR);
                store::audit::append(tx, &entry).await?;
                outbox::put(tx, &letter).await?;
                Ok::<_, store::Error>(true)
            })
        });
        if !made.await? {
            return Err(FactorError::NothingToRecover);
        }
        self.told_of_factors();
        Ok(codes.texts)
    }
}

//! One-time codes of an app: setting them up, taking them away.

use super::factors::{self, FactorError};
use super::letters::FactorChange;
use super::{outbox, recovery};
use crate::clock::random;
use crate::studio::Studio;
use credentials::totp::{NO_STEP, Secret, TotpError};
use domain::actor::Actor;
use domain::audit::Action;
use domain::id::UserId;
use zeroize::Zeroizing;

/// The name of the secret among what is sealed under a person's key.
const SEALED_AS: &str = "totp";
/// The word in audit entries and letters.
const FACTOR: &str = "totp";
/// What apps show as the name of this installation.
const ISSUER: &str = "Secure AI Studio";

/// What an app needs, once.
pub struct TotpSetup {
    /// The secret as people type it.
    pub secret: Zeroizing<String>,
    /// The link that an app reads from a picture.
    pub link: Zeroizing<String>,
}

impl std::fmt::Debug for TotpSetup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[one-time code setup]")
    }
}

impl Studio {
    /// Begins to set up one-time codes. They are no factor until a code was shown
    /// ([`Studio::confirm_totp`]); beginning anew makes the earlier secret void.
    ///
    /// # Errors
    /// [`FactorError::Exists`] where they are set up already.
    pub async fn begin_totp(&self, actor: &Actor) -> Result<TotpSetup, FactorError> {
        let (user, now) = (actor.user(), self.now());
        let (texts, _) = self.texts_of(user).await?;
        let secret = Secret::new(random());
        let link = secret
            .link(ISSUER, texts.email.expose())
            .map_err(|_| FactorError::NotFound)?;
        let sealed = self
            .keys
            .seal_small(&user.to_string(), SEALED_AS, secret.expose())?;
        let begun = self.db.write("totp.begin", move |tx| {
            let sealed = sealed.clone();
            Box::pin(async move { store::totp::begin(tx, user, &sealed, now).await })
        });
        if !begun.await? {
            return Err(FactorError::Exists);
        }
        Ok(TotpSetup {
            secret: Zeroizing::new(secret.text()),
            link: Zeroizing::new(link),
        })
    }

    /// Makes one-time codes a factor by the first code, and hands out recovery codes in place of earlier
    /// ones.
    ///
    /// # Errors
    /// [`FactorError::NotFound`] if nothing was begun, [`FactorError::Wrong`] for a wrong code.
    pub async fn confirm_totp(
        &self,
        actor: &Actor,
        code: &str,
        request_id: Option<&str>,
    ) -> Result<Vec<String>, FactorError> {
        let doing = self.doing(actor, request_id);
        let (user, now) = (doing.user, doing.stamp.now);
        let kept = self
            .db
            .read("totp.find", move |read| Box::pin(store::totp::find(read, user)))
            .await?;
        let kept = kept.ok_or(FactorError::NotFound)?;
        if kept.confirmed_at.is_some() {
            return Err(FactorError::Exists);
        }
        let secret = open_secret(self, user, &kept.secret_sealed)?;
        let step = secret.matching_step(code, now, NO_STEP);
        let codes = recovery::Fresh::make(self, user)?;
        let hashes = codes.hashes.clone();
        let letter = self.factor_notice(user, FactorChange::TotpAdded).await?;
        let confirmed = self.db.write("totp.confirm", move |tx| {
            let (doing, sealed, hashes, letter) = (
                doing.clone(),
                kept.secret_sealed.clone(),
                hashes.clone(),
                letter.clone(),
            );
            Box::pin(async move {
                let count = match factors::begin_try(tx, user, now).await? {
                    Ok(count) => count,
                    Err(retry_after) => return Ok(Err(FactorError::TooManyTries { retry_after })),
                };
                factors::end_try(tx, user, count, step.is_some(), now).await?;
                let Some(step) = step else {
                    return Ok(Err(FactorError::Wrong));
                };
                if !store::totp::confirm(tx, user, &sealed, step, now).await? {
                    return Ok(Err(FactorError::Wrong));
                }
                store::recovery_codes::replace(tx, user, &hashes, now).await?;
                let entry = doing.entry(Action::FactorAdded, user.to_string(), "ok", FACTOR);
                store::audit::append(tx, &entry).await?;
                outbox::put(tx, &letter).await?;
                Ok::<_, store::Error>(Ok(()))
            })
        });
        confirmed.await??;
        self.told_of_factors();
        Ok(codes.texts)
    }

    /// Takes one-time codes away, and recovery codes with them where nothing else is left to recover.
    ///
    /// # Errors
    /// [`FactorError::NotFound`] if there are none, [`FactorError::PasswordShort`].
    pub async fn remove_totp(&self, actor: &Actor, request_id: Option<&str>) -> Result<(), FactorError> {
        let doing = self.doing(actor, request_id);
        let user = doing.user;
        let letter = self.factor_notice(user, FactorChange::TotpRemoved).await?;
        let removed = self.db.write("totp.remove", move |tx| {
            let (doing, letter) = (doing.clone(), letter.clone());
            Box::pin(async move {
                if !store::totp::remove(tx, user).await? {
                    return Err(FactorError::NotFound);
                }
                factors::check_what_is_left(tx, user).await?;
                factors::tidy_recovery(tx, user).await?;
                let entry = doing.entry(Action::FactorRemoved, user.to_string(), "ok", FACTOR);
                store::audit::append(tx, &entry).await?;
                outbox::put(tx, &letter).await?;
                Ok(())
            })
        });
        removed.await?;
        self.told_of_factors();
        Ok(())
    }
}

/// The secret of a person.
pub(crate) fn open_secret(studio: &Studio, user: UserId, sealed: &[u8]) -> Result<Secret, FactorError> {
    let bytes = studio.keys.open_small(&user.to_string(), SEALED_AS, sealed)?;
    Secret::stored(&bytes)
        .map_err(|_: TotpError| FactorError::Key(vault::KeyError::Damaged(SEALED_AS.to_owned())))
}

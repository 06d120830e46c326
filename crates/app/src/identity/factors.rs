//! What the files about factors share: which a person has, why one is not taken, how many tries there are.

use super::accounts::AccountTexts;
use super::letters::{FactorChange, Facts, Letter, LetterKind};
use super::outbox::Envelope;
use crate::generations::record::Stamp;
use crate::studio::Studio;
use credentials::passkeys::PasskeyError;
use credentials::password::HashError;
use domain::actor::Actor;
use domain::audit::{Action, Entry};
use domain::id::{PasskeyId, UserId};
use domain::identity::NotPersonal;
use domain::time::Time;
use std::collections::BTreeMap;
use std::time::Duration;
use store::{Read, Tx};

/// Wrong tries in a row that cost nothing but themselves.
pub const FREE_TRIES: u32 = 5;
/// The wait after the first wrong try beyond [`FREE_TRIES`]; each further one doubles it.
pub const FIRST_DELAY: Duration = Duration::from_secs(15);
/// The longest wait. With three codes good at a time (one step of tolerance either way), a guesser gets
/// about one chance in 3500 a day.
pub const LONGEST_DELAY: Duration = Duration::from_secs(900);

/// The wait after so many wrong tries in a row.
#[must_use]
pub fn delay_after(failures: u32) -> Duration {
    let Some(beyond) = failures.checked_sub(FREE_TRIES) else {
        return Duration::ZERO;
    };
    let doubled = 2_u32.checked_pow(beyond).unwrap_or(u32::MAX);
    FIRST_DELAY
        .checked_mul(doubled)
        .unwrap_or(LONGEST_DELAY)
        .min(LONGEST_DELAY)
}

/// What somebody can be asked for besides a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SecondFactor {
    /// A one-time code of an app.
    Totp,
    /// A recovery code.
    Recovery,
    /// A passkey.
    Passkey,
}

impl SecondFactor {
    /// The word in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Recovery => "recovery",
            Self::Passkey => "passkey",
        }
    }
}

/// Why nothing was done about a factor.
#[derive(Debug, thiserror::Error)]
pub enum FactorError {
    /// There is no such passkey of this person, or no one-time code.
    #[error("there is no such factor")]
    NotFound,
    /// It is the only way in.
    #[error("this is the only way to log in; add another before removing it")]
    LastCredential,
    /// The password was taken for the sake of a second factor, and this is the last one.
    #[error("the password is too short to stand without a second factor; choose a longer password first")]
    PasswordShort,
    /// One-time codes are set up already.
    #[error("one-time codes are set up already; remove them first")]
    Exists,
    /// There are as many passkeys as there may be.
    #[error("{most} passkeys are the most; remove one first", most = store::passkeys::MAX_PASSKEYS)]
    TooManyPasskeys,
    /// Recovery codes without anything they could stand for.
    #[error("set up a passkey or one-time codes first: recovery codes stand in for those")]
    NothingToRecover,
    /// The code, password or answer is wrong.
    #[error("that is not right")]
    Wrong,
    /// A password alone does not do where a second factor is set.
    #[error("a second factor is set; show that")]
    SecondFactorNeeded(Vec<SecondFactor>),
    /// Too many wrong tries.
    #[error("too many wrong tries; try again in {} s", .retry_after.as_secs().max(1))]
    TooManyTries {
        /// How long until the next try is looked at.
        retry_after: Duration,
    },
    /// The ticket was used, is over, or never was.
    #[error("this took too long or was done already; begin again")]
    Ticket,
    /// The answer of the authenticator.
    #[error(transparent)]
    Passkey(#[from] PasskeyError),
    /// The address of this installation cannot have passkeys.
    #[error("passkeys need a name such as localhost or a domain with TLS; this address is neither")]
    PasskeysOff,
    /// The name.
    #[error(transparent)]
    Name(#[from] NotPersonal),
    /// Only a session can show a factor, and it must be alive.
    #[error("the session is over; log in again")]
    SessionOver,
    /// Too many passwords are being compared already.
    #[error("too many passwords are being compared; try again in {} s", .retry_after.as_secs().max(1))]
    Busy {
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// The password could not be compared.
    #[error("the password could not be compared")]
    Broken,
    /// The database.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A key.
    #[error(transparent)]
    Key(#[from] vault::KeyError),
}

impl From<HashError> for FactorError {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Busy { retry_after } => Self::Busy { retry_after },
            HashError::Record(_) | HashError::Broken => Self::Broken,
        }
    }
}

/// A passkey as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasskeyView {
    /// Its id.
    pub id: PasskeyId,
    /// What its owner calls it.
    pub name: String,
    /// When it was made.
    pub created_at: Time,
    /// When it was last shown.
    pub used_at: Option<Time>,
    /// Whether it is copied to other devices of its owner.
    pub backed_up: bool,
}

/// Everything that proves who somebody is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Factors {
    /// Whether a password is set.
    pub password: bool,
    /// Passkeys.
    pub passkeys: Vec<PasskeyView>,
    /// Since when one-time codes are set up.
    pub totp: Option<Time>,
    /// Recovery codes that were not used yet.
    pub recovery_codes_left: u32,
}

/// The second factors of a person. Recovery codes count beside another only: they stand in for it.
///
/// # Errors
/// What the database says.
pub(crate) async fn second_factors(read: &mut Read, user: UserId) -> Result<Vec<SecondFactor>, store::Error> {
    let mut factors = Vec::new();
    if store::totp::find(read, user)
        .await?
        .is_some_and(|totp| totp.confirmed_at.is_some())
    {
        factors.push(SecondFactor::Totp);
    }
    if store::passkeys::count(read, user).await? > 0 {
        factors.push(SecondFactor::Passkey);
    }
    if !factors.is_empty() && store::recovery_codes::left(read, user).await? > 0 {
        factors.push(SecondFactor::Recovery);
    }
    Ok(factors)
}

/// Refuses to leave a password alone that was taken for the second factor beside it. To be asked after a
/// removal, in its transaction, so that what is refused is undone.
pub(crate) async fn check_what_is_left(tx: &mut Tx, user: UserId) -> Result<(), FactorError> {
    if !second_factors(tx, user).await?.is_empty() {
        return Ok(());
    }
    let account = store::users::find(tx, user).await?;
    if account.is_some_and(|account| account.password_short) {
        return Err(FactorError::PasswordShort);
    }
    Ok(())
}

/// Makes recovery codes void that nothing is left to recover.
pub(crate) async fn tidy_recovery(tx: &mut Tx, user: UserId) -> Result<(), store::Error> {
    if second_factors(tx, user).await?.is_empty() {
        store::recovery_codes::clear(tx, user).await?;
    }
    Ok(())
}

/// Counts a try before it is looked at; refuses it while it is too early.
pub(crate) async fn begin_try(
    tx: &mut Tx,
    user: UserId,
    now: Time,
) -> Result<Result<u32, Duration>, store::Error> {
    if let Some(count) = store::factor_failures::count_one(tx, user, now).await? {
        return Ok(Ok(count));
    }
    let failures = store::factor_failures::find(tx, user).await?;
    let next_at = failures.map_or(now, |failures| failures.next_at);
    Ok(Err(next_at.since(now)))
}

/// Notes how a try ended: wrong ones make the next wait longer, a right one ends the row.
pub(crate) async fn end_try(
    tx: &mut Tx,
    user: UserId,
    count: u32,
    right: bool,
    now: Time,
) -> Result<(), store::Error> {
    if right {
        store::factor_failures::clear(tx, user).await
    } else {
        store::factor_failures::delay(tx, user, now.after(delay_after(count))).await
    }
}

/// Who does something about factors, and what is noted of it.
#[derive(Clone, Debug)]
pub(crate) struct Doing {
    pub(crate) user: UserId,
    pub(crate) stamp: Stamp,
}

impl Doing {
    pub(crate) fn entry(&self, action: Action, object: String, outcome: &str, factor: &str) -> Entry {
        let details = BTreeMap::from([("factor".to_owned(), factor.to_owned())]);
        self.stamp.entry(None, action, object, outcome, details)
    }
}

impl Studio {
    /// What somebody is called.
    pub(crate) async fn texts_of(&self, user: UserId) -> Result<(AccountTexts, String), FactorError> {
        let found = self.db.read("accounts.texts", move |read| {
            Box::pin(store::users::find(read, user))
        });
        let account = found.await?.ok_or(FactorError::NotFound)?;
        Ok((self.open_texts(&account)?, account.locale))
    }

    /// The notice of a change of somebody's factors.
    pub(crate) async fn factor_notice(
        &self,
        user: UserId,
        what: FactorChange,
    ) -> Result<Envelope, FactorError> {
        let (texts, locale) = self.texts_of(user).await?;
        let letter = Letter {
            user: Some(user),
            to: texts.email,
            locale,
            kind: LetterKind::FactorChanged,
            link: None,
            good_until: None,
            facts: Facts {
                name: Some(texts.name.expose().to_owned()),
                at: Some(self.now()),
                what: Some(what),
                ..Facts::default()
            },
        };
        Ok(self.seal_letter(&letter)?)
    }

    /// A change of factors is in the log and on its way to its owner.
    pub(crate) fn told_of_factors(&self) {
        self.tell_bell.notify_one();
        self.ring_outbox();
    }

    pub(crate) fn doing(&self, actor: &Actor, request_id: Option<&str>) -> Doing {
        Doing {
            user: actor.user(),
            stamp: Stamp::of(self, actor, request_id),
        }
    }

    /// The second factors of a person.
    ///
    /// # Errors
    /// What the database says.
    pub async fn second_factors_of(&self, user: UserId) -> Result<Vec<SecondFactor>, store::Error> {
        self.db
            .read("factors.second", move |read| Box::pin(second_factors(read, user)))
            .await
    }

    /// Everything that proves who the caller is.
    ///
    /// # Errors
    /// The database's or the key's.
    pub async fn factors(&self, actor: &Actor) -> Result<Factors, FactorError> {
        let user = actor.user();
        let found = self.db.read("factors.list", move |read| {
            Box::pin(async move {
                let account = store::users::find(read, user).await?;
                let totp = store::totp::find(read, user).await?;
                let passkeys = store::passkeys::of_user(read, user).await?;
                let left = store::recovery_codes::left(read, user).await?;
                Ok::<_, store::Error>((account, totp, passkeys, left))
            })
        });
        let (account, totp, passkeys, recovery_codes_left) = found.await?;
        let views = passkeys.iter().map(|passkey| self.passkey_view(passkey));
        Ok(Factors {
            password: account.is_some_and(|account| account.password.is_some()),
            passkeys: views.collect::<Result<_, _>>()?,
            totp: totp.and_then(|totp| totp.confirmed_at),
            recovery_codes_left,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_from_the_fifth_wrong_try_to_a_quarter_of_an_hour() {
        let waits: Vec<_> = (0..14).map(|count| delay_after(count).as_secs()).collect();
        assert_eq!(waits, [0, 0, 0, 0, 0, 15, 30, 60, 120, 240, 480, 900, 900, 900]);
        assert_eq!(delay_after(u32::MAX), LONGEST_DELAY);
    }
}

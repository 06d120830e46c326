//! The first administrator. A fresh installation has no account; whoever can read what the studio prints
//! at its start makes the first one with the code that stands there.

use super::accounts::{AccountError, AccountTexts, PasswordError, locale_of};
use super::login::{Entrance, LoggedIn, LoginError};
use crate::clock::random;
use crate::generations::record::Stamp;
use crate::studio::Studio;
use credentials::opaque;
use domain::actor::{FIRST_WORKSPACE, LOCAL_USER};
use domain::audit::Action;
use domain::id::UserId;
use domain::identity::{AccountState, Email, Method, Name, NotPersonal, Role};
use domain::time::Time;
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use store::Tx;
use store::members::Member;
use store::tickets::Kind;
use store::users::User;
use vault::KeyError;

/// How long a code is good.
pub const CODE_LIFE: Duration = Duration::from_secs(30 * 60);
/// Wrong tries after which a code is void: the next start prints another.
pub const MAX_TRIES: u32 = 10;
/// The characters of a code: 32, none of them mistaken for another.
const ALPHABET: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
/// Characters of a code; 40 bits, of which [`MAX_TRIES`] guesses find one in a hundred thousand million.
const CODE_CHARACTERS: usize = 8;

/// The kinds of tickets that belong to an account.
const TICKETS_OF_PEOPLE: [Kind; 7] = [
    Kind::VerifyEmail,
    Kind::ResetPassword,
    Kind::Invitation,
    Kind::PasskeyLogin,
    Kind::PasskeyRegister,
    Kind::PasskeyStepUp,
    Kind::Federation,
];

/// The code of this start, if one was printed.
#[derive(Default)]
pub(crate) struct Setup(Mutex<Option<Code>>);

struct Code {
    text: SecretString,
    good_until: Time,
    tries: u32,
}

/// What somebody says who sets the studio up.
#[derive(Debug)]
pub struct NewAdministrator {
    /// The code.
    pub code: SecretString,
    /// Their address.
    pub email: String,
    /// Their name.
    pub name: String,
    /// Their password; without one they add a passkey next.
    pub password: Option<SecretString>,
    /// Their language.
    pub locale: Option<String>,
}

/// Why nothing was set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The code is wrong, over, or void after too many wrong ones.
    #[error("this is not the code that the studio printed at its last start, or its time is over")]
    Code,
    /// An administrator can log in already.
    #[error("the studio is set up; log in")]
    Done,
    /// Address or name.
    #[error(transparent)]
    Personal(#[from] NotPersonal),
    /// The language.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The password.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The session could not be opened.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// The database.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A key.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl Setup {
    fn begin(&self, now: Time) -> String {
        let bytes: [u8; CODE_CHARACTERS] = random();
        let mut text = String::with_capacity(CODE_CHARACTERS + 1);
        for (place, byte) in bytes.iter().enumerate() {
            if place == CODE_CHARACTERS / 2 {
                text.push('-');
            }
            text.push(char::from(ALPHABET[usize::from(byte % 32)]));
        }
        let code = Code {
            text: SecretString::from(plain(&text)),
            good_until: now.after(CODE_LIFE),
            tries: 0,
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(code);
        text
    }

    /// Whether this is the code. Wrong ones are counted.
    fn is_right(&self, typed: &str, now: Time) -> bool {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(code) = held.as_mut() else { return false };
        if now >= code.good_until || code.tries >= MAX_TRIES {
            *held = None;
            return false;
        }
        let right = opaque::is_same(code.text.expose_secret(), &plain(typed));
        code.tries += u32::from(!right);
        right
    }

    fn end(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// A code as it is compared: upper case, without the dash and blanks that people leave out or add.
fn plain(typed: &str) -> String {
    typed
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_uppercase())
        .collect()
}

/// An account about to be made, with everything computed that needs no transaction.
#[derive(Clone)]
pub(crate) struct NewAccount {
    pub(crate) user: User,
    pub(crate) member: Member,
}

impl Studio {
    /// Makes the code for the first administrator; `None` when one can log in already.
    ///
    /// # Errors
    /// What the database says.
    pub async fn begin_setup(&self) -> Result<Option<String>, store::Error> {
        let is_set_up = self
            .db
            .read("setup.begin", |read| Box::pin(store::users::is_set_up(read)))
            .await?;
        Ok((!is_set_up).then(|| self.accounts.setup.begin(self.now())))
    }

    /// Makes the first administrator and lets them in. What was made on the machine before anybody had an
    /// account becomes theirs.
    ///
    /// # Errors
    /// [`SetupError`].
    pub async fn set_up(&self, new: NewAdministrator, entrance: Entrance) -> Result<LoggedIn, SetupError> {
        if !self.accounts.setup.is_right(new.code.expose_secret(), self.now()) {
            self.note_wrong_code(&entrance).await?;
            return Err(SetupError::Code);
        }
        let texts = AccountTexts {
            email: Email::parse(&new.email)?,
            name: Name::parse(&new.name)?,
        };
        let record = match &new.password {
            Some(password) => {
                let password = self.new_password(password, false, &texts)?;
                Some(
                    self.accounts
                        .hasher
                        .hash(&password)
                        .await
                        .map_err(PasswordError::Hash)?,
                )
            }
            None => None,
        };
        let locale = locale_of(new.locale.as_deref())?;
        let account = self.administrator(&texts, locale, record).await?;
        let id = account.user.id;
        let method = new.password.is_some().then_some(Method::Password);
        let mut arrival = self.arrival(id, method.into_iter().collect(), Some(FIRST_WORKSPACE), &entrance);
        let device = self.recognise(&mut arrival).await?;
        let stamp = self.stamp_at_entrance(Some(id), entrance.request_id.as_deref());
        let opener = self.session_opener().await.map_err(LoginError::from)?;
        let tokens = self
            .db
            .write("setup", move |tx| {
                let (account, arrival) = (account.clone(), arrival.clone());
                let (stamp, opener) = (stamp.clone(), opener.clone());
                Box::pin(async move {
                    store::users::lock_administrators(tx).await?;
                    if store::users::is_set_up(tx).await? {
                        return Err(SetupError::Done);
                    }
                    first_administrator(tx, &account, &stamp).await?;
                    let tokens = arrival.let_in(tx, &opener).await?;
                    tokens.ok_or(SetupError::Login(LoginError::NoWorkspace))
                })
            })
            .await?;
        self.accounts.setup.end();
        self.tell_bell.notify_one();
        Ok(LoggedIn { tokens, device })
    }

    /// The account of an administrator-to-be: the one that the address has, or a new one. Whoever set up the
    /// studio without a password and left before adding a passkey comes back to their account this way.
    async fn administrator(
        &self,
        texts: &AccountTexts,
        locale: String,
        password: Option<String>,
    ) -> Result<NewAccount, SetupError> {
        let index = self.email_index(&texts.email);
        let known = self
            .db
            .read("setup.known", move |read| {
                Box::pin(async move { store::users::find_by_email_index(read, &index).await })
            })
            .await?;
        let mut account = self.new_account(texts, locale, Role::Admin, password)?;
        if let Some(known) = known {
            let (email_sealed, name_sealed) = self.seal_texts(known.id, texts)?;
            account.member.user = known.id;
            account.user = User {
                id: known.id,
                email_sealed,
                name_sealed,
                ..account.user
            };
        }
        Ok(account)
    }

    async fn note_wrong_code(&self, entrance: &Entrance) -> Result<(), store::Error> {
        let stamp = self.stamp_at_entrance(None, entrance.request_id.as_deref());
        let object = "setup".to_owned();
        let entry = stamp.entry(None, Action::LoginFailed, object, "wrong_code", BTreeMap::new());
        self.db
            .write("setup.wrong_code", move |tx| {
                let entry = entry.clone();
                Box::pin(async move { store::audit::append(tx, &entry).await })
            })
            .await?;
        self.tell_bell.notify_one();
        Ok(())
    }

    /// An account with its membership of the first workspace.
    pub(crate) fn new_account(
        &self,
        texts: &AccountTexts,
        locale: String,
        role: Role,
        password: Option<String>,
    ) -> Result<NewAccount, KeyError> {
        let now = self.now();
        let id = UserId::new(now, random());
        let (email_sealed, name_sealed) = self.seal_texts(id, texts)?;
        Ok(NewAccount {
            user: User {
                id,
                email_sealed,
                email_index: self.email_index(&texts.email),
                name_sealed,
                state: AccountState::Active,
                role,
                locale,
                password,
                password_short: false,
                auth_epoch: 0,
                created_at: now,
                updated_at: now,
                email_verified_at: None,
                disabled_at: None,
            },
            member: Member {
                workspace: FIRST_WORKSPACE,
                user: id,
                role,
                created_at: now,
            },
        })
    }
}

/// Keeps the first administrator, with all that was made before anybody had an account.
pub(crate) async fn first_administrator(
    tx: &mut Tx,
    account: &NewAccount,
    stamp: &Stamp,
) -> Result<(), store::Error> {
    let (id, now) = (account.user.id, stamp.now);
    if store::users::find(tx, id).await?.is_some() {
        let record = account.user.password.as_deref();
        store::users::set_password(tx, id, record, false, now).await?;
        store::users::set_role(tx, id, account.user.role, now).await?;
        store::users::set_state(tx, id, account.user.state, now).await?;
        let name = Some(account.user.name_sealed.as_slice());
        store::users::set_profile(tx, id, name, Some(&account.user.locale), now).await?;
        // Links that somebody else may have asked for lead nowhere in the account of an administrator.
        for kind in TICKETS_OF_PEOPLE {
            store::tickets::revoke_of(tx, id, kind, now).await?;
        }
        store::users::verify_email(tx, id, now).await?;
        store::members::remove(tx, FIRST_WORKSPACE, id).await?;
    } else {
        store::users::insert(tx, &account.user).await?;
    }
    store::members::insert(tx, &account.member).await?;
    let handed_over = store::users::hand_over(tx, FIRST_WORKSPACE, LOCAL_USER, id).await?;
    let details = BTreeMap::from([("handed_over".to_owned(), handed_over.to_string())]);
    let workspace = Some(FIRST_WORKSPACE);
    let entry = stamp.entry(workspace, Action::SetupCompleted, id.to_string(), "ok", details);
    store::audit::append(tx, &entry).await?;
    let details = BTreeMap::from([("role".to_owned(), account.user.role.to_string())]);
    let entry = stamp.entry(workspace, Action::AccountCreated, id.to_string(), "ok", details);
    store::audit::append(tx, &entry).await
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_micros(1_795_000_000_000_000);

    #[test]
    fn a_code_looks_as_it_is_promised_and_is_taken_as_people_type_it() {
        let setup = Setup::default();
        let code = setup.begin(NOW);
        let (left, right) = code.split_once('-').unwrap();
        assert!(left.len() == 4 && right.len() == 4, "{code}");
        assert!(plain(&code).bytes().all(|b| ALPHABET.contains(&b)), "{code}");
        for typed in [
            code.clone(),
            code.to_lowercase(),
            code.replace('-', " "),
            format!(" {left}{right} "),
        ] {
            assert!(setup.is_right(&typed, NOW), "{typed}");
        }
        let another = setup.begin(NOW);
        assert!(another != code && !setup.is_right(&code, NOW) && setup.is_right(&another, NOW));
        setup.end();
        assert!(!setup.is_right(&another, NOW));
    }

    #[test]
    fn a_code_is_over_after_half_an_hour_and_after_ten_wrong_tries() {
        let setup = Setup::default();
        assert!(!setup.is_right("", NOW), "none was printed");
        let code = setup.begin(NOW);
        assert!(setup.is_right(&code, Time::from_micros(NOW.after(CODE_LIFE).micros() - 1)));
        assert!(!setup.is_right(&code, NOW.after(CODE_LIFE)));
        assert!(!setup.is_right(&code, NOW), "it does not come back");
        let code = setup.begin(NOW);
        for _ in 0..MAX_TRIES {
            assert!(!setup.is_right("AAAA-AAAA", NOW));
        }
        assert!(!setup.is_right(&code, NOW));
    }
}

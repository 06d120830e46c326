//! Logging in by password, and what every way in ends with: a session, a known browser, an audit entry,
//! and a letter where the browser is new.

use super::factors::{self, FactorError, SecondFactor};
use super::letters::{Facts, LetterKind};
use super::outbox::{self, Envelope};
use super::recovery::{CodeOutcome, TypedCode};
use super::{NewSession, Tokens, agent, throttle};
use crate::clock::random;
use crate::generations::record::Stamp;
use crate::studio::Studio;
use credentials::opaque::{self, Purpose};
use credentials::password::{HashError, Password, Verified};
use domain::audit::{Action, Entry};
use domain::id::{UserId, WorkspaceId};
use domain::identity::{AccountState, Client, Method};
use domain::secret::TokenHash;
use domain::time::Time;
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;
use store::Tx;
use store::users::User;
use vault::KeyError;

/// What a client brings along besides proofs.
#[derive(Clone, Debug)]
pub struct Entrance {
    /// How its tokens are to travel.
    pub client: Client,
    /// What it calls itself.
    pub agent: String,
    /// Where it comes from.
    pub address: IpAddr,
    /// What shows it as a known browser.
    pub device: Option<SecretString>,
    /// The key that tokens are to be bound to, its RFC 7638 thumbprint.
    pub jkt: Option<String>,
    /// The request.
    pub request_id: Option<String>,
}

/// A login that is asked for.
#[derive(Debug)]
pub struct Login {
    /// The address as it was typed.
    pub email: String,
    /// The password.
    pub password: SecretString,
    /// A one-time or recovery code.
    pub code: Option<SecretString>,
    /// Where to act; without it in the workspace they have belonged to longest.
    pub workspace: Option<WorkspaceId>,
}

/// Somebody who is in.
#[derive(Debug)]
pub struct LoggedIn {
    /// Their tokens.
    pub tokens: Tokens,
    /// What makes the browser a known one from now on, if it was not.
    pub device: Option<SecretString>,
}

/// Why nobody was let in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Address, password or code is wrong, or the account is not open. Which, is not told.
    #[error("address, password or code is not right")]
    Wrong,
    /// The password is right, and a second factor is set.
    #[error("a second factor is needed")]
    SecondFactorNeeded(Vec<SecondFactor>),
    /// Too many failures in a row.
    #[error("too many tries; try again in {} s", .retry_after.as_secs().max(1))]
    TooManyTries {
        /// When the next is looked at.
        retry_after: Duration,
    },
    /// They belong to no workspace, or not to the one they asked for.
    #[error("this account does not belong to that workspace; ask an administrator")]
    NoWorkspace,
    /// It could not be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The session could not be opened.
    #[error(transparent)]
    Session(#[from] super::Unauthenticated),
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

/// What is known of an address before the password is looked at.
struct Known {
    user: Option<User>,
    device: bool,
}

/// How a try ended inside its transaction, which commits whatever came of it.
enum Ended {
    In(Box<Tokens>),
    Wrong,
    TooEarly(Duration),
    SecondFactorNeeded(Vec<SecondFactor>),
    NoWorkspace,
}

/// A password that was right, and of what: whether that still holds is looked at where the session opens.
#[derive(Clone)]
struct RightPassword {
    user: UserId,
    epoch: i64,
    record: String,
    /// The record that takes its place where it is of an earlier pepper or cost.
    newer: Option<String>,
}

impl RightPassword {
    /// Whether the account is open and its password the one that was compared; if so it stays so until the
    /// transaction ends.
    async fn still_holds(&self, tx: &mut Tx, now: Time) -> Result<bool, store::Error> {
        store::login_failures::hold_account(tx, self.user).await?;
        let account = store::users::find(tx, self.user).await?;
        let holds = account.is_some_and(|account| {
            account.state == AccountState::Active
                && account.auth_epoch == self.epoch
                && account.password.as_ref() == Some(&self.record)
        });
        if holds && let Some(newer) = &self.newer {
            store::users::renew_password(tx, self.user, &self.record, newer, now).await?;
        }
        Ok(holds)
    }
}

/// Somebody about to be let in: everything that is computed outside the transaction.
#[derive(Clone)]
pub(crate) struct Arrival {
    user: UserId,
    methods: Vec<Method>,
    entrance: Entrance,
    workspace: Option<WorkspaceId>,
    stamp: Stamp,
    /// The browser as the database knows it from now on, and the letter that tells its owner.
    device: Option<TokenHash>,
    letter: Option<Envelope>,
}

/// What lets people in inside a transaction.
pub(crate) type Opener = super::SessionOpener;

impl Studio {
    /// Logs in by address, password and, where a second factor is set, a code.
    ///
    /// # Errors
    /// [`LoginError`]. Unknown and known addresses are told the same, after the same number of hashes.
    pub async fn login(&self, login: Login, entrance: Entrance) -> Result<LoggedIn, LoginError> {
        // What is no address is looked for all the same: it costs what an address costs.
        let index = self.accounts.index_of(&login.email.trim().to_lowercase());
        let known = self.known(index.clone(), entrance.device.as_ref()).await?;
        let id = known.user.as_ref().map(|user| user.id);
        if let Some(retry_after) = self.begin_try(&index, id, known.device, &entrance).await? {
            return Err(LoginError::TooManyTries { retry_after });
        }
        let user = known.user.filter(|user| user.state == AccountState::Active);
        let record = user.as_ref().and_then(|user| user.password.clone());
        let verified = match self.compare(record.as_deref(), &login.password).await {
            Ok(verified) => verified,
            Err(error) => {
                self.take_back(index).await?;
                return Err(error.into());
            }
        };
        let right = user.zip(record).filter(|_| verified != Verified::No);
        let Some((user, record)) = right else {
            self.note_failure(None, id, "wrong", &entrance).await?;
            return Err(LoginError::Wrong);
        };
        let factors = self.second_factors_of(user.id).await?;
        let code = match (&login.code, factors.is_empty()) {
            (_, true) => None,
            (Some(code), false) => {
                let request_id = entrance.request_id.as_deref();
                Some(self.typed_code(user.id, code.expose_secret(), request_id).await?)
            }
            (None, false) => {
                self.note_failure(Some(index), Some(user.id), "second_factor_needed", &entrance)
                    .await?;
                return Err(LoginError::SecondFactorNeeded(factors));
            }
        };
        let password = RightPassword {
            user: user.id,
            epoch: user.auth_epoch,
            newer: self.newer_record(verified, &login.password).await?,
            record,
        };
        let arrival = self.arrival(user.id, vec![Method::Password], login.workspace, &entrance);
        self.end_login(arrival, index, password, code, entrance).await
    }

    async fn known(&self, index: String, device: Option<&SecretString>) -> Result<Known, store::Error> {
        let now = self.now();
        let since = throttle::before(now, throttle::DEVICE_MEMORY);
        let device = device.and_then(|device| opaque::hash(Purpose::Device, device.expose_secret()));
        self.db
            .read("login.known", move |read| {
                Box::pin(async move {
                    let user = store::users::find_by_email_index(read, &index).await?;
                    let device = match (&user, &device) {
                        (Some(user), Some(device)) => {
                            store::devices::is_known(read, user.id, device, since).await?
                        }
                        _ => false,
                    };
                    Ok(Known { user, device })
                })
            })
            .await
    }

    /// Counts a try of an address before its password is looked at: of tries at once none slips past the
    /// delay of the one before it. Tells how long to wait where it is too early.
    async fn begin_try(
        &self,
        index: &str,
        user: Option<UserId>,
        is_known_browser: bool,
        entrance: &Entrance,
    ) -> Result<Option<Duration>, store::Error> {
        let early = self.failed_login(user, "too_early", entrance);
        let index = index.to_owned();
        let wait = self
            .db
            .write("login.begin", move |tx| {
                let (early, index) = (early.clone(), index.clone());
                Box::pin(async move {
                    let wait = throttle::begin_try(tx, &index, is_known_browser, early.at).await?;
                    if wait.is_some() {
                        store::audit::append(tx, &early).await?;
                    }
                    Ok::<_, store::Error>(wait)
                })
            })
            .await?;
        if wait.is_some() {
            self.tell_bell.notify_one();
        }
        Ok(wait)
    }

    async fn take_back(&self, index: String) -> Result<(), store::Error> {
        let now = self.now();
        self.db
            .write("login.take_back", move |tx| {
                let index = index.clone();
                Box::pin(async move { throttle::take_back(tx, &index, now).await })
            })
            .await
    }

    /// Compares a typed password at the price of one hash, whatever was typed.
    async fn compare(&self, record: Option<&str>, typed: &SecretString) -> Result<Verified, HashError> {
        match Password::parse(typed.expose_secret()) {
            Ok(password) => self.accounts.hasher.verify(record, &password).await,
            Err(_) => {
                // What cannot be a password matches nothing.
                let any = Password::parse("").map_err(|_| HashError::Broken)?;
                self.accounts.hasher.verify(None, &any).await
            }
        }
    }

    /// A new record of a password whose record is of an earlier pepper or cost.
    async fn newer_record(
        &self,
        verified: Verified,
        typed: &SecretString,
    ) -> Result<Option<String>, LoginError> {
        if verified != Verified::Outdated {
            return Ok(None);
        }
        let password = Password::parse(typed.expose_secret()).map_err(|_| LoginError::Wrong)?;
        Ok(Some(self.accounts.hasher.hash(&password).await?))
    }

    /// Notes that a login failed. Where the password was right, the failures of its address end.
    async fn note_failure(
        &self,
        right_of: Option<String>,
        user: Option<UserId>,
        reason: &'static str,
        entrance: &Entrance,
    ) -> Result<(), store::Error> {
        let entry = self.failed_login(user, reason, entrance);
        self.db
            .write("login.failed", move |tx| {
                let (entry, right_of) = (entry.clone(), right_of.clone());
                Box::pin(async move {
                    if let Some(index) = &right_of {
                        store::login_failures::clear(tx, index).await?;
                    }
                    store::audit::append(tx, &entry).await
                })
            })
            .await?;
        self.tell_bell.notify_one();
        Ok(())
    }

    fn failed_login(&self, user: Option<UserId>, reason: &str, entrance: &Entrance) -> Entry {
        let stamp = self.stamp_at_entrance(user, entrance.request_id.as_deref());
        let object = user.map_or_else(|| "unknown".to_owned(), |user| user.to_string());
        let details = BTreeMap::from([("client".to_owned(), entrance.client.to_string())]);
        stamp.entry(None, Action::LoginFailed, object, reason, details)
    }

    /// Somebody whose first factor was good.
    pub(crate) fn arrival(
        &self,
        user: UserId,
        methods: Vec<Method>,
        workspace: Option<WorkspaceId>,
        entrance: &Entrance,
    ) -> Arrival {
        Arrival {
            user,
            methods,
            workspace,
            entrance: entrance.clone(),
            stamp: self.stamp_at_entrance(Some(user), entrance.request_id.as_deref()),
            device: None,
            letter: None,
        }
    }

    async fn end_login(
        &self,
        mut arrival: Arrival,
        index: String,
        password: RightPassword,
        code: Option<TypedCode>,
        entrance: Entrance,
    ) -> Result<LoggedIn, LoginError> {
        let wrong = self.failed_login(Some(arrival.user), "wrong_code", &entrance);
        let early = self.failed_login(Some(arrival.user), "too_early", &entrance);
        let changed = self.failed_login(Some(arrival.user), "changed", &entrance);
        let needed = self.failed_login(Some(arrival.user), "second_factor_needed", &entrance);
        let device = self.recognise(&mut arrival).await?;
        let opener = self.session_opener().await?;
        let ended = self
            .db
            .write("login", move |tx| {
                let (mut arrival, index, code) = (arrival.clone(), index.clone(), code.clone());
                let (wrong, early, opener) = (wrong.clone(), early.clone(), opener.clone());
                let (password, changed, needed) = (password.clone(), changed.clone(), needed.clone());
                Box::pin(async move {
                    let with_code = code.is_some();
                    if let Some(code) = code {
                        match code.use_up(tx).await? {
                            CodeOutcome::Right(method) => arrival.methods.extend([method, Method::Several]),
                            CodeOutcome::Wrong => {
                                store::audit::append(tx, &wrong).await?;
                                return Ok::<_, LoginError>(Ended::Wrong);
                            }
                            CodeOutcome::TooEarly { retry_after } => {
                                store::login_failures::clear(tx, &index).await?;
                                store::audit::append(tx, &early).await?;
                                return Ok(Ended::TooEarly(retry_after));
                            }
                        }
                    }
                    // What was changed since the password was compared counts: a password chosen meanwhile
                    // has ended every session, and this one must not outlive it.
                    if !password.still_holds(tx, changed.at).await? {
                        store::audit::append(tx, &changed).await?;
                        return Ok(Ended::Wrong);
                    }
                    store::login_failures::clear(tx, &index).await?;
                    let factors = factors::second_factors(tx, arrival.user).await?;
                    if !with_code && !factors.is_empty() {
                        store::audit::append(tx, &needed).await?;
                        return Ok(Ended::SecondFactorNeeded(factors));
                    }
                    let tokens = arrival.let_in(tx, &opener).await?;
                    Ok(tokens.map_or(Ended::NoWorkspace, |tokens| Ended::In(Box::new(tokens))))
                })
            })
            .await?;
        self.tell_bell.notify_one();
        self.ring_outbox();
        match ended {
            Ended::In(tokens) => Ok(LoggedIn {
                tokens: *tokens,
                device,
            }),
            Ended::Wrong => Err(LoginError::Wrong),
            Ended::TooEarly(retry_after) => Err(LoginError::TooManyTries { retry_after }),
            Ended::SecondFactorNeeded(factors) => Err(LoginError::SecondFactorNeeded(factors)),
            Ended::NoWorkspace => Err(LoginError::NoWorkspace),
        }
    }

    /// Looks whether the browser is a known one; gives what makes it one if it is not. What is no browser
    /// keeps nothing: it is known by the name and network of a session that is alive.
    pub(crate) async fn recognise(&self, arrival: &mut Arrival) -> Result<Option<SecretString>, LoginError> {
        if arrival.entrance.client != Client::Browser {
            self.recognise_program(arrival).await?;
            return Ok(None);
        }
        let (user, now) = (arrival.user, arrival.stamp.now);
        let since = throttle::before(now, throttle::DEVICE_MEMORY);
        let shown = arrival.entrance.device.as_ref();
        let shown = shown.and_then(|device| opaque::hash(Purpose::Device, device.expose_secret()));
        let asked = shown.clone();
        let (account, known, any) = self
            .db
            .read("login.device", move |read| {
                Box::pin(async move {
                    let known = match &asked {
                        Some(device) => store::devices::is_known(read, user, device, since).await?,
                        None => false,
                    };
                    let any = store::devices::has_any(read, user).await?;
                    Ok::<_, store::Error>((store::users::find(read, user).await?, known, any))
                })
            })
            .await?;
        // The first browser of an account is no news to its owner.
        if let Some(account) = account.filter(|_| any && !known) {
            arrival.letter = Some(self.new_device_letter(&account, arrival)?);
        }
        if let Some(hash) = shown {
            arrival.device = Some(hash);
            return Ok(None);
        }
        let secret = opaque::secret(Purpose::Device, &random());
        arrival.device = Some(opaque::hash_of(&secret));
        Ok(Some(secret))
    }

    async fn recognise_program(&self, arrival: &mut Arrival) -> Result<(), LoginError> {
        let (user, now) = (arrival.user, arrival.stamp.now);
        let (account, sessions, any) = self
            .db
            .read("login.program", move |read| {
                Box::pin(async move {
                    let sessions = store::sessions::alive_of(read, user, now).await?;
                    let any = store::devices::has_any(read, user).await?;
                    Ok::<_, store::Error>((store::users::find(read, user).await?, sessions, any))
                })
            })
            .await?;
        let (agent, network) = (
            agent::in_words(&arrival.entrance.agent),
            agent::network_of(arrival.entrance.address),
        );
        let is_first = sessions.is_empty() && !any;
        let is_known = sessions
            .iter()
            .any(|session| session.agent == agent && session.network == network);
        if let Some(account) = account.filter(|_| !is_first && !is_known) {
            arrival.letter = Some(self.new_device_letter(&account, arrival)?);
        }
        Ok(())
    }

    fn new_device_letter(&self, account: &User, arrival: &Arrival) -> Result<Envelope, LoginError> {
        let facts = Facts {
            at: Some(arrival.stamp.now),
            device: Some(agent::in_words(&arrival.entrance.agent)),
            network: Some(agent::network_of(arrival.entrance.address)),
            ..Facts::default()
        };
        Ok(self.letter_to(account, LetterKind::NewDevice, None, facts)?)
    }
}

impl Arrival {
    /// Opens the session and notes everything that goes with it; `None` if they belong to no workspace, or
    /// not to the one they asked for.
    ///
    /// # Errors
    /// What the database says.
    pub(crate) async fn let_in(&self, tx: &mut Tx, opener: &Opener) -> Result<Option<Tokens>, store::Error> {
        let now = self.stamp.now;
        let theirs = store::members::of_user(tx, self.user).await?;
        let asked = self.workspace;
        let Some(membership) = theirs
            .iter()
            .find(|membership| asked.is_none_or(|asked| asked == membership.workspace))
        else {
            return Ok(None);
        };
        let session = NewSession {
            user: self.user,
            workspace: membership.workspace,
            client: self.entrance.client,
            agent: agent::in_words(&self.entrance.agent),
            network: agent::network_of(self.entrance.address),
            methods: self.methods.clone(),
            jkt: self.entrance.jkt.clone(),
        };
        let tokens: Tokens = opener.open::<store::Error>(tx, &session).await?;
        if let Some(device) = &self.device {
            store::devices::note(tx, self.user, device, &session.agent, now).await?;
        }
        if let Some(letter) = &self.letter {
            outbox::put(tx, letter).await?;
        }
        let methods: Vec<&str> = self.methods.iter().map(|method| method.as_str()).collect();
        let details = BTreeMap::from([
            ("session".to_owned(), tokens.session.to_string()),
            ("client".to_owned(), self.entrance.client.to_string()),
            ("methods".to_owned(), methods.join(" ")),
        ]);
        let object = self.user.to_string();
        let entry = self.stamp.entry(
            Some(session.workspace),
            Action::LoginSucceeded,
            object,
            "ok",
            details,
        );
        store::audit::append(tx, &entry).await?;
        Ok(Some(tokens))
    }
}

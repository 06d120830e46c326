//! People of the installation as administrators see and change them: roles, closing and opening accounts,
//! links for a new password, ends of sessions. An administrator sets a reset going and never chooses its
//! outcome; and the last active administrator stays one.

use super::accounts::{AccountError, AccountTexts};
use super::letters::{Facts, LetterKind};
use super::outbox;
use super::register::fresh_ticket;
use crate::generations::cancel::cancel_all_of;
use crate::generations::record::Stamp;
use crate::studio::Studio;
use domain::actor::Actor;
use domain::audit::Action;
use domain::id::UserId;
use domain::identity::{AccountState, Email, NotPersonal, Role};
use domain::time::Time;
use secrecy::ExposeSecret;
use std::collections::{BTreeMap, HashMap, HashSet};
use store::members::Membership;
use store::tickets::{self, Kind};
use store::users::User;
use store::{Read, Tx};
use vault::KeyError;

/// The most people of one page.
pub const MAX_PAGE: u32 = 100;
/// Why sessions end when an administrator closes an account.
const CLOSED: &str = "account_disabled";
/// Why they end when an administrator ends them.
const ENDED: &str = "ended_by_administrator";

/// Somebody as administrators see them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonView {
    /// Who.
    pub id: UserId,
    /// Address and name.
    pub texts: AccountTexts,
    /// Where the account stands.
    pub state: AccountState,
    /// The role in the installation.
    pub role: Role,
    /// Where they belong.
    pub workspaces: Vec<Membership>,
    /// Whether they have a passkey or one-time codes.
    pub second_factor: bool,
    /// When the account was made.
    pub created_at: Time,
    /// When they last used a session that is still remembered.
    pub last_seen: Option<Time>,
}

/// A page of people, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeoplePage {
    /// Its people.
    pub items: Vec<PersonView>,
    /// Where the next page begins, if there is one.
    pub next: Option<UserId>,
}

/// What changes about somebody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PersonChange {
    /// The role in the installation.
    pub role: Option<Role>,
    /// Whether the account is open.
    pub open: Option<bool>,
}

/// Why nobody was shown or changed.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// There is no such account.
    #[error("there is no such person")]
    NotFound,
    /// Without them nobody could administer the studio.
    #[error("this is the last active administrator; give somebody else the role first")]
    LastAdministrator,
    /// The account is closed.
    #[error("the account is disabled; enable it first")]
    Disabled,
    /// The account waits for its address to be verified or its invitation to be accepted.
    #[error("the account was not taken into use yet; invite the person again")]
    Pending,
    /// There is no such workspace.
    #[error("there is no such workspace")]
    NoWorkspace,
    /// An address or name.
    #[error(transparent)]
    Personal(#[from] NotPersonal),
    /// A language.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The database.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A key.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// What was read of a page of accounts besides the accounts.
#[derive(Default)]
struct Beside {
    memberships: HashMap<UserId, Vec<Membership>>,
    seen: HashMap<UserId, Time>,
    second_factor: HashSet<UserId>,
}

/// Refuses to take the last administrator who can get in away. The caller holds the lock of administrators
/// ([`store::users::lock_administrators`]) in the same transaction.
///
/// # Errors
/// [`PeopleError::LastAdministrator`].
pub(crate) async fn keep_an_administrator(tx: &mut Tx, losing: &User) -> Result<(), PeopleError> {
    let counts = losing.role == Role::Admin && losing.state == AccountState::Active;
    if counts && !store::users::other_administrator(tx, Some(losing.id)).await? {
        return Err(PeopleError::LastAdministrator);
    }
    Ok(())
}

impl Studio {
    /// A page of people, newest first.
    ///
    /// # Errors
    /// What the database or a key says.
    pub async fn people(&self, before: Option<UserId>, limit: u32) -> Result<PeoplePage, PeopleError> {
        let limit = limit.clamp(1, MAX_PAGE);
        let (users, next, beside) = self
            .db
            .read("people.page", move |read| {
                Box::pin(async move {
                    let mut users = store::users::page(read, before, limit + 1).await?;
                    let more = users.len() > limit as usize;
                    users.truncate(limit as usize);
                    let next = users.last().filter(|_| more).map(|user| user.id);
                    let beside = beside(read, &users).await?;
                    Ok::<_, store::Error>((users, next, beside))
                })
            })
            .await?;
        Ok(PeoplePage {
            items: self.person_views(users, beside)?,
            next,
        })
    }

    /// The person with an address, as a page of one or none. What is no address is nobody's.
    ///
    /// # Errors
    /// What the database or a key says.
    pub async fn people_with_email(&self, email: &str) -> Result<PeoplePage, PeopleError> {
        let Ok(email) = Email::parse(email) else {
            return Ok(PeoplePage {
                items: Vec::new(),
                next: None,
            });
        };
        let index = self.email_index(&email);
        let (users, beside) = self
            .db
            .read("people.by_email", move |read| {
                let index = index.clone();
                Box::pin(async move {
                    let found = store::users::find_by_email_index(read, &index).await?;
                    let users: Vec<User> = found.into_iter().collect();
                    let beside = beside(read, &users).await?;
                    Ok::<_, store::Error>((users, beside))
                })
            })
            .await?;
        Ok(PeoplePage {
            items: self.person_views(users, beside)?,
            next: None,
        })
    }

    /// One person.
    ///
    /// # Errors
    /// [`PeopleError::NotFound`].
    pub async fn person(&self, id: UserId) -> Result<PersonView, PeopleError> {
        let (users, beside) = self
            .db
            .read("people.one", move |read| {
                Box::pin(async move {
                    let users: Vec<User> = store::users::find(read, id).await?.into_iter().collect();
                    let beside = beside(read, &users).await?;
                    Ok::<_, store::Error>((users, beside))
                })
            })
            .await?;
        self.person_views(users, beside)?
            .pop()
            .ok_or(PeopleError::NotFound)
    }

    fn person_views(&self, users: Vec<User>, mut beside: Beside) -> Result<Vec<PersonView>, KeyError> {
        let mut views = Vec::with_capacity(users.len());
        for user in users {
            let texts = match self.open_texts(&user) {
                Ok(texts) => texts,
                // Erased with their key: there is nobody left to show.
                Err(KeyError::Destroyed) => continue,
                Err(error) => return Err(error),
            };
            views.push(PersonView {
                id: user.id,
                texts,
                state: user.state,
                role: user.role,
                workspaces: beside.memberships.remove(&user.id).unwrap_or_default(),
                second_factor: beside.second_factor.contains(&user.id),
                created_at: user.created_at,
                last_seen: beside.seen.get(&user.id).copied(),
            });
        }
        Ok(views)
    }

    /// Changes somebody's role in the installation, closes or opens their account. It is so for their next
    /// request.
    ///
    /// # Errors
    /// [`PeopleError::NotFound`], [`PeopleError::LastAdministrator`].
    pub async fn change_person(
        &self,
        actor: &Actor,
        id: UserId,
        change: PersonChange,
        request_id: Option<&str>,
    ) -> Result<PersonView, PeopleError> {
        let stamp = Stamp::of(self, actor, request_id);
        self.db
            .write("people.change", move |tx| {
                let stamp = stamp.clone();
                Box::pin(async move {
                    store::users::lock_administrators(tx).await?;
                    let user = store::users::find(tx, id).await?.ok_or(PeopleError::NotFound)?;
                    let user = match change.role {
                        Some(role) if role != user.role => give_role(tx, user, role, &stamp).await?,
                        _ => user,
                    };
                    match change.open {
                        Some(false) if user.state != AccountState::Disabled => close(tx, &user, &stamp).await,
                        Some(true) if user.state == AccountState::Disabled => open(tx, &user, &stamp).await,
                        _ => Ok(()),
                    }
                })
            })
            .await?;
        self.forget_standing(id);
        self.work_bell.notify_one();
        self.tell_bell.notify_one();
        self.person(id).await
    }

    /// Ends every session of somebody; tells how many.
    ///
    /// # Errors
    /// [`PeopleError::NotFound`].
    pub async fn end_sessions_of_person(
        &self,
        actor: &Actor,
        id: UserId,
        request_id: Option<&str>,
    ) -> Result<usize, PeopleError> {
        let stamp = Stamp::of(self, actor, request_id);
        let ended = self
            .db
            .write("people.end_sessions", move |tx| {
                let stamp = stamp.clone();
                Box::pin(async move {
                    store::users::find(tx, id).await?.ok_or(PeopleError::NotFound)?;
                    Ok::<_, PeopleError>(Self::end_all_sessions_of(tx, id, ENDED, &stamp).await?)
                })
            })
            .await?;
        self.forget_standing(id);
        self.tell_bell.notify_one();
        Ok(ended)
    }

    /// Sends somebody a link to choose a new password; earlier ones are void. Where no mail is sent the
    /// link is given back, to be handed over.
    ///
    /// # Errors
    /// [`PeopleError::NotFound`], [`PeopleError::Disabled`], [`PeopleError::Pending`].
    pub async fn reset_person(
        &self,
        actor: &Actor,
        id: UserId,
        request_id: Option<&str>,
    ) -> Result<Option<String>, PeopleError> {
        let user = self
            .db
            .read("people.reset_of", move |read| {
                Box::pin(store::users::find(read, id))
            })
            .await?
            .ok_or(PeopleError::NotFound)?;
        match user.state {
            AccountState::Disabled => return Err(PeopleError::Disabled),
            AccountState::Pending => return Err(PeopleError::Pending),
            AccountState::Active => {}
        }
        let (secret, hash) = fresh_ticket();
        let ticket = self.ticket_of(id, Kind::ResetPassword, hash);
        let link = self.page_link(&format!("/reset#token={}", secret.expose_secret()));
        let sends = self.sends_mail();
        let with_link = Some((link.clone(), ticket.expires_at));
        let letter = self.letter_to(&user, LetterKind::ResetPassword, with_link, Facts::default())?;
        let stamp = Stamp::of(self, actor, request_id);
        let outcome = if sends { "sent" } else { "handed_over" };
        let details = BTreeMap::from([("by".to_owned(), "administrator".to_owned())]);
        let entry = stamp.entry(
            None,
            Action::PasswordResetRequested,
            id.to_string(),
            outcome,
            details,
        );
        self.db
            .write("people.reset", move |tx| {
                let (ticket, letter, entry) = (ticket.clone(), letter.clone(), entry.clone());
                Box::pin(async move {
                    tickets::revoke_of(tx, id, Kind::ResetPassword, entry.at).await?;
                    tickets::insert(tx, &ticket).await?;
                    if sends {
                        outbox::put(tx, &letter).await?;
                    }
                    store::audit::append(tx, &entry).await
                })
            })
            .await?;
        self.tell_bell.notify_one();
        self.ring_outbox();
        Ok((!sends).then_some(link))
    }
}

async fn beside(read: &mut Read, users: &[User]) -> Result<Beside, store::Error> {
    let ids = || users.iter().map(|user| user.id);
    let (Some(low), Some(high)) = (ids().min(), ids().max()) else {
        return Ok(Beside::default());
    };
    let mut memberships: HashMap<UserId, Vec<Membership>> = HashMap::new();
    for (user, membership) in store::people::memberships(read, low, high).await? {
        memberships.entry(user).or_default().push(membership);
    }
    Ok(Beside {
        memberships,
        seen: store::people::last_seen(read, low, high)
            .await?
            .into_iter()
            .collect(),
        second_factor: store::people::with_second_factor(read, low, high)
            .await?
            .into_iter()
            .collect(),
    })
}

/// Gives somebody another role in the installation. The caller holds the lock of administrators.
///
/// # Errors
/// [`PeopleError::LastAdministrator`].
pub(crate) async fn give_role(
    tx: &mut Tx,
    user: User,
    role: Role,
    stamp: &Stamp,
) -> Result<User, PeopleError> {
    keep_an_administrator(tx, &user).await?;
    store::users::set_role(tx, user.id, role, stamp.now).await?;
    store::users::bump_epoch(tx, user.id, stamp.now).await?;
    let details = BTreeMap::from([
        ("from".to_owned(), user.role.to_string()),
        ("to".to_owned(), role.to_string()),
    ]);
    let entry = stamp.entry(None, Action::RoleChanged, user.id.to_string(), "ok", details);
    store::audit::append(tx, &entry).await?;
    Ok(User { role, ..user })
}

/// Closes an account: its sessions end, its links are void, what waits is cancelled. The caller holds the
/// lock of administrators.
pub(super) async fn close(tx: &mut Tx, user: &User, stamp: &Stamp) -> Result<(), PeopleError> {
    keep_an_administrator(tx, user).await?;
    store::users::set_state(tx, user.id, AccountState::Disabled, stamp.now).await?;
    for kind in [Kind::ResetPassword, Kind::VerifyEmail, Kind::Invitation] {
        tickets::revoke_of(tx, user.id, kind, stamp.now).await?;
    }
    Studio::end_all_sessions_of(tx, user.id, CLOSED, stamp).await?;
    cancel_all_of(tx, stamp, user.id, None, CLOSED).await?;
    let id = user.id.to_string();
    let entry = stamp.entry(None, Action::AccountDisabled, id, "ok", BTreeMap::new());
    Ok(store::audit::append(tx, &entry).await?)
}

/// Opens a closed account. One that was never taken into use waits for its owner again.
async fn open(tx: &mut Tx, user: &User, stamp: &Stamp) -> Result<(), PeopleError> {
    let was_in_use = user.email_verified_at.is_some() || user.password.is_some();
    let state = if was_in_use {
        AccountState::Active
    } else {
        AccountState::Pending
    };
    store::users::set_state(tx, user.id, state, stamp.now).await?;
    let id = user.id.to_string();
    let details = BTreeMap::from([("state".to_owned(), state.to_string())]);
    let entry = stamp.entry(None, Action::AccountEnabled, id, "ok", details);
    Ok(store::audit::append(tx, &entry).await?)
}

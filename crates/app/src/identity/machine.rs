//! Accounts looked after at the machine itself: by commands on the data directory. Whoever can read its
//! keys needs no login.

use super::accounts::{AccountError, AccountTexts, PasswordError, locale_of};
use super::people::{self, PeopleError};
use super::register::fresh_ticket;
use super::setup::first_administrator;
use crate::generations::record::Stamp;
use crate::studio::Studio;
use domain::actor::{Actor, FIRST_WORKSPACE};
use domain::audit::Action;
use domain::id::{UserId, WorkspaceId};
use domain::identity::{AccountState, Email, Name, NotPersonal, Role};
use domain::time::Time;
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;
use store::members::Member;
use store::tickets::{self, Kind};
use store::users::User;
use vault::KeyError;

/// Accounts read at once for the list.
const BATCH: u32 = 200;

/// An account that is made at the machine.
#[derive(Debug)]
pub struct LocalAccount {
    /// The address.
    pub email: String,
    /// The name; without it, what stands before the `@`.
    pub name: Option<String>,
    /// The role in the installation and in the workspace.
    pub role: Role,
    /// The password; without it a link is given to choose one.
    pub password: Option<SecretString>,
    /// The workspace; without it the first one.
    pub workspace: Option<WorkspaceId>,
}

/// An account as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedAccount {
    /// Its id.
    pub id: UserId,
    /// Address and name.
    pub texts: AccountTexts,
    /// Where it stands.
    pub state: AccountState,
    /// The role in the installation.
    pub role: Role,
    /// When it was made.
    pub created_at: Time,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// The address has an account.
    #[error("this address has an account already")]
    Exists,
    /// The address has none.
    #[error("there is no account with this address")]
    NotFound,
    /// It is the last one who could look after accounts.
    #[error("this is the last active administrator; make another one first")]
    LastAdministrator,
    /// There is no such workspace.
    #[error("there is no such workspace")]
    NoWorkspace,
    /// Address or name.
    #[error(transparent)]
    Personal(#[from] NotPersonal),
    /// The password.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The account.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The database.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A key.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl From<PeopleError> for MachineError {
    fn from(error: PeopleError) -> Self {
        match error {
            PeopleError::NotFound | PeopleError::Disabled | PeopleError::Pending => Self::NotFound,
            PeopleError::LastAdministrator => Self::LastAdministrator,
            PeopleError::NoWorkspace => Self::NoWorkspace,
            PeopleError::Personal(error) => Self::Personal(error),
            PeopleError::Account(error) => Self::Account(error),
            PeopleError::Store(error) => Self::Store(error),
            PeopleError::Key(error) => Self::Key(error),
        }
    }
}

/// The user that a transaction is about, or that nobody is.
fn here(user: Option<User>) -> Result<User, MachineError> {
    user.ok_or(MachineError::NotFound)
}

impl Studio {
    fn at_machine(&self) -> Stamp {
        Stamp::of(self, &Actor::local(), None)
    }

    /// Makes an account. The first administrator takes over what was made at the machine before.
    ///
    /// # Errors
    /// [`MachineError`].
    pub async fn create_local_account(&self, new: &LocalAccount) -> Result<UserId, MachineError> {
        let email = Email::parse(&new.email)?;
        let name = match &new.name {
            Some(name) => Name::parse(name)?,
            None => Name::parse(email.local_part())?,
        };
        let texts = AccountTexts { email, name };
        let record = match &new.password {
            Some(password) => {
                let password = self.new_password(password, false, &texts)?;
                let hashed = self.accounts.hasher.hash(&password).await;
                Some(hashed.map_err(PasswordError::Hash)?)
            }
            None => None,
        };
        let mut account = self.new_account(&texts, locale_of(None)?, new.role, record)?;
        let workspace = new.workspace.unwrap_or(FIRST_WORKSPACE);
        account.member.workspace = workspace;
        let (id, stamp) = (account.user.id, self.at_machine());
        self.db
            .write("machine.create", move |tx| {
                let (account, stamp) = (account.clone(), stamp.clone());
                Box::pin(async move {
                    // Nothing may have served this data yet.
                    store::workspaces::ensure_first(tx, stamp.now).await?;
                    if store::workspaces::find(tx, workspace).await?.is_none() {
                        return Err(MachineError::NoWorkspace);
                    }
                    let index = &account.user.email_index;
                    if store::users::find_by_email_index(tx, index).await?.is_some() {
                        return Err(MachineError::Exists);
                    }
                    store::users::lock_administrators(tx).await?;
                    let is_first = account.user.role == Role::Admin && !store::users::is_set_up(tx).await?;
                    if is_first {
                        first_administrator(tx, &account, &stamp).await?;
                        if workspace != FIRST_WORKSPACE {
                            let role = account.user.role;
                            let first = Member {
                                workspace: FIRST_WORKSPACE,
                                ..account.member
                            };
                            store::members::insert(tx, &Member { role, ..first }).await?;
                        }
                        return Ok(());
                    }
                    store::users::insert(tx, &account.user).await?;
                    store::members::insert(tx, &account.member).await?;
                    let details = BTreeMap::from([("role".to_owned(), account.user.role.to_string())]);
                    let object = account.user.id.to_string();
                    let entry = stamp.entry(Some(workspace), Action::AccountCreated, object, "ok", details);
                    Ok(store::audit::append(tx, &entry).await?)
                })
            })
            .await?;
        self.tell_bell.notify_one();
        Ok(id)
    }

    /// Every account, newest first.
    ///
    /// # Errors
    /// What the database or a key says.
    pub async fn local_accounts(&self) -> Result<Vec<ListedAccount>, MachineError> {
        let mut all = Vec::new();
        let mut before = None;
        loop {
            let page = self
                .db
                .read("machine.list", move |read| {
                    Box::pin(store::users::page(read, before, BATCH))
                })
                .await;
            let page: Vec<User> = page.map_err(MachineError::Store)?;
            let Some(last) = page.last() else { return Ok(all) };
            before = Some(last.id);
            for user in &page {
                all.push(ListedAccount {
                    id: user.id,
                    texts: self.open_texts(user)?,
                    state: user.state,
                    role: user.role,
                    created_at: user.created_at,
                });
            }
        }
    }

    /// Closes an account and ends all its sessions.
    ///
    /// # Errors
    /// [`MachineError::NotFound`], [`MachineError::LastAdministrator`].
    pub async fn disable_local_account(&self, email: &str) -> Result<UserId, MachineError> {
        let index = self.email_index(&Email::parse(email)?);
        let stamp = self.at_machine();
        let id = self
            .db
            .write("machine.disable", move |tx| {
                let (index, stamp) = (index.clone(), stamp.clone());
                Box::pin(async move {
                    store::users::lock_administrators(tx).await?;
                    let user = here(store::users::find_by_email_index(tx, &index).await?)?;
                    people::close(tx, &user, &stamp).await?;
                    Ok::<_, MachineError>(user.id)
                })
            })
            .await?;
        self.forget_standing(id);
        self.tell_bell.notify_one();
        Ok(id)
    }

    /// A link with which the owner of an account chooses a password, as the path of a page. Who is at the
    /// machine hands it over, and does not choose for them.
    ///
    /// # Errors
    /// [`MachineError::NotFound`] for an address without an account, and for a closed one.
    pub async fn local_reset_link(&self, email: &str) -> Result<String, MachineError> {
        let index = self.email_index(&Email::parse(email)?);
        let found = self
            .db
            .read("machine.reset", move |read| {
                Box::pin(async move { store::users::find_by_email_index(read, &index).await })
            })
            .await;
        let found: Option<User> = found.map_err(MachineError::Store)?;
        let user = here(found.filter(|user| user.state != AccountState::Disabled))?;
        let (secret, hash) = fresh_ticket();
        let ticket = self.ticket_of(user.id, Kind::ResetPassword, hash);
        let stamp = self.at_machine();
        let object = user.id.to_string();
        let entry = stamp.entry(
            None,
            Action::PasswordResetRequested,
            object,
            "link",
            BTreeMap::new(),
        );
        let kept = self
            .db
            .write("machine.reset", move |tx| {
                let (ticket, entry) = (ticket.clone(), entry.clone());
                Box::pin(async move {
                    tickets::insert(tx, &ticket).await?;
                    store::audit::append(tx, &entry).await
                })
            })
            .await;
        kept.map_err(MachineError::Store)?;
        self.tell_bell.notify_one();
        Ok(format!("/reset#token={}", secret.expose_secret()))
    }
}

//! Inviting people. Somebody new gets a link; what they are invited to is theirs when they accept it, so
//! that nobody who merely registers the address gets it. Somebody with an account is a member at once.

use super::accounts::{AccountError, AccountTexts, PasswordError, locale_of};
use super::letters::{Facts, LetterKind};
use super::login::{Entrance, LoggedIn, LoginError};
use super::outbox::{self, Envelope};
use super::people::{PeopleError, PersonView};
use super::register::{fresh_ticket, shown_ticket};
use crate::generations::record::Stamp;
use crate::studio::Studio;
use domain::actor::Actor;
use domain::audit::{Action, Entry};
use domain::id::{InvitationId, UserId, WorkspaceId};
use domain::identity::{AccountState, Email, Method, Name, NotPersonal, Role};
use domain::secret::TokenHash;
use domain::time::Time;
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;
use store::Tx;
use store::members::Member;
use store::tickets::{self, Kind, Ticket};
use store::users::User;
use vault::KeyError;

/// The most invitations of one page.
pub const MAX_PAGE: u32 = 100;
/// How often an invitation begins anew when the account changed meanwhile.
const MAX_RUNS: u32 = 3;
/// What people are called until they say so themselves and whose address begins with no name.
const NO_NAME: &str = "?";

/// Somebody to be invited.
#[derive(Clone, Debug)]
pub struct NewPerson {
    /// Their address.
    pub email: String,
    /// What they are called until they say so themselves.
    pub name: Option<String>,
    /// Their role in the installation, if they have no account yet.
    pub role: Option<Role>,
    /// Where they are to belong; where the actor acts if absent.
    pub workspace: Option<WorkspaceId>,
    /// Their role there.
    pub workspace_role: Option<Role>,
    /// The language of the letter, if they have no account yet.
    pub locale: Option<String>,
}

/// Somebody who was invited.
#[derive(Clone, Debug)]
pub struct Invited {
    /// Who.
    pub person: PersonView,
    /// What to hand over where no mail is sent.
    pub link: Option<String>,
}

/// An open invitation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvitationView {
    /// What it is called.
    pub id: InvitationId,
    /// Who is invited.
    pub email: Email,
    /// The role in the installation.
    pub role: Role,
    /// Where to.
    pub workspace: WorkspaceId,
    /// The role there.
    pub workspace_role: Role,
    /// When it was made.
    pub created_at: Time,
    /// Until when it can be accepted.
    pub expires_at: Time,
}

/// A page of open invitations, newest first.
#[derive(Clone, Debug)]
pub struct InvitationsPage {
    /// Its invitations.
    pub items: Vec<InvitationView>,
    /// Where the next page begins, if there is one.
    pub next: Option<(Time, InvitationId)>,
}

/// An invitation as its owner accepts it.
#[derive(Debug)]
pub struct Acceptance {
    /// The link's token.
    pub token: SecretString,
    /// Their name.
    pub name: String,
    /// Their password; without one they add a passkey next.
    pub password: Option<SecretString>,
    /// Their language.
    pub locale: Option<String>,
}

/// Why an invitation was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// It was used, is over, was taken back, or never was.
    #[error("this invitation was used, is over or was taken back; ask for another")]
    Ticket,
    /// The name.
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

/// What an invitation gives.
#[derive(Clone, Copy, serde::Serialize, serde::Deserialize)]
struct Grant {
    role: Role,
    workspace: WorkspaceId,
    workspace_role: Role,
}

/// What an invitation writes, computed outside the transaction.
#[derive(Clone)]
struct Writing {
    user: User,
    is_new: bool,
    grant: Grant,
    ticket: Option<Ticket>,
    letter: Option<Envelope>,
    stamp: Stamp,
}

impl Studio {
    /// Invites somebody. Who has an account in use becomes a member of the workspace at once; the role in
    /// the installation of somebody with an account does not change.
    ///
    /// # Errors
    /// [`PeopleError`].
    pub async fn invite(
        &self,
        actor: &Actor,
        new: NewPerson,
        request_id: Option<&str>,
    ) -> Result<Invited, PeopleError> {
        let email = Email::parse(&new.email)?;
        let name = match &new.name {
            Some(name) => Name::parse(name)?,
            None => Name::parse(email.local_part()).or_else(|_| Name::parse(NO_NAME))?,
        };
        let texts = AccountTexts { email, name };
        let locale = locale_of(new.locale.as_deref())?;
        let grant = Grant {
            role: new.role.unwrap_or(Role::User),
            workspace: new.workspace.unwrap_or(actor.workspace()),
            workspace_role: new.workspace_role.unwrap_or(Role::User),
        };
        let stamp = Stamp::of(self, actor, request_id);
        let mut runs = 0;
        loop {
            runs += 1;
            let (writing, link) = self.invitation(&texts, &locale, grant, &stamp).await?;
            let id = writing.user.id;
            let written = self
                .db
                .write("invitations.create", move |tx| {
                    let writing = writing.clone();
                    Box::pin(async move { writing.write(tx).await })
                })
                .await;
            match written {
                // The account was made, changed or removed since it was looked at: look again.
                Err(store::Error::Fenced | store::Error::Conflict { .. } | store::Error::Rule { .. })
                    if runs < MAX_RUNS => {}
                written => {
                    written?;
                    self.forget_standing(id);
                    self.tell_bell.notify_one();
                    self.ring_outbox();
                    let person = self.person(id).await?;
                    return Ok(Invited { person, link });
                }
            }
        }
    }

    async fn invitation(
        &self,
        texts: &AccountTexts,
        locale: &str,
        grant: Grant,
        stamp: &Stamp,
    ) -> Result<(Writing, Option<String>), PeopleError> {
        let (index, workspace) = (self.email_index(&texts.email), grant.workspace);
        let (known, workspace) = self
            .db
            .read("invitations.look", move |read| {
                let index = index.clone();
                Box::pin(async move {
                    let known = store::users::find_by_email_index(read, &index).await?;
                    Ok::<_, store::Error>((known, store::workspaces::find(read, workspace).await?))
                })
            })
            .await?;
        let workspace = workspace.ok_or(PeopleError::NoWorkspace)?;
        let facts = Facts {
            workspace: Some(workspace.name),
            ..Facts::default()
        };
        let mut writing = Writing {
            is_new: known.is_none(),
            user: match known {
                Some(known) => known,
                None => User {
                    state: AccountState::Pending,
                    ..self.new_account(texts, locale.to_owned(), Role::User, None)?.user
                },
            },
            grant,
            ticket: None,
            letter: None,
            stamp: stamp.clone(),
        };
        match writing.user.state {
            AccountState::Disabled => return Err(PeopleError::Disabled),
            AccountState::Active => {
                writing.letter =
                    Some(self.letter_to(&writing.user, LetterKind::AddedToWorkspace, None, facts)?);
                return Ok((writing, None));
            }
            AccountState::Pending => {}
        }
        let (secret, hash) = fresh_ticket();
        let ticket = self.invitation_ticket(writing.user.id, hash, grant)?;
        let link = self.page_link(&format!("/invitation#token={}", secret.expose_secret()));
        let sends = self.sends_mail();
        if sends {
            let with_link = Some((link.clone(), ticket.expires_at));
            writing.letter = Some(self.letter_to(&writing.user, LetterKind::Invitation, with_link, facts)?);
        }
        writing.ticket = Some(ticket);
        Ok((writing, (!sends).then_some(link)))
    }

    fn invitation_ticket(&self, user: UserId, hash: TokenHash, grant: Grant) -> Result<Ticket, KeyError> {
        let content = serde_json::to_vec(&grant).map_err(|_| KeyError::Damaged("invitation".to_owned()))?;
        let sealed = self.keys.seal_small(&user.to_string(), hash.as_str(), &content)?;
        Ok(Ticket {
            payload_sealed: Some(sealed),
            expires_at: self.now().after(self.settings.identity.invitation),
            ..self.ticket_of(user, Kind::Invitation, hash)
        })
    }

    fn grant_of(&self, user: UserId, ticket: &Ticket) -> Result<Grant, KeyError> {
        let damaged = || KeyError::Damaged("invitation".to_owned());
        let sealed = ticket.payload_sealed.as_ref().ok_or_else(damaged)?;
        let content = self
            .keys
            .open_small(&user.to_string(), ticket.hash.as_str(), sealed)?;
        serde_json::from_slice(&content).map_err(|_| damaged())
    }

    /// A page of open invitations, newest first.
    ///
    /// # Errors
    /// What the database or a key says.
    pub async fn invitations(
        &self,
        before: Option<(Time, InvitationId)>,
        limit: u32,
    ) -> Result<InvitationsPage, PeopleError> {
        let (limit, now) = (limit.clamp(1, MAX_PAGE), self.now());
        let (found, next) = self
            .db
            .read("invitations.page", move |read| {
                Box::pin(async move {
                    let mut page = store::invitations::page(read, now, before, limit + 1).await?;
                    let more = page.len() > limit as usize;
                    page.truncate(limit as usize);
                    let next = page
                        .last()
                        .filter(|_| more)
                        .map(|last| (last.created_at, last.id()));
                    let mut found = Vec::with_capacity(page.len());
                    for one in page {
                        let ticket = tickets::find(read, Kind::Invitation, &one.hash, now).await?;
                        let user = store::users::find(read, one.user).await?;
                        found.extend(ticket.zip(user));
                    }
                    Ok::<_, store::Error>((found, next))
                })
            })
            .await?;
        let mut items = Vec::with_capacity(found.len());
        for (ticket, user) in found {
            let texts = match self.open_texts(&user) {
                Ok(texts) => texts,
                // Erased with their key: there is nobody left to invite.
                Err(KeyError::Destroyed) => continue,
                Err(error) => return Err(error.into()),
            };
            let grant = self.grant_of(user.id, &ticket)?;
            items.push(InvitationView {
                id: store::invitations::id_of(&ticket.hash),
                email: texts.email,
                role: grant.role,
                workspace: grant.workspace,
                workspace_role: grant.workspace_role,
                created_at: ticket.created_at,
                expires_at: ticket.expires_at,
            });
        }
        Ok(InvitationsPage { items, next })
    }

    /// Takes an invitation back, and with it the account that was made for it alone: one that never was
    /// active and that nothing else refers to.
    ///
    /// # Errors
    /// [`PeopleError::NotFound`] if it is not open.
    pub async fn revoke_invitation(
        &self,
        actor: &Actor,
        id: InvitationId,
        request_id: Option<&str>,
    ) -> Result<(), PeopleError> {
        let stamp = Stamp::of(self, actor, request_id);
        self.db
            .write("invitations.revoke", move |tx| {
                let stamp = stamp.clone();
                Box::pin(async move {
                    let now = stamp.now;
                    let found = store::invitations::find(tx, id, now).await?;
                    let found = found.ok_or(PeopleError::NotFound)?;
                    let taken = tickets::take(tx, Kind::Invitation, &found.hash, now).await?;
                    taken.ok_or(PeopleError::NotFound)?;
                    let mut details = BTreeMap::from([("invitation".to_owned(), id.to_string())]);
                    if store::users::remove_pending(tx, found.user, now).await? {
                        details.insert("account".to_owned(), "removed".to_owned());
                    }
                    let person = found.user.to_string();
                    let entry = stamp.entry(None, Action::InvitationRevoked, person, "ok", details);
                    Ok::<_, PeopleError>(store::audit::append(tx, &entry).await?)
                })
            })
            .await?;
        self.tell_bell.notify_one();
        Ok(())
    }

    /// Takes an account into use by its invitation and lets its owner in.
    ///
    /// # Errors
    /// [`AcceptError`]. The invitation is used up only when they are in.
    pub async fn accept_invitation(
        &self,
        new: Acceptance,
        entrance: Entrance,
    ) -> Result<LoggedIn, AcceptError> {
        let hash = shown_ticket(&new.token).ok_or(AcceptError::Ticket)?;
        let (ticket, user) = self.invited(&hash).await?;
        let grant = self.grant_of(user.id, &ticket)?;
        let texts = AccountTexts {
            email: self.open_texts(&user)?.email,
            name: Name::parse(&new.name)?,
        };
        let locale = new
            .locale
            .as_deref()
            .map(|locale| locale_of(Some(locale)))
            .transpose()?;
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
        let name = self.seal_account_name(user.id, &texts.name)?;
        let method = record.is_some().then_some(Method::Password);
        let methods = method.into_iter().collect();
        let mut arrival = self.arrival(user.id, methods, Some(grant.workspace), &entrance);
        let device = self.recognise(&mut arrival).await?;
        let opener = self.session_opener().await.map_err(LoginError::from)?;
        let stamp = self.stamp_at_entrance(Some(user.id), entrance.request_id.as_deref());
        let entry = accepted(&stamp, user.id, grant, &hash);
        let id = user.id;
        let tokens = self
            .db
            .write("invitations.accept", move |tx| {
                let (hash, name, locale, record) =
                    (hash.clone(), name.clone(), locale.clone(), record.clone());
                let (arrival, opener, entry) = (arrival.clone(), opener.clone(), entry.clone());
                Box::pin(async move {
                    let now = entry.at;
                    let taken = tickets::take(tx, Kind::Invitation, &hash, now).await?;
                    taken.ok_or(AcceptError::Ticket)?;
                    // Whoever verified the address meanwhile has a way in of their own.
                    let current = store::users::find(tx, id).await?;
                    if current.is_none_or(|user| user.state != AccountState::Pending)
                        || !store::users::verify_email(tx, id, now).await?
                    {
                        return Err(AcceptError::Ticket);
                    }
                    store::users::set_password(tx, id, record.as_deref(), false, now).await?;
                    store::users::set_profile(tx, id, Some(&name), locale.as_deref(), now).await?;
                    store::users::set_role(tx, id, grant.role, now).await?;
                    join(tx, id, grant, now).await?;
                    for kind in [Kind::VerifyEmail, Kind::Invitation, Kind::ResetPassword] {
                        tickets::revoke_of(tx, id, kind, now).await?;
                    }
                    store::audit::append(tx, &entry).await?;
                    let tokens = arrival.let_in(tx, &opener).await?;
                    tokens.ok_or(AcceptError::Login(LoginError::NoWorkspace))
                })
            })
            .await?;
        self.forget_standing(id);
        self.tell_bell.notify_one();
        Ok(LoggedIn { tokens, device })
    }

    async fn invited(&self, hash: &TokenHash) -> Result<(Ticket, User), AcceptError> {
        let (asked, now) = (hash.clone(), self.now());
        let found = self
            .db
            .read("invitations.shown", move |read| {
                let asked = asked.clone();
                Box::pin(async move {
                    let Some(ticket) = tickets::find(read, Kind::Invitation, &asked, now).await? else {
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
            .filter(|(_, user)| user.state == AccountState::Pending)
            .ok_or(AcceptError::Ticket)
    }
}

impl Writing {
    async fn write(&self, tx: &mut Tx) -> Result<(), store::Error> {
        let (id, now) = (self.user.id, self.stamp.now);
        if self.is_new {
            store::users::insert(tx, &self.user).await?;
            let details = BTreeMap::from([("role".to_owned(), self.user.role.to_string())]);
            let entry = self
                .stamp
                .entry(None, Action::AccountCreated, id.to_string(), "ok", details);
            store::audit::append(tx, &entry).await?;
        } else {
            let current = store::users::find(tx, id).await?;
            if current.map(|user| user.state) != Some(self.user.state) {
                return Err(store::Error::Fenced);
            }
        }
        if let Some(ticket) = &self.ticket {
            tickets::revoke_of(tx, id, Kind::Invitation, now).await?;
            tickets::insert(tx, ticket).await?;
            let mut details = self.grant.details();
            details.insert(
                "invitation".to_owned(),
                store::invitations::id_of(&ticket.hash).to_string(),
            );
            let workspace = Some(self.grant.workspace);
            let entry = self.stamp.entry(
                workspace,
                Action::InvitationCreated,
                id.to_string(),
                "ok",
                details,
            );
            store::audit::append(tx, &entry).await?;
        } else if !join(tx, id, self.grant, now).await? {
            // A member already: nothing happened, and nobody is told that it did.
            return Ok(());
        } else {
            let workspace = Some(self.grant.workspace);
            let details = BTreeMap::from([("role".to_owned(), self.grant.workspace_role.to_string())]);
            let entry = self
                .stamp
                .entry(workspace, Action::MemberAdded, id.to_string(), "ok", details);
            store::audit::append(tx, &entry).await?;
        }
        match &self.letter {
            Some(letter) => outbox::put(tx, letter).await,
            None => Ok(()),
        }
    }
}

impl Grant {
    fn details(self) -> BTreeMap<String, String> {
        BTreeMap::from([
            ("role".to_owned(), self.role.to_string()),
            ("workspace_role".to_owned(), self.workspace_role.to_string()),
        ])
    }
}

fn accepted(stamp: &Stamp, user: UserId, grant: Grant, hash: &TokenHash) -> Entry {
    let mut details = grant.details();
    let invitation = store::invitations::id_of(hash).to_string();
    details.insert("invitation".to_owned(), invitation);
    stamp.entry(
        Some(grant.workspace),
        Action::InvitationAccepted,
        user.to_string(),
        "ok",
        details,
    )
}

/// Makes somebody a member unless they are one.
async fn join(tx: &mut Tx, user: UserId, grant: Grant, now: Time) -> Result<bool, store::Error> {
    if store::members::find(tx, grant.workspace, user).await?.is_some() {
        return Ok(false);
    }
    let member = Member {
        workspace: grant.workspace,
        user,
        role: grant.workspace_role,
        created_at: now,
    };
    store::members::insert(tx, &member).await?;
    Ok(true)
}

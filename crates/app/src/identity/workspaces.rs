//! Workspaces and their members. Who looks after the members of a workspace acts in it, or looks after the
//! people of the whole installation; for everybody else it does not exist.

use super::accounts::AccountTexts;
use super::letters::{Facts, LetterKind};
use super::outbox;
use super::people::{PeopleError, keep_an_administrator};
use crate::clock::random;
use crate::generations::cancel::cancel_all_of;
use crate::generations::record::Stamp;
use crate::studio::Studio;
use domain::actor::Actor;
use domain::audit;
use domain::id::{UserId, WorkspaceId};
use domain::identity::{Name, NotPersonal, Role};
use domain::rights::{Action, Object};
use domain::time::Time;
use std::collections::{BTreeMap, HashMap};
use store::members::Member;
use store::workspaces::Workspace;
use vault::KeyError;

/// The most workspaces or members of one page.
pub const MAX_PAGE: u32 = 100;
/// Why what somebody has under way in a workspace ends when they are taken out of it.
const REMOVED: &str = "member_removed";

/// A workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkspaceView {
    /// Which.
    pub id: WorkspaceId,
    /// What it is called.
    pub name: String,
    /// When it was made.
    pub created_at: Time,
    /// How many members it has.
    pub members: i64,
}

/// A member of a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberView {
    /// Who.
    pub user: UserId,
    /// Address and name.
    pub texts: AccountTexts,
    /// As what.
    pub role: Role,
    /// Since when.
    pub created_at: Time,
}

/// A page: what is on it and after what the next begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<Item, Id> {
    /// What is on it.
    pub items: Vec<Item>,
    /// After what the next begins, if there is one.
    pub next: Option<Id>,
}

/// Why no workspace was shown or changed.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// There is no such workspace or member, for this actor.
    #[error("there is no such workspace or member")]
    NotFound,
    /// They are a member.
    #[error("this person is a member already; change the role instead")]
    MemberExists,
    /// The name.
    #[error(transparent)]
    Name(#[from] NotPersonal),
    /// The database.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A key.
    #[error(transparent)]
    Key(#[from] KeyError),
}

fn absent(error: store::Error) -> WorkspaceError {
    match error {
        store::Error::Fenced => WorkspaceError::NotFound,
        store::Error::Conflict { .. } => WorkspaceError::MemberExists,
        other => WorkspaceError::Store(other),
    }
}

/// Whether the actor may do this to the members of a workspace. That they may in the workspace in which
/// they act was looked at before; in another only whoever may do it to people of the installation.
fn reach(actor: &Actor, action: Action, workspace: WorkspaceId) -> Result<(), WorkspaceError> {
    if workspace == actor.workspace() || actor.may(action, Object::Person).is_ok() {
        Ok(())
    } else {
        Err(WorkspaceError::NotFound)
    }
}

/// The same of an error about a member.
fn absent_member(error: PeopleError) -> PeopleError {
    match error {
        PeopleError::Store(store::Error::Fenced) => PeopleError::NotFound,
        other => other,
    }
}

/// Whether a membership may be taken or lowered. Nobody logs in without one, so the last one of the last
/// administrator stays; and who looks after one workspace has no say over an administrator of the
/// installation. The caller holds the lock of administrators ([`store::users::lock_administrators`]).
///
/// # Errors
/// [`PeopleError::LastAdministrator`]; [`PeopleError::NotFound`] where the actor has no say.
async fn keep_who_administers(tx: &mut store::Tx, by: Role, user: UserId) -> Result<(), PeopleError> {
    let account = store::users::find(tx, user).await?;
    let Some(account) = account.filter(|account| account.role == Role::Admin) else {
        return Ok(());
    };
    if by != Role::Admin {
        return Err(PeopleError::NotFound);
    }
    if store::members::of_user(tx, user).await?.len() <= 1 {
        keep_an_administrator(tx, &account).await?;
    }
    Ok(())
}

impl Studio {
    /// A page of workspaces, oldest first.
    ///
    /// # Errors
    /// What the database says.
    pub async fn workspaces(
        &self,
        after: Option<WorkspaceId>,
        limit: u32,
    ) -> Result<Page<WorkspaceView, WorkspaceId>, WorkspaceError> {
        let limit = limit.clamp(1, MAX_PAGE);
        let (mut found, counts) = self
            .db
            .read("workspaces.page", move |read| {
                Box::pin(async move {
                    let found = store::workspaces::page(read, after, limit + 1).await?;
                    let counts = match (found.first(), found.last()) {
                        (Some(low), Some(high)) => {
                            store::people::member_counts(read, low.id, high.id).await?
                        }
                        _ => Vec::new(),
                    };
                    Ok::<_, store::Error>((found, counts))
                })
            })
            .await?;
        let more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let counts: HashMap<WorkspaceId, i64> = counts.into_iter().collect();
        Ok(Page {
            next: found.last().filter(|_| more).map(|last| last.id),
            items: found
                .into_iter()
                .map(|row| WorkspaceView {
                    members: counts.get(&row.id).copied().unwrap_or_default(),
                    id: row.id,
                    name: row.name,
                    created_at: row.created_at,
                })
                .collect(),
        })
    }

    /// Makes a workspace; whoever makes it is its first administrator.
    ///
    /// # Errors
    /// [`WorkspaceError::Name`].
    pub async fn create_workspace(
        &self,
        actor: &Actor,
        name: &str,
        request_id: Option<&str>,
    ) -> Result<WorkspaceView, WorkspaceError> {
        let name = Name::parse(name)?;
        let stamp = Stamp::of(self, actor, request_id);
        let new = Workspace {
            id: WorkspaceId::new(stamp.now, random()),
            name: name.expose().to_owned(),
            created_at: stamp.now,
        };
        let view = WorkspaceView {
            id: new.id,
            name: new.name.clone(),
            created_at: new.created_at,
            members: 1,
        };
        let member = Member {
            workspace: new.id,
            user: actor.user(),
            role: Role::Admin,
            created_at: stamp.now,
        };
        self.db
            .write("workspaces.create", move |tx| {
                let (new, member, stamp) = (new.clone(), member.clone(), stamp.clone());
                Box::pin(async move {
                    store::workspaces::insert(tx, &new).await?;
                    store::members::insert(tx, &member).await?;
                    let (place, object) = (Some(new.id), new.id.to_string());
                    let made = audit::Action::WorkspaceCreated;
                    let entry = stamp.entry(place, made, object, "ok", BTreeMap::new());
                    store::audit::append(tx, &entry).await?;
                    note(tx, &stamp, audit::Action::MemberAdded, &member, None).await
                })
            })
            .await?;
        self.tell_bell.notify_one();
        Ok(view)
    }

    /// Renames a workspace.
    ///
    /// # Errors
    /// [`WorkspaceError::NotFound`], [`WorkspaceError::Name`].
    pub async fn rename_workspace(
        &self,
        actor: &Actor,
        id: WorkspaceId,
        name: &str,
        request_id: Option<&str>,
    ) -> Result<WorkspaceView, WorkspaceError> {
        let name = Name::parse(name)?.expose().to_owned();
        let stamp = Stamp::of(self, actor, request_id);
        let view = self
            .db
            .write("workspaces.rename", move |tx| {
                let (name, stamp) = (name.clone(), stamp.clone());
                Box::pin(async move {
                    store::workspaces::rename(tx, id, &name).await?;
                    let changed = audit::Action::WorkspaceChanged;
                    let entry = stamp.entry(Some(id), changed, id.to_string(), "ok", BTreeMap::new());
                    store::audit::append(tx, &entry).await?;
                    let row = store::workspaces::find(tx, id)
                        .await?
                        .ok_or(store::Error::Fenced)?;
                    let counts = store::people::member_counts(tx, id, id).await?;
                    Ok(WorkspaceView {
                        id,
                        name: row.name,
                        created_at: row.created_at,
                        members: counts.first().map_or(0, |(_, members)| *members),
                    })
                })
            })
            .await
            .map_err(absent)?;
        self.tell_bell.notify_one();
        Ok(view)
    }

    /// A page of the members of a workspace, in the order of their accounts.
    ///
    /// # Errors
    /// [`WorkspaceError::NotFound`] for a workspace that is not the actor's to look after, too.
    pub async fn members(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<Page<MemberView, UserId>, WorkspaceError> {
        reach(actor, Action::Read, workspace)?;
        let limit = limit.clamp(1, MAX_PAGE);
        let (found, next) = self
            .db
            .read("members.page", move |read| {
                Box::pin(async move {
                    store::workspaces::find(read, workspace)
                        .await?
                        .ok_or(store::Error::Fenced)?;
                    let mut rows = store::members::of_workspace(read, workspace, after, limit + 1).await?;
                    let more = rows.len() > limit as usize;
                    rows.truncate(limit as usize);
                    let next = rows.last().filter(|_| more).map(|row| row.user);
                    let mut found = Vec::with_capacity(rows.len());
                    for row in rows {
                        if let Some(user) = store::users::find(read, row.user).await? {
                            found.push((row, user));
                        }
                    }
                    Ok((found, next))
                })
            })
            .await
            .map_err(absent)?;
        let mut items = Vec::with_capacity(found.len());
        for (member, user) in found {
            match self.open_texts(&user) {
                Ok(texts) => items.push(MemberView {
                    user: user.id,
                    texts,
                    role: member.role,
                    created_at: member.created_at,
                }),
                // Erased with their key: there is nobody left to show.
                Err(KeyError::Destroyed) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Page { items, next })
    }

    /// Makes somebody a member and tells them.
    ///
    /// # Errors
    /// [`WorkspaceError::NotFound`], [`WorkspaceError::MemberExists`].
    pub async fn add_member(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        (user, role): (UserId, Role),
        request_id: Option<&str>,
    ) -> Result<(), WorkspaceError> {
        reach(actor, Action::Create, workspace)?;
        let (account, place) = self
            .db
            .read("members.look", move |read| {
                Box::pin(async move {
                    let account = store::users::find(read, user).await?;
                    Ok::<_, store::Error>((account, store::workspaces::find(read, workspace).await?))
                })
            })
            .await?;
        let (account, place) = account.zip(place).ok_or(WorkspaceError::NotFound)?;
        let facts = Facts {
            workspace: Some(place.name),
            ..Facts::default()
        };
        let letter = self.letter_to(&account, LetterKind::AddedToWorkspace, None, facts)?;
        let stamp = Stamp::of(self, actor, request_id);
        let member = Member {
            workspace,
            user,
            role,
            created_at: stamp.now,
        };
        self.db
            .write("members.add", move |tx| {
                let (member, letter, stamp) = (member.clone(), letter.clone(), stamp.clone());
                Box::pin(async move {
                    store::members::insert(tx, &member).await?;
                    outbox::put(tx, &letter).await?;
                    note(tx, &stamp, audit::Action::MemberAdded, &member, None).await
                })
            })
            .await
            .map_err(absent)?;
        self.membership_changed(user);
        Ok(())
    }

    /// Changes a member's role. It is so for their next request.
    ///
    /// # Errors
    /// [`PeopleError::NotFound`]; [`PeopleError::LastAdministrator`] where it would lower the only membership
    /// of the last administrator.
    pub async fn change_member(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        (user, role): (UserId, Role),
        request_id: Option<&str>,
    ) -> Result<(), PeopleError> {
        reach(actor, Action::Change, workspace).map_err(|_| PeopleError::NotFound)?;
        let stamp = Stamp::of(self, actor, request_id);
        let by = actor.installation_role();
        self.db
            .write("members.change", move |tx| {
                let stamp = stamp.clone();
                Box::pin(async move {
                    store::users::lock_administrators(tx).await?;
                    let before = store::members::find(tx, workspace, user).await?;
                    let before = before.ok_or(PeopleError::NotFound)?;
                    if before.role == role {
                        return Ok(());
                    }
                    if role < before.role {
                        keep_who_administers(tx, by, user).await?;
                    }
                    store::members::set_role(tx, workspace, user, role).await?;
                    store::users::bump_epoch(tx, user, stamp.now).await?;
                    let after = Member { role, ..before };
                    let changed = audit::Action::RoleChanged;
                    Ok(note(tx, &stamp, changed, &after, Some(before.role)).await?)
                })
            })
            .await
            .map_err(absent_member)?;
        self.membership_changed(user);
        Ok(())
    }

    /// Takes a member out of a workspace. Their sessions there are over with their next request, and what
    /// they have under way there is cancelled.
    ///
    /// # Errors
    /// [`PeopleError::NotFound`]; [`PeopleError::LastAdministrator`] where it is the only membership of the
    /// last administrator.
    pub async fn remove_member(
        &self,
        actor: &Actor,
        workspace: WorkspaceId,
        user: UserId,
        request_id: Option<&str>,
    ) -> Result<(), PeopleError> {
        reach(actor, Action::Delete, workspace).map_err(|_| PeopleError::NotFound)?;
        let stamp = Stamp::of(self, actor, request_id);
        let by = actor.installation_role();
        self.db
            .write("members.remove", move |tx| {
                let stamp = stamp.clone();
                Box::pin(async move {
                    store::users::lock_administrators(tx).await?;
                    let before = store::members::find(tx, workspace, user).await?;
                    let before = before.ok_or(PeopleError::NotFound)?;
                    keep_who_administers(tx, by, user).await?;
                    if !store::members::remove(tx, workspace, user).await? {
                        return Err(PeopleError::NotFound);
                    }
                    store::users::bump_epoch(tx, user, stamp.now).await?;
                    cancel_all_of(tx, &stamp, user, Some(workspace), REMOVED).await?;
                    Ok(note(tx, &stamp, audit::Action::MemberRemoved, &before, None).await?)
                })
            })
            .await
            .map_err(absent_member)?;
        self.work_bell.notify_one();
        self.membership_changed(user);
        Ok(())
    }

    fn membership_changed(&self, user: UserId) {
        self.forget_standing(user);
        self.tell_bell.notify_one();
        self.ring_outbox();
    }
}

/// The entry about a membership.
pub(super) async fn note(
    tx: &mut store::Tx,
    stamp: &Stamp,
    action: audit::Action,
    member: &Member,
    before: Option<Role>,
) -> Result<(), store::Error> {
    let mut details = BTreeMap::from([("role".to_owned(), member.role.to_string())]);
    details.extend(before.map(|role| ("from".to_owned(), role.to_string())));
    let (place, object) = (Some(member.workspace), member.user.to_string());
    store::audit::append(tx, &stamp.entry(place, action, object, "ok", details)).await
}

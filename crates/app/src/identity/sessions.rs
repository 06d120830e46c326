//! A person's sessions: listed, ended one by one, all but this one, or all.

use super::Unauthenticated;
use super::tokens::stamp_of;
use crate::generations::record::Stamp;
use crate::generations::stamp_for;
use crate::studio::Studio;
use credentials::opaque::{self, Purpose};
use domain::actor::Actor;
use domain::audit::Action;
use domain::id::{SessionId, UserId};
use domain::identity::Client;
use domain::time::Time;
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::Tx;
use store::sessions::Session;

/// Why a session was not ended.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Not here, over already, or another person's.
    #[error("there is no such session")]
    NotFound,
    /// The database failed.
    #[error("the database did not take it")]
    Store(#[from] store::Error),
}

/// A session as its owner sees it.
#[derive(Clone, Debug)]
pub struct SessionView {
    /// Its id.
    pub id: SessionId,
    /// Browser or API.
    pub client: Client,
    /// Which browser on which system.
    pub agent: String,
    /// A coarse network.
    pub network: String,
    /// When it began.
    pub created_at: Time,
    /// When it was last refreshed.
    pub used_at: Time,
    /// Whether it is the one that asks.
    pub current: bool,
}

impl Studio {
    /// The actor's sessions that are alive, newest first.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn sessions(&self, actor: &Actor) -> Result<Vec<SessionView>, store::Error> {
        let (user, now, current) = (actor.user(), self.now(), actor.session());
        let rows: Vec<Session> = self
            .db
            .read("sessions.list", move |read| {
                Box::pin(store::sessions::alive_of(read, user, now))
            })
            .await?;
        let view = |row: Session| SessionView {
            current: current == Some(row.id),
            id: row.id,
            client: row.client,
            agent: row.agent,
            network: row.network,
            created_at: row.created_at,
            used_at: row.used_at,
        };
        Ok(rows.into_iter().map(view).collect())
    }

    /// Ends one session of the actor's; it may be the one that asks.
    ///
    /// # Errors
    /// [`SessionError::NotFound`] for what is not the actor's, too.
    pub async fn end_session(
        &self,
        actor: &Actor,
        id: SessionId,
        request_id: Option<&str>,
    ) -> Result<(), SessionError> {
        let stamp = stamp_for(self, actor, request_id);
        let user = actor.user();
        self.db
            .write("sessions.end", move |tx| {
                let stamp = stamp.clone();
                Box::pin(async move {
                    if !end(tx, user, id, "ended_by_owner", &stamp).await? {
                        return Err(SessionError::NotFound);
                    }
                    Ok(())
                })
            })
            .await?;
        self.identity.standings.forget_session(id);
        self.tell_bell.notify_one();
        Ok(())
    }

    /// Ends the actor's sessions but the one that asks; tells how many.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn end_other_sessions(
        &self,
        actor: &Actor,
        request_id: Option<&str>,
    ) -> Result<usize, SessionError> {
        let stamp = stamp_for(self, actor, request_id);
        let (user, current) = (actor.user(), actor.session());
        let ended = self
            .db
            .write("sessions.end_others", move |tx| {
                let stamp = stamp.clone();
                Box::pin(async move {
                    Self::end_other_sessions_of(tx, user, current, "ended_by_owner", &stamp)
                        .await
                        .map_err(SessionError::from)
                })
            })
            .await?;
        self.forget_standing(user);
        self.tell_bell.notify_one();
        Ok(ended)
    }

    /// Ends every session of a person in a transaction of the caller's and makes their tokens void; tells
    /// how many there were. The caller forgets the standing ([`Studio::forget_standing`]) afterwards.
    ///
    /// # Errors
    /// If the database fails.
    pub(crate) async fn end_all_sessions_of(
        tx: &mut Tx,
        user: UserId,
        why: &str,
        stamp: &Stamp,
    ) -> Result<usize, store::Error> {
        store::users::bump_epoch(tx, user, stamp.now).await?;
        Self::end_other_sessions_of(tx, user, None, why, stamp).await
    }

    /// Ends every session of a person but one in a transaction of the caller's, with one audit entry if
    /// there was any; tells how many there were.
    ///
    /// # Errors
    /// If the database fails.
    pub(crate) async fn end_other_sessions_of(
        tx: &mut Tx,
        user: UserId,
        except: Option<SessionId>,
        why: &str,
        stamp: &Stamp,
    ) -> Result<usize, store::Error> {
        let ended = store::sessions::end_all(tx, user, except, why, stamp.now)
            .await?
            .len();
        if ended > 0 {
            let details = BTreeMap::from([
                ("sessions".to_owned(), ended.to_string()),
                ("why".to_owned(), why.to_owned()),
            ]);
            let entry = stamp.entry(None, Action::SessionEnded, user.to_string(), "ok", details);
            store::audit::append(tx, &entry).await?;
        }
        Ok(ended)
    }

    /// Ends the session that an access token (even one whose time is over) or a refresh token belongs to.
    /// What belongs to none ends none.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn logout(
        &self,
        access: Option<&SecretString>,
        refresh: Option<&SecretString>,
        request_id: Option<&str>,
    ) -> Result<(), Unauthenticated> {
        let hash = refresh.and_then(|token| opaque::hash(Purpose::Refresh, token.expose_secret()));
        let claimed = match access {
            None => None,
            Some(token) => {
                let keys = self.token_keys().await?;
                let claims = keys.verifier().verify_at_any_time(token.expose_secret());
                claims.ok().map(|claims| (claims.sub, claims.sid))
            }
        };
        if hash.is_none() && claimed.is_none() {
            return Ok(());
        }
        let (now, request_id) = (self.now(), request_id.map(str::to_owned));
        let private = Arc::clone(&self.private);
        let ended = self
            .db
            .write("sessions.logout", move |tx| {
                let (hash, request_id, private) = (hash.clone(), request_id.clone(), Arc::clone(&private));
                Box::pin(async move {
                    let taken = match &hash {
                        None => None,
                        Some(hash) => store::refresh_tokens::take(tx, hash).await?,
                    };
                    let theirs = taken.map(|(_, standing)| (standing.session.user, standing.session.id));
                    let mut ended = Vec::new();
                    for (user, id) in theirs.into_iter().chain(claimed) {
                        let stamp = stamp_of(&private, user, now, request_id.clone());
                        if end(tx, user, id, "logout", &stamp).await? {
                            ended.push(id);
                        }
                    }
                    Ok::<_, store::Error>(ended)
                })
            })
            .await?;
        for id in ended {
            self.identity.standings.forget_session(id);
        }
        self.tell_bell.notify_one();
        Ok(())
    }
}

/// Ends one session with its audit entry; `false` if there is none to end.
async fn end(
    tx: &mut Tx,
    user: UserId,
    id: SessionId,
    why: &str,
    stamp: &Stamp,
) -> Result<bool, store::Error> {
    if !store::sessions::end(tx, user, id, why, stamp.now).await? {
        return Ok(false);
    }
    let details = BTreeMap::from([("why".to_owned(), why.to_owned())]);
    let entry = stamp.entry(None, Action::SessionEnded, id.to_string(), "ok", details);
    store::audit::append(tx, &entry).await?;
    Ok(true)
}

//! Whether somebody who was let in still may be: what a token says is compared with what the database
//! says of its session and account. The answer is kept for a few seconds, and changed at once by whoever
//! changes it in this process.

use super::{Presented, Proof, Unauthenticated};
use crate::studio::Studio;
use credentials::access::{Claims, Refused};
use domain::actor::{Actor, Via};
use domain::id::{SessionId, UserId};
use domain::identity::AccountState;
use domain::time::Time;
use secrecy::{ExposeSecret, SecretString};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use store::sessions::Standing;

/// How long a process goes by what it read of a session: what another process ended is over by then.
pub const STANDING_MEMORY: Duration = Duration::from_secs(5);
/// The most sessions whose standing is kept. Beyond that all is read anew.
pub const MAX_STANDINGS: usize = 20_000;

/// What was read of sessions in the last seconds.
pub(crate) struct Standings {
    most: usize,
    kept: Mutex<Kept>,
}

struct Kept {
    /// Counts what was forgotten: what was read before must not be kept after.
    changes: u64,
    sessions: HashMap<SessionId, (Time, Arc<Standing>)>,
}

impl Standings {
    pub(crate) fn of(most: usize) -> Self {
        Self {
            most,
            kept: Mutex::new(Kept {
                changes: 0,
                sessions: HashMap::new(),
            }),
        }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is kept of a session, or else the count with which to keep what is about to be read.
    fn find(&self, id: SessionId, now: Time) -> Result<Arc<Standing>, u64> {
        let kept = self.kept();
        match kept.sessions.get(&id) {
            Some((at, standing)) if now >= *at && now.since(*at) < STANDING_MEMORY => {
                Ok(Arc::clone(standing))
            }
            _ => Err(kept.changes),
        }
    }

    fn keep(&self, changes: u64, standing: Arc<Standing>, now: Time) {
        let mut kept = self.kept();
        if kept.changes != changes {
            return;
        }
        if kept.sessions.len() >= self.most {
            kept.sessions
                .retain(|_, (at, _)| now >= *at && now.since(*at) < STANDING_MEMORY);
        }
        if kept.sessions.len() >= self.most {
            kept.sessions.clear();
        }
        kept.sessions.insert(standing.session.id, (now, standing));
    }

    fn forget(&self, which: impl Fn(&Standing) -> bool) {
        let mut kept = self.kept();
        kept.changes += 1;
        kept.sessions.retain(|_, (_, standing)| !which(standing));
    }

    pub(crate) fn forget_session(&self, id: SessionId) {
        let mut kept = self.kept();
        kept.changes += 1;
        kept.sessions.remove(&id);
    }
}

impl Studio {
    /// Finds out who is behind what a request shows.
    ///
    /// # Errors
    /// Why nobody is.
    pub async fn authenticate(&self, presented: Presented) -> Result<Actor, Unauthenticated> {
        match presented {
            Presented::ApiKey { secret, address } => self.authenticate_key(&secret, address).await,
            Presented::Access { token, proof } => self.authenticate_token(&token, proof.as_ref()).await,
        }
    }

    /// Forgets what is kept of a person's sessions: the next request asks the database. For whoever
    /// changed an account, a role, a membership or a session, after the change is committed.
    pub fn forget_standing(&self, user: UserId) {
        self.identity
            .standings
            .forget(|standing| standing.session.user == user);
    }

    async fn authenticate_token(
        &self,
        token: &SecretString,
        proof: Option<&Proof>,
    ) -> Result<Actor, Unauthenticated> {
        let now = self.now();
        let keys = self.token_keys().await?;
        let claims = keys
            .verifier()
            .verify(token.expose_secret(), now)
            .map_err(|why| match why {
                Refused::Expired => Unauthenticated::Expired,
                _ => Unauthenticated::Unknown,
            })?;
        let standing = self
            .standing(claims.sid)
            .await?
            .ok_or(Unauthenticated::SessionOver)?;
        let actor = actor(&claims, &standing, now)?;
        match (&standing.session.jkt, proof) {
            (None, None) => {}
            (Some(jkt), Some(proof)) => {
                if self.possession(proof, Some(token.expose_secret())).await? != *jkt {
                    return Err(Unauthenticated::Proof("its key is not that of the token"));
                }
            }
            (Some(_), None) => return Err(Unauthenticated::Proof("this token needs one")),
            (None, Some(_)) => return Err(Unauthenticated::Proof("this token is bound to no key")),
        }
        Ok(actor)
    }

    pub(crate) async fn standing(&self, id: SessionId) -> Result<Option<Arc<Standing>>, store::Error> {
        let now = self.now();
        let changes = match self.identity.standings.find(id, now) {
            Ok(standing) => return Ok(Some(standing)),
            Err(changes) => changes,
        };
        let found: Option<Standing> = self
            .db
            .read("sessions.standing", move |read| {
                Box::pin(store::sessions::standing(read, id))
            })
            .await?;
        let Some(found) = found.map(Arc::new) else {
            return Ok(None);
        };
        self.identity.standings.keep(changes, Arc::clone(&found), now);
        Ok(Some(found))
    }
}

/// Who a token's bearer is, if what it says still holds.
fn actor(claims: &Claims, standing: &Standing, now: Time) -> Result<Actor, Unauthenticated> {
    let session = &standing.session;
    let is_theirs = claims.sub == session.user
        && claims.scope == super::tokens::SCOPE
        && claims.cnf.as_ref().map(|cnf| &cnf.jkt) == session.jkt.as_ref();
    if !is_theirs {
        return Err(Unauthenticated::Unknown);
    }
    let role = standing.workspace_role.ok_or(Unauthenticated::SessionOver)?;
    if standing.state != AccountState::Active || !session.is_alive(now) {
        return Err(Unauthenticated::SessionOver);
    }
    // The session goes on; its next token will be of this epoch and workspace.
    if claims.epoch != standing.auth_epoch || claims.tenant != session.workspace {
        return Err(Unauthenticated::Expired);
    }
    let via = Via::Session {
        id: session.id,
        fresh_at: session.fresh_at,
    };
    Ok(Actor::authenticated(
        session.user,
        session.workspace,
        role,
        standing.role,
        via,
    ))
}

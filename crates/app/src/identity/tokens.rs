//! Handing out tokens: for a new session, and for a refresh token (`security.md` 3.3).

use super::letters::{Facts, LetterKind};
use super::outbox::{self, Envelope};
use super::token_keys::Known;
use super::{NewSession, Proof, Settings, Tokens, Unauthenticated};
use crate::clock::random;
use crate::generations::record::Stamp;
use crate::private::Private;
use crate::studio::Studio;
use credentials::access::{Claims, Confirmation};
use credentials::opaque::{self, Purpose};
use domain::audit::Action;
use domain::id::{SessionId, UserId};
use domain::identity::{AccountState, Client, Method, Role};
use domain::secret::TokenHash;
use domain::time::Time;
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use store::Tx;
use store::refresh_tokens::{self, RefreshToken};
use store::sessions::{Session, Standing};
use store::users::User;

/// The scope of a session's tokens: all that their owner may.
pub(crate) const SCOPE: &str = "*";
/// Why a session ended whose refresh token came twice.
pub(crate) const REUSED: &str = "token_reused";

/// Opens sessions inside a transaction of the caller's: made before it, cheap to clone into it.
#[derive(Clone)]
pub struct SessionOpener {
    keys: Arc<Known>,
    settings: Settings,
    now: Time,
}

/// What a refresh comes with.
#[derive(Debug)]
pub struct Refresh {
    /// The refresh token.
    pub token: SecretString,
    /// How it came: a browser's token in a body, or the other way round, is nobody's.
    pub client: Client,
    /// The proof of possession that came along.
    pub proof: Option<Proof>,
    /// The request, for the audit log.
    pub request_id: Option<String>,
}

enum Outcome {
    Granted(Tokens),
    Over,
    Unbound,
    /// It came twice, and nothing was done about it yet: the notice has to be sealed first.
    Twice(UserId),
    Reused(UserId),
}

impl Studio {
    /// What opens sessions at this moment.
    ///
    /// # Errors
    /// If the signing key cannot be had.
    pub async fn session_opener(&self) -> Result<SessionOpener, Unauthenticated> {
        Ok(SessionOpener {
            keys: self.token_keys().await?,
            settings: self.settings.identity.clone(),
            now: self.now(),
        })
    }

    /// Opens a session in a transaction of its own.
    ///
    /// # Errors
    /// [`store::Error::Fenced`] if the account is not active or no member of the workspace.
    pub async fn open_session(&self, new: NewSession) -> Result<Tokens, Unauthenticated> {
        let opener = self.session_opener().await?;
        self.db
            .write("sessions.open", move |tx| {
                let (opener, new) = (opener.clone(), new.clone());
                Box::pin(async move { opener.open(tx, &new).await })
            })
            .await
    }

    /// Hands out new tokens for a refresh token, once. A token that comes again ends its session, unless
    /// the answer to it seems to have been lost: it comes within the grace and nobody used its successor.
    ///
    /// # Errors
    /// [`Unauthenticated::SessionOver`] whatever is wrong with the token.
    pub async fn refresh(&self, refresh: Refresh) -> Result<Tokens, Unauthenticated> {
        let Some(hash) = opaque::hash(Purpose::Refresh, refresh.token.expose_secret()) else {
            return Err(Unauthenticated::SessionOver);
        };
        let jkt = self.bind_to(refresh.proof.as_ref()).await?;
        let outcome = match self.turn(&refresh, &hash, jkt.as_ref(), None).await? {
            Outcome::Twice(user) => {
                let notice = self.notice_of_reuse(user).await?;
                self.turn(&refresh, &hash, jkt.as_ref(), Some(notice)).await?
            }
            outcome => outcome,
        };
        match outcome {
            Outcome::Granted(tokens) => {
                self.identity.standings.forget_session(tokens.session);
                Ok(tokens)
            }
            // The second turn had its notice.
            Outcome::Over | Outcome::Twice(_) => Err(Unauthenticated::SessionOver),
            Outcome::Unbound => Err(Unauthenticated::Proof("its key is not that of the session")),
            Outcome::Reused(user) => {
                self.forget_standing(user);
                self.tell_bell.notify_one();
                self.ring_outbox();
                tracing::warn!("a refresh token came twice; its session is over");
                Err(Unauthenticated::SessionOver)
            }
        }
    }
}

impl Studio {
    /// Takes a refresh token and does what is to be done with it, in one transaction. Without a notice a
    /// token that came twice is left as it is.
    async fn turn(
        &self,
        refresh: &Refresh,
        hash: &TokenHash,
        jkt: Option<&String>,
        notice: Option<Envelope>,
    ) -> Result<Outcome, Unauthenticated> {
        let opener = self.session_opener().await?;
        let private = Arc::clone(&self.private);
        let (hash, jkt, client) = (hash.clone(), jkt.cloned(), refresh.client);
        let request_id = refresh.request_id.clone();
        self.db
            .write("tokens.refresh", move |tx| {
                let (opener, hash, jkt) = (opener.clone(), hash.clone(), jkt.clone());
                let (private, request_id) = (Arc::clone(&private), request_id.clone());
                let notice = notice.clone();
                Box::pin(async move {
                    let Some((token, standing)) = refresh_tokens::take(tx, &hash).await? else {
                        return Ok(Outcome::Over);
                    };
                    if standing.session.client != client {
                        return Ok(Outcome::Over);
                    }
                    if standing.session.jkt != jkt {
                        return Ok(Outcome::Unbound);
                    }
                    if !may_go_on(&standing, opener.now) {
                        return Ok(Outcome::Over);
                    }
                    if let Some(tokens) = opener.turn(tx, &token, &standing).await? {
                        return Ok(Outcome::Granted(tokens));
                    }
                    let user = standing.session.user;
                    let Some(notice) = notice else {
                        return Ok(Outcome::Twice(user));
                    };
                    let stamp = stamp_of(&private, user, opener.now, request_id);
                    revoke(tx, &standing.session, &stamp).await?;
                    outbox::put(tx, &notice).await?;
                    Ok::<_, Unauthenticated>(Outcome::Reused(user))
                })
            })
            .await
    }

    /// The letter that tells somebody that a refresh token of theirs came twice.
    async fn notice_of_reuse(&self, user: UserId) -> Result<Envelope, Unauthenticated> {
        let account: Option<User> = self
            .db
            .read("users.find", move |read| {
                Box::pin(async move { store::users::find(read, user).await })
            })
            .await?;
        let account = account.ok_or(Unauthenticated::SessionOver)?;
        let facts = Facts {
            at: Some(self.now()),
            ..Facts::default()
        };
        Ok(self.letter_to(&account, LetterKind::TokenReused, None, facts)?)
    }
}

/// The stamp of somebody who is known inside the transaction only.
pub(crate) fn stamp_of(private: &Private, user: UserId, now: Time, request_id: Option<String>) -> Stamp {
    Stamp {
        now,
        actor: private.pseudonym(&user.to_string()),
        request_id,
    }
}

fn may_go_on(standing: &Standing, now: Time) -> bool {
    standing.session.is_alive(now)
        && standing.state == AccountState::Active
        && standing.workspace_role.is_some()
}

/// Ends a session whose refresh token came twice, and says so in the audit log.
async fn revoke(tx: &mut Tx, session: &Session, stamp: &Stamp) -> Result<(), store::Error> {
    store::sessions::end(tx, session.user, session.id, REUSED, stamp.now).await?;
    let details = BTreeMap::from([("client".to_owned(), session.client.to_string())]);
    let entry = stamp.entry(
        Some(session.workspace),
        Action::TokenReused,
        session.id.to_string(),
        "session_ended",
        details,
    );
    store::audit::append(tx, &entry).await
}

impl SessionOpener {
    /// Opens a session in a transaction of the caller's, who writes the audit entry of the login.
    ///
    /// # Errors
    /// [`store::Error::Fenced`] if the account is not active or no member of the workspace.
    pub async fn open<E: From<store::Error>>(&self, tx: &mut Tx, new: &NewSession) -> Result<Tokens, E> {
        Ok(self.opened(tx, new).await?)
    }

    async fn opened(&self, tx: &mut Tx, new: &NewSession) -> Result<Tokens, store::Error> {
        let user = store::users::find(tx, new.user)
            .await?
            .ok_or(store::Error::Fenced)?;
        let member = store::members::find(tx, new.workspace, new.user)
            .await?
            .ok_or(store::Error::Fenced)?;
        if user.state != AccountState::Active {
            return Err(store::Error::Fenced);
        }
        let now = self.now;
        let (idle, absolute) = self.limits(user.role, member.role);
        let session = Session {
            id: SessionId::new(now, random()),
            user: new.user,
            workspace: new.workspace,
            client: new.client,
            agent: new.agent.clone(),
            network: new.network.clone(),
            created_at: now,
            used_at: now,
            idle_until: now.after(idle.min(absolute)),
            ends_at: now.after(absolute),
            methods: new.methods.clone(),
            auth_at: now,
            fresh_at: now,
            jkt: new.jkt.clone(),
            ended_at: None,
        };
        store::sessions::insert(tx, &session).await?;
        let secret = self.hand_out(tx, session.id, 0).await?;
        let standing = Standing {
            session,
            state: user.state,
            role: user.role,
            workspace_role: Some(member.role),
            auth_epoch: user.auth_epoch,
        };
        self.tokens(&standing, secret)
    }

    /// Idle and absolute limit of a session: short for whoever is an administrator anywhere in it.
    fn limits(&self, role: Role, workspace_role: Role) -> (Duration, Duration) {
        let settings = &self.settings;
        if role == Role::Admin || workspace_role == Role::Admin {
            (settings.admin_refresh_idle, settings.admin_refresh_absolute)
        } else {
            (settings.refresh_idle, settings.refresh_absolute)
        }
    }

    /// Keeps a new refresh token of a session.
    async fn hand_out(
        &self,
        tx: &mut Tx,
        session: SessionId,
        generation: i64,
    ) -> Result<SecretString, store::Error> {
        let secret = opaque::secret(Purpose::Refresh, &random());
        let token = RefreshToken {
            hash: opaque::hash_of(&secret),
            session,
            generation,
            issued_at: self.now,
            used_at: None,
            successor: None,
        };
        refresh_tokens::insert(tx, &token).await?;
        Ok(secret)
    }

    /// Gives the successor of a token, or a fresh one in place of a successor that was lost on its way.
    /// None means that the token was used before: somebody else has it.
    async fn turn(
        &self,
        tx: &mut Tx,
        token: &RefreshToken,
        standing: &Standing,
    ) -> Result<Option<Tokens>, store::Error> {
        let is_lost = |used: Time| {
            let grace = self.settings.refresh_grace;
            !grace.is_zero() && self.now <= used.after(grace)
        };
        let generation = token.generation + 1;
        let secret = match (token.used_at, &token.successor) {
            (None, _) => {
                let secret = self.hand_out(tx, token.session, generation).await?;
                if !refresh_tokens::spend(tx, &token.hash, &opaque::hash_of(&secret), self.now).await? {
                    return Err(store::Error::Fenced);
                }
                secret
            }
            (Some(used), Some(unused)) if is_lost(used) => {
                let secret = opaque::secret(Purpose::Refresh, &random());
                let fresh = opaque::hash_of(&secret);
                if !refresh_tokens::replace_successor(tx, &token.hash, unused, &fresh, self.now).await? {
                    return Ok(None);
                }
                let successor = RefreshToken {
                    hash: fresh,
                    session: token.session,
                    generation,
                    issued_at: self.now,
                    used_at: None,
                    successor: None,
                };
                refresh_tokens::insert(tx, &successor).await?;
                secret
            }
            (Some(_), _) => return Ok(None),
        };
        let session = &standing.session;
        let (idle, absolute) = self.limits(standing.role, standing.workspace_role.unwrap_or(standing.role));
        let ends_at = session.ends_at.min(session.created_at.after(absolute));
        let idle_until = self.now.after(idle).min(ends_at);
        store::sessions::touch(tx, session.id, self.now, idle_until, ends_at).await?;
        let mut after = standing.clone();
        (after.session.idle_until, after.session.ends_at) = (idle_until, ends_at);
        self.tokens(&after, secret).map(Some)
    }

    fn tokens(&self, standing: &Standing, refresh: SecretString) -> Result<Tokens, store::Error> {
        let (session, now) = (&standing.session, self.now);
        let signer = self
            .keys
            .signer(now)
            .ok_or(store::Error::Broken("no key signs access tokens at this moment"))?;
        let seconds = |time: Time| time.micros().div_euclid(1_000_000);
        let left = session.ends_at.since(now);
        let life = Duration::from_secs(self.settings.access.min(left).as_secs().max(1));
        let claims = Claims {
            iss: self.keys.issuer().to_owned(),
            aud: self.keys.audience(),
            sub: session.user,
            tenant: session.workspace,
            sid: session.id,
            scope: SCOPE.to_owned(),
            iat: seconds(now),
            nbf: seconds(now),
            exp: seconds(now.after(life)),
            jti: data_encoding::BASE64URL_NOPAD.encode(&random::<16>()),
            auth_time: seconds(session.auth_at),
            amr: session.methods.clone(),
            acr: assurance(&session.methods).to_owned(),
            epoch: standing.auth_epoch,
            cnf: session.jkt.clone().map(|jkt| Confirmation { jkt }),
        };
        Ok(Tokens {
            access: signer.sign(&claims),
            refresh,
            expires_in: life,
            refresh_expires_in: left,
            session: session.id,
            token_type: if session.jkt.is_some() { "DPoP" } else { "Bearer" },
        })
    }
}

/// How sure the ways in which somebody proved who they are make us (NIST SP 800-63B-4): a passkey with
/// user verification is two factors by itself.
fn assurance(methods: &[Method]) -> &'static str {
    let second = |method: &Method| match method {
        Method::Passkey | Method::Several | Method::Totp | Method::Recovery => true,
        Method::Password | Method::Federated => false,
    };
    if methods.iter().any(second) {
        "aal2"
    } else {
        "aal1"
    }
}

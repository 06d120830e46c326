//! Passkeys: making, naming, removing, and checking an answer at login or when a factor is asked for.

use super::factors::{self, FactorError, PasskeyView};
use super::letters::FactorChange;
use super::outbox;
use crate::clock::random;
use crate::studio::Studio;
use credentials::passkeys::{self, Begun, CHALLENGE_LIFE, Kept, PasskeyError, RelyingParty};
use domain::actor::Actor;
use domain::audit::Action;
use domain::id::{PasskeyId, UserId};
use domain::identity::Name;
use domain::secret::TokenHash;
use serde_json::Value;
use std::sync::OnceLock;
use store::Tx;
use store::passkeys::{MAX_PASSKEYS, Passkey};
use store::tickets::{self, Kind, Ticket};
use url::Url;
use zeroize::Zeroizing;

/// The word in audit entries and letters.
const FACTOR: &str = "passkey";
/// What authenticators show as the name of this installation.
const TITLE: &str = "Secure AI Studio";
/// Random bytes of a ticket.
const TICKET_BYTES: usize = 32;

/// A ceremony for the browser.
#[derive(Debug)]
pub struct Ceremony {
    /// What ends it; good once, for five minutes.
    pub ticket: String,
    /// For `navigator.credentials`, in the JSON form of the standard.
    pub options: Value,
}

/// An answer that was checked. What it changes is not kept yet.
#[derive(Clone, Debug)]
pub(crate) struct ShownPasskey {
    /// The passkey as it was found.
    pub(crate) before: Passkey,
    after: String,
}

impl ShownPasskey {
    /// Whose it is.
    pub(crate) const fn user(&self) -> UserId {
        self.before.user
    }

    /// Keeps the moved counter; `false` if another answer with the same counter came first.
    pub(crate) async fn keep(&self, tx: &mut Tx, now: domain::time::Time) -> Result<bool, store::Error> {
        store::passkeys::shown(tx, &self.before, &self.after, now).await
    }
}

impl Studio {
    /// Tells under which origin browsers reach this studio, once it listens. The first word counts: the
    /// public address of the settings, where there is one, is known before.
    pub fn reached_at(&self, origin: &str) {
        let party = Url::parse(origin)
            .ok()
            .and_then(|origin| RelyingParty::of(&origin, TITLE));
        if self.identity.relying_party.set(party).is_err() {
            tracing::debug!("the origin of passkeys was told before");
        }
    }

    /// Whether passkeys can be had under the origin that this studio is reached at.
    #[must_use]
    pub fn has_passkeys(&self) -> bool {
        self.relying_party().is_ok()
    }

    fn relying_party(&self) -> Result<&RelyingParty, FactorError> {
        let party = self.identity.relying_party.get().and_then(Option::as_ref);
        party.ok_or(FactorError::PasskeysOff)
    }

    /// Begins to make a passkey.
    ///
    /// # Errors
    /// [`FactorError::PasskeysOff`], [`FactorError::TooManyPasskeys`].
    pub async fn begin_passkey(&self, actor: &Actor) -> Result<Ceremony, FactorError> {
        let user = actor.user();
        let known = self.kept_passkeys(user).await?;
        if known.len() >= MAX_PASSKEYS as usize {
            return Err(FactorError::TooManyPasskeys);
        }
        let (texts, _) = self.texts_of(user).await?;
        let party = self.relying_party()?;
        let begun = party.begin_registration(user, texts.email.expose(), texts.name.expose(), &known)?;
        self.ceremony(Kind::PasskeyRegister, Some(user), begun).await
    }

    /// Ends it: the answer of the authenticator becomes a passkey of the caller.
    ///
    /// # Errors
    /// [`FactorError::Ticket`], [`FactorError::Passkey`], [`FactorError::Name`].
    pub async fn finish_passkey(
        &self,
        actor: &Actor,
        ticket: &str,
        answer: &Value,
        name: &str,
        request_id: Option<&str>,
    ) -> Result<PasskeyView, FactorError> {
        let name = Name::parse(name)?;
        let doing = self.doing(actor, request_id);
        let (user, now) = (doing.user, doing.stamp.now);
        let state = self
            .take_ceremony(Kind::PasskeyRegister, Some(user), ticket)
            .await?;
        let kept = self.relying_party()?.finish_registration(&state, answer)?;
        let id = PasskeyId::new(now, random());
        let passkey = Passkey {
            id,
            user,
            credential_id: kept.credential_id,
            credential: kept.credential,
            name_sealed: self.seal_name(user, id, &name)?,
            created_at: now,
            used_at: None,
        };
        let view = self.passkey_view(&passkey)?;
        let letter = self.factor_notice(user, FactorChange::PasskeyAdded).await?;
        let added = self.db.write("passkeys.add", move |tx| {
            let (doing, passkey, letter) = (doing.clone(), passkey.clone(), letter.clone());
            Box::pin(async move {
                if store::passkeys::count(tx, user).await? >= MAX_PASSKEYS {
                    return Err(FactorError::TooManyPasskeys);
                }
                store::passkeys::insert(tx, &passkey).await?;
                let entry = doing.entry(Action::FactorAdded, id.to_string(), "ok", FACTOR);
                store::audit::append(tx, &entry).await?;
                outbox::put(tx, &letter).await?;
                Ok(())
            })
        });
        match added.await {
            Err(FactorError::Store(store::Error::Conflict { .. })) => {
                return Err(FactorError::Passkey(PasskeyError::Refused("known_already")));
            }
            other => other?,
        }
        self.told_of_factors();
        Ok(view)
    }

    /// Gives a passkey another name.
    ///
    /// # Errors
    /// [`FactorError::NotFound`], [`FactorError::Name`].
    pub async fn rename_passkey(&self, actor: &Actor, id: PasskeyId, name: &str) -> Result<(), FactorError> {
        let (user, name) = (actor.user(), Name::parse(name)?);
        let sealed = self.seal_name(user, id, &name)?;
        let renamed = self.db.write("passkeys.rename", move |tx| {
            let sealed = sealed.clone();
            Box::pin(async move { store::passkeys::rename(tx, user, id, &sealed).await })
        });
        if renamed.await? {
            Ok(())
        } else {
            Err(FactorError::NotFound)
        }
    }

    /// Removes a passkey, and recovery codes with it where nothing else is left to recover.
    ///
    /// # Errors
    /// [`FactorError::NotFound`], [`FactorError::LastCredential`], [`FactorError::PasswordShort`].
    pub async fn remove_passkey(
        &self,
        actor: &Actor,
        id: PasskeyId,
        request_id: Option<&str>,
    ) -> Result<(), FactorError> {
        let doing = self.doing(actor, request_id);
        let user = doing.user;
        let letter = self.factor_notice(user, FactorChange::PasskeyRemoved).await?;
        let removed = self.db.write("passkeys.remove", move |tx| {
            let (doing, letter) = (doing.clone(), letter.clone());
            Box::pin(async move {
                if !store::passkeys::remove(tx, user, id).await? {
                    return Err(FactorError::NotFound);
                }
                // Looked at after the removal, in its transaction: what is refused here is undone.
                if !store::passkeys::has_way_in(tx, user).await? {
                    return Err(FactorError::LastCredential);
                }
                factors::check_what_is_left(tx, user).await?;
                factors::tidy_recovery(tx, user).await?;
                let entry = doing.entry(Action::FactorRemoved, id.to_string(), "ok", FACTOR);
                store::audit::append(tx, &entry).await?;
                outbox::put(tx, &letter).await?;
                Ok(())
            })
        });
        removed.await?;
        self.told_of_factors();
        Ok(())
    }

    /// Begins a login of whoever holds a passkey.
    ///
    /// # Errors
    /// [`FactorError::PasskeysOff`].
    pub async fn begin_passkey_login(&self) -> Result<Ceremony, FactorError> {
        let begun = self.relying_party()?.begin_login()?;
        self.ceremony(Kind::PasskeyLogin, None, begun).await
    }

    /// Checks the answer to a login. The ticket is used up whatever comes of it; who the answer is of, if
    /// a known passkey was named, stands beside the refusal for the audit log.
    pub(crate) async fn check_passkey_login(
        &self,
        ticket: &str,
        answer: &Value,
    ) -> Result<ShownPasskey, (FactorError, Option<UserId>)> {
        let nobody = |error| (error, None);
        let state = self
            .take_ceremony(Kind::PasskeyLogin, None, ticket)
            .await
            .map_err(nobody)?;
        let claim = passkeys::claim(answer).map_err(|error| nobody(error.into()))?;
        let unknown = || nobody(PasskeyError::Refused("unknown").into());
        let before = self
            .passkey_of(claim.credential_id)
            .await
            .map_err(nobody)?
            .ok_or_else(unknown)?;
        let user = before.user;
        // An answer to a challenge that named nobody says itself to whom it belongs.
        if claim.user != Some(user) {
            return Err((PasskeyError::Refused("user_handle").into(), Some(user)));
        }
        self.check_answer(&state, answer, before)
            .map_err(|error| (error, Some(user)))
    }

    /// Begins to ask the caller for one of their passkeys.
    ///
    /// # Errors
    /// [`FactorError::PasskeysOff`], [`FactorError::NotFound`] for somebody who has none.
    pub async fn begin_passkey_step_up(&self, actor: &Actor) -> Result<Ceremony, FactorError> {
        let user = actor.user();
        let known = self.kept_passkeys(user).await?;
        if known.is_empty() {
            return Err(FactorError::NotFound);
        }
        let begun = self.relying_party()?.begin_showing(&known)?;
        self.ceremony(Kind::PasskeyStepUp, Some(user), begun).await
    }

    /// Checks the answer: it has to be of one of the caller's own passkeys.
    pub(crate) async fn check_passkey_step_up(
        &self,
        user: UserId,
        ticket: &str,
        answer: &Value,
    ) -> Result<ShownPasskey, FactorError> {
        let state = self
            .take_ceremony(Kind::PasskeyStepUp, Some(user), ticket)
            .await?;
        let claim = passkeys::claim(answer)?;
        let found = self.passkey_of(claim.credential_id).await?;
        let before = found.filter(|passkey| passkey.user == user);
        let before = before.ok_or(PasskeyError::Refused("unknown"))?;
        if claim.user.is_some_and(|claimed| claimed != user) {
            return Err(PasskeyError::Refused("user_handle").into());
        }
        self.check_answer(&state, answer, before)
    }

    fn check_answer(
        &self,
        state: &[u8],
        answer: &Value,
        before: Passkey,
    ) -> Result<ShownPasskey, FactorError> {
        let kept = of_row(&before);
        let after = self.relying_party()?.finish(state, answer, &kept)?;
        Ok(ShownPasskey {
            before,
            after: after.credential,
        })
    }

    async fn kept_passkeys(&self, user: UserId) -> Result<Vec<Kept>, store::Error> {
        let found = self.db.read("passkeys.of_user", move |read| {
            Box::pin(store::passkeys::of_user(read, user))
        });
        let rows = found.await?;
        Ok(rows.iter().map(of_row).collect())
    }

    async fn passkey_of(&self, credential_id: String) -> Result<Option<Passkey>, FactorError> {
        self.db
            .read("passkeys.find", move |read| {
                Box::pin(async move { Ok(store::passkeys::find_by_credential(read, &credential_id).await?) })
            })
            .await
    }

    /// Keeps the state of a ceremony in a ticket.
    async fn ceremony(
        &self,
        kind: Kind,
        user: Option<UserId>,
        begun: Begun,
    ) -> Result<Ceremony, FactorError> {
        let ticket = data_encoding::BASE64URL_NOPAD.encode(&random::<TICKET_BYTES>());
        let hash = TokenHash::of(&ticket);
        let now = self.now();
        let row = Ticket {
            payload_sealed: Some(self.keys.wrap(&wrapped_as(kind, &hash), &begun.state)?),
            hash,
            kind,
            user,
            browser: None,
            created_at: now,
            expires_at: now.after(CHALLENGE_LIFE),
            used_at: None,
            tries: 0,
        };
        let kept = self.db.write("passkeys.challenge", move |tx| {
            let row = row.clone();
            Box::pin(async move { Ok::<_, FactorError>(tickets::insert(tx, &row).await?) })
        });
        kept.await?;
        Ok(Ceremony {
            ticket,
            options: begun.options,
        })
    }

    /// Uses up the ticket of a ceremony, before anything of the answer is looked at, and gives its state.
    async fn take_ceremony(
        &self,
        kind: Kind,
        user: Option<UserId>,
        ticket: &str,
    ) -> Result<Zeroizing<Vec<u8>>, FactorError> {
        let (hash, now) = (TokenHash::of(ticket), self.now());
        let name = wrapped_as(kind, &hash);
        let taken = self.db.write("passkeys.answer", move |tx| {
            let hash = hash.clone();
            Box::pin(async move { Ok::<_, FactorError>(tickets::take(tx, kind, &hash, now).await?) })
        });
        let ticket = taken
            .await?
            .filter(|ticket| ticket.user == user)
            .ok_or(FactorError::Ticket)?;
        let sealed = ticket.payload_sealed.ok_or(FactorError::Ticket)?;
        Ok(self.keys.unwrap(&name, &sealed)?)
    }

    pub(crate) fn passkey_view(&self, passkey: &Passkey) -> Result<PasskeyView, FactorError> {
        let object = passkey.id.to_string();
        let name = self
            .keys
            .open_small(&passkey.user.to_string(), &object, &passkey.name_sealed)?;
        Ok(PasskeyView {
            id: passkey.id,
            name: String::from_utf8_lossy(&name).into_owned(),
            created_at: passkey.created_at,
            used_at: passkey.used_at,
            backed_up: passkeys::traits(&passkey.credential)?.backed_up,
        })
    }

    fn seal_name(&self, user: UserId, id: PasskeyId, name: &Name) -> Result<Vec<u8>, vault::KeyError> {
        self.keys
            .seal_small(&user.to_string(), &id.to_string(), name.expose().as_bytes())
    }
}

/// The side that asks for passkeys where the settings tell how browsers reach this studio; elsewhere it
/// is told later ([`Studio::reached_at`]).
pub(crate) fn known_party(public_url: Option<&str>) -> OnceLock<Option<RelyingParty>> {
    let known = public_url.map(|origin| {
        Url::parse(origin)
            .ok()
            .and_then(|origin| RelyingParty::of(&origin, TITLE))
    });
    known.map_or_else(OnceLock::new, OnceLock::from)
}

fn of_row(passkey: &Passkey) -> Kept {
    Kept {
        credential_id: passkey.credential_id.clone(),
        credential: passkey.credential.clone(),
    }
}

/// The name that a ticket's content is bound to: none opens as another, or as of another kind.
fn wrapped_as(kind: Kind, hash: &TokenHash) -> String {
    format!("ticket {} {}", kind.as_str(), hash.as_str())
}

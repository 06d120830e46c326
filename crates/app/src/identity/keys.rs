//! API keys: made by a person who has just shown a factor, shown once, and checked at every request
//! against the database, so that revoking one, closing its owner's account or changing a role counts at
//! once.

use super::Unauthenticated;
use super::letters::{Facts, LetterKind};
use super::outbox;
use crate::generations::stamp_for;
use crate::studio::Studio;
use credentials::api_key::{ApiKey, RANDOM_BYTES};
use domain::actor::{Actor, Via};
use domain::audit::Action;
use domain::id::{KeyId, UserId, WorkspaceId};
use domain::identity::{AccountState, Email, Name, Scopes};
use domain::time::Time;
use providers::outbound::Cidr;
use secrecy::{ExposeSecret, SecretString};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use vault::{DerivedKey, KeyError, KeyProvider};

/// The most keys of one person that are not revoked.
pub const MAX_KEYS: i64 = 50;
/// The most networks of one key.
pub const MAX_NETWORKS: usize = 20;
/// That a key was used is noted at most this often.
pub const NOTE_EVERY: Duration = Duration::from_secs(60);

/// Why a key cannot be made, listed or revoked.
#[derive(Debug, thiserror::Error)]
pub enum ApiKeyError {
    /// Not here, revoked already, or another person's.
    #[error("there is no such key")]
    NotFound,
    /// There are [`MAX_KEYS`] already.
    #[error("one person has at most {MAX_KEYS} keys: revoke one first")]
    TooMany,
    /// It would be for nothing.
    #[error("a key needs at least one scope")]
    NoScope,
    /// It would be over already.
    #[error("a key must end in the future")]
    Over,
    /// More than [`MAX_NETWORKS`].
    #[error("a key is for at most {MAX_NETWORKS} networks")]
    TooManyNetworks,
    /// A key of the installation could not be used.
    #[error("a key could not be used")]
    Key(#[from] KeyError),
    /// The database failed.
    #[error("the database did not take it")]
    Store(#[from] store::Error),
}

/// A key that somebody wants.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    /// What its owner calls it.
    pub name: Name,
    /// What it may be used for.
    pub scopes: Scopes,
    /// When it ends by itself.
    pub expires_at: Option<Time>,
    /// Networks that it may be used from; none means from everywhere.
    pub networks: Vec<Cidr>,
}

/// A key as its owner sees it.
#[derive(Clone, Debug)]
pub struct ApiKeyView {
    /// Its id.
    pub id: KeyId,
    /// What its owner calls it.
    pub name: Name,
    /// Where it acts.
    pub workspace: WorkspaceId,
    /// The last characters of the secret.
    pub hint: String,
    /// What it may be used for.
    pub scopes: Scopes,
    /// Networks that it may be used from, in CIDR form.
    pub networks: Vec<String>,
    /// When it was made.
    pub created_at: Time,
    /// When it ends by itself.
    pub expires_at: Option<Time>,
    /// When it was last used, to the minute.
    pub used_at: Option<Time>,
}

/// What checking keys needs: the server's key for their hashes, and when a use was last noted.
pub(crate) struct Keyring {
    server_key: DerivedKey,
    noted: Mutex<HashMap<KeyId, Time>>,
}

impl Keyring {
    pub(crate) fn new(keys: &dyn KeyProvider) -> Result<Self, KeyError> {
        Ok(Self {
            server_key: keys.derive("api-key")?,
            noted: Mutex::new(HashMap::new()),
        })
    }

    fn mac(&self, key: &ApiKey) -> String {
        key.mac(self.server_key.expose())
    }

    /// Whether this use is to be written: the last one is [`NOTE_EVERY`] ago. Answers yes to one caller.
    fn should_note(&self, key: KeyId, stored: Option<Time>, now: Time) -> bool {
        let is_due = |last: Time| now >= last.after(NOTE_EVERY);
        if !stored.is_none_or(is_due) {
            return false;
        }
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if !noted.get(&key).copied().is_none_or(is_due) {
            return false;
        }
        // What was noted long ago stands in the database: the map holds the keys of one minute.
        noted.retain(|_, last| !is_due(*last));
        noted.insert(key, now);
        true
    }
}

impl Studio {
    /// The person of an address, acting at the machine itself in one of their workspaces: the one named,
    /// else their oldest. Nobody if the account is not active or they are no member there.
    ///
    /// # Errors
    /// What the database says.
    pub async fn stand_in_for(
        &self,
        email: &Email,
        workspace: Option<WorkspaceId>,
    ) -> Result<Option<Actor>, store::Error> {
        let index = self.email_index(email);
        let found = self.db.read("users.stand_in", move |read| {
            let index = index.clone();
            Box::pin(async move {
                let Some(user) = store::users::find_by_email_index(read, &index).await? else {
                    return Ok(None);
                };
                let memberships = store::members::of_user(read, user.id).await?;
                Ok::<_, store::Error>(Some((user, memberships)))
            })
        });
        let Some((user, memberships)) = found.await? else {
            return Ok(None);
        };
        let mut there = memberships
            .into_iter()
            .filter(|membership| workspace.is_none_or(|wanted| wanted == membership.workspace));
        let found = there.next().filter(|_| user.state == AccountState::Active);
        Ok(found.map(|membership| {
            Actor::authenticated(
                user.id,
                membership.workspace,
                membership.role,
                user.role,
                Via::Machine,
            )
        }))
    }

    /// Makes a key for the actor in the actor's workspace. The secret is in this answer and nowhere else.
    ///
    /// # Errors
    /// [`ApiKeyError`]; nothing is kept then.
    pub async fn create_api_key(
        &self,
        actor: &Actor,
        new: &NewApiKey,
        request_id: Option<&str>,
    ) -> Result<(ApiKeyView, ApiKey), ApiKeyError> {
        let now = self.now();
        if new.scopes.words().next().is_none() {
            return Err(ApiKeyError::NoScope);
        }
        if new.expires_at.is_some_and(|end| end <= now) {
            return Err(ApiKeyError::Over);
        }
        if new.networks.len() > MAX_NETWORKS {
            return Err(ApiKeyError::TooManyNetworks);
        }
        let secret = ApiKey::new(&crate::clock::random::<RANDOM_BYTES>());
        let id = KeyId::new(now, Self::id_bytes());
        let name = new.name.expose().as_bytes();
        let row = store::api_keys::ApiKey {
            id,
            user: actor.user(),
            workspace: actor.workspace(),
            name_sealed: self
                .keys
                .seal_small(&actor.user().to_string(), &id.to_string(), name)?,
            mac: self.keyring.mac(&secret),
            hint: secret.hint().to_owned(),
            scopes: new.scopes.clone(),
            networks: new.networks.iter().map(Cidr::to_string).collect(),
            created_at: now,
            expires_at: new.expires_at,
            revoked_at: None,
            used_at: None,
        };
        let view = self.view_of(row.clone())?;
        let letter = self.letter_of_key(actor.user(), now).await?;
        let entry = stamp_for(self, actor, request_id).entry(
            Some(actor.workspace()),
            Action::KeyCreated,
            id.to_string(),
            "ok",
            BTreeMap::from([
                ("networks".to_owned(), row.networks.len().to_string()),
                ("scopes".to_owned(), row.scopes.to_string()),
            ]),
        );
        self.db
            .write("api_keys.create", move |tx| {
                let (row, entry, letter) = (row.clone(), entry.clone(), letter.clone());
                Box::pin(async move {
                    if store::api_keys::count_of_user(tx, row.user).await? >= MAX_KEYS {
                        return Err(ApiKeyError::TooMany);
                    }
                    store::api_keys::insert(tx, &row).await?;
                    outbox::put(tx, &letter).await?;
                    store::audit::append(tx, &entry).await?;
                    Ok(())
                })
            })
            .await?;
        tracing::info!(key_id = %id, "API key created");
        self.tell_bell.notify_one();
        self.ring_outbox();
        Ok((view, secret))
    }

    /// What tells the owner of a key that there is one more: a key outlives passwords and sessions.
    async fn letter_of_key(&self, owner: UserId, now: Time) -> Result<outbox::Envelope, ApiKeyError> {
        let account: Option<store::users::User> = self
            .db
            .read("api_keys.owner", move |read| {
                Box::pin(store::users::find(read, owner))
            })
            .await?;
        let account = account.ok_or(store::Error::Fenced)?;
        let facts = Facts {
            at: Some(now),
            ..Facts::default()
        };
        Ok(self.letter_to(&account, LetterKind::ApiKeyMade, None, facts)?)
    }

    /// The keys of a person that were not revoked, newest first, wherever they act.
    ///
    /// # Errors
    /// If the database fails or a name cannot be opened.
    pub async fn api_keys(&self, owner: UserId) -> Result<Vec<ApiKeyView>, ApiKeyError> {
        let rows: Vec<store::api_keys::ApiKey> = self
            .db
            .read("api_keys.list", move |read| {
                Box::pin(async move { store::api_keys::of_user(read, owner).await })
            })
            .await?;
        let views: Result<_, KeyError> = rows.into_iter().map(|row| self.view_of(row)).collect();
        Ok(views?)
    }

    /// Revokes a key of the actor. From the next request on it opens nothing.
    ///
    /// # Errors
    /// [`ApiKeyError::NotFound`].
    pub async fn revoke_api_key(
        &self,
        actor: &Actor,
        id: KeyId,
        request_id: Option<&str>,
    ) -> Result<(), ApiKeyError> {
        let stamp = stamp_for(self, actor, request_id);
        let owner = actor.user();
        self.db
            .write("api_keys.revoke", move |tx| {
                let stamp = stamp.clone();
                Box::pin(async move {
                    let row = store::api_keys::find(tx, owner, id).await?;
                    let row = row.ok_or(ApiKeyError::NotFound)?;
                    if !store::api_keys::revoke(tx, owner, id, stamp.now).await? {
                        return Err(ApiKeyError::NotFound);
                    }
                    let entry = stamp.entry(
                        Some(row.workspace),
                        Action::KeyRevoked,
                        id.to_string(),
                        "ok",
                        BTreeMap::new(),
                    );
                    store::audit::append(tx, &entry).await?;
                    Ok(())
                })
            })
            .await?;
        tracing::info!(key_id = %id, "API key revoked");
        self.tell_bell.notify_one();
        Ok(())
    }

    /// Finds out who is behind an API key. Form and checksum are looked at before the database is asked.
    ///
    /// # Errors
    /// [`Unauthenticated::Unknown`] for everything that is not good for anybody,
    /// [`Unauthenticated::Network`] for a good key in the wrong place.
    pub(crate) async fn authenticate_key(
        &self,
        secret: &SecretString,
        address: IpAddr,
    ) -> Result<Actor, Unauthenticated> {
        let key = ApiKey::parse(secret.expose_secret()).map_err(|_| Unauthenticated::Unknown)?;
        let mac = self.keyring.mac(&key);
        let found = self
            .db
            .read("api_keys.find", move |read| {
                let mac = mac.clone();
                Box::pin(async move { store::api_keys::find_in_use(read, &mac).await })
            })
            .await?
            .ok_or(Unauthenticated::Unknown)?;
        let now = self.now();
        let key = found.key;
        let refused = |reason: &'static str| {
            tracing::info!(key_id = %key.id, reason, "API key refused");
        };
        if key.revoked_at.is_some() {
            refused("revoked");
            return Err(Unauthenticated::Unknown);
        }
        if key.expires_at.is_some_and(|end| end <= now) {
            refused("expired");
            return Err(Unauthenticated::Unknown);
        }
        if found.state != AccountState::Active {
            refused("account");
            return Err(Unauthenticated::Unknown);
        }
        let Some(role) = found.role else {
            refused("member");
            return Err(Unauthenticated::Unknown);
        };
        if !is_for(&key.networks, address) {
            refused("network");
            return Err(Unauthenticated::Network);
        }
        self.note_key_use(&key, now).await;
        let via = Via::Key {
            id: key.id,
            scopes: key.scopes,
        };
        Ok(Actor::authenticated(
            key.user,
            key.workspace,
            role,
            found.installation_role,
            via,
        ))
    }

    /// Whoever may use the key may use it also when that cannot be noted: with a full disk people must
    /// still be able to look and to make room.
    async fn note_key_use(&self, key: &store::api_keys::ApiKey, now: Time) {
        let id = key.id;
        if !self.keyring.should_note(id, key.used_at, now) {
            return;
        }
        let noted = self
            .db
            .write("api_keys.used", move |tx| {
                Box::pin(async move { store::api_keys::note_use(tx, id, now).await })
            })
            .await;
        if let Err(error) = noted {
            tracing::warn!(key_id = %id, error = %error, "that a key was used could not be noted");
        }
    }

    fn view_of(&self, row: store::api_keys::ApiKey) -> Result<ApiKeyView, KeyError> {
        let object = row.id.to_string();
        let opened = self
            .keys
            .open_small(&row.user.to_string(), &object, &row.name_sealed)?;
        let name = std::str::from_utf8(&opened)
            .ok()
            .and_then(|text| Name::parse(text).ok());
        Ok(ApiKeyView {
            id: row.id,
            name: name.ok_or(KeyError::Damaged(object))?,
            workspace: row.workspace,
            hint: row.hint,
            scopes: row.scopes,
            networks: row.networks,
            created_at: row.created_at,
            expires_at: row.expires_at,
            used_at: row.used_at,
        })
    }
}

/// Whether a key with these networks may be used from there. What cannot be read lets nobody in.
fn is_for(networks: &[String], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.is_empty()
        || networks
            .iter()
            .filter_map(|text| text.parse::<Cidr>().ok())
            .any(|network| network.contains(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring() -> (tempfile::TempDir, Keyring) {
        let folder = tempfile::tempdir().unwrap();
        let keys = vault::FileKeys::open(folder.path()).unwrap();
        (folder, Keyring::new(&keys).unwrap())
    }

    #[test]
    fn a_use_is_noted_once_a_minute() {
        let (_folder, ring) = ring();
        let (key, other) = (KeyId::from_value(1), KeyId::from_value(2));
        let at = |seconds: u64| Time::from_micros(0).after(Duration::from_secs(seconds));
        assert!(ring.should_note(key, None, at(100)));
        assert!(
            !ring.should_note(key, None, at(100)),
            "another request read the row before"
        );
        assert!(ring.should_note(other, None, at(100)));
        assert!(!ring.should_note(key, Some(at(100)), at(159)));
        assert!(ring.should_note(key, Some(at(100)), at(160)));
        assert!(
            !ring.should_note(key, Some(at(100)), at(219)),
            "not written yet, but on its way"
        );
        assert!(
            !ring.should_note(other, Some(at(170)), at(175)),
            "noted by another process"
        );
        assert!(ring.should_note(key, Some(at(160)), at(1000)));
        assert_eq!(
            ring.noted.lock().unwrap().len(),
            1,
            "what is long ago is forgotten"
        );
    }

    #[test]
    fn networks_are_compared_in_their_own_family() {
        let networks = [
            "10.0.0.0/8".to_owned(),
            "fd00::/8".to_owned(),
            "not one".to_owned(),
        ];
        for (address, inside) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("11.0.0.1", false),
            ("fd12::1", true),
            ("fe80::1", false),
        ] {
            assert_eq!(is_for(&networks, address.parse().unwrap()), inside, "{address}");
        }
        assert!(is_for(&[], "11.0.0.1".parse().unwrap()));
        assert!(!is_for(&["not one".to_owned()], "10.1.2.3".parse().unwrap()));
    }

    #[test]
    fn the_hash_depends_on_the_installation() {
        let ((_one, first), (_two, second)) = (ring(), ring());
        let key = ApiKey::new(&[5; RANDOM_BYTES]);
        assert_ne!(first.mac(&key), second.mac(&key));
    }
}

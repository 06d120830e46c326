//! The keys that sign access tokens: one signs, the next is announced. They live in the database,
//! wrapped under the root key, so that every process of an installation signs and checks with the same.

use crate::generations::record::Stamp;
use crate::studio::Studio;
use credentials::access::{Jwk, Jwks, LEEWAY, MAX_LIFE, SigningKey, Verifier};
use domain::actor::Actor;
use domain::audit::Action;
use domain::time::Time;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use store::Tx;
use store::token_keys::TokenKey;
use vault::{KeyError, KeyProvider};

/// A key is announced at least this long before it signs (`security.md` 3.3), so that whoever keeps a
/// copy of the JWKS has it by then.
pub const ANNOUNCED: Duration = Duration::from_secs(24 * 3600);
/// How long a process goes by what it read of the keys.
const READ_AGAIN: Duration = Duration::from_secs(5);

/// Why keys could not be had or turned.
#[derive(Debug, thiserror::Error)]
pub enum TokenKeyError {
    /// One is on its way already.
    #[error("the next key signs from {0} on already; turn again after that, or at once with --now")]
    Scheduled(Time),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The root key does not open one.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// What a key does at a moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// It is published and signs nothing yet.
    Announced,
    /// It signs.
    Signing,
    /// It signs no more; what it signed is good to its end.
    Leaving,
    /// Nothing that it signed can be good any more.
    Withdrawn,
}

impl Stage {
    /// The word for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Announced => "announced",
            Self::Signing => "signing",
            Self::Leaving => "leaving",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// What a key with these times does. It leaves for as long as a token may live.
    #[must_use]
    pub fn of(from: Option<Time>, until: Option<Time>, now: Time) -> Self {
        match (from, until) {
            (_, Some(until)) if now >= until.after(MAX_LIFE + LEEWAY) => Self::Withdrawn,
            (_, Some(until)) if now >= until => Self::Leaving,
            (Some(from), _) if now >= from => Self::Signing,
            _ => Self::Announced,
        }
    }
}

/// A key as the operator sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyStatus {
    /// Its id in the JWKS.
    pub kid: String,
    /// What it does.
    pub stage: Stage,
    /// When it was made and published.
    pub created_at: Time,
    /// From when on it signs.
    pub signs_from: Option<Time>,
    /// Until when.
    pub signs_until: Option<Time>,
}

/// The keys as one process knows them.
pub(crate) struct TokenKeys {
    issuer: String,
    known: Mutex<Option<Arc<Known>>>,
    one_reads: tokio::sync::Mutex<()>,
}

/// What was read at one moment.
pub(crate) struct Known {
    read_at: Time,
    rows: Vec<TokenKey>,
    signing: Vec<(TokenKey, SigningKey)>,
    verifier: Verifier,
    issuer: String,
}

impl Known {
    /// The key that signs now: the latest whose time has come.
    pub(crate) fn signer(&self, now: Time) -> Option<&SigningKey> {
        let signs = |row: &TokenKey| Stage::of(row.signs_from, row.signs_until, now) == Stage::Signing;
        let ready = self.signing.iter().filter(|(row, _)| signs(row));
        ready.max_by_key(|(row, _)| row.signs_from).map(|(_, key)| key)
    }

    pub(crate) const fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(crate) fn audience(&self) -> String {
        audience(&self.issuer)
    }
}

fn audience(issuer: &str) -> String {
    format!("{}/api", issuer.trim_end_matches('/'))
}

fn wrapped_name(kid: &str) -> String {
    format!("token-key/{kid}")
}

/// A key that nobody has seen yet.
fn made(keys: &dyn KeyProvider, from: Option<Time>, now: Time) -> Result<TokenKey, KeyError> {
    let secret = zeroize::Zeroizing::new(crate::clock::random::<32>());
    let key = SigningKey::from_secret(secret.as_ref())
        .map_err(|_| KeyError::Damaged("a new token key".to_owned()))?;
    Ok(TokenKey {
        kid: key.kid().to_owned(),
        public_key: key.public().to_vec(),
        private_wrapped: keys.wrap(&wrapped_name(key.kid()), secret.as_ref())?,
        created_at: now,
        signs_from: from,
        signs_until: None,
    })
}

impl TokenKeys {
    /// Keys of the issuer that is reached under this address.
    pub(crate) fn new(public_url: Option<&str>) -> Self {
        let issuer = public_url.map_or("urn:secure-ai-studio:local", |url| url.trim_end_matches('/'));
        Self {
            issuer: issuer.to_owned(),
            known: Mutex::new(None),
            one_reads: tokio::sync::Mutex::new(()),
        }
    }

    fn known(&self) -> Option<Arc<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fresh(&self, now: Time) -> Option<Arc<Known>> {
        let is_fresh = |known: &Arc<Known>| now >= known.read_at && now.since(known.read_at) < READ_AGAIN;
        self.known().filter(is_fresh)
    }

    fn forget(&self) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn learn(&self, keys: &dyn KeyProvider, rows: Vec<TokenKey>, now: Time) -> Result<Arc<Known>, KeyError> {
        let mut signing = Vec::new();
        let mut publics = Vec::new();
        for row in &rows {
            if Stage::of(row.signs_from, row.signs_until, now) == Stage::Withdrawn {
                continue;
            }
            let secret = keys.unwrap(&wrapped_name(&row.kid), &row.private_wrapped)?;
            let damaged = || KeyError::Damaged(wrapped_name(&row.kid));
            let key = SigningKey::from_secret(&secret).map_err(|_| damaged())?;
            if key.kid() != row.kid || key.public().as_slice() != row.public_key {
                return Err(damaged());
            }
            publics.push(key.public());
            signing.push((row.clone(), key));
        }
        let known = Arc::new(Known {
            read_at: now,
            verifier: Verifier::new(&self.issuer, &audience(&self.issuer), publics),
            issuer: self.issuer.clone(),
            rows,
            signing,
        });
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&known));
        Ok(known)
    }
}

impl Studio {
    /// The keys of this moment, read from the database every few seconds and made at first need.
    pub(crate) async fn token_keys(&self) -> Result<Arc<Known>, TokenKeyError> {
        let now = self.now();
        if let Some(known) = self.identity.token_keys.fresh(now) {
            return Ok(known);
        }
        let _one = self.identity.token_keys.one_reads.lock().await;
        if let Some(known) = self.identity.token_keys.fresh(now) {
            return Ok(known);
        }
        let mut rows = self.token_key_rows().await?;
        if rows.is_empty() {
            rows = self.make_token_keys().await?;
        }
        Ok(self.identity.token_keys.learn(self.keys.as_ref(), rows, now)?)
    }

    async fn token_key_rows(&self) -> Result<Vec<TokenKey>, store::Error> {
        self.db
            .read("token_keys.all", |read| Box::pin(store::token_keys::all(read)))
            .await
    }

    /// Makes the first keys, unless another process has just done so.
    async fn make_token_keys(&self) -> Result<Vec<TokenKey>, TokenKeyError> {
        let stamp = Stamp::system(self.now(), super::SYSTEM);
        let keys = Arc::clone(&self.keys);
        let rows = self
            .db
            .write("token_keys.first", move |tx| {
                let (stamp, keys) = (stamp.clone(), Arc::clone(&keys));
                Box::pin(async move {
                    store::token_keys::lock(tx).await?;
                    let there = store::token_keys::all(tx).await?;
                    if !there.is_empty() {
                        return Ok::<_, TokenKeyError>(there);
                    }
                    let first = made(keys.as_ref(), Some(stamp.now), stamp.now)?;
                    store::token_keys::insert(tx, &first).await?;
                    announce(tx, keys.as_ref(), &stamp).await?;
                    note(tx, &stamp, &first.kid, "first", stamp.now).await?;
                    Ok(store::token_keys::all(tx).await?)
                })
            })
            .await?;
        self.tell_bell.notify_one();
        Ok(rows)
    }

    /// Makes the announced key sign: as soon as it was announced for [`ANNOUNCED`], or at once. At once
    /// means that what the present key signed is void this moment: for a key that somebody else may have.
    ///
    /// # Errors
    /// [`TokenKeyError::Scheduled`] if the next one is on its way already.
    pub async fn rotate_token_keys(
        &self,
        actor: &Actor,
        at_once: bool,
    ) -> Result<Vec<KeyStatus>, TokenKeyError> {
        self.token_keys().await?;
        let stamp = Stamp::of(self, actor, None);
        let keys = Arc::clone(&self.keys);
        self.db
            .write("token_keys.rotate", move |tx| {
                let (stamp, keys) = (stamp.clone(), Arc::clone(&keys));
                Box::pin(async move { rotate(tx, keys.as_ref(), &stamp, at_once).await })
            })
            .await?;
        self.identity.token_keys.forget();
        self.tell_bell.notify_one();
        self.token_key_status().await
    }

    /// Every key that is kept, in the order in which they sign.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn token_key_status(&self) -> Result<Vec<KeyStatus>, TokenKeyError> {
        let known = self.token_keys().await?;
        let now = self.now();
        let status = |row: &TokenKey| KeyStatus {
            kid: row.kid.clone(),
            stage: Stage::of(row.signs_from, row.signs_until, now),
            created_at: row.created_at,
            signs_from: row.signs_from,
            signs_until: row.signs_until,
        };
        let mut all: Vec<KeyStatus> = known.rows.iter().map(status).collect();
        all.sort_by_key(|key| (key.signs_from.is_none(), key.signs_from, key.created_at));
        Ok(all)
    }

    /// The public keys that check our tokens.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn jwks(&self) -> Result<Jwks, TokenKeyError> {
        let known = self.token_keys().await?;
        let keys = known.signing.iter().map(|(_, key)| Jwk::new(&key.public()));
        Ok(Jwks { keys: keys.collect() })
    }
}

async fn announce(tx: &mut Tx, keys: &dyn KeyProvider, stamp: &Stamp) -> Result<(), TokenKeyError> {
    let next = made(keys, None, stamp.now)?;
    Ok(store::token_keys::insert(tx, &next).await?)
}

async fn note(tx: &mut Tx, stamp: &Stamp, kid: &str, how: &str, from: Time) -> Result<(), store::Error> {
    let details = BTreeMap::from([
        ("how".to_owned(), how.to_owned()),
        ("signs_from".to_owned(), from.to_string()),
    ]);
    let entry = stamp.entry(None, Action::TokenKeyRotated, kid.to_owned(), "ok", details);
    store::audit::append(tx, &entry).await
}

async fn rotate(
    tx: &mut Tx,
    keys: &dyn KeyProvider,
    stamp: &Stamp,
    at_once: bool,
) -> Result<(), TokenKeyError> {
    store::token_keys::lock(tx).await?;
    let rows = store::token_keys::all(tx).await?;
    let now = stamp.now;
    let stage = |row: &TokenKey| Stage::of(row.signs_from, row.signs_until, now);
    let scheduled = rows
        .iter()
        .find(|row| row.signs_from.is_some_and(|from| from > now));
    if let (Some(row), false) = (scheduled, at_once) {
        return Err(TokenKeyError::Scheduled(row.signs_from.unwrap_or(now)));
    }
    let announced = rows.iter().find(|row| row.signs_from.is_none());
    let next = match scheduled.or(announced) {
        Some(row) => row.clone(),
        None => {
            let next = made(keys, None, now)?;
            store::token_keys::insert(tx, &next).await?;
            next
        }
    };
    let from = if at_once {
        now
    } else {
        now.max(next.created_at.after(ANNOUNCED))
    };
    for row in &rows {
        match stage(row) {
            Stage::Signing if at_once => {
                store::token_keys::remove(tx, &row.kid).await?;
            }
            Stage::Signing => {
                store::token_keys::set_times(tx, &row.kid, row.signs_from, Some(from)).await?;
            }
            Stage::Announced | Stage::Leaving | Stage::Withdrawn => {}
        }
    }
    store::token_keys::set_times(tx, &next.kid, Some(from), None).await?;
    if scheduled.is_none() {
        announce(tx, keys, stamp).await?;
    }
    let how = if at_once { "at_once" } else { "announced" };
    Ok(note(tx, stamp, &next.kid, how, from).await?)
}

/// Removes keys of which nothing can be good any more; tells how many.
pub(crate) async fn forget_withdrawn(tx: &mut Tx, now: Time) -> Result<u64, store::Error> {
    let mut gone = 0;
    for row in store::token_keys::all(tx).await? {
        if Stage::of(row.signs_from, row.signs_until, now) == Stage::Withdrawn {
            gone += u64::from(store::token_keys::remove(tx, &row.kid).await?);
        }
    }
    Ok(gone)
}

//! Hashing passwords within a budget of memory: at most so many at a time, the others wait their turn for
//! a while and are then told to come again.

use super::Password;
use super::record::{Pepper, Record, RecordError, SALT_BYTES};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Why nothing can be said about a password.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HashError {
    /// Too many wait already.
    #[error("too many passwords are being checked; try again in {} s", .retry_after.as_secs().max(1))]
    Busy {
        /// When it is worth trying again.
        retry_after: Duration,
    },
    /// The stored record cannot be used.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The worker broke off, or there is no randomness.
    #[error("a password could not be checked")]
    Broken,
}

/// What came of comparing a password with a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verified {
    /// It is another one.
    No,
    /// It is the one.
    Yes,
    /// It is the one, and its record was made at another cost or under another pepper: make a new one.
    Outdated,
}

/// Makes and checks records of passwords.
#[derive(Clone)]
pub struct Hasher {
    inner: Arc<Inner>,
}

struct Inner {
    /// Newest first; never empty.
    peppers: Vec<Pepper>,
    permits: Arc<Semaphore>,
    queue: Duration,
    /// What is tried when there is no record: no password matches it.
    dummy: Record,
    calls: AtomicU64,
    running: AtomicUsize,
    most_running: AtomicUsize,
}

/// Counts itself among those that run until it is dropped.
struct Running(Arc<Inner>);

impl Running {
    fn begin(inner: &Arc<Inner>) -> Self {
        inner.calls.fetch_add(1, Ordering::SeqCst);
        let now = inner.running.fetch_add(1, Ordering::SeqCst) + 1;
        inner.most_running.fetch_max(now, Ordering::SeqCst);
        Self(Arc::clone(inner))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

fn random<const N: usize>() -> Result<[u8; N], HashError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| HashError::Broken)?;
    Ok(bytes)
}

impl Hasher {
    /// A hasher under `pepper`, which also knows records under `older` ones. `permits` hash at a time, each
    /// in 46 MiB; the others wait for at most `queue`.
    ///
    /// # Errors
    /// [`HashError::Broken`] without randomness.
    pub fn new(
        pepper: Pepper,
        older: Vec<Pepper>,
        permits: usize,
        queue: Duration,
    ) -> Result<Self, HashError> {
        let dummy = Record::dummy(&pepper, random()?, random()?);
        let mut peppers = vec![pepper];
        peppers.extend(older);
        Ok(Self {
            inner: Arc::new(Inner {
                peppers,
                permits: Arc::new(Semaphore::new(permits.max(1))),
                queue,
                dummy,
                calls: AtomicU64::new(0),
                running: AtomicUsize::new(0),
                most_running: AtomicUsize::new(0),
            }),
        })
    }

    /// A record of a password.
    ///
    /// # Errors
    /// [`HashError`].
    pub async fn hash(&self, password: &Password) -> Result<String, HashError> {
        let salt = random::<SALT_BYTES>()?;
        let password = password.clone();
        self.in_turn(move |inner| {
            let pepper = inner.peppers.first().ok_or(HashError::Broken)?;
            let record = Record::make(password.expose().as_bytes(), pepper, salt)?;
            Ok(record.to_string())
        })
        .await
    }

    /// Compares a password with a record; without one with a record that nothing matches, at the same cost.
    ///
    /// # Errors
    /// [`HashError`].
    pub async fn verify(&self, record: Option<&str>, password: &Password) -> Result<Verified, HashError> {
        let record = match record {
            Some(text) => Record::parse(text)?,
            None => self.inner.dummy.clone(),
        };
        let password = password.clone();
        self.in_turn(move |inner| {
            let same = record.matches(password.expose().as_bytes(), &inner.peppers)?;
            let current = inner
                .peppers
                .first()
                .is_some_and(|pepper| record.is_current(pepper));
            Ok(match (same, current) {
                (false, _) => Verified::No,
                (true, true) => Verified::Yes,
                (true, false) => Verified::Outdated,
            })
        })
        .await
    }

    /// Spends what a hash costs, where an answer must not tell whether one was needed.
    ///
    /// # Errors
    /// [`HashError`].
    pub async fn verify_dummy(&self, password: &Password) -> Result<(), HashError> {
        self.verify(None, password).await.map(|_| ())
    }

    /// How many hashes were computed so far.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.inner.calls.load(Ordering::SeqCst)
    }

    /// How many were computed at the same time at most.
    #[must_use]
    pub fn most_at_once(&self) -> usize {
        self.inner.most_running.load(Ordering::SeqCst)
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, HashError> {
        let waiting = Arc::clone(&self.inner.permits).acquire_owned();
        let busy = HashError::Busy {
            retry_after: self.inner.queue,
        };
        let permit = tokio::time::timeout(self.inner.queue, waiting)
            .await
            .map_err(|_| busy)?
            .map_err(|_| HashError::Broken)?;
        let inner = Arc::clone(&self.inner);
        // The permit goes along: a caller who went away does not make room before the memory is free.
        tokio::task::spawn_blocking(move || {
            let running = Running::begin(&inner);
            let result = work(&inner);
            drop(running);
            drop(permit);
            result
        })
        .await
        .unwrap_or(Err(HashError::Broken))
    }
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[password hasher]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hasher(pepper: &[u8], older: &[&[u8]], permits: usize, queue: Duration) -> Hasher {
        let older = older.iter().map(|secret| Pepper::of(secret)).collect();
        Hasher::new(Pepper::of(pepper), older, permits, queue).unwrap()
    }

    fn password(text: &str) -> Password {
        Password::parse(text).unwrap()
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn the_last_character_counts_even_of_a_thousand_bytes() {
        let hasher = hasher(b"p", &[], 2, MINUTE);
        let long = "é🌻 ".repeat(142);
        let record = hasher.hash(&password(&format!("{long}a"))).await.unwrap();
        let is = async |text: String| hasher.verify(Some(&record), &password(&text)).await.unwrap();
        assert_eq!(is(format!("{long}a")).await, Verified::Yes);
        assert_eq!(is(format!("{long}b")).await, Verified::No);
        assert_eq!(is(long.clone()).await, Verified::No);
        assert_eq!(is(format!("{long}A")).await, Verified::No);
        assert_eq!(hasher.calls(), 5);
    }

    #[tokio::test]
    async fn two_records_of_one_password_have_nothing_in_common() {
        let hasher = hasher(b"p", &[], 2, MINUTE);
        let (one, two) = (
            hasher.hash(&password("x")).await.unwrap(),
            hasher.hash(&password("x")).await.unwrap(),
        );
        let tail = |record: &str| record.rsplit('$').next().unwrap().to_owned();
        assert_ne!(tail(&one), tail(&two));
    }

    #[tokio::test]
    async fn nothing_matches_where_there_is_no_record_and_it_costs_the_same() {
        let hasher = hasher(b"p", &[], 2, MINUTE);
        assert_eq!(hasher.verify(None, &password("x")).await, Ok(Verified::No));
        hasher.verify_dummy(&password("y")).await.unwrap();
        assert_eq!(hasher.calls(), 2);
        assert_eq!(
            Record::parse(&hasher.inner.dummy.to_string()).unwrap().cost,
            super::super::COST
        );
    }

    #[tokio::test]
    async fn a_pepper_is_changed_at_the_next_login_and_an_unknown_one_is_an_error() {
        let before = hasher(b"old", &[], 1, MINUTE);
        let record = before.hash(&password("x")).await.unwrap();
        let after = hasher(b"new", &[b"old"], 1, MINUTE);
        assert_eq!(
            after.verify(Some(&record), &password("x")).await,
            Ok(Verified::Outdated)
        );
        assert_eq!(
            after.verify(Some(&record), &password("y")).await,
            Ok(Verified::No)
        );
        let renewed = after.hash(&password("x")).await.unwrap();
        let alone = hasher(b"new", &[], 1, MINUTE);
        assert_eq!(
            alone.verify(Some(&renewed), &password("x")).await,
            Ok(Verified::Yes)
        );
        let lost = alone.verify(Some(&record), &password("x")).await;
        assert_eq!(lost, Err(HashError::Record(RecordError::PepperUnknown)));
    }

    #[tokio::test]
    async fn a_cheaper_record_is_outdated() {
        let hasher = hasher(b"p", &[], 1, MINUTE);
        let pepper = Pepper::of(b"p");
        let text = hasher.hash(&password("x")).await.unwrap();
        let cheap = text.replace("m=47104", "m=19456");
        // Its hash is of another cost, so nothing matches; what matters is that it is tried at its own cost.
        assert_eq!(
            hasher.verify(Some(&cheap), &password("x")).await,
            Ok(Verified::No)
        );
        assert!(!Record::parse(&cheap).unwrap().is_current(&pepper));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn never_more_at_once_than_the_budget_and_everybody_gets_an_answer() {
        let hasher = hasher(b"p", &[], 2, Duration::from_secs(600));
        let many: Vec<_> = (0..50)
            .map(|_| {
                let hasher = hasher.clone();
                tokio::spawn(async move { hasher.verify(None, &password("x")).await })
            })
            .collect();
        for one in many {
            assert_eq!(one.await.unwrap(), Ok(Verified::No));
        }
        assert_eq!(hasher.calls(), 50);
        assert!(hasher.most_at_once() <= 2, "{} at once", hasher.most_at_once());
    }

    #[tokio::test]
    async fn who_waits_too_long_is_told_to_come_again() {
        let hasher = hasher(b"p", &[], 1, Duration::from_millis(5));
        let held = Arc::clone(&hasher.inner.permits).acquire_owned().await.unwrap();
        let told = hasher.verify_dummy(&password("x")).await;
        assert!(matches!(told, Err(HashError::Busy { .. })), "{told:?}");
        assert_eq!(hasher.calls(), 0);
        drop(held);
        hasher.verify_dummy(&password("x")).await.unwrap();
    }
}

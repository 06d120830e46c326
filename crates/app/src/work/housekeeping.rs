//! Housekeeping: what is no longer needed goes, once an hour, by one process at a time.

use crate::studio::Studio;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often.
const EVERY: Duration = Duration::from_secs(3600);
/// How long one process is the one that does it.
const LEASE: Duration = Duration::from_secs(3000);
/// An idempotency key is remembered this long.
pub const KEY_MEMORY: Duration = Duration::from_secs(7 * 24 * 3600);
/// An event can be resumed from this long.
pub const EVENT_MEMORY: Duration = Duration::from_secs(30 * 24 * 3600);
/// A blob without a row stays this long: longer than any step between storing it and its row.
pub const BLOB_GRACE: Duration = Duration::from_secs(24 * 3600);
/// A session that is over is remembered this long: a token of it that comes late is known for what it was.
const SESSION_MEMORY: Duration = Duration::from_secs(24 * 3600);
/// Sessions and proofs that are forgotten at once.
const FORGET_BATCH: u32 = 10_000;
/// Blobs that are read from the database at once.
const BATCH: u32 = 1000;
/// The name of the work that one process does.
const LEADER: &str = "housekeeping";

/// Why housekeeping did not come to its end; the next hour tries again.
#[derive(Debug, thiserror::Error)]
pub enum HousekeepingError {
    /// The database failed.
    #[error("the database failed: {0}")]
    Store(#[from] store::Error),
    /// The blobs could not be looked through.
    #[error("the blobs could not be looked through: {0}")]
    Vault(#[from] vault::VaultError),
}

impl Studio {
    /// Keeps house until told to stop.
    pub async fn run_housekeeping(self: Arc<Self>, stop: CancellationToken) {
        loop {
            if let Err(error) = self.keep_house().await {
                tracing::error!(error = %error, "housekeeping failed; trying again in an hour");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }

    /// Forgets old idempotency keys and events and removes blobs that no row knows, if no other process
    /// does it already.
    ///
    /// # Errors
    /// [`HousekeepingError`].
    pub async fn keep_house(&self) -> Result<(), HousekeepingError> {
        let now = self.now();
        let owner = self.boot.to_string();
        let forgotten = self
            .db
            .write("housekeeping.forget", move |tx| {
                let owner = owner.clone();
                Box::pin(async move {
                    if store::singleton::acquire(tx, LEADER, &owner, LEASE, now)
                        .await?
                        .is_none()
                    {
                        return Ok::<_, store::Error>(None);
                    }
                    let before = |memory: Duration| {
                        let micros = i64::try_from(memory.as_micros()).unwrap_or(i64::MAX);
                        domain::time::Time::from_micros(now.micros().saturating_sub(micros))
                    };
                    let keys = store::idempotency::forget_before(tx, before(KEY_MEMORY)).await?;
                    let events = store::events::prune_before(tx, before(EVENT_MEMORY)).await?;
                    store::sessions::forget_over(tx, before(SESSION_MEMORY), FORGET_BATCH).await?;
                    store::proofs::forget_before(tx, now, FORGET_BATCH).await?;
                    crate::identity::forget_withdrawn_keys(tx, now).await?;
                    crate::identity::throttle::forget_old(tx, now).await?;
                    let memory = crate::identity::outbox::MEMORY;
                    store::mails::forget_before(tx, before(memory)).await?;
                    let longest = before(crate::identity::outbox::LONGEST_WAIT);
                    store::mails::expire_before(tx, longest).await?;
                    Ok(Some((keys, events)))
                })
            })
            .await?;
        let Some((keys, events)) = forgotten else {
            return Ok(());
        };
        let known = self.known_blobs().await?;
        #[expect(
            clippy::disallowed_methods,
            reason = "compared with the times of files, which are the machine's"
        )]
        let file_time = std::time::SystemTime::now();
        let swept = self
            .vault
            .sweep(file_time, BLOB_GRACE, move |_, blob| known.contains(blob))
            .await?;
        tracing::info!(
            keys,
            events,
            blobs = swept.blobs,
            bytes = swept.bytes,
            "house kept"
        );
        Ok(())
    }

    async fn known_blobs(&self) -> Result<HashSet<String>, store::Error> {
        let mut known = HashSet::new();
        let mut after: Option<String> = None;
        loop {
            let from = after.clone();
            let page: Vec<String> = self
                .db
                .read("blobs.known", move |read| {
                    let from = from.clone();
                    Box::pin(
                        async move { store::assets::all_blobs(read, KEEPER, from.as_deref(), BATCH).await },
                    )
                })
                .await?;
            let Some(last) = page.last() else { return Ok(known) };
            after = Some(last.clone());
            known.extend(page);
        }
    }
}

const KEEPER: domain::actor::SystemScope = domain::actor::SystemScope {
    reason: "housekeeping",
};

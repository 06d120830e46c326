//! The loop that claims due jobs and runs their steps, a bounded number at a time.

use super::{Claimed, StepError};
use crate::generations::dispatch::WORKER;
use crate::generations::record::{Stamp, book_and_note, tell};
use crate::studio::Studio;
use domain::actor::SystemScope;
use domain::audit::Action;
use domain::capability::ProviderName;
use domain::job::{AttemptState, Rules, Task, task};
use domain::secret::TokenHash;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The longest nap between two looks into the queue: jobs of another process are found after this.
const LONGEST_NAP: Duration = Duration::from_millis(500);
/// The shortest, so that a job that is always due does not spin.
const SHORTEST_NAP: Duration = Duration::from_millis(5);
/// Jobs claimed in one transaction.
const CLAIM_BATCH: usize = 64;

impl Studio {
    /// Start-up: leases of an earlier process on this machine are void, so that what it left open is
    /// looked at now and not when the leases run out.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn recover(&self) -> Result<u64, store::Error> {
        let now = self.now();
        let freed = self
            .db
            .write("jobs.void_leases", move |tx| {
                Box::pin(async move {
                    store::workspaces::ensure_first(tx, now).await?;
                    store::jobs::void_leases(tx, now).await
                })
            })
            .await?;
        if freed > 0 {
            tracing::warn!(jobs = freed, "took over jobs that an earlier process left");
        }
        self.work_bell.notify_one();
        Ok(freed)
    }

    /// Notes in the audit log that this process serves the data now.
    ///
    /// # Errors
    /// If the entry cannot be written: then nothing may be done either.
    pub async fn note_start(&self) -> Result<(), store::Error> {
        let stamp = Stamp::system(self.now(), SystemScope { reason: "start" });
        let details = BTreeMap::from([("version".to_owned(), env!("CARGO_PKG_VERSION").to_owned())]);
        let entry = stamp.entry(None, Action::StudioStarted, "studio".to_owned(), "ok", details);
        self.db
            .write("audit.start", move |tx| {
                let entry = entry.clone();
                Box::pin(async move { store::audit::append(tx, &entry).await })
            })
            .await?;
        self.tell_bell.notify_one();
        Ok(())
    }

    /// Notes in the audit log that a setting was changed while running.
    ///
    /// # Errors
    /// If the entry cannot be written.
    pub async fn note_setting(&self, setting: &'static str) -> Result<(), store::Error> {
        let stamp = Stamp::system(self.now(), SystemScope { reason: "operator" });
        let entry = stamp.entry(
            None,
            Action::SettingChanged,
            setting.to_owned(),
            "ok",
            BTreeMap::new(),
        );
        self.db
            .write("audit.setting", move |tx| {
                let entry = entry.clone();
                Box::pin(async move { store::audit::append(tx, &entry).await })
            })
            .await?;
        self.tell_bell.notify_one();
        Ok(())
    }

    /// Works until told to stop, then lets running steps finish.
    pub async fn run_worker(self: Arc<Self>, stop: CancellationToken) {
        let places = Arc::new(Semaphore::new(self.settings.workers));
        let steps = TaskTracker::new();
        while !stop.is_cancelled() {
            let room = places.available_permits().min(CLAIM_BATCH);
            let claimed = if room == 0 {
                Vec::new()
            } else {
                self.claim(room).await
            };
            let busy = !claimed.is_empty();
            for one in claimed {
                let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                    return;
                };
                let studio = Arc::clone(&self);
                steps.spawn(async move {
                    studio.step(one).await;
                    drop(place);
                    studio.work_bell.notify_one();
                });
            }
            if !busy {
                let nap = self.nap().await;
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = self.work_bell.notified() => {}
                    () = tokio::time::sleep(nap) => {}
                }
            }
        }
        steps.close();
        steps.wait().await;
    }

    /// Does every step that is due now, one after the other; for tests and the headless journey. Returns
    /// how many there were.
    pub async fn work_once(&self) -> usize {
        let claimed = self.claim(CLAIM_BATCH).await;
        let count = claimed.len();
        for one in claimed {
            self.step(one).await;
        }
        count
    }

    async fn nap(&self) -> Duration {
        let next = self
            .db
            .read("jobs.next_due", |read| {
                Box::pin(async move { store::jobs::next_due(read).await })
            })
            .await;
        match next {
            Ok(Some(due)) => due.since(self.now()).clamp(SHORTEST_NAP, LONGEST_NAP),
            _ => LONGEST_NAP,
        }
    }

    async fn claim(&self, limit: usize) -> Vec<Claimed> {
        let now = self.now();
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let rules: Arc<BTreeMap<ProviderName, (Rules, i64)>> = Arc::new(
            self.catalogue
                .providers()
                .iter()
                .map(|p| {
                    (
                        p.card().name.clone(),
                        (self.rules(Some(p.card())), i64::from(p.card().max_concurrent)),
                    )
                })
                .collect(),
        );
        let unknown = self.rules(None);
        let taken = self
            .db
            .write("jobs.claim", move |tx| {
                let rules = Arc::clone(&rules);
                Box::pin(async move {
                    let mut full = Vec::new();
                    for (name, busy) in store::jobs::in_flight(tx).await? {
                        if rules.get(&name).is_some_and(|(_, most)| busy >= *most) {
                            full.push(name);
                        }
                    }
                    let of = |name: &ProviderName| rules.get(name).map_or(unknown, |(rules, _)| *rules);
                    let claimed = store::jobs::claim_due(tx, now, limit, &of, &full).await?;
                    let stamp = Stamp::system(now, WORKER);
                    for one in &claimed {
                        book_and_note(tx, &stamp, &one.change).await?;
                        if !one.change.noted.is_empty() {
                            tell(tx, now, one.job.workspace, one.job.generation).await?;
                        }
                    }
                    Ok::<_, store::Error>(claimed)
                })
            })
            .await;
        match taken {
            Ok(claimed) => claimed
                .into_iter()
                .map(|c| Claimed {
                    job: c.job,
                    attempt: c.attempt,
                })
                .collect(),
            Err(error) => {
                tracing::error!(error = %error, "jobs could not be claimed; trying again");
                Vec::new()
            }
        }
    }

    async fn step(&self, claimed: Claimed) {
        let card = self.provider(&claimed.job.provider);
        let rules = self.rules(card.as_ref().map(|provider| provider.card()));
        let outcome = match task(&claimed.job, self.now(), &rules) {
            Task::Store(change) => self.store_step("jobs.finish", &claimed.job, &change).await,
            Task::Submit => self.dispatch(&claimed, &rules).await,
            Task::Poll => self.poll(&claimed, &rules).await,
            Task::Cancel => self.stop_remote(&claimed, &rules).await,
            Task::Collect => self.collect(&claimed, &rules).await,
            Task::Reconcile => self.reconcile(&claimed, &rules).await,
        };
        match outcome {
            Ok(()) => {}
            Err(StepError::Store(store::Error::Fenced) | StepError::NotNow(_)) => {
                self.metrics.fenced();
                tracing::debug!(job_id = %claimed.job.id, "another worker has this job by now");
            }
            Err(error) => {
                tracing::error!(job_id = %claimed.job.id, provider = %claimed.job.provider, error = %error, "step failed");
            }
        }
    }
}

impl Studio {
    /// Jobs that are at this provider now.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn in_flight(&self, name: &ProviderName) -> Result<i64, store::Error> {
        let all = self
            .db
            .read("jobs.in_flight", |read| {
                Box::pin(async move { store::jobs::in_flight(read).await })
            })
            .await?;
        Ok(all
            .iter()
            .find(|(provider, _)| provider == name)
            .map_or(0, |(_, count)| *count))
    }

    /// Brings the gauges up to what the database holds.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn count_jobs(&self) -> Result<(), store::Error> {
        let (jobs, attempts, oldest) = self
            .db
            .read("jobs.counts", |read| {
                Box::pin(async move {
                    let jobs = store::jobs::counts(read).await?;
                    let attempts = store::attempts::count_by_state(read).await?;
                    Ok::<_, store::Error>((jobs, attempts, store::jobs::oldest_ready(read).await?))
                })
            })
            .await?;
        let states: Vec<_> = jobs.into_iter().map(|(_, state, count)| (state, count)).collect();
        let unknown = attempts
            .iter()
            .filter(|(state, _)| *state == AttemptState::Unknown)
            .map(|(_, n)| n)
            .sum();
        let age = oldest.map_or(Duration::ZERO, |since| self.now().since(since));
        self.metrics.set_jobs(&states, unknown, age);
        Ok(())
    }

    /// A provider's callback: looks at the attempt of this token now. Says nothing of whether there is one.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn wake_by_token(&self, token: &str) -> Result<(), store::Error> {
        let hash = TokenHash::of(token);
        let now = self.now();
        let woken = self
            .db
            .write("jobs.wake", move |tx| {
                let hash = hash.clone();
                Box::pin(async move {
                    match store::attempts::by_token(tx, &hash).await? {
                        Some(attempt) => store::jobs::wake(tx, attempt.job, now).await,
                        None => Ok(false),
                    }
                })
            })
            .await?;
        if woken {
            self.work_bell.notify_one();
        }
        Ok(())
    }
}

//! Metrics: typed label sets, so that no label can carry personal data or grow without bound.

use domain::capability::ProviderName;
use domain::generation::Kind;
use domain::job::JobState;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use std::sync::Mutex;
use std::time::Duration;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct KindLabel {
    kind: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StateLabel {
    state: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabel {
    provider: String,
    outcome: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteLabel {
    route: String,
    method: String,
    status: u16,
}

/// The studio's counters and gauges.
pub struct Metrics {
    registry: Mutex<Registry>,
    accepted: Family<KindLabel, Counter>,
    ended: Family<StateLabel, Counter>,
    submitted: Family<OutcomeLabel, Counter>,
    reconciled: Family<OutcomeLabel, Counter>,
    jobs: Family<StateLabel, Gauge>,
    attempts_unknown: Gauge,
    oldest_ready: Gauge,
    fenced: Counter,
    relay_failures: Counter,
    mails: Family<StateLabel, Counter>,
    mails_waiting: Gauge,
    oldest_mail: Gauge,
    requests: Family<RouteLabel, Counter>,
    latency: Histogram,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let metrics = Self {
            registry: Mutex::new(Registry::with_prefix("studio")),
            accepted: Family::default(),
            ended: Family::default(),
            submitted: Family::default(),
            reconciled: Family::default(),
            jobs: Family::default(),
            attempts_unknown: Gauge::default(),
            oldest_ready: Gauge::default(),
            fenced: Counter::default(),
            relay_failures: Counter::default(),
            mails: Family::default(),
            mails_waiting: Gauge::default(),
            oldest_mail: Gauge::default(),
            requests: Family::default(),
            latency: Histogram::new(exponential_buckets(0.000_25, 2.0, 18)),
        };
        metrics.register();
        metrics
    }

    fn register(&self) {
        let Ok(mut registry) = self.registry.lock() else {
            return;
        };
        registry.register(
            "generations_accepted",
            "Generations accepted durably",
            self.accepted.clone(),
        );
        registry.register(
            "jobs_ended",
            "Jobs that came to their end, by state",
            self.ended.clone(),
        );
        registry.register(
            "attempts_submitted",
            "Submissions by outcome",
            self.submitted.clone(),
        );
        registry.register(
            "attempts_reconciled",
            "Looks for lost attempts by outcome",
            self.reconciled.clone(),
        );
        registry.register("jobs", "Jobs by state now", self.jobs.clone());
        registry.register(
            "attempts_unknown",
            "Attempts whose outcome is not known",
            self.attempts_unknown.clone(),
        );
        registry.register_with_unit(
            "oldest_ready_job_age",
            "How long the oldest job waits that could be submitted",
            Unit::Seconds,
            self.oldest_ready.clone(),
        );
        registry.register(
            "steps_fenced",
            "Steps refused because another worker was faster",
            self.fenced.clone(),
        );
        registry.register(
            "relay_failures",
            "Times that events or audit could not be told",
            self.relay_failures.clone(),
        );
        registry.register(
            "mails",
            "Tries to send a letter by outcome: sent, later, given_up",
            self.mails.clone(),
        );
        registry.register(
            "mails_waiting",
            "Letters that wait to be sent",
            self.mails_waiting.clone(),
        );
        registry.register_with_unit(
            "oldest_waiting_mail_age",
            "How long the oldest letter waits",
            Unit::Seconds,
            self.oldest_mail.clone(),
        );
        registry.register(
            "http_requests",
            "HTTP requests by route and status",
            self.requests.clone(),
        );
        registry.register_with_unit(
            "http_request_duration",
            "HTTP latency",
            Unit::Seconds,
            self.latency.clone(),
        );
    }

    pub(crate) fn accepted(&self, kind: Kind) {
        self.accepted
            .get_or_create(&KindLabel {
                kind: kind.to_string(),
            })
            .inc();
    }

    pub(crate) fn mail(&self, outcome: &'static str) {
        self.mails
            .get_or_create(&StateLabel {
                state: outcome.to_owned(),
            })
            .inc();
    }

    pub(crate) fn set_mails(&self, waiting: i64, oldest_seconds: i64) {
        self.mails_waiting.set(waiting);
        self.oldest_mail.set(oldest_seconds.max(0));
    }

    pub(crate) fn ended(&self, state: JobState) {
        self.ended
            .get_or_create(&StateLabel {
                state: state.to_string(),
            })
            .inc();
    }

    pub(crate) fn submitted(&self, provider: &ProviderName, outcome: &str) {
        let label = OutcomeLabel {
            provider: provider.to_string(),
            outcome: outcome.to_owned(),
        };
        self.submitted.get_or_create(&label).inc();
    }

    pub(crate) fn reconciled(&self, provider: &ProviderName, outcome: &str) {
        let label = OutcomeLabel {
            provider: provider.to_string(),
            outcome: outcome.to_owned(),
        };
        self.reconciled.get_or_create(&label).inc();
    }

    pub(crate) fn fenced(&self) {
        self.fenced.inc();
    }

    pub(crate) fn relay_failed(&self) {
        self.relay_failures.inc();
    }

    /// Counts one HTTP request. `route` is the matched pattern, never the path itself.
    pub fn request(&self, method: &str, route: &str, status: u16, took: Duration) {
        let label = RouteLabel {
            route: route.to_owned(),
            method: method.to_owned(),
            status,
        };
        self.requests.get_or_create(&label).inc();
        self.latency.observe(took.as_secs_f64());
    }

    /// Sets what is counted in the database, before the text is made.
    pub fn set_jobs(&self, states: &[(JobState, i64)], unknown: i64, oldest_ready: Duration) {
        for state in JobState::ALL.iter().filter(|state| !state.is_final()) {
            let count = states.iter().filter(|(s, _)| s == state).map(|(_, n)| n).sum();
            self.jobs
                .get_or_create(&StateLabel {
                    state: state.to_string(),
                })
                .set(count);
        }
        self.attempts_unknown.set(unknown);
        self.oldest_ready
            .set(i64::try_from(oldest_ready.as_secs()).unwrap_or(i64::MAX));
    }

    /// The OpenMetrics text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        if let Ok(registry) = self.registry.lock() {
            // Writing into a String cannot fail.
            let _ = encode(&mut text, &registry);
        }
        text
    }
}

//! Seeded simulation of the generation machine: several workers over one store and one provider, with
//! crashes, pauses longer than a lease, lost answers, late requests, a list that lags, claims handed out
//! twice, wishes to cancel and clocks that jump. No sockets, no threads: a run is a function of its seed.
//!
//! The transitions are those of crate `domain`. The store keeps the same rules as the real one (the fence,
//! one open attempt of a job, each ledger line once). The provider keeps a bill, which is the oracle: nothing
//! is charged twice, nothing is lost, and the ledger agrees with the bill. Every guard can be switched off,
//! and then the oracle must complain; a guard that nobody misses guards nothing.

mod oracle;
mod provider;
mod random;
mod store;
mod worker;
mod world;

pub use oracle::{Verdict, Violation};

use std::time::Duration;

/// What keeps a run right. Each is switched off alone to show that it is needed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Guards {
    /// The intent is on disk before the first byte.
    pub durable_intent: bool,
    /// Nothing is sent after the deadline of its intent.
    pub send_by: bool,
    /// A write needs the epoch and state that it was computed from.
    pub fence: bool,
    /// A job has one open attempt at most, by an index of the store.
    pub one_open_attempt: bool,
    /// An answer that did not come is unknown, not a refusal.
    pub unknown_stays_unknown: bool,
    /// A list that does not show an attempt proves nothing until it had time to.
    pub settle: bool,
}

impl Guards {
    /// All of them.
    pub const ALL: Self = Self {
        durable_intent: true,
        send_by: true,
        fence: true,
        one_open_attempt: true,
        unknown_stays_unknown: true,
        settle: true,
    };

    /// All but one, each with its name.
    #[must_use]
    pub const fn each_missing() -> [(&'static str, Self); 6] {
        [
            (
                "durable_intent",
                Self {
                    durable_intent: false,
                    ..Self::ALL
                },
            ),
            (
                "send_by",
                Self {
                    send_by: false,
                    ..Self::ALL
                },
            ),
            (
                "fence",
                Self {
                    fence: false,
                    ..Self::ALL
                },
            ),
            (
                "one_open_attempt",
                Self {
                    one_open_attempt: false,
                    ..Self::ALL
                },
            ),
            (
                "unknown_stays_unknown",
                Self {
                    unknown_stays_unknown: false,
                    ..Self::ALL
                },
            ),
            (
                "settle",
                Self {
                    settle: false,
                    ..Self::ALL
                },
            ),
        ]
    }
}

/// How much goes wrong. Chances are in thousandths.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// Workers.
    pub workers: usize,
    /// Jobs.
    pub jobs: usize,
    /// Faults end after this; then everything must come to its end.
    pub storm: Duration,
    /// Workers killed during the storm.
    pub kills: u32,
    /// Workers stopped and continued during the storm.
    pub pauses: u32,
    /// The longest pause.
    pub longest_pause: Duration,
    /// A worker stands still between deciding and writing, or between writing and sending.
    pub stumble: u16,
    /// An answer is lost.
    pub lose_answer: u16,
    /// A request arrives late.
    pub late: u16,
    /// How late at most; less than the settle time, as the protocol assumes.
    pub latest: Duration,
    /// How long the list may lag.
    pub list_lag: Duration,
    /// A claim is handed to two workers whose writes do not see each other.
    pub twins: u16,
    /// A submission is refused for now.
    pub refuse: u16,
    /// The provider fails, and charges nothing.
    pub fail: u16,
    /// A look, a download or a search fails.
    pub trouble: u16,
    /// The owner wants it stopped.
    pub cancel: u16,
    /// Clock jumps during the storm, each of at most two minutes to either side.
    pub clock_jumps: u32,
}

impl Profile {
    /// Everything at once.
    #[must_use]
    pub const fn everything() -> Self {
        Self {
            workers: 3,
            jobs: 20,
            storm: Duration::from_secs(3600),
            kills: 12,
            pauses: 12,
            longest_pause: Duration::from_secs(1500),
            stumble: 60,
            lose_answer: 100,
            late: 100,
            latest: Duration::from_secs(60),
            list_lag: Duration::from_secs(90),
            twins: 60,
            refuse: 80,
            fail: 50,
            trouble: 80,
            cancel: 100,
            clock_jumps: 3,
        }
    }
}

/// Runs one seed.
#[must_use]
pub fn run(seed: u64, profile: &Profile, guards: Guards) -> Verdict {
    world::World::new(seed, *profile, guards).run()
}

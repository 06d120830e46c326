//! The run: a queue of events in order of time.

use super::oracle::{Verdict, judge};
use super::provider::Provider;
use super::random::Random;
use super::store::{Refused, Store};
use super::{Guards, Profile};
use domain::actor::FIRST_WORKSPACE;
use domain::capability::{Correlation, Polling, ProviderName};
use domain::generation::Kind;
use domain::id::{GenerationId, JobId};
use domain::job::{
    Attempt, Change, Job, JobState, NewJob, Priority, Rules, Submitted, cancel_wished, queued,
};
use domain::money::Money;
use domain::retry::Backoff;
use domain::time::Time;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

pub(super) const PRICE: i64 = 40_000;
const START: i64 = 1_800_000_000_000_000;
pub(super) const SECOND: Duration = Duration::from_secs(1);
/// What has not ended by then is lost.
const HORIZON: Duration = Duration::from_secs(48 * 3600);

/// What a worker does next. The copies it holds may be stale by then; that is the point.
pub(super) enum Step {
    /// Looks for work.
    Idle,
    /// Has claimed this.
    Claimed(Box<Job>),
    /// Has decided on an intent and not written it yet.
    Intent {
        read: Box<Job>,
        change: Box<Change>,
        send_by: Time,
        twin: bool,
    },
    /// Has written its intent and not sent yet.
    Send {
        read: Box<Job>,
        job: Box<Job>,
        attempt: Box<Attempt>,
        send_by: Time,
    },
    /// The answer to this request is here, or will not come.
    Answer {
        request: usize,
        answer: Option<Submitted>,
    },
    /// Has decided what to write.
    Write { read: Box<Job>, change: Box<Change> },
}

pub(super) enum Event {
    Worker { worker: usize, life: u32, step: Step },
    Arrives { request: usize },
    Kill { worker: usize },
    Pause { worker: usize, until: Time },
    Wish { job: JobId },
    Jump { micros: i64 },
}

pub(super) struct Worker {
    pub(super) life: u32,
    paused_until: Time,
}

pub(super) struct Request {
    pub(super) worker: usize,
    pub(super) life: u32,
    pub(super) read: Job,
    pub(super) job: Job,
    pub(super) attempt: Attempt,
    pub(super) refused: bool,
    pub(super) answer_lost: bool,
    pub(super) open: bool,
}

pub(super) struct World {
    pub(super) profile: Profile,
    pub(super) guards: Guards,
    pub(super) rules: Rules,
    pub(super) random: Random,
    pub(super) store: Store,
    pub(super) provider: Provider,
    pub(super) workers: Vec<Worker>,
    pub(super) requests: Vec<Request>,
    events: BTreeMap<(Time, u64), Event>,
    order: BinaryHeap<Reverse<(Time, u64)>>,
    sequence: u64,
    /// True time; workers and store read it through a clock that jumps.
    pub(super) now: Time,
    clock_off: i64,
    pub(super) verdict: Verdict,
}

impl World {
    pub(super) fn new(seed: u64, profile: Profile, guards: Guards) -> Self {
        let mut random = Random::new(seed ^ 0x5ec0_4e57_0d10_5eed);
        let lists = random.chance(600);
        let cancels = random.chance(500);
        let rules = Rules {
            max_attempts: 5,
            lease: SECOND * 60,
            send_by: SECOND * 10,
            backoff: Backoff {
                base: SECOND * 2,
                cap: SECOND * 60,
            },
            settle: if guards.settle {
                SECOND * 600
            } else {
                Duration::ZERO
            },
            reconcile_window: SECOND * 3600 * 6,
            collect_window: SECOND * 3600 * 6,
            may_repeat: false,
            polling: Polling {
                image_first: SECOND * 2,
                video_first: SECOND * 30,
                image_every: SECOND * 2,
                video_every: SECOND * 5,
            },
            correlation: if lists {
                Correlation::List
            } else {
                Correlation::None
            },
            can_cancel: cancels,
            free: false,
        };
        let start = Time::from_micros(START);
        let workers = (0..profile.workers)
            .map(|_| Worker {
                life: 0,
                paused_until: start,
            })
            .collect();
        let mut world = Self {
            profile,
            guards,
            rules,
            random,
            store: Store::new(guards),
            provider: Provider {
                made: Vec::new(),
                lists,
                cancels,
            },
            workers,
            requests: Vec::new(),
            events: BTreeMap::new(),
            order: BinaryHeap::new(),
            sequence: 0,
            now: start,
            clock_off: 0,
            verdict: Verdict::default(),
        };
        world.fill();
        world
    }

    fn fill(&mut self) {
        let storm = self.profile.storm;
        for number in 0..self.profile.jobs {
            let id = JobId::from_value(u128::try_from(number).unwrap_or(0) + 1);
            let new = NewJob {
                id,
                generation: GenerationId::from_value(id.value()),
                workspace: FIRST_WORKSPACE,
                ordinal: 0,
                kind: if self.random.chance(700) {
                    Kind::Image
                } else {
                    Kind::Video
                },
                provider: ProviderName("simulated".to_owned()),
                priority: Priority::NORMAL,
                virtual_time: 0,
                deadline_at: self.now.after(Duration::from_secs(24 * 3600)),
                ceiling: Money::usd(PRICE),
            };
            let mut change = queued(new, self.now);
            change.job.run_at = self.now.after(self.random.up_to(storm / 2));
            self.store.add(change);
            if self.random.chance(self.profile.cancel) {
                let at = self.now.after(self.random.up_to(storm));
                self.at(at, Event::Wish { job: id });
            }
        }
        for worker in 0..self.profile.workers {
            self.step_in(SECOND, worker, Step::Idle);
        }
        for _ in 0..self.profile.kills {
            let (at, worker) = self.any_time();
            self.at(at, Event::Kill { worker });
        }
        for _ in 0..self.profile.pauses {
            let (at, worker) = self.any_time();
            let until = at.after(self.random.up_to(self.profile.longest_pause));
            self.at(at, Event::Pause { worker, until });
        }
        for _ in 0..self.profile.clock_jumps {
            let (at, _) = self.any_time();
            let micros = i64::try_from(self.random.next() % 240_000_000).unwrap_or(0) - 120_000_000;
            self.at(at, Event::Jump { micros });
        }
    }

    fn any_time(&mut self) -> (Time, usize) {
        let at = self.now.after(self.random.up_to(self.profile.storm));
        (at, self.random.below(self.profile.workers))
    }

    pub(super) fn at(&mut self, time: Time, event: Event) {
        self.sequence += 1;
        self.order.push(Reverse((time, self.sequence)));
        self.events.insert((time, self.sequence), event);
    }

    pub(super) fn step_in(&mut self, wait: Duration, worker: usize, step: Step) {
        let life = self.workers[worker].life;
        self.at(self.now.after(wait), Event::Worker { worker, life, step });
    }

    /// What the clock on the wall shows.
    pub(super) const fn wall(&self) -> Time {
        Time::from_micros(self.now.micros() + self.clock_off)
    }

    fn storming(&self) -> bool {
        self.now.since(Time::from_micros(START)) < self.profile.storm
    }

    /// A fault of this chance, while the storm lasts.
    pub(super) fn strikes(&mut self, thousandths: u16) -> bool {
        let hit = self.random.chance(thousandths);
        hit && self.storming()
    }

    pub(super) fn run(mut self) -> Verdict {
        while let Some(Reverse(next)) = self.order.pop() {
            let Some(event) = self.events.remove(&next) else {
                continue;
            };
            self.now = next.0;
            if self.now.since(Time::from_micros(START)) > HORIZON {
                break;
            }
            self.happen(event);
        }
        self.verdict.jobs = self.store.jobs.len();
        self.verdict.creations = self.provider.made.len();
        let count = |state| self.store.jobs.iter().filter(|job| job.state == state).count();
        self.verdict.succeeded = count(JobState::Succeeded);
        self.verdict.needs_attention = count(JobState::NeedsAttention);
        self.verdict.violations = judge(&self);
        self.verdict
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Worker { worker, life, step } => {
                if self.workers[worker].life != life {
                    return;
                }
                let until = self.workers[worker].paused_until;
                if self.now < until {
                    self.at(until, Event::Worker { worker, life, step });
                    return;
                }
                self.work(worker, step);
            }
            Event::Arrives { request } => self.arrives(request),
            Event::Kill { worker } => {
                self.verdict.kills += 1;
                self.workers[worker].life += 1;
                let wait = self.random.up_to(SECOND * 20);
                self.step_in(wait, worker, Step::Idle);
            }
            Event::Pause { worker, until } => self.workers[worker].paused_until = until,
            Event::Wish { job } => {
                let Some(read) = self.store.job(job).cloned() else {
                    return;
                };
                if let Ok(change) = cancel_wished(&read, self.wall()) {
                    let _ = self.write(&read, change);
                }
            }
            Event::Jump { micros } => {
                self.clock_off = (self.clock_off + micros).clamp(-120_000_000, 120_000_000);
            }
        }
    }

    pub(super) fn write(&mut self, read: &Job, change: Change) -> Result<(), Refused> {
        let outcome = self.store.apply(read, change, false);
        self.verdict.refused_writes += usize::from(outcome.is_err());
        outcome
    }
}

//! The run: a queue of events in order of time.

use super::oracle::{Verdict, judge};
use super::provider::{Provider, fault};
use super::random::Random;
use super::store::{Refused, Store};
use super::{Guards, Profile};
use domain::actor::FIRST_WORKSPACE;
use domain::capability::{Correlation, Polling, ProviderName};
use domain::fault::FaultKind;
use domain::generation::Kind;
use domain::id::{AttemptId, GenerationId, JobId, RANDOM_BYTES};
use domain::job::{
    Attempt, Change, Collected, Found, Job, JobState, NewJob, Polled, Priority, Rules, Submitted, Task,
    cancel_answered, cancel_wished, claim, collected, intend, polled, queued, reconciled, submitted, task,
};
use domain::money::Money;
use domain::retry::Backoff;
use domain::secret::TokenHash;
use domain::time::Time;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::time::Duration;

const PRICE: i64 = 40_000;
const START: i64 = 1_800_000_000_000_000;
const SECOND: Duration = Duration::from_secs(1);
/// A worker gives up on an answer after this.
const TIMEOUT: Duration = Duration::from_secs(30);
/// What has not ended by then is lost.
const HORIZON: Duration = Duration::from_secs(48 * 3600);

/// What a worker does next. The copies it holds may be stale by then; that is the point.
enum Step {
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

enum Event {
    Worker { worker: usize, life: u32, step: Step },
    Arrives { request: usize },
    Kill { worker: usize },
    Pause { worker: usize, until: Time },
    Wish { job: JobId },
    Jump { micros: i64 },
}

struct Worker {
    life: u32,
    paused_until: Time,
}

struct Request {
    worker: usize,
    life: u32,
    read: Job,
    job: Job,
    attempt: Attempt,
    refused: bool,
    answer_lost: bool,
    open: bool,
}

pub(super) struct World {
    profile: Profile,
    guards: Guards,
    rules: Rules,
    random: Random,
    pub(super) store: Store,
    pub(super) provider: Provider,
    workers: Vec<Worker>,
    requests: Vec<Request>,
    events: BTreeMap<(Time, u64), Event>,
    order: BinaryHeap<Reverse<(Time, u64)>>,
    sequence: u64,
    /// True time; workers and store read it through a clock that jumps.
    now: Time,
    clock_off: i64,
    verdict: Verdict,
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

    fn at(&mut self, time: Time, event: Event) {
        self.sequence += 1;
        self.order.push(Reverse((time, self.sequence)));
        self.events.insert((time, self.sequence), event);
    }

    fn step_in(&mut self, wait: Duration, worker: usize, step: Step) {
        let life = self.workers[worker].life;
        self.at(self.now.after(wait), Event::Worker { worker, life, step });
    }

    /// What the clock on the wall shows.
    const fn wall(&self) -> Time {
        Time::from_micros(self.now.micros() + self.clock_off)
    }

    fn storming(&self) -> bool {
        self.now.since(Time::from_micros(START)) < self.profile.storm
    }

    /// A fault of this chance, while the storm lasts.
    fn strikes(&mut self, thousandths: u16) -> bool {
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
                self.clock_off = (self.clock_off + micros).clamp(-120_000_000, 120_000_000)
            }
        }
    }

    fn write(&mut self, read: &Job, change: Change) -> Result<(), Refused> {
        let outcome = self.store.apply(read, change, false);
        self.verdict.refused_writes += usize::from(outcome.is_err());
        outcome
    }

    fn work(&mut self, worker: usize, step: Step) {
        match step {
            Step::Idle => self.look_for_work(worker),
            Step::Claimed(job) => self.do_task(worker, &job),
            Step::Intent {
                read,
                change,
                send_by,
                twin,
            } => self.store_intent(worker, *read, *change, send_by, twin),
            Step::Send {
                read,
                job,
                attempt,
                send_by,
            } => self.send(worker, *read, *job, *attempt, send_by),
            Step::Answer { request, answer } => self.answered(worker, request, answer),
            Step::Write { read, change } => {
                let _ = self.write(&read, *change);
                self.step_in(Duration::from_millis(10), worker, Step::Idle);
            }
        }
    }

    fn look_for_work(&mut self, worker: usize) {
        let wall = self.wall();
        let due = |job: &Job| job.run_at.max(job.lease_until.unwrap_or(job.run_at));
        let open: Vec<&Job> = self
            .store
            .jobs
            .iter()
            .filter(|job| !job.state.is_final())
            .collect();
        let Some(first) = open.iter().map(|job| due(job)).min() else {
            return;
        };
        let ready: Vec<Job> = open.into_iter().filter(|job| due(job) <= wall).cloned().collect();
        if ready.is_empty() {
            // A clock may jump meanwhile, so nobody sleeps longer than a minute.
            let wait = first.since(wall).min(SECOND * 60).max(Duration::from_millis(100));
            self.step_in(wait, worker, Step::Idle);
            return;
        }
        let read = ready[self.random.below(ready.len())].clone();
        let newest = self.store.newest(read.id).cloned();
        let Some(change) = claim(&read, newest.as_ref(), wall, &self.rules) else {
            self.step_in(SECOND, worker, Step::Idle);
            return;
        };
        let change = self.without_memory(&read, change);
        let taken = change.job.clone();
        if self.write(&read, change).is_err() {
            self.step_in(Duration::from_millis(50), worker, Step::Idle);
            return;
        }
        self.step_in(
            Duration::from_millis(5),
            worker,
            Step::Claimed(Box::new(taken.clone())),
        );
        if self.strikes(self.profile.twins) && self.workers.len() > 1 {
            let twin = (worker + 1) % self.workers.len();
            self.step_in(Duration::from_millis(6), twin, Step::Claimed(Box::new(taken)));
        }
    }

    /// Without the rule that an unknown outcome stays unknown, an open intent under an expired lease is
    /// taken for one that never left.
    fn without_memory(&self, read: &Job, change: Change) -> Change {
        let lost = change.attempt.is_some();
        if self.guards.unknown_stays_unknown || !lost {
            return change;
        }
        let attempt = change.attempt.clone();
        let Some(mut attempt) = attempt else { return change };
        attempt.state = domain::job::AttemptState::NotCreated;
        let mut job = change.job.clone();
        job.state = JobState::Ready;
        job.stage_since = read.stage_since;
        Change {
            job,
            attempt: Some(attempt),
            ..change
        }
    }

    fn do_task(&mut self, worker: usize, job: &Job) {
        let wall = self.wall();
        let brief = Duration::from_millis(20) + self.random.up_to(SECOND);
        let change = match task(job, wall, &self.rules) {
            Task::Store(change) => Some(*change),
            Task::Submit => return self.decide_intent(worker, job),
            other => self.ask(job, &other),
        };
        match change {
            Some(change) => {
                let wait = if self.strikes(self.profile.stumble) {
                    self.stumble()
                } else {
                    brief
                };
                self.step_in(
                    wait,
                    worker,
                    Step::Write {
                        read: Box::new(job.clone()),
                        change: Box::new(change),
                    },
                );
            }
            None => self.step_in(brief, worker, Step::Idle),
        }
    }

    fn stumble(&mut self) -> Duration {
        let longest = self.profile.longest_pause;
        self.random.up_to(longest)
    }

    /// Polls, fetches, looks for, stops; the change to write.
    fn ask(&mut self, job: &Job, what: &Task) -> Option<Change> {
        let (wall, chance) = (self.wall(), self.random.next());
        let newest = self.store.newest(job.id)?.clone();
        let id = newest.external_id.clone().unwrap_or_default();
        let trouble = self.strikes(self.profile.trouble);
        let down = || fault(FaultKind::Unavailable, "sim.unavailable");
        Some(match what {
            Task::Poll => {
                let answer = if trouble {
                    Polled::Trouble {
                        fault: down(),
                        retry_after: None,
                    }
                } else {
                    self.provider.poll(&id, self.now)
                };
                polled(job, &newest, answer, wall, chance, &self.rules)
            }
            Task::Collect => {
                let answer = if trouble {
                    Collected::Trouble { fault: down() }
                } else {
                    Collected::Stored
                };
                collected(job, answer, wall, chance, &self.rules)
            }
            Task::Reconcile => {
                let answer = if trouble && self.provider.lists {
                    Found::Trouble { fault: down() }
                } else {
                    self.provider.find(&newest.token_hash, self.now)
                };
                self.verdict.adopted += usize::from(matches!(answer, Found::Adopted { .. }));
                reconciled(job, &newest, answer, wall, chance, &self.rules)
            }
            Task::Cancel => {
                if !trouble && self.provider.cancels {
                    self.provider.cancel(&id, self.now);
                }
                cancel_answered(job, !trouble, wall, chance, &self.rules)
            }
            Task::Submit | Task::Store(_) => return None,
        })
    }

    fn decide_intent(&mut self, worker: usize, job: &Job) {
        let mut bytes = [0_u8; RANDOM_BYTES];
        bytes[..8].copy_from_slice(&self.random.next().to_be_bytes());
        let id = AttemptId::new(self.wall(), bytes);
        let token = TokenHash::of(&id.to_string());
        let send_by = self.now.after(self.rules.send_by);
        let Ok(change) = intend(job, id, token, self.wall(), &self.rules) else {
            self.step_in(SECOND, worker, Step::Idle);
            return;
        };
        let twin = self.profile.twins > 0;
        let wait = if self.strikes(self.profile.stumble) {
            self.stumble()
        } else {
            Duration::from_millis(10)
        };
        let read = Box::new(job.clone());
        self.step_in(
            wait,
            worker,
            Step::Intent {
                read,
                change: Box::new(change),
                send_by,
                twin,
            },
        );
    }

    fn store_intent(&mut self, worker: usize, read: Job, change: Change, send_by: Time, twin: bool) {
        let (job, attempt) = (change.job.clone(), change.attempt.clone());
        let Some(attempt) = attempt else { return };
        if self.guards.durable_intent {
            // Two holders of one claim that write at once: each checks the fence before the other's commit.
            let rival = self
                .store
                .newest(read.id)
                .filter(|a| a.epoch == read.epoch && a.state.is_open());
            let at_once = rival.is_some_and(|a| self.wall().since(a.intent_at) < SECOND);
            let outcome = self.store.apply(&read, change, twin && at_once);
            if outcome.is_err() {
                self.verdict.refused_writes += 1;
                self.step_in(Duration::from_millis(10), worker, Step::Idle);
                return;
            }
        }
        let wait = if self.strikes(self.profile.stumble) {
            self.stumble()
        } else {
            Duration::from_millis(10)
        };
        let read = if self.guards.durable_intent {
            job.clone()
        } else {
            read
        };
        let step = Step::Send {
            read: Box::new(read),
            job: Box::new(job),
            attempt: Box::new(attempt),
            send_by,
        };
        self.step_in(wait, worker, step);
    }

    fn send(&mut self, worker: usize, read: Job, job: Job, attempt: Attempt, send_by: Time) {
        let request = self.requests.len();
        let life = self.workers[worker].life;
        let refused = self.strikes(self.profile.refuse);
        let answer_lost = self.strikes(self.profile.lose_answer);
        self.requests.push(Request {
            worker,
            life,
            read,
            job,
            attempt,
            refused,
            answer_lost,
            open: true,
        });
        if self.guards.send_by && self.now >= send_by {
            let fault = fault(FaultKind::Unavailable, "sim.too_late");
            let answer = Some(Submitted::Rejected {
                fault,
                again: true,
                retry_after: None,
            });
            self.step_in(Duration::from_millis(1), worker, Step::Answer { request, answer });
            return;
        }
        let brief = Duration::from_millis(20) + self.random.up_to(SECOND);
        let late = self.strikes(self.profile.late);
        let latest = self.profile.latest;
        let wait = if late { self.random.up_to(latest) } else { brief };
        self.at(self.now.after(wait), Event::Arrives { request });
        self.step_in(
            TIMEOUT,
            worker,
            Step::Answer {
                request,
                answer: None,
            },
        );
    }

    fn arrives(&mut self, request: usize) {
        let (job, token, refused, answer_lost) = {
            let one = &self.requests[request];
            (
                one.job.id,
                one.attempt.token_hash.clone(),
                one.refused,
                one.answer_lost,
            )
        };
        let answer = if refused {
            let fault = fault(FaultKind::Throttled, "sim.throttled");
            Submitted::Rejected {
                fault,
                again: true,
                retry_after: None,
            }
        } else {
            let fails = self.strikes(self.profile.fail);
            let (now, lag) = (self.now, self.profile.list_lag);
            let id = self
                .provider
                .make(job, token, PRICE, now, lag, fails, &mut self.random);
            Submitted::Accepted { external_id: id }
        };
        if answer_lost {
            self.verdict.lost_answers += 1;
            return;
        }
        let (worker, life) = (self.requests[request].worker, self.requests[request].life);
        let back = self
            .now
            .after(Duration::from_millis(20) + self.random.up_to(SECOND));
        let step = Step::Answer {
            request,
            answer: Some(answer),
        };
        self.at(back, Event::Worker { worker, life, step });
    }

    fn answered(&mut self, worker: usize, request: usize, answer: Option<Submitted>) {
        let one = &mut self.requests[request];
        if !std::mem::replace(&mut one.open, false) {
            return;
        }
        let (read, job, attempt) = (one.read.clone(), one.job.clone(), one.attempt.clone());
        let answer = answer.unwrap_or_else(|| {
            let fault = fault(FaultKind::Uncertain, "sim.lost");
            if self.guards.unknown_stays_unknown {
                Submitted::Unknown { fault }
            } else {
                Submitted::Rejected {
                    fault,
                    again: true,
                    retry_after: None,
                }
            }
        });
        let chance = self.random.next();
        let change = submitted(&job, &attempt, answer, self.wall(), chance, &self.rules);
        let wait = if self.strikes(self.profile.stumble) {
            self.stumble()
        } else {
            Duration::from_millis(10)
        };
        self.step_in(
            wait,
            worker,
            Step::Write {
                read: Box::new(read),
                change: Box::new(change),
            },
        );
    }
}

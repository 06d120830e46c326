//! What workers do with their turn, and what the provider does with what reaches it.

use super::provider::{Arrival, fault};
use super::world::{Event, PRICE, Request, SECOND, Step, World};
use domain::fault::FaultKind;
use domain::id::{AttemptId, RANDOM_BYTES};
use domain::job::{
    Attempt, AttemptState, Change, Collected, Found, Job, JobState, Polled, Submitted, Task, cancel_answered,
    claim, collected, intend, polled, reconciled, submitted, task,
};
use domain::secret::TokenHash;
use domain::time::Time;
use std::time::Duration;

/// A worker gives up on an answer after this.
const TIMEOUT: Duration = Duration::from_secs(30);

impl World {
    pub(super) fn work(&mut self, worker: usize, step: Step) {
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
        attempt.state = AttemptState::NotCreated;
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

    pub(super) fn arrives(&mut self, request: usize) {
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
            let id = self.provider.make(
                Arrival {
                    job,
                    token,
                    price: PRICE,
                    now,
                    lag,
                    fails,
                },
                &mut self.random,
            );
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

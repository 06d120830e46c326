//! Properties of the machine over random histories.

use super::*;
use crate::fault::FaultKind;
use crate::generation::State;
use crate::retry::Backoff;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn rules(free: bool, may_repeat: bool, correlation: Correlation) -> Rules {
    let second = Duration::from_secs(1);
    Rules {
        max_attempts: 3,
        lease: second * 60,
        send_by: second * 10,
        backoff: Backoff {
            base: second * 2,
            cap: second * 60,
        },
        settle: second * 600,
        reconcile_window: second * 3600,
        collect_window: second * 3600,
        may_repeat,
        polling: Polling {
            image_first: second,
            video_first: second,
            image_every: second,
            video_every: second,
        },
        correlation,
        can_cancel: true,
        free,
    }
}

const CEILING: i64 = 40_000;

fn new_job() -> Change {
    job_with_ceiling(CEILING)
}

fn job_with_ceiling(ceiling: i64) -> Change {
    let now = Time::from_micros(1_000_000_000);
    let id = |n| [n; crate::id::RANDOM_BYTES];
    queued(
        NewJob {
            id: JobId::new(now, id(1)),
            generation: GenerationId::new(now, id(2)),
            workspace: crate::actor::FIRST_WORKSPACE,
            ordinal: 0,
            kind: Kind::Image,
            provider: ProviderName("sim".into()),
            priority: Priority::NORMAL,
            virtual_time: 0,
            deadline_at: now.after(Duration::from_secs(7200)),
            ceiling: Money::usd(ceiling),
        },
        now,
    )
}

#[derive(Clone, Debug)]
enum Happening {
    Wait(u32),
    Cancel,
    Crash,
    Submit(u8),
    Poll(u8),
    Collect(u8),
    Reconcile(u8),
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        3 => (0_u32..2000).prop_map(Happening::Wait),
        1 => Just(Happening::Cancel),
        1 => Just(Happening::Crash),
        6 => (0_u8..4).prop_map(Happening::Submit),
        6 => (0_u8..8).prop_map(Happening::Poll),
        4 => (0_u8..4).prop_map(Happening::Collect),
        4 => (0_u8..5).prop_map(Happening::Reconcile),
    ]
}

fn fault(kind: FaultKind) -> Fault {
    Fault::new(kind, "test.fault", "A fault of the test.")
}
struct World {
    job: Job,
    attempts: BTreeMap<AttemptId, Attempt>,
    bookings: Vec<Booking>,
    now: Time,
    rules: Rules,
    made: u8,
}

impl World {
    fn open(&self) -> Option<Attempt> {
        self.attempts.values().find(|a| a.state.is_open()).cloned()
    }

    fn store(&mut self, change: Change) {
        assert!(
            !self.job.state.is_final() || change.job.state == self.job.state,
            "a final state changed"
        );
        self.job = change.job;
        if let Some(attempt) = change.attempt {
            self.attempts.insert(attempt.id, attempt);
        }
        self.bookings.extend(change.bookings);
        let open = self.attempts.values().filter(|a| a.state.is_open()).count();
        assert!(open <= 1, "two open attempts");
    }

    fn work(&mut self, what: &Happening) {
        let newest = self.attempts.values().max_by_key(|a| a.number).cloned();
        let Some(change) = claim(&self.job, newest.as_ref(), self.now, &self.rules) else {
            return;
        };
        self.store(change);
        let newest = self.attempts.values().max_by_key(|a| a.number).cloned();
        match (task(&self.job, self.now, &self.rules), what) {
            (Task::Store(change), _) => self.store(*change),
            (Task::Submit, Happening::Submit(answer)) => {
                self.made += 1;
                let id = AttemptId::new(self.now, [self.made; crate::id::RANDOM_BYTES]);
                let intent = intend(&self.job, id, TokenHash::of("t"), self.now, &self.rules).unwrap();
                self.store(intent);
                let answer = match answer {
                    0 => Submitted::Accepted {
                        external_id: "x".into(),
                    },
                    1 => Submitted::Rejected {
                        fault: fault(FaultKind::Throttled),
                        again: true,
                        retry_after: None,
                    },
                    2 => Submitted::Rejected {
                        fault: fault(FaultKind::Invalid),
                        again: false,
                        retry_after: None,
                    },
                    _ => Submitted::Unknown {
                        fault: fault(FaultKind::Uncertain),
                    },
                };
                let open = self.open().unwrap();
                self.store(submitted(&self.job, &open, answer, self.now, 7, &self.rules));
            }
            (Task::Poll, Happening::Poll(answer)) => {
                let answer = match answer {
                    0 => Polled::Running { progress: None },
                    1 => Polled::Done { cost: None },
                    2 => Polled::Failed {
                        fault: fault(FaultKind::Provider),
                        again: true,
                        charged: None,
                    },
                    3 => Polled::Failed {
                        fault: fault(FaultKind::Provider),
                        again: true,
                        charged: Some(self.job.ceiling),
                    },
                    4 => Polled::Blocked {
                        fault: fault(FaultKind::Moderated),
                        charged: None,
                    },
                    5 => Polled::Gone,
                    6 => Polled::Cancelled,
                    _ => Polled::Trouble {
                        fault: fault(FaultKind::Unavailable),
                        retry_after: None,
                    },
                };
                let open = self.open().unwrap();
                self.store(polled(&self.job, &open, answer, self.now, 7, &self.rules));
            }
            (Task::Cancel, _) => self.store(cancel_answered(&self.job, true, self.now, 7, &self.rules)),
            (Task::Collect, Happening::Collect(answer)) => {
                let answer = match answer {
                    0 => Collected::Stored,
                    1 => Collected::Trouble {
                        fault: fault(FaultKind::Unavailable),
                    },
                    2 => Collected::Gone,
                    _ => Collected::Unfit {
                        fault: fault(FaultKind::Provider),
                    },
                };
                self.store(collected(&self.job, answer, self.now, 7, &self.rules));
            }
            (Task::Reconcile, Happening::Reconcile(answer)) => {
                let answer = match answer {
                    0 => Found::Adopted {
                        external_id: "y".into(),
                    },
                    1 => Found::NotSeen,
                    2 => Found::NotCreated,
                    3 => Found::CannotKnow,
                    _ => Found::Trouble {
                        fault: fault(FaultKind::Unavailable),
                    },
                };
                let newest = newest.unwrap();
                self.store(reconciled(&self.job, &newest, answer, self.now, 7, &self.rules));
            }
            (Task::Submit, Happening::Crash) => {
                self.made += 1;
                let id = AttemptId::new(self.now, [self.made; crate::id::RANDOM_BYTES]);
                self.store(intend(&self.job, id, TokenHash::of("t"), self.now, &self.rules).unwrap());
            }
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn any_history_keeps_the_rules(
        history in prop::collection::vec(happening(), 1..60),
        free: bool,
        may_repeat: bool,
    ) {
        let ceiling = if free { 0 } else { CEILING };
        let first = job_with_ceiling(ceiling);
        let mut world = World {
            job: first.job, attempts: BTreeMap::new(), bookings: first.bookings,
            now: Time::from_micros(1_000_000_000), rules: rules(free, may_repeat, Correlation::List), made: 0,
        };
        for what in &history {
            match what {
                Happening::Wait(seconds) => world.now = world.now.after(Duration::from_secs(u64::from(*seconds))),
                Happening::Cancel => if let Ok(change) = cancel_wished(&world.job, world.now) { world.store(change) },
                other => {
                    world.now = world.now.after(Duration::from_secs(61));
                    world.work(other);
                }
            }
        }
        let sum = |posting| world.bookings.iter().filter(|b| b.posting == posting).map(|b| b.amount.micros).sum::<i64>();
        prop_assert_eq!(sum(Posting::Hold), ceiling);
        prop_assert_eq!(sum(Posting::Capture), world.job.captured.micros);
        if world.job.state.is_final() {
            prop_assert_eq!(sum(Posting::Capture) + sum(Posting::Release), ceiling, "the hold does not come out even");
            prop_assert!(world.open().is_none(), "ended with an open attempt: {:?}", world.job.state);
            let quiet = matches!(world.job.state, JobState::Succeeded) || world.job.fault.is_some();
            prop_assert!(quiet, "ended without a reason: {:?}", world.job.state);
        }
        let mut seen = std::collections::BTreeSet::new();
        for booking in &world.bookings {
            prop_assert!(ceiling == 0 || seen.insert((booking.attempt, booking.posting.as_str())), "booked twice: {booking:?}");
        }
    }
}

#[test]
fn an_expired_lease_with_an_open_intent_is_never_ready_again_by_itself() {
    let rules = rules(false, false, Correlation::None);
    let now = Time::from_micros(1_000_000_000);
    let job = claim(&new_job().job, None, now, &rules).unwrap().job;
    let change = intend(
        &job,
        AttemptId::new(now, [9; 10]),
        TokenHash::of("t"),
        now,
        &rules,
    )
    .unwrap();
    let later = now.after(Duration::from_secs(61));
    let taken = claim(&change.job, change.attempt.as_ref(), later, &rules).unwrap();
    assert_eq!(taken.job.state, JobState::Reconciling);
    assert_eq!(taken.attempt.unwrap().state, AttemptState::Unknown);
    assert!(taken.job.epoch > change.job.epoch);
}

#[test]
fn an_intent_needs_a_lease_that_outlives_its_send_by() {
    let rules = rules(false, false, Correlation::None);
    let now = Time::from_micros(1_000_000_000);
    let job = claim(&new_job().job, None, now, &rules).unwrap().job;
    let late = now.after(Duration::from_secs(55));
    assert_eq!(
        intend(
            &job,
            AttemptId::new(now, [9; 10]),
            TokenHash::of("t"),
            late,
            &rules
        ),
        Err(NotNow)
    );
}

#[test]
fn a_list_that_shows_nothing_is_proof_only_after_the_settle_time() {
    let rules = rules(false, false, Correlation::List);
    let now = Time::from_micros(1_000_000_000);
    let job = claim(&new_job().job, None, now, &rules).unwrap().job;
    let change = intend(
        &job,
        AttemptId::new(now, [9; 10]),
        TokenHash::of("t"),
        now,
        &rules,
    )
    .unwrap();
    let attempt = change.attempt.unwrap();
    let lost = submitted(
        &change.job,
        &attempt,
        Submitted::Unknown {
            fault: fault(FaultKind::Uncertain),
        },
        now,
        1,
        &rules,
    );
    let attempt = lost.attempt.unwrap();
    let early = reconciled(
        &lost.job,
        &attempt,
        Found::NotSeen,
        now.after(Duration::from_secs(60)),
        1,
        &rules,
    );
    assert_eq!(early.job.state, JobState::Reconciling);
    assert!(early.job.run_at > now.after(Duration::from_secs(60)));
    let proof = reconciled(
        &early.job,
        &attempt,
        Found::NotSeen,
        now.after(Duration::from_secs(700)),
        1,
        &rules,
    );
    assert_eq!(proof.job.state, JobState::Ready);
    assert_eq!(proof.attempt.unwrap().state, AttemptState::NotCreated);
}

#[test]
fn a_generation_shows_the_state_that_most_needs_to_be_known() {
    let mut one = new_job().job;
    assert_eq!(rollup(std::slice::from_ref(&one)), State::Queued);
    one.attempts_made = 1;
    assert_eq!(rollup(std::slice::from_ref(&one)), State::Running);
    one.state = JobState::Failed;
    let mut two = one.clone();
    two.state = JobState::Succeeded;
    assert_eq!(rollup(&[one.clone(), two]), State::Succeeded);
    let mut three = one.clone();
    three.state = JobState::NeedsAttention;
    assert_eq!(rollup(&[one, three]), State::NeedsAttention);
}

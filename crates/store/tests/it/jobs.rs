//! Jobs and their attempts: what is kept, the fence, claims.

use crate::bed::{Bed, NOW, at, fresh, generation, job, job_with, new_job, rules};
use domain::actor::FIRST_WORKSPACE;
use domain::capability::ProviderName;
use domain::event::Progress;
use domain::fault::{Fault, FaultKind};
use domain::generation::Kind;
use domain::id::{AttemptId, JobId};
use domain::job::{Attempt, AttemptState, Change, Job, JobState, Priority, Submitted, intend, submitted};
use domain::money::{Currency, Money};
use domain::secret::TokenHash;
use domain::time::Time;
use proptest::option;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::BTreeSet;
use store::jobs::{Claimed, claim_due};
use store::{Db, Error, attempts, jobs};

on_both!(
    every_field_comes_back,
    the_order_of_claims,
    a_lease_is_respected_until_it_ends,
    a_lost_submission_is_found_by_the_next_claim,
    full_providers_get_nothing_new,
    leases_of_an_earlier_process_are_void,
    a_hint_pulls_a_job_forward,
    the_next_due_time,
    counts_of_unfinished_jobs,
    claims_never_give_a_job_twice,
);

fn any_time() -> impl Strategy<Value = Time> {
    any::<i64>().prop_map(Time::from_micros)
}

fn any_money() -> impl Strategy<Value = Money> {
    (any::<i64>(), prop_oneof!["[A-Z]{3}"]).prop_map(|(micros, code)| Money {
        micros,
        currency: code.parse::<Currency>().unwrap(),
    })
}

fn any_fault() -> impl Strategy<Value = Fault> {
    ("\\PC{0,20}", "\\PC{0,60}").prop_map(|(code, detail)| Fault::new(FaultKind::Internal, &code, detail))
}

fn any_progress() -> impl Strategy<Value = Progress> {
    (
        option::of(any::<u8>()),
        option::of(any::<u32>()),
        option::of(any::<u32>()),
        "\\PC{0,20}",
    )
        .prop_map(|(percent, step, steps, stage)| Progress {
            percent,
            step,
            steps,
            stage,
        })
}

fn any_job() -> impl Strategy<Value = Job> {
    let what = (
        any::<u16>(),
        prop::sample::select(Kind::ALL),
        "\\PC{1,20}",
        prop::sample::select(JobState::ALL),
    );
    let place = (
        1_u8..=4,
        any::<i64>(),
        any_time(),
        option::of(any_time()),
        any::<i64>(),
    );
    let past = (
        any::<u16>(),
        any::<u32>(),
        any_time(),
        option::of(any_time()),
        any::<bool>(),
        any_time(),
    );
    let rest = (
        any_money(),
        any_money(),
        option::of(any_fault()),
        option::of(any_progress()),
    );
    (what, place, past, rest).prop_map(|(what, place, past, rest)| Job {
        id: JobId::from_value(fresh()),
        generation: domain::id::GenerationId::from_value(0),
        workspace: FIRST_WORKSPACE,
        ordinal: what.0,
        kind: what.1,
        provider: ProviderName(what.2),
        state: what.3,
        priority: Priority::new(place.0),
        virtual_time: place.1,
        run_at: place.2,
        lease_until: place.3,
        epoch: place.4,
        attempts_made: past.0,
        failures: past.1,
        deadline_at: past.2,
        cancel_requested_at: past.3,
        cancel_sent: past.4,
        stage_since: past.5,
        ceiling: rest.0,
        captured: rest.1,
        fault: rest.2,
        progress: rest.3,
    })
}

fn any_attempt() -> impl Strategy<Value = Attempt> {
    let what = (
        any::<u16>(),
        "\\PC{1,20}",
        prop::sample::select(AttemptState::ALL),
        any_time(),
        any_time(),
    );
    let rest = (
        any::<i64>(),
        option::of("\\PC{1,40}"),
        any_money(),
        option::of(any_money()),
        option::of(any_fault()),
    );
    (what, rest).prop_map(|(what, rest)| {
        let number = fresh();
        Attempt {
            id: AttemptId::from_value(number),
            job: JobId::from_value(0),
            number: what.0,
            provider: ProviderName(what.1),
            state: what.2,
            token_hash: TokenHash::of(&number.to_string()),
            intent_at: what.3,
            send_by: what.4,
            epoch: rest.0,
            external_id: rest.1.map(|id| format!("{id}{number}")),
            ceiling: rest.2,
            cost: rest.3,
            fault: rest.4,
        }
    })
}

pub async fn found(db: &Db, id: JobId) -> Job {
    read!(db, read [] => jobs::find(read, id)).unwrap().unwrap()
}

/// Any job, then any other values for all that may change, with any attempt: each comes back as it was.
async fn every_field_comes_back(bed: Bed) {
    let mut runner = TestRunner::default();
    for _ in 0..64 {
        let mut first = any_job().new_tree(&mut runner).unwrap().current();
        first.generation = generation(&bed.db).await;
        write!(bed.db, tx [first] => jobs::insert(tx, &first)).unwrap();
        assert_eq!(found(&bed.db, first.id).await, first);
        let all = {
            let generation = first.generation;
            read!(bed.db, read [] => jobs::of_generation(read, generation)).unwrap()
        };
        assert_eq!(all, vec![first.clone()]);

        let mut second = any_job().new_tree(&mut runner).unwrap().current();
        let mut attempt = any_attempt().new_tree(&mut runner).unwrap().current();
        second.id = first.id;
        second.generation = first.generation;
        second.ordinal = first.ordinal;
        second.kind = first.kind;
        second.provider = first.provider.clone();
        second.priority = first.priority;
        second.virtual_time = first.virtual_time;
        second.ceiling = first.ceiling;
        second.cancel_requested_at = first.cancel_requested_at.or(second.cancel_requested_at);
        attempt.job = first.id;
        for round in 0..2 {
            let change = Change {
                job: second.clone(),
                attempt: Some(attempt.clone()),
                bookings: Vec::new(),
                noted: Vec::new(),
            };
            let before = if round == 0 { first.clone() } else { second.clone() };
            write!(bed.db, tx [before, change] => jobs::apply(tx, &before, &change)).unwrap();
            assert_eq!(found(&bed.db, first.id).await, second);
            let id = first.id;
            let newest = read!(bed.db, read [] => attempts::newest(read, id)).unwrap();
            assert_eq!(newest.as_ref(), Some(&attempt));
            let hash = attempt.token_hash.clone();
            assert_eq!(
                read!(bed.db, read [hash] => async { attempts::by_token(read, &hash).await }).unwrap(),
                newest
            );
            // The second round changes all of the attempt that may change.
            let other = any_attempt().new_tree(&mut runner).unwrap().current();
            attempt.state = other.state;
            attempt.external_id = other.external_id;
            attempt.cost = other.cost;
            attempt.fault = other.fault;
        }
    }
}

pub async fn claimed(db: &Db, now: Time, limit: u32) -> Vec<Claimed> {
    write!(db, tx [] => async { claim_due(tx, now, limit, &|_| rules(), &[]).await }).unwrap()
}

async fn the_order_of_claims(bed: Bed) {
    let with = async |state: JobState, priority: u8, virtual_time: i64, run_at: Time| {
        job_with(&bed.db, |job| {
            job.state = state;
            job.priority = Priority::new(priority);
            job.virtual_time = virtual_time;
            job.run_at = run_at;
        })
        .await
        .id
    };
    let fifth = with(JobState::Ready, 2, 9, NOW).await;
    let fourth = with(JobState::Waiting, 2, 8, NOW).await;
    let third = with(JobState::Ready, 2, 7, NOW).await;
    let first = with(JobState::Collecting, 4, 99, NOW).await;
    let second = with(JobState::Ready, 1, 50, NOW).await;
    let sixth = with(JobState::Reconciling, 3, 1, NOW).await;
    with(JobState::Ready, 1, 1, at(1)).await;
    with(JobState::Collecting, 1, 1, at(1)).await;
    with(JobState::Succeeded, 1, 1, NOW).await;
    let ids = |claimed: Vec<Claimed>| claimed.iter().map(|one| one.job.id).collect::<Vec<_>>();
    assert_eq!(ids(claimed(&bed.db, NOW, 3).await), [first, second, third]);
    assert_eq!(ids(claimed(&bed.db, NOW, 30).await), [fourth, fifth, sixth]);
    assert_eq!(ids(claimed(&bed.db, NOW, 30).await), []);
}

async fn a_lease_is_respected_until_it_ends(bed: Bed) {
    let job = job(&bed.db).await;
    let first = claimed(&bed.db, NOW, 1).await.remove(0);
    assert_eq!((first.job.epoch, first.job.lease_until), (1, Some(at(60))));
    assert_eq!(first.change.job, first.job);
    assert_eq!(found(&bed.db, job.id).await, first.job);
    assert!(claimed(&bed.db, at(59), 1).await.is_empty());
    let second = claimed(&bed.db, at(60), 1).await.remove(0);
    assert_eq!((second.job.epoch, second.job.lease_until), (2, Some(at(120))));
}

/// Claims a job and writes an intent for it.
pub async fn intended(db: &Db, job: JobId, now: Time) -> (Job, Attempt) {
    let mut taken = claimed(db, now, 500).await;
    let place = taken.iter().position(|one| one.job.id == job).unwrap();
    let taken = taken.remove(place).job;
    let number = fresh();
    let hash = TokenHash::of(&number.to_string());
    let change = intend(&taken, AttemptId::from_value(number), hash, now, &rules()).unwrap();
    write!(db, tx [taken, change] => jobs::apply(tx, &taken, &change)).unwrap();
    (change.job, change.attempt.unwrap())
}

async fn a_lost_submission_is_found_by_the_next_claim(bed: Bed) {
    let id = job(&bed.db).await.id;
    let (leaving, attempt) = intended(&bed.db, id, NOW).await;
    assert_eq!(leaving.state, JobState::Submitting);
    let one = claimed(&bed.db, at(60), 5).await.remove(0);
    assert_eq!(one.job.state, JobState::Reconciling);
    assert_eq!(one.change.noted.len(), 1);
    assert_eq!(
        one.attempt.as_ref().map(|a| (a.id, a.state)),
        Some((attempt.id, AttemptState::Unknown))
    );
    assert_eq!(
        read!(bed.db, read [] => attempts::newest(read, id)).unwrap(),
        one.attempt
    );
    // Whoever had it before can no longer write.
    let answer = Submitted::Accepted {
        external_id: "ext-1".to_owned(),
    };
    let late = submitted(&leaving, &attempt, answer, at(61), 0, &rules());
    assert_eq!(
        write!(bed.db, tx [leaving, late] => jobs::apply(tx, &leaving, &late)),
        Err(Error::Fenced)
    );
    assert_eq!(found(&bed.db, id).await, one.job);
}

async fn full_providers_get_nothing_new(bed: Bed) {
    let named = async |name: &str, state: JobState| {
        job_with(&bed.db, |job| {
            job.provider = ProviderName(name.to_owned());
            job.state = state;
        })
        .await
        .id
    };
    let waits = named("full", JobState::Ready).await;
    let polled = named("full", JobState::Waiting).await;
    let other = named("empty", JobState::Ready).await;
    let taken = write!(bed.db, tx [] => async {
        let full = [ProviderName("full".to_owned()), ProviderName("also".to_owned())];
        claim_due(tx, NOW, 9, &|_| rules(), &full).await
    });
    let ids: BTreeSet<JobId> = taken.unwrap().iter().map(|one| one.job.id).collect();
    assert_eq!(ids, BTreeSet::from([polled, other]));
    assert_eq!(claimed(&bed.db, NOW, 9).await[0].job.id, waits);
}

async fn leases_of_an_earlier_process_are_void(bed: Bed) {
    let ready = job(&bed.db).await.id;
    let later = job_with(&bed.db, |job| {
        job.state = JobState::Waiting;
        job.run_at = at(5);
        job.lease_until = Some(at(90));
    })
    .await
    .id;
    let done = job_with(&bed.db, |job| job.state = JobState::Failed).await;
    claimed(&bed.db, NOW, 9).await;
    assert!(claimed(&bed.db, at(2), 9).await.is_empty());
    assert_eq!(write!(bed.db, tx [] => jobs::void_leases(tx, at(1))), Ok(2));
    let taken = claimed(&bed.db, at(2), 9).await;
    assert_eq!(taken.iter().map(|one| one.job.id).collect::<Vec<_>>(), [ready]);
    assert_eq!(taken[0].job.epoch, 2);
    assert_eq!(
        read!(bed.db, read [] => jobs::next_due(read)),
        Ok(Some(at(5))),
        "not before it may run"
    );
    assert_eq!(claimed(&bed.db, at(5), 9).await[0].job.id, later);
    assert_eq!(found(&bed.db, done.id).await, done);
}

async fn a_hint_pulls_a_job_forward(bed: Bed) {
    let waiting = job_with(&bed.db, |job| {
        job.state = JobState::Waiting;
        job.run_at = at(100);
    })
    .await
    .id;
    let ready = job_with(&bed.db, |job| job.run_at = at(100)).await.id;
    assert_eq!(write!(bed.db, tx [] => jobs::wake(tx, ready, at(1))), Ok(false));
    assert_eq!(write!(bed.db, tx [] => jobs::wake(tx, waiting, at(1))), Ok(true));
    assert_eq!(write!(bed.db, tx [] => jobs::wake(tx, waiting, at(2))), Ok(false));
    assert_eq!(claimed(&bed.db, at(1), 9).await[0].job.id, waiting);
    // While somebody looks at it, the lease stands.
    let held = job_with(&bed.db, |job| {
        job.state = JobState::Reconciling;
        job.run_at = at(100);
        job.lease_until = Some(at(50));
    })
    .await
    .id;
    assert_eq!(write!(bed.db, tx [] => jobs::wake(tx, held, at(2))), Ok(true));
    assert_eq!(read!(bed.db, read [] => jobs::next_due(read)), Ok(Some(at(50))));
    assert!(claimed(&bed.db, at(2), 9).await.is_empty());
    assert_eq!(claimed(&bed.db, at(50), 9).await[0].job.id, held);
}

async fn the_next_due_time(bed: Bed) {
    let next = async || read!(bed.db, read [] => jobs::next_due(read)).unwrap();
    let oldest = async || read!(bed.db, read [] => jobs::oldest_ready(read)).unwrap();
    assert_eq!((next().await, oldest().await), (None, None));
    job_with(&bed.db, |job| job.state = JobState::Cancelled).await;
    assert_eq!(next().await, None);
    for (state, run_at, lease) in [
        (JobState::Submitting, at(9), Some(at(90))),
        (JobState::Waiting, at(80), None),
        (JobState::Reconciling, at(70), Some(at(10))),
        (JobState::Collecting, at(60), None),
        (JobState::Ready, at(50), None),
    ] {
        job_with(&bed.db, |job| {
            job.state = state;
            job.run_at = run_at;
            job.lease_until = lease;
        })
        .await;
        assert_eq!(
            next().await,
            Some(lease.map_or(run_at, |until| until.max(run_at))),
            "{state}"
        );
    }
    assert_eq!(oldest().await, Some(at(50)));
}

async fn counts_of_unfinished_jobs(bed: Bed) {
    for (name, state) in [
        ("a", JobState::Ready),
        ("a", JobState::Ready),
        ("a", JobState::Waiting),
        ("a", JobState::Collecting),
        ("b", JobState::Submitting),
        ("b", JobState::Reconciling),
        ("b", JobState::Succeeded),
    ] {
        job_with(&bed.db, |job| {
            job.provider = ProviderName(name.to_owned());
            job.state = state;
        })
        .await;
    }
    let (a, b) = (ProviderName("a".to_owned()), ProviderName("b".to_owned()));
    assert_eq!(
        read!(bed.db, read [] => jobs::counts(read)).unwrap(),
        [
            (a.clone(), JobState::Collecting, 1),
            (a.clone(), JobState::Ready, 2),
            (a.clone(), JobState::Waiting, 1),
            (b.clone(), JobState::Reconciling, 1),
            (b.clone(), JobState::Submitting, 1),
        ]
    );
    assert_eq!(
        read!(bed.db, read [] => jobs::in_flight(read)).unwrap(),
        [(a, 1), (b, 2)]
    );
    assert_eq!(
        read!(bed.db, read [] => jobs::waiting_of(read, FIRST_WORKSPACE)).unwrap(),
        2
    );
    let id = job(&bed.db).await.id;
    intended(&bed.db, id, NOW).await;
    let states = read!(bed.db, read [] => attempts::count_by_state(read)).unwrap();
    assert_eq!(states, [(AttemptState::Intent, 1)]);
}

/// Eight callers, each taking a few until nothing is left: every job was given once.
async fn claims_never_give_a_job_twice(bed: Bed) {
    let id = generation(&bed.db).await;
    let many: Vec<Job> = (0..200).map(|ordinal| new_job(id, ordinal)).collect();
    write!(bed.db, tx [many] => async {
        for job in &many {
            jobs::insert(tx, job).await?;
        }
        Ok::<_, Error>(())
    })
    .unwrap();
    let mut callers = Vec::new();
    for _ in 0..8 {
        let db = bed.db.clone();
        callers.push(tokio::spawn(async move {
            let mut mine = Vec::new();
            let mut empty = 0;
            // Rows that another caller holds are passed over, so one empty answer is not the end.
            while empty < 3 {
                let taken = claimed(&db, NOW, 7).await;
                empty = if taken.is_empty() { empty + 1 } else { 0 };
                mine.extend(taken.iter().map(|one| (one.job.id, one.job.epoch)));
            }
            mine
        }));
    }
    let mut all = Vec::new();
    for caller in callers {
        all.extend(caller.await.unwrap());
    }
    let wanted: BTreeSet<(JobId, i64)> = many.iter().map(|job| (job.id, 1)).collect();
    assert_eq!(all.len(), 200);
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), wanted);
}

//! The fence: changes that came too late, second submissions, wishes that must not be lost.

use crate::bed::{Bed, NOW, at, conflict, fresh, generation, job, new_job, number, rules};
use crate::jobs::{claimed, found, intended};
use domain::capability::ProviderName;
use domain::id::AttemptId;
use domain::job::{self, Attempt, AttemptState, Change, Job, JobState, cancel_wished, claim, intend};
use domain::secret::TokenHash;
use std::sync::Arc;
use store::{Error, attempts, jobs};

on_both!(
    a_stale_write_is_fenced,
    a_job_has_one_open_attempt,
    an_external_id_belongs_to_one_attempt,
    an_attempt_stays_with_its_job,
    what_a_provider_holds,
    a_wish_to_cancel_survives_the_worker,
    changes_of_one_generation_see_each_other,
);

async fn a_stale_write_is_fenced(bed: Bed) {
    let before = job(&bed.db).await;
    let change = claim(&before, None, NOW, &rules()).unwrap();
    write!(bed.db, tx [before, change] => jobs::apply(tx, &before, &change)).unwrap();
    let again = write!(bed.db, tx [before, change] => jobs::apply(tx, &before, &change));
    assert_eq!(again, Err(Error::Fenced), "an older epoch");
    let mut other_state = change.job.clone();
    other_state.state = JobState::Waiting;
    let result = write!(bed.db, tx [other_state, change] => jobs::apply(tx, &other_state, &change));
    assert_eq!(result, Err(Error::Fenced), "another state");
    assert_eq!(found(&bed.db, before.id).await, change.job);
}

fn with_attempt(job: &Job, attempt: &Attempt) -> Change {
    Change {
        job: job.clone(),
        attempt: Some(attempt.clone()),
        bookings: Vec::new(),
        noted: Vec::new(),
    }
}

async fn a_job_has_one_open_attempt(bed: Bed) {
    let id = job(&bed.db).await.id;
    let (job, mut first) = intended(&bed.db, id, NOW).await;
    let mut second = first.clone();
    second.id = AttemptId::from_value(fresh());
    second.number = 2;
    second.token_hash = TokenHash::of("second");
    let change = with_attempt(&job, &second);
    for state in AttemptState::ALL {
        first.state = *state;
        let close = with_attempt(&job, &first);
        write!(bed.db, tx [job, close] => jobs::apply(tx, &job, &close)).unwrap();
        let result = write!(bed.db, tx [job, change] => async {
            jobs::apply(tx, &job, &change).await?;
            // Only whether it is refused is of interest: leave nothing behind.
            Err::<(), _>(Error::Broken("not refused"))
        });
        match result {
            Err(Error::Conflict { constraint }) => {
                assert!(state.is_open(), "{state}");
                assert_eq!(constraint, "attempts_one_open");
            }
            other => assert!(
                !state.is_open() && other == Err(Error::Broken("not refused")),
                "{state}: {other:?}"
            ),
        }
    }
    let open = number(
        &bed.db,
        "select count(*) as n from attempts where state in ('intent', 'submitted', 'running', 'unknown')",
    )
    .await;
    assert_eq!(open, 0);
}

async fn an_external_id_belongs_to_one_attempt(bed: Bed) {
    let mut changes = Vec::new();
    for _ in 0..2 {
        let id = job(&bed.db).await.id;
        let (job, mut attempt) = intended(&bed.db, id, NOW).await;
        attempt.external_id = Some("ext-1".to_owned());
        changes.push((job.clone(), with_attempt(&job, &attempt)));
    }
    let (second, first) = (changes.pop().unwrap(), changes.pop().unwrap());
    write!(bed.db, tx [first] => jobs::apply(tx, &first.0, &first.1)).unwrap();
    let result = write!(bed.db, tx [second] => jobs::apply(tx, &second.0, &second.1));
    assert_eq!(conflict(result), "attempts_external_id");
}

async fn what_a_provider_holds(bed: Bed) {
    let at_provider = async || {
        let provider = ProviderName("starter".to_owned());
        read!(bed.db, read [provider] => async { attempts::at_provider(read, &provider).await }).unwrap()
    };
    assert_eq!(at_provider().await, (vec![], 0));
    let mut open = Vec::new();
    for _ in 0..3 {
        let id = job(&bed.db).await.id;
        open.push(intended(&bed.db, id, NOW).await);
    }
    assert_eq!(at_provider().await, (vec![], 3));
    for (place, (job, mut attempt)) in open.into_iter().enumerate().take(2) {
        attempt.state = AttemptState::Submitted;
        attempt.external_id = Some(format!("ext-{place}"));
        let change = with_attempt(&job, &attempt);
        write!(bed.db, tx [job, change] => jobs::apply(tx, &job, &change)).unwrap();
    }
    assert_eq!(
        at_provider().await,
        (vec!["ext-1".to_owned(), "ext-0".to_owned()], 1)
    );
    let other = ProviderName("other".to_owned());
    let elsewhere = read!(bed.db, read [other] => async { attempts::at_provider(read, &other).await });
    assert_eq!(elsewhere, Ok((vec![], 0)));
}

async fn an_attempt_stays_with_its_job(bed: Bed) {
    let id = job(&bed.db).await.id;
    let (_, mut attempt) = intended(&bed.db, id, NOW).await;
    let other = job(&bed.db).await;
    attempt.job = other.id;
    attempt.state = AttemptState::Succeeded;
    let change = with_attempt(&other, &attempt);
    assert_eq!(
        conflict(write!(bed.db, tx [other, change] => jobs::apply(tx, &other, &change))),
        "attempts_pkey"
    );
    let newest = read!(bed.db, read [] => attempts::newest(read, id))
        .unwrap()
        .unwrap();
    assert_eq!(newest.state, AttemptState::Intent);
}

async fn a_wish_to_cancel_survives_the_worker(bed: Bed) {
    let id = job(&bed.db).await.id;
    let taken = claimed(&bed.db, NOW, 1).await.remove(0).job;
    let wish = cancel_wished(&taken, at(1)).unwrap();
    write!(bed.db, tx [taken, wish] => jobs::apply(tx, &taken, &wish)).unwrap();
    // The worker still holds the job as it was before the wish.
    let intent = intend(
        &taken,
        AttemptId::from_value(fresh()),
        TokenHash::of("t"),
        at(1),
        &rules(),
    )
    .unwrap();
    assert_eq!(intent.job.cancel_requested_at, None);
    write!(bed.db, tx [taken, intent] => jobs::apply(tx, &taken, &intent)).unwrap();
    let now = found(&bed.db, id).await;
    assert_eq!(
        (now.state, now.cancel_requested_at),
        (JobState::Submitting, Some(at(1)))
    );
}

/// Two workers end the two jobs of a generation at once: the later one sees that all is done.
async fn changes_of_one_generation_see_each_other(bed: Bed) {
    for _ in 0..20 {
        let id = generation(&bed.db).await;
        let meet = Arc::new(tokio::sync::Barrier::new(2));
        let mut workers = Vec::new();
        for ordinal in 0..2 {
            let mut before = new_job(id, ordinal);
            before.state = JobState::Collecting;
            write!(bed.db, tx [before] => jobs::insert(tx, &before)).unwrap();
            let (db, meet) = (bed.db.clone(), Arc::clone(&meet));
            workers.push(tokio::spawn(async move {
                let change = job::collected(&before, job::Collected::Stored, NOW, 0, &rules());
                meet.wait().await;
                write!(db, tx [before, change] => async {
                    jobs::apply(tx, &before, &change).await?;
                    let all = jobs::of_generation(tx, before.generation).await?;
                    Ok::<_, Error>(all.iter().all(|job| job.state.is_final()))
                })
                .unwrap()
            }));
        }
        let mut ends = Vec::new();
        for worker in workers {
            ends.push(worker.await.unwrap());
        }
        ends.sort_unstable();
        assert_eq!(ends, [false, true]);
    }
}

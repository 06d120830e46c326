//! Places in the fair queue.

use crate::bed::{Bed, job_with, local, stranger};
use domain::fairness::UNIT;
use domain::job::{JobState, Priority};
use store::fair_queue;

on_both!(
    a_flood_waits_behind_itself,
    weights_count,
    two_jobs_never_share_a_place,
    an_empty_queue_goes_on
);

async fn a_flood_waits_behind_itself(bed: Bed) {
    let (flood, small) = (local().workspace(), stranger(&bed.db).await.workspace());
    for n in 1..=20 {
        let place = write!(bed.db, tx [] => fair_queue::next(tx, flood, 1)).unwrap();
        assert_eq!(place, n * UNIT);
        job_with(&bed.db, |job| {
            job.virtual_time = place;
            job.priority = Priority::new(u8::try_from(n % 4 + 1).unwrap());
        })
        .await;
    }
    assert_eq!(
        write!(bed.db, tx [] => fair_queue::next(tx, small, 1)),
        Ok(2 * UNIT)
    );
}

async fn weights_count(bed: Bed) {
    let workspace = local().workspace();
    assert_eq!(
        write!(bed.db, tx [] => fair_queue::next(tx, workspace, 4)),
        Ok(UNIT / 4)
    );
    assert_eq!(
        write!(bed.db, tx [] => fair_queue::next(tx, workspace, 2)),
        Ok(UNIT / 4 + UNIT / 2)
    );
}

async fn two_jobs_never_share_a_place(bed: Bed) {
    let workspace = local().workspace();
    let mut callers = Vec::new();
    for _ in 0..16 {
        let db = bed.db.clone();
        callers.push(tokio::spawn(async move {
            write!(db, tx [] => fair_queue::next(tx, workspace, 1)).unwrap()
        }));
    }
    let mut places = Vec::new();
    for caller in callers {
        places.push(caller.await.unwrap());
    }
    places.sort_unstable();
    assert!(places.windows(2).all(|pair| pair[0] < pair[1]), "{places:?}");
}

/// When nothing waits, a newcomer begins where the queue stands and not at the beginning of time.
async fn an_empty_queue_goes_on(bed: Bed) {
    let (old, new) = (local().workspace(), stranger(&bed.db).await.workspace());
    for _ in 0..5 {
        write!(bed.db, tx [] => fair_queue::next(tx, old, 1)).unwrap();
    }
    job_with(&bed.db, |job| job.state = JobState::Succeeded).await;
    let place = write!(bed.db, tx [] => fair_queue::next(tx, new, 1)).unwrap();
    assert!(place > 5 * UNIT, "{place}");
}

//! Events and their sequence.

use crate::bed::{Bed, NOW, at, fresh, generation, local, number};
use domain::actor::{FIRST_WORKSPACE, LOCAL_USER};
use domain::event::{Event, GENERATION_UPDATED, Progress};
use domain::generation::State;
use domain::id::{EventId, GenerationId};
use store::{Error, events};

on_both!(
    what_is_kept_comes_back_in_order,
    numbers_go_on_after_pruning,
    two_sequencers_give_each_number_once,
);

pub fn event(generation: GenerationId) -> Event {
    Event {
        id: EventId::from_value(fresh()),
        at: NOW,
        workspace: FIRST_WORKSPACE,
        user: LOCAL_USER,
        topic: GENERATION_UPDATED.to_owned(),
        generation,
        state: State::Running,
        progress: Some(Progress {
            percent: Some(40),
            step: Some(2),
            steps: Some(5),
            stage: "generating".to_owned(),
        }),
    }
}

async fn what_is_kept_comes_back_in_order(bed: Bed) {
    let id = generation(&bed.db).await;
    let mut kept: Vec<Event> = (0..5).map(|_| event(id)).collect();
    kept[1].progress = None;
    kept[1].state = State::Succeeded;
    for event in kept.iter().rev() {
        write!(bed.db, tx [event] => events::append(tx, &event)).unwrap();
    }
    let scope = local();
    assert_eq!(
        read!(bed.db, read [] => events::after(read, &scope, 0, 9)).unwrap(),
        []
    );
    assert_eq!(read!(bed.db, read [] => events::newest_seq(read)).unwrap(), 0);
    let first = write!(bed.db, tx [] => events::sequence(tx, 3)).unwrap();
    let second = write!(bed.db, tx [] => events::sequence(tx, 3)).unwrap();
    assert_eq!(write!(bed.db, tx [] => events::sequence(tx, 3)).unwrap(), []);
    let wanted: Vec<(i64, Event)> = (1..).zip(kept).collect();
    assert_eq!([first, second].concat(), wanted);
    assert_eq!(
        read!(bed.db, read [] => events::after(read, &scope, 0, 9)).unwrap(),
        wanted
    );
    assert_eq!(
        read!(bed.db, read [] => events::after(read, &scope, 2, 2)).unwrap(),
        wanted[2..4]
    );
    assert_eq!(read!(bed.db, read [] => events::newest_seq(read)).unwrap(), 5);
}

async fn numbers_go_on_after_pruning(bed: Bed) {
    let id = generation(&bed.db).await;
    let append = async |at| {
        let mut event = event(id);
        event.at = at;
        write!(bed.db, tx [event] => events::append(tx, &event)).unwrap();
    };
    append(at(1)).await;
    append(at(2)).await;
    write!(bed.db, tx [] => events::sequence(tx, 9)).unwrap();
    append(at(1)).await;
    assert_eq!(
        write!(bed.db, tx [] => events::prune_before(tx, at(2))),
        Ok(1),
        "the unsequenced one stays"
    );
    assert_eq!(write!(bed.db, tx [] => events::prune_before(tx, at(3))), Ok(1));
    assert_eq!(read!(bed.db, read [] => events::newest_seq(read)), Ok(2));
    assert_eq!(write!(bed.db, tx [] => events::sequence(tx, 9)).unwrap()[0].0, 3);
}

async fn two_sequencers_give_each_number_once(bed: Bed) {
    let id = generation(&bed.db).await;
    for _ in 0..40 {
        let event = event(id);
        write!(bed.db, tx [event] => events::append(tx, &event)).unwrap();
    }
    let mut callers = Vec::new();
    for _ in 0..4 {
        let db = bed.db.clone();
        callers.push(tokio::spawn(async move {
            let mut mine = Vec::new();
            loop {
                let some = write!(db, tx [] => events::sequence(tx, 3)).unwrap();
                if some.is_empty() {
                    return mine;
                }
                mine.extend(some.into_iter().map(|(seq, _)| seq));
            }
        }));
    }
    let mut all = Vec::new();
    for caller in callers {
        all.extend(caller.await.unwrap());
    }
    all.sort_unstable();
    assert_eq!(all, (1..=40).collect::<Vec<i64>>());
    assert_eq!(
        number(&bed.db, "select count(*) as n from events where seq is null").await,
        0
    );
}

/// The case that a number taken at insertion would lose: an event with a smaller id commits after one
/// with a larger id was sequenced and read.
#[test]
fn an_event_that_commits_late_is_not_skipped() {
    crate::bed::on_postgres(|bed| async move {
        let id = generation(&bed.db).await;
        let (late, early) = (event(id), event(id));
        assert!(late.id < early.id);
        let (release, gate) = tokio::sync::oneshot::channel::<()>();
        let (written, begun) = tokio::sync::oneshot::channel::<()>();
        let (mut gate, mut written) = (Some(gate), Some(written));
        let (db, event) = (bed.db.clone(), late.clone());
        let slow = tokio::spawn(async move {
            db.write("test.late", move |tx| {
                let (event, gate, written) = (event.clone(), gate.take(), written.take());
                Box::pin(async move {
                    events::append(tx, &event).await?;
                    written.unwrap().send(()).unwrap();
                    gate.unwrap().await.unwrap();
                    Ok::<_, Error>(())
                })
            })
            .await
        });
        begun.await.unwrap();
        write!(bed.db, tx [early] => events::append(tx, &early)).unwrap();
        let scope = local();
        write!(bed.db, tx [] => events::sequence(tx, 9)).unwrap();
        let seen = read!(bed.db, read [] => events::after(read, &scope, 0, 9)).unwrap();
        assert_eq!(seen, [(1, early)]);
        release.send(()).unwrap();
        slow.await.unwrap().unwrap();
        write!(bed.db, tx [] => events::sequence(tx, 9)).unwrap();
        let after = read!(bed.db, read [] => events::after(read, &scope, 1, 9)).unwrap();
        assert_eq!(after, [(2, late)]);
    });
}

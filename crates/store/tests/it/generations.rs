//! Generations.

use crate::bed::{Bed, at, fault, generation, local, new_generation, stranger};
use domain::actor::{FIRST_WORKSPACE, SystemScope};
use domain::generation::State;
use domain::id::GenerationId;
use store::generations;

on_both!(
    what_is_kept_comes_back,
    pages_are_whole_and_newest_first,
    the_end_is_noted_once,
    a_deleted_one_is_gone_for_its_owner,
);

const SYSTEM: SystemScope = SystemScope { reason: "test" };

async fn what_is_kept_comes_back(bed: Bed) {
    let new = new_generation(FIRST_WORKSPACE);
    write!(bed.db, tx [new] => generations::insert(tx, &new)).unwrap();
    let (scope, id) = (local(), new.id);
    let row = read!(bed.db, read [] => generations::find(read, &scope, id))
        .unwrap()
        .unwrap();
    assert_eq!(
        (
            row.id,
            row.workspace,
            row.user,
            row.kind,
            &row.spec,
            &row.prompt_sealed
        ),
        (
            new.id,
            new.workspace,
            new.user,
            new.kind,
            &new.spec,
            &new.prompt_sealed
        )
    );
    assert_eq!(
        (
            &row.findings,
            &row.notes,
            &row.purpose,
            row.state,
            row.demo,
            row.priority
        ),
        (
            &new.findings,
            &new.notes,
            &new.purpose,
            new.state,
            new.demo,
            new.priority
        )
    );
    assert_eq!((row.estimated, &row.request_id), (new.estimated, &new.request_id));
    assert_eq!((row.created_at, row.updated_at), (new.created_at, new.created_at));
    assert_eq!((row.fault, row.finished_at, row.deleted_at), (None, None, None));
}

async fn pages_are_whole_and_newest_first(bed: Bed) {
    let mut ids = Vec::new();
    for _ in 0..7 {
        ids.push(generation(&bed.db).await);
    }
    ids.reverse();
    let scope = local();
    let (deleted, now) = (ids.remove(3), at(1));
    assert!(write!(bed.db, tx [] => generations::mark_deleted(tx, &scope, deleted, now)).unwrap());
    let mut seen: Vec<GenerationId> = Vec::new();
    loop {
        let before = seen.last().copied();
        let page = read!(bed.db, read [] => generations::page(read, &scope, before, 4)).unwrap();
        seen.extend(page.iter().map(|row| row.id));
        if page.len() < 4 {
            break;
        }
    }
    assert_eq!(seen, ids);
}

async fn the_end_is_noted_once(bed: Bed) {
    let (id, fault) = (generation(&bed.db).await, fault());
    write!(bed.db, tx [] => generations::set_state(tx, id, State::Running, None, at(1), false)).unwrap();
    write!(bed.db, tx [fault] => generations::set_state(tx, id, State::Failed, Some(&fault), at(2), true))
        .unwrap();
    write!(bed.db, tx [fault] => generations::set_state(tx, id, State::Failed, Some(&fault), at(3), true))
        .unwrap();
    let row = read!(bed.db, read [] => generations::find_system(read, SYSTEM, id))
        .unwrap()
        .unwrap();
    assert_eq!((row.state, row.fault), (State::Failed, Some(fault)));
    assert_eq!((row.updated_at, row.finished_at), (at(3), Some(at(2))));
}

async fn a_deleted_one_is_gone_for_its_owner(bed: Bed) {
    let (id, scope, foreign) = (generation(&bed.db).await, local(), stranger(&bed.db).await);
    assert!(!write!(bed.db, tx [] => generations::mark_deleted(tx, &foreign, id, at(1))).unwrap());
    assert!(write!(bed.db, tx [] => generations::mark_deleted(tx, &scope, id, at(2))).unwrap());
    assert!(!write!(bed.db, tx [] => generations::mark_deleted(tx, &scope, id, at(3))).unwrap());
    assert!(
        read!(bed.db, read [] => generations::find(read, &scope, id))
            .unwrap()
            .is_none()
    );
    let row = read!(bed.db, read [] => generations::find_system(read, SYSTEM, id))
        .unwrap()
        .unwrap();
    assert_eq!(row.deleted_at, Some(at(2)));
}

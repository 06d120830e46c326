//! The audit log as it is kept.

use crate::bed::{Bed, NOW, at, conflict, fresh};
use domain::actor::FIRST_WORKSPACE;
use domain::audit::{Action, Entry, MAX_ENTRY_BYTES};
use domain::id::AuditId;
use std::collections::BTreeMap;
use store::{Error, audit};

on_both!(
    entries_get_their_places,
    a_place_is_given_once,
    tiles_only_grow,
    checkpoints_only_grow,
    a_too_large_entry_is_refused,
);

fn entry() -> Entry {
    Entry {
        id: AuditId::from_value(fresh()),
        at: NOW,
        actor: "system:test".to_owned(),
        workspace: Some(FIRST_WORKSPACE),
        action: Action::GenerationAccepted,
        object: "gen_1".to_owned(),
        outcome: "ok".to_owned(),
        request_id: None,
        details: BTreeMap::new(),
    }
}

async fn entries_get_their_places(bed: Bed) {
    let mut kept: Vec<Entry> = (0..5).map(|_| entry()).collect();
    kept[2].workspace = None;
    for entry in kept.iter().rev() {
        write!(bed.db, tx [entry] => audit::append(tx, &entry)).unwrap();
    }
    assert_eq!(read!(bed.db, read [] => audit::size(read)), Ok(0));
    for limit in [3, 3] {
        write!(bed.db, tx [] => async {
            let size = audit::size(tx).await?;
            let fresh = audit::unsequenced(tx, limit).await?;
            let places: Vec<(AuditId, i64)> = fresh.iter().map(|(id, _)| *id).zip(size..).collect();
            audit::set_index(tx, &places).await
        })
        .unwrap();
    }
    assert_eq!(write!(bed.db, tx [] => audit::unsequenced(tx, 9)), Ok(vec![]));
    assert_eq!(read!(bed.db, read [] => audit::size(read)), Ok(5));
    let bytes: Vec<Vec<u8>> = kept.iter().map(|entry| entry.canonical().unwrap()).collect();
    assert_eq!(
        read!(bed.db, read [] => audit::entries(read, 0, 9)),
        Ok(bytes.clone())
    );
    assert_eq!(
        read!(bed.db, read [] => audit::entries(read, 1, 2)),
        Ok(bytes[1..3].to_vec())
    );
    let id = kept[3].id;
    assert_eq!(read!(bed.db, read [] => audit::find_index(read, id)), Ok(Some(3)));
    let nobody = AuditId::from_value(u128::MAX);
    assert_eq!(
        read!(bed.db, read [] => audit::find_index(read, nobody)),
        Ok(None)
    );
}

async fn a_place_is_given_once(bed: Bed) {
    let (one, two) = (entry(), entry());
    for entry in [&one, &two] {
        write!(bed.db, tx [entry] => audit::append(tx, &entry)).unwrap();
    }
    let (one, two) = (one.id, two.id);
    write!(bed.db, tx [] => audit::set_index(tx, &[(one, 0)])).unwrap();
    assert_eq!(
        conflict(write!(bed.db, tx [] => audit::set_index(tx, &[(two, 0)]))),
        "audit_entries_leaf"
    );
    assert_eq!(
        write!(bed.db, tx [] => audit::set_index(tx, &[(one, 1)])),
        Err(Error::Fenced)
    );
    assert_eq!(read!(bed.db, read [] => audit::find_index(read, two)), Ok(None));
}

async fn tiles_only_grow(bed: Bed) {
    assert_eq!(read!(bed.db, read [] => audit::tile(read, 0, 0)), Ok(None));
    for hashes in [vec![1; 32], vec![1; 64], vec![1; 64]] {
        write!(bed.db, tx [hashes] => async { audit::put_tiles(tx, &[(0, 0, hashes), (1, 0, vec![9; 32])]).await }).unwrap();
    }
    for hashes in [vec![1; 32], vec![2; 96]] {
        let result = write!(bed.db, tx [hashes] => async { audit::put_tiles(tx, &[(0, 0, hashes)]).await });
        assert_eq!(conflict(result), "audit_tiles_pkey");
    }
    assert_eq!(
        read!(bed.db, read [] => audit::tile(read, 0, 0)),
        Ok(Some(vec![1; 64]))
    );
    assert_eq!(
        read!(bed.db, read [] => audit::tile(read, 1, 0)),
        Ok(Some(vec![9; 32]))
    );
}

async fn checkpoints_only_grow(bed: Bed) {
    assert_eq!(read!(bed.db, read [] => audit::newest_checkpoint(read)), Ok(None));
    write!(bed.db, tx [] => audit::put_checkpoint(tx, 3, "three", "note 3", at(1))).unwrap();
    write!(bed.db, tx [] => audit::put_checkpoint(tx, 3, "three", "note 3 again", at(2))).unwrap();
    write!(bed.db, tx [] => audit::put_checkpoint(tx, 7, "seven", "note 7", at(3))).unwrap();
    for (size, root) in [(7, "other"), (3, "other"), (3, "three"), (5, "five")] {
        let result = write!(bed.db, tx [] => audit::put_checkpoint(tx, size, root, "bad", at(4)));
        assert_eq!(conflict(result), "audit_checkpoints_pkey", "{size}");
    }
    let newest = read!(bed.db, read [] => audit::newest_checkpoint(read))
        .unwrap()
        .unwrap();
    assert_eq!(
        (newest.size, &*newest.root, &*newest.note, newest.at),
        (7, "seven", "note 7", at(3))
    );
}

async fn a_too_large_entry_is_refused(bed: Bed) {
    let mut entry = entry();
    entry
        .details
        .insert("long".to_owned(), "x".repeat(MAX_ENTRY_BYTES));
    let result = write!(bed.db, tx [entry] => audit::append(tx, &entry));
    assert_eq!(result, Err(Error::TooLarge("an audit entry")));
}

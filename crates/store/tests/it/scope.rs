//! What belongs to one person in one workspace is not there for anybody else: neither for the same person
//! in another workspace nor for another person in the same one.

use crate::bed::{Bed, NOW, at, colleague, fresh, generation, local, number, stranger};
use domain::actor::{FIRST_WORKSPACE, LOCAL_USER};
use domain::id::{QuoteId, UploadId};
use domain::money::Money;
use store::idempotency::Remembered;
use store::{assets, events, generations, idempotency, quotes, uploads};

on_both!(nobody_else_sees_anything, keys_of_two_people_never_meet);

async fn nobody_else_sees_anything(bed: Bed) {
    let (mine, others) = (local(), [stranger(&bed.db).await, colleague()]);
    let id = generation(&bed.db).await;
    let asset = crate::assets::asset(Some(id), 0);
    write!(bed.db, tx [asset] => assets::insert(tx, &asset)).unwrap();
    let upload = uploads::Upload {
        id: UploadId::from_value(fresh()),
        workspace: FIRST_WORKSPACE,
        user: LOCAL_USER,
        media_type: "image/png".to_owned(),
        length: 10,
        received: 0,
        asset: None,
        created_at: NOW,
    };
    write!(bed.db, tx [upload] => uploads::insert(tx, &upload)).unwrap();
    let quote = quotes::Quote {
        id: QuoteId::from_value(fresh()),
        workspace: FIRST_WORKSPACE,
        user: LOCAL_USER,
        spec: crate::bed::spec(),
        price: Money::usd(1),
        ceiling: Money::usd(2),
        created_at: NOW,
        expires_at: at(60),
    };
    write!(bed.db, tx [quote] => quotes::insert(tx, &quote)).unwrap();
    let event = crate::events::event(id);
    write!(bed.db, tx [event] => events::append(tx, &event)).unwrap();
    write!(bed.db, tx [] => events::sequence(tx, 10)).unwrap();

    for (scope, visible) in [(mine, true), (others[0], false), (others[1], false)] {
        let (asset, upload, quote) = (asset.id, upload.id, quote.id);
        assert_eq!(
            read!(bed.db, r [] => generations::find(r, &scope, id))
                .unwrap()
                .is_some(),
            visible
        );
        assert_eq!(
            read!(bed.db, r [] => generations::page(r, &scope, None, 9))
                .unwrap()
                .len(),
            usize::from(visible)
        );
        assert_eq!(
            read!(bed.db, r [] => assets::find(r, &scope, asset))
                .unwrap()
                .is_some(),
            visible
        );
        assert_eq!(
            read!(bed.db, r [] => uploads::find(r, &scope, upload))
                .unwrap()
                .is_some(),
            visible
        );
        assert_eq!(
            read!(bed.db, r [] => quotes::find(r, &scope, quote))
                .unwrap()
                .is_some(),
            visible
        );
        assert_eq!(
            read!(bed.db, r [] => events::after(r, &scope, 0, 9))
                .unwrap()
                .len(),
            usize::from(visible)
        );
    }
    let asset = asset.id;
    for theirs in others {
        assert!(!write!(bed.db, tx [] => assets::mark_deleted(tx, &theirs, asset, NOW)).unwrap());
        assert!(!write!(bed.db, tx [] => generations::mark_deleted(tx, &theirs, id, NOW)).unwrap());
    }
    assert!(
        read!(bed.db, r [] => assets::find(r, &mine, asset))
            .unwrap()
            .is_some()
    );
    assert!(write!(bed.db, tx [] => assets::mark_deleted(tx, &mine, asset, NOW)).unwrap());
    assert!(write!(bed.db, tx [] => generations::mark_deleted(tx, &mine, id, NOW)).unwrap());
}

async fn keys_of_two_people_never_meet(bed: Bed) {
    let (mine, others) = (local(), [stranger(&bed.db).await, colleague()]);
    let id = generation(&bed.db).await;
    write!(bed.db, tx [] => idempotency::remember(tx, &mine, "a-key", "print", id, NOW)).unwrap();
    for theirs in others {
        assert_eq!(
            read!(bed.db, r [] => idempotency::find(r, &theirs, "a-key", "print")),
            Ok(None)
        );
        let fresh =
            write!(bed.db, tx [] => idempotency::remember(tx, &theirs, "a-key", "other", id, NOW)).unwrap();
        assert_eq!(fresh, Remembered::Fresh);
    }
    assert_eq!(
        read!(bed.db, r [] => idempotency::find(r, &mine, "a-key", "print")),
        Ok(Some(Remembered::Replay(id)))
    );
    let told = "select count(*) as n from idempotency where idempotency_key like '%a-key%'";
    assert_eq!(number(&bed.db, told).await, 0, "no key stands in the clear");
    assert_eq!(number(&bed.db, "select count(*) as n from idempotency").await, 3);
}

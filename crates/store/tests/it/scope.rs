//! What belongs to one workspace is not there for another.

use crate::bed::{Bed, NOW, at, fresh, generation, local, stranger};
use domain::actor::{Actor, FIRST_WORKSPACE, LOCAL_USER};
use domain::id::{QuoteId, UploadId};
use domain::money::Money;
use store::idempotency::Remembered;
use store::{assets, events, generations, idempotency, quotes, uploads};

on_both!(a_stranger_sees_nothing);

async fn a_stranger_sees_nothing(bed: Bed) {
    let (mine, theirs) = (local(), stranger(&bed.db).await);
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
    write!(bed.db, tx [] => idempotency::remember(tx, &mine, "key", "print", id, NOW)).unwrap();

    for (scope, visible) in [(mine, true), (theirs, false)] {
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
    let theirs_again = write!(bed.db, tx [] => idempotency::remember(tx, &theirs, "key", "print", id, NOW));
    assert_eq!(theirs_again, Ok(Remembered::Fresh));
    let asset = asset.id;
    assert!(!write!(bed.db, tx [] => assets::mark_deleted(tx, &theirs, asset, NOW)).unwrap());
    assert!(!write!(bed.db, tx [] => generations::mark_deleted(tx, &theirs, id, NOW)).unwrap());
    assert!(
        read!(bed.db, r [] => assets::find(r, &mine, asset))
            .unwrap()
            .is_some()
    );
    assert_eq!(Actor::local().workspace(), mine.workspace());
}

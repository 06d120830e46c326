//! Idempotency keys, quotes, singleton work.

use crate::bed::{Bed, NOW, at, fresh, generation, local};
use domain::actor::{FIRST_WORKSPACE, LOCAL_USER};
use domain::id::QuoteId;
use domain::money::Money;
use std::time::Duration;
use store::idempotency::{self, Remembered};
use store::quotes::{self, Quote};
use store::singleton;

on_both!(
    a_key_stands_for_its_first_request,
    one_of_many_at_once_is_first,
    a_quote_comes_back,
    work_is_done_by_one,
);

async fn a_key_stands_for_its_first_request(bed: Bed) {
    let (scope, one, two) = (local(), generation(&bed.db).await, generation(&bed.db).await);
    let remember = async |print: &'static str, id| {
        write!(bed.db, tx [] => idempotency::remember(tx, &scope, "key", print, id, at(1))).unwrap()
    };
    assert_eq!(remember("print", one).await, Remembered::Fresh);
    assert_eq!(remember("print", two).await, Remembered::Replay(one));
    assert_eq!(remember("other", two).await, Remembered::Mismatch);
    assert_eq!(
        write!(bed.db, tx [] => idempotency::forget_before(tx, at(1))),
        Ok(0)
    );
    assert_eq!(
        write!(bed.db, tx [] => idempotency::forget_before(tx, at(2))),
        Ok(1)
    );
    assert_eq!(remember("other", two).await, Remembered::Fresh);
}

async fn one_of_many_at_once_is_first(bed: Bed) {
    let mut callers = Vec::new();
    for _ in 0..8 {
        let (db, scope, id) = (bed.db.clone(), local(), generation(&bed.db).await);
        callers.push(tokio::spawn(async move {
            (
                id,
                write!(db, tx [] => idempotency::remember(tx, &scope, "key", "print", id, NOW)).unwrap(),
            )
        }));
    }
    let mut answers = Vec::new();
    for caller in callers {
        answers.push(caller.await.unwrap());
    }
    let (first, others): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(_, it)| *it == Remembered::Fresh);
    assert_eq!(first.len(), 1);
    assert!(others.iter().all(|(_, it)| *it == Remembered::Replay(first[0].0)));
}

async fn a_quote_comes_back(bed: Bed) {
    let quote = Quote {
        id: QuoteId::from_value(fresh()),
        workspace: FIRST_WORKSPACE,
        user: LOCAL_USER,
        spec: crate::bed::spec(),
        price: Money::usd(1),
        ceiling: Money {
            micros: 2,
            currency: "BRL".parse().unwrap(),
        },
        created_at: NOW,
        expires_at: at(60),
    };
    write!(bed.db, tx [quote] => quotes::insert(tx, &quote)).unwrap();
    let (scope, id) = (local(), quote.id);
    assert_eq!(
        read!(bed.db, read [] => quotes::find(read, &scope, id)).unwrap(),
        Some(quote)
    );
}

async fn work_is_done_by_one(bed: Bed) {
    let minute = Duration::from_secs(60);
    let acquire = async |owner: &'static str, now| {
        write!(bed.db, tx [] => singleton::acquire(tx, "sweep", owner, minute, now)).unwrap()
    };
    let renew = async |owner: &'static str, epoch, now| {
        write!(bed.db, tx [] => singleton::renew(tx, "sweep", owner, epoch, minute, now)).unwrap()
    };
    assert_eq!(acquire("a", at(0)).await, Some(1));
    assert_eq!(acquire("b", at(59)).await, None);
    assert!(renew("a", 1, at(59)).await);
    assert_eq!(acquire("b", at(60)).await, None);
    assert_eq!(acquire("b", at(119)).await, Some(2));
    assert!(!renew("a", 1, at(119)).await);
    assert_eq!(acquire("b", at(120)).await, Some(3), "its owner may take it anew");
    assert!(!renew("b", 2, at(120)).await, "an older epoch");
    assert!(!write!(bed.db, tx [] => singleton::release(tx, "sweep", "b", 2, at(121))).unwrap());
    assert!(write!(bed.db, tx [] => singleton::release(tx, "sweep", "b", 3, at(121))).unwrap());
    assert!(!renew("b", 3, at(121)).await);
    assert_eq!(acquire("a", at(121)).await, Some(4));
}

//! Letters on their way.

use crate::bed::{Bed, NOW, at, fresh, number};
use domain::actor::SystemScope;
use domain::id::{MailId, UserId};
use std::collections::BTreeSet;
use store::mails::{self, Counts, NewMail, Taken};

on_both!(
    a_letter_is_kept_with_its_reason_or_not_at_all,
    a_letter_is_taken_by_one_worker_at_a_time,
    a_letter_whose_worker_is_gone_is_due_again,
    what_was_sent_is_forgotten_and_not_sent_again,
    a_try_that_came_late_changes_nothing,
    what_is_over_is_forgotten_after_a_while,
);

const SYSTEM: SystemScope = SystemScope { reason: "test" };

fn letter() -> NewMail {
    NewMail {
        id: MailId::from_value(fresh()),
        user: Some(UserId::from_value(7)),
        kind: "verify_email".to_owned(),
        letter_sealed: vec![0, 1, 255],
        created_at: NOW,
    }
}

async fn kept(bed: &Bed) -> NewMail {
    let mail = letter();
    write!(bed.db, tx [mail] => mails::insert(tx, &mail)).unwrap();
    mail
}

async fn take(bed: &Bed, now: i64, until: i64) -> Vec<Taken> {
    write!(bed.db, tx [] => mails::take(tx, SYSTEM, at(now), at(until), 10)).unwrap()
}

async fn counts(bed: &Bed) -> Counts {
    read!(bed.db, read [] => mails::counts(read, SYSTEM)).unwrap()
}

async fn a_letter_is_kept_with_its_reason_or_not_at_all(bed: Bed) {
    let mail = letter();
    let kept = mail.clone();
    let failed: Result<(), store::Error> = bed
        .db
        .write("test.reason", move |tx| {
            let mail = kept.clone();
            Box::pin(async move {
                mails::insert(tx, &mail).await?;
                Err(store::Error::Fenced)
            })
        })
        .await;
    assert_eq!(failed, Err(store::Error::Fenced));
    assert_eq!(take(&bed, 0, 60).await, []);
    write!(bed.db, tx [mail] => mails::insert(tx, &mail)).unwrap();
    let taken = take(&bed, 0, 60).await;
    let wanted = Taken {
        id: mail.id,
        user: mail.user,
        kind: mail.kind,
        letter_sealed: mail.letter_sealed,
        created_at: NOW,
        tries: 1,
    };
    assert_eq!(taken, [wanted]);
}

async fn a_letter_is_taken_by_one_worker_at_a_time(bed: Bed) {
    let mut all = BTreeSet::new();
    for _ in 0..40 {
        all.insert(kept(&bed).await.id);
    }
    let mut workers = Vec::new();
    for _ in 0..8 {
        let db = bed.db.clone();
        workers.push(tokio::spawn(async move {
            write!(db, tx [] => mails::take(tx, SYSTEM, at(1), at(60), 7)).unwrap()
        }));
    }
    let mut taken = Vec::new();
    for worker in workers {
        taken.extend(worker.await.unwrap().into_iter().map(|mail| mail.id));
    }
    taken.extend(take(&bed, 1, 60).await.into_iter().map(|mail| mail.id));
    assert_eq!(taken.len(), 40, "none twice");
    assert_eq!(taken.into_iter().collect::<BTreeSet<_>>(), all);
}

async fn a_letter_whose_worker_is_gone_is_due_again(bed: Bed) {
    let mail = kept(&bed).await;
    assert_eq!(take(&bed, 0, 60).await[0].tries, 1);
    assert_eq!(take(&bed, 59, 120).await, []);
    let again = take(&bed, 60, 120).await;
    assert_eq!((again[0].id, again[0].tries), (mail.id, 2));
}

async fn what_was_sent_is_forgotten_and_not_sent_again(bed: Bed) {
    let (first, second) = (kept(&bed).await, kept(&bed).await);
    assert_eq!(
        counts(&bed).await,
        Counts {
            waiting: 2,
            oldest: Some(NOW),
            given_up: 0
        }
    );
    let taken = take(&bed, 0, 60).await;
    let id = first.id;
    write!(bed.db, tx [] => mails::sent(tx, SYSTEM, id, at(1))).unwrap();
    let other = taken.into_iter().find(|mail| mail.id == second.id).unwrap();
    assert_eq!(
        write!(bed.db, tx [other] => mails::give_up(tx, SYSTEM, &other, "recipient 550")),
        Ok(true)
    );
    assert_eq!(take(&bed, 1_000_000, 2_000_000).await, []);
    assert_eq!(
        counts(&bed).await,
        Counts {
            waiting: 0,
            oldest: None,
            given_up: 1
        }
    );
    let left = "select coalesce(sum(length(letter_sealed)), 0) as n from mails";
    assert_eq!(number(&bed.db, left).await, 0);
}

async fn a_try_that_came_late_changes_nothing(bed: Bed) {
    kept(&bed).await;
    let late = take(&bed, 0, 60).await.remove(0);
    let next = take(&bed, 60, 120).await.remove(0);
    assert_eq!(
        write!(bed.db, tx [late] => mails::later(tx, SYSTEM, &late, at(999), "connect")),
        Ok(false)
    );
    assert_eq!(
        write!(bed.db, tx [late] => mails::give_up(tx, SYSTEM, &late, "connect")),
        Ok(false)
    );
    assert_eq!(
        write!(bed.db, tx [next] => mails::later(tx, SYSTEM, &next, at(200), "connect")),
        Ok(true)
    );
    assert_eq!(take(&bed, 199, 300).await, []);
    let last = take(&bed, 200, 300).await.remove(0);
    assert_eq!(last.tries, 3);
    // What was sent was sent, however late that is known.
    let id = late.id;
    write!(bed.db, tx [] => mails::sent(tx, SYSTEM, id, at(201))).unwrap();
    assert_eq!(
        write!(bed.db, tx [last] => mails::later(tx, SYSTEM, &last, at(400), "connect")),
        Ok(false)
    );
    assert_eq!(take(&bed, 1_000, 2_000).await, []);
}

async fn what_is_over_is_forgotten_after_a_while(bed: Bed) {
    let (gone, _waits) = (kept(&bed).await.id, kept(&bed).await);
    write!(bed.db, tx [] => mails::sent(tx, SYSTEM, gone, at(1))).unwrap();
    assert_eq!(write!(bed.db, tx [] => mails::forget_before(tx, NOW)), Ok(0));
    assert_eq!(write!(bed.db, tx [] => mails::forget_before(tx, at(1))), Ok(1));
    assert_eq!(counts(&bed).await.waiting, 1);
    assert_eq!(write!(bed.db, tx [] => mails::expire_before(tx, NOW)), Ok(0));
    assert_eq!(write!(bed.db, tx [] => mails::expire_before(tx, at(1))), Ok(1));
    assert_eq!(
        counts(&bed).await,
        Counts {
            given_up: 1,
            ..Counts::default()
        }
    );
    let left = "select coalesce(sum(length(letter_sealed)), 0) as n from mails";
    assert_eq!(number(&bed.db, left).await, 0);
}

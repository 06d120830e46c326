//! The ledger.

use crate::bed::{Bed, NOW, conflict, fresh, job};
use domain::id::{AttemptId, LedgerId};
use domain::job::{Job, intend};
use domain::ledger::{Line, Posting};
use domain::money::Money;
use domain::secret::TokenHash;
use store::{Error, jobs, ledger};

on_both!(
    each_posting_once_for_each_reference,
    sums,
    an_amount_is_never_negative
);

fn line(job: &Job, attempt: Option<AttemptId>, posting: Posting, amount: Money) -> Line {
    let id = LedgerId::from_value(fresh());
    Line {
        id,
        at: NOW,
        workspace: job.workspace,
        job: job.id,
        attempt,
        posting,
        amount,
    }
}

async fn each_posting_once_for_each_reference(bed: Bed) {
    let before = job(&bed.db).await;
    let mut held = before.clone();
    held.lease_until = Some(crate::bed::at(60));
    let attempt = AttemptId::from_value(fresh());
    let change = intend(&held, attempt, TokenHash::of("t"), NOW, &crate::bed::rules()).unwrap();
    write!(bed.db, tx [before, change] => jobs::apply(tx, &before, &change)).unwrap();
    let lines = [
        line(&before, None, Posting::Hold, Money::usd(5)),
        line(&before, Some(attempt), Posting::Capture, Money::usd(3)),
        line(&before, None, Posting::Release, Money::usd(2)),
    ];
    for line in &lines {
        write!(bed.db, tx [line] => ledger::append(tx, &line)).unwrap();
        let mut twin = line.clone();
        twin.id = LedgerId::from_value(fresh());
        assert_eq!(
            conflict(write!(bed.db, tx [twin] => ledger::append(tx, &twin))),
            "ledger_once"
        );
    }
    let generation = before.generation;
    assert_eq!(
        read!(bed.db, read [] => ledger::of_generation(read, generation)).unwrap(),
        lines
    );
}

async fn sums(bed: Bed) {
    assert_eq!(read!(bed.db, read [] => ledger::totals(read)), Ok(vec![]));
    let brl = |micros| Money {
        micros,
        currency: "BRL".parse().unwrap(),
    };
    for amount in [Money::usd(1), Money::usd(2), brl(4)] {
        let job = job(&bed.db).await;
        let line = line(&job, None, Posting::Hold, amount);
        write!(bed.db, tx [line] => ledger::append(tx, &line)).unwrap();
    }
    let totals = read!(bed.db, read [] => ledger::totals(read)).unwrap();
    assert_eq!(totals, [(Posting::Hold, brl(4)), (Posting::Hold, Money::usd(3))]);
}

async fn an_amount_is_never_negative(bed: Bed) {
    let job = job(&bed.db).await;
    let line = line(&job, None, Posting::Hold, Money::usd(-1));
    let result = write!(bed.db, tx [line] => ledger::append(tx, &line));
    assert!(matches!(result, Err(Error::Rule { .. })), "{result:?}");
}

//! Passkeys, one-time codes, recovery codes, wrong tries.

use crate::bed::{Bed, NOW, at, conflict, fresh, passkey, run, user};
use domain::id::UserId;
use store::factor_failures::{self, Failures};
use store::passkeys::{self, Passkey};
use store::{Error, recovery_codes, totp, users};

on_both!(
    a_passkey_comes_back_to_its_owner_and_to_nobody_else,
    a_credential_belongs_to_one_passkey,
    of_the_last_two_ways_in_one_stays,
    of_two_answers_with_one_counter_one_is_kept,
    a_secret_is_a_factor_once_it_was_shown,
    a_confirmed_secret_is_not_overwritten,
    a_time_step_is_used_once_by_one_of_many,
    a_recovery_code_is_used_once_by_one_of_many,
    a_new_set_makes_the_old_one_void,
    wrong_tries_count_one_after_the_other,
);

async fn person(bed: &Bed) -> UserId {
    let user = user(&format!("factors-{}", fresh()));
    write!(bed.db, tx [user] => users::insert(tx, &user)).unwrap();
    user.id
}

async fn with_passkey(bed: &Bed, user: UserId) -> Passkey {
    let key = passkey(user);
    write!(bed.db, tx [key] => passkeys::insert(tx, &key)).unwrap();
    key
}

async fn a_passkey_comes_back_to_its_owner_and_to_nobody_else(bed: Bed) {
    let (ana, eve) = (person(&bed).await, person(&bed).await);
    let (first, second) = (with_passkey(&bed, ana).await, with_passkey(&bed, ana).await);
    let of = async |user| read!(bed.db, read [] => passkeys::of_user(read, user)).unwrap();
    assert_eq!(of(ana).await, [first.clone(), second.clone()]);
    assert_eq!(of(eve).await, []);
    assert_eq!(read!(bed.db, read [] => passkeys::count(read, ana)), Ok(2));
    let text = first.credential_id.clone();
    let found = read!(bed.db, read [] => passkeys::find_by_credential(read, &text)).unwrap();
    assert_eq!(found, Some(first.clone()));
    let id = first.id;
    assert_eq!(
        write!(bed.db, tx [] => passkeys::rename(tx, eve, id, &[9])),
        Ok(false)
    );
    assert_eq!(write!(bed.db, tx [] => passkeys::remove(tx, eve, id)), Ok(false));
    assert_eq!(of(ana).await[0], first);
    assert_eq!(
        write!(bed.db, tx [] => passkeys::rename(tx, ana, id, &[9])),
        Ok(true)
    );
    assert_eq!(of(ana).await[0].name_sealed, [9]);
    assert_eq!(write!(bed.db, tx [] => passkeys::remove(tx, ana, id)), Ok(true));
    assert_eq!(of(ana).await, [second]);
}

async fn a_credential_belongs_to_one_passkey(bed: Bed) {
    let (ana, eve) = (person(&bed).await, person(&bed).await);
    let key = with_passkey(&bed, ana).await;
    let stolen = Passkey {
        credential_id: key.credential_id,
        ..passkey(eve)
    };
    let refused = write!(bed.db, tx [stolen] => passkeys::insert(tx, &stolen));
    assert_eq!(conflict(refused), "passkeys_credential");
}

async fn of_the_last_two_ways_in_one_stays(bed: Bed) {
    let ana = person(&bed).await;
    assert_eq!(
        read!(bed.db, read [] => passkeys::has_way_in(read, ana)),
        Ok(false)
    );
    let keys = [with_passkey(&bed, ana).await, with_passkey(&bed, ana).await];
    let one = |key: &Passkey| {
        let (db, id) = (bed.db.clone(), key.id);
        tokio::spawn(async move {
            let removed = db.write("test.remove", move |tx| {
                Box::pin(async move {
                    passkeys::remove(tx, ana, id).await?;
                    let left = passkeys::has_way_in(tx, ana).await?;
                    if left { Ok(()) } else { Err(Error::Fenced) }
                })
            });
            removed.await.is_ok()
        })
    };
    assert_eq!(winners(keys.iter().map(one).collect()).await, 1);
    assert_eq!(read!(bed.db, read [] => passkeys::count(read, ana)), Ok(1));
    write!(bed.db, tx [] => users::set_password(tx, ana, Some("record"), false, NOW)).unwrap();
    let last = read!(bed.db, read [] => passkeys::of_user(read, ana))
        .unwrap()
        .remove(0)
        .id;
    assert!(write!(bed.db, tx [] => passkeys::remove(tx, ana, last)).unwrap());
    assert_eq!(
        read!(bed.db, read [] => passkeys::has_way_in(read, ana)),
        Ok(true),
        "the password"
    );
    write!(bed.db, tx [] => users::set_password(tx, ana, None, false, NOW)).unwrap();
    let elsewhere = "insert into external_identities (issuer, subject, user_id, provider, created_at) values";
    run(
        &bed.db,
        format!("{elsewhere} ('https://issuer.example', '1', '{ana}', 'p', 1)"),
    )
    .await;
    assert_eq!(
        read!(bed.db, read [] => passkeys::has_way_in(read, ana)),
        Ok(true),
        "elsewhere"
    );
}

async fn of_two_answers_with_one_counter_one_is_kept(bed: Bed) {
    let ana = person(&bed).await;
    let key = with_passkey(&bed, ana).await;
    let shown = async |credential: &'static str| {
        write!(bed.db, tx [key] => passkeys::shown(tx, &key, credential, at(5))).unwrap()
    };
    assert!(shown("counter 1").await);
    assert!(
        !shown("counter 2").await,
        "it was checked against an older counter"
    );
    let kept = read!(bed.db, read [] => passkeys::of_user(read, ana)).unwrap();
    assert_eq!(
        (kept[0].credential.as_str(), kept[0].used_at),
        ("counter 1", Some(at(5)))
    );
}

async fn a_secret_is_a_factor_once_it_was_shown(bed: Bed) {
    let (ana, eve) = (person(&bed).await, person(&bed).await);
    let find = async |user| read!(bed.db, read [] => totp::find(read, user)).unwrap();
    let accept = async |user, step| write!(bed.db, tx [] => totp::accept_step(tx, user, step)).unwrap();
    assert!(write!(bed.db, tx [] => totp::begin(tx, ana, &[1], NOW)).unwrap());
    assert_eq!(find(ana).await.unwrap().confirmed_at, None);
    assert!(!accept(ana, 10).await, "not confirmed");
    assert!(
        write!(bed.db, tx [] => totp::begin(tx, ana, &[2], NOW)).unwrap(),
        "begun anew"
    );
    assert!(
        !write!(bed.db, tx [] => totp::confirm(tx, ana, &[1], 10, at(1))).unwrap(),
        "the older secret"
    );
    assert!(write!(bed.db, tx [] => totp::confirm(tx, ana, &[2], 10, at(1))).unwrap());
    assert!(
        !write!(bed.db, tx [] => totp::confirm(tx, ana, &[2], 11, at(1))).unwrap(),
        "twice"
    );
    let found = find(ana).await.unwrap();
    assert_eq!((found.last_step, found.confirmed_at), (10, Some(at(1))));
    assert_eq!(find(eve).await, None);
    assert!(
        !accept(ana, 10).await && !accept(ana, 9).await,
        "the step that confirmed it is used up"
    );
    assert!(accept(ana, 11).await && !accept(eve, 11).await);
    assert!(write!(bed.db, tx [] => totp::remove(tx, ana)).unwrap());
    assert!(!write!(bed.db, tx [] => totp::remove(tx, ana)).unwrap());
    assert_eq!(find(ana).await, None);
}

async fn a_confirmed_secret_is_not_overwritten(bed: Bed) {
    let ana = person(&bed).await;
    write!(bed.db, tx [] => totp::begin(tx, ana, &[1], NOW)).unwrap();
    write!(bed.db, tx [] => totp::confirm(tx, ana, &[1], 10, NOW)).unwrap();
    assert!(!write!(bed.db, tx [] => totp::begin(tx, ana, &[2], NOW)).unwrap());
    let found = read!(bed.db, read [] => totp::find(read, ana)).unwrap().unwrap();
    assert_eq!(found.secret_sealed, [1]);
}

/// How many of twenty at the same time are told yes.
async fn winners(tries: Vec<tokio::task::JoinHandle<bool>>) -> usize {
    let mut won = 0;
    for one in tries {
        won += usize::from(one.await.unwrap());
    }
    won
}

async fn a_time_step_is_used_once_by_one_of_many(bed: Bed) {
    let ana = person(&bed).await;
    write!(bed.db, tx [] => totp::begin(tx, ana, &[1], NOW)).unwrap();
    write!(bed.db, tx [] => totp::confirm(tx, ana, &[1], 10, NOW)).unwrap();
    let one = || {
        let db = bed.db.clone();
        tokio::spawn(async move { write!(db, tx [] => totp::accept_step(tx, ana, 11)).unwrap() })
    };
    assert_eq!(winners((0..20).map(|_| one()).collect()).await, 1);
}

async fn a_recovery_code_is_used_once_by_one_of_many(bed: Bed) {
    let (ana, eve) = (person(&bed).await, person(&bed).await);
    let hashes = vec!["a".to_owned(), "b".to_owned()];
    write!(bed.db, tx [hashes] => recovery_codes::replace(tx, ana, &hashes, NOW)).unwrap();
    assert!(!write!(bed.db, tx [] => recovery_codes::use_up(tx, eve, "a", NOW)).unwrap());
    let one = || {
        let db = bed.db.clone();
        tokio::spawn(async move { write!(db, tx [] => recovery_codes::use_up(tx, ana, "a", at(1))).unwrap() })
    };
    assert_eq!(winners((0..20).map(|_| one()).collect()).await, 1);
    assert_eq!(read!(bed.db, read [] => recovery_codes::left(read, ana)), Ok(1));
}

async fn a_new_set_makes_the_old_one_void(bed: Bed) {
    let ana = person(&bed).await;
    for set in ["a", "b"] {
        let hashes = vec![set.to_owned()];
        write!(bed.db, tx [hashes] => recovery_codes::replace(tx, ana, &hashes, NOW)).unwrap();
    }
    assert!(!write!(bed.db, tx [] => recovery_codes::use_up(tx, ana, "a", NOW)).unwrap());
    assert!(write!(bed.db, tx [] => recovery_codes::use_up(tx, ana, "b", NOW)).unwrap());
    assert_eq!(write!(bed.db, tx [] => recovery_codes::clear(tx, ana)), Ok(1));
    assert_eq!(read!(bed.db, read [] => recovery_codes::left(read, ana)), Ok(0));
}

async fn wrong_tries_count_one_after_the_other(bed: Bed) {
    let (ana, eve) = (person(&bed).await, person(&bed).await);
    let count = async |user, now| write!(bed.db, tx [] => factor_failures::count_one(tx, user, now)).unwrap();
    assert_eq!(count(ana, NOW).await, Some(1));
    assert_eq!(count(ana, NOW).await, Some(2));
    assert_eq!(count(eve, NOW).await, Some(1));
    write!(bed.db, tx [] => factor_failures::delay(tx, ana, at(30))).unwrap();
    assert_eq!(count(ana, at(29)).await, None, "too early: not counted");
    let found = read!(bed.db, read [] => factor_failures::find(read, ana)).unwrap();
    assert_eq!(
        found,
        Some(Failures {
            count: 2,
            next_at: at(30)
        })
    );
    // Of many at the moment the delay is over, one is looked at when each sets the next delay.
    let one = || {
        let db = bed.db.clone();
        tokio::spawn(async move {
            let tried = db.write("test.try", move |tx| {
                Box::pin(async move {
                    let counted = factor_failures::count_one(tx, ana, at(30)).await?;
                    if counted.is_some() {
                        factor_failures::delay(tx, ana, at(60)).await?;
                    }
                    Ok::<_, Error>(counted.is_some())
                })
            });
            tried.await.unwrap()
        })
    };
    assert_eq!(winners((0..20).map(|_| one()).collect()).await, 1);
    write!(bed.db, tx [] => factor_failures::clear(tx, ana)).unwrap();
    assert_eq!(
        read!(bed.db, read [] => factor_failures::find(read, ana)),
        Ok(None)
    );
    assert_eq!(count(ana, NOW).await, Some(1));
}

//! What stands at the entrance: tickets, known browsers, failed logins.

use crate::bed::{Bed, NOW, at, fresh, ticket, user};
use domain::id::UserId;
use domain::secret::TokenHash;
use store::external_identities::{self, ExternalIdentity};
use store::login_failures::Failures;
use store::tickets::{Kind, Ticket};
use store::{Error, devices, login_failures, tickets, users};

on_both!(
    a_ticket_comes_back_as_it_was,
    a_ticket_is_used_once_by_one_of_many,
    a_ticket_is_for_one_purpose_and_a_while,
    a_ticket_is_used_up_by_tries_in_vain,
    tickets_of_somebody_are_revoked_together,
    tickets_are_listed_while_they_are_good,
    tickets_are_forgotten_when_they_are_over,
    a_browser_is_known_after_its_first_login,
    an_identity_elsewhere_is_one_persons,
    failures_in_a_row_are_counted_and_forgotten,
    failures_at_once_are_all_counted,
);

async fn account(bed: &Bed) -> UserId {
    let user = user(&format!("index-{}", fresh()));
    write!(bed.db, tx [user] => users::insert(tx, &user)).unwrap();
    user.id
}

async fn kept(bed: &Bed, text: &str, kind: Kind, user: Option<UserId>) -> Ticket {
    let ticket = ticket(text, kind, user);
    write!(bed.db, tx [ticket] => tickets::insert(tx, &ticket)).unwrap();
    ticket
}

async fn take(bed: &Bed, kind: Kind, text: &'static str, now: i64) -> bool {
    let hash = TokenHash::of(text);
    let taken = write!(bed.db, tx [hash] => tickets::take(tx, kind, &hash, at(now))).unwrap();
    taken.is_some()
}

async fn a_ticket_comes_back_as_it_was(bed: Bed) {
    let mut new = ticket("t", Kind::Federation, Some(account(&bed).await));
    new.browser = Some(TokenHash::of("cookie"));
    new.payload_sealed = Some(vec![0, 255]);
    write!(bed.db, tx [new] => tickets::insert(tx, &new)).unwrap();
    let hash = new.hash.clone();
    let found = read!(bed.db, read [hash] => tickets::find(read, Kind::Federation, &hash, NOW)).unwrap();
    assert_eq!(found, Some(new.clone()));
    let taken = write!(bed.db, tx [hash] => tickets::take(tx, Kind::Federation, &hash, at(5))).unwrap();
    new.used_at = Some(at(5));
    assert_eq!(taken, Some(new));
    for kind in [
        Kind::VerifyEmail,
        Kind::ResetPassword,
        Kind::Invitation,
        Kind::PasskeyLogin,
        Kind::PasskeyRegister,
        Kind::PasskeyStepUp,
        Kind::Federation,
    ] {
        assert_eq!(kind.as_str().parse(), Ok(kind));
    }
}

async fn a_ticket_is_used_once_by_one_of_many(bed: Bed) {
    kept(&bed, "t", Kind::VerifyEmail, None).await;
    let many: Vec<_> = (0..8)
        .map(|_| {
            let db = bed.db.clone();
            let hash = TokenHash::of("t");
            tokio::spawn(async move {
                write!(db, tx [hash] => tickets::take(tx, Kind::VerifyEmail, &hash, NOW))
                    .unwrap()
                    .is_some()
            })
        })
        .collect();
    let mut taken = 0;
    for one in many {
        taken += i32::from(one.await.unwrap());
    }
    assert_eq!(taken, 1);
}

async fn a_ticket_is_for_one_purpose_and_a_while(bed: Bed) {
    kept(&bed, "t", Kind::VerifyEmail, None).await;
    assert!(!take(&bed, Kind::ResetPassword, "t", 0).await);
    assert!(!take(&bed, Kind::VerifyEmail, "u", 0).await);
    assert!(!take(&bed, Kind::VerifyEmail, "t", 3600).await);
    assert!(take(&bed, Kind::VerifyEmail, "t", 3599).await);
}

async fn a_ticket_is_used_up_by_tries_in_vain(bed: Bed) {
    let hash = kept(&bed, "t", Kind::ResetPassword, None).await.hash;
    let open =
        async || read!(bed.db, read [hash] => tickets::find(read, Kind::ResetPassword, &hash, NOW)).unwrap();
    for tries in 1..5 {
        write!(bed.db, tx [hash] => tickets::count_try(tx, &hash, 5, NOW)).unwrap();
        assert_eq!(open().await.unwrap().tries, tries);
    }
    write!(bed.db, tx [hash] => tickets::count_try(tx, &hash, 5, NOW)).unwrap();
    assert_eq!(open().await, None);
}

async fn tickets_of_somebody_are_revoked_together(bed: Bed) {
    let (ana, bia) = (account(&bed).await, account(&bed).await);
    for (text, kind, user) in [
        ("a", Kind::ResetPassword, ana),
        ("b", Kind::ResetPassword, ana),
        ("c", Kind::VerifyEmail, ana),
        ("d", Kind::ResetPassword, bia),
    ] {
        kept(&bed, text, kind, Some(user)).await;
    }
    let revoked = write!(bed.db, tx [] => tickets::revoke_of(tx, ana, Kind::ResetPassword, NOW));
    assert_eq!(revoked, Ok(2));
    assert!(!take(&bed, Kind::ResetPassword, "a", 0).await);
    assert!(take(&bed, Kind::VerifyEmail, "c", 0).await);
    assert!(take(&bed, Kind::ResetPassword, "d", 0).await);
}

async fn tickets_are_listed_while_they_are_good(bed: Bed) {
    let ana = account(&bed).await;
    for (seconds, text) in [(1, "a"), (2, "b"), (3, "c")] {
        let mut new = ticket(text, Kind::Invitation, Some(ana));
        new.created_at = at(seconds);
        write!(bed.db, tx [new] => tickets::insert(tx, &new)).unwrap();
    }
    kept(&bed, "other", Kind::VerifyEmail, Some(ana)).await;
    assert!(take(&bed, Kind::Invitation, "b", 5).await);
    let seconds =
        |tickets: Vec<Ticket>| -> Vec<_> { tickets.iter().map(|ticket| ticket.created_at).collect() };
    let open = read!(bed.db, read [] => tickets::open(read, Kind::Invitation, at(5), 9)).unwrap();
    assert_eq!(seconds(open), [at(3), at(1)]);
    let hers = read!(bed.db, read [] => tickets::open_of(read, ana, Kind::Invitation, at(5))).unwrap();
    assert_eq!(seconds(hers), [at(1), at(3)]);
    let later = read!(bed.db, read [] => tickets::open(read, Kind::Invitation, at(3600), 9)).unwrap();
    assert_eq!(later, []);
}

async fn tickets_are_forgotten_when_they_are_over(bed: Bed) {
    kept(&bed, "t", Kind::VerifyEmail, None).await;
    assert_eq!(
        write!(bed.db, tx [] => tickets::forget_before(tx, at(3600))),
        Ok(0)
    );
    assert_eq!(
        write!(bed.db, tx [] => tickets::forget_before(tx, at(3601))),
        Ok(1)
    );
}

async fn a_browser_is_known_after_its_first_login(bed: Bed) {
    let (ana, bia) = (account(&bed).await, account(&bed).await);
    let hash = TokenHash::of("cookie");
    let known = async |user, since| {
        read!(bed.db, read [hash] => devices::is_known(read, user, &hash, since)).unwrap()
    };
    assert!(!known(ana, at(0)).await);
    assert_eq!(
        write!(bed.db, tx [hash] => devices::note(tx, ana, &hash, "a", at(1))),
        Ok(true)
    );
    assert_eq!(
        write!(bed.db, tx [hash] => devices::note(tx, ana, &hash, "b", at(5))),
        Ok(false)
    );
    assert!(known(ana, at(5)).await && !known(ana, at(6)).await && !known(bia, at(0)).await);
    assert!(read!(bed.db, read [] => devices::has_any(read, ana)).unwrap());
    assert!(!read!(bed.db, read [] => devices::has_any(read, bia)).unwrap());
    write!(bed.db, tx [hash] => devices::note(tx, bia, &hash, "b", at(2))).unwrap();
    assert_eq!(write!(bed.db, tx [] => devices::forget_before(tx, at(5))), Ok(1));
    assert!(known(ana, at(0)).await && !known(bia, at(0)).await);
    assert_eq!(write!(bed.db, tx [] => devices::forget_of(tx, ana)), Ok(1));
    assert!(!known(ana, at(0)).await);
}

async fn failures_in_a_row_are_counted_and_forgotten(bed: Bed) {
    let count = async |since: i64, now: i64| {
        write!(bed.db, tx [] => login_failures::count(tx, "index", at(since), at(now))).unwrap()
    };
    assert_eq!((count(0, 1).await, count(0, 2).await), (Some(1), Some(2)));
    write!(bed.db, tx [] => login_failures::delay(tx, "index", at(4))).unwrap();
    let found = async || read!(bed.db, read [] => login_failures::find(read, "index")).unwrap();
    let expected = Failures {
        count: 2,
        next_at: at(4),
        updated_at: at(2),
    };
    assert_eq!(found().await, Some(expected));
    assert_eq!(count(3, 3).await, None, "too early");
    assert_eq!(found().await, Some(expected), "and nothing is counted");
    assert_eq!(count(3, 4).await, Some(1), "the last one was before the window");
    write!(bed.db, tx [] => login_failures::count(tx, "other", at(0), at(9))).unwrap();
    assert_eq!(
        write!(bed.db, tx [] => login_failures::forget_before(tx, at(9))),
        Ok(1)
    );
    assert_eq!(found().await, None);
    count(0, 10).await;
    write!(bed.db, tx [] => login_failures::clear(tx, "index")).unwrap();
    assert_eq!(found().await, None);
}

async fn failures_at_once_are_all_counted(bed: Bed) {
    let many: Vec<_> = (0..8)
        .map(|_| {
            let db = bed.db.clone();
            tokio::spawn(async move {
                write!(db, tx [] => login_failures::count(tx, "index", at(0), at(1)))
                    .unwrap()
                    .unwrap()
            })
        })
        .collect();
    let mut counts = Vec::new();
    for one in many {
        counts.push(one.await.unwrap());
    }
    counts.sort_unstable();
    assert_eq!(counts, [1, 2, 3, 4, 5, 6, 7, 8]);
}

async fn an_identity_elsewhere_is_one_persons(bed: Bed) {
    let (one, other) = (account(&bed).await, account(&bed).await);
    let subject = format!("s-{}", fresh());
    let identity = |issuer: &str, user| ExternalIdentity {
        issuer: issuer.to_owned(),
        subject: subject.clone(),
        user,
        provider: "main".to_owned(),
        created_at: NOW,
    };
    for new in [
        identity("https://a.example", one),
        identity("https://a.example/", other),
    ] {
        write!(bed.db, tx [new] => external_identities::insert(tx, &new)).unwrap();
    }
    let again = identity("https://a.example", other);
    let taken = write!(bed.db, tx [again] => external_identities::insert(tx, &again));
    let conflict = Err(Error::Conflict {
        constraint: "external_identities_pkey".to_owned(),
    });
    assert_eq!(
        format!("{taken:?}"),
        format!("{:?}", conflict as Result<(), Error>)
    );
    for (issuer, user) in [
        ("https://a.example", Some(one)),
        ("https://a.example/", Some(other)),
        ("https://b.example", None),
    ] {
        let subject = subject.clone();
        let found =
            read!(bed.db, read [subject] => external_identities::find(read, issuer, &subject)).unwrap();
        assert_eq!(found, user, "{issuer}");
    }
    assert!(!format!("{:?}", identity("https://a.example", one)).contains("a.example"));
}

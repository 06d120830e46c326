//! Logging in with a passkey.

use crate::bed::{Bed, ORIGIN};
use app::identity::login::{Entrance, LoggedIn, LoginError};
use app::identity::{FactorError, SecondFactor};
use domain::actor::Actor;
use domain::id::UserId;
use domain::identity::{AccountState, Client};
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use testkit::authenticator::Authenticator;

fn entrance(client: Client) -> Entrance {
    Entrance {
        client,
        agent: "Firefox/140.0".to_owned(),
        address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)),
        device: None,
        jkt: None,
        request_id: Some("req-1".to_owned()),
    }
}

async fn with_passkey(bed: &Bed) -> (UserId, Actor, Authenticator) {
    let (user, _, actor) = bed.logged_in().await;
    let mut keychain = Authenticator::at(ORIGIN);
    let begun = bed.studio.begin_passkey(&actor).await.unwrap();
    let answer = keychain.create(&begun.options).unwrap();
    let made = bed
        .studio
        .finish_passkey(&actor, &begun.ticket, &answer, "Chave", None);
    made.await.unwrap();
    (user, actor, keychain)
}

async fn login(bed: &Bed, keychain: &mut Authenticator) -> Result<LoggedIn, LoginError> {
    let begun = bed.studio.begin_passkey_login().await.unwrap();
    let answer = keychain.get(&begun.options).unwrap();
    let entrance = entrance(Client::Api);
    bed.studio
        .login_by_passkey(&begun.ticket, &answer, entrance)
        .await
}

/// Refused like anything else that is wrong; the log knows why.
async fn refused(bed: &Bed, result: Result<LoggedIn, LoginError>, why: &str) {
    assert!(matches!(result, Err(LoginError::Wrong)), "{why}: {result:?}");
    let told = bed.told().await;
    let found = told
        .iter()
        .any(|(action, outcome, factor)| action == "login.failed" && outcome == why && factor == "passkey");
    assert!(found, "{why} is not in {told:?}");
}

#[tokio::test]
async fn whoever_holds_the_passkey_is_in_with_two_factors_and_fresh() {
    let bed = Bed::new().await;
    let (user, _, mut keychain) = with_passkey(&bed).await;
    bed.wait(1000);
    let entered = login(&bed, &mut keychain).await.unwrap();
    let actor = bed.actor(&entered.tokens).await;
    assert_eq!(actor.user(), user);
    assert!(bed.studio.is_fresh(&actor));
    let amr = "select count(*) as n from sessions where amr = 'hwk mfa'";
    assert_eq!(bed.number(amr).await, 1);
    let told = bed.told().await;
    assert!(
        told.iter()
            .any(|(action, outcome, _)| action == "login.succeeded" && outcome == "ok")
    );
    assert!(
        login(&bed, &mut keychain).await.is_ok(),
        "and again, with the counter moved"
    );
    assert_eq!(
        bed.studio.factors(&actor).await.unwrap().passkeys[0].used_at,
        Some(bed.now())
    );
    assert_eq!(
        bed.studio.second_factors_of(user).await.unwrap(),
        [SecondFactor::Passkey]
    );
}

#[tokio::test]
async fn a_browser_becomes_a_known_one() {
    let bed = Bed::new().await;
    let (_, _, mut keychain) = with_passkey(&bed).await;
    let begun = bed.studio.begin_passkey_login().await.unwrap();
    let answer = keychain.get(&begun.options).unwrap();
    let entered = bed
        .studio
        .login_by_passkey(&begun.ticket, &answer, entrance(Client::Browser));
    assert!(entered.await.unwrap().device.is_some());
}

/// Checklist 11 at the entrance.
#[tokio::test]
async fn a_bent_answer_lets_nobody_in() {
    let bed = Bed::new().await;
    let (_, _, mut straight) = with_passkey(&bed).await;
    type Bend = fn(&mut Authenticator);
    let bends: [(&str, Bend); 5] = [
        ("origin", |a| a.origin = "https://evil.example".to_owned()),
        ("rp_id", |a| a.other_rp_id = Some("evil.example".to_owned())),
        ("challenge", |a| a.other_challenge = Some(vec![7; 32])),
        ("user_verification", |a| a.verifies_user = false),
        ("user_handle", |a| a.tells_user = false),
    ];
    for (why, bend) in bends {
        let mut bent = straight.clone();
        bend(&mut bent);
        let result = login(&bed, &mut bent).await;
        refused(&bed, result, why).await;
    }
    let mut copy = straight.clone();
    assert!(login(&bed, &mut straight).await.is_ok());
    let result = login(&bed, &mut copy).await;
    refused(&bed, result, "cloned").await;
}

#[tokio::test]
async fn an_answer_is_good_once_for_one_of_twenty_and_five_minutes() {
    let bed = Arc::new(Bed::new().await);
    let (_, _, mut keychain) = with_passkey(&bed).await;
    let begun = bed.studio.begin_passkey_login().await.unwrap();
    let answer = keychain.get(&begun.options).unwrap();
    let mut tries = Vec::new();
    for _ in 0..20 {
        let (bed, ticket, answer) = (Arc::clone(&bed), begun.ticket.clone(), answer.clone());
        tries.push(tokio::spawn(async move {
            bed.studio
                .login_by_passkey(&ticket, &answer, entrance(Client::Api))
                .await
        }));
    }
    let mut entered = 0;
    for one in tries {
        match one.await.unwrap() {
            Ok(_) => entered += 1,
            Err(LoginError::Factor(FactorError::Ticket)) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(entered, 1);
    let begun = bed.studio.begin_passkey_login().await.unwrap();
    let answer = keychain.get(&begun.options).unwrap();
    bed.wait(300);
    let late = bed
        .studio
        .login_by_passkey(&begun.ticket, &answer, entrance(Client::Api))
        .await;
    assert!(matches!(late, Err(LoginError::Factor(FactorError::Ticket))));
}

#[tokio::test]
async fn closed_accounts_and_removed_passkeys_let_nobody_in() {
    let bed = Bed::new().await;
    let (user, _, mut keychain) = with_passkey(&bed).await;
    let now = bed.now();
    let set = async |state| {
        let set = bed.db.write("test.state", move |tx| {
            Box::pin(store::users::set_state(tx, user, state, now))
        });
        let set: Result<(), store::Error> = set.await;
        set.unwrap();
    };
    set(AccountState::Disabled).await;
    let result = login(&bed, &mut keychain).await;
    refused(&bed, result, "not_active").await;
    set(AccountState::Active).await;
    assert!(login(&bed, &mut keychain).await.is_ok());
    let removed = bed.db.write("test.remove", |tx| {
        Box::pin(async move { tx.execute("delete from passkeys", &[]).await })
    });
    let removed: Result<u64, store::Error> = removed.await;
    assert_eq!(removed, Ok(1));
    let result = login(&bed, &mut keychain).await;
    refused(&bed, result, "unknown").await;
}

#[tokio::test]
async fn nonsense_is_refused_and_noted() {
    let bed = Bed::new().await;
    let (_, _, mut keychain) = with_passkey(&bed).await;
    for answer in [Value::Null, json!({}), json!({"id": "x"})] {
        let begun = bed.studio.begin_passkey_login().await.unwrap();
        let result = bed
            .studio
            .login_by_passkey(&begun.ticket, &answer, entrance(Client::Api))
            .await;
        refused(&bed, result, "malformed").await;
    }
    let made_up = bed
        .studio
        .login_by_passkey("made-up", &json!({}), entrance(Client::Api))
        .await;
    assert!(matches!(made_up, Err(LoginError::Factor(FactorError::Ticket))));
    assert!(login(&bed, &mut keychain).await.is_ok());
}

//! Access tokens and sessions: who is let in, and that what was ended is over at once here and within
//! seconds elsewhere.

use crate::bed::{Bed, START};
use app::Studio;
use app::identity::{Presented, STANDING_MEMORY, SessionError, Tokens, Unauthenticated};
use domain::actor::{Actor, FIRST_WORKSPACE, Via};
use domain::id::{SessionId, UserId};
use domain::identity::{AccountState, Role};
use secrecy::{ExposeSecret, SecretString};
use std::time::Duration;
use store::Tx;

async fn shown(studio: &Studio, token: &SecretString) -> Result<Actor, Unauthenticated> {
    let token = token.clone();
    studio
        .authenticate(Presented::Access { token, proof: None })
        .await
}

/// Why nobody is let in.
async fn refused(studio: &Studio, token: &SecretString) -> &'static str {
    match shown(studio, token).await {
        Ok(_) => "let in",
        Err(Unauthenticated::Unknown) => "unknown",
        Err(Unauthenticated::Expired) => "expired",
        Err(Unauthenticated::SessionOver) => "over",
        Err(other) => panic!("{other}"),
    }
}

/// Changes the database as another process would: without telling this one.
macro_rules! elsewhere {
    ($bed:expr, $tx:ident => $work:expr) => {
        $bed.db
            .write("test.elsewhere", move |$tx: &mut Tx| {
                Box::pin(async move { $work.await })
            })
            .await
            .unwrap()
    };
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_lets_its_owner_in_for_ten_minutes() {
    let bed = Bed::new().await;
    let user = bed.person(None).await;
    let tokens = bed.session(user).await;
    assert_eq!(
        (tokens.expires_in, tokens.token_type),
        (Duration::from_secs(600), "Bearer")
    );
    let actor = shown(&bed.studio, &tokens.access).await.unwrap();
    let told = (
        actor.user(),
        actor.workspace(),
        actor.role(),
        actor.installation_role(),
    );
    assert_eq!(told, (user, FIRST_WORKSPACE, Role::User, Role::User));
    assert_eq!(
        *actor.via(),
        Via::Session {
            id: tokens.session,
            fresh_at: START
        }
    );
    bed.wait(600 + 29);
    assert_eq!(refused(&bed.studio, &tokens.access).await, "let in");
    bed.wait(1);
    assert_eq!(refused(&bed.studio, &tokens.access).await, "expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_another_installation_is_nobodys() {
    let (bed, other) = (Bed::new().await, Bed::new().await);
    let (_, tokens, _) = bed.logged_in().await;
    let (_, foreign, _) = other.logged_in().await;
    assert_eq!(refused(&bed.studio, &foreign.access).await, "unknown");
    let at = |place: usize| {
        tokens
            .access
            .expose_secret()
            .split('.')
            .nth(place)
            .unwrap()
            .to_owned()
    };
    let theirs = |place: usize| {
        foreign
            .access
            .expose_secret()
            .split('.')
            .nth(place)
            .unwrap()
            .to_owned()
    };
    for mixed in [
        format!("{}.{}.{}", at(0), theirs(1), at(2)),
        format!("{}.{}.{}", at(0), theirs(1), theirs(2)),
        format!("{}.{}.", at(0), at(1)),
        tokens.refresh.expose_secret().to_owned(),
    ] {
        assert_eq!(refused(&bed.studio, &mixed.into()).await, "unknown");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_elsewhere_counts_within_seconds() {
    let bed = Bed::new().await;
    let before = i64::try_from(STANDING_MEMORY.as_secs()).unwrap() - 1;
    assert!(before < 5);
    let (user, tokens, _) = bed.logged_in().await;
    let now = bed.now();
    elsewhere!(bed, tx => store::users::set_state(tx, user, AccountState::Disabled, now));
    bed.wait(before);
    assert_eq!(refused(&bed.studio, &tokens.access).await, "let in");
    bed.wait(1);
    assert_eq!(
        refused(&bed.studio, &tokens.access).await,
        "over",
        "a closed account"
    );
    elsewhere!(bed, tx => store::users::set_state(tx, user, AccountState::Active, now));
    elsewhere!(bed, tx => store::members::set_role(tx, FIRST_WORKSPACE, user, Role::Auditor));
    bed.wait(5);
    let actor = shown(&bed.studio, &tokens.access).await.unwrap();
    assert_eq!(actor.role(), Role::Auditor, "the role is not that of the token");
    elsewhere!(bed, tx => store::users::bump_epoch(tx, user, now));
    bed.wait(5);
    assert_eq!(
        refused(&bed.studio, &tokens.access).await,
        "expired",
        "an old epoch"
    );
    let tokens = bed.refreshed(&tokens).await;
    assert_eq!(refused(&bed.studio, &tokens.access).await, "let in");
    elsewhere!(bed, tx => store::members::remove(tx, FIRST_WORKSPACE, user));
    bed.wait(5);
    assert_eq!(
        refused(&bed.studio, &tokens.access).await,
        "over",
        "no member any more"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_here_counts_at_once() {
    let bed = Bed::new().await;
    let (user, tokens, actor) = bed.logged_in().await;
    let second = bed.session(user).await;
    assert_eq!(refused(&bed.studio, &second.access).await, "let in");
    let second_node = bed.another();
    assert_eq!(refused(&second_node, &second.access).await, "let in");
    bed.studio
        .end_session(&actor, second.session, None)
        .await
        .unwrap();
    assert_eq!(refused(&bed.studio, &second.access).await, "over");
    assert_eq!(
        refused(&second_node, &second.access).await,
        "let in",
        "for a few seconds"
    );
    bed.wait(5);
    assert_eq!(refused(&second_node, &second.access).await, "over");
    assert_eq!(refused(&bed.studio, &tokens.access).await, "let in");
    assert!(
        bed.told()
            .await
            .iter()
            .any(|(action, outcome, _)| action == "session.ended" && outcome == "ok")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_listed_and_ended_by_their_owner_alone() {
    let bed = Bed::new().await;
    let (user, tokens, actor) = bed.logged_in().await;
    let others: Vec<Tokens> = [bed.session(user).await, bed.session(user).await].into();
    let (_, foreign, stranger) = bed.logged_in().await;
    let listed = bed.studio.sessions(&actor).await.unwrap();
    assert_eq!(listed.len(), 3);
    let current: Vec<SessionId> = listed.iter().filter(|s| s.current).map(|s| s.id).collect();
    assert_eq!(current, [tokens.session]);
    for id in [foreign.session, SessionId::from_value(1)] {
        let ended = bed.studio.end_session(&actor, id, None).await;
        assert!(matches!(ended, Err(SessionError::NotFound)));
    }
    let ended = bed.studio.end_session(&stranger, tokens.session, None).await;
    assert!(matches!(ended, Err(SessionError::NotFound)));
    assert_eq!(bed.studio.end_other_sessions(&actor, None).await.unwrap(), 2);
    assert_eq!(bed.studio.end_other_sessions(&actor, None).await.unwrap(), 0);
    for other in &others {
        assert_eq!(refused(&bed.studio, &other.access).await, "over");
    }
    assert_eq!(refused(&bed.studio, &tokens.access).await, "let in");
    assert_eq!(refused(&bed.studio, &foreign.access).await, "let in");
    assert_eq!(bed.studio.sessions(&actor).await.unwrap().len(), 1);
    let entries = bed.told().await;
    let ends = entries.iter().filter(|(action, ..)| action == "session.ended");
    assert_eq!(ends.count(), 1, "nothing ended, nothing told");
}

#[tokio::test(flavor = "multi_thread")]
async fn logging_out_ends_the_session_of_whatever_is_shown() {
    let bed = Bed::new().await;
    let user = bed.person(None).await;
    for way in 0..3 {
        let (tokens, other) = (bed.session(user).await, bed.session(user).await);
        let (access, refresh) = (Some(&tokens.access), Some(&tokens.refresh));
        if way == 2 {
            bed.wait(3000);
        }
        let shown = match way {
            0 => (access, None),
            1 => (None, refresh),
            // The access token is over by now.
            _ => (access, None),
        };
        bed.studio.logout(shown.0, shown.1, None).await.unwrap();
        assert_ne!(refused(&bed.studio, &tokens.access).await, "let in", "{way}");
        assert!(bed.try_refresh(&tokens.refresh).await.is_err(), "{way}");
        bed.refreshed(&other).await;
    }
    let before = bed.told().await.len();
    let nobody = SecretString::from("nothing");
    bed.studio
        .logout(Some(&nobody), Some(&nobody), None)
        .await
        .unwrap();
    bed.studio.logout(None, None, None).await.unwrap();
    assert_eq!(bed.told().await.len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_a_session_who_may_not_have_one() {
    let bed = Bed::new().await;
    let user = bed.person(None).await;
    let now = bed.now();
    elsewhere!(bed, tx => store::users::set_state(tx, user, AccountState::Pending, now));
    assert!(bed.try_session(user).await.is_err());
    elsewhere!(bed, tx => store::users::set_state(tx, user, AccountState::Active, now));
    assert!(bed.try_session(user).await.is_ok());
    elsewhere!(bed, tx => store::members::remove(tx, FIRST_WORKSPACE, user));
    assert!(bed.try_session(user).await.is_err());
    assert!(bed.try_session(UserId::from_value(9)).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_are_over_are_forgotten_with_their_tokens() {
    let bed = Bed::new().await;
    let (_, tokens, _) = bed.logged_in().await;
    bed.refreshed(&tokens).await;
    bed.wait(7 * 24 * 3600 + 23 * 3600);
    bed.studio.keep_house().await.unwrap();
    assert_eq!(bed.number("select count(*) as n from sessions").await, 1);
    bed.wait(2 * 3600);
    bed.studio.keep_house().await.unwrap();
    assert_eq!(bed.number("select count(*) as n from sessions").await, 0);
    assert_eq!(bed.number("select count(*) as n from refresh_tokens").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_asks_the_database_once_in_a_while() {
    let bed = Bed::new().await;
    let (_, tokens, _) = bed.logged_in().await;
    let before = bed.db.stats();
    for _ in 0..50 {
        shown(&bed.studio, &tokens.access).await.unwrap();
    }
    let after = bed.db.stats();
    assert_eq!((after.reads - before.reads, after.writes - before.writes), (0, 0));
    bed.wait(5);
    shown(&bed.studio, &tokens.access).await.unwrap();
    // The standing, and the keys.
    assert_eq!(bed.db.stats().reads - after.reads, 2);
    let before = bed.db.stats().statements;
    let tokens = bed.refreshed(&tokens).await;
    // Take, insert, spend, touch.
    assert_eq!(bed.db.stats().statements - before, 4);
    let before = bed.db.stats().statements;
    bed.session(shown(&bed.studio, &tokens.access).await.unwrap().user())
        .await;
    // Account, membership, session, token.
    assert_eq!(
        bed.db.stats().statements - before,
        4 + 1,
        "and the standing of the refreshed session"
    );
}

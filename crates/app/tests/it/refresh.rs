//! Refresh tokens: good once, with a few seconds of grace for an answer that was lost; used twice they
//! end their session. Compared with a small model under arbitrary histories.

use crate::bed::Bed;
use app::identity::{Refresh, Tokens, Unauthenticated};
use domain::actor::FIRST_WORKSPACE;
use domain::identity::{Client, Role};
use proptest::prelude::*;
use secrecy::SecretString;
use std::time::Duration;

async fn reuses(bed: &Bed) -> usize {
    let told = bed.told().await;
    told.iter()
        .filter(|(action, ..)| action == "token.reused")
        .count()
}

async fn is_over(bed: &Bed, token: &SecretString) -> bool {
    matches!(bed.try_refresh(token).await, Err(Unauthenticated::SessionOver))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_good_once_and_its_second_use_ends_the_session() {
    let bed = Bed::new().await;
    let (_, first, _) = bed.logged_in().await;
    let second = bed.refreshed(&first).await;
    assert_eq!(second.session, first.session);
    let third = bed.refreshed(&second).await;
    bed.wait(11);
    // Let in a moment ago: what is kept of that must not count any more.
    assert_eq!(bed.actor(&third).await.session(), Some(third.session));
    assert!(
        is_over(&bed, &first.refresh).await,
        "stolen, and used after its owner"
    );
    assert_eq!(reuses(&bed).await, 1);
    assert!(is_over(&bed, &third.refresh).await, "the owner's own is over too");
    let presented = app::identity::Presented::Access {
        token: third.access.clone(),
        proof: None,
    };
    let shown = bed.studio.authenticate(presented).await;
    assert!(matches!(shown, Err(Unauthenticated::SessionOver)), "at once");
    assert_eq!(reuses(&bed).await, 1, "told once");
    let notices = "select count(*) as n from mails where kind = 'token_reused'";
    assert_eq!(bed.number(notices).await, 1, "the owner is told, once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_given_again_for_ten_seconds() {
    let bed = Bed::new().await;
    let (_, first, _) = bed.logged_in().await;
    let lost = bed.refreshed(&first).await;
    bed.wait(10);
    let again = bed.refreshed(&first).await;
    bed.refreshed(&again).await;
    assert_eq!(reuses(&bed).await, 0);
    assert!(
        is_over(&bed, &lost.refresh).await,
        "what was lost and came up after all"
    );
    assert_eq!(reuses(&bed).await, 1);

    let (_, first, _) = bed.logged_in().await;
    bed.refreshed(&first).await;
    bed.wait(11);
    assert!(is_over(&bed, &first.refresh).await, "too late");
    assert_eq!(reuses(&bed).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_grace_once_the_successor_was_used() {
    let bed = Bed::new().await;
    let (_, first, _) = bed.logged_in().await;
    let second = bed.refreshed(&first).await;
    let third = bed.refreshed(&second).await;
    assert!(is_over(&bed, &first.refresh).await);
    assert!(is_over(&bed, &third.refresh).await);
    assert_eq!(reuses(&bed).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_comes_the_way_it_was_handed_out() {
    let bed = Bed::new().await;
    let (_, tokens, _) = bed.logged_in().await;
    let by_cookie = Refresh {
        token: tokens.refresh.clone(),
        client: Client::Browser,
        proof: None,
        request_id: None,
    };
    assert!(matches!(
        bed.studio.refresh(by_cookie).await,
        Err(Unauthenticated::SessionOver)
    ));
    for nobodys in [
        "",
        "sasr_",
        "sasr_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "a.b.c",
    ] {
        assert!(is_over(&bed, &nobodys.into()).await);
    }
    assert_eq!(reuses(&bed).await, 0);
    bed.refreshed(&tokens).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_end_after_a_while_without_use_and_at_last_in_any_case() {
    let hour: i64 = 3600;
    for (role, idle, absolute) in [
        (Role::User, 24 * hour, 7 * 24 * hour),
        (Role::Admin, hour, 12 * hour),
    ] {
        let bed = Bed::new().await;
        let user = bed.person(None).await;
        let now = bed.now();
        let made = bed.db.write("test.role", move |tx| {
            Box::pin(store::users::set_role(tx, user, role, now))
        });
        made.await.unwrap();
        let tokens = bed.session(user).await;
        assert_eq!(
            tokens.refresh_expires_in,
            Duration::from_secs(absolute.unsigned_abs())
        );
        bed.wait(idle - 1);
        let tokens = bed.refreshed(&tokens).await;
        bed.wait(idle);
        assert!(is_over(&bed, &tokens.refresh).await, "{role} idle");
        let mut tokens = bed.session(user).await;
        let begun = bed.now();
        while bed.now().since(begun).as_secs() + 1800 < absolute.unsigned_abs() {
            bed.wait(1800);
            tokens = bed.refreshed(&tokens).await;
        }
        bed.wait(1800 - 60);
        let last = bed.refreshed(&tokens).await;
        assert_eq!(
            last.expires_in,
            Duration::from_secs(60),
            "no access token outlives its session"
        );
        bed.wait(60);
        assert!(is_over(&bed, &last.refresh).await, "{role} absolute");
        assert_eq!(reuses(&bed).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_becomes_an_administrator_gets_their_limits() {
    let bed = Bed::new().await;
    let (user, tokens, _) = bed.logged_in().await;
    let made = bed.db.write("test.role", move |tx| {
        Box::pin(store::members::set_role(tx, FIRST_WORKSPACE, user, Role::Admin))
    });
    made.await.unwrap();
    bed.wait(600);
    let tokens = bed.refreshed(&tokens).await;
    assert_eq!(tokens.refresh_expires_in, Duration::from_secs(12 * 3600 - 600));
    bed.wait(3600);
    assert!(is_over(&bed, &tokens.refresh).await);
}

/// What stands of a session's chain: tokens, those that are live, the session.
async fn chain(bed: &Bed) -> (i64, i64, i64) {
    (
        bed.number("select count(*) as n from refresh_tokens").await,
        bed.number("select count(*) as n from refresh_tokens where used_at is null")
            .await,
        bed.number("select count(*) as n from sessions where ended_at is null")
            .await,
    )
}

async fn fifty_at_once(bed: &Bed, tokens: &Tokens) -> Vec<Tokens> {
    let mut callers = Vec::new();
    for _ in 0..50 {
        let (studio, token) = (bed.studio.clone(), tokens.refresh.clone());
        callers.push(tokio::spawn(async move {
            let refresh = Refresh {
                token,
                client: Client::Api,
                proof: None,
                request_id: None,
            };
            studio.refresh(refresh).await
        }));
    }
    let mut good = Vec::new();
    for caller in callers {
        match caller.await.unwrap() {
            Ok(tokens) => good.push(tokens),
            Err(Unauthenticated::SessionOver) => {}
            Err(other) => panic!("{other}"),
        }
    }
    good
}

async fn of_fifty_one_is_left(bed: Bed) {
    let (_, first, _) = bed.logged_in().await;
    let good = fifty_at_once(&bed, &first).await;
    // Each found the answer before it lost and got its own in its place: one is good.
    assert_eq!(good.len(), 50);
    assert_eq!(chain(&bed).await, (51, 1, 1));
    let generations = "select max(generation) as n from refresh_tokens";
    assert_eq!(bed.number(generations).await, 1);
    let successor = "select count(*) as n from refresh_tokens one join refresh_tokens other \
                     on other.hash = one.successor where one.generation = 0 and other.used_at is null";
    assert_eq!(bed.number(successor).await, 1);
    assert_eq!(reuses(&bed).await, 0);
    bed.wait(11);
    let mut left = Vec::new();
    for tokens in &good {
        // The first that is not the live one ends the session.
        left.push(bed.try_refresh(&tokens.refresh).await.is_ok());
    }
    assert!(left.iter().filter(|ok| **ok).count() <= 1);
    assert_eq!(reuses(&bed).await, 1);
    assert_eq!(
        bed.number("select count(*) as n from sessions where ended_at is null")
            .await,
        0
    );
}

async fn without_grace_fifty_end_it(bed: Bed) {
    let (_, first, _) = bed.logged_in().await;
    let good = fifty_at_once(&bed, &first).await;
    assert_eq!(good.len(), 1);
    assert_eq!(chain(&bed).await, (2, 1, 0));
    assert_eq!(reuses(&bed).await, 1, "told once");
    assert!(is_over(&bed, &good[0].refresh).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_refreshes_at_once_one_is_left() {
    of_fifty_one_is_left(Bed::new().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_grace_fifty_refreshes_at_once_end_the_session() {
    let settings = |settings: &mut app::settings::Settings| settings.identity.refresh_grace = Duration::ZERO;
    without_grace_fifty_end_it(Bed::with(settings).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_refreshes_at_once_one_is_left_on_postgres() {
    if let Some(bed) = Bed::on_postgres(|_| ()).await {
        of_fifty_one_is_left(bed).await;
    }
    let settings = |settings: &mut app::settings::Settings| settings.identity.refresh_grace = Duration::ZERO;
    if let Some(bed) = Bed::on_postgres(settings).await {
        without_grace_fifty_end_it(bed).await;
    }
}

#[derive(Clone, Debug)]
enum Act {
    /// The token that was handed out as the nth (counted modulo those there are) is used.
    Use(usize),
    /// The newest is used.
    UseNewest,
    /// Seconds go by.
    Wait(u8),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => (0..8_usize).prop_map(Act::Use),
        4 => Just(Act::UseNewest),
        2 => prop_oneof![Just(1_u8), Just(9), Just(10), Just(11)].prop_map(Act::Wait),
    ]
}

/// The chain as the specification tells it: each token, when it was used, and what came for it.
#[derive(Default)]
struct Model {
    used: Vec<Option<i64>>,
    successor: Vec<Option<usize>>,
    withdrawn: Vec<bool>,
    ended: bool,
    now: i64,
}

impl Model {
    fn handed_out(&mut self) -> usize {
        self.used.push(None);
        self.successor.push(None);
        self.withdrawn.push(false);
        self.used.len() - 1
    }

    fn turn(&mut self, token: usize) -> bool {
        if self.ended {
            return false;
        }
        let lost = |model: &Self| {
            let next = model.successor[token]?;
            let in_time = model.now - model.used[token]? <= 10;
            (in_time && model.used[next].is_none() && !model.withdrawn[next]).then_some(next)
        };
        if self.withdrawn[token] {
            self.ended = true;
        } else if self.used[token].is_none() {
            self.used[token] = Some(self.now);
            self.successor[token] = Some(self.handed_out());
        } else if let Some(unused) = lost(self) {
            self.withdrawn[unused] = true;
            self.successor[token] = Some(self.handed_out());
        } else {
            self.ended = true;
        }
        !self.ended
    }

    fn live(&self) -> i64 {
        let live = (0..self.used.len()).filter(|at| self.used[*at].is_none() && !self.withdrawn[*at]);
        i64::try_from(live.count()).unwrap()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn every_history_is_that_of_the_model(acts in proptest::collection::vec(act(), 1..14)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async move {
            let bed = Bed::new().await;
            let (_, first, _) = bed.logged_in().await;
            let mut model = Model::default();
            model.handed_out();
            let mut tokens = vec![first];
            for act in acts {
                let which = match act {
                    Act::Wait(seconds) => {
                        bed.wait(i64::from(seconds));
                        model.now += i64::from(seconds);
                        continue;
                    }
                    Act::Use(n) => n % tokens.len(),
                    Act::UseNewest => tokens.len() - 1,
                };
                let answer = bed.try_refresh(&tokens[which].refresh).await;
                assert_eq!(answer.is_ok(), model.turn(which), "{which}");
                tokens.extend(answer.ok());
                let alive = i64::from(!model.ended);
                let count = i64::try_from(tokens.len()).unwrap();
                assert_eq!(chain(&bed).await, (count, model.live(), alive));
                assert_eq!(reuses(&bed).await, usize::from(model.ended));
            }
        });
    }
}

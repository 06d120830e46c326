//! Sessions, refresh tokens, token keys and proofs.

use crate::bed::{Bed, NOW, at, conflict, fresh, user};
use domain::actor::FIRST_WORKSPACE;
use domain::id::{SessionId, UserId, WorkspaceId};
use domain::identity::{AccountState, Client, Method, Role};
use domain::secret::TokenHash;
use std::collections::BTreeSet;
use store::members::Member;
use store::refresh_tokens::{self, RefreshToken};
use store::sessions::{self, Session};
use store::token_keys::TokenKey;
use store::{members, proofs, token_keys, users};

on_both!(
    a_session_comes_back_with_what_its_owner_is,
    sessions_end_once_and_for_their_owner_alone,
    all_sessions_end_but_one,
    what_is_over_is_not_listed_and_is_forgotten,
    a_chain_has_one_live_token,
    a_token_is_taken_by_one_at_a_time,
    keys_come_back_and_go,
    a_proof_is_taken_by_one,
);

fn session(owner: UserId) -> Session {
    Session {
        id: SessionId::from_value(fresh()),
        user: owner,
        workspace: FIRST_WORKSPACE,
        client: Client::Api,
        agent: "curl".to_owned(),
        network: "192.0.2.0/24".to_owned(),
        created_at: NOW,
        used_at: NOW,
        idle_until: at(100),
        ends_at: at(1000),
        methods: vec![Method::Password, Method::Totp],
        auth_at: at(-1),
        fresh_at: at(-2),
        jkt: Some("thumbprint".to_owned()),
        ended_at: None,
    }
}

/// Somebody, a member of the first workspace.
async fn somebody(bed: &Bed) -> UserId {
    let new = user(&format!("index-{}", fresh()));
    let member = Member {
        workspace: FIRST_WORKSPACE,
        user: new.id,
        role: Role::Operator,
        created_at: NOW,
    };
    write!(bed.db, tx [new] => users::insert(tx, &new)).unwrap();
    write!(bed.db, tx [member] => members::insert(tx, &member)).unwrap();
    new.id
}

async fn opened(bed: &Bed, owner: UserId) -> Session {
    let new = session(owner);
    write!(bed.db, tx [new] => sessions::insert(tx, &new)).unwrap();
    new
}

async fn standing(bed: &Bed, id: SessionId) -> Option<sessions::Standing> {
    read!(bed.db, read [] => sessions::standing(read, id)).unwrap()
}

async fn a_session_comes_back_with_what_its_owner_is(bed: Bed) {
    let owner = somebody(&bed).await;
    let new = opened(&bed, owner).await;
    let found = standing(&bed, new.id).await.unwrap();
    assert_eq!(found.session, new);
    assert_eq!(
        (found.state, found.role, found.workspace_role, found.auth_epoch),
        (AccountState::Pending, Role::User, Some(Role::Operator), 0)
    );
    assert_eq!(standing(&bed, SessionId::from_value(fresh())).await, None);
    let id = new.id;
    write!(bed.db, tx [] => sessions::touch(tx, id, at(1), at(2), at(3))).unwrap();
    let methods = [Method::Passkey];
    assert!(write!(bed.db, tx [] => sessions::show_factor(tx, id, &methods, at(4))).unwrap());
    write!(bed.db, tx [] => users::bump_epoch(tx, owner, NOW)).unwrap();
    write!(bed.db, tx [] => members::remove(tx, FIRST_WORKSPACE, owner)).unwrap();
    let found = standing(&bed, id).await.unwrap();
    let after = &found.session;
    assert_eq!(
        (after.used_at, after.idle_until, after.ends_at, after.fresh_at),
        (at(1), at(2), at(3), at(4))
    );
    assert_eq!(after.methods, methods);
    assert_eq!((found.workspace_role, found.auth_epoch), (None, 1));
    let elsewhere = WorkspaceId::from_value(fresh());
    let moved = write!(bed.db, tx [] => sessions::set_workspace(tx, id, elsewhere));
    assert!(moved.is_err(), "no such workspace");
    assert!(write!(bed.db, tx [] => sessions::set_workspace(tx, id, FIRST_WORKSPACE)).unwrap());
}

async fn sessions_end_once_and_for_their_owner_alone(bed: Bed) {
    let (owner, stranger) = (somebody(&bed).await, somebody(&bed).await);
    let id = opened(&bed, owner).await.id;
    let end = async |who: UserId| write!(bed.db, tx [] => sessions::end(tx, who, id, "why", at(5))).unwrap();
    assert!(!end(stranger).await);
    assert!(standing(&bed, id).await.unwrap().session.is_alive(at(5)));
    assert!(end(owner).await);
    assert!(!end(owner).await, "once");
    let ended = standing(&bed, id).await.unwrap().session;
    assert_eq!(ended.ended_at, Some(at(5)));
    assert!(!ended.is_alive(at(5)));
    let methods = [Method::Password];
    assert!(!write!(bed.db, tx [] => sessions::show_factor(tx, id, &methods, at(6))).unwrap());
    assert!(!write!(bed.db, tx [] => sessions::set_workspace(tx, id, FIRST_WORKSPACE)).unwrap());
}

async fn all_sessions_end_but_one(bed: Bed) {
    let (owner, stranger) = (somebody(&bed).await, somebody(&bed).await);
    let mut mine = BTreeSet::new();
    for _ in 0..3 {
        mine.insert(opened(&bed, owner).await.id);
    }
    let theirs = opened(&bed, stranger).await.id;
    let kept = *mine.first().unwrap();
    let end = async |except| {
        let ended = write!(bed.db, tx [] => sessions::end_all(tx, owner, except, "why", at(1))).unwrap();
        ended.into_iter().collect::<BTreeSet<_>>()
    };
    let others: BTreeSet<_> = mine.iter().copied().filter(|id| *id != kept).collect();
    assert_eq!(end(Some(kept)).await, others);
    assert_eq!(end(None).await, BTreeSet::from([kept]));
    assert_eq!(end(None).await, BTreeSet::new());
    assert!(standing(&bed, theirs).await.unwrap().session.is_alive(at(1)));
}

async fn what_is_over_is_not_listed_and_is_forgotten(bed: Bed) {
    let owner = somebody(&bed).await;
    let (first, second) = (opened(&bed, owner).await, opened(&bed, owner).await);
    let listed = async |now| {
        let alive = read!(bed.db, read [] => sessions::alive_of(read, owner, now)).unwrap();
        alive.into_iter().map(|session| session.id).collect::<Vec<_>>()
    };
    assert_eq!(listed(at(99)).await, [second.id, first.id], "newest first");
    assert!(listed(at(100)).await.is_empty(), "idle");
    let id = first.id;
    write!(bed.db, tx [] => sessions::touch(tx, id, at(99), at(2000), at(1000))).unwrap();
    assert_eq!(listed(at(999)).await, [first.id]);
    assert!(listed(at(1000)).await.is_empty());
    token(&bed, &first, "a").await;
    let forget = async |before| write!(bed.db, tx [] => sessions::forget_over(tx, before, 1)).unwrap();
    assert_eq!(forget(at(1000)).await, 0);
    assert_eq!(
        (
            forget(at(1001)).await,
            forget(at(1001)).await,
            forget(at(1001)).await
        ),
        (1, 1, 0)
    );
    assert!(standing(&bed, id).await.is_none());
}

async fn token(bed: &Bed, of: &Session, name: &'static str) -> RefreshToken {
    let new = RefreshToken {
        hash: TokenHash::of(name),
        session: of.id,
        generation: 0,
        issued_at: NOW,
        used_at: None,
        successor: None,
    };
    write!(bed.db, tx [new] => refresh_tokens::insert(tx, &new)).unwrap();
    new
}

async fn a_chain_has_one_live_token(bed: Bed) {
    let owner = somebody(&bed).await;
    let session = opened(&bed, owner).await;
    let first = token(&bed, &session, "first").await;
    let hash = |name| TokenHash::of(name);
    let take =
        async |name| write!(bed.db, tx [] => async { refresh_tokens::take(tx, &hash(name)).await }).unwrap();
    let (taken, standing) = take("first").await.unwrap();
    assert_eq!((taken, standing.session), (first, session.clone()));
    assert!(take("unknown").await.is_none());
    token(&bed, &session, "second").await;
    token(&bed, &session, "third").await;
    let spend = async |name, next, now| {
        write!(bed.db, tx [] => async { refresh_tokens::spend(tx, &hash(name), &hash(next), now).await })
            .unwrap()
    };
    assert!(spend("first", "second", at(1)).await);
    assert!(!spend("first", "third", at(2)).await, "once");
    let (taken, _) = take("first").await.unwrap();
    assert_eq!(
        (taken.used_at, taken.successor),
        (Some(at(1)), Some(hash("second")))
    );
    let replace = async |unused, next| {
        let (one, two, three) = (hash("first"), hash(unused), hash(next));
        write!(bed.db, tx [one, two, three] => async { refresh_tokens::replace_successor(tx, &one, &two, &three, at(3)).await })
            .unwrap()
    };
    assert!(replace("second", "third").await);
    assert!(!replace("second", "third").await, "it was withdrawn");
    let (withdrawn, _) = take("second").await.unwrap();
    assert_eq!((withdrawn.used_at, withdrawn.successor), (Some(at(3)), None));
    assert_eq!(take("first").await.unwrap().0.successor, Some(hash("third")));
    let again = RefreshToken {
        hash: hash("third"),
        ..take("third").await.unwrap().0
    };
    assert_eq!(
        conflict(write!(bed.db, tx [again] => refresh_tokens::insert(tx, &again))),
        "refresh_tokens_pkey"
    );
}

async fn a_token_is_taken_by_one_at_a_time(bed: Bed) {
    let owner = somebody(&bed).await;
    let session = opened(&bed, owner).await;
    token(&bed, &session, "one").await;
    let mut callers = Vec::new();
    for number in 0..16_i64 {
        let db = bed.db.clone();
        callers.push(tokio::spawn(async move {
            let next = TokenHash::of(&format!("next {number}"));
            db.write("test.take", move |tx| {
                let next = next.clone();
                Box::pin(async move {
                    let one = TokenHash::of("one");
                    let (token, _) = refresh_tokens::take(tx, &one).await?.unwrap();
                    // Whoever found it unused is the one that uses it.
                    let mine = token.used_at.is_none();
                    let spent = refresh_tokens::spend(tx, &one, &next, at(number)).await?;
                    Ok::<_, store::Error>((mine, spent))
                })
            })
            .await
            .unwrap()
        }));
    }
    let mut answers = Vec::new();
    for caller in callers {
        answers.push(caller.await.unwrap());
    }
    assert!(answers.iter().all(|(mine, spent)| mine == spent), "{answers:?}");
    assert_eq!(answers.iter().filter(|(mine, _)| *mine).count(), 1);
}

async fn keys_come_back_and_go(bed: Bed) {
    let key = |kid: &str, seconds| TokenKey {
        kid: kid.to_owned(),
        public_key: vec![1; 32],
        private_wrapped: vec![2; 60],
        created_at: at(seconds),
        signs_from: Some(at(seconds)),
        signs_until: None,
    };
    let (older, newer) = (
        key("b", 1),
        TokenKey {
            signs_from: None,
            ..key("a", 2)
        },
    );
    for new in [&newer, &older] {
        let new = new.clone();
        write!(bed.db, tx [new] => token_keys::insert(tx, &new)).unwrap();
    }
    let all = async || read!(bed.db, read [] => token_keys::all(read)).unwrap();
    assert_eq!(all().await, [older.clone(), newer.clone()]);
    assert!(!format!("{older:?}").contains("2, 2"));
    write!(bed.db, tx [] => token_keys::set_times(tx, "a", Some(at(5)), Some(at(6)))).unwrap();
    assert_eq!(
        (all().await[1].signs_from, all().await[1].signs_until),
        (Some(at(5)), Some(at(6)))
    );
    assert!(write!(bed.db, tx [] => token_keys::remove(tx, "b")).unwrap());
    assert!(!write!(bed.db, tx [] => token_keys::remove(tx, "b")).unwrap());
    write!(bed.db, tx [] => token_keys::lock(tx)).unwrap();
    let again = key("a", 9);
    let refused = write!(bed.db, tx [again] => token_keys::insert(tx, &again));
    assert_eq!(conflict(refused), "token_keys_pkey");
}

async fn a_proof_is_taken_by_one(bed: Bed) {
    let mut callers = Vec::new();
    for _ in 0..8 {
        let db = bed.db.clone();
        callers.push(tokio::spawn(async move {
            write!(db, tx [] => proofs::first_use(tx, "once", at(10))).unwrap()
        }));
    }
    let mut firsts = 0;
    for caller in callers {
        firsts += usize::from(caller.await.unwrap());
    }
    assert_eq!(firsts, 1);
    assert!(write!(bed.db, tx [] => proofs::first_use(tx, "other", at(20))).unwrap());
    let forget = async |now| write!(bed.db, tx [] => proofs::forget_before(tx, now, 5)).unwrap();
    assert_eq!((forget(at(10)).await, forget(at(11)).await), (0, 1));
    assert!(write!(bed.db, tx [] => proofs::first_use(tx, "once", at(20))).unwrap());
}

//! API keys: what a key opens, where, until when, and what is kept of it.

use crate::bed::Bed;
use app::identity::keys::{ApiKeyError, MAX_KEYS, MAX_NETWORKS, NewApiKey};
use app::identity::{Presented, Unauthenticated};
use credentials::api_key::ApiKey;
use domain::actor::{Actor, FIRST_WORKSPACE, Via};
use domain::id::{UserId, WorkspaceId};
use domain::identity::{AccountState, Name, Role, Scopes};
use domain::rights::{Action, Object};
use secrecy::SecretString;
use std::time::Duration;

fn wish() -> NewApiKey {
    NewApiKey {
        name: Name::parse("laptop").unwrap(),
        scopes: Scopes::parse(["generations:read", "assets:write"]).unwrap(),
        expires_at: None,
        networks: Vec::new(),
    }
}

fn owner(user: UserId) -> Actor {
    Actor::new(user, FIRST_WORKSPACE)
}

async fn made(bed: &Bed, user: UserId, wish: &NewApiKey) -> (domain::id::KeyId, String) {
    let (view, secret) = bed.studio.create_api_key(&owner(user), wish, None).await.unwrap();
    (view.id, secret.expose().to_owned())
}

async fn shown(bed: &Bed, secret: &str, address: &str) -> Result<Actor, Unauthenticated> {
    let secret = SecretString::from(secret);
    let address = address.parse().unwrap();
    bed.studio
        .authenticate(Presented::ApiKey { secret, address })
        .await
}

async fn opens(bed: &Bed, secret: &str) -> bool {
    match shown(bed, secret, "192.0.2.1").await {
        Ok(_) => true,
        Err(Unauthenticated::Unknown) => false,
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_key_acts_as_its_owner_within_its_scopes() {
    let bed = Bed::new().await;
    let user = bed.person(None).await;
    let (id, secret) = made(&bed, user, &wish()).await;
    let actor = shown(&bed, &secret, "192.0.2.1").await.unwrap();
    assert_eq!((actor.user(), actor.workspace()), (user, FIRST_WORKSPACE));
    assert!(matches!(actor.via(), Via::Key { id: by, .. } if *by == id));
    assert!(actor.may(Action::Read, Object::Generation).is_ok());
    assert!(actor.may(Action::Delete, Object::Asset).is_ok());
    assert!(actor.may(Action::Create, Object::Generation).is_err());
    assert!(actor.may(Action::Create, Object::ApiKey).is_err());
    assert!(!bed.studio.is_fresh(&actor), "a key shows no factor");
    for object in [Object::Person, Object::AuditLog] {
        let all = NewApiKey {
            scopes: Scopes::all(),
            ..wish()
        };
        let (_, secret) = made(&bed, user, &all).await;
        let actor = shown(&bed, &secret, "192.0.2.1").await.unwrap();
        assert!(
            actor.may(Action::Read, object).is_err(),
            "no more than its owner may"
        );
    }
}

#[tokio::test]
async fn what_is_no_key_is_refused_before_the_database_is_asked() {
    let bed = Bed::new().await;
    let user = bed.person(None).await;
    let (_, secret) = made(&bed, user, &wish()).await;
    let other = ApiKey::new(&[9; 32]).expose().to_owned();
    assert!(!opens(&bed, &other).await, "well formed, but nobody's");
    bed.db.close().await;
    for at in [9, 30, 51, 57] {
        let mut text = secret.clone().into_bytes();
        text[at] = if text[at] == b'a' { b'b' } else { b'a' };
        assert!(!opens(&bed, &String::from_utf8(text).unwrap()).await);
    }
    assert!(!opens(&bed, "sas_live_").await);
    let asked = shown(&bed, &other, "192.0.2.1").await;
    assert!(matches!(asked, Err(Unauthenticated::Store(_))), "{asked:?}");
}

#[tokio::test]
async fn a_key_ends_at_its_time_or_when_it_is_revoked() {
    let bed = Bed::new().await;
    let user = bed.person(None).await;
    let ending = NewApiKey {
        expires_at: Some(bed.now().after(Duration::from_secs(60))),
        ..wish()
    };
    let (_, ending) = made(&bed, user, &ending).await;
    let (id, lasting) = made(&bed, user, &wish()).await;
    bed.wait(59);
    assert!(opens(&bed, &ending).await);
    bed.wait(1);
    assert!(!opens(&bed, &ending).await);
    assert!(opens(&bed, &lasting).await);
    bed.studio.revoke_api_key(&owner(user), id, None).await.unwrap();
    assert!(!opens(&bed, &lasting).await);
    let again = bed.studio.revoke_api_key(&owner(user), id, None).await;
    assert!(matches!(again, Err(ApiKeyError::NotFound)));
    let audited: Vec<_> = bed.told().await.into_iter().map(|(action, ..)| action).collect();
    assert_eq!(audited, ["key.created", "key.created", "key.revoked"]);
}

#[tokio::test]
async fn a_key_is_good_in_its_networks_only() {
    let bed = Bed::new().await;
    let user = bed.person(None).await;
    let networks = ["10.1.0.0/16", "fd00::/8"].map(|text| text.parse().unwrap());
    let wish = NewApiKey {
        networks: networks.to_vec(),
        ..wish()
    };
    let (_, secret) = made(&bed, user, &wish).await;
    for inside in ["10.1.2.3", "::ffff:10.1.2.3", "fd00::1"] {
        assert!(shown(&bed, &secret, inside).await.is_ok(), "{inside}");
    }
    for outside in ["10.2.0.1", "::1", "127.0.0.1"] {
        let refused = shown(&bed, &secret, outside).await;
        assert!(matches!(refused, Err(Unauthenticated::Network)), "{outside}");
    }
}

#[tokio::test]
async fn a_change_of_its_owner_counts_at_once() {
    let bed = Bed::new().await;
    let user = bed.person(None).await;
    let (_, secret) = made(&bed, user, &wish()).await;
    let roles = async || {
        let actor = shown(&bed, &secret, "192.0.2.1").await.unwrap();
        (actor.role(), actor.installation_role())
    };
    assert_eq!(roles().await, (Role::User, Role::User));
    let now = bed.now();
    let change = bed.db.write("test.roles", move |tx| {
        Box::pin(async move {
            store::members::set_role(tx, FIRST_WORKSPACE, user, Role::Auditor).await?;
            store::users::set_role(tx, user, Role::Admin, now).await
        })
    });
    change.await.unwrap();
    assert_eq!(roles().await, (Role::Auditor, Role::Admin));
    let close = bed.db.write("test.close", move |tx| {
        Box::pin(store::users::set_state(tx, user, AccountState::Disabled, now))
    });
    close.await.unwrap();
    assert!(!opens(&bed, &secret).await);
    let leave = bed.db.write("test.leave", move |tx| {
        Box::pin(async move {
            store::users::set_state(tx, user, AccountState::Active, now).await?;
            store::members::remove(tx, FIRST_WORKSPACE, user).await
        })
    });
    assert!(leave.await.unwrap());
    assert!(!opens(&bed, &secret).await, "no member of its workspace any more");
}

#[tokio::test]
async fn use_is_noted_at_most_once_a_minute() {
    let bed = Bed::new().await;
    let user = bed.person(None).await;
    let (_, secret) = made(&bed, user, &wish()).await;
    let used = async || bed.studio.api_keys(user).await.unwrap()[0].used_at;
    assert_eq!(used().await, None);
    let start = bed.now();
    assert!(opens(&bed, &secret).await);
    assert_eq!(used().await, Some(start));
    let written = bed.db.stats().writes;
    bed.wait(59);
    for _ in 0..20 {
        assert!(opens(&bed, &secret).await);
    }
    assert_eq!(used().await, Some(start));
    assert_eq!(bed.db.stats().writes, written, "nothing is written for a request");
    bed.wait(1);
    assert!(opens(&bed, &secret).await);
    assert_eq!(used().await, Some(bed.now()));
}

#[tokio::test]
async fn a_list_shows_what_tells_keys_apart_and_no_secret() {
    let bed = Bed::new().await;
    let (user, other) = (bed.person(None).await, bed.person(None).await);
    let (first, secret) = made(&bed, user, &wish()).await;
    bed.wait(1);
    let (second, _) = made(&bed, user, &wish()).await;
    let (theirs, _) = made(&bed, other, &wish()).await;
    let views = bed.studio.api_keys(user).await.unwrap();
    let ids: Vec<_> = views.iter().map(|view| view.id).collect();
    assert_eq!(ids, [second, first]);
    assert_eq!(views[1].name.expose(), "laptop");
    assert!(secret.ends_with(&views[1].hint) && views[1].hint.len() == 4);
    assert!(!format!("{views:?}").contains("laptop"));
    let refused = bed.studio.revoke_api_key(&owner(user), theirs, None).await;
    assert!(matches!(refused, Err(ApiKeyError::NotFound)));
    let kept = "select count(*) as n from api_keys where mac like '%sas_live%' or hint like '%sas_live%'";
    assert_eq!(bed.number(kept).await, 0);
}

#[tokio::test]
async fn a_key_that_would_be_for_nothing_is_not_made() {
    let bed = Bed::new().await;
    let user = bed.person(None).await;
    let network = "10.0.0.0/8".parse().unwrap();
    let over = NewApiKey {
        expires_at: Some(bed.now()),
        ..wish()
    };
    let nothing = NewApiKey {
        scopes: Scopes::default(),
        ..wish()
    };
    let many = NewApiKey {
        networks: vec![network; MAX_NETWORKS + 1],
        ..wish()
    };
    let create = async |wish: &NewApiKey| {
        let made = bed.studio.create_api_key(&owner(user), wish, None).await;
        made.map(drop)
    };
    assert!(matches!(create(&over).await, Err(ApiKeyError::Over)));
    assert!(matches!(create(&nothing).await, Err(ApiKeyError::NoScope)));
    assert!(matches!(create(&many).await, Err(ApiKeyError::TooManyNetworks)));
    for _ in 0..MAX_KEYS {
        create(&wish()).await.unwrap();
    }
    assert!(matches!(create(&wish()).await, Err(ApiKeyError::TooMany)));
    let newest = bed.studio.api_keys(user).await.unwrap()[0].id;
    bed.studio
        .revoke_api_key(&owner(user), newest, None)
        .await
        .unwrap();
    create(&wish()).await.unwrap();
}

#[tokio::test]
async fn a_stand_in_at_the_machine_is_an_active_member() {
    let bed = Bed::new().await;
    let email = domain::identity::Email::parse("ana@example.org").unwrap();
    let nobody = bed.studio.stand_in_for(&email, None).await.unwrap();
    assert!(nobody.is_none());
    let elsewhere = WorkspaceId::from_value(77);
    let nobody = bed.studio.stand_in_for(&email, Some(elsewhere)).await.unwrap();
    assert!(nobody.is_none());
}

#[tokio::test]
async fn a_new_key_is_told_to_its_owner_and_one_that_is_not_made_is_not() {
    let bed = Bed::new().await;
    let user = bed.person(None).await;
    made(&bed, user, &wish()).await;
    let told = [("api_key_made".to_owned(), None)];
    assert_eq!(crate::login::letters(&bed).await, told);
    let nothing = NewApiKey {
        scopes: Scopes::default(),
        ..wish()
    };
    assert!(
        bed.studio
            .create_api_key(&owner(user), &nothing, None)
            .await
            .is_err()
    );
    assert_eq!(crate::login::letters(&bed).await, told);
}

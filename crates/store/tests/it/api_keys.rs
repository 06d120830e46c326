//! API keys.

use crate::bed::{Bed, at, conflict, fresh, user};
use domain::actor::FIRST_WORKSPACE;
use domain::id::{KeyId, UserId};
use domain::identity::{AccountState, Role, Scopes};
use store::api_keys::{self, ApiKey, InUse};
use store::members::{self, Member};
use store::users;

on_both!(
    a_key_comes_back_by_its_mac_and_to_its_owner,
    a_key_in_use_tells_what_its_owner_is_now,
    two_keys_never_share_a_secret,
    a_revoked_key_is_known_but_not_listed,
    keys_of_another_person_are_not_there,
    use_is_noted_forwards_only,
);

async fn person(bed: &Bed) -> UserId {
    let user = user(&format!("index-{}", fresh()));
    write!(bed.db, tx [user] => users::insert(tx, &user)).unwrap();
    user.id
}

fn key(owner: UserId) -> ApiKey {
    let id = KeyId::from_value(fresh());
    ApiKey {
        id,
        user: owner,
        workspace: FIRST_WORKSPACE,
        name_sealed: b"sealed".to_vec(),
        mac: format!("mac-{id}"),
        hint: "wxyz".to_owned(),
        scopes: Scopes::parse(["generations:read", "assets:write"]).unwrap(),
        networks: vec!["10.0.0.0/8".to_owned(), "fd00::/8".to_owned()],
        created_at: at(1),
        expires_at: Some(at(100)),
        revoked_at: None,
        used_at: None,
    }
}

async fn kept(bed: &Bed, key: ApiKey) -> ApiKey {
    write!(bed.db, tx [key] => api_keys::insert(tx, &key)).unwrap();
    key
}

async fn in_use(bed: &Bed, mac: &str) -> Option<InUse> {
    let mac = mac.to_owned();
    read!(bed.db, read [mac] => api_keys::find_in_use(read, &mac)).unwrap()
}

async fn by_mac(bed: &Bed, mac: &str) -> Option<ApiKey> {
    in_use(bed, mac).await.map(|found| found.key)
}

async fn a_key_in_use_tells_what_its_owner_is_now(bed: Bed) {
    let owner = person(&bed).await;
    let key = kept(&bed, key(owner)).await;
    let told = async || {
        let found = in_use(&bed, &key.mac).await.unwrap();
        (found.state, found.installation_role, found.role)
    };
    assert_eq!(told().await, (AccountState::Pending, Role::User, None));
    let member = Member {
        workspace: FIRST_WORKSPACE,
        user: owner,
        role: Role::Finance,
        created_at: at(1),
    };
    write!(bed.db, tx [member] => members::insert(tx, &member)).unwrap();
    write!(bed.db, tx [] => users::set_role(tx, owner, Role::Admin, at(2))).unwrap();
    write!(bed.db, tx [] => users::set_state(tx, owner, AccountState::Disabled, at(3))).unwrap();
    assert_eq!(
        told().await,
        (AccountState::Disabled, Role::Admin, Some(Role::Finance))
    );
    let other = person(&bed).await;
    let theirs = Member {
        user: other,
        ..member
    };
    write!(bed.db, tx [theirs] => members::insert(tx, &theirs)).unwrap();
    write!(bed.db, tx [] => members::remove(tx, FIRST_WORKSPACE, owner)).unwrap();
    assert_eq!(told().await.2, None, "another member's role is not theirs");
}

async fn a_key_comes_back_by_its_mac_and_to_its_owner(bed: Bed) {
    let owner = person(&bed).await;
    let first = kept(&bed, key(owner)).await;
    let second = kept(
        &bed,
        ApiKey {
            networks: Vec::new(),
            scopes: Scopes::all(),
            expires_at: None,
            ..key(owner)
        },
    )
    .await;
    assert_eq!(by_mac(&bed, &first.mac).await, Some(first.clone()));
    assert_eq!(by_mac(&bed, "another").await, None);
    let id = second.id;
    assert_eq!(
        read!(bed.db, read [] => api_keys::find(read, owner, id)).unwrap(),
        Some(second.clone())
    );
    assert_eq!(
        read!(bed.db, read [] => api_keys::of_user(read, owner)).unwrap(),
        [second, first.clone()]
    );
    assert_eq!(
        read!(bed.db, read [] => api_keys::count_of_user(read, owner)),
        Ok(2)
    );
    assert!(!format!("{first:?}").contains("mac-"), "{first:?}");
}

async fn two_keys_never_share_a_secret(bed: Bed) {
    let owner = person(&bed).await;
    let first = kept(&bed, key(owner)).await;
    let second = ApiKey {
        mac: first.mac,
        ..key(owner)
    };
    let refused = write!(bed.db, tx [second] => api_keys::insert(tx, &second));
    assert_eq!(conflict(refused), "api_keys_mac");
}

async fn a_revoked_key_is_known_but_not_listed(bed: Bed) {
    let owner = person(&bed).await;
    let key = kept(&bed, key(owner)).await;
    let id = key.id;
    assert!(write!(bed.db, tx [] => api_keys::revoke(tx, owner, id, at(7))).unwrap());
    assert!(!write!(bed.db, tx [] => api_keys::revoke(tx, owner, id, at(8))).unwrap());
    assert_eq!(by_mac(&bed, &key.mac).await.unwrap().revoked_at, Some(at(7)));
    assert_eq!(
        read!(bed.db, read [] => api_keys::of_user(read, owner)).unwrap(),
        []
    );
    assert_eq!(
        read!(bed.db, read [] => api_keys::count_of_user(read, owner)),
        Ok(0)
    );
}

async fn keys_of_another_person_are_not_there(bed: Bed) {
    let (owner, other) = (person(&bed).await, person(&bed).await);
    let id = kept(&bed, key(owner)).await.id;
    assert_eq!(
        read!(bed.db, read [] => api_keys::find(read, other, id)).unwrap(),
        None
    );
    assert_eq!(
        read!(bed.db, read [] => api_keys::of_user(read, other)).unwrap(),
        []
    );
    assert!(!write!(bed.db, tx [] => api_keys::revoke(tx, other, id, at(7))).unwrap());
    assert!(write!(bed.db, tx [] => api_keys::revoke(tx, owner, id, at(7))).unwrap());
}

async fn use_is_noted_forwards_only(bed: Bed) {
    let owner = person(&bed).await;
    let key = kept(&bed, key(owner)).await;
    let id = key.id;
    for (now, noted) in [(at(5), at(5)), (at(9), at(9)), (at(6), at(9))] {
        write!(bed.db, tx [] => api_keys::note_use(tx, id, now)).unwrap();
        assert_eq!(by_mac(&bed, &key.mac).await.unwrap().used_at, Some(noted));
    }
}

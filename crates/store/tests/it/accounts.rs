//! Accounts, memberships, workspaces.

use crate::bed::{Bed, NOW, at, conflict, fresh, generation, number, passkey, run, user};
use domain::actor::{FIRST_WORKSPACE, LOCAL_USER};
use domain::id::{UserId, WorkspaceId};
use domain::identity::{AccountState, Role};
use store::members::{Member, Membership};
use store::users::User;
use store::workspaces::Workspace;
use store::{Error, members, passkeys, users, workspaces};

on_both!(
    an_account_comes_back_by_its_id_and_by_its_address,
    two_accounts_never_share_an_address,
    a_password_is_renewed_only_over_the_record_that_was_read,
    a_short_password_is_known_as_one_until_another_is_set,
    a_verified_address_opens_a_waiting_account_once,
    what_is_changed_is_what_was_named,
    an_epoch_only_rises,
    the_last_administrator_is_known,
    setting_up_is_over_when_an_administrator_can_log_in,
    what_the_machine_made_is_handed_over,
    accounts_are_paged_newest_first,
    members_belong_once_and_are_listed_from_both_sides,
    workspaces_are_named_renamed_and_paged,
);

async fn kept(bed: &Bed, change: impl FnOnce(&mut User)) -> User {
    let mut user = user(&format!("index-{}", fresh()));
    change(&mut user);
    write!(bed.db, tx [user] => users::insert(tx, &user)).unwrap();
    user
}

async fn found(bed: &Bed, id: UserId) -> User {
    read!(bed.db, read [] => users::find(read, id)).unwrap().unwrap()
}

async fn an_account_comes_back_by_its_id_and_by_its_address(bed: Bed) {
    let user = kept(&bed, |user| {
        user.password = Some("record".to_owned());
        user.password_short = true;
        user.email_verified_at = Some(at(1));
        user.disabled_at = Some(at(2));
        user.state = AccountState::Disabled;
        user.role = Role::Dpo;
        user.auth_epoch = 7;
    })
    .await;
    assert_eq!(found(&bed, user.id).await, user);
    let index = user.email_index.clone();
    let by_address = read!(bed.db, read [index] => users::find_by_email_index(read, &index)).unwrap();
    assert_eq!(by_address, Some(user.clone()));
    assert_eq!(
        read!(bed.db, read [] => users::find_by_email_index(read, "nobody")).unwrap(),
        None
    );
    assert!(!format!("{user:?}").contains("record"), "{user:?}");
}

async fn two_accounts_never_share_an_address(bed: Bed) {
    let first = kept(&bed, |_| ()).await;
    let second = user(&first.email_index);
    let refused = write!(bed.db, tx [second] => users::insert(tx, &second));
    assert_eq!(conflict(refused), "users_email");
}

async fn a_password_is_renewed_only_over_the_record_that_was_read(bed: Bed) {
    let user = kept(&bed, |user| user.password = Some("first".to_owned())).await;
    let id = user.id;
    assert!(write!(bed.db, tx [] => users::renew_password(tx, id, "first", "second", at(5))).unwrap());
    assert!(!write!(bed.db, tx [] => users::renew_password(tx, id, "first", "third", at(6))).unwrap());
    let now = found(&bed, id).await;
    assert_eq!((now.password.as_deref(), now.updated_at), (Some("second"), at(5)));
    write!(bed.db, tx [] => users::set_password(tx, id, None, false, at(7))).unwrap();
    assert_eq!(found(&bed, id).await.password, None);
}

async fn a_short_password_is_known_as_one_until_another_is_set(bed: Bed) {
    let id = kept(&bed, |_| ()).await.id;
    let other = kept(&bed, |_| ()).await.id;
    write!(bed.db, tx [] => users::set_password(tx, id, Some("short"), true, at(5))).unwrap();
    assert!(write!(bed.db, tx [] => users::renew_password(tx, id, "short", "newer", at(6))).unwrap());
    let now = found(&bed, id).await;
    assert_eq!(
        (now.password.as_deref(), now.password_short),
        (Some("newer"), true)
    );
    assert!(!found(&bed, other).await.password_short);
    write!(bed.db, tx [] => users::set_password(tx, id, Some("long"), false, at(7))).unwrap();
    assert!(!found(&bed, id).await.password_short);
}

async fn a_verified_address_opens_a_waiting_account_once(bed: Bed) {
    let (waiting, closed) = (
        kept(&bed, |_| ()).await.id,
        kept(&bed, |user| user.state = AccountState::Disabled).await.id,
    );
    assert!(write!(bed.db, tx [] => users::verify_email(tx, waiting, at(1))).unwrap());
    assert!(!write!(bed.db, tx [] => users::verify_email(tx, waiting, at(2))).unwrap());
    let now = found(&bed, waiting).await;
    assert_eq!(
        (now.state, now.email_verified_at),
        (AccountState::Active, Some(at(1)))
    );
    assert!(write!(bed.db, tx [] => users::verify_email(tx, closed, at(1))).unwrap());
    assert_eq!(found(&bed, closed).await.state, AccountState::Disabled);
}

async fn what_is_changed_is_what_was_named(bed: Bed) {
    let (mine, other) = (kept(&bed, |_| ()).await, kept(&bed, |_| ()).await);
    let id = mine.id;
    write!(bed.db, tx [] => users::set_profile(tx, id, Some(&[9]), None, at(1))).unwrap();
    write!(bed.db, tx [] => users::set_profile(tx, id, None, Some("en"), at(2))).unwrap();
    write!(bed.db, tx [] => users::set_role(tx, id, Role::Finance, at(3))).unwrap();
    write!(bed.db, tx [] => users::set_state(tx, id, AccountState::Disabled, at(4))).unwrap();
    let now = found(&bed, id).await;
    assert_eq!(
        (
            now.name_sealed,
            now.locale.as_str(),
            now.role,
            now.state,
            now.disabled_at,
            now.updated_at
        ),
        (
            vec![9],
            "en",
            Role::Finance,
            AccountState::Disabled,
            Some(at(4)),
            at(4)
        )
    );
    write!(bed.db, tx [] => users::set_state(tx, id, AccountState::Active, at(5))).unwrap();
    assert_eq!(found(&bed, id).await.disabled_at, None);
    assert_eq!(found(&bed, other.id).await, other);
    let nobody = UserId::from_value(fresh());
    assert_eq!(
        write!(bed.db, tx [] => users::set_role(tx, nobody, Role::Admin, NOW)),
        Err(Error::Fenced)
    );
}

async fn an_epoch_only_rises(bed: Bed) {
    let id = kept(&bed, |_| ()).await.id;
    for expected in 1..=3 {
        assert_eq!(
            write!(bed.db, tx [] => users::bump_epoch(tx, id, NOW)),
            Ok(expected)
        );
    }
    assert_eq!(found(&bed, id).await.auth_epoch, 3);
}

async fn the_last_administrator_is_known(bed: Bed) {
    let other = async |except| {
        write!(bed.db, tx [] => async {
            users::lock_administrators(tx).await?;
            users::other_administrator(tx, except).await
        })
        .unwrap()
    };
    let belongs = async |id: UserId| {
        let member = Member {
            workspace: FIRST_WORKSPACE,
            user: id,
            role: Role::User,
            created_at: NOW,
        };
        write!(bed.db, tx [member] => members::insert(tx, &member)).unwrap();
    };
    let administrator = async || {
        let made = kept(&bed, |user| {
            user.role = Role::Admin;
            user.state = AccountState::Active;
            user.password = Some("record".to_owned());
        });
        made.await.id
    };
    for close in [AccountState::Pending, AccountState::Disabled] {
        let not_open = kept(&bed, |user| {
            user.role = Role::Admin;
            user.state = close;
            user.password = Some("record".to_owned());
        });
        belongs(not_open.await.id).await;
    }
    let person = kept(&bed, |user| {
        user.state = AccountState::Active;
        user.password = Some("record".to_owned());
    });
    belongs(person.await.id).await;
    assert!(!other(None).await, "neither a user nor a closed administrator");
    let first = administrator().await;
    assert!(!other(None).await, "a member of nothing has nowhere to log in");
    belongs(first).await;
    assert!(other(None).await && !other(Some(first)).await);
    let second = administrator().await;
    belongs(second).await;
    assert!(other(Some(first)).await && other(Some(second)).await);

    write!(bed.db, tx [] => users::set_password(tx, second, None, false, NOW)).unwrap();
    assert!(!other(Some(first)).await, "nothing to log in with");
    let passkey = passkey(second);
    write!(bed.db, tx [passkey] => passkeys::insert(tx, &passkey)).unwrap();
    assert!(other(Some(first)).await);
    run(&bed.db, "delete from passkeys".to_owned()).await;
    assert!(!other(Some(first)).await);
    let sql = format!(
        "insert into external_identities (issuer, subject, user_id, provider, created_at) \
         values ('i', 's', '{second}', 'p', 1)"
    );
    run(&bed.db, sql).await;
    assert!(other(Some(first)).await);
    assert!(write!(bed.db, tx [] => members::remove(tx, FIRST_WORKSPACE, second)).unwrap());
    assert!(!other(Some(first)).await);
}

async fn setting_up_is_over_when_an_administrator_can_log_in(bed: Bed) {
    let is_set_up = async || read!(bed.db, read [] => users::is_set_up(read)).unwrap();
    kept(&bed, |user| user.password = Some("record".to_owned())).await;
    let admin = kept(&bed, |user| {
        user.role = Role::Admin;
        user.state = AccountState::Active;
    })
    .await;
    assert!(!is_set_up().await, "it has nothing to log in with");
    let id = admin.id;
    run(
        &bed.db,
        format!(
            "insert into external_identities (issuer, subject, user_id, provider, created_at) \
             values ('i', 's', '{id}', 'p', 1)"
        ),
    )
    .await;
    assert!(is_set_up().await);
    run(&bed.db, "delete from external_identities".to_owned()).await;
    write!(bed.db, tx [] => users::set_password(tx, id, Some("record"), false, NOW)).unwrap();
    assert!(is_set_up().await);
    write!(bed.db, tx [] => users::set_state(tx, id, AccountState::Disabled, NOW)).unwrap();
    assert!(!is_set_up().await);
}

async fn what_the_machine_made_is_handed_over(bed: Bed) {
    let id = kept(&bed, |_| ()).await.id;
    generation(&bed.db).await;
    generation(&bed.db).await;
    let given = write!(bed.db, tx [] => users::hand_over(tx, FIRST_WORKSPACE, LOCAL_USER, id));
    assert_eq!(given, Ok(2));
    assert_eq!(
        number(
            &bed.db,
            "select count(*) as n from generations where user_id like 'usr_0190%'"
        )
        .await,
        0
    );
    let again = write!(bed.db, tx [] => users::hand_over(tx, FIRST_WORKSPACE, LOCAL_USER, id));
    assert_eq!(again, Ok(0));
}

async fn accounts_are_paged_newest_first(bed: Bed) {
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(kept(&bed, |_| ()).await.id);
    }
    ids.reverse();
    let page = async |before, limit| {
        let rows = read!(bed.db, read [] => users::page(read, before, limit)).unwrap();
        rows.iter().map(|user| user.id).collect::<Vec<_>>()
    };
    assert_eq!(page(None, 3).await, ids[..3]);
    assert_eq!(page(Some(ids[2]), 3).await, ids[3..]);
}

async fn members_belong_once_and_are_listed_from_both_sides(bed: Bed) {
    let (ana, bia) = (kept(&bed, |_| ()).await.id, kept(&bed, |_| ()).await.id);
    let second = WorkspaceId::from_value(u128::MAX);
    let workspace = Workspace {
        id: second,
        name: "second".to_owned(),
        created_at: NOW,
    };
    write!(bed.db, tx [workspace] => workspaces::insert(tx, &workspace)).unwrap();
    for (workspace, user, role) in [
        (FIRST_WORKSPACE, ana, Role::Admin),
        (second, ana, Role::User),
        (second, bia, Role::Finance),
    ] {
        let member = Member {
            workspace,
            user,
            role,
            created_at: NOW,
        };
        write!(bed.db, tx [member] => members::insert(tx, &member)).unwrap();
        let again = write!(bed.db, tx [member] => members::insert(tx, &member));
        assert_eq!(conflict(again), "members_pkey");
        assert_eq!(
            read!(bed.db, read [] => members::find(read, workspace, user)).unwrap(),
            Some(member)
        );
    }
    let of_ana = read!(bed.db, read [] => members::of_user(read, ana)).unwrap();
    let membership = |workspace, name: &str, role| Membership {
        workspace,
        name: name.to_owned(),
        role,
    };
    assert_eq!(
        of_ana,
        [
            membership(FIRST_WORKSPACE, "Studio", Role::Admin),
            membership(second, "second", Role::User)
        ]
    );
    let of_second = async |after, limit| {
        let rows = read!(bed.db, read [] => members::of_workspace(read, second, after, limit)).unwrap();
        rows.iter().map(|member| member.user).collect::<Vec<_>>()
    };
    assert_eq!(of_second(None, 1).await, [ana]);
    assert_eq!(of_second(Some(ana), 5).await, [bia]);
    write!(bed.db, tx [] => members::set_role(tx, second, bia, Role::Operator)).unwrap();
    let bia_now = read!(bed.db, read [] => members::find(read, second, bia))
        .unwrap()
        .unwrap();
    assert_eq!(bia_now.role, Role::Operator);
    assert_eq!(
        write!(bed.db, tx [] => members::remove(tx, second, bia)),
        Ok(true)
    );
    assert_eq!(
        write!(bed.db, tx [] => members::remove(tx, second, bia)),
        Ok(false)
    );
    assert_eq!(
        write!(bed.db, tx [] => members::set_role(tx, second, bia, Role::User)),
        Err(Error::Fenced)
    );
}

async fn workspaces_are_named_renamed_and_paged(bed: Bed) {
    let first = read!(bed.db, read [] => workspaces::find(read, FIRST_WORKSPACE))
        .unwrap()
        .unwrap();
    assert_eq!(first.name, workspaces::FIRST_NAME);
    write!(bed.db, tx [] => workspaces::rename(tx, FIRST_WORKSPACE, "Ateliê")).unwrap();
    write!(bed.db, tx [] => workspaces::ensure_first(tx, at(9))).unwrap();
    let again = read!(bed.db, read [] => workspaces::find(read, FIRST_WORKSPACE))
        .unwrap()
        .unwrap();
    assert_eq!(
        (again.name.as_str(), again.created_at),
        ("Ateliê", first.created_at)
    );
    let second = Workspace {
        id: WorkspaceId::from_value(u128::MAX),
        name: "second".to_owned(),
        created_at: NOW,
    };
    write!(bed.db, tx [second] => workspaces::insert(tx, &second)).unwrap();
    let page = read!(bed.db, read [] => workspaces::page(read, None, 9)).unwrap();
    assert_eq!(page, [again, second.clone()]);
    let rest = read!(bed.db, read [] => workspaces::page(read, Some(FIRST_WORKSPACE), 9)).unwrap();
    assert_eq!(rest, [second]);
    let nowhere = WorkspaceId::from_value(5);
    assert_eq!(
        write!(bed.db, tx [] => workspaces::rename(tx, nowhere, "x")),
        Err(Error::Fenced)
    );
}

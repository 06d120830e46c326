//! Pages of people, and invitations.

use crate::bed::{Bed, NOW, at, fresh, passkey, user};
use domain::actor::FIRST_WORKSPACE;
use domain::id::{UserId, WorkspaceId};
use domain::identity::{AccountState, Role};
use domain::secret::TokenHash;
use store::invitations::{self, Invitation};
use store::members::{Member, Membership};
use store::tickets::{self, Kind, Ticket};
use store::{members, passkeys, people, totp, users, workspaces};

on_both!(
    a_page_tells_of_its_accounts_and_of_no_others,
    only_confirmed_codes_and_passkeys_are_a_second_factor,
    open_invitations_come_page_by_page,
    an_invitation_is_found_by_its_id_while_it_is_open,
    an_account_that_waits_for_nothing_any_more_is_removed,
    a_new_ticket_and_the_removal_do_not_pass_each_other,
);

async fn person(bed: &Bed) -> UserId {
    let user = user(&format!("people-{}", fresh()));
    write!(bed.db, tx [user] => users::insert(tx, &user)).unwrap();
    user.id
}

async fn joined(bed: &Bed, workspace: WorkspaceId, user: UserId, role: Role) {
    let member = Member {
        workspace,
        user,
        role,
        created_at: NOW,
    };
    write!(bed.db, tx [member] => members::insert(tx, &member)).unwrap();
}

async fn a_page_tells_of_its_accounts_and_of_no_others(bed: Bed) {
    let (before, ana, bia, after) = (
        person(&bed).await,
        person(&bed).await,
        person(&bed).await,
        person(&bed).await,
    );
    let second = workspaces::Workspace {
        id: WorkspaceId::from_value(u128::MAX),
        name: "Segundo".to_owned(),
        created_at: NOW,
    };
    let new = second.clone();
    write!(bed.db, tx [new] => workspaces::insert(tx, &new)).unwrap();
    for somebody in [before, ana, after] {
        joined(&bed, FIRST_WORKSPACE, somebody, Role::User).await;
    }
    joined(&bed, second.id, ana, Role::Admin).await;
    let found = read!(bed.db, read [] => people::memberships(read, ana, bia)).unwrap();
    let of = |workspace, name: &str, role| {
        (
            ana,
            Membership {
                workspace,
                name: name.to_owned(),
                role,
            },
        )
    };
    assert_eq!(
        found,
        [
            of(FIRST_WORKSPACE, workspaces::FIRST_NAME, Role::User),
            of(second.id, "Segundo", Role::Admin)
        ]
    );
    let counts =
        read!(bed.db, read [] => people::member_counts(read, FIRST_WORKSPACE, FIRST_WORKSPACE)).unwrap();
    assert_eq!(counts, [(FIRST_WORKSPACE, 3)]);
    assert_eq!(
        read!(bed.db, read [] => people::last_seen(read, before, after)),
        Ok(vec![])
    );
}

async fn only_confirmed_codes_and_passkeys_are_a_second_factor(bed: Bed) {
    let (ana, bia, caio, dora) = (
        person(&bed).await,
        person(&bed).await,
        person(&bed).await,
        person(&bed).await,
    );
    let key = passkey(ana);
    write!(bed.db, tx [key] => passkeys::insert(tx, &key)).unwrap();
    for somebody in [ana, bia, caio] {
        write!(bed.db, tx [] => totp::begin(tx, somebody, &[1], NOW)).unwrap();
    }
    write!(bed.db, tx [] => totp::confirm(tx, caio, &[1], 7, NOW)).unwrap();
    let mut found = read!(bed.db, read [] => people::with_second_factor(read, ana, dora)).unwrap();
    found.sort();
    assert_eq!(found, [ana, caio]);
}

fn ticket(user: UserId, created: i64, until: i64) -> Ticket {
    Ticket {
        hash: TokenHash::of(&format!("invitation-{}", fresh())),
        kind: Kind::Invitation,
        user: Some(user),
        browser: None,
        payload_sealed: None,
        created_at: at(created),
        expires_at: at(until),
        used_at: None,
        tries: 0,
    }
}

async fn open_invitations_come_page_by_page(bed: Bed) {
    let ana = person(&bed).await;
    let mut made = Vec::new();
    // Three at one moment: the second half of the key tells them apart.
    for created in [1, 2, 3, 3, 3, 4] {
        let ticket = ticket(ana, created, 100);
        made.push((ticket.created_at, ticket.hash.as_str().to_owned()));
        write!(bed.db, tx [ticket] => tickets::insert(tx, &ticket)).unwrap();
    }
    let other = Ticket {
        kind: Kind::ResetPassword,
        ..ticket(ana, 5, 100)
    };
    let over = ticket(ana, 6, 10);
    for ticket in [other, over] {
        write!(bed.db, tx [ticket] => tickets::insert(tx, &ticket)).unwrap();
    }
    made.sort();
    made.reverse();
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page: Vec<Invitation> =
            read!(bed.db, read [] => invitations::page(read, at(10), before, 2)).unwrap();
        let Some(last) = page.last() else { break };
        before = Some((last.created_at, last.id()));
        seen.extend(
            page.into_iter()
                .map(|one| (one.created_at, one.hash.as_str().to_owned())),
        );
    }
    assert_eq!(seen, made);
}

async fn an_invitation_is_found_by_its_id_while_it_is_open(bed: Bed) {
    let ana = person(&bed).await;
    let (mine, other) = (ticket(ana, 0, 100), ticket(ana, 0, 100));
    for ticket in [&mine, &other] {
        write!(bed.db, tx [ticket] => tickets::insert(tx, &ticket)).unwrap();
    }
    let id = invitations::id_of(&mine.hash);
    let found = read!(bed.db, read [] => invitations::find(read, id, at(99))).unwrap();
    assert_eq!(
        found.map(|found| (found.hash, found.user)),
        Some((mine.hash.clone(), ana))
    );
    assert_eq!(
        read!(bed.db, read [] => invitations::find(read, id, at(100))),
        Ok(None)
    );
    let hash = mine.hash;
    write!(bed.db, tx [hash] => tickets::take(tx, Kind::Invitation, &hash, at(1))).unwrap();
    assert_eq!(
        read!(bed.db, read [] => invitations::find(read, id, at(2))),
        Ok(None)
    );
}

async fn removed(bed: &Bed, user: UserId) -> bool {
    let gone = write!(bed.db, tx [] => users::remove_pending(tx, user, at(50))).unwrap();
    let found = read!(bed.db, read [] => users::find(read, user)).unwrap();
    assert_eq!(found.is_none(), gone);
    gone
}

async fn an_account_that_waits_for_nothing_any_more_is_removed(bed: Bed) {
    let alone = person(&bed).await;
    assert!(removed(&bed, alone).await);
    assert!(!write!(bed.db, tx [] => users::remove_pending(tx, alone, at(50))).unwrap());

    let over = person(&bed).await;
    let old = ticket(over, 0, 50);
    write!(bed.db, tx [old] => tickets::insert(tx, &old)).unwrap();
    assert!(removed(&bed, over).await, "with its tickets that are over");

    let invited = person(&bed).await;
    let open = ticket(invited, 0, 51);
    write!(bed.db, tx [open] => tickets::insert(tx, &open)).unwrap();
    assert!(!removed(&bed, invited).await, "a ticket is open");
    let hash = open.hash;
    write!(bed.db, tx [hash] => tickets::take(tx, Kind::Invitation, &hash, at(1))).unwrap();
    assert!(removed(&bed, invited).await, "it is used up");

    let member = person(&bed).await;
    joined(&bed, FIRST_WORKSPACE, member, Role::User).await;
    assert!(!removed(&bed, member).await, "a member");

    let (active, closed) = (person(&bed).await, person(&bed).await);
    write!(bed.db, tx [] => users::verify_email(tx, active, at(1))).unwrap();
    let disabled = AccountState::Disabled;
    write!(bed.db, tx [] => users::set_state(tx, closed, disabled, at(1))).unwrap();
    assert!(!removed(&bed, active).await && !removed(&bed, closed).await);

    let keyed = person(&bed).await;
    let key = passkey(keyed);
    write!(bed.db, tx [key] => passkeys::insert(tx, &key)).unwrap();
    assert!(!removed(&bed, keyed).await, "a passkey");
}

async fn a_new_ticket_and_the_removal_do_not_pass_each_other(bed: Bed) {
    for _ in 0..20 {
        let user = person(&bed).await;
        let (db, new) = (bed.db.clone(), ticket(user, 0, 100));
        let invites = tokio::spawn(async move {
            let done = db.write("test.invite", move |tx| {
                let new = new.clone();
                Box::pin(async move { tickets::insert(tx, &new).await })
            });
            done.await.is_ok()
        });
        let gone = write!(bed.db, tx [] => users::remove_pending(tx, user, at(50))).unwrap();
        assert_ne!(invites.await.unwrap(), gone, "one of the two");
    }
}

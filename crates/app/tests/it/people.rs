//! People, invitations and workspaces.

use crate::bed::{Bed, ORIGIN};
use crate::login::{PASSWORD, account, entrance, letters, log_in, token_of, with_mail, word};
use app::Studio;
use app::identity::invitations::{AcceptError, Acceptance, Invited, NewPerson};
use app::identity::people::{PeopleError, PersonChange};
use app::identity::workspaces::WorkspaceError;
use app::identity::{Presented, Unauthenticated};
use domain::actor::{Actor, FIRST_WORKSPACE, Via};
use domain::id::{UserId, WorkspaceId};
use domain::identity::{AccountState, Client, Role};
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;

/// Runs an `async fn name(bed: Bed)` once on each database.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {$(
        mod $name {
            #[tokio::test(flavor = "multi_thread")]
            async fn sqlite() {
                super::$name(crate::bed::Bed::with(crate::login::with_mail).await).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn postgres() {
                if let Some(bed) = crate::bed::Bed::on_postgres(crate::login::with_mail).await {
                    super::$name(bed).await;
                }
            }
        }
    )*};
}

on_both!(
    of_many_demotions_at_once_one_administrator_is_left,
    an_invitation_gives_what_it_says_once_to_whoever_accepts_it,
    people_come_page_by_page_and_by_address,
);

fn acting(user: UserId, workspace: WorkspaceId, role: Role, installation: Role) -> Actor {
    Actor::authenticated(user, workspace, role, installation, Via::Machine)
}

async fn administrator(bed: &Bed, email: &str) -> (UserId, Actor) {
    let user = account(bed, email, Role::Admin).await;
    (user, acting(user, FIRST_WORKSPACE, Role::Admin, Role::Admin))
}

fn role(role: Role) -> PersonChange {
    PersonChange {
        role: Some(role),
        open: None,
    }
}

const fn closed() -> PersonChange {
    PersonChange {
        role: None,
        open: Some(false),
    }
}

fn person(email: &str) -> NewPerson {
    NewPerson {
        email: email.to_owned(),
        name: None,
        role: None,
        workspace: None,
        workspace_role: None,
        locale: None,
    }
}

async fn invite(bed: &Bed, actor: &Actor, new: NewPerson) -> Invited {
    bed.studio.invite(actor, new, Some("r-1")).await.unwrap()
}

fn acceptance(token: &SecretString) -> Acceptance {
    Acceptance {
        token: token.clone(),
        name: "Bia".to_owned(),
        password: Some(SecretString::from(PASSWORD)),
        locale: Some("en".to_owned()),
    }
}

async fn accept(studio: &Studio, token: &SecretString) -> Result<(), AcceptError> {
    let entered = studio.accept_invitation(acceptance(token), entrance(Client::Api, None));
    entered.await.map(drop)
}

async fn actions(bed: &Bed) -> Vec<String> {
    let told = bed.told().await;
    told.into_iter()
        .map(|(action, outcome, _)| format!("{action} {outcome}"))
        .collect()
}

async fn of_many_demotions_at_once_one_administrator_is_left(bed: Bed) {
    for round in 0..6 {
        let mut all = Vec::new();
        for number in 0..4 {
            all.push(
                administrator(&bed, &format!("admin{round}-{number}@example.org"))
                    .await
                    .0,
            );
        }
        // The administrators of earlier rounds take part: one of them is left each time.
        let elders = bed.studio.people(None, 100).await.unwrap().items;
        let elders = elders
            .into_iter()
            .filter(|person| person.role == Role::Admin && person.state == AccountState::Active);
        let all: Vec<UserId> = elders.map(|person| person.id).collect();
        let studios = [Arc::clone(&bed.studio), bed.another()];
        let mut tries = Vec::new();
        for (place, id) in all.iter().copied().enumerate() {
            let studio = Arc::clone(&studios[place % 2]);
            let change = if (place + round) % 3 == 0 {
                closed()
            } else {
                role(Role::User)
            };
            tries.push(tokio::spawn(async move {
                let actor = acting(id, FIRST_WORKSPACE, Role::Admin, Role::Admin);
                studio.change_person(&actor, id, change, None).await
            }));
        }
        let (mut done, mut kept) = (0, 0);
        for one in tries {
            match one.await.unwrap() {
                Ok(_) => done += 1,
                Err(PeopleError::LastAdministrator) => kept += 1,
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!((done, kept), (all.len() - 1, 1), "round {round}");
        let left = "select count(*) as n from users where role = 'admin' and state = 'active'";
        assert_eq!(bed.number(left).await, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_counts_for_the_next_request_and_a_closed_account_is_out() {
    let bed = Bed::new().await;
    let (_, boss) = administrator(&bed, "boss@example.org").await;
    let (user, tokens, actor) = bed.logged_in().await;
    assert_eq!(actor.installation_role(), Role::User);
    let view = bed
        .studio
        .change_person(&boss, user, role(Role::Auditor), None)
        .await
        .unwrap();
    assert_eq!(view.role, Role::Auditor);
    let presented = |tokens: &app::identity::Tokens| Presented::Access {
        token: tokens.access.clone(),
        proof: None,
    };
    let stale = bed.studio.authenticate(presented(&tokens)).await;
    assert!(matches!(stale, Err(Unauthenticated::Expired)), "{stale:?}");
    let tokens = bed.refreshed(&tokens).await;
    assert_eq!(bed.actor(&tokens).await.installation_role(), Role::Auditor);

    let other = bed.another();
    other.authenticate(presented(&tokens)).await.unwrap();
    bed.studio
        .change_person(&boss, user, closed(), None)
        .await
        .unwrap();
    let over = bed.studio.authenticate(presented(&tokens)).await;
    assert!(over.is_err());
    assert!(bed.try_refresh(&tokens.refresh).await.is_err());
    // What another process remembers is over within seconds.
    bed.wait(5);
    assert!(other.authenticate(presented(&tokens)).await.is_err());
    assert!(bed.try_session(user).await.is_err());
    let open = PersonChange {
        role: None,
        open: Some(true),
    };
    let view = bed.studio.change_person(&boss, user, open, None).await.unwrap();
    assert_eq!(view.state, AccountState::Active);
    let tokens = bed.session(user).await;
    assert_eq!(
        bed.studio
            .end_sessions_of_person(&boss, user, None)
            .await
            .unwrap(),
        1
    );
    assert!(bed.studio.authenticate(presented(&tokens)).await.is_err());
    let told = actions(&bed).await;
    for wanted in [
        "role.changed ok",
        "account.disabled ok",
        "account.enabled ok",
        "session.ended ok",
    ] {
        assert!(told.iter().any(|entry| entry == wanted), "{wanted}: {told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_noted_does_not_happen() {
    let bed = Bed::new().await;
    let (_, boss) = administrator(&bed, "boss@example.org").await;
    let user = bed.person(None).await;
    let broken = bed.db.write("test.break", |tx| {
        Box::pin(async move { tx.execute("alter table audit_entries rename to away", &[]).await })
    });
    let broken: Result<_, store::Error> = broken.await;
    broken.unwrap();
    assert!(
        bed.studio
            .change_person(&boss, user, role(Role::Admin), None)
            .await
            .is_err()
    );
    assert!(
        bed.studio
            .invite(&boss, person("bia@example.org"), None)
            .await
            .is_err()
    );
    assert!(bed.studio.create_workspace(&boss, "Novo", None).await.is_err());
    for (sql, number) in [
        ("select count(*) as n from users", 2),
        ("select count(*) as n from tickets", 0),
        ("select count(*) as n from mails", 0),
        ("select count(*) as n from workspaces", 1),
    ] {
        assert_eq!(bed.number(sql).await, number, "{sql}");
    }
    assert_eq!(bed.studio.person(user).await.unwrap().role, Role::User);
}

async fn an_invitation_gives_what_it_says_once_to_whoever_accepts_it(bed: Bed) {
    let (_, boss) = administrator(&bed, "boss@example.org").await;
    let place = bed
        .studio
        .create_workspace(&boss, "Cinema", None)
        .await
        .unwrap()
        .id;
    let wish = || NewPerson {
        role: Some(Role::Operator),
        workspace: Some(place),
        workspace_role: Some(Role::Admin),
        ..person("Bia@Example.org")
    };
    let invited = invite(&bed, &boss, wish()).await;
    let bia = invited.person.id;
    assert_eq!(invited.link, None, "the letter has it");
    let told = (
        invited.person.state,
        invited.person.role,
        invited.person.workspaces.len(),
    );
    assert_eq!(
        told,
        (AccountState::Pending, Role::User, 0),
        "nothing is given before it is accepted"
    );
    let first = token_of(&bed, "invitation").await;
    bed.wait(1);
    let again = invite(&bed, &boss, wish()).await;
    assert_eq!(again.person.id, bia);
    let second = token_of(&bed, "invitation").await;
    assert!(
        matches!(accept(&bed.studio, &first).await, Err(AcceptError::Ticket)),
        "only the newest link"
    );
    let open = bed.studio.invitations(None, 10).await.unwrap().items;
    assert_eq!(open.len(), 1);
    assert_eq!(
        (open[0].email.expose(), open[0].role),
        ("Bia@Example.org", Role::Operator)
    );

    // Of many who use it at once one is in.
    let mut tries = Vec::new();
    for studio in [Arc::clone(&bed.studio), bed.another()] {
        let token = second.clone();
        tries.push(tokio::spawn(async move { accept(&studio, &token).await }));
    }
    let mut entered = 0;
    for one in tries {
        match one.await.unwrap() {
            Ok(()) => entered += 1,
            Err(AcceptError::Ticket) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(entered, 1);
    let view = bed.studio.person(bia).await.unwrap();
    assert_eq!(
        (view.state, view.role, view.texts.name.expose()),
        (AccountState::Active, Role::Operator, "Bia")
    );
    assert_eq!(
        (view.workspaces[0].workspace, view.workspaces[0].role),
        (place, Role::Admin)
    );
    assert!(view.last_seen.is_some());
    assert_eq!(
        word(&log_in(&bed.studio, "bia@example.org", PASSWORD).await),
        "in"
    );
    assert_eq!(bed.studio.invitations(None, 10).await.unwrap().items, []);

    // Somebody with an account is a member at once, keeps the role, and is told.
    bed.wait(1);
    let known = invite(&bed, &boss, person("bia@example.org")).await;
    assert_eq!(
        (known.person.role, known.person.workspaces.len(), known.link),
        (Role::Operator, 2, None)
    );
    let last = letters(&bed).await.pop().unwrap();
    assert_eq!(last, ("added_to_workspace".to_owned(), None));
    let count = letters(&bed).await.len();
    invite(&bed, &boss, person("bia@example.org")).await;
    assert_eq!(letters(&bed).await.len(), count, "a member already: no letter");
    bed.studio
        .change_person(&boss, bia, closed(), None)
        .await
        .unwrap();
    let refused = bed.studio.invite(&boss, person("bia@example.org"), None).await;
    assert!(matches!(refused, Err(PeopleError::Disabled)), "{refused:?}");
    let told = actions(&bed).await;
    for wanted in [
        "account.created ok",
        "invitation.created ok",
        "invitation.accepted ok",
        "login.succeeded ok",
        "member.added ok",
    ] {
        assert!(told.iter().any(|entry| entry == wanted), "{wanted}: {told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_ends() {
    let bed = Bed::with(with_mail).await;
    let (_, boss) = administrator(&bed, "boss@example.org").await;
    invite(&bed, &boss, person("bia@example.org")).await;
    let token = token_of(&bed, "invitation").await;
    let id = bed.studio.invitations(None, 10).await.unwrap().items[0].id;
    bed.studio.revoke_invitation(&boss, id, None).await.unwrap();
    assert!(matches!(
        accept(&bed.studio, &token).await,
        Err(AcceptError::Ticket)
    ));
    let again = bed.studio.revoke_invitation(&boss, id, None).await;
    assert!(matches!(again, Err(PeopleError::NotFound)));
    assert!(
        actions(&bed)
            .await
            .iter()
            .any(|entry| entry == "invitation.revoked ok")
    );

    bed.wait(1);
    invite(&bed, &boss, person("bia@example.org")).await;
    let token = token_of(&bed, "invitation").await;
    bed.wait(7 * 24 * 3600);
    assert!(
        matches!(accept(&bed.studio, &token).await, Err(AcceptError::Ticket)),
        "its time is over"
    );
    assert!(matches!(
        accept(&bed.studio, &SecretString::from("nonsense")).await,
        Err(AcceptError::Ticket)
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_was_made_for_an_invitation_goes_with_it() {
    let bed = Bed::with(with_mail).await;
    let (_, boss) = administrator(&bed, "boss@example.org").await;
    let accounts = async || bed.studio.people(None, 10).await.unwrap().items.len();
    let revoke = async || {
        let open = bed.studio.invitations(None, 10).await.unwrap().items;
        assert_eq!(open.len(), 1);
        let revoked = bed.studio.revoke_invitation(&boss, open[0].id, None).await;
        revoked.unwrap();
    };
    let removals = "select count(*) as n from audit_entries where action = 'invitation.revoked' \
                    and cast(entry as text) like '%\"account\":\"removed\"%'";
    invite(&bed, &boss, person("bia@example.org")).await;
    assert_eq!(accounts().await, 2);
    revoke().await;
    assert_eq!((accounts().await, bed.number(removals).await), (1, 1));

    // Who has been handed another link stays.
    bed.wait(1);
    let again = invite(&bed, &boss, person("bia@example.org")).await;
    bed.studio.local_reset_link("bia@example.org").await.unwrap();
    revoke().await;
    assert_eq!((accounts().await, bed.number(removals).await), (2, 1));
    assert_eq!(again.person.state, AccountState::Pending);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_weak_password_uses_no_invitation_up() {
    let bed = Bed::with(with_mail).await;
    let (_, boss) = administrator(&bed, "boss@example.org").await;
    invite(&bed, &boss, person("bia@example.org")).await;
    let token = token_of(&bed, "invitation").await;
    let weak = Acceptance {
        password: Some(SecretString::from("short")),
        ..acceptance(&token)
    };
    let refused = bed
        .studio
        .accept_invitation(weak, entrance(Client::Api, None))
        .await;
    assert!(matches!(refused, Err(AcceptError::Password(_))));
    accept(&bed.studio, &token).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_mail_links_are_handed_over_and_are_in_no_letter() {
    let bed = Bed::with(|settings| settings.public_url = Some(format!("{ORIGIN}/"))).await;
    let (_, boss) = administrator(&bed, "boss@example.org").await;
    let link = invite(&bed, &boss, person("bia@example.org")).await.link.unwrap();
    let token = link.strip_prefix(&format!("{ORIGIN}/invitation#token=")).unwrap();
    assert_eq!(letters(&bed).await, []);
    accept(&bed.studio, &SecretString::from(token)).await.unwrap();
    let bia = bed
        .studio
        .people_with_email("bia@example.org")
        .await
        .unwrap()
        .items
        .remove(0);
    let link = bed
        .studio
        .reset_person(&boss, bia.id, None)
        .await
        .unwrap()
        .unwrap();
    assert!(link.starts_with(&format!("{ORIGIN}/reset#token=")));
    assert_eq!(letters(&bed).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_goes_to_its_owner_alone() {
    let bed = Bed::with(with_mail).await;
    let (_, boss) = administrator(&bed, "boss@example.org").await;
    let ana = account(&bed, "ana@example.org", Role::User).await;
    assert_eq!(bed.studio.reset_person(&boss, ana, None).await.unwrap(), None);
    let first = token_of(&bed, "reset_password").await;
    bed.wait(1);
    bed.studio.reset_person(&boss, ana, None).await.unwrap();
    let second = token_of(&bed, "reset_password").await;
    assert_ne!(first.expose_secret(), second.expose_secret());
    assert_eq!(
        word(&log_in(&bed.studio, "ana@example.org", PASSWORD).await),
        "in",
        "nothing changed yet"
    );
    let reset = |token: &SecretString| app::identity::reset::Reset {
        token: token.clone(),
        password: SecretString::from("outro vento gato azul roxo"),
        code: None,
        browser: None,
        request_id: None,
    };
    assert!(
        bed.studio.reset_password(reset(&first)).await.is_err(),
        "an earlier link is void"
    );
    bed.studio.reset_password(reset(&second)).await.unwrap();
    invite(&bed, &boss, person("bia@example.org")).await;
    let bia = bed
        .studio
        .people_with_email("bia@example.org")
        .await
        .unwrap()
        .items
        .remove(0);
    let pending = bed.studio.reset_person(&boss, bia.id, None).await;
    assert!(matches!(pending, Err(PeopleError::Pending)));
    let nobody = bed.studio.reset_person(&boss, UserId::from_value(1), None).await;
    assert!(matches!(nobody, Err(PeopleError::NotFound)));
    assert!(
        actions(&bed)
            .await
            .iter()
            .any(|entry| entry == "password.reset_requested sent")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_workspace_does_not_exist() {
    let bed = Bed::new().await;
    let (_, boss) = administrator(&bed, "boss@example.org").await;
    let place = bed
        .studio
        .create_workspace(&boss, "Cinema", None)
        .await
        .unwrap()
        .id;
    let (ana, bia) = (bed.person(None).await, bed.person(None).await);
    bed.studio
        .add_member(&boss, place, (ana, Role::Admin), None)
        .await
        .unwrap();
    let ana = acting(ana, place, Role::Admin, Role::User);
    let found = bed.studio.members(&ana, place, None, 10).await.unwrap();
    assert_eq!(found.items.len(), 2);
    bed.studio
        .add_member(&ana, place, (bia, Role::User), None)
        .await
        .unwrap();
    let twice = bed.studio.add_member(&ana, place, (bia, Role::User), None).await;
    assert!(matches!(twice, Err(WorkspaceError::MemberExists)), "{twice:?}");
    bed.studio
        .change_member(&ana, place, (bia, Role::Finance), None)
        .await
        .unwrap();

    let not_here = |result: Result<(), WorkspaceError>| {
        assert!(matches!(result, Err(WorkspaceError::NotFound)), "{result:?}");
    };
    let nobody_here = |result: Result<(), PeopleError>| {
        assert!(matches!(result, Err(PeopleError::NotFound)), "{result:?}");
    };
    for foreign in [FIRST_WORKSPACE, WorkspaceId::from_value(7)] {
        not_here(bed.studio.members(&ana, foreign, None, 10).await.map(drop));
        not_here(
            bed.studio
                .add_member(&ana, foreign, (bia, Role::User), None)
                .await,
        );
        nobody_here(
            bed.studio
                .change_member(&ana, foreign, (bia, Role::Admin), None)
                .await,
        );
        nobody_here(bed.studio.remove_member(&ana, foreign, bia, None).await);
    }
    // Whoever looks after the people of the installation finds both, and not what is not there.
    assert_eq!(
        bed.studio
            .members(&boss, FIRST_WORKSPACE, None, 10)
            .await
            .unwrap()
            .items
            .len(),
        3
    );
    not_here(
        bed.studio
            .members(&boss, WorkspaceId::from_value(7), None, 10)
            .await
            .map(drop),
    );

    bed.studio.remove_member(&ana, place, bia, None).await.unwrap();
    nobody_here(bed.studio.remove_member(&ana, place, bia, None).await);
    let renamed = bed
        .studio
        .rename_workspace(&boss, place, "Teatro", None)
        .await
        .unwrap();
    assert_eq!((renamed.name.as_str(), renamed.members), ("Teatro", 2));
    let page = bed.studio.workspaces(None, 1).await.unwrap();
    assert_eq!((page.items.len(), page.next), (1, Some(FIRST_WORKSPACE)));
    let page = bed.studio.workspaces(page.next, 1).await.unwrap();
    assert_eq!(
        (page.items[0].id, page.items[0].members, page.next),
        (place, 2, None)
    );
    let told = actions(&bed).await;
    for wanted in [
        "workspace.created ok",
        "workspace.changed ok",
        "member.added ok",
        "member.removed ok",
        "role.changed ok",
    ] {
        assert!(told.iter().any(|entry| entry == wanted), "{wanted}: {told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_no_member_any_more_is_out_at_once() {
    let bed = Bed::new().await;
    let (_, boss) = administrator(&bed, "boss@example.org").await;
    let (user, tokens, _) = bed.logged_in().await;
    bed.studio
        .remove_member(&boss, FIRST_WORKSPACE, user, None)
        .await
        .unwrap();
    let presented = Presented::Access {
        token: tokens.access.clone(),
        proof: None,
    };
    assert!(bed.studio.authenticate(presented).await.is_err());
    assert!(bed.try_refresh(&tokens.refresh).await.is_err());
}

async fn people_come_page_by_page_and_by_address(bed: Bed) {
    let mut made = Vec::new();
    for number in 0..7 {
        bed.wait(1);
        made.push(account(&bed, &format!("p{number}@example.org"), Role::User).await);
    }
    made.reverse();
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = bed.studio.people(before, 3).await.unwrap();
        seen.extend(page.items.into_iter().map(|person| person.id));
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(seen, made);
    let found = bed
        .studio
        .people_with_email(" P3@EXAMPLE.org ")
        .await
        .unwrap()
        .items;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].texts.email.expose(), "p3@example.org");
    for nobody in ["p9@example.org", "p3", ""] {
        assert_eq!(bed.studio.people_with_email(nobody).await.unwrap().items, []);
    }
    assert!(matches!(
        bed.studio.person(UserId::from_value(1)).await,
        Err(PeopleError::NotFound)
    ));
}

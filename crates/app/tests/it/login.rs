//! Logging in by password: what is told, what it costs, who waits, who gets in.

use crate::bed::Bed;
use app::Studio;
use app::identity::factors::FREE_TRIES;
use app::identity::login::{Entrance, LoggedIn, Login, LoginError};
use app::identity::machine::LocalAccount;
use app::settings::Settings;
use credentials::password::{Hasher, Password, Pepper};
use credentials::totp::Secret;
use domain::actor::FIRST_WORKSPACE;
use domain::id::{UserId, WorkspaceId};
use domain::identity::{Client, Role};
use secrecy::{ExposeSecret, SecretString};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

pub const PASSWORD: &str = "gato vento cinza azul";
pub const WRONG: &str = "vento gato azul cinza";

/// Settings under which mail is sent, and hashes wait as long as they need.
pub fn with_mail(settings: &mut Settings) {
    settings.identity.registration = domain::identity::Registration::Open;
    settings.identity.hash_queue = Duration::from_secs(600);
    settings.identity.mail = Some(app::identity::settings::MailServer {
        // Nothing is sent here: no worker runs.
        url: SecretString::from("smtp://127.0.0.1:9"),
        from: "studio@example.org".to_owned(),
        authorities: None,
    });
}

pub async fn account(bed: &Bed, email: &str, role: Role) -> UserId {
    let new = LocalAccount {
        email: email.to_owned(),
        name: Some("Ana".to_owned()),
        role,
        password: Some(SecretString::from(PASSWORD)),
        workspace: None,
    };
    bed.studio.create_local_account(&new).await.unwrap()
}

pub fn entrance(client: Client, device: Option<&SecretString>) -> Entrance {
    Entrance {
        client,
        agent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_owned(),
        address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 77)),
        device: device.cloned(),
        jkt: None,
        request_id: Some("r-1".to_owned()),
    }
}

pub async fn log_in(studio: &Studio, email: &str, password: &str) -> Result<LoggedIn, LoginError> {
    log_in_with(studio, email, password, None, &entrance(Client::Api, None)).await
}

pub async fn log_in_with(
    studio: &Studio,
    email: &str,
    password: &str,
    code: Option<&str>,
    entrance: &Entrance,
) -> Result<LoggedIn, LoginError> {
    let login = Login {
        email: email.to_owned(),
        password: SecretString::from(password),
        code: code.map(SecretString::from),
        workspace: None,
    };
    studio.login(login, entrance.clone()).await
}

pub fn word(result: &Result<LoggedIn, LoginError>) -> &'static str {
    match result {
        Ok(_) => "in",
        Err(LoginError::Wrong) => "wrong",
        Err(LoginError::SecondFactorNeeded(_)) => "second_factor_needed",
        Err(LoginError::TooManyTries { .. }) => "too_many",
        Err(LoginError::NoWorkspace) => "no_workspace",
        Err(other) => panic!("{other}"),
    }
}

/// Letters in the outbox, oldest first: kind and link.
pub async fn letters(bed: &Bed) -> Vec<(String, Option<String>)> {
    let rows = bed.db.read("test.letters", |read| {
        Box::pin(async move {
            let sql = "select id, user_id, kind, letter_sealed from mails order by created_at, id";
            read.all(sql, &[]).await
        })
    });
    let rows: Result<Vec<store::Row>, store::Error> = rows.await;
    let open = |row: &store::Row| {
        let (id, user) = (row.text("id").unwrap(), row.text("user_id").unwrap());
        let plain = bed
            .keys
            .open_small(user, id, row.bytes("letter_sealed").unwrap())
            .unwrap();
        let letter: serde_json::Value = serde_json::from_slice(&plain).unwrap();
        let link = letter["link"].as_str().map(str::to_owned);
        (row.text("kind").unwrap().to_owned(), link)
    };
    rows.unwrap().iter().map(open).collect()
}

/// The token of the newest letter of a kind.
pub async fn token_of(bed: &Bed, kind: &str) -> SecretString {
    let letters = letters(bed).await;
    let (_, link) = letters.iter().rev().find(|(of, _)| of == kind).unwrap();
    let link = link.as_deref().unwrap();
    SecretString::from(link.split_once("#token=").unwrap().1)
}

async fn failures(bed: &Bed, email: &str, count: u32) {
    for _ in 0..count {
        assert_eq!(word(&log_in(&bed.studio, email, WRONG).await), "wrong");
    }
}

#[tokio::test]
async fn known_and_unknown_addresses_are_told_the_same_at_the_same_cost() {
    let bed = Bed::with(with_mail).await;
    account(&bed, "admin@example.org", Role::Admin).await;
    account(&bed, "ana@example.org", Role::User).await;
    account(&bed, "closed@example.org", Role::User).await;
    bed.studio
        .disable_local_account("closed@example.org")
        .await
        .unwrap();
    let new = LocalAccount {
        email: "nothing@example.org".to_owned(),
        name: None,
        role: Role::User,
        password: None,
        workspace: None,
    };
    bed.studio.create_local_account(&new).await.unwrap();
    let tries = [
        ("ana@example.org", WRONG),
        ("ANA@example.org ", WRONG),
        ("ana@example.org", "control\u{0}character"),
        ("ana@example.org", ""),
        ("closed@example.org", PASSWORD),
        ("nothing@example.org", PASSWORD),
        ("nobody@example.org", PASSWORD),
        ("no address at all", PASSWORD),
        ("", ""),
    ];
    for (email, password) in tries {
        let (before, told) = (bed.studio.password_hashes(), bed.told().await.len());
        let result = log_in(&bed.studio, email, password).await;
        assert_eq!(word(&result), "wrong", "{email}");
        assert_eq!(bed.studio.password_hashes() - before, 1, "{email}");
        assert_eq!(bed.told().await.len() - told, 1, "one entry: {email}");
    }
    assert_eq!(
        word(&log_in(&bed.studio, "Ana@Example.org", PASSWORD).await),
        "in"
    );
}

#[tokio::test]
async fn failures_in_a_row_make_everybody_wait_alike_and_nobody_for_good() {
    let bed = Bed::new().await;
    account(&bed, "ana@example.org", Role::Admin).await;
    for email in ["ana@example.org", "nobody@example.org"] {
        failures(&bed, email, FREE_TRIES).await;
        let hashes = bed.studio.password_hashes();
        let waits = log_in(&bed.studio, email, PASSWORD).await;
        assert!(
            matches!(waits, Err(LoginError::TooManyTries { retry_after }) if retry_after.as_secs() == 15),
            "{waits:?}"
        );
        assert_eq!(
            bed.studio.password_hashes(),
            hashes,
            "nothing is hashed while waiting"
        );
        bed.wait(15);
        // The wait grows, up to a quarter of an hour.
        for seconds in [30, 60, 120, 240, 480, 900, 900, 900] {
            failures(&bed, email, 1).await;
            bed.wait(seconds - 1);
            assert_eq!(word(&log_in(&bed.studio, email, PASSWORD).await), "too_many");
            bed.wait(1);
        }
    }
    assert_eq!(
        word(&log_in(&bed.studio, "ana@example.org", PASSWORD).await),
        "in"
    );
    failures(&bed, "ana@example.org", FREE_TRIES - 1).await;
    assert_eq!(
        word(&log_in(&bed.studio, "ana@example.org", PASSWORD).await),
        "in",
        "a success ends the row"
    );
    failures(&bed, "ana@example.org", FREE_TRIES - 1).await;
    bed.wait(24 * 3600 + 1);
    failures(&bed, "ana@example.org", FREE_TRIES - 1).await;
    assert_eq!(
        word(&log_in(&bed.studio, "ana@example.org", PASSWORD).await),
        "in",
        "long ago does not count"
    );
}

#[tokio::test]
async fn who_comes_with_a_known_browser_does_not_wait_for_what_others_did() {
    let bed = Bed::with(with_mail).await;
    account(&bed, "ana@example.org", Role::Admin).await;
    account(&bed, "bia@example.org", Role::User).await;
    let browser = |device: Option<&SecretString>| entrance(Client::Browser, device);
    let login = async |email: &str, password: &str, device: Option<&SecretString>| {
        log_in_with(&bed.studio, email, password, None, &browser(device)).await
    };
    let first = login("ana@example.org", PASSWORD, None)
        .await
        .unwrap()
        .device
        .unwrap();
    assert!(
        login("ana@example.org", PASSWORD, Some(&first))
            .await
            .unwrap()
            .device
            .is_none()
    );
    assert_eq!(letters(&bed).await, [], "the first browser is no news");
    let second = login("ana@example.org", PASSWORD, None)
        .await
        .unwrap()
        .device
        .unwrap();
    assert_eq!(letters(&bed).await, [("new_device".to_owned(), None)]);
    assert_ne!(first.expose_secret(), second.expose_secret());

    failures(&bed, "ana@example.org", FREE_TRIES).await;
    failures(&bed, "bia@example.org", FREE_TRIES).await;
    let forged = SecretString::from(format!("sasd_{}", "A".repeat(43)));
    for stranger in [None, Some(&forged)] {
        assert_eq!(
            word(&login("ana@example.org", PASSWORD, stranger).await),
            "too_many"
        );
    }
    assert_eq!(
        word(&login("bia@example.org", PASSWORD, Some(&first)).await),
        "too_many",
        "not hers"
    );
    assert_eq!(
        word(&login("ana@example.org", PASSWORD, Some(&first)).await),
        "in"
    );
    bed.wait(366 * 24 * 3600);
    failures(&bed, "ana@example.org", FREE_TRIES).await;
    assert_eq!(
        word(&login("ana@example.org", PASSWORD, Some(&first)).await),
        "too_many",
        "forgotten"
    );
}

#[tokio::test]
async fn a_second_factor_is_asked_for_and_its_wrong_codes_count() {
    let bed = Bed::new().await;
    let admin = account(&bed, "ana@example.org", Role::Admin).await;
    let first = log_in(&bed.studio, "ana@example.org", PASSWORD).await.unwrap();
    let actor = bed.actor(&first.tokens).await;
    let setup = bed.studio.begin_totp(&actor).await.unwrap();
    let bytes = data_encoding::BASE32_NOPAD
        .decode(setup.secret.as_bytes())
        .unwrap();
    let secret = Secret::stored(&bytes).unwrap();
    let code = secret.code_at(bed.now()).unwrap();
    let recovery = bed.studio.confirm_totp(&actor, &code, None).await.unwrap();
    bed.wait(30);
    let api = entrance(Client::Api, None);
    let login =
        async |code: Option<&str>| log_in_with(&bed.studio, "ana@example.org", PASSWORD, code, &api).await;
    assert_eq!(word(&login(None).await), "second_factor_needed");
    assert_eq!(word(&login(Some("000000")).await), "wrong");
    let good = secret.code_at(bed.now()).unwrap();
    let entered = login(Some(&good)).await.unwrap();
    assert_eq!(bed.actor(&entered.tokens).await.user(), admin);
    assert_eq!(word(&login(Some(&good)).await), "wrong", "a code is good once");
    assert_eq!(word(&login(Some(&recovery[0])).await), "in");
    assert_eq!(word(&login(Some(&recovery[0])).await), "wrong");
    assert_eq!(
        word(&log_in(&bed.studio, "ana@example.org", WRONG).await),
        "wrong"
    );
    let failed: Vec<_> = bed
        .told()
        .await
        .into_iter()
        .filter(|(action, ..)| action == "login.failed")
        .collect();
    // Entries of one instant have no order among them.
    let mut outcomes: Vec<_> = failed.iter().map(|(_, outcome, _)| outcome.as_str()).collect();
    outcomes.sort_unstable();
    assert_eq!(
        outcomes,
        [
            "second_factor_needed",
            "wrong",
            "wrong_code",
            "wrong_code",
            "wrong_code"
        ]
    );
}

#[tokio::test]
async fn a_record_of_an_older_pepper_is_renewed_at_the_next_login() {
    let bed =
        Bed::with(|settings| settings.identity.pepper = Some(SecretString::from("new-pepper old-pepper")))
            .await;
    let id = account(&bed, "ana@example.org", Role::Admin).await;
    let old = Hasher::new(Pepper::of(b"old-pepper"), Vec::new(), 1, Duration::from_secs(600)).unwrap();
    let record = old.hash(&Password::parse(PASSWORD).unwrap()).await.unwrap();
    let kept = record.clone();
    let set = bed.db.write("test.record", move |tx| {
        let kept = kept.clone();
        Box::pin(async move {
            store::users::set_password(tx, id, Some(&kept), false, domain::time::Time::from_micros(1)).await
        })
    });
    let set: Result<(), store::Error> = set.await;
    set.unwrap();
    let record_now = async || {
        let user = bed
            .db
            .read("test.user", move |read| Box::pin(store::users::find(read, id)));
        let user: Result<_, store::Error> = user.await;
        user.unwrap().unwrap().password.unwrap()
    };
    assert_eq!(
        word(&log_in(&bed.studio, "ana@example.org", WRONG).await),
        "wrong"
    );
    assert_eq!(record_now().await, record);
    assert_eq!(
        word(&log_in(&bed.studio, "ana@example.org", PASSWORD).await),
        "in"
    );
    let renewed = record_now().await;
    assert_ne!(renewed, record);
    // ASVS 11.4.2: what is stored.
    assert!(
        renewed.starts_with("$argon2id$v=19$m=47104,t=1,p=1,keyid="),
        "{renewed}"
    );
    let fields: Vec<_> = renewed.split('$').collect();
    assert_eq!(
        data_encoding::BASE64_NOPAD
            .decode(fields[4].as_bytes())
            .unwrap()
            .len(),
        16
    );
    assert_eq!(
        word(&log_in(&bed.studio, "ana@example.org", PASSWORD).await),
        "in"
    );
    assert_eq!(record_now().await, renewed, "a record of now stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_at_once_stay_within_the_budget_and_all_get_in() {
    let bed = Bed::with(|settings| {
        settings.identity.hash_permits = 2;
        settings.identity.hash_queue = Duration::from_secs(600);
    })
    .await;
    for number in 0..10 {
        account(&bed, &format!("ana{number}@example.org"), Role::User).await;
    }
    // Of one address only so many are looked at before one of them is known to be right.
    let many: Vec<_> = (0..50)
        .map(|number| {
            let studio = Arc::clone(&bed.studio);
            let email = format!("ana{}@example.org", number % 10);
            tokio::spawn(async move { word(&log_in(&studio, &email, PASSWORD).await) })
        })
        .collect();
    for one in many {
        assert_eq!(one.await.unwrap(), "in");
    }
    assert!(bed.studio.password_hashes_at_once() <= 2);
}

#[tokio::test]
async fn a_session_is_in_a_workspace_of_theirs_and_moves_to_another_of_theirs() {
    let bed = Bed::new().await;
    let id = account(&bed, "ana@example.org", Role::Admin).await;
    let second = WorkspaceId::from_value(u128::MAX);
    let made = bed.db.write("test.workspace", move |tx| {
        Box::pin(async move {
            let workspace = store::workspaces::Workspace {
                id: second,
                name: "Segundo".to_owned(),
                created_at: domain::time::Time::from_micros(1),
            };
            store::workspaces::insert(tx, &workspace).await?;
            let member = store::members::Member {
                workspace: second,
                user: id,
                role: Role::User,
                created_at: domain::time::Time::from_micros(1),
            };
            store::members::insert(tx, &member).await
        })
    });
    let made: Result<(), store::Error> = made.await;
    made.unwrap();
    let login = async |workspace| {
        let login = Login {
            email: "ana@example.org".to_owned(),
            password: SecretString::from(PASSWORD),
            code: None,
            workspace,
        };
        bed.studio.login(login, entrance(Client::Api, None)).await
    };
    let nowhere = login(Some(WorkspaceId::from_value(5))).await;
    assert_eq!(word(&nowhere), "no_workspace");
    let there = login(Some(second)).await.unwrap();
    assert_eq!(bed.actor(&there.tokens).await.role(), Role::User);
    let here = login(None).await.unwrap().tokens;
    let actor = bed.actor(&here).await;
    assert_eq!((actor.workspace(), actor.role()), (FIRST_WORKSPACE, Role::Admin));
    let me = bed.studio.me(&actor).await.unwrap();
    assert_eq!(me.workspaces.len(), 2);
    assert!(me.rights.contains(&"members:create".to_owned()));
    assert!(
        bed.studio
            .move_session(&actor, WorkspaceId::from_value(5))
            .await
            .is_err()
    );
    bed.studio.move_session(&actor, second).await.unwrap();
    let moved = bed.refreshed(&here).await;
    let actor = bed.actor(&moved).await;
    assert_eq!((actor.workspace(), actor.role()), (second, Role::User));
    let me = bed.studio.me(&actor).await.unwrap();
    assert!(me.workspace.name == "Segundo" && !me.rights.contains(&"members:create".to_owned()));
}

/// Logs in by the right password while `change` is written between the comparison and the session.
async fn log_in_while(bed: &Bed, email: &str, change: &'static str) -> &'static str {
    let studio = Arc::clone(&bed.studio);
    let hashes = studio.password_hashes();
    let mut login = std::pin::pin!(log_in(&studio, email, PASSWORD));
    while studio.password_hashes() == hashes {
        tokio::select! {
            biased;
            _ = &mut login => panic!("it ended before a hash was counted"),
            () = tokio::task::yield_now() => {}
        }
    }
    // Holds the one writer until the login has read all that it reads.
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let changed = bed.db.write("test.change", move |tx| {
        wait.recv().unwrap();
        Box::pin(async move { tx.execute(change, &[]).await })
    });
    let mut changed: std::pin::Pin<Box<dyn Future<Output = Result<u64, store::Error>>>> = Box::pin(changed);
    tokio::select! {
        biased;
        _ = &mut changed => panic!("nothing was waited for"),
        () = std::future::ready(()) => {}
    }
    for _ in 0..300 {
        tokio::select! {
            biased;
            _ = &mut login => panic!("nobody is let in without a write"),
            _ = bed.number("select count(*) as n from users") => {}
        }
    }
    go.send(()).unwrap();
    let (changed, ended) = tokio::join!(changed, login);
    assert_eq!(changed.unwrap(), 1);
    word(&ended)
}

#[tokio::test]
async fn what_changes_while_a_password_is_compared_counts() {
    let bed = Bed::with(with_mail).await;
    let id = account(&bed, "ana@example.org", Role::Admin).await;
    let sessions = "select count(*) as n from sessions";
    assert_eq!(
        log_in_while(&bed, "ana@example.org", "update users set locale = 'en'").await,
        "in"
    );
    assert_eq!(bed.number(sessions).await, 1);
    for change in [
        "update users set auth_epoch = auth_epoch + 1",
        "update users set password = 'another'",
        "update users set state = 'disabled'",
    ] {
        let record = bed
            .db
            .read("test.user", move |read| Box::pin(store::users::find(read, id)));
        let record: Result<_, store::Error> = record.await;
        let record = record.unwrap().unwrap().password;
        assert_eq!(
            log_in_while(&bed, "ana@example.org", change).await,
            "wrong",
            "{change}"
        );
        let back = bed.db.write("test.back", move |tx| {
            let record = record.clone();
            Box::pin(async move {
                let now = domain::time::Time::from_micros(1);
                store::users::set_password(tx, id, record.as_deref(), false, now).await?;
                store::users::set_state(tx, id, domain::identity::AccountState::Active, now).await
            })
        });
        let back: Result<(), store::Error> = back.await;
        back.unwrap();
    }
    let factor = "insert into totp (user_id, secret_sealed, created_at, confirmed_at, last_step) \
                  select id, x'00', 1, 1, 0 from users";
    assert_eq!(
        log_in_while(&bed, "ana@example.org", factor).await,
        "second_factor_needed"
    );
    assert_eq!(bed.number(sessions).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_wrong_tries_at_the_end_of_a_delay_one_is_hashed() {
    let bed = Bed::with(with_mail).await;
    account(&bed, "ana@example.org", Role::Admin).await;
    for email in ["ana@example.org", "nobody@example.org"] {
        failures(&bed, email, FREE_TRIES).await;
        bed.wait(15);
        let hashes = bed.studio.password_hashes();
        let many: Vec<_> = (0..50)
            .map(|_| {
                let studio = Arc::clone(&bed.studio);
                tokio::spawn(async move { word(&log_in(&studio, email, WRONG).await) })
            })
            .collect();
        let mut told = Vec::new();
        for one in many {
            told.push(one.await.unwrap());
        }
        assert_eq!(told.iter().filter(|word| **word == "wrong").count(), 1);
        assert_eq!(told.iter().filter(|word| **word == "too_many").count(), 49);
        assert_eq!(bed.studio.password_hashes() - hashes, 1, "{email}");
    }
}

#[tokio::test]
async fn a_program_that_was_not_seen_before_is_news_and_one_that_was_is_not() {
    let bed = Bed::with(with_mail).await;
    account(&bed, "ana@example.org", Role::Admin).await;
    let from = async |agent: &str, address: &str| {
        let entrance = Entrance {
            agent: agent.to_owned(),
            address: address.parse().unwrap(),
            ..entrance(Client::Api, None)
        };
        let entered = log_in_with(&bed.studio, "ana@example.org", PASSWORD, None, &entrance).await;
        assert_eq!(word(&entered), "in");
        letters(&bed).await.len()
    };
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    assert_eq!(from(firefox, "192.0.2.77").await, 0, "the first is no news");
    assert_eq!(from(firefox, "192.0.2.78").await, 0, "the same network");
    assert_eq!(from(firefox, "198.51.100.7").await, 1);
    assert_eq!(from("curl/8.0", "192.0.2.77").await, 2);
    assert_eq!(from("curl/8.0", "192.0.2.77").await, 2, "told once");
    assert!(
        letters(&bed)
            .await
            .iter()
            .all(|letter| *letter == ("new_device".to_owned(), None))
    );
}

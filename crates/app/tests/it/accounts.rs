//! Accounts: the first one, those that people make themselves, new passwords; and that nothing is done that
//! the audit log does not hold.

use crate::bed::{Bed, ORIGIN};
use crate::login::{
    PASSWORD, WRONG, account, entrance, letters, log_in, log_in_with, token_of, with_mail, word,
};
use app::identity::accounts::PasswordError;
use app::identity::factors::FactorError;
use app::identity::login::LoggedIn;
use app::identity::machine::{LocalAccount, MachineError};
use app::identity::register::{MAX_LETTERS, NewRegistration, RegisterError, Verification};
use app::identity::reset::{Reset, ResetError};
use app::identity::setup::{CODE_LIFE, NewAdministrator, SetupError};
use app::identity::{Presented, Unauthenticated};
use credentials::password::Weak;
use credentials::totp::Secret;
use domain::actor::{Actor, FIRST_WORKSPACE, LOCAL_USER};
use domain::identity::{Client, Registration, Role};
use secrecy::{ExposeSecret, SecretString};
use testkit::authenticator::Authenticator;

pub const ANOTHER: &str = "outra frase bem comprida";

pub async fn set_up(
    bed: &Bed,
    code: &str,
    email: &str,
    password: Option<&str>,
) -> Result<LoggedIn, SetupError> {
    let new = NewAdministrator {
        code: SecretString::from(code),
        email: email.to_owned(),
        name: "Ana".to_owned(),
        password: password.map(SecretString::from),
        locale: None,
    };
    bed.studio.set_up(new, entrance(Client::Api, None)).await
}

pub async fn register(bed: &Bed, email: &str, name: &str, password: &str) -> Result<(), RegisterError> {
    register_in(bed, email, name, password, None).await
}

pub async fn register_in(
    bed: &Bed,
    email: &str,
    name: &str,
    password: &str,
    browser: Option<&str>,
) -> Result<(), RegisterError> {
    let new = NewRegistration {
        email: email.to_owned(),
        name: name.to_owned(),
        password: SecretString::from(password),
        locale: Some("en".to_owned()),
        browser: browser.map(SecretString::from),
        request_id: None,
    };
    bed.studio.register(new).await
}

pub async fn verify(
    bed: &Bed,
    token: &SecretString,
    password: Option<&str>,
    browser: Option<&str>,
) -> Result<(), RegisterError> {
    let asked = Verification {
        token: token.clone(),
        password: password.map(SecretString::from),
        browser: browser.map(SecretString::from),
        request_id: None,
    };
    bed.studio.verify_email(asked).await
}

pub fn reset(token: &SecretString, password: &str) -> Reset {
    Reset {
        token: token.clone(),
        password: SecretString::from(password),
        code: None,
        browser: None,
        request_id: None,
    }
}

pub async fn run(bed: &Bed, sql: String) {
    let done = bed.db.write("test.run", move |tx| {
        let sql = sql.clone();
        Box::pin(async move { tx.execute(&sql, &[]).await })
    });
    let done: Result<u64, store::Error> = done.await;
    done.unwrap();
}

#[tokio::test]
async fn the_first_administrator_is_made_with_the_code_and_takes_over_what_was_there() {
    let bed = Bed::new().await;
    run(
        &bed,
        format!(
            "insert into generations (id, workspace, user_id, kind, spec, prompt_sealed, findings, notes, purpose, \
             state, demo, priority, estimated_micros, estimated_currency, created_at, updated_at) values \
             ('gen_1', '{FIRST_WORKSPACE}', '{LOCAL_USER}', 'image', '{{}}', x'00', '[]', '{{}}', 'draft', \
             'succeeded', 1, 0, 0, 'USD', 1, 1)"
        ),
    )
    .await;
    assert!(bed.studio.entrance_policy().await.unwrap().setup_needed);
    assert_eq!(
        word(&log_in(&bed.studio, "ana@example.org", PASSWORD).await),
        "wrong"
    );
    let code = bed.studio.begin_setup().await.unwrap().unwrap();
    for wrong in ["", "AAAA-AAAA", &code[..8]] {
        let told = set_up(&bed, wrong, "ana@example.org", Some(PASSWORD)).await;
        assert!(matches!(told, Err(SetupError::Code)), "{wrong}");
    }
    let weak = set_up(&bed, &code, "ana@example.org", Some("password")).await;
    assert!(matches!(weak, Err(SetupError::Password(PasswordError::Weak(_)))));
    let entered = set_up(&bed, &code, "ana@example.org", Some(PASSWORD))
        .await
        .unwrap();
    let actor = bed.actor(&entered.tokens).await;
    assert_eq!(
        (actor.role(), actor.installation_role()),
        (Role::Admin, Role::Admin)
    );
    assert_eq!(
        bed.number("select count(*) as n from generations where user_id like 'usr_0190%'")
            .await,
        0
    );
    assert!(!bed.studio.entrance_policy().await.unwrap().setup_needed);
    let again = set_up(&bed, &code, "bia@example.org", Some(PASSWORD)).await;
    assert!(matches!(again, Err(SetupError::Code)), "a code is good once");
    assert_eq!(bed.studio.begin_setup().await.unwrap(), None);
    assert_eq!(
        word(&log_in(&bed.studio, "ana@example.org", PASSWORD).await),
        "in"
    );
    let actions: Vec<_> = bed.told().await.into_iter().map(|(action, ..)| action).collect();
    for action in ["setup.completed", "account.created", "login.succeeded"] {
        assert!(actions.iter().any(|of| of == action), "{actions:?}");
    }
}

#[tokio::test]
async fn one_of_two_starts_makes_the_administrator() {
    let bed = Bed::new().await;
    let other = bed.another();
    let (mine, theirs) = (
        bed.studio.begin_setup().await.unwrap().unwrap(),
        other.begin_setup().await.unwrap().unwrap(),
    );
    let of_the_other = set_up(&bed, &theirs, "ana@example.org", Some(PASSWORD)).await;
    assert!(matches!(of_the_other, Err(SetupError::Code)));
    account(&bed, "root@example.org", Role::Admin).await;
    let late = set_up(&bed, &mine, "ana@example.org", Some(PASSWORD)).await;
    assert!(matches!(late, Err(SetupError::Done)));
}

#[tokio::test]
async fn who_left_before_adding_a_passkey_comes_back_to_the_account() {
    let bed = Bed::new().await;
    let code = bed.studio.begin_setup().await.unwrap().unwrap();
    let first = bed
        .actor(&set_up(&bed, &code, "ana@example.org", None).await.unwrap().tokens)
        .await;
    let code = bed
        .studio
        .begin_setup()
        .await
        .unwrap()
        .expect("nobody can log in yet");
    let late = i64::try_from(CODE_LIFE.as_secs()).unwrap();
    bed.wait(late);
    let over = set_up(&bed, &code, "ana@example.org", Some(PASSWORD)).await;
    assert!(matches!(over, Err(SetupError::Code)));
    let code = bed.studio.begin_setup().await.unwrap().unwrap();
    let again = set_up(&bed, &code.to_lowercase(), "Ana@example.org", Some(PASSWORD))
        .await
        .unwrap();
    assert_eq!(bed.actor(&again.tokens).await.user(), first.user());
    assert_eq!(
        word(&log_in(&bed.studio, "ana@example.org", PASSWORD).await),
        "in"
    );
}

#[tokio::test]
async fn registration_is_for_whom_it_is_open() {
    for registration in [Registration::Closed, Registration::Invite] {
        let bed = Bed::with(|settings| {
            with_mail(settings);
            settings.identity.registration = registration;
        })
        .await;
        let told = register(&bed, "ana@example.org", "Ana", PASSWORD).await;
        assert!(matches!(told, Err(RegisterError::Closed)), "{registration}");
        assert_eq!(bed.studio.password_hashes(), 0);
    }
}

#[tokio::test]
async fn where_registration_is_open_before_mail_is_the_letter_waits() {
    let bed = Bed::with(|settings| {
        settings.identity.registration = Registration::Open;
        settings.identity.mail = None;
    })
    .await;
    register(&bed, "ana@example.org", "Ana", PASSWORD).await.unwrap();
    assert_eq!(letters(&bed).await.len(), 1);
}

#[tokio::test]
async fn guessable_passwords_are_refused_wherever_one_is_set() {
    let folder = tempfile::tempdir().unwrap();
    let (lines, list) = (folder.path().join("lines"), folder.path().join("list"));
    std::fs::write(&lines, "vazou de outro servico\n").unwrap();
    credentials::password::build(&lines, &list).unwrap();
    let bed = Bed::with(|settings| {
        with_mail(settings);
        settings.identity.breach_list = Some(list.clone());
    })
    .await;
    account(&bed, "ana@example.org", Role::Admin).await;
    let entered = log_in(&bed.studio, "ana@example.org", PASSWORD).await.unwrap();
    let actor = bed.actor(&entered.tokens).await;
    bed.studio
        .forgot_password("ana@example.org", None, None)
        .await
        .unwrap();
    let token = token_of(&bed, "reset_password").await;
    for bad in [
        "quatorze chars",
        "aaaaaaaaaaaaaaaaaaaa",
        "abcdefghijklmnopqrst",
        "qwertyuiopasdfghjkl",
        "vazou de outro servico",
        "ana@example.org-2026",
        "secure ai studio 1",
    ] {
        let registered = register(&bed, "ana.example@example.org", "Ana", bad).await;
        assert!(
            matches!(registered, Err(RegisterError::Password(PasswordError::Weak(_)))),
            "{bad}"
        );
        let changed = bed
            .studio
            .set_my_password(&actor, &SecretString::from(bad), None)
            .await;
        assert!(
            matches!(changed, Err(ResetError::Password(PasswordError::Weak(_)))),
            "{bad}"
        );
        let set = bed.studio.reset_password(reset(&token, bad)).await;
        assert!(
            matches!(set, Err(ResetError::Password(PasswordError::Weak(_)))),
            "{bad}"
        );
    }
    for good in [
        "quinze letras x",
        "só 🌻 e um 🐈‍⬛ no jardim",
        "МОСКВА слезам не верит",
    ] {
        bed.studio
            .set_my_password(&actor, &SecretString::from(good), None)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_reset_keeps_the_second_factor_ends_sessions_and_works_once() {
    let bed = Bed::with(with_mail).await;
    account(&bed, "ana@example.org", Role::Admin).await;
    let before = log_in(&bed.studio, "ana@example.org", PASSWORD).await.unwrap();
    let actor = bed.actor(&before.tokens).await;
    let setup = bed.studio.begin_totp(&actor).await.unwrap();
    let bytes = data_encoding::BASE32_NOPAD
        .decode(setup.secret.as_bytes())
        .unwrap();
    let secret = Secret::stored(&bytes).unwrap();
    let code = secret.code_at(bed.now()).unwrap();
    bed.studio.confirm_totp(&actor, &code, None).await.unwrap();
    bed.wait(30);
    for email in ["ana@example.org", "nobody@example.org", "no address"] {
        let hashes = bed.studio.password_hashes();
        bed.studio.forgot_password(email, None, None).await.unwrap();
        assert_eq!(bed.studio.password_hashes(), hashes);
    }
    let token = token_of(&bed, "reset_password").await;
    let without = bed.studio.reset_password(reset(&token, ANOTHER)).await;
    assert!(matches!(without, Err(ResetError::SecondFactorNeeded(_))));
    let with = |code: &str| Reset {
        code: Some(SecretString::from(code)),
        ..reset(&token, ANOTHER)
    };
    assert!(matches!(
        bed.studio.reset_password(with("000000")).await,
        Err(ResetError::Wrong)
    ));
    let noted = (
        "step_up.failed".to_owned(),
        "wrong_code".to_owned(),
        String::new(),
    );
    assert!(bed.told().await.contains(&noted));
    bed.wait(30);
    let code = secret.code_at(bed.now()).unwrap();
    bed.studio.reset_password(with(&code)).await.unwrap();
    let old = Presented::Access {
        token: before.tokens.access.clone(),
        proof: None,
    };
    let refused = bed.studio.authenticate(old).await;
    assert!(
        matches!(refused, Err(Unauthenticated::SessionOver)),
        "{refused:?}"
    );
    assert_eq!(
        word(&log_in(&bed.studio, "ana@example.org", PASSWORD).await),
        "wrong"
    );
    assert_eq!(
        word(&log_in(&bed.studio, "ana@example.org", ANOTHER).await),
        "second_factor_needed"
    );
    bed.wait(30);
    let code = secret.code_at(bed.now()).unwrap();
    let api = entrance(Client::Api, None);
    let entered = log_in_with(&bed.studio, "ana@example.org", ANOTHER, Some(&code), &api).await;
    assert_eq!(word(&entered), "in");
    let again = bed.studio.reset_password(with(&code)).await;
    assert!(matches!(again, Err(ResetError::Ticket)));
    assert_eq!(letters(&bed).await.last().unwrap().0, "password_changed");
}

#[tokio::test]
async fn a_reset_link_is_of_its_browser_and_over_in_half_an_hour() {
    let bed = Bed::with(with_mail).await;
    account(&bed, "ana@example.org", Role::Admin).await;
    let (mine, theirs) = (SecretString::from("mine"), SecretString::from("theirs"));
    bed.studio
        .forgot_password("ana@example.org", Some(&mine), None)
        .await
        .unwrap();
    let token = token_of(&bed, "reset_password").await;
    let from = |browser: Option<&SecretString>| Reset {
        browser: browser.cloned(),
        ..reset(&token, ANOTHER)
    };
    for stranger in [None, Some(&theirs)] {
        let told = bed.studio.reset_password(from(stranger)).await;
        assert!(matches!(told, Err(ResetError::Ticket)));
    }
    bed.wait(30 * 60);
    assert!(matches!(
        bed.studio.reset_password(from(Some(&mine))).await,
        Err(ResetError::Ticket)
    ));
    bed.wait(-1);
    bed.studio.reset_password(from(Some(&mine))).await.unwrap();
    assert_eq!(word(&log_in(&bed.studio, "ana@example.org", ANOTHER).await), "in");
    bed.wait(3600);
    for _ in 0..MAX_LETTERS + 5 {
        bed.studio
            .forgot_password("ana@example.org", None, None)
            .await
            .unwrap();
    }
    let links = letters(&bed)
        .await
        .into_iter()
        .filter(|(kind, _)| kind == "reset_password")
        .count();
    assert_eq!(links, 1 + usize::try_from(MAX_LETTERS).unwrap());
    let nonsense = SecretString::from(format!("sast_{}", "A".repeat(43)));
    for token in [&nonsense, &SecretString::from("x"), &SecretString::from("")] {
        let told = bed.studio.reset_password(reset(token, ANOTHER)).await;
        assert!(
            matches!(told, Err(ResetError::Ticket)),
            "{}",
            token.expose_secret()
        );
    }
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions_and_not_the_own() {
    let bed = Bed::with(with_mail).await;
    account(&bed, "ana@example.org", Role::Admin).await;
    let own = log_in(&bed.studio, "ana@example.org", PASSWORD)
        .await
        .unwrap()
        .tokens;
    let other = log_in(&bed.studio, "ana@example.org", PASSWORD)
        .await
        .unwrap()
        .tokens;
    let actor = bed.actor(&own).await;
    bed.actor(&other).await;
    bed.studio
        .set_my_password(&actor, &SecretString::from(ANOTHER), None)
        .await
        .unwrap();
    assert_eq!(bed.actor(&own).await.user(), actor.user());
    let gone = Presented::Access {
        token: other.access.clone(),
        proof: None,
    };
    assert!(bed.studio.authenticate(gone).await.is_err());
    assert_eq!(
        word(&log_in(&bed.studio, "ana@example.org", PASSWORD).await),
        "wrong"
    );
    assert_eq!(word(&log_in(&bed.studio, "ana@example.org", ANOTHER).await), "in");
}

#[tokio::test]
async fn the_last_administrator_cannot_be_closed_and_who_is_closed_is_out() {
    let bed = Bed::new().await;
    account(&bed, "ana@example.org", Role::Admin).await;
    bed.wait(1);
    account(&bed, "bia@example.org", Role::User).await;
    bed.wait(1);
    let last = bed.studio.disable_local_account("ana@example.org").await;
    assert!(matches!(last, Err(MachineError::LastAdministrator)));
    account(&bed, "caio@example.org", Role::Admin).await;
    let tokens = log_in(&bed.studio, "ana@example.org", PASSWORD)
        .await
        .unwrap()
        .tokens;
    bed.actor(&tokens).await;
    bed.studio.disable_local_account("ana@example.org").await.unwrap();
    let out = Presented::Access {
        token: tokens.access.clone(),
        proof: None,
    };
    assert!(bed.studio.authenticate(out).await.is_err());
    assert_eq!(
        word(&log_in(&bed.studio, "ana@example.org", PASSWORD).await),
        "wrong"
    );
    let link = bed.studio.local_reset_link("ana@example.org").await;
    assert!(
        matches!(link, Err(MachineError::NotFound)),
        "a closed account is opened by people, not by a link"
    );
    let twice = LocalAccount {
        email: "BIA@example.org".to_owned(),
        name: None,
        role: Role::User,
        password: None,
        workspace: None,
    };
    let twice = bed.studio.create_local_account(&twice).await;
    assert!(matches!(twice, Err(MachineError::Exists)));
    let states: Vec<_> = bed
        .studio
        .local_accounts()
        .await
        .unwrap()
        .into_iter()
        .map(|of| of.state.to_string())
        .collect();
    assert_eq!(states, ["active", "active", "disabled"]);
}

#[tokio::test]
async fn what_the_audit_log_does_not_take_is_not_done() {
    let bed = Bed::with(with_mail).await;
    account(&bed, "ana@example.org", Role::Admin).await;
    account(&bed, "bia@example.org", Role::User).await;
    let tokens = log_in(&bed.studio, "ana@example.org", PASSWORD)
        .await
        .unwrap()
        .tokens;
    let actor = bed.actor(&tokens).await;
    bed.studio
        .forgot_password("ana@example.org", None, None)
        .await
        .unwrap();
    let token = token_of(&bed, "reset_password").await;
    register(&bed, "new@example.org", "Nova", PASSWORD).await.unwrap();
    let link = token_of(&bed, "verify_email").await;
    let counts = async || {
        let mut counts = Vec::new();
        for sql in [
            "select count(*) as n from users",
            "select count(*) as n from users where state = 'active'",
            "select count(*) as n from sessions where ended_at is null",
            "select count(*) as n from tickets where used_at is null",
            "select count(*) as n from mails",
        ] {
            let read = bed.db.read("test.count", move |read| {
                Box::pin(async move { Ok(read.one(sql, &[]).await?.opt_int("n")?.unwrap_or(0)) })
            });
            let read: Result<i64, store::Error> = read.await;
            counts.push(read.unwrap());
        }
        counts
    };
    let before = counts().await;
    run(&bed, "alter table audit_entries rename to hidden".to_owned()).await;
    let studio = &bed.studio;
    assert!(log_in(studio, "ana@example.org", PASSWORD).await.is_err());
    assert!(log_in(studio, "ana@example.org", WRONG).await.is_err());
    assert!(log_in(studio, "nobody@example.org", WRONG).await.is_err());
    assert!(
        register(&bed, "third@example.org", "Nova", PASSWORD)
            .await
            .is_err()
    );
    assert!(verify(&bed, &link, Some(PASSWORD), None).await.is_err());
    assert!(
        studio
            .forgot_password("ana@example.org", None, None)
            .await
            .is_err()
    );
    assert!(studio.reset_password(reset(&token, ANOTHER)).await.is_err());
    assert!(
        studio
            .set_my_password(&actor, &SecretString::from(ANOTHER), None)
            .await
            .is_err()
    );
    assert!(studio.change_me(&actor, Some("Outra"), None, None).await.is_err());
    assert!(studio.disable_local_account("bia@example.org").await.is_err());
    assert!(studio.local_reset_link("bia@example.org").await.is_err());
    run(&bed, "alter table hidden rename to audit_entries".to_owned()).await;
    assert_eq!(counts().await, before);
    assert_eq!(studio.me(&actor).await.unwrap().texts.name.expose(), "Ana");
    assert_eq!(word(&log_in(studio, "ana@example.org", PASSWORD).await), "in");
}

#[tokio::test]
async fn setting_up_without_an_audit_log_makes_no_administrator() {
    let bed = Bed::new().await;
    let code = bed.studio.begin_setup().await.unwrap().unwrap();
    run(&bed, "alter table audit_entries rename to hidden".to_owned()).await;
    assert!(
        set_up(&bed, &code, "ana@example.org", Some(PASSWORD))
            .await
            .is_err()
    );
    run(&bed, "alter table hidden rename to audit_entries".to_owned()).await;
    assert_eq!(bed.number("select count(*) as n from users").await, 0);
    assert!(
        set_up(&bed, &code, "ana@example.org", Some(PASSWORD))
            .await
            .is_ok(),
        "the code is still good"
    );
}

/// Long enough beside a second factor, and not alone.
const SHORT: &str = "lua 47 verde";

async fn with_totp(bed: &Bed, actor: &Actor) {
    let setup = bed.studio.begin_totp(actor).await.unwrap();
    let bytes = data_encoding::BASE32_NOPAD
        .decode(setup.secret.as_bytes())
        .unwrap();
    let code = Secret::stored(&bytes).unwrap().code_at(bed.now()).unwrap();
    bed.studio.confirm_totp(actor, &code, None).await.unwrap();
}

async fn choose(bed: &Bed, actor: &Actor, password: &str) -> Result<(), ResetError> {
    bed.studio
        .set_my_password(actor, &SecretString::from(password), None)
        .await
}

fn is_too_short<T>(result: &Result<T, ResetError>) -> bool {
    matches!(
        result,
        Err(ResetError::Password(PasswordError::Weak(Weak::TooShort {
            least: 15
        })))
    )
}

#[tokio::test]
async fn a_password_that_is_short_for_a_second_factors_sake_never_stands_alone() {
    let bed = Bed::with(with_mail).await;
    let user = account(&bed, "ana@example.org", Role::User).await;
    let entered = log_in(&bed.studio, "ana@example.org", PASSWORD).await.unwrap();
    let actor = bed.actor(&entered.tokens).await;
    assert!(is_too_short(&choose(&bed, &actor, SHORT).await));
    with_totp(&bed, &actor).await;
    choose(&bed, &actor, SHORT).await.unwrap();

    // Refused whole: codes and recovery codes are there as before, and nothing is told.
    let refused = bed.studio.remove_totp(&actor, None).await;
    assert!(matches!(refused, Err(FactorError::PasswordShort)), "{refused:?}");
    assert_eq!(bed.studio.factors(&actor).await.unwrap().recovery_codes_left, 10);
    assert_eq!(
        word(&log_in(&bed.studio, "ana@example.org", SHORT).await),
        "second_factor_needed"
    );
    assert!(
        bed.told()
            .await
            .iter()
            .all(|(action, ..)| action != "factor.removed")
    );

    // One of two may go, whichever the other is.
    let begun = bed.studio.begin_passkey(&actor).await.unwrap();
    let answer = Authenticator::at(ORIGIN).create(&begun.options).unwrap();
    let finished = bed
        .studio
        .finish_passkey(&actor, &begun.ticket, &answer, "Chave", None);
    let passkey = finished.await.unwrap().id;
    bed.studio.remove_totp(&actor, None).await.unwrap();
    let refused = bed.studio.remove_passkey(&actor, passkey, None).await;
    assert!(matches!(refused, Err(FactorError::PasswordShort)), "{refused:?}");
    choose(&bed, &actor, ANOTHER).await.unwrap();
    bed.studio.remove_passkey(&actor, passkey, None).await.unwrap();
    assert_eq!(bed.studio.second_factors_of(user).await.unwrap(), []);
}

#[tokio::test]
async fn a_short_password_and_the_removal_of_the_last_factor_do_not_pass_each_other() {
    let bed = Bed::with(with_mail).await;
    let user = account(&bed, "ana@example.org", Role::User).await;
    let entered = log_in(&bed.studio, "ana@example.org", PASSWORD).await.unwrap();
    let actor = bed.actor(&entered.tokens).await;
    with_totp(&bed, &actor).await;
    // The password takes its time to be hashed, after the factors were looked at.
    let (chosen, removed) = tokio::join!(choose(&bed, &actor, SHORT), bed.studio.remove_totp(&actor, None));
    assert_eq!(u8::from(chosen.is_ok()) + u8::from(removed.is_ok()), 1);
    assert!(chosen.is_ok() || is_too_short(&chosen), "{chosen:?}");
    let alone = bed.studio.second_factors_of(user).await.unwrap().is_empty();
    let password = if alone { PASSWORD } else { SHORT };
    let told = word(&log_in(&bed.studio, "ana@example.org", password).await);
    assert_eq!(told, if alone { "in" } else { "second_factor_needed" });
}

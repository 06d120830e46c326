//! Passkeys, one-time codes, recovery codes, and showing one again.

use crate::bed::{Bed, ORIGIN};
use app::identity::factors::{FIRST_DELAY, FREE_TRIES, FactorError, SecondFactor};
use app::identity::passkeys::Ceremony;
use credentials::passkeys::PasskeyError;
use credentials::totp::Secret;
use domain::actor::Actor;
use domain::id::PasskeyId;
use secrecy::SecretString;
use std::sync::Arc;
use testkit::authenticator::Authenticator;

fn code_of(secret: &str, bed: &Bed) -> String {
    let bytes = data_encoding::BASE32_NOPAD.decode(secret.as_bytes()).unwrap();
    Secret::stored(&bytes).unwrap().code_at(bed.now()).unwrap()
}

/// Sets up one-time codes: the secret as an app has it, and the recovery codes.
async fn with_totp(bed: &Bed, actor: &Actor) -> (String, Vec<String>) {
    let setup = bed.studio.begin_totp(actor).await.unwrap();
    let secret = setup.secret.to_string();
    let codes = bed
        .studio
        .confirm_totp(actor, &code_of(&secret, bed), None)
        .await
        .unwrap();
    // The code that confirmed it is used up.
    bed.wait(30);
    (secret, codes)
}

async fn with_passkey(bed: &Bed, actor: &Actor, authenticator: &mut Authenticator) -> PasskeyId {
    let begun = bed.studio.begin_passkey(actor).await.unwrap();
    let answer = authenticator.create(&begun.options).unwrap();
    let made = bed
        .studio
        .finish_passkey(actor, &begun.ticket, &answer, "Chave", None)
        .await;
    made.unwrap().id
}

async fn show_code(bed: &Bed, actor: &Actor, code: &str) -> Result<(), FactorError> {
    bed.studio
        .step_up_by_code(actor, &SecretString::from(code), None)
        .await
}

async fn show_passkey(
    bed: &Bed,
    actor: &Actor,
    authenticator: &mut Authenticator,
) -> Result<(), FactorError> {
    let begun = bed.studio.begin_passkey_step_up(actor).await?;
    let answer = authenticator.get(&begun.options).unwrap();
    bed.studio
        .step_up_by_passkey(actor, &begun.ticket, &answer, None)
        .await
}

fn word(result: Result<(), FactorError>) -> &'static str {
    match result {
        Ok(()) => "ok",
        Err(FactorError::Wrong) => "wrong",
        Err(FactorError::TooManyTries { .. }) => "too_many",
        Err(FactorError::Ticket) => "ticket",
        Err(FactorError::Passkey(error)) => error.word(),
        Err(FactorError::NotFound) => "not_found",
        Err(FactorError::LastCredential) => "last_credential",
        Err(FactorError::SessionOver) => "session_over",
        Err(FactorError::SecondFactorNeeded(_)) => "second_factor_needed",
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn one_time_codes_count_once_a_code_was_shown() {
    let bed = Bed::new().await;
    let (user, _, actor) = bed.logged_in().await;
    let setup = bed.studio.begin_totp(&actor).await.unwrap();
    assert!(setup.link.starts_with("otpauth://totp/Secure%20AI%20Studio:ana"));
    assert!(setup.link.contains("&issuer=Secure%20AI%20Studio"));
    assert_eq!(bed.studio.second_factors_of(user).await.unwrap(), []);
    assert_eq!(bed.studio.factors(&actor).await.unwrap().totp, None);
    let refused = bed.studio.confirm_totp(&actor, "000000", None).await;
    assert!(matches!(refused, Err(FactorError::Wrong)));
    let code = code_of(&setup.secret, &bed);
    let codes = bed.studio.confirm_totp(&actor, &code, None).await.unwrap();
    assert_eq!(codes.len(), 10);
    let both = [SecondFactor::Totp, SecondFactor::Recovery];
    assert_eq!(bed.studio.second_factors_of(user).await.unwrap(), both);
    let factors = bed.studio.factors(&actor).await.unwrap();
    assert_eq!((factors.totp, factors.recovery_codes_left), (Some(bed.now()), 10));
    assert!(matches!(
        bed.studio.begin_totp(&actor).await,
        Err(FactorError::Exists)
    ));
    assert_eq!(
        word(show_code(&bed, &actor, &code).await),
        "wrong",
        "it confirmed, so it is used up"
    );
    let added = ("factor.added".to_owned(), "ok".to_owned(), "totp".to_owned());
    assert!(bed.told().await.contains(&added));
    assert_eq!(
        bed.number("select count(*) as n from mails where kind = 'factor_changed'")
            .await,
        1
    );
    bed.studio.remove_totp(&actor, None).await.unwrap();
    assert_eq!(bed.studio.second_factors_of(user).await.unwrap(), []);
    assert_eq!(
        bed.studio.factors(&actor).await.unwrap().recovery_codes_left,
        0,
        "nothing to recover"
    );
    assert!(matches!(
        bed.studio.remove_totp(&actor, None).await,
        Err(FactorError::NotFound)
    ));
    assert_eq!(
        bed.number("select count(*) as n from mails where kind = 'factor_changed'")
            .await,
        2
    );
}

/// Checklist 10: a code works once; the same or an older step is refused, by any of many at once.
#[tokio::test]
async fn a_code_is_good_once_for_one_of_twenty_at_the_same_time() {
    let bed = Arc::new(Bed::new().await);
    let (_, _, actor) = bed.logged_in().await;
    let (secret, _) = with_totp(&bed, &actor).await;
    let older = code_of(&secret, &bed);
    bed.wait(30);
    let code = code_of(&secret, &bed);
    let mut tries = Vec::new();
    for _ in 0..20 {
        let (bed, actor, code) = (Arc::clone(&bed), actor.clone(), code.clone());
        tries.push(tokio::spawn(
            async move { word(show_code(&bed, &actor, &code).await) },
        ));
    }
    let mut right = 0;
    for one in tries {
        match one.await.unwrap() {
            "ok" => right += 1,
            refused => assert!(matches!(refused, "wrong" | "too_many"), "{refused}"),
        }
    }
    assert_eq!(right, 1);
    bed.wait(901);
    assert_eq!(word(show_code(&bed, &actor, &older).await), "wrong");
}

#[tokio::test]
async fn wrong_codes_make_the_next_wait_and_a_right_one_ends_the_row() {
    let bed = Bed::new().await;
    let (_, _, actor) = bed.logged_in().await;
    let (secret, _) = with_totp(&bed, &actor).await;
    for _ in 0..FREE_TRIES {
        assert_eq!(word(show_code(&bed, &actor, "000000").await), "wrong");
    }
    let early = show_code(&bed, &actor, &code_of(&secret, &bed)).await;
    assert!(matches!(early, Err(FactorError::TooManyTries { retry_after }) if retry_after == FIRST_DELAY));
    bed.wait(14);
    assert_eq!(
        word(show_code(&bed, &actor, &code_of(&secret, &bed)).await),
        "too_many"
    );
    bed.wait(1);
    assert_eq!(word(show_code(&bed, &actor, "000000").await), "wrong");
    bed.wait(29);
    assert_eq!(
        word(show_code(&bed, &actor, &code_of(&secret, &bed)).await),
        "too_many",
        "twice as long"
    );
    bed.wait(1);
    assert_eq!(word(show_code(&bed, &actor, &code_of(&secret, &bed)).await), "ok");
    for _ in 0..FREE_TRIES {
        assert_eq!(
            word(show_code(&bed, &actor, "000000").await),
            "wrong",
            "the row began anew"
        );
    }
    let failed = bed
        .told()
        .await
        .iter()
        .filter(|(action, ..)| action == "step_up.failed")
        .count();
    assert_eq!(
        failed,
        FREE_TRIES as usize + 1 + 3 + FREE_TRIES as usize,
        "each is in the log"
    );
    let (_, _, other) = bed.logged_in().await;
    let (secret, _) = with_totp(&bed, &other).await;
    assert_eq!(
        word(show_code(&bed, &other, &code_of(&secret, &bed)).await),
        "ok",
        "another person"
    );
}

/// Checklist 13: recovery codes are single-use and stored hashed.
#[tokio::test]
async fn a_recovery_code_is_good_once_and_nowhere_in_the_clear() {
    let bed = Bed::new().await;
    let (user, _, actor) = bed.logged_in().await;
    let none = bed.studio.new_recovery_codes(&actor, None).await;
    assert!(matches!(none, Err(FactorError::NothingToRecover)));
    let (_, codes) = with_totp(&bed, &actor).await;
    assert_eq!(
        word(show_code(&bed, &actor, &codes[0].to_uppercase()).await),
        "ok"
    );
    assert_eq!(word(show_code(&bed, &actor, &codes[0]).await), "wrong");
    assert_eq!(bed.studio.factors(&actor).await.unwrap().recovery_codes_left, 9);
    let used = (
        "recovery_code.used".to_owned(),
        "ok".to_owned(),
        "recovery".to_owned(),
    );
    assert!(bed.told().await.contains(&used));
    let hashes = bed
        .number("select count(*) as n from recovery_codes where length(hash) = 64")
        .await;
    assert_eq!(hashes, 10);
    let newer = bed.studio.new_recovery_codes(&actor, None).await.unwrap();
    assert_eq!(
        word(show_code(&bed, &actor, &codes[1]).await),
        "wrong",
        "the earlier set is void"
    );
    assert_eq!(word(show_code(&bed, &actor, &newer[1]).await), "ok");
    let (_, _, eve) = bed.logged_in().await;
    with_totp(&bed, &eve).await;
    assert_eq!(
        word(show_code(&bed, &eve, &newer[2]).await),
        "wrong",
        "another's code"
    );
    assert!(
        bed.studio
            .second_factors_of(user)
            .await
            .unwrap()
            .contains(&SecondFactor::Recovery)
    );
}

#[tokio::test]
async fn passkeys_are_made_listed_named_and_removed_by_their_owner_alone() {
    let bed = Bed::new().await;
    let (user, _, ana) = bed.logged_in().await;
    let (_, _, eve) = bed.logged_in().await;
    let mut keychain = Authenticator::at(ORIGIN);
    keychain.backed_up = true;
    keychain.counts = false;
    let id = with_passkey(&bed, &ana, &mut keychain).await;
    assert_eq!(
        bed.studio.second_factors_of(user).await.unwrap(),
        [SecondFactor::Passkey]
    );
    let listed = bed.studio.factors(&ana).await.unwrap().passkeys;
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (listed[0].id, listed[0].name.as_str(), listed[0].backed_up),
        (id, "Chave", true)
    );
    assert_eq!(
        word(bed.studio.rename_passkey(&eve, id, "Minha").await),
        "not_found"
    );
    assert_eq!(word(bed.studio.remove_passkey(&eve, id, None).await), "not_found");
    bed.studio.rename_passkey(&ana, id, "Celular").await.unwrap();
    assert_eq!(
        bed.studio.factors(&ana).await.unwrap().passkeys[0].name,
        "Celular"
    );
    assert!(matches!(
        bed.studio.rename_passkey(&ana, id, "a\nb").await,
        Err(FactorError::Name(_))
    ));
    // The only way in stays, and with it everything as it was.
    assert_eq!(
        word(bed.studio.remove_passkey(&ana, id, None).await),
        "last_credential"
    );
    assert_eq!(bed.studio.factors(&ana).await.unwrap().passkeys.len(), 1);
    let second = with_passkey(&bed, &ana, &mut Authenticator::at(ORIGIN)).await;
    bed.studio.remove_passkey(&ana, id, None).await.unwrap();
    assert_eq!(
        word(bed.studio.remove_passkey(&ana, second, None).await),
        "last_credential"
    );
    let told: Vec<_> = bed.told().await.into_iter().map(|(action, ..)| action).collect();
    assert_eq!(told.iter().filter(|action| *action == "factor.added").count(), 2);
    assert_eq!(
        told.iter().filter(|action| *action == "factor.removed").count(),
        1
    );
    assert_eq!(
        bed.number("select count(*) as n from mails where kind = 'factor_changed'")
            .await,
        3
    );
}

#[tokio::test]
async fn a_ticket_is_for_one_person_one_purpose_one_time_and_five_minutes() {
    let bed = Bed::new().await;
    let (_, _, ana) = bed.logged_in().await;
    let (_, _, eve) = bed.logged_in().await;
    let mut keychain = Authenticator::at(ORIGIN);
    let finish = async |actor: &Actor, begun: &Ceremony, answer| {
        let made = bed
            .studio
            .finish_passkey(actor, &begun.ticket, answer, "Chave", None)
            .await;
        word(made.map(|_| ()))
    };
    let begun = bed.studio.begin_passkey(&ana).await.unwrap();
    let answer = keychain.create(&begun.options).unwrap();
    assert_eq!(finish(&eve, &begun, &answer).await, "ticket", "another's");
    let begun = bed.studio.begin_passkey(&ana).await.unwrap();
    let answer = keychain.create(&begun.options).unwrap();
    assert_eq!(finish(&ana, &begun, &answer).await, "ok");
    assert_eq!(finish(&ana, &begun, &answer).await, "ticket", "twice");
    let begun = bed.studio.begin_passkey(&ana).await.unwrap();
    let answer = Authenticator::at(ORIGIN).create(&begun.options).unwrap();
    bed.wait(300);
    assert_eq!(finish(&ana, &begun, &answer).await, "ticket", "too late");
    let login = bed.studio.begin_passkey_login().await.unwrap();
    let answer = keychain.get(&login.options).unwrap();
    let shown = bed
        .studio
        .step_up_by_passkey(&ana, &login.ticket, &answer, None)
        .await;
    assert_eq!(word(shown), "ticket", "of another purpose");
    // A ticket is used up by a wrong answer too.
    let begun = bed.studio.begin_passkey_step_up(&ana).await.unwrap();
    let wrong = serde_json::json!({});
    let shown = bed
        .studio
        .step_up_by_passkey(&ana, &begun.ticket, &wrong, None)
        .await;
    assert_eq!(word(shown), "malformed");
    let answer = keychain.get(&begun.options).unwrap();
    let shown = bed
        .studio
        .step_up_by_passkey(&ana, &begun.ticket, &answer, None)
        .await;
    assert_eq!(word(shown), "ticket");
}

/// Checklist 11, through the whole of it: what is bent is refused and in the log, and nothing is fresh.
#[tokio::test]
async fn a_bent_answer_is_refused_and_noted() {
    let bed = Bed::new().await;
    let (_, tokens, ana) = bed.logged_in().await;
    let mut straight = Authenticator::at(ORIGIN);
    with_passkey(&bed, &ana, &mut straight).await;
    bed.wait(301);
    type Bend = fn(&mut Authenticator);
    let bends: [(&str, Bend); 4] = [
        ("origin", |a| a.origin = "http://localhost:8081".to_owned()),
        ("rp_id", |a| a.other_rp_id = Some("evil.example".to_owned())),
        ("challenge", |a| a.other_challenge = Some(vec![7; 32])),
        ("user_verification", |a| a.verifies_user = false),
    ];
    for (expected, bend) in bends {
        let mut bent = straight.clone();
        bend(&mut bent);
        // Entries of one moment have no order.
        bed.wait(1);
        assert_eq!(word(show_passkey(&bed, &ana, &mut bent).await), expected);
        let told = bed.told().await;
        let last = told.last().unwrap();
        assert_eq!((last.0.as_str(), last.1.as_str()), ("step_up.failed", expected));
    }
    let mut copy = straight.clone();
    assert_eq!(word(show_passkey(&bed, &ana, &mut straight).await), "ok");
    assert_eq!(word(show_passkey(&bed, &ana, &mut copy).await), "cloned");
    assert!(bed.studio.is_fresh(&bed.actor(&tokens).await));
}

/// Checklist 20: a factor is fresh for five minutes, and only in the session that showed it.
#[tokio::test]
async fn a_factor_is_fresh_for_five_minutes_in_its_own_session() {
    let bed = Bed::new().await;
    let (user, tokens, actor) = bed.logged_in().await;
    let (secret, _) = with_totp(&bed, &actor).await;
    let other = bed.session(user).await;
    bed.wait(301);
    assert!(!bed.studio.is_fresh(&bed.actor(&tokens).await));
    assert_eq!(
        word(show_code(&bed, &bed.actor(&tokens).await, &code_of(&secret, &bed)).await),
        "ok"
    );
    assert!(
        bed.studio.is_fresh(&bed.actor(&tokens).await),
        "at once, whatever is remembered of the session"
    );
    assert!(
        !bed.studio.is_fresh(&bed.actor(&other).await),
        "the other session showed nothing"
    );
    bed.wait(299);
    let tokens = bed.refreshed(&tokens).await;
    assert!(bed.studio.is_fresh(&bed.actor(&tokens).await));
    bed.wait(2);
    assert!(!bed.studio.is_fresh(&bed.actor(&tokens).await));
}

#[tokio::test]
async fn a_password_alone_does_until_a_second_factor_is_set() {
    let bed = Bed::new().await;
    let user = bed.person_with_password("uma frase bem comprida").await;
    let tokens = bed.session(user).await;
    let actor = bed.actor(&tokens).await;
    let show = async |password: &str| {
        word(
            bed.studio
                .step_up_by_password(&actor, &SecretString::from(password), None)
                .await,
        )
    };
    bed.wait(301);
    assert_eq!(show("outra frase").await, "wrong");
    assert_eq!(show("uma frase bem comprida").await, "ok");
    assert!(bed.studio.is_fresh(&bed.actor(&tokens).await));
    for _ in 0..FREE_TRIES {
        assert_eq!(show("outra frase").await, "wrong");
    }
    assert_eq!(show("uma frase bem comprida").await, "too_many");
    bed.wait(15);
    assert_eq!(show("uma frase bem comprida").await, "ok");
    with_totp(&bed, &actor).await;
    assert_eq!(show("uma frase bem comprida").await, "second_factor_needed");
    bed.wait(301);
    let tokens = bed.refreshed(&tokens).await;
    assert!(!bed.studio.is_fresh(&bed.actor(&tokens).await));
}

#[tokio::test]
async fn an_ended_session_does_not_become_fresh() {
    let bed = Bed::new().await;
    let (user, tokens, actor) = bed.logged_in().await;
    let (secret, _) = with_totp(&bed, &actor).await;
    let (session, now) = (tokens.session, bed.now());
    let ended = bed.db.write("test.end", move |tx| {
        Box::pin(store::sessions::end(tx, user, session, "test", now))
    });
    assert_eq!(ended.await, Ok(true));
    assert_eq!(
        word(show_code(&bed, &actor, &code_of(&secret, &bed)).await),
        "session_over"
    );
    let key = Actor::new(user, actor.workspace());
    assert_eq!(
        word(show_code(&bed, &key, "000000").await),
        "session_over",
        "no session at all"
    );
}

#[tokio::test]
async fn passkeys_are_off_under_an_address_of_numbers() {
    let bed = Bed::reached_at("http://127.0.0.1:8080").await;
    let (_, _, actor) = bed.logged_in().await;
    assert!(!bed.studio.has_passkeys());
    assert!(matches!(
        bed.studio.begin_passkey(&actor).await,
        Err(FactorError::PasskeysOff)
    ));
    assert!(matches!(
        bed.studio.begin_passkey_login().await,
        Err(FactorError::PasskeysOff)
    ));
}

#[tokio::test]
async fn one_passkey_is_one_persons() {
    let bed = Bed::new().await;
    let (_, _, ana) = bed.logged_in().await;
    let (_, _, eve) = bed.logged_in().await;
    let mut keychain = Authenticator::at(ORIGIN);
    with_passkey(&bed, &ana, &mut keychain).await;
    with_passkey(&bed, &eve, &mut Authenticator::at(ORIGIN)).await;
    // Shown in another's session it is unknown, although the signature is good.
    let begun = bed.studio.begin_passkey_step_up(&eve).await.unwrap();
    let mut options = begun.options.clone();
    options["publicKey"]["allowCredentials"] = serde_json::json!([]);
    let answer = keychain.get(&options).unwrap();
    let shown = bed
        .studio
        .step_up_by_passkey(&eve, &begun.ticket, &answer, None)
        .await;
    assert_eq!(word(shown), PasskeyError::Refused("unknown").word());
}

//! Registrations and the links of letters, where somebody else may have asked for them first.

use crate::accounts::{ANOTHER, register, register_in, reset, run, set_up, verify};
use crate::bed::Bed;
use crate::login::{PASSWORD, WRONG, account, letters, log_in, token_of, with_mail, word};
use app::identity::register::{MAX_LETTERS, MAX_OPEN_LINKS, MAX_PASSWORDS, RegisterError};
use app::identity::reset::{Reset, ResetError};
use domain::identity::Role;
use secrecy::SecretString;

/// The token of the letter at a place among those of its kind, oldest first.
async fn token_at(bed: &Bed, kind: &str, place: usize) -> SecretString {
    let letters = letters(bed).await;
    let (_, link) = letters.iter().filter(|(of, _)| of == kind).nth(place).unwrap();
    SecretString::from(link.as_deref().unwrap().split_once("#token=").unwrap().1)
}

#[tokio::test]
async fn nobody_lays_a_password_under_the_account_of_another() {
    let bed = Bed::with(with_mail).await;
    register(&bed, "ana@example.org", "Impostor", ANOTHER)
        .await
        .unwrap();
    bed.wait(1);
    register(&bed, "ana@example.org", "Ana", PASSWORD).await.unwrap();
    let hers = token_of(&bed, "verify_email").await;
    verify(&bed, &hers, Some(PASSWORD), None).await.unwrap();
    assert_eq!(
        word(&log_in(&bed.studio, "ana@example.org", ANOTHER).await),
        "wrong"
    );
    let entered = log_in(&bed.studio, "ana@example.org", PASSWORD).await.unwrap();
    let me = bed.studio.me(&bed.actor(&entered.tokens).await).await.unwrap();
    assert_eq!(
        (me.texts.name.expose(), me.locale.as_str(), me.role),
        ("Ana", "en", Role::User)
    );
    let theirs = letters(&bed).await[0].1.clone().unwrap();
    let theirs = SecretString::from(theirs.split_once("#token=").unwrap().1);
    assert!(
        verify(&bed, &theirs, Some(ANOTHER), None).await.is_err(),
        "the other link is void"
    );
}

#[tokio::test]
async fn registering_tells_the_same_at_the_same_cost_and_the_letter_tells_the_rest() {
    let bed = Bed::with(with_mail).await;
    account(&bed, "known@example.org", Role::Admin).await;
    for email in ["new@example.org", "known@example.org", "new@example.org"] {
        let before = bed.studio.password_hashes();
        register(&bed, email, "Nova", ANOTHER).await.unwrap();
        assert_eq!(bed.studio.password_hashes() - before, 1, "{email}");
        bed.wait(1);
    }
    let kinds: Vec<_> = letters(&bed).await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["verify_email", "already_registered", "verify_email"]);
    assert_eq!(
        word(&log_in(&bed.studio, "new@example.org", ANOTHER).await),
        "wrong",
        "not verified yet"
    );
    let token = token_of(&bed, "verify_email").await;
    verify(&bed, &token, Some(ANOTHER), None).await.unwrap();
    assert_eq!(word(&log_in(&bed.studio, "new@example.org", ANOTHER).await), "in");
    let again = verify(&bed, &token, Some(ANOTHER), None).await;
    assert!(matches!(again, Err(RegisterError::Ticket)));
    assert_eq!(
        word(&log_in(&bed.studio, "known@example.org", ANOTHER).await),
        "wrong"
    );
    for email in ["known@example.org", "third@example.org"] {
        for _ in 0..MAX_LETTERS + 2 {
            register(&bed, email, "Nova", ANOTHER).await.unwrap();
        }
    }
    let most = 2 * usize::try_from(MAX_LETTERS).unwrap() + 2;
    assert_eq!(letters(&bed).await.len(), most, "nobody is buried in letters");
    bed.wait(3600);
    register(&bed, "third@example.org", "Nova", ANOTHER)
        .await
        .unwrap();
    assert_eq!(
        letters(&bed).await.len(),
        most + 1,
        "and the next hour is another"
    );
}

#[tokio::test]
async fn a_link_opens_an_account_for_who_registered_and_not_for_who_reads_the_letter() {
    let bed = Bed::with(with_mail).await;
    // Somebody registers an address that is not theirs; its owner presses what the letter offers.
    register_in(&bed, "ana@example.org", "Impostor", ANOTHER, Some("theirs"))
        .await
        .unwrap();
    let link = token_of(&bed, "verify_email").await;
    for (password, browser) in [
        (None, None),
        (None, Some("hers")),
        (Some(PASSWORD), Some("hers")),
        (Some(""), None),
    ] {
        let told = verify(&bed, &link, password, browser).await;
        assert!(matches!(told, Err(RegisterError::PasswordNeeded)), "{told:?}");
    }
    assert_eq!(
        bed.number("select count(*) as n from users where password is not null")
            .await,
        0
    );
    let noted = (
        "account.verified".to_owned(),
        "wrong_password".to_owned(),
        String::new(),
    );
    assert_eq!(bed.told().await.iter().filter(|told| **told == noted).count(), 2);
    // She registers herself: her browser is enough for her link, and not for the other.
    bed.wait(1);
    register_in(&bed, "ana@example.org", "Ana", PASSWORD, Some("hers"))
        .await
        .unwrap();
    let hers = token_of(&bed, "verify_email").await;
    let told = verify(&bed, &link, None, Some("hers")).await;
    assert!(matches!(told, Err(RegisterError::PasswordNeeded)), "{told:?}");
    let before = bed.studio.password_hashes();
    verify(&bed, &hers, None, Some("hers")).await.unwrap();
    assert_eq!(bed.studio.password_hashes(), before);
    assert_eq!(
        word(&log_in(&bed.studio, "ana@example.org", PASSWORD).await),
        "in"
    );
    assert_eq!(
        word(&log_in(&bed.studio, "ana@example.org", ANOTHER).await),
        "wrong"
    );
}

#[tokio::test]
async fn passwords_are_not_guessed_at_a_link() {
    let bed = Bed::with(with_mail).await;
    for right_at in [MAX_PASSWORDS, MAX_PASSWORDS + 1] {
        let email = format!("ana{right_at}@example.org");
        register(&bed, &email, "Ana", PASSWORD).await.unwrap();
        let link = token_of(&bed, "verify_email").await;
        let before = bed.studio.password_hashes();
        for _ in 1..right_at {
            let told = verify(&bed, &link, Some(WRONG), None).await;
            assert!(matches!(told, Err(RegisterError::PasswordNeeded)), "{told:?}");
        }
        let told = verify(&bed, &link, Some(PASSWORD), None).await;
        assert_eq!(told.is_ok(), right_at == MAX_PASSWORDS, "{told:?}");
        assert_eq!(bed.studio.password_hashes() - before, 10);
        bed.wait(1);
    }
}

#[tokio::test]
async fn links_that_somebody_else_asked_for_do_not_keep_the_owners_from_coming() {
    let bed = Bed::with(with_mail).await;
    account(&bed, "bia@example.org", Role::User).await;
    let theirs = SecretString::from("theirs");
    for _ in 0..MAX_OPEN_LINKS {
        register_in(&bed, "ana@example.org", "Impostor", ANOTHER, Some("theirs"))
            .await
            .unwrap();
        bed.studio
            .forgot_password("bia@example.org", Some(&theirs), None)
            .await
            .unwrap();
        bed.wait(1);
    }
    register_in(&bed, "ana@example.org", "Ana", PASSWORD, Some("hers"))
        .await
        .unwrap();
    let link = token_of(&bed, "verify_email").await;
    let oldest = token_at(&bed, "verify_email", 0).await;
    let void = verify(&bed, &oldest, Some(ANOTHER), None).await;
    assert!(matches!(void, Err(RegisterError::Ticket)), "{void:?}");
    verify(&bed, &link, None, Some("hers")).await.unwrap();
    assert_eq!(
        word(&log_in(&bed.studio, "ana@example.org", PASSWORD).await),
        "in"
    );

    let mine = SecretString::from("mine");
    bed.studio
        .forgot_password("bia@example.org", Some(&mine), None)
        .await
        .unwrap();
    assert_eq!(
        bed.number("select count(*) as n from tickets where kind = 'reset_password' and used_at is null")
            .await,
        3
    );
    let void = Reset {
        browser: Some(theirs),
        ..reset(&token_at(&bed, "reset_password", 0).await, ANOTHER)
    };
    let told = bed.studio.reset_password(void).await;
    assert!(matches!(told, Err(ResetError::Ticket)), "{told:?}");
    let own = Reset {
        browser: Some(mine),
        ..reset(&token_of(&bed, "reset_password").await, ANOTHER)
    };
    bed.studio.reset_password(own).await.unwrap();
    assert_eq!(word(&log_in(&bed.studio, "bia@example.org", ANOTHER).await), "in");
}

#[tokio::test]
async fn many_requests_at_once_send_no_more_letters_than_an_hour_has() {
    let bed = Bed::with(with_mail).await;
    account(&bed, "ana@example.org", Role::User).await;
    let asking = (0..2 * MAX_LETTERS).map(|_| bed.studio.forgot_password("ana@example.org", None, None));
    for told in futures_util::future::join_all(asking).await {
        told.unwrap();
    }
    assert_eq!(letters(&bed).await.len(), 10);
}

#[tokio::test]
async fn a_link_of_a_registration_leads_nowhere_in_an_account_that_was_opened_or_closed_since() {
    let bed = Bed::with(with_mail).await;
    // Before the studio was set up, somebody registered the address of its administrator-to-be.
    register_in(&bed, "ana@example.org", "Impostor", ANOTHER, Some("theirs"))
        .await
        .unwrap();
    let link = token_of(&bed, "verify_email").await;
    let code = bed.studio.begin_setup().await.unwrap().unwrap();
    set_up(&bed, &code, "ana@example.org", Some(PASSWORD))
        .await
        .unwrap();
    assert_eq!(
        bed.number("select count(*) as n from tickets where used_at is null")
            .await,
        0
    );
    assert_eq!(
        bed.number("select count(*) as n from users where email_verified_at is null")
            .await,
        0
    );
    let told = verify(&bed, &link, Some(ANOTHER), Some("theirs")).await;
    assert!(matches!(told, Err(RegisterError::Ticket)), "{told:?}");
    assert_eq!(
        word(&log_in(&bed.studio, "ana@example.org", PASSWORD).await),
        "in"
    );
    for state in ["active", "disabled"] {
        let email = format!("{state}@example.org");
        bed.wait(1);
        register(&bed, &email, "Bia", ANOTHER).await.unwrap();
        let link = token_of(&bed, "verify_email").await;
        run(
            &bed,
            format!("update users set state = '{state}' where state = 'pending'"),
        )
        .await;
        let told = verify(&bed, &link, Some(ANOTHER), None).await;
        assert!(matches!(told, Err(RegisterError::Ticket)), "{state}: {told:?}");
        assert_eq!(word(&log_in(&bed.studio, &email, ANOTHER).await), "wrong");
    }
}

#[tokio::test]
async fn registering_a_closed_address_writes_what_another_writes_and_sends_nothing() {
    let bed = Bed::with(with_mail).await;
    account(&bed, "root@example.org", Role::Admin).await;
    account(&bed, "known@example.org", Role::User).await;
    account(&bed, "closed@example.org", Role::User).await;
    bed.studio
        .disable_local_account("closed@example.org")
        .await
        .unwrap();
    let mut grown = Vec::new();
    for email in ["known@example.org", "closed@example.org"] {
        let counts = async || {
            let tickets = bed.number("select count(*) as n from tickets").await;
            let entries = bed.number("select count(*) as n from audit_entries").await;
            (tickets, entries, bed.studio.password_hashes())
        };
        let before = counts().await;
        register(&bed, email, "Nova", ANOTHER).await.unwrap();
        let after = counts().await;
        grown.push((after.0 - before.0, after.1 - before.1, after.2 - before.2));
    }
    assert_eq!(grown, [(1, 1, 1), (1, 1, 1)]);
    assert_eq!(letters(&bed).await.len(), 1, "to the open account");
}

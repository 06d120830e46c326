//! Passkeys against a soft authenticator that does right, and one wrong thing at a time.

use credentials::passkeys::{Kept, PasskeyError, RelyingParty, Traits, claim, traits};
use domain::id::UserId;
use serde_json::{Value, json};
use testkit::authenticator::Authenticator;
use url::Url;

const ORIGIN: &str = "http://localhost:8080";
const ANA: UserId = UserId::from_value(0x0190_0000_0000_7000_8000_0000_0000_00aa);

fn party() -> RelyingParty {
    party_at(ORIGIN).unwrap()
}

fn party_at(origin: &str) -> Option<RelyingParty> {
    RelyingParty::of(&Url::parse(origin).unwrap(), "Secure AI Studio")
}

fn register(authenticator: &mut Authenticator) -> Result<Kept, PasskeyError> {
    let begun = party()
        .begin_registration(ANA, "ana@example.org", "Ana", &[])
        .unwrap();
    let answer = authenticator.create(&begun.options).unwrap();
    party().finish_registration(&begun.state, &answer)
}

fn login(authenticator: &mut Authenticator, kept: &Kept) -> Result<Kept, PasskeyError> {
    let begun = party().begin_login().unwrap();
    let answer = authenticator.get(&begun.options).unwrap();
    party().finish(&begun.state, &answer, kept)
}

#[test]
fn passkeys_are_for_names_over_tls_or_on_this_machine() {
    for origin in [
        "http://localhost:8080",
        "https://studio.example.org",
        "https://a.b.c:8443/path",
    ] {
        assert!(party_at(origin).is_some(), "{origin}");
    }
    for origin in [
        "http://127.0.0.1:8080",
        "https://192.0.2.1",
        "http://[::1]:1",
        "http://studio.example.org",
    ] {
        assert!(party_at(origin).is_none(), "{origin}");
    }
}

#[test]
fn a_passkey_is_made_and_logs_in() {
    let mut authenticator = Authenticator::at(ORIGIN);
    let begun = party()
        .begin_registration(ANA, "ana@example.org", "Ana", &[])
        .unwrap();
    let asked = &begun.options["publicKey"];
    assert_eq!(asked["rp"]["id"], "localhost");
    assert_eq!(asked["attestation"], "none");
    assert_eq!(asked["authenticatorSelection"]["residentKey"], "required");
    assert_eq!(asked["authenticatorSelection"]["userVerification"], "required");
    assert_eq!(asked["timeout"], 300_000);
    let answer = authenticator.create(&begun.options).unwrap();
    let kept = party().finish_registration(&begun.state, &answer).unwrap();
    let begun = party().begin_login().unwrap();
    assert_eq!(begun.options["mediation"], "conditional");
    assert_eq!(begun.options["publicKey"]["allowCredentials"], json!([]));
    assert_eq!(begun.options["publicKey"]["userVerification"], "required");
    let answer = authenticator.get(&begun.options).unwrap();
    let claim = claim(&answer).unwrap();
    assert_eq!(
        (claim.user, &claim.credential_id),
        (Some(ANA), &kept.credential_id)
    );
    let again = party().finish(&begun.state, &answer, &kept).unwrap();
    assert_eq!(traits(&kept.credential).unwrap().counter, 0);
    assert_eq!(traits(&again.credential).unwrap().counter, 1);
    assert_eq!(again.credential_id, kept.credential_id);
}

#[test]
fn one_that_is_known_is_not_made_again() {
    let mut authenticator = Authenticator::at(ORIGIN);
    let kept = register(&mut authenticator).unwrap();
    let begun = party()
        .begin_registration(ANA, "ana@example.org", "Ana", &[kept])
        .unwrap();
    assert!(authenticator.create(&begun.options).is_none());
}

#[test]
fn flags_of_backup_are_kept() {
    let mut authenticator = Authenticator::at(ORIGIN);
    authenticator.backed_up = true;
    authenticator.counts = false;
    let kept = register(&mut authenticator).unwrap();
    let synced = Traits {
        counter: 0,
        backup_eligible: true,
        backed_up: true,
    };
    assert_eq!(traits(&kept.credential).unwrap(), synced);
    // Those that do not count may be shown any number of times.
    let kept = login(&mut authenticator, &kept).unwrap();
    assert!(login(&mut authenticator, &kept).is_ok());
    // One that could not be copied cannot become one that can.
    authenticator.backed_up = false;
    assert_eq!(
        login(&mut authenticator, &kept),
        Err(PasskeyError::Refused("backup_flags"))
    );
}

type Bend = fn(&mut Authenticator);
const BENDS: &[(&str, Bend)] = &[
    ("origin", |a| a.origin = "http://localhost:8081".to_owned()),
    ("origin", |a| a.origin = "https://localhost:8080".to_owned()),
    ("origin", |a| a.origin = "http://a.localhost:8080".to_owned()),
    ("origin", |a| a.origin = "https://evil.example".to_owned()),
    ("rp_id", |a| a.other_rp_id = Some("evil.example".to_owned())),
    ("challenge", |a| a.other_challenge = Some(vec![7; 32])),
    ("user_verification", |a| a.verifies_user = false),
];

#[test]
fn what_is_bent_is_refused_at_making() {
    for (word, bend) in BENDS {
        let mut authenticator = Authenticator::at(ORIGIN);
        bend(&mut authenticator);
        assert_eq!(
            register(&mut authenticator),
            Err(PasskeyError::Refused(word)),
            "{word}"
        );
    }
    let mut forgetful = Authenticator::at(ORIGIN);
    forgetful.stores = false;
    assert_eq!(register(&mut forgetful), Err(PasskeyError::NotStored));
}

#[test]
fn what_is_bent_is_refused_at_login() {
    let mut straight = Authenticator::at(ORIGIN);
    let kept = register(&mut straight).unwrap();
    for (word, bend) in BENDS {
        let mut bent = straight.clone();
        bend(&mut bent);
        assert_eq!(
            login(&mut bent, &kept),
            Err(PasskeyError::Refused(word)),
            "{word}"
        );
    }
    assert!(login(&mut straight, &kept).is_ok(), "straight it works");
}

#[test]
fn an_answer_is_good_for_its_own_challenge_only() {
    let mut authenticator = Authenticator::at(ORIGIN);
    let kept = register(&mut authenticator).unwrap();
    let (first, second) = (party().begin_login().unwrap(), party().begin_login().unwrap());
    let answer = authenticator.get(&first.options).unwrap();
    let replayed = party().finish(&second.state, &answer, &kept);
    assert_eq!(replayed, Err(PasskeyError::Refused("challenge")));
}

#[test]
fn a_copy_is_noticed() {
    let mut authenticator = Authenticator::at(ORIGIN);
    let kept = register(&mut authenticator).unwrap();
    let mut copy = authenticator.clone();
    let kept = login(&mut authenticator, &kept).unwrap();
    assert_eq!(
        login(&mut copy, &kept),
        Err(PasskeyError::Cloned),
        "it counts from where it was copied"
    );
}

#[test]
fn a_passkey_of_another_is_none_of_this_one() {
    let (mut ana, mut eve) = (Authenticator::at(ORIGIN), Authenticator::at(ORIGIN));
    let (of_ana, of_eve) = (register(&mut ana).unwrap(), register(&mut eve).unwrap());
    assert_eq!(login(&mut eve, &of_ana), Err(PasskeyError::Refused("unknown")));
    // Even under the other's id the signature is not theirs.
    let begun = party().begin_login().unwrap();
    let mut answer = eve.get(&begun.options).unwrap();
    answer["id"] = json!(of_ana.credential_id);
    answer["rawId"] = json!(of_ana.credential_id);
    let forged = party().finish(&begun.state, &answer, &of_ana);
    assert_eq!(forged, Err(PasskeyError::Refused("signature")));
    assert!(login(&mut eve, &of_eve).is_ok());
}

#[test]
fn showing_one_names_those_that_will_do() {
    let mut authenticator = Authenticator::at(ORIGIN);
    let (first, second) = (
        register(&mut authenticator).unwrap(),
        register(&mut authenticator).unwrap(),
    );
    let begun = party().begin_showing(std::slice::from_ref(&first)).unwrap();
    assert!(begun.options.get("mediation").is_none());
    let answer = authenticator.get(&begun.options).unwrap();
    assert_eq!(claim(&answer).unwrap().credential_id, first.credential_id);
    assert!(party().finish(&begun.state, &answer, &first).is_ok());
    assert_ne!(first.credential_id, second.credential_id);
}

#[test]
fn nonsense_is_refused_without_harm() {
    let mut authenticator = Authenticator::at(ORIGIN);
    let kept = register(&mut authenticator).unwrap();
    let begun = party().begin_login().unwrap();
    let good = authenticator.get(&begun.options).unwrap();
    let places = [
        "/id",
        "/rawId",
        "/type",
        "/response",
        "/response/clientDataJSON",
        "/response/signature",
        "/response/authenticatorData",
        "/response/userHandle",
    ];
    let junk = [
        Value::Null,
        json!(""),
        json!("!"),
        json!("AAAA"),
        json!(7),
        json!({}),
        json!("A".repeat(100_000)),
    ];
    for place in places {
        for value in &junk {
            let mut answer = good.clone();
            *answer.pointer_mut(place).unwrap() = value.clone();
            // Two fields say nothing that is relied on: the text of the id and the kind.
            let said = party().finish(&begun.state, &answer, &kept);
            let idle = matches!(place, "/id" | "/type") && value.is_string();
            let idle = idle || (place == "/response/userHandle" && (value.is_null() || said.is_ok()));
            assert!(said.is_err() || idle, "{place} {value}");
        }
    }
    for answer in [Value::Null, json!([]), json!({}), json!("x")] {
        assert_eq!(claim(&answer), Err(PasskeyError::Malformed));
        assert_eq!(
            party().finish(&begun.state, &answer, &kept),
            Err(PasskeyError::Malformed)
        );
        assert_eq!(
            party().finish_registration(b"{}", &answer),
            Err(PasskeyError::Broken)
        );
    }
}

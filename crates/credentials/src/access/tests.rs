use super::*;
use domain::id::{SessionId, UserId, WorkspaceId};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

const ISSUER: &str = "https://studio.example";
const AUDIENCE: &str = "https://studio.example/api";
const NOW: Time = Time::from_micros(1_795_000_000_000_000);

fn key(seed: u8) -> SigningKey {
    SigningKey::from_secret(&[seed; 32]).unwrap()
}

fn verifier() -> Verifier {
    Verifier::new(ISSUER, AUDIENCE, [key(1).public(), key(2).public()])
}

fn claims() -> Claims {
    let now = seconds(NOW);
    Claims {
        iss: ISSUER.to_owned(),
        aud: AUDIENCE.to_owned(),
        sub: UserId::from_value(1),
        tenant: WorkspaceId::from_value(2),
        sid: SessionId::from_value(3),
        scope: "*".to_owned(),
        iat: now,
        nbf: now,
        exp: now + 600,
        jti: "one".to_owned(),
        auth_time: now,
        amr: vec![Method::Password, Method::Totp],
        acr: "aal2".to_owned(),
        epoch: 4,
        cnf: None,
    }
}

fn header() -> Value {
    json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": key(1).kid() })
}

fn body() -> Value {
    serde_json::to_value(claims()).unwrap()
}

fn signed(header: &str, body: &str) -> String {
    let token = key(1).sign_parts(header.as_bytes(), body.as_bytes());
    token.expose_secret().to_owned()
}

fn refused(token: &str) -> Refused {
    verifier().verify(token, NOW).unwrap_err()
}

fn with_header(name: &str, value: &Value) -> Refused {
    let mut header = header();
    header[name] = value.clone();
    refused(&signed(&header.to_string(), &body().to_string()))
}

fn with_claim(name: &str, value: &Value) -> Refused {
    let mut body = body();
    body[name] = value.clone();
    refused(&signed(&header().to_string(), &body.to_string()))
}

fn after(seconds: i64) -> Time {
    Time::from_micros(NOW.micros() + seconds * 1_000_000)
}

#[test]
fn a_token_says_what_was_signed() {
    for seed in [1, 2] {
        let token = key(seed).sign(&claims());
        assert_eq!(verifier().verify(token.expose_secret(), NOW), Ok(claims()));
        assert!(token.expose_secret().len() < 1000);
    }
    let bound = Claims {
        cnf: Some(Confirmation { jkt: "k".repeat(43) }),
        ..claims()
    };
    assert_eq!(
        verifier().verify(key(1).sign(&bound).expose_secret(), NOW),
        Ok(bound)
    );
    let foreign = key(3).sign(&claims());
    assert_eq!(refused(foreign.expose_secret()), Refused::Key);
}

#[test]
fn no_other_algorithm_is_taken() {
    for none in ["none", "None", "NONE", "nOnE", ""] {
        assert_eq!(with_header("alg", &json!(none)), Refused::Algorithm);
        let mut bare = header();
        bare["alg"] = json!(none);
        let parts = signed(&bare.to_string(), &body().to_string());
        let (unsigned, _) = parts.rsplit_once('.').unwrap();
        assert_eq!(refused(&format!("{unsigned}.")), Refused::Algorithm);
    }
    for other in [
        "HS256", "HS512", "RS256", "ES256", "PS256", "Ed448", "eddsa", "EdDSA ",
    ] {
        assert_eq!(with_header("alg", &json!(other)), Refused::Algorithm);
    }
    for other in [json!(null), json!(["EdDSA"]), json!(1)] {
        assert_eq!(with_header("alg", &other), Refused::Header);
    }
}

#[test]
fn a_public_key_is_no_shared_secret() {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    for alg in ["HS256", "EdDSA"] {
        let header = json!({ "alg": alg, "typ": "at+jwt", "kid": key(1).kid() }).to_string();
        let encode = |bytes: &[u8]| data_encoding::BASE64URL_NOPAD.encode(bytes);
        let message = format!(
            "{}.{}",
            encode(header.as_bytes()),
            encode(body().to_string().as_bytes())
        );
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key(1).public()).unwrap();
        mac.update(message.as_bytes());
        let token = format!("{message}.{}", encode(&mac.finalize().into_bytes()));
        let expected = if alg == "HS256" {
            Refused::Algorithm
        } else {
            Refused::Signature
        };
        assert_eq!(refused(&token), expected);
    }
}

#[test]
fn nothing_in_the_header_but_the_key_id_counts() {
    let theirs = Jwk::new(&key(3).public());
    for (name, value) in [
        ("jku", json!("https://evil.example/jwks.json")),
        ("x5u", json!("https://evil.example/cert")),
        ("jwk", serde_json::to_value(&theirs).unwrap()),
        ("x5c", json!(["MIIB"])),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("cty", json!("JWT")),
    ] {
        assert_eq!(with_header(name, &value), Refused::Header, "{name}");
    }
    // Signed by the key that the header brings along.
    let header = json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": theirs.kid, "jwk": theirs });
    let token = key(3).sign_parts(header.to_string().as_bytes(), body().to_string().as_bytes());
    assert_eq!(refused(token.expose_secret()), Refused::Header);
}

#[test]
fn a_key_id_is_looked_up_and_nothing_else() {
    for kid in [
        "",
        "unknown",
        "../../../../dev/null",
        "/proc/self/environ",
        "' or '1'='1",
        "https://evil.example",
    ] {
        assert_eq!(with_header("kid", &json!(kid)), Refused::Key, "{kid}");
    }
    assert_eq!(with_header("kid", &json!("k".repeat(2000))), Refused::Key);
    assert_eq!(with_header("kid", &json!("k".repeat(10_000))), Refused::TooLong);
    for kid in [json!(null), json!(1), json!([key(1).kid()]), json!({})] {
        assert_eq!(with_header("kid", &kid), Refused::Header);
    }
    // The id of another key of ours than the one that signed.
    assert_eq!(with_header("kid", &json!(key(2).kid())), Refused::Signature);
    for missing in ["alg", "typ", "kid"] {
        let mut header = header();
        header.as_object_mut().unwrap().remove(missing);
        assert_eq!(
            refused(&signed(&header.to_string(), &body().to_string())),
            Refused::Header
        );
    }
}

#[test]
fn another_kind_of_token_is_none() {
    for typ in [
        "JWT",
        "jwt",
        "dpop+jwt",
        "id_token",
        "AT+JWT",
        "application/at+jwt",
        "",
    ] {
        assert_eq!(with_header("typ", &json!(typ)), Refused::Type, "{typ}");
    }
}

#[test]
fn claims_are_of_their_types() {
    let now = seconds(NOW);
    let wrong = [
        json!((now + 600).to_string()),
        json!(1_795_000_600.5_f64),
        json!(9_223_372_036_854_775_808_u64),
        json!(1e300),
        json!(null),
        json!([now + 600]),
        json!({ "value": now }),
        json!(true),
    ];
    for name in ["exp", "nbf", "iat"] {
        for value in &wrong {
            assert_eq!(with_claim(name, value), Refused::Claims, "{name} {value}");
        }
    }
    assert_eq!(with_claim("exp", &json!(-1)), Refused::Claims);
    assert_eq!(with_claim("sub", &json!("usr_1")), Refused::Claims);
    assert_eq!(with_claim("sub", &json!(null)), Refused::Claims);
    assert_eq!(with_claim("tenant", &json!("ses_x")), Refused::Claims);
    assert_eq!(with_claim("amr", &json!(["magic"])), Refused::Claims);
    assert_eq!(with_claim("admin", &json!(true)), Refused::Claims);
    assert_eq!(
        with_claim("cnf", &json!({ "jkt": "a", "x5t": "b" })),
        Refused::Claims
    );
    for missing in [
        "exp", "nbf", "iss", "aud", "sub", "sid", "tenant", "epoch", "iat", "jti",
    ] {
        let mut body = body();
        body.as_object_mut().unwrap().remove(missing);
        assert_eq!(
            refused(&signed(&header().to_string(), &body.to_string())),
            Refused::Claims,
            "{missing}"
        );
    }
}

#[test]
fn issuer_and_audience_are_ours_alone() {
    for name in ["iss", "aud"] {
        assert_eq!(with_claim(name, &json!("https://evil.example")), Refused::Foreign);
        assert_eq!(
            with_claim(name, &json!("https://studio.example.evil")),
            Refused::Foreign
        );
    }
    assert_eq!(
        with_claim("aud", &json!(["https://other.example"])),
        Refused::Claims
    );
    // A list is not what we write, even with us in it.
    assert_eq!(
        with_claim("aud", &json!([AUDIENCE, "https://other.example"])),
        Refused::Claims
    );
    assert_eq!(with_claim("iss", &json!([ISSUER])), Refused::Claims);
}

#[test]
fn nothing_stands_twice() {
    let body = body().to_string();
    let twice = format!("{{\"exp\":99999999999,{}", &body[1..]);
    assert_eq!(refused(&signed(&header().to_string(), &twice)), Refused::Claims);
    let other = body.replacen('{', "{\"sub\":\"usr_00000000000000000000000000000009\",", 1);
    assert_eq!(refused(&signed(&header().to_string(), &other)), Refused::Claims);
    let twice = format!("{{\"alg\":\"none\",{}", &header().to_string()[1..]);
    assert_eq!(refused(&signed(&twice, &body)), Refused::Header);
    // An escaped name is the same name.
    let twice = body.replacen('{', "{\"\\u0065xp\":99999999999,", 1);
    assert_eq!(refused(&signed(&header().to_string(), &twice)), Refused::Claims);
}

#[test]
fn a_token_has_one_spelling() {
    let good = key(1).sign(&claims()).expose_secret().to_owned();
    let parts: Vec<&str> = good.split('.').collect();
    let [header, payload, signature] = parts[..] else {
        panic!()
    };
    let mut flipped = signature.to_owned();
    // The last character carries four bits that must be zero.
    let last = flipped.pop().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let next = alphabet.chars().nth(alphabet.find(last).unwrap() + 1).unwrap();
    flipped.push(next);
    for other in [
        format!("{header}.{payload}."),
        format!("{header}.{payload}"),
        format!("{header}..{signature}"),
        format!(".{payload}.{signature}"),
        format!("{header}.{payload}.{signature}="),
        format!("{header}.{payload}.{signature}=="),
        format!("{header}.{payload}.{flipped}"),
        format!("{header}.{payload}.{signature}.{signature}"),
        format!("{header}.{payload}.{}", &signature[..40]),
        format!(" {good}"),
        format!("{good}\n"),
        format!("{header}=.{payload}.{signature}"),
        format!("{header}.{payload}\n.{signature}"),
        good.replace('.', ","),
        "..".to_owned(),
        String::new(),
        "é.é.é".to_owned(),
    ] {
        let why = refused(&other);
        assert!(
            matches!(
                why,
                Refused::Malformed | Refused::Signature | Refused::Header | Refused::Claims
            ),
            "{other} {why}"
        );
    }
    assert_eq!(
        refused(&format!("{header}.{payload}.{flipped}")),
        Refused::Malformed,
        "the signature's other spelling"
    );
    assert_eq!(refused(&"a".repeat(100_000)), Refused::TooLong);
    assert_eq!(
        refused(&format!("{good}{}", "A".repeat(100_000))),
        Refused::TooLong
    );
}

#[test]
fn a_changed_byte_is_seen() {
    let good = key(1).sign(&claims()).expose_secret().to_owned();
    for at in 0..good.len() {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert!(verifier().verify(&changed, NOW).is_err(), "{at}");
    }
}

#[test]
fn a_token_is_good_in_its_time() {
    let token = key(1).sign(&claims());
    let at = |seconds| verifier().verify(token.expose_secret(), after(seconds));
    let leeway = whole_seconds(LEEWAY);
    assert_eq!(at(-leeway - 1), Err(Refused::TooEarly));
    assert!(at(-leeway).is_ok());
    assert!(at(600 + leeway - 1).is_ok());
    assert_eq!(at(600 + leeway), Err(Refused::Expired));
    assert!(verifier().verify_at_any_time(token.expose_secret()).is_ok());
    let now = seconds(NOW);
    for (name, value) in [
        ("exp", now + 3601),
        ("exp", now),
        ("exp", now - 10),
        ("exp", i64::MAX),
        ("iat", i64::MIN),
        ("nbf", now + 601),
    ] {
        assert_eq!(with_claim(name, &json!(value)), Refused::Claims, "{name}");
    }
    assert_eq!(with_claim("nbf", &json!(now + 31)), Refused::TooEarly);
}

#[test]
fn a_token_that_is_over_says_so_only_if_it_is_ours() {
    let late = after(10_000);
    let foreign = key(3).sign(&claims());
    assert_eq!(
        verifier().verify(foreign.expose_secret(), late),
        Err(Refused::Key)
    );
    let mut broken = key(1).sign(&claims()).expose_secret().to_owned();
    broken.replace_range(broken.len() - 10..broken.len() - 9, "_");
    broken.replace_range(broken.len() - 20..broken.len() - 19, "_");
    assert_eq!(verifier().verify(&broken, late), Err(Refused::Signature));
}

/// RFC 8037 appendix A.3.
#[test]
fn a_thumbprint_is_that_of_the_rfc() {
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let public: [u8; 32] = data_encoding::BASE64URL_NOPAD
        .decode(x.as_bytes())
        .unwrap()
        .try_into()
        .unwrap();
    assert_eq!(thumbprint(&public), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    let jwk = Jwk::new(&public);
    assert_eq!(jwk.x, x);
    assert_eq!(jwk.kid, thumbprint(&public));
    let shown = serde_json::to_value(&jwk).unwrap();
    let mut names: Vec<&String> = shown.as_object().unwrap().keys().collect();
    names.sort();
    assert_eq!(names, ["alg", "crv", "kid", "kty", "use", "x"]);
}

/// RFC 8037 appendix A.4: the same key signs the same bytes the same way.
#[test]
fn a_signature_is_that_of_the_rfc() {
    let secret = data_encoding::BASE64URL_NOPAD
        .decode(b"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
        .unwrap();
    let key = SigningKey::from_secret(&secret).unwrap();
    let token = key.sign_parts(br#"{"alg":"EdDSA"}"#, b"Example of Ed25519 signing");
    assert_eq!(
        token.expose_secret(),
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    );
}

#[test]
fn a_key_prints_its_id_only() {
    let printed = format!("{:?} {:?}", key(1), verifier());
    assert!(printed.contains(key(1).kid()) && !printed.contains("1, 1, 1"));
    assert!(SigningKey::from_secret(&[1; 31]).is_err() && SigningKey::from_secret(&[]).is_err());
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_fall_over(text in "\\PC{0,200}") {
        proptest::prop_assert!(verifier().verify(&text, NOW).is_err());
    }

    #[test]
    fn no_signed_bytes_make_it_fall_over(header in proptest::collection::vec(proptest::num::u8::ANY, 0..60), body in proptest::collection::vec(proptest::num::u8::ANY, 0..60)) {
        let token: SecretString = key(1).sign_parts(&header, &body);
        proptest::prop_assert!(verifier().verify(token.expose_secret(), NOW).is_err());
        let token = key(1).sign_parts(super::tests::header().to_string().as_bytes(), &body);
        proptest::prop_assert!(verifier().verify(token.expose_secret(), NOW).is_err());
    }
}

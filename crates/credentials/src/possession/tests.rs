use super::*;
use ed25519_dalek::Signer as _;
use serde_json::{Value, json};

/// RFC 9449 section 4.1: the proof of a token request.
const RFC_TOKEN_REQUEST: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";
/// RFC 9449 section 7.1: the proof of a request with a token.
const RFC_RESOURCE_REQUEST: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
/// RFC 9449 section 7.1: the access token of that request.
const RFC_ACCESS_TOKEN: &str = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
/// RFC 9449 section 6.1: the thumbprint in `cnf`.
const RFC_THUMBPRINT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

const NOW: Time = Time::from_micros(1_795_000_000_000_000);
const TARGET: &str = "https://studio.example/api/v1/generations";

fn at(seconds: i64) -> Time {
    Time::from_micros(seconds * 1_000_000)
}

fn of_rfc<'a>(
    method: &'a str,
    targets: &'a [String],
    access_token: Option<&'a str>,
    now: i64,
) -> Expected<'a> {
    Expected {
        method,
        targets,
        access_token,
        nonces: None,
        now: at(now),
    }
}

#[test]
fn the_proofs_of_the_rfc_hold() {
    let targets = ["https://server.example.com/token".to_owned()];
    let shown = verify(RFC_TOKEN_REQUEST, &of_rfc("POST", &targets, None, 1_562_262_616)).unwrap();
    assert_eq!(shown.jkt, RFC_THUMBPRINT);
    let targets = ["https://resource.example.org/protectedresource".to_owned()];
    let expected = of_rfc("GET", &targets, Some(RFC_ACCESS_TOKEN), 1_562_262_618);
    let other = verify(RFC_RESOURCE_REQUEST, &expected).unwrap();
    assert_eq!(other.jkt, RFC_THUMBPRINT);
    assert_ne!(shown.once, other.once);
}

#[test]
fn the_proofs_of_the_rfc_are_for_nothing_else() {
    let ours = ["https://resource.example.org/protectedresource".to_owned()];
    let check = |method, targets: &[String], token, now| {
        verify(RFC_RESOURCE_REQUEST, &of_rfc(method, targets, token, now)).unwrap_err()
    };
    let (token, now) = (Some(RFC_ACCESS_TOKEN), 1_562_262_618);
    assert_eq!(check("POST", &ours, token, now), Refused::Method);
    assert_eq!(check("get", &ours, token, now), Refused::Method);
    assert_eq!(check("GET", &[], token, now), Refused::Target);
    assert_eq!(check("GET", &ours, None, now), Refused::Token);
    assert_eq!(check("GET", &ours, Some("other"), now), Refused::Token);
    assert_eq!(check("GET", &ours, token, now + 61), Refused::Time);
    assert_eq!(check("GET", &ours, token, now - 61), Refused::Time);
    let edges =
        [60, -60].map(|s| verify(RFC_RESOURCE_REQUEST, &of_rfc("GET", &ours, token, now + s)).is_ok());
    assert_eq!(edges, [true, true]);
}

struct Client(ed25519_dalek::SigningKey);

impl Client {
    fn new(seed: u8) -> Self {
        Self(ed25519_dalek::SigningKey::from_bytes(&[seed; 32]))
    }

    fn jwk(&self) -> Value {
        let x = BASE64URL_NOPAD.encode(&self.0.verifying_key().to_bytes());
        json!({ "kty": "OKP", "crv": "Ed25519", "x": x })
    }

    fn header(&self) -> Value {
        json!({ "typ": "dpop+jwt", "alg": "EdDSA", "jwk": self.jwk() })
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let message = format!(
            "{}.{}",
            BASE64URL_NOPAD.encode(header.to_string().as_bytes()),
            BASE64URL_NOPAD.encode(claims.to_string().as_bytes())
        );
        let signature = self.0.sign(message.as_bytes()).to_bytes();
        format!("{message}.{}", BASE64URL_NOPAD.encode(&signature))
    }
}

fn nonces() -> Nonces {
    Nonces::new([3; 32])
}

fn claims() -> Value {
    json!({
        "jti": "one", "htm": "POST", "htu": TARGET, "iat": NOW.micros() / 1_000_000,
        "ath": BASE64URL_NOPAD.encode(&Sha256::digest(b"token")), "nonce": nonces().at(NOW),
    })
}

fn check(proof: &str) -> Result<Shown, Refused> {
    let (targets, nonces) = (
        [TARGET.to_owned(), "http://localhost:8080/x".to_owned()],
        nonces(),
    );
    let expected = Expected {
        method: "POST",
        targets: &targets,
        access_token: Some("token"),
        nonces: Some(&nonces),
        now: NOW,
    };
    verify(proof, &expected)
}

fn with(name: &str, value: &Value) -> Result<Shown, Refused> {
    let (client, mut claims) = (Client::new(1), claims());
    claims[name] = value.clone();
    check(&client.sign(&client.header(), &claims))
}

fn with_header(change: impl FnOnce(&mut Value)) -> Result<Shown, Refused> {
    let client = Client::new(1);
    let mut header = client.header();
    change(&mut header);
    check(&client.sign(&header, &claims()))
}

#[test]
fn each_claim_counts() {
    assert!(with("more", &json!("is ignored")).is_ok());
    for (name, value, why) in [
        ("jti", json!(""), Refused::Id),
        ("jti", json!("j".repeat(257)), Refused::Id),
        ("jti", json!(7), Refused::Malformed),
        ("htm", json!("GET"), Refused::Method),
        ("htm", json!("post"), Refused::Method),
        ("iat", json!(NOW.micros() / 1_000_000 - 61), Refused::Time),
        ("iat", json!(NOW.micros() / 1_000_000 + 61), Refused::Time),
        ("iat", json!("1795000000"), Refused::Malformed),
        ("iat", json!(i64::MAX), Refused::Time),
        ("iat", json!(i64::MIN), Refused::Time),
        ("ath", json!(null), Refused::Token),
        ("ath", json!(""), Refused::Token),
        (
            "ath",
            json!(BASE64URL_NOPAD.encode(&Sha256::digest(b"other"))),
            Refused::Token,
        ),
        ("nonce", json!(null), Refused::Nonce),
        ("nonce", json!("made up"), Refused::Nonce),
    ] {
        assert_eq!(with(name, &value), Err(why), "{name} {value}");
    }
    for missing in ["jti", "htm", "htu", "iat"] {
        let (client, mut claims) = (Client::new(1), claims());
        claims.as_object_mut().unwrap().remove(missing);
        assert_eq!(
            check(&client.sign(&client.header(), &claims)),
            Err(Refused::Malformed)
        );
    }
}

#[test]
fn an_address_is_compared_as_the_rfc_says() {
    for same in [
        "https://studio.example/api/v1/generations",
        "HTTPS://STUDIO.example/api/v1/generations",
        "https://studio.example:443/api/v1/generations",
        "https://studio.example/api/./v1/x/../generations",
        "https://studio.example/%61pi/v1/generations",
        "https://studio.example/api/v1/generations?limit=5",
        "https://studio.example/api/v1/generations#top",
        "http://localhost:8080/x",
    ] {
        assert!(with("htu", &json!(same)).is_ok(), "{same}");
    }
    for other in [
        "http://studio.example/api/v1/generations",
        "https://studio.example:8443/api/v1/generations",
        "https://studio.example/api/v1/generations/",
        "https://studio.example/API/v1/generations",
        "https://studio.example/api%2Fv1/generations",
        "https://studio.example.evil/api/v1/generations",
        "https://user@studio.example/api/v1/generations",
        "https://user:pass@studio.example/api/v1/generations",
        "http://localhost:8081/x",
        "/api/v1/generations",
        "studio.example/api/v1/generations",
        "file:///api/v1/generations",
        "",
    ] {
        assert_eq!(with("htu", &json!(other)), Err(Refused::Target), "{other}");
    }
    assert_eq!(normal_escapes("%7e%2f%zz%"), "~%2F%zz%");
    assert_eq!(normal_escapes("a%é"), "a%é");
}

#[test]
fn the_header_says_a_proof_of_a_public_key() {
    for (typ, why) in [
        ("JWT", Refused::Type),
        ("at+jwt", Refused::Type),
        ("", Refused::Type),
    ] {
        assert_eq!(with_header(|h| h["typ"] = json!(typ)), Err(why));
    }
    for alg in ["none", "HS256", "RS256", "ES384", "", "eddsa"] {
        assert_eq!(
            with_header(|h| h["alg"] = json!(alg)),
            Err(Refused::Algorithm),
            "{alg}"
        );
    }
    assert_eq!(with_header(|h| h["alg"] = json!("ES256")), Err(Refused::Key));
    assert_eq!(
        with_header(|h| h["crit"] = json!(["b64"])),
        Err(Refused::Malformed)
    );
    let secret = BASE64URL_NOPAD.encode(&[1; 32]);
    assert_eq!(with_header(|h| h["jwk"]["d"] = json!(secret)), Err(Refused::Key));
    for (name, value) in [
        ("kty", json!("EC")),
        ("kty", json!("oct")),
        ("crv", json!("X25519")),
        ("crv", json!(null)),
        ("x", json!(null)),
        ("x", json!("AAAA")),
        ("x", json!("?")),
    ] {
        assert_eq!(
            with_header(|h| h["jwk"][name] = value.clone()),
            Err(Refused::Key),
            "{name} {value}"
        );
    }
    assert_eq!(
        with_header(|h| h["jwk"] = json!({ "kty": "oct", "k": secret })),
        Err(Refused::Key)
    );
    assert_eq!(with_header(|h| h["jwk"] = json!("key")), Err(Refused::Malformed));
    assert_eq!(
        with_header(|h| h["jwk"] = Client::new(2).jwk()),
        Err(Refused::Signature)
    );
    for missing in ["typ", "alg", "jwk"] {
        let without = with_header(|h| {
            h.as_object_mut().unwrap().remove(missing);
        });
        assert_eq!(without, Err(Refused::Malformed));
    }
    // A point that is not on the curve.
    let off = json!({ "kty": "EC", "crv": "P-256", "x": secret, "y": secret });
    let refused = with_header(|h| {
        h["alg"] = json!("ES256");
        h["jwk"] = off.clone();
    });
    assert_eq!(refused, Err(Refused::Signature));
}

#[test]
fn a_changed_proof_does_not_hold() {
    let client = Client::new(1);
    let good = client.sign(&client.header(), &claims());
    assert!(check(&good).is_ok());
    for at in 0..good.len() {
        let mut bytes = good.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        assert!(check(&String::from_utf8(bytes).unwrap()).is_err(), "{at}");
    }
    assert_eq!(check(&"a".repeat(4097)), Err(Refused::TooLong));
    for bad in ["", ".", "..", "a.b.c", "é"] {
        assert!(check(bad).is_err());
    }
}

#[test]
fn key_and_id_together_are_good_once() {
    let once = |seed, jti: &str| {
        let (client, mut claims) = (Client::new(seed), claims());
        claims["jti"] = json!(jti);
        check(&client.sign(&client.header(), &claims)).unwrap().once
    };
    assert_eq!(once(1, "a"), once(1, "a"));
    assert_ne!(once(1, "a"), once(1, "b"));
    assert_ne!(once(1, "a"), once(2, "a"));
}

proptest::proptest! {
    #[test]
    fn no_text_makes_it_fall_over(text in "\\PC{0,200}") {
        proptest::prop_assert!(check(&text).is_err());
    }

    #[test]
    fn no_address_makes_it_fall_over(text in "\\PC{0,60}") {
        let _ = address(&text);
        let normal = normal_escapes(&text);
        proptest::prop_assert_eq!(normal_escapes(&normal).len() <= normal.len(), true);
    }
}

use super::*;
use data_encoding::BASE64URL_NOPAD;
use domain::time::Time;
use ed25519_dalek::{Signer, SigningKey};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const ISSUER: &str = "https://id.example/realm";
const NOW: Time = Time::from_micros(1_800_000_000_000_000);
const SECONDS: u64 = 1_800_000_000;

/// A provider that answers from memory.
struct Provider {
    key: Mutex<(String, SigningKey)>,
    description: Mutex<Value>,
    token: Mutex<String>,
    person: Mutex<Value>,
    description_fetches: AtomicUsize,
    posted: Mutex<Vec<String>>,
}

impl Provider {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            key: Mutex::new(("k1".to_owned(), SigningKey::from_bytes(&[7; 32]))),
            description: Mutex::new(json!({
                "issuer": ISSUER,
                "authorization_endpoint": "https://id.example/realm/auth",
                "token_endpoint": "https://id.example/realm/token",
                "userinfo_endpoint": "https://id.example/realm/me",
                "jwks_uri": "https://id.example/realm/keys",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["EdDSA", "HS256", "none"],
                "authorization_response_iss_parameter_supported": true,
            })),
            token: Mutex::new(String::new()),
            person: Mutex::new(json!({"sub": "s-1"})),
            description_fetches: AtomicUsize::new(0),
            posted: Mutex::new(Vec::new()),
        })
    }

    fn exchange(self: &Arc<Self>) -> Exchange {
        let provider = Arc::clone(self);
        Arc::new(move |request: HttpRequest| {
            let body = match request.uri().path() {
                "/realm/.well-known/openid-configuration" => {
                    provider.description_fetches.fetch_add(1, Ordering::SeqCst);
                    provider.description.lock().unwrap().clone()
                }
                "/realm/keys" => {
                    let (kid, key) = provider.key.lock().unwrap().clone();
                    let x = BASE64URL_NOPAD.encode(key.verifying_key().as_bytes());
                    json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": kid, "x": x}]})
                }
                "/realm/token" => {
                    let posted = String::from_utf8(request.body().clone()).unwrap();
                    provider.posted.lock().unwrap().push(posted);
                    let token = provider.token.lock().unwrap().clone();
                    json!({"access_token": "at", "token_type": "Bearer", "id_token": token})
                }
                "/realm/me" => provider.person.lock().unwrap().clone(),
                other => panic!("{other} is not asked"),
            };
            let mut response = HttpResponse::new(body.to_string().into_bytes());
            let json = "application/json".parse().unwrap();
            response.headers_mut().insert("content-type", json);
            Box::pin(async move { Ok(response) })
        })
    }

    fn signed(&self, header: &Value, claims: &Value) -> String {
        let (_, key) = self.key.lock().unwrap().clone();
        sign(header, claims, |text| key.sign(text).to_bytes().to_vec())
    }
}

fn sign(header: &Value, claims: &Value, by: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let text = format!("{}.{}", part(header), part(claims));
    let signature = BASE64URL_NOPAD.encode(&by(text.as_bytes()));
    format!("{text}.{signature}")
}

fn with_hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn config() -> Config {
    Config {
        issuer: ISSUER.to_owned(),
        client_id: "studio".to_owned(),
        client_secret: Some("a secret of the studio".into()),
        redirect_uri: "https://studio.example/api/v1/auth/oidc/main/callback".to_owned(),
        scopes: vec!["openid".to_owned(), "email".to_owned()],
        role_claim: Some("realm_access.roles".to_owned()),
        algorithms: vec!["EdDSA"],
    }
}

const HEADER: fn() -> Value = || json!({"alg": "EdDSA", "kid": "k1", "typ": "JWT"});

fn claims(transaction: &Transaction) -> Value {
    json!({
        "iss": ISSUER, "sub": "s-1", "aud": "studio", "nonce": transaction.nonce,
        "iat": SECONDS, "exp": SECONDS + 300,
        "email": "ana@example.org", "email_verified": true, "name": "Ana", "locale": "pt-BR",
        "realm_access": {"roles": ["staff", "chiefs"]},
    })
}

fn answer(transaction: &Transaction) -> Answer {
    Answer {
        code: Some("the-code".into()),
        state: Some(transaction.state.as_str().into()),
        iss: Some(ISSUER.to_owned()),
        error: None,
    }
}

/// A login that was begun.
async fn begun(provider: &Arc<Provider>, config: Config) -> (RelyingParty, Transaction) {
    let party = RelyingParty::new(config).unwrap();
    let begun = party
        .begin(&provider.exchange(), NOW, &[5; RANDOM_BYTES])
        .await
        .unwrap();
    (party, begun.transaction)
}

#[tokio::test]
async fn the_browser_is_sent_with_all_that_must_come_back() {
    let provider = Provider::new();
    let party = RelyingParty::new(config()).unwrap();
    let mut random = [0; RANDOM_BYTES];
    random
        .iter_mut()
        .enumerate()
        .for_each(|(n, byte)| *byte = n as u8);
    let begun = party.begin(&provider.exchange(), NOW, &random).await.unwrap();
    let url: url::Url = begun.url.parse().unwrap();
    let sent: std::collections::BTreeMap<_, _> = url.query_pairs().into_owned().collect();
    let challenge = BASE64URL_NOPAD.encode(&Sha256::digest(begun.transaction.verifier.as_bytes()));
    assert_eq!(url.host_str(), Some("id.example"));
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "studio"),
        (
            "redirect_uri",
            "https://studio.example/api/v1/auth/oidc/main/callback",
        ),
        ("scope", "openid email"),
        ("code_challenge_method", "S256"),
        ("code_challenge", &challenge),
        ("state", &begun.transaction.state),
        ("nonce", &begun.transaction.nonce),
    ] {
        assert_eq!(sent[name], value, "{name}");
    }
    let parts = [
        &begun.transaction.state,
        &begun.transaction.nonce,
        &begun.transaction.verifier,
    ];
    assert!(parts.iter().all(|part| part.len() == 43) && parts[0] != parts[1] && parts[1] != parts[2]);
    assert!(!begun.url.contains(&begun.transaction.verifier));
    assert!(!format!("{:?}", begun.transaction).contains(&begun.transaction.state));
}

#[tokio::test]
async fn somebody_is_issuer_and_subject() {
    let provider = Provider::new();
    let (party, transaction) = begun(&provider, config()).await;
    *provider.token.lock().unwrap() = provider.signed(&HEADER(), &claims(&transaction));
    let exchange = provider.exchange();
    let somebody = party
        .end(&exchange, NOW, &transaction, &answer(&transaction))
        .await
        .unwrap();
    assert_eq!(
        (somebody.issuer.as_str(), somebody.subject.as_str()),
        (ISSUER, "s-1")
    );
    assert_eq!(somebody.email.as_deref(), Some("ana@example.org"));
    assert_eq!(
        somebody.roles.as_deref(),
        Some(&["staff".to_owned(), "chiefs".to_owned()][..])
    );
    let posted = provider.posted.lock().unwrap().join("\n");
    assert!(
        posted.contains(&format!("code_verifier={}", transaction.verifier)),
        "{posted}"
    );
    assert!(!format!("{somebody:?}").contains("ana"));

    // What the token does not say is asked; an address that nobody verified does not count.
    let mut thin = claims(&transaction);
    for name in ["email", "email_verified", "name", "realm_access"] {
        thin.as_object_mut().unwrap().remove(name);
    }
    *provider.token.lock().unwrap() = provider.signed(&HEADER(), &thin);
    let mut person = json!({"sub": "s-1", "email": "ana@example.org", "email_verified": true,
        "realm_access": {"roles": "chiefs"}});
    *provider.person.lock().unwrap() = person.clone();
    let somebody = party
        .end(&exchange, NOW, &transaction, &answer(&transaction))
        .await
        .unwrap();
    assert_eq!(somebody.email.as_deref(), Some("ana@example.org"));
    assert_eq!(somebody.roles.as_deref(), Some(&["chiefs".to_owned()][..]));
    person["email_verified"] = json!(false);
    *provider.person.lock().unwrap() = person.clone();
    let somebody = party
        .end(&exchange, NOW, &transaction, &answer(&transaction))
        .await
        .unwrap();
    assert_eq!(somebody.email, None);
    person["sub"] = json!("s-2");
    *provider.person.lock().unwrap() = person;
    let other = party
        .end(&exchange, NOW, &transaction, &answer(&transaction))
        .await;
    assert_eq!(other, Err(OidcError::Token("subject")));
}

#[tokio::test]
async fn a_token_that_does_not_hold_lets_nobody_in() {
    let provider = Provider::new();
    let (party, transaction) = begun(&provider, config()).await;
    let exchange = provider.exchange();
    let good = claims(&transaction);
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        provider.signed(&HEADER(), &claims)
    };
    let public = provider.key.lock().unwrap().1.verifying_key().to_bytes();
    let secret = config().client_secret.unwrap();
    let hs256 = json!({"alg": "HS256", "kid": "k1"});
    let by_public = sign(&hs256, &good, |text| with_hmac(&public, text));
    let by_secret = sign(&hs256, &good, |text| {
        with_hmac(secret.expose_secret().as_bytes(), text)
    });
    let foreign = SigningKey::from_bytes(&[8; 32]);
    let by_foreign = sign(&HEADER(), &good, |text| foreign.sign(text).to_bytes().to_vec());
    let own_key = json!({"alg": "EdDSA", "kid": "k1", "jku": "https://evil.example/keys",
        "jwk": {"kty": "OKP", "crv": "Ed25519", "x": BASE64URL_NOPAD.encode(foreign.verifying_key().as_bytes())}});
    let with_own_key = sign(&own_key, &good, |text| foreign.sign(text).to_bytes().to_vec());
    let unsigned = sign(&json!({"alg": "none"}), &good, |_| Vec::new());
    let bare = |token: &str| token.rsplit_once('.').unwrap().0.to_owned() + ".";
    for (token, why) in [
        (with("nonce", json!("another")), "nonce"),
        (with("nonce", Value::Null), "nonce"),
        (with("iss", json!("https://id.example")), "issuer"),
        (with("iss", json!("https://id.example/realm/")), "issuer"),
        (with("aud", json!("another")), "audience"),
        (with("aud", json!(["studio", "another"])), "audience"),
        (with("aud", json!([])), "audience"),
        (with("azp", json!("another")), "audience"),
        (with("exp", json!(SECONDS - 31)), "time"),
        (with("iat", json!(SECONDS + 31)), "time"),
        (with("iat", json!(SECONDS - 601)), "time"),
        (with("nbf", json!(SECONDS + 31)), "early"),
        (with("nbf", json!("soon")), "early"),
        (with("sub", json!("")), "subject"),
        (with("sub", json!("s".repeat(256))), "subject"),
        (with("exp", json!("never")), "unreadable"),
        (with("exp", Value::Null), "unreadable"),
        (unsigned, "algorithm"),
        (by_public, "algorithm"),
        (by_secret, "algorithm"),
        (bare(&provider.signed(&HEADER(), &good)), "signature"),
        (by_foreign, "signature"),
        (with_own_key, "signature"),
        (
            provider.signed(&json!({"alg": "EdDSA", "kid": "k9"}), &good),
            "key",
        ),
        (
            provider.signed(&json!({"alg": "ES256", "kid": "k1"}), &good),
            "algorithm",
        ),
        (
            provider.signed(&json!({"alg": "EdDSA", "kid": "k1", "typ": "at+jwt"}), &good),
            "form",
        ),
        (
            provider.signed(&json!({"alg": "EdDSA", "kid": "k1", "crit": ["x"]}), &good),
            "form",
        ),
        (String::new(), "unreadable"),
        ("a.b.c".to_owned(), "unreadable"),
    ] {
        *provider.token.lock().unwrap() = token.clone();
        let ended = party
            .end(&exchange, NOW, &transaction, &answer(&transaction))
            .await;
        match ended {
            // A token that is no token makes the whole answer unreadable.
            Err(OidcError::Provider(_)) if why == "unreadable" => {}
            other => assert_eq!(other, Err(OidcError::Token(why)), "{token}"),
        }
    }
    // Clocks may be half a minute apart.
    for (name, value) in [
        ("exp", SECONDS - 29),
        ("iat", SECONDS + 29),
        ("nbf", SECONDS + 29),
    ] {
        *provider.token.lock().unwrap() = with(name, json!(value));
        let ended = party
            .end(&exchange, NOW, &transaction, &answer(&transaction))
            .await;
        assert!(ended.is_ok(), "{name}: {ended:?}");
    }
}

#[tokio::test]
async fn an_answer_that_was_not_begun_here_is_not_looked_at() {
    let provider = Provider::new();
    let (party, transaction) = begun(&provider, config()).await;
    *provider.token.lock().unwrap() = provider.signed(&HEADER(), &claims(&transaction));
    let exchange = provider.exchange();
    let good = answer(&transaction);
    for (answer, expected) in [
        (
            Answer {
                state: None,
                ..good.clone()
            },
            OidcError::State,
        ),
        (
            Answer {
                state: Some("another".into()),
                ..good.clone()
            },
            OidcError::State,
        ),
        (
            Answer {
                iss: Some("https://evil.example".to_owned()),
                ..good.clone()
            },
            OidcError::Issuer,
        ),
        (
            Answer {
                iss: None,
                ..good.clone()
            },
            OidcError::Issuer,
        ),
        (
            Answer {
                error: Some("access_denied".to_owned()),
                ..good.clone()
            },
            OidcError::Denied,
        ),
        (
            Answer {
                code: None,
                ..good.clone()
            },
            OidcError::Denied,
        ),
    ] {
        let ended = party.end(&exchange, NOW, &transaction, &answer).await;
        assert_eq!(ended, Err(expected), "{answer:?}");
    }
    assert!(provider.posted.lock().unwrap().is_empty(), "no code was redeemed");
    // A provider that does not name itself in answers need not.
    provider.description.lock().unwrap()["authorization_response_iss_parameter_supported"] = json!(false);
    let (party, _) = begun(&provider, config()).await;
    let silent = Answer { iss: None, ..good };
    assert!(party.end(&exchange, NOW, &transaction, &silent).await.is_ok());
}

#[tokio::test]
async fn keys_that_are_not_known_are_looked_for_at_most_once_a_minute() {
    let provider = Provider::new();
    let (party, transaction) = begun(&provider, config()).await;
    let exchange = provider.exchange();
    *provider.key.lock().unwrap() = ("k2".to_owned(), SigningKey::from_bytes(&[9; 32]));
    let header = json!({"alg": "EdDSA", "kid": "k2"});
    *provider.token.lock().unwrap() = provider.signed(&header, &claims(&transaction));
    let end = async |after: u64| {
        let now = NOW.after(Duration::from_secs(after));
        party
            .end(&exchange, now, &transaction, &answer(&transaction))
            .await
            .map(|_| ())
    };
    for _ in 0..5 {
        assert_eq!(end(59).await, Err(OidcError::Token("key")));
    }
    assert_eq!(provider.description_fetches.load(Ordering::SeqCst), 1);
    assert_eq!(end(MIN_REFRESH.as_secs()).await, Ok(()));
    assert_eq!(end(MIN_REFRESH.as_secs() + 1).await, Ok(()));
    assert_eq!(provider.description_fetches.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_provider_that_calls_itself_otherwise_or_leads_elsewhere_is_not_used() {
    let provider = Provider::new();
    let party = RelyingParty::new(config()).unwrap();
    provider.description.lock().unwrap()["issuer"] = json!("https://id.example/realm/");
    let refused = party
        .begin(&provider.exchange(), NOW, &[0; RANDOM_BYTES])
        .await
        .unwrap_err();
    assert_eq!(refused, OidcError::Provider("it calls itself by another name"));
    provider.description.lock().unwrap()["issuer"] = json!(ISSUER);
    provider.description.lock().unwrap()["authorization_endpoint"] = json!("http://id.example/auth");
    let refused = party
        .begin(&provider.exchange(), NOW, &[0; RANDOM_BYTES])
        .await
        .unwrap_err();
    assert_eq!(refused, OidcError::Provider("its login page is not over https"));
    for algorithms in [vec![], vec!["none"], vec!["HS256"], vec!["EdDSA", "HS512"]] {
        let config = Config {
            algorithms,
            ..config()
        };
        assert_eq!(
            RelyingParty::new(config).err(),
            Some(OidcError::Config("algorithms"))
        );
    }
}

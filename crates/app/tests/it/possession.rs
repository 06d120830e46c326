//! Tokens that are bound to a key (RFC 9449): without its owner's proof, or with one that was shown
//! before, they open nothing.

use crate::bed::Bed;
use app::Studio;
use app::identity::{NewSession, Presented, Proof, Refresh, Tokens, Unauthenticated};
use data_encoding::BASE64URL_NOPAD;
use domain::actor::FIRST_WORKSPACE;
use domain::identity::{Client, Method};
use ed25519_dalek::{Signer, SigningKey};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::atomic::{AtomicU32, Ordering};

const TARGET: &str = "http://localhost:8080/api/v1/models";

/// A client with a key of its own.
struct Holder {
    key: SigningKey,
    proofs: AtomicU32,
}

impl Holder {
    fn new(seed: u8) -> Self {
        Self {
            key: SigningKey::from_bytes(&[seed; 32]),
            proofs: AtomicU32::new(0),
        }
    }

    fn claims(&self, bed: &Bed, studio: &Studio, token: Option<&SecretString>) -> Value {
        let number = self.proofs.fetch_add(1, Ordering::Relaxed);
        let mut claims = json!({
            "jti": format!("proof-{number}"), "htm": "GET", "htu": TARGET,
            "iat": bed.now().micros() / 1_000_000, "nonce": studio.possession_nonce(),
        });
        if let Some(token) = token {
            let hash = Sha256::digest(token.expose_secret().as_bytes());
            claims["ath"] = json!(BASE64URL_NOPAD.encode(&hash));
        }
        claims
    }

    fn sign(&self, claims: &Value) -> Proof {
        let x = BASE64URL_NOPAD.encode(&self.key.verifying_key().to_bytes());
        let header = json!({
            "typ": "dpop+jwt", "alg": "EdDSA", "jwk": { "kty": "OKP", "crv": "Ed25519", "x": x },
        });
        let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let message = format!("{}.{}", part(&header), part(claims));
        let signature = self.key.sign(message.as_bytes()).to_bytes();
        proof(&format!("{message}.{}", BASE64URL_NOPAD.encode(&signature)))
    }

    fn prove(&self, bed: &Bed, token: Option<&SecretString>) -> Proof {
        self.sign(&self.claims(bed, &bed.studio, token))
    }
}

fn proof(text: &str) -> Proof {
    Proof {
        text: text.to_owned(),
        method: "GET".to_owned(),
        targets: vec![TARGET.to_owned()],
    }
}

async fn bound(bed: &Bed, holder: &Holder) -> Tokens {
    let user = bed.person(None).await;
    let proof = holder.prove(bed, None);
    let new = NewSession {
        user,
        workspace: FIRST_WORKSPACE,
        client: Client::Api,
        agent: "test".to_owned(),
        network: "192.0.2.0/24".to_owned(),
        methods: vec![Method::Password],
        jkt: bed.studio.bind_to(Some(&proof)).await.unwrap(),
    };
    bed.studio.open_session(new).await.unwrap()
}

async fn show(studio: &Studio, token: &SecretString, proof: Option<Proof>) -> Result<(), Unauthenticated> {
    let token = token.clone();
    studio
        .authenticate(Presented::Access { token, proof })
        .await
        .map(|_| ())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_token_is_good_with_its_keys_fresh_proof_alone() {
    let bed = Bed::new().await;
    let (holder, thief) = (Holder::new(1), Holder::new(2));
    let tokens = bound(&bed, &holder).await;
    assert_eq!(tokens.token_type, "DPoP");
    let token = &tokens.access;
    let good = holder.prove(&bed, Some(token));
    let again = proof(&good.text);
    show(&bed.studio, token, Some(good)).await.unwrap();
    let refused = |result: Result<(), Unauthenticated>| matches!(result, Err(Unauthenticated::Proof(_)));
    assert!(
        refused(show(&bed.studio, token, Some(again)).await),
        "shown before"
    );
    assert!(refused(show(&bed.studio, token, None).await), "no proof");
    let theirs = thief.prove(&bed, Some(token));
    assert!(
        refused(show(&bed.studio, token, Some(theirs)).await),
        "another key"
    );
    let for_another = holder.prove(&bed, Some(&tokens.refresh));
    assert!(
        refused(show(&bed.studio, token, Some(for_another)).await),
        "another token"
    );
    let (_, plain, _) = bed.logged_in().await;
    let needless = holder.prove(&bed, Some(&plain.access));
    assert!(
        refused(show(&bed.studio, &plain.access, Some(needless)).await),
        "bound to no key"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_carries_a_nonce_of_this_moment() {
    let bed = Bed::new().await;
    let holder = Holder::new(1);
    let tokens = bound(&bed, &holder).await;
    let mut claims = holder.claims(&bed, &bed.studio, Some(&tokens.access));
    claims.as_object_mut().unwrap().remove("nonce");
    let without = show(&bed.studio, &tokens.access, Some(holder.sign(&claims))).await;
    let Err(Unauthenticated::Nonce(nonce)) = without else {
        panic!()
    };
    claims["nonce"] = json!(nonce);
    show(&bed.studio, &tokens.access, Some(holder.sign(&claims)))
        .await
        .unwrap();
    bed.wait(250);
    let mut late = holder.claims(&bed, &bed.studio, Some(&tokens.access));
    late["nonce"] = json!(nonce);
    let late = show(&bed.studio, &tokens.access, Some(holder.sign(&late))).await;
    assert!(matches!(late, Err(Unauthenticated::Nonce(_))));
    // One process alone: a proof that another start has seen is good no more.
    let restarted = bed.another();
    let old = holder.prove(&bed, Some(&tokens.access));
    let old = show(&restarted, &tokens.access, Some(old)).await;
    assert!(matches!(old, Err(Unauthenticated::Nonce(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_session_is_refreshed_by_its_key_alone() {
    let bed = Bed::new().await;
    let (holder, thief) = (Holder::new(1), Holder::new(2));
    let tokens = bound(&bed, &holder).await;
    let refresh = async |tokens: &Tokens, proof: Option<Proof>| {
        let refresh = Refresh {
            token: tokens.refresh.clone(),
            client: Client::Api,
            proof,
            request_id: None,
        };
        bed.studio.refresh(refresh).await
    };
    let refused = |result: Result<Tokens, Unauthenticated>| matches!(result, Err(Unauthenticated::Proof(_)));
    assert!(refused(refresh(&tokens, None).await));
    assert!(refused(refresh(&tokens, Some(thief.prove(&bed, None))).await));
    let next = refresh(&tokens, Some(holder.prove(&bed, None))).await.unwrap();
    assert_eq!(next.token_type, "DPoP");
    // A thief without the key neither gets tokens nor ends the session.
    bed.wait(60);
    assert!(refused(refresh(&tokens, Some(thief.prove(&bed, None))).await));
    refresh(&next, Some(holder.prove(&bed, None))).await.unwrap();
    let (_, plain, _) = bed.logged_in().await;
    assert!(
        refused(refresh(&plain, Some(thief.prove(&bed, None))).await),
        "it is bound to no key"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_is_good_once_at_all_processes_of_a_database() {
    let Some(bed) = Bed::on_postgres(|_| ()).await else {
        return;
    };
    let holder = Holder::new(1);
    let tokens = bound(&bed, &holder).await;
    let node = bed.another();
    let good = holder.prove(&bed, Some(&tokens.access));
    let again = proof(&good.text);
    show(&bed.studio, &tokens.access, Some(good)).await.unwrap();
    let replayed = show(&node, &tokens.access, Some(again)).await;
    assert!(matches!(replayed, Err(Unauthenticated::Proof(_))), "{replayed:?}");
    show(
        &node,
        &tokens.access,
        Some(holder.prove(&bed, Some(&tokens.access))),
    )
    .await
    .unwrap();
    bed.wait(301);
    bed.studio.keep_house().await.unwrap();
    assert_eq!(bed.number("select count(*) as n from proofs").await, 0);
}

//! A soft authenticator and the browser in front of it (Web Authentication level 3): passkeys in memory,
//! answers in the JSON that `PublicKeyCredential.toJSON` gives. It follows the standard unless told to
//! do something wrong. Cloning it clones its passkeys, as a thief would.

use data_encoding::BASE64URL_NOPAD;
use p256::ecdsa::{DerSignature, Signature, SigningKey, signature::Signer};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// One passkey that it holds.
#[derive(Clone)]
struct Held {
    id: Vec<u8>,
    key: SigningKey,
    user: Vec<u8>,
    rp_id: String,
    counter: u32,
}

/// The authenticator and its browser; public fields are what tests bend.
#[derive(Clone)]
pub struct Authenticator {
    /// Where the browser believes to be.
    pub origin: String,
    /// Whether it verifies its user.
    pub verifies_user: bool,
    /// Whether it counts its signatures.
    pub counts: bool,
    /// Whether its passkeys may be copied, and are.
    pub backed_up: bool,
    /// The relying party that it signs for instead of the one that asked.
    pub other_rp_id: Option<String>,
    /// The challenge that it signs instead of the one it was given.
    pub other_challenge: Option<Vec<u8>>,
    /// Whether it says that it stores what it makes.
    pub stores: bool,
    /// Whether it tells to whom a passkey belongs.
    pub tells_user: bool,
    held: Vec<Held>,
}

impl Authenticator {
    /// An empty authenticator in a browser at this origin.
    #[must_use]
    pub fn at(origin: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            verifies_user: true,
            counts: true,
            backed_up: false,
            other_rp_id: None,
            other_challenge: None,
            stores: true,
            tells_user: true,
            held: Vec::new(),
        }
    }

    /// `navigator.credentials.create(options)`; `None` where it would fail: it holds one of the excluded
    /// passkeys, or the options are not such options.
    pub fn create(&mut self, options: &Value) -> Option<Value> {
        let asked = options.get("publicKey")?;
        let excluded = asked.get("excludeCredentials").and_then(Value::as_array);
        let knows = |id: &Value| self.held.iter().any(|held| id["id"] == text(&held.id));
        if excluded.is_some_and(|list| list.iter().any(knows)) {
            return None;
        }
        let rp_id = asked["rp"]["id"].as_str()?.to_owned();
        let user = BASE64URL_NOPAD
            .decode(asked["user"]["id"].as_str()?.as_bytes())
            .ok()?;
        let challenge = asked["challenge"].as_str()?;
        // Keys come from the challenge, so that two authenticators never hold the same by accident.
        let seed = Sha256::digest(challenge.as_bytes());
        let key = SigningKey::from_slice(&seed).ok()?;
        let id = Sha256::digest(seed).to_vec();
        let held = Held {
            id,
            key,
            user,
            rp_id,
            counter: 0,
        };
        let data = self.authenticator_data(&held, Some(cose_key(&held.key)));
        let answer = json!({
            "id": text(&held.id),
            "rawId": text(&held.id),
            "type": "public-key",
            "clientExtensionResults": {"credProps": {"rk": self.stores}},
            "response": {
                "clientDataJSON": text(&self.client_data("webauthn.create", challenge)),
                "attestationObject": text(&attestation_object(&data)),
                "transports": ["internal"],
            },
        });
        self.held.push(held);
        Some(answer)
    }

    /// `navigator.credentials.get(options)` with the newest passkey that fits; `None` if none does.
    pub fn get(&mut self, options: &Value) -> Option<Value> {
        let asked = options.get("publicKey")?;
        let rp_id = asked["rpId"].as_str()?;
        let challenge = asked["challenge"].as_str()?;
        let allowed: Vec<&str> = asked["allowCredentials"]
            .as_array()
            .map(|list| list.iter().filter_map(|one| one["id"].as_str()).collect())
            .unwrap_or_default();
        let fits = |held: &Held| {
            held.rp_id == rp_id && (allowed.is_empty() || allowed.contains(&text(&held.id).as_str()))
        };
        let place = self.held.iter().rposition(fits)?;
        if self.counts {
            self.held[place].counter += 1;
        }
        let held = &self.held[place];
        let data = self.authenticator_data(held, None);
        let client_data = self.client_data("webauthn.get", challenge);
        let signed = [data.as_slice(), &Sha256::digest(&client_data)].concat();
        let signature: Signature = held.key.sign(&signed);
        let signature: DerSignature = signature.to_der();
        Some(json!({
            "id": text(&held.id),
            "rawId": text(&held.id),
            "type": "public-key",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": text(&client_data),
                "authenticatorData": text(&data),
                "signature": text(signature.as_bytes()),
                "userHandle": self.tells_user.then(|| text(&held.user)),
            },
        }))
    }

    /// How many passkeys it holds.
    #[must_use]
    pub fn held(&self) -> usize {
        self.held.len()
    }

    fn client_data(&self, ceremony: &str, challenge: &str) -> Vec<u8> {
        let other = self.other_challenge.as_ref().map(|bytes| text(bytes));
        let challenge = other.as_deref().unwrap_or(challenge);
        let data =
            json!({"type": ceremony, "challenge": challenge, "origin": self.origin, "crossOrigin": false});
        data.to_string().into_bytes()
    }

    /// Section 6.1: hash of the relying party, flags, counter, and with a new key its id and itself.
    fn authenticator_data(&self, held: &Held, new_key: Option<Vec<u8>>) -> Vec<u8> {
        const USER_PRESENT: u8 = 0x01;
        const USER_VERIFIED: u8 = 0x04;
        const BACKUP_ELIGIBLE: u8 = 0x08;
        const BACKED_UP: u8 = 0x10;
        const NEW_KEY: u8 = 0x40;
        let rp_id = self.other_rp_id.as_deref().unwrap_or(&held.rp_id);
        let mut flags = USER_PRESENT;
        flags |= if self.verifies_user { USER_VERIFIED } else { 0 };
        flags |= if self.backed_up {
            BACKUP_ELIGIBLE | BACKED_UP
        } else {
            0
        };
        flags |= if new_key.is_some() { NEW_KEY } else { 0 };
        let mut data = Sha256::digest(rp_id.as_bytes()).to_vec();
        data.push(flags);
        data.extend_from_slice(&held.counter.to_be_bytes());
        if let Some(key) = new_key {
            data.extend_from_slice(&[0; 16]);
            data.extend_from_slice(&u16::try_from(held.id.len()).unwrap_or(0).to_be_bytes());
            data.extend_from_slice(&held.id);
            data.extend_from_slice(&key);
        }
        data
    }
}

fn text(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

/// CBOR byte string of up to 65535 bytes (RFC 8949 section 3.1).
fn cbor_bytes(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes();
    [&[0x59, length[0], length[1]], bytes].concat()
}

/// COSE key of P-256 (RFC 9053 section 7.1): `{1: 2, 3: -7, -1: 1, -2: x, -3: y}`.
fn cose_key(key: &SigningKey) -> Vec<u8> {
    let point = key.verifying_key().to_sec1_point(false);
    let point = point.as_bytes();
    let (x, y) = point[1..].split_at(32);
    let head = [0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21];
    [head.as_slice(), &cbor_bytes(x), &[0x22], &cbor_bytes(y)].concat()
}

/// `{"fmt": "none", "attStmt": {}, "authData": …}` (section 8.7).
fn attestation_object(data: &[u8]) -> Vec<u8> {
    let head = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData";
    [head.as_slice(), &cbor_bytes(data)].concat()
}

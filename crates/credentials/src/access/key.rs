//! Keys that sign access tokens, and their public halves as the JWKS shows them (RFC 7517, RFC 8037).

use super::{ALGORITHM, Claims, TYPE};
use data_encoding::BASE64URL_NOPAD;
use ed25519_dalek::Signer;
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Bytes that are no Ed25519 key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not an Ed25519 key of 32 bytes")]
pub struct NotAKey;

/// A key that signs access tokens. It is erased on drop and prints its id.
pub struct SigningKey {
    key: ed25519_dalek::SigningKey,
    kid: String,
}

impl SigningKey {
    /// The key of these 32 secret bytes.
    ///
    /// # Errors
    /// [`NotAKey`].
    pub fn from_secret(secret: &[u8]) -> Result<Self, NotAKey> {
        let secret: Zeroizing<[u8; 32]> = Zeroizing::new(secret.try_into().map_err(|_| NotAKey)?);
        let key = ed25519_dalek::SigningKey::from_bytes(&secret);
        let kid = thumbprint(&key.verifying_key().to_bytes());
        Ok(Self { key, kid })
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }

    /// Its id: the thumbprint of the public half.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// A signed token that says this.
    #[must_use]
    pub fn sign(&self, claims: &Claims) -> SecretString {
        let header = serde_json::json!({ "alg": ALGORITHM, "kid": self.kid, "typ": TYPE });
        let payload = serde_json::to_vec(claims).unwrap_or_default();
        self.sign_parts(header.to_string().as_bytes(), &payload)
    }

    /// Signs any two parts (RFC 7515 section 5.1).
    pub(super) fn sign_parts(&self, header: &[u8], payload: &[u8]) -> SecretString {
        let mut token = BASE64URL_NOPAD.encode(header);
        token.push('.');
        BASE64URL_NOPAD.encode_append(payload, &mut token);
        let signature = self.key.sign(token.as_bytes()).to_bytes();
        token.push('.');
        BASE64URL_NOPAD.encode_append(&signature, &mut token);
        SecretString::from(token)
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", self.kid)
    }
}

/// RFC 7638 thumbprint of an Ed25519 public key: SHA-256 of its required members in order.
#[must_use]
pub fn thumbprint(public: &[u8; 32]) -> String {
    let x = BASE64URL_NOPAD.encode(public);
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    BASE64URL_NOPAD.encode(&Sha256::digest(members.as_bytes()))
}

/// A public key as outsiders read it.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Jwk {
    /// `OKP`.
    pub kty: String,
    /// `Ed25519`.
    pub crv: String,
    /// The key, in base64url.
    pub x: String,
    /// Its RFC 7638 thumbprint.
    pub kid: String,
    /// `EdDSA`.
    pub alg: String,
    /// `sig`.
    #[serde(rename = "use")]
    pub usage: String,
}

impl Jwk {
    /// The public key as a JWK.
    #[must_use]
    pub fn new(public: &[u8; 32]) -> Self {
        Self {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            x: BASE64URL_NOPAD.encode(public),
            kid: thumbprint(public),
            alg: ALGORITHM.to_owned(),
            usage: "sig".to_owned(),
        }
    }
}

/// The public keys that check our tokens.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Jwks {
    /// The keys.
    pub keys: Vec<Jwk>,
}

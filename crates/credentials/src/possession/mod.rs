//! Proof of possession (DPoP, RFC 9449): a client signs each request's method and address with its own
//! key, so that a stolen token is of no use without that key. It protects method and address, not the
//! body.
//!
//! A proof is good once: the caller keeps [`Shown::once`] where all its machines look, for
//! [`REPLAY_MEMORY`]. It carries a nonce of ours that changes every two minutes and needs no storage.

mod key;
mod nonce;
mod replay;
#[cfg(test)]
mod tests;

pub use nonce::{NONCE_SLOT, Nonces};
pub use replay::{MAX_REMEMBERED, ReplayCache};

use data_encoding::BASE64URL_NOPAD;
use domain::time::Time;
use jsonwebtoken::Validation;
use sha2::{Digest, Sha256};
use std::time::Duration;
use url::Url;

/// The type in the header (RFC 9449 section 4.2).
pub const TYPE: &str = "dpop+jwt";
/// The algorithms that a proof may be signed with, as the `DPoP` challenge names them.
pub const ALGORITHMS: &str = "ES256 EdDSA";
/// The most bytes of a proof.
pub const MAX_PROOF_BYTES: usize = 4096;
/// The most bytes of a proof's own id.
pub const MAX_JTI_BYTES: usize = 256;
/// How far `iat` may be from now, to either side.
pub const WINDOW: Duration = Duration::from_secs(60);
/// How long a proof is remembered: longer than it can be good.
pub const REPLAY_MEMORY: Duration = Duration::from_secs(300);

/// What a proof must speak of.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The request's method.
    pub method: &'a str,
    /// The request's address without query, under each name that is ours.
    pub targets: &'a [String],
    /// The access token that came along; none where tokens are asked for.
    pub access_token: Option<&'a str>,
    /// The nonces that are good; none where no nonce is asked for.
    pub nonces: Option<&'a Nonces>,
    /// Now.
    pub now: Time,
}

/// What a good proof shows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shown {
    /// RFC 7638 thumbprint of the key.
    pub jkt: String,
    /// What must not come again for [`REPLAY_MEMORY`]: a hash of key and id.
    pub once: [u8; 32],
}

/// Why a proof is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// Longer than [`MAX_PROOF_BYTES`].
    #[error("it is longer than {MAX_PROOF_BYTES} bytes")]
    TooLong,
    /// Not a JWT with the members it needs.
    #[error("it is not well formed")]
    Malformed,
    /// Another type than `dpop+jwt`.
    #[error("its `typ` is not `dpop+jwt`")]
    Type,
    /// Not ES256 or EdDSA, or not the algorithm of its key.
    #[error("its `alg` is not ES256 or EdDSA, or not that of its key")]
    Algorithm,
    /// The key is not a public P-256 or Ed25519 key.
    #[error("its `jwk` is not a public P-256 or Ed25519 key")]
    Key,
    /// The signature does not hold.
    #[error("its signature does not hold")]
    Signature,
    /// Made for another method.
    #[error("its `htm` is not the method of this request")]
    Method,
    /// Made for another address.
    #[error("its `htu` is not the address of this request")]
    Target,
    /// Made too long ago or in the future.
    #[error("its `iat` is not within {} seconds of now", WINDOW.as_secs())]
    Time,
    /// Made for another access token.
    #[error("its `ath` is not the hash of this access token")]
    Token,
    /// No id, or too long a one.
    #[error("its `jti` is empty or longer than {MAX_JTI_BYTES} bytes")]
    Id,
    /// No nonce, or none that is good now: the answer carries one.
    #[error("its `nonce` is not ours of this moment")]
    Nonce,
}

#[derive(serde::Deserialize)]
struct Header {
    typ: String,
    alg: String,
    jwk: key::PublicJwk,
    /// RFC 7515 section 4.1.11: what must be understood and is not.
    crit: Option<serde::de::IgnoredAny>,
}

#[derive(serde::Deserialize)]
struct Claims {
    jti: String,
    htm: String,
    htu: String,
    iat: i64,
    ath: Option<String>,
    nonce: Option<String>,
}

/// Checks a proof (RFC 9449 section 4.3), all but whether it came before.
///
/// # Errors
/// Why it is refused; the nonce last, so that only otherwise good proofs are given one.
pub fn verify(proof: &str, expected: &Expected<'_>) -> Result<Shown, Refused> {
    if proof.len() > MAX_PROOF_BYTES {
        return Err(Refused::TooLong);
    }
    let encoded = proof.split('.').next().unwrap_or_default();
    let json = BASE64URL_NOPAD
        .decode(encoded.as_bytes())
        .map_err(|_| Refused::Malformed)?;
    let header: Header = serde_json::from_slice(&json).map_err(|_| Refused::Malformed)?;
    if header.typ != TYPE {
        return Err(Refused::Type);
    }
    if header.crit.is_some() {
        return Err(Refused::Malformed);
    }
    let key = header.jwk.read(&header.alg)?;
    let claims = claims(proof, &key)?;
    if claims.jti.is_empty() || claims.jti.len() > MAX_JTI_BYTES {
        return Err(Refused::Id);
    }
    if claims.htm != expected.method {
        return Err(Refused::Method);
    }
    let told = address(&claims.htu).ok_or(Refused::Target)?;
    let is_ours = |target: &String| address(target).as_ref() == Some(&told);
    if !expected.targets.iter().any(is_ours) {
        return Err(Refused::Target);
    }
    let made = Time::from_micros(claims.iat.saturating_mul(1_000_000));
    if made.since(expected.now).max(expected.now.since(made)) > WINDOW {
        return Err(Refused::Time);
    }
    let hash = expected
        .access_token
        .map(|token| BASE64URL_NOPAD.encode(&Sha256::digest(token.as_bytes())));
    if claims.ath != hash {
        return Err(Refused::Token);
    }
    if let Some(nonces) = expected.nonces
        && !claims
            .nonce
            .is_some_and(|nonce| nonces.is_good(&nonce, expected.now))
    {
        return Err(Refused::Nonce);
    }
    let once = Sha256::new()
        .chain_update(&key.thumbprint)
        .chain_update(claims.jti.as_bytes())
        .finalize()
        .into();
    Ok(Shown {
        jkt: key.thumbprint,
        once,
    })
}

fn claims(proof: &str, key: &key::ProofKey) -> Result<Claims, Refused> {
    let mut validation = Validation::new(key.algorithm);
    validation.algorithms = vec![key.algorithm];
    validation.required_spec_claims.clear();
    // Times are compared with the caller's clock; a proof has neither `exp` nor `aud`.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    let told = jsonwebtoken::decode::<Claims>(proof, &key.key, &validation).map_err(|error| {
        match error.into_kind() {
            jsonwebtoken::errors::ErrorKind::InvalidSignature => Refused::Signature,
            _ => Refused::Malformed,
        }
    })?;
    Ok(told.claims)
}

/// An address as RFC 9449 section 4.3 compares it: without query and fragment, normalised by syntax and
/// scheme (RFC 3986 section 6.2.2 and 6.2.3). None for what is no web address or names a user.
fn address(text: &str) -> Option<String> {
    let mut url = Url::parse(text).ok()?;
    let is_plain = matches!(url.scheme(), "http" | "https") && url.username().is_empty();
    if !is_plain || url.password().is_some() || !url.has_host() {
        return None;
    }
    url.set_query(None);
    url.set_fragment(None);
    Some(normal_escapes(url.as_str()))
}

/// `%7e` is `~` and `%2f` is `%2F`: escapes of unreserved characters are undone, others in upper case.
fn normal_escapes(text: &str) -> String {
    let mut normal = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        normal.push_str(&rest[..at]);
        let escape = rest.get(at..at + 3).unwrap_or("%");
        let value = escape.get(1..).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match value {
            Some(byte) if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) => {
                normal.push(char::from(byte));
            }
            Some(_) => normal.push_str(&escape.to_ascii_uppercase()),
            None => normal.push_str(escape),
        }
        rest = &rest[at + escape.len()..];
    }
    normal.push_str(rest);
    normal
}

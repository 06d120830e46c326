//! Access tokens: JWT of the RFC 9068 profile, signed by Ed25519, good for minutes.
//!
//! A token is read strictly: what we do not write ourselves is refused. Its header has three members,
//! `alg`, `typ` and `kid`; the `kid` is looked up among our own keys and nothing else in the header is
//! used (RFC 8725 sections 3.1, 3.8, 3.11). A token says who asks; whether they still may is asked of
//! the database ([`Claims::sid`], [`Claims::epoch`]).

mod key;
#[cfg(test)]
mod tests;

pub use key::{Jwk, Jwks, NotAKey, SigningKey, thumbprint};

use domain::id::{SessionId, UserId, WorkspaceId};
use domain::identity::Method;
use domain::time::Time;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use std::collections::HashMap;
use std::time::Duration;

/// The type in the header (RFC 9068 section 2.1), compared exactly.
pub const TYPE: &str = "at+jwt";
/// The algorithm in the header: Ed25519 (RFC 8037).
pub const ALGORITHM: &str = "EdDSA";
/// The most bytes of a token: with its cookie's name it stays under the 4096 bytes that browsers keep.
pub const MAX_TOKEN_BYTES: usize = 3800;
/// How far the clocks of two of our machines may be apart.
pub const LEEWAY: Duration = Duration::from_secs(30);
/// The longest life that a token may claim.
pub const MAX_LIFE: Duration = Duration::from_secs(3600);

/// What a token says.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// Who made it.
    pub iss: String,
    /// For whom.
    pub aud: String,
    /// Who asks.
    pub sub: UserId,
    /// In which workspace.
    pub tenant: WorkspaceId,
    /// In which session.
    pub sid: SessionId,
    /// What it may be used for: `*`, everything that its owner may.
    pub scope: String,
    /// When it was made (seconds since 1970).
    pub iat: i64,
    /// From when on it is good (seconds).
    pub nbf: i64,
    /// Until when it is good (seconds).
    pub exp: i64,
    /// Its own id.
    pub jti: String,
    /// When its owner proved who they are (seconds).
    pub auth_time: i64,
    /// How they did (RFC 8176).
    pub amr: Vec<Method>,
    /// How sure that makes us: `aal1` or `aal2` (NIST SP 800-63B-4).
    pub acr: String,
    /// Tokens of an earlier epoch of the account are void.
    pub epoch: i64,
    /// The key it is bound to.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cnf: Option<Confirmation>,
}

/// The key that the bearer must hold (RFC 9449 section 6).
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confirmation {
    /// RFC 7638 thumbprint.
    pub jkt: String,
}

/// Why a token is refused. All but [`Refused::Expired`] are one to whoever sent it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// Longer than [`MAX_TOKEN_BYTES`].
    #[error("the token is longer than {MAX_TOKEN_BYTES} bytes")]
    TooLong,
    /// Not three parts of base64url in their one spelling, or not the JSON that we write.
    #[error("the token is not well formed")]
    Malformed,
    /// The header has members that we never write, or lacks one that we do.
    #[error("the token's header is not ours")]
    Header,
    /// Signed in another way than ours.
    #[error("the token's algorithm is not ours")]
    Algorithm,
    /// A token of another kind.
    #[error("the token is not an access token")]
    Type,
    /// No key of ours has this id.
    #[error("the token's key is not ours")]
    Key,
    /// The signature does not hold.
    #[error("the token's signature does not hold")]
    Signature,
    /// Made by or for somebody else.
    #[error("the token is not from us for us")]
    Foreign,
    /// A claim is missing or not of its type, or its times contradict each other.
    #[error("the token's claims are not ours")]
    Claims,
    /// Its time has not come.
    #[error("the token is not good yet")]
    TooEarly,
    /// Its time is over; everything else about it is right.
    #[error("the token is over")]
    Expired,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

/// Checks tokens against our keys.
pub struct Verifier {
    keys: HashMap<String, DecodingKey>,
    validation: Validation,
}

impl Verifier {
    /// A verifier of tokens of this issuer and audience, signed by one of these keys.
    #[must_use]
    pub fn new(issuer: &str, audience: &str, keys: impl IntoIterator<Item = [u8; 32]>) -> Self {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.algorithms = vec![Algorithm::EdDSA];
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        // The library compares with the machine's clock; we compare both with ours in `in_time`.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let keys = keys
            .into_iter()
            .map(|public| (thumbprint(&public), DecodingKey::from_ed_der(&public)))
            .collect();
        Self { keys, validation }
    }

    /// What a good token says.
    ///
    /// # Errors
    /// Why it is refused: signature before content, time last.
    pub fn verify(&self, token: &str, now: Time) -> Result<Claims, Refused> {
        let claims = self.verify_at_any_time(token)?;
        in_time(&claims, now)?;
        Ok(claims)
    }

    /// What a token of ours says, even if its time is over: enough to end the session it belongs to.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn verify_at_any_time(&self, token: &str) -> Result<Claims, Refused> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(Refused::TooLong);
        }
        let mut parts = token.split('.');
        let (Some(header), Some(_), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Refused::Malformed);
        };
        let key = self.key_for(header)?;
        let told =
            jsonwebtoken::decode::<Claims>(token, key, &self.validation).map_err(|error| {
                match error.into_kind() {
                    ErrorKind::InvalidSignature => Refused::Signature,
                    ErrorKind::InvalidIssuer | ErrorKind::InvalidAudience => Refused::Foreign,
                    ErrorKind::Base64(_) | ErrorKind::Utf8(_) => Refused::Malformed,
                    ErrorKind::InvalidAlgorithm => Refused::Algorithm,
                    _ => Refused::Claims,
                }
            })?;
        Ok(told.claims)
    }

    fn key_for(&self, header: &str) -> Result<&DecodingKey, Refused> {
        let json = data_encoding::BASE64URL_NOPAD
            .decode(header.as_bytes())
            .map_err(|_| Refused::Malformed)?;
        let header: Header = serde_json::from_slice(&json).map_err(|_| Refused::Header)?;
        if header.alg != ALGORITHM {
            return Err(Refused::Algorithm);
        }
        if header.typ != TYPE {
            return Err(Refused::Type);
        }
        self.keys.get(&header.kid).ok_or(Refused::Key)
    }
}

/// Seconds of RFC 7519's `NumericDate`.
fn seconds(time: Time) -> i64 {
    time.micros().div_euclid(1_000_000)
}

fn whole_seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

fn in_time(claims: &Claims, now: Time) -> Result<(), Refused> {
    let (now, leeway) = (seconds(now), whole_seconds(LEEWAY));
    let life = claims.exp.checked_sub(claims.iat).ok_or(Refused::Claims)?;
    if !(1..=whole_seconds(MAX_LIFE)).contains(&life) || claims.nbf > claims.exp {
        return Err(Refused::Claims);
    }
    if claims.nbf.max(claims.iat) > now.saturating_add(leeway) {
        return Err(Refused::TooEarly);
    }
    if claims.exp <= now.saturating_sub(leeway) {
        return Err(Refused::Expired);
    }
    Ok(())
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier")
            .field("keys", &self.keys.len())
            .finish_non_exhaustive()
    }
}

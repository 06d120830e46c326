//! The key in a proof's header: public, P-256 or Ed25519.

use super::Refused;
use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use sha2::{Digest, Sha256};

/// A JWK as it stands in a header. Members of private keys are told apart so that they can be refused.
#[derive(serde::Deserialize)]
pub(super) struct PublicJwk {
    kty: String,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    /// The private half of EC and OKP keys: whoever sends it has given it away.
    d: Option<serde::de::IgnoredAny>,
    /// A shared secret.
    k: Option<serde::de::IgnoredAny>,
}

/// A key that was read.
pub(super) struct ProofKey {
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
    pub(super) thumbprint: String,
}

/// 32 bytes in their one spelling.
fn coordinate(text: Option<&String>) -> Result<&str, Refused> {
    let text = text.ok_or(Refused::Key)?;
    let bytes = BASE64URL_NOPAD
        .decode(text.as_bytes())
        .map_err(|_| Refused::Key)?;
    (bytes.len() == 32).then_some(text.as_str()).ok_or(Refused::Key)
}

impl PublicJwk {
    /// The key, if it is one for this algorithm.
    pub(super) fn read(&self, alg: &str) -> Result<ProofKey, Refused> {
        if self.d.is_some() || self.k.is_some() {
            return Err(Refused::Key);
        }
        let x = coordinate(self.x.as_ref());
        let (algorithm, key, members) = match (alg, self.kty.as_str(), self.crv.as_deref()) {
            ("ES256", "EC", Some("P-256")) => {
                let (x, y) = (x?, coordinate(self.y.as_ref())?);
                let key = DecodingKey::from_ec_components(x, y).map_err(|_| Refused::Key)?;
                let members = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
                (Algorithm::ES256, key, members)
            }
            ("EdDSA", "OKP", Some("Ed25519")) => {
                let x = x?;
                let key = DecodingKey::from_ed_components(x).map_err(|_| Refused::Key)?;
                let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
                (Algorithm::EdDSA, key, members)
            }
            ("ES256" | "EdDSA", ..) => return Err(Refused::Key),
            _ => return Err(Refused::Algorithm),
        };
        Ok(ProofKey {
            algorithm,
            key,
            thumbprint: BASE64URL_NOPAD.encode(&Sha256::digest(members.as_bytes())),
        })
    }
}

//! Proofs of possession (RFC 9449) as requests carry them: checked, and taken once.

use super::{Proof, Unauthenticated};
use crate::studio::Studio;
use credentials::possession::{Expected, Nonces, REPLAY_MEMORY, Refused, ReplayCache, verify};
use domain::id::BootId;
use vault::{KeyError, KeyProvider};

/// What checking proofs needs.
pub(crate) struct Possession {
    nonces: Nonces,
    /// Proofs of the last minutes, where one process is all there is. Processes that share a database
    /// remember there.
    seen: Option<ReplayCache>,
}

impl Possession {
    /// One process alone forgets its proofs when it ends: its nonces are of one start only, so that what
    /// was shown before is good no more. Several processes take each other's nonces.
    pub(crate) fn new(keys: &dyn KeyProvider, shared: bool, boot: BootId) -> Result<Self, KeyError> {
        let label = if shared {
            "dpop-nonce".to_owned()
        } else {
            format!("dpop-nonce/{boot}")
        };
        Ok(Self {
            nonces: Nonces::new(*keys.derive(&label)?.expose()),
            seen: (!shared).then(ReplayCache::default),
        })
    }
}

impl Studio {
    /// The nonce that proofs must carry at this moment, for the `DPoP-Nonce` header.
    #[must_use]
    pub fn possession_nonce(&self) -> String {
        self.identity.possession.nonces.at(self.now())
    }

    /// The thumbprint of the key to which new tokens are to be bound: that of the proof that came along.
    ///
    /// # Errors
    /// [`Unauthenticated::Proof`] and [`Unauthenticated::Nonce`].
    pub async fn bind_to(&self, proof: Option<&Proof>) -> Result<Option<String>, Unauthenticated> {
        match proof {
            None => Ok(None),
            Some(proof) => self.possession(proof, None).await.map(Some),
        }
    }

    /// Checks a proof and takes it; tells the thumbprint of its key.
    pub(crate) async fn possession(
        &self,
        proof: &Proof,
        access_token: Option<&str>,
    ) -> Result<String, Unauthenticated> {
        let now = self.now();
        let expected = Expected {
            method: &proof.method,
            targets: &proof.targets,
            access_token,
            nonces: Some(&self.identity.possession.nonces),
            now,
        };
        let shown = verify(&proof.text, &expected).map_err(|why| match why {
            Refused::Nonce => Unauthenticated::Nonce(self.possession_nonce()),
            other => Unauthenticated::Proof(why_of(other)),
        })?;
        let is_first = match &self.identity.possession.seen {
            Some(seen) => seen.first_use(&shown.once, now),
            None => {
                let once = data_encoding::HEXLOWER.encode(&shown.once);
                self.db
                    .write("proofs.take", move |tx| {
                        let once = once.clone();
                        Box::pin(async move {
                            store::proofs::first_use(tx, &once, now.after(REPLAY_MEMORY)).await
                        })
                    })
                    .await?
            }
        };
        if is_first {
            Ok(shown.jkt)
        } else {
            Err(Unauthenticated::Proof("it was shown before"))
        }
    }
}

const fn why_of(why: Refused) -> &'static str {
    match why {
        Refused::TooLong => "it is too long",
        Refused::Malformed => "it is not well formed",
        Refused::Type => "its `typ` is not `dpop+jwt`",
        Refused::Algorithm => "its `alg` is not ES256 or EdDSA",
        Refused::Key => "its `jwk` is not a public P-256 or Ed25519 key",
        Refused::Signature => "its signature does not hold",
        Refused::Method => "its `htm` is not the method of this request",
        Refused::Target => "its `htu` is not the address of this request",
        Refused::Time => "its `iat` is not of this minute",
        Refused::Token => "its `ath` is not the hash of this access token",
        Refused::Id => "its `jti` is empty or too long",
        Refused::Nonce => "its `nonce` is not ours",
    }
}

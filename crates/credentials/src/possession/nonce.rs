//! Nonces of proofs (RFC 9449 section 8): a keyed hash of a slot of time. Whoever has the key knows all
//! of them; nothing is stored.

use crate::opaque::is_same;
use data_encoding::BASE64URL_NOPAD;
use domain::time::Time;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::time::Duration;
use zeroize::Zeroizing;

/// How long a nonce is given out. It is taken for as long again.
pub const NONCE_SLOT: Duration = Duration::from_secs(120);

/// The nonces of one key.
pub struct Nonces {
    key: Zeroizing<[u8; 32]>,
}

impl Nonces {
    /// The nonces of this key.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self {
            key: Zeroizing::new(key),
        }
    }

    /// The nonce of this moment.
    #[must_use]
    pub fn at(&self, now: Time) -> String {
        self.of_slot(slot(now))
    }

    /// Whether a nonce is that of this moment or of the slot before.
    #[must_use]
    pub fn is_good(&self, nonce: &str, now: Time) -> bool {
        let slot = slot(now);
        is_same(nonce, &self.of_slot(slot)) | is_same(nonce, &self.of_slot(slot - 1))
    }

    fn of_slot(&self, slot: i64) -> String {
        // An HMAC key shorter than a block is padded with zeros (RFC 2104 section 2).
        let mut block = Zeroizing::new([0_u8; 64]);
        block[..32].copy_from_slice(self.key.as_slice());
        let mut mac = <Hmac<Sha256> as KeyInit>::new(&(*block).into());
        mac.update(b"dpop nonce");
        mac.update(&slot.to_be_bytes());
        let hash = mac.finalize().into_bytes();
        BASE64URL_NOPAD.encode(&hash[..16])
    }
}

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[nonces]")
    }
}

fn slot(now: Time) -> i64 {
    let length = i64::try_from(NONCE_SLOT.as_micros()).unwrap_or(i64::MAX);
    now.micros().div_euclid(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_good_in_its_slot_and_the_next() {
        let nonces = Nonces::new([7; 32]);
        let start = Time::from_micros(1_795_000_080_000_000);
        assert_eq!(slot(start) + 1, slot(start.after(NONCE_SLOT)));
        let at = |seconds: u64| start.after(Duration::from_secs(seconds));
        let nonce = nonces.at(at(0));
        let first = (0..=120).find(|s| slot(at(*s)) != slot(at(0))).unwrap();
        assert_eq!(nonces.at(at(first - 1)), nonce);
        assert_ne!(nonces.at(at(first)), nonce);
        assert!(nonces.is_good(&nonce, at(first)) && nonces.is_good(&nonce, at(first + 119)));
        assert!(!nonces.is_good(&nonce, at(first + 120)));
        assert!(!nonces.is_good(&nonces.at(at(first)), at(0)), "from the future");
        assert!(!nonces.is_good("", at(0)));
        assert!(!Nonces::new([8; 32]).is_good(&nonce, at(0)), "of another key");
        assert_eq!(format!("{nonces:?}"), "[nonces]");
    }
}

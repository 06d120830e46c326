//! API keys: `sas_live_`, 32 random bytes in base 62, and a checksum of six characters.
//!
//! The checksum is no secret: it tells a mistyped or made-up key from a real one before anything is
//! looked up, and lets scanners of leaked secrets know one when they see it. The database keeps a keyed
//! hash ([`ApiKey::mac`]): whoever has the database alone can neither use a key nor test a guess.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// What every key begins with.
pub const PREFIX: &str = "sas_live_";
/// Random bytes of a key.
pub const RANDOM_BYTES: usize = 32;
/// Characters of the random part: 62^43 is more than 2^256.
pub const RANDOM_CHARACTERS: usize = 43;
/// Characters of the checksum.
pub const CHECKSUM_CHARACTERS: usize = 6;
/// Characters of a whole key.
pub const CHARACTERS: usize = PREFIX.len() + RANDOM_CHARACTERS + CHECKSUM_CHARACTERS;
/// Last characters of a key that stand in lists, for people to tell keys apart.
pub const HINT_CHARACTERS: usize = 4;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const CHECKSUM_LABEL: &[u8] = b"secure-ai-studio api key checksum";

/// A text that is no API key of ours, whatever the database says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not an API key: `{PREFIX}` and {} letters and digits, the last {CHECKSUM_CHARACTERS} of them a checksum",
    RANDOM_CHARACTERS + CHECKSUM_CHARACTERS)]
pub struct Malformed;

/// A whole key. It is erased on drop and prints as a marker.
pub struct ApiKey(Zeroizing<String>);

impl ApiKey {
    /// The key of these random bytes.
    #[must_use]
    pub fn new(random: &[u8; RANDOM_BYTES]) -> Self {
        let mut text = Zeroizing::new(String::with_capacity(CHARACTERS));
        text.push_str(PREFIX);
        push_base62(&mut text, random, RANDOM_CHARACTERS);
        let checksum = checksum(&text);
        push_base62(&mut text, &checksum, CHECKSUM_CHARACTERS);
        Self(text)
    }

    /// Takes a key as it was sent, if its form and checksum are right.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let digits = text.strip_prefix(PREFIX).ok_or(Malformed)?;
        let well_formed = text.len() == CHARACTERS && digits.bytes().all(|b| b.is_ascii_alphanumeric());
        if !well_formed {
            return Err(Malformed);
        }
        let (body, told) = text.split_at(CHARACTERS - CHECKSUM_CHARACTERS);
        let mut right = String::with_capacity(CHECKSUM_CHARACTERS);
        push_base62(&mut right, &checksum(body), CHECKSUM_CHARACTERS);
        if right != told {
            return Err(Malformed);
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// The key itself: shown once, to whoever made it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Its last characters. They belong to the checksum and tell nothing of the random part that could
    /// be searched.
    #[must_use]
    pub fn hint(&self) -> &str {
        let at = self.0.len().saturating_sub(HINT_CHARACTERS);
        self.0.get(at..).unwrap_or_default()
    }

    /// HMAC-SHA-256 of it under the server's key, in hexadecimal: what the database keeps.
    #[must_use]
    pub fn mac(&self, server_key: &[u8; 32]) -> String {
        // HMAC fills a key that is shorter than the block with zeros (RFC 2104 section 2).
        let mut block = Zeroizing::new([0_u8; 64]);
        block[..32].copy_from_slice(server_key);
        let mut mac = <Hmac<Sha256> as KeyInit>::new(&(*block).into());
        mac.update(self.0.as_bytes());
        data_encoding::HEXLOWER.encode(&mac.finalize().into_bytes())
    }
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[API key]")
    }
}

/// 32 bits: fewer than six digits of base 62 hold.
fn checksum(text: &str) -> [u8; 4] {
    let digest: [u8; 32] = Sha256::new()
        .chain_update(CHECKSUM_LABEL)
        .chain_update(text)
        .finalize()
        .into();
    [digest[0], digest[1], digest[2], digest[3]]
}

/// Adds bytes, read as one big-endian number, in `width` digits of base 62, most significant first.
fn push_base62(text: &mut String, bytes: &[u8], width: usize) {
    let mut number = Zeroizing::new(bytes.to_vec());
    let mut digits = Zeroizing::new(vec![b'0'; width]);
    for digit in digits.iter_mut().rev() {
        let mut rest = 0_u16;
        for byte in number.iter_mut() {
            let value = rest * 256 + u16::from(*byte);
            // The quotient is below 256 because the rest is below 62.
            *byte = u8::try_from(value / 62).unwrap_or(u8::MAX);
            rest = value % 62;
        }
        *digit = DIGITS.get(usize::from(rest)).copied().unwrap_or(b'0');
    }
    text.extend(digits.iter().map(|digit| char::from(*digit)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Base 62 the other way round, by another method: Horner's rule on 64-bit limbs.
    fn number_of(digits: &str) -> [u64; 5] {
        let mut limbs = [0_u64; 5];
        for digit in digits.bytes() {
            let mut carry = DIGITS.iter().position(|d| *d == digit).unwrap() as u128;
            for limb in limbs.iter_mut().rev() {
                let value = u128::from(*limb) * 62 + carry;
                *limb = value as u64;
                carry = value >> 64;
            }
        }
        limbs
    }

    proptest! {
        #[test]
        fn a_key_is_taken_as_it_was_made(random: [u8; RANDOM_BYTES]) {
            let key = ApiKey::new(&random);
            prop_assert_eq!(key.expose().len(), CHARACTERS);
            let again = ApiKey::parse(key.expose()).unwrap();
            prop_assert_eq!(again.mac(&[7; 32]), key.mac(&[7; 32]));
            let digits = &key.expose()[PREFIX.len()..][..RANDOM_CHARACTERS];
            let limbs = number_of(digits);
            prop_assert_eq!(limbs[0], 0);
            let bytes: Vec<u8> = limbs[1..].iter().flat_map(|limb| limb.to_be_bytes()).collect();
            prop_assert_eq!(&bytes[..], &random[..], "no random bit is lost");
        }

        #[test]
        fn one_wrong_character_is_noticed(random: [u8; RANDOM_BYTES], at in 0..CHARACTERS, other in 0..62_usize) {
            let key = ApiKey::new(&random);
            let mut text = key.expose().as_bytes().to_vec();
            prop_assume!(text[at] != DIGITS[other]);
            text[at] = DIGITS[other];
            let text = String::from_utf8(text).unwrap();
            prop_assert_eq!(ApiKey::parse(&text).map(drop), Err(Malformed));
        }

        #[test]
        fn two_characters_in_the_wrong_order_are_noticed(random: [u8; RANDOM_BYTES], at in 0..CHARACTERS - 1) {
            let key = ApiKey::new(&random);
            let mut text = key.expose().as_bytes().to_vec();
            prop_assume!(text[at] != text[at + 1]);
            text.swap(at, at + 1);
            prop_assert!(ApiKey::parse(&String::from_utf8(text).unwrap()).is_err());
        }

        #[test]
        fn any_other_text_is_refused(text in "\\PC{0,80}") {
            prop_assert!(ApiKey::parse(&text).is_err());
            let with_prefix = format!("{PREFIX}{text}");
            prop_assert!(ApiKey::parse(&with_prefix).is_err());
        }
    }

    #[test]
    fn shorter_longer_and_foreign_texts_are_refused() {
        let key = ApiKey::new(&[3; RANDOM_BYTES]);
        let text = key.expose();
        for bad in [
            "",
            PREFIX,
            &text[..text.len() - 1],
            &format!("{text}0"),
            &format!(" {text}"),
            &text.replace("sas_live_", "sas_test_"),
            &text.replace("sas_live_", "SAS_LIVE_"),
        ] {
            assert!(ApiKey::parse(bad).is_err(), "{bad}");
        }
    }

    /// Worked out with another program: python3, hashlib, hmac and its own integers.
    #[test]
    fn the_form_is_fixed() {
        let random: [u8; RANDOM_BYTES] = std::array::from_fn(|at| u8::try_from(at).unwrap());
        let key = ApiKey::new(&random);
        assert_eq!(
            key.expose(),
            "sas_live_003aUlTJC7tjlCTQj2uNU3MFagCXG9LRKRcwGkBIDlf3PXQ3m"
        );
        assert_eq!(key.hint(), "XQ3m");
        assert_eq!(
            key.mac(&[9; 32]),
            "ed76ac231dc6afec7ea0887546b661fd6195ec21e31df3b2a4dd0734ee11a407"
        );
        assert_ne!(key.mac(&[9; 32]), key.mac(&[8; 32]));
        assert_eq!(
            ApiKey::new(&[0; RANDOM_BYTES]).expose()[PREFIX.len()..][..RANDOM_CHARACTERS],
            "0".repeat(RANDOM_CHARACTERS)
        );
    }

    #[test]
    fn it_prints_a_marker() {
        assert_eq!(format!("{:?}", ApiKey::new(&[3; RANDOM_BYTES])), "[API key]");
    }
}

//! Recovery codes: what lets someone in whose app or passkey is lost. Eighty random bits each, used once,
//! kept as keyed hashes only.

use domain::id::UserId;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Codes of one set (`security.md` 3.6).
pub const CODES: usize = 10;
/// Random bytes of one code: 80 bits, too many to guess even without a delay.
pub const CODE_BYTES: usize = 10;
/// Characters of a code without its dashes: five bits each.
pub const CODE_CHARACTERS: usize = 16;
/// Characters between dashes.
const GROUP: usize = 4;
/// Crockford's base 32 in small letters: no i, l, o or u, which hands and eyes mistake.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// One code. It is erased on drop and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoveryCode(Zeroizing<String>);

impl std::fmt::Debug for RecoveryCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[recovery code]")
    }
}

impl RecoveryCode {
    /// A code of these random bytes.
    #[must_use]
    pub fn new(random: [u8; CODE_BYTES]) -> Self {
        let random = Zeroizing::new(random);
        let mut text = Zeroizing::new(String::with_capacity(CODE_CHARACTERS));
        for place in 0..CODE_CHARACTERS {
            let bits = (0..5).map(|bit| place * 5 + bit);
            let value = bits.fold(0_u8, |value, bit| {
                (value << 1) | ((random[bit / 8] >> (7 - bit % 8)) & 1)
            });
            text.push(char::from(ALPHABET[usize::from(value)]));
        }
        Self(text)
    }

    /// Reads a code as people type it: any case, dashes and blanks anywhere, o for 0, i and l for 1.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut code = Zeroizing::new(String::with_capacity(CODE_CHARACTERS));
        for c in text.chars().filter(|c| !c.is_whitespace() && *c != '-') {
            let c = match c.to_ascii_lowercase() {
                'o' => '0',
                'i' | 'l' => '1',
                other => other,
            };
            let known = u8::try_from(c).is_ok_and(|byte| ALPHABET.contains(&byte));
            if !known || code.len() == CODE_CHARACTERS {
                return None;
            }
            code.push(c);
        }
        (code.len() == CODE_CHARACTERS).then_some(Self(code))
    }

    /// The code in groups, for its owner to write down.
    #[must_use]
    pub fn expose(&self) -> String {
        let characters: Vec<char> = self.0.chars().collect();
        let groups: Vec<String> = characters
            .chunks(GROUP)
            .map(|group| group.iter().collect())
            .collect();
        groups.join("-")
    }

    /// What the database keeps: HMAC-SHA-256 under a key of the installation, bound to the person. With
    /// eighty random bits under it, no slow hash is needed. `None` only if the key cannot be used at all.
    #[must_use]
    pub fn hash(&self, key: &[u8; 32], owner: UserId) -> Option<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
        mac.update(owner.to_string().as_bytes());
        mac.update(b"\0");
        mac.update(self.0.as_bytes());
        Some(data_encoding::HEXLOWER.encode(&mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: [u8; 32] = [3; 32];
    const ANA: UserId = UserId::from_value(1);

    #[test]
    fn a_code_is_four_groups_of_four() {
        assert_eq!(RecoveryCode::new([0; CODE_BYTES]).expose(), "0000-0000-0000-0000");
        assert_eq!(
            RecoveryCode::new([255; CODE_BYTES]).expose(),
            "zzzz-zzzz-zzzz-zzzz"
        );
        let mut counted = [0; CODE_BYTES];
        counted[..5].copy_from_slice(&[0x00, 0x44, 0x32, 0x14, 0xc7]);
        assert_eq!(RecoveryCode::new(counted).expose(), "0123-4567-0000-0000");
        assert_eq!(
            format!("{:?}", RecoveryCode::new([0; CODE_BYTES])),
            "[recovery code]"
        );
    }

    #[test]
    fn it_is_read_as_people_type_it() {
        let code = RecoveryCode::new([0; CODE_BYTES]);
        for typed in ["0000000000000000", "OOOO-oooo 0000\t0000", " 0-0000000000000-00"] {
            assert_eq!(RecoveryCode::parse(typed), Some(code.clone()), "{typed}");
        }
        assert_eq!(
            RecoveryCode::parse("iLI1-0000-0000-0000").unwrap().expose(),
            "1111-0000-0000-0000"
        );
        for wrong in [
            "",
            "000000",
            "00000000000000000",
            "u000-0000-0000-0000",
            "0000_0000_0000_0000",
        ] {
            assert_eq!(RecoveryCode::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_hash_depends_on_code_person_and_key() {
        let code = RecoveryCode::new([7; CODE_BYTES]);
        let hash = code.hash(&KEY, ANA).unwrap();
        assert_eq!(hash.len(), 64);
        assert_eq!(code.hash(&KEY, ANA).unwrap(), hash);
        assert_ne!(code.hash(&KEY, UserId::from_value(2)).unwrap(), hash);
        assert_ne!(code.hash(&[4; 32], ANA).unwrap(), hash);
        assert_ne!(RecoveryCode::new([8; CODE_BYTES]).hash(&KEY, ANA).unwrap(), hash);
    }

    proptest! {
        #[test]
        fn what_is_written_down_is_read_again(random: [u8; CODE_BYTES]) {
            let code = RecoveryCode::new(random);
            prop_assert_eq!(RecoveryCode::parse(&code.expose()), Some(code.clone()));
            prop_assert_eq!(RecoveryCode::parse(&code.expose().to_uppercase()), Some(code));
        }

        #[test]
        fn different_bytes_give_different_codes(a: [u8; CODE_BYTES], b: [u8; CODE_BYTES]) {
            prop_assert_eq!(a == b, RecoveryCode::new(a) == RecoveryCode::new(b));
        }
    }
}

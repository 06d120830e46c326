//! Opaque secrets: refresh tokens, one-time tickets, device marks. 256 random bits behind a prefix that
//! tells what they are. The database keeps their SHA-256 only: of a value that nobody can guess, a plain
//! hash tells nothing.

use domain::secret::TokenHash;
use secrecy::{ExposeSecret, SecretString};

/// Random bytes of each.
pub const RANDOM_BYTES: usize = 32;
/// Characters of the random part: base64url without padding (RFC 4648 section 5).
const RANDOM_CHARACTERS: usize = 43;

/// What a secret is for. The prefix lets people and scanners of leaked secrets know it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// Gets new tokens for a session, once.
    Refresh,
    /// A link or a step of a ceremony: verification, reset, invitation, challenge.
    Ticket,
    /// Marks a browser in which somebody has logged in.
    Device,
}

impl Purpose {
    /// What every secret of this purpose begins with.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Refresh => "sasr_",
            Self::Ticket => "sast_",
            Self::Device => "sasd_",
        }
    }
}

/// The secret of these random bytes.
#[must_use]
pub fn secret(purpose: Purpose, random: &[u8; RANDOM_BYTES]) -> SecretString {
    let mut text = String::with_capacity(purpose.prefix().len() + RANDOM_CHARACTERS);
    text.push_str(purpose.prefix());
    data_encoding::BASE64URL_NOPAD.encode_append(random, &mut text);
    SecretString::from(text)
}

/// The hash by which the database knows a secret, if the text has the form of one: each secret has one
/// spelling.
#[must_use]
pub fn hash(purpose: Purpose, text: &str) -> Option<TokenHash> {
    let random = text.strip_prefix(purpose.prefix())?;
    if random.len() != RANDOM_CHARACTERS {
        return None;
    }
    let bytes = data_encoding::BASE64URL_NOPAD.decode(random.as_bytes()).ok()?;
    (bytes.len() == RANDOM_BYTES).then(|| TokenHash::of(text))
}

/// The hash of a secret that was just made.
#[must_use]
pub fn hash_of(secret: &SecretString) -> TokenHash {
    TokenHash::of(secret.expose_secret())
}

/// Whether two texts are the same, in a time that tells nothing of where they differ.
#[must_use]
pub fn is_same(one: &str, other: &str) -> bool {
    let pairs = one.bytes().zip(other.bytes());
    let difference = pairs.fold(0_u8, |difference, (a, b)| difference | (a ^ b));
    one.len() == other.len() && std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_secret_is_known_by_its_hash_for_its_purpose_only() {
        let made = secret(Purpose::Refresh, &[7; RANDOM_BYTES]);
        let text = made.expose_secret();
        assert!(text.starts_with("sasr_") && text.len() == 48);
        assert_eq!(hash(Purpose::Refresh, text), Some(hash_of(&made)));
        assert_eq!(hash(Purpose::Ticket, text), None);
        assert!(!format!("{made:?}").contains(text));
    }

    #[test]
    fn a_secret_has_one_spelling() {
        let made = secret(Purpose::Ticket, &[0; RANDOM_BYTES]);
        let text = made.expose_secret().to_owned();
        let last = text.len() - 1;
        for other in [
            format!("{}B", &text[..last]),
            format!("{text}="),
            format!("{text}A"),
            text[..last].to_owned(),
            text.replace("sast_", "SAST_"),
            format!(" {text}"),
            String::new(),
            "sast_".to_owned(),
            format!("sast_{}", "é".repeat(21)),
        ] {
            assert_eq!(hash(Purpose::Ticket, &other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn sameness_is_that_of_texts(one in "[ab]{0,4}", other in "[ab]{0,4}") {
            prop_assert_eq!(is_same(&one, &other), one == other);
        }

        #[test]
        fn any_text_is_refused_or_is_the_secret_it_spells(text in "sasr_[A-Za-z0-9_=-]{40,46}") {
            if hash(Purpose::Refresh, &text).is_some() {
                let bytes = data_encoding::BASE64URL_NOPAD.decode(&text.as_bytes()[5..]).unwrap();
                let again = secret(Purpose::Refresh, &bytes.try_into().unwrap());
                prop_assert_eq!(again.expose_secret(), text.as_str());
            }
        }
    }
}

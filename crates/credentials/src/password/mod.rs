//! Passwords: how they are kept, and which are too easy to guess.
//!
//! What must hold is from NIST SP 800-63B-4 section 3.1.1 and OWASP ASVS 5.0 chapter 6.2: no rules of
//! composition, no truncation, long ones and every script allowed, the whole password compared with lists
//! of guessable ones, kept by a memory-hard function under a key that is not in the database.

mod hasher;
mod list;
mod policy;
mod record;

pub use hasher::{HashError, Hasher, Verified};
pub use list::{Built, ListError, WordList, build};
pub use policy::{MIN_WORD, Policy, Weak};
pub use record::{COST, Cost, MAX_COST, Pepper, RecordError};

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// The most bytes of a password, as sent and after normalisation.
pub const MAX_BYTES: usize = 1024;

/// A password in the form in which it is kept and compared: Unicode NFKC, nothing cut, nothing folded. It
/// is erased on drop and never printed.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

/// Why a text cannot be a password.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotAPassword {
    /// It is too long.
    #[error("a password has at most {MAX_BYTES} bytes")]
    TooLong,
    /// It holds what keyboards do not type and forms change on the way.
    #[error("a password holds no control characters")]
    Control,
}

impl Password {
    /// Normalises a text. How long it must be is for [`Policy`] to say.
    ///
    /// # Errors
    /// [`NotAPassword`].
    pub fn parse(text: &str) -> Result<Self, NotAPassword> {
        if text.len() > MAX_BYTES {
            return Err(NotAPassword::TooLong);
        }
        // Room for the longest that is taken, so that growing leaves no copies behind.
        let mut normal = Zeroizing::new(String::with_capacity(MAX_BYTES + 4));
        for character in text.nfkc() {
            if character.is_control() {
                return Err(NotAPassword::Control);
            }
            if normal.len() + character.len_utf8() > MAX_BYTES {
                return Err(NotAPassword::TooLong);
            }
            normal.push(character);
        }
        Ok(Self(normal))
    }

    /// The text: for hashing and for the lists.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// How many characters it has, each code point one (NIST SP 800-63B-4 section 3.1.1.2).
    #[must_use]
    pub fn characters(&self) -> usize {
        self.0.chars().count()
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[password]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn two_ways_to_type_it_are_one_password() {
        let composed = Password::parse("cora\u{e7}\u{e3}o \u{2163}").unwrap();
        let decomposed = Password::parse("corac\u{327}a\u{303}o IV").unwrap();
        assert_eq!(composed.expose(), decomposed.expose());
        assert_eq!(composed.characters(), 10);
        assert_eq!(format!("{composed:?}"), "[password]");
    }

    #[test]
    fn long_ones_are_taken_whole_or_not_at_all() {
        assert_eq!(Password::parse(&"é".repeat(512)).unwrap().expose().len(), 1024);
        assert_eq!(
            Password::parse(&"a".repeat(1025)).unwrap_err(),
            NotAPassword::TooLong
        );
        // One code point of three bytes that NFKC makes 33 bytes of.
        assert_eq!(
            Password::parse(&"\u{fdfa}".repeat(40)).unwrap_err(),
            NotAPassword::TooLong
        );
    }

    #[test]
    fn control_characters_are_refused() {
        for bad in ["a\nb", "\0", "tab\t", "\u{85}", "\u{7f}"] {
            assert_eq!(Password::parse(bad).unwrap_err(), NotAPassword::Control);
        }
    }

    proptest! {
        #[test]
        fn whatever_else_is_typed_is_a_password(text in "[^\\p{Cc}]{0,60}") {
            let once = Password::parse(&text).unwrap();
            let twice = Password::parse(once.expose()).unwrap();
            prop_assert_eq!(twice.expose(), once.expose());
        }
    }
}

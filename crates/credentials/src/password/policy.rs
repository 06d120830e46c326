//! Which passwords are too easy to guess: too short, on a list of guessable ones, made of the account's
//! own words, or of one short piece over and over.

use super::list::{ListError, WordList};
use super::{MAX_BYTES, Password};
use std::sync::Arc;

/// The list of common passwords that is part of the program (`tools/common-passwords`).
static COMMON: &[u8] = include_bytes!("common.words");
/// The fewest characters of a word of the account that counts.
pub const MIN_WORD: usize = 3;
/// What must be left of a password without the account's own words, in characters.
const MIN_REST: usize = 8;
/// The longest piece whose repetition is refused, in characters.
const MAX_PIECE: usize = 4;
/// What the product calls itself, which everybody guesses first.
const PRODUCT: &[&str] = &["secureaistudio", "secureai", "aistudio", "secure", "studio"];

/// Why a password is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Weak {
    /// It has too few characters.
    #[error("use at least {least} characters; a sentence of a few words is easy to remember")]
    TooShort {
        /// The fewest.
        least: usize,
    },
    /// It is among the most common ones.
    #[error("this password is among the most common ones")]
    Common,
    /// It is on the operator's list of breached ones.
    #[error("this password was found in a breach of another service")]
    Breached,
    /// It is little more than the account's own words.
    #[error("this password is little more than your name, your address or the name of this service")]
    Context,
    /// It is one short piece over and over, or a row of neighbours.
    #[error("this password is a repetition or a row of neighbouring characters")]
    Repeated,
}

/// The rules by which new passwords are taken.
#[derive(Clone, Debug)]
pub struct Policy {
    min_alone: usize,
    min_with_factor: usize,
    common: Arc<WordList>,
    breached: Option<Arc<WordList>>,
}

impl Policy {
    /// Rules with these least lengths and, if there is one, the operator's own list.
    ///
    /// # Errors
    /// [`ListError`] if the list cannot be read.
    pub fn new(
        min_alone: usize,
        min_with_factor: usize,
        breached: Option<&std::path::Path>,
    ) -> Result<Self, ListError> {
        Ok(Self {
            min_alone,
            min_with_factor,
            common: Arc::new(WordList::embedded(COMMON)?),
            breached: breached.map(WordList::open).transpose()?.map(Arc::new),
        })
    }

    /// The fewest characters, alone or beside a second factor.
    #[must_use]
    pub const fn least(&self, with_factor: bool) -> usize {
        if with_factor {
            self.min_with_factor
        } else {
            self.min_alone
        }
    }

    /// Whether a password may be taken: `Ok(None)` if so. `words` are what belongs to the account: address,
    /// name.
    ///
    /// # Errors
    /// [`ListError`] if the operator's list cannot be read: the password is not taken then.
    pub fn check(
        &self,
        password: &Password,
        with_factor: bool,
        words: &[&str],
    ) -> Result<Option<Weak>, ListError> {
        let least = self.least(with_factor);
        if password.characters() < least {
            return Ok(Some(Weak::TooShort { least }));
        }
        if is_repeated(password.expose()) {
            return Ok(Some(Weak::Repeated));
        }
        let lower = password.expose().to_lowercase();
        if self.common.contains(password.expose())? || self.common.contains(&lower)? {
            return Ok(Some(Weak::Common));
        }
        if let Some(list) = &self.breached
            && (list.contains(password.expose())? || list.contains(&lower)?)
        {
            return Ok(Some(Weak::Breached));
        }
        if is_of(password.expose(), words) {
            return Ok(Some(Weak::Context));
        }
        Ok(None)
    }
}

/// Whether the text is one piece of at most [`MAX_PIECE`] characters over and over, or every character is
/// the next (or the one before) of the last.
fn is_repeated(text: &str) -> bool {
    let characters: Vec<char> = text.to_lowercase().chars().collect();
    let repeats = (1..=MAX_PIECE.min(characters.len() / 2))
        .any(|piece| characters.iter().zip(&characters[piece..]).all(|(a, b)| a == b));
    let step = |by: i64| {
        characters.windows(2).all(|pair| match pair {
            [a, b] => {
                let digits = if by > 0 { ('9', '0') } else { ('0', '9') };
                (*a, *b) == digits || i64::from(u32::from(*b)) - i64::from(u32::from(*a)) == by
            }
            _ => true,
        })
    };
    repeats || (characters.len() > 1 && (step(1) || step(-1)))
}

/// The character that somebody means who writes it in disguise.
const fn plain(character: char) -> char {
    match character {
        '0' => 'o',
        '1' | '!' | '|' | 'l' => 'i',
        '3' | '€' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' | '+' => 't',
        '8' => 'b',
        '9' => 'g',
        other => other,
    }
}

/// Lower case, disguises and accents taken off, nothing but letters and digits left.
fn folded(text: &str) -> String {
    use unicode_normalization::UnicodeNormalization;
    text.to_lowercase()
        .nfd()
        .map(plain)
        .filter(|character| character.is_alphanumeric())
        .collect()
}

/// Whether little is left of a password without these words and the product's name.
fn is_of(password: &str, words: &[&str]) -> bool {
    let mut folded_words: Vec<String> = Vec::new();
    for word in words {
        folded_words.push(folded(word));
        folded_words.extend(word.split(|c: char| !c.is_alphanumeric()).map(folded));
    }
    folded_words.extend(PRODUCT.iter().map(|word| folded(word)));
    folded_words.retain(|word| (MIN_WORD..=MAX_BYTES).contains(&word.chars().count()));
    // Longest first, so that a part of a word does not leave the rest of it standing.
    folded_words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    folded_words.dedup();
    let whole = folded(password);
    let mut rest = whole.clone();
    for word in &folded_words {
        rest = rest.replace(word.as_str(), "");
    }
    rest.len() < whole.len() && rest.chars().count() < MIN_REST
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn policy() -> Policy {
        Policy::new(15, 8, None).unwrap()
    }

    fn weak(text: &str, with_factor: bool) -> Option<Weak> {
        let words = ["maria.souza", "example.org", "Maria de Souza"];
        let password = Password::parse(text).unwrap();
        policy().check(&password, with_factor, &words).unwrap()
    }

    #[test]
    fn fifteen_alone_and_eight_beside_a_factor() {
        assert_eq!(weak("gato vento cinz", false), None);
        assert_eq!(weak("gato vento cin", false), Some(Weak::TooShort { least: 15 }));
        assert_eq!(weak("ga vento", true), None);
        assert_eq!(weak("g vento", true), Some(Weak::TooShort { least: 8 }));
        // Characters, not bytes.
        assert_eq!(weak("çãéõüêâ", true), Some(Weak::TooShort { least: 8 }));
    }

    #[test]
    fn repetitions_and_rows_are_refused() {
        for bad in [
            "aaaaaaaaaaaaaaaaaaaa",
            "abababababababab",
            "AbCaBcAbCaBcAbC",
            "1234123412341234",
            "abcdefghijklmnop",
            "ponmlkjihgfedcba",
            "123456789012345678",
            "987654321098765",
            "🌻🌻🌻🌻🌻🌻🌻🌻🌻🌻🌻🌻🌻🌻🌻",
        ] {
            assert_eq!(weak(bad, false), Some(Weak::Repeated), "{bad}");
        }
    }

    #[test]
    fn common_ones_are_refused_in_any_case() {
        for bad in [
            "password",
            "Password",
            "PASSWORD",
            "iloveyou",
            "trustno1",
            "princess",
            "sunshine1",
            "q1w2e3r4",
        ] {
            assert_eq!(weak(bad, true), Some(Weak::Common), "{bad}");
        }
        for bad in ["1q2w3e4r5t6y7u8i9o", "Wikiplusramzesravnolubov"] {
            assert_eq!(weak(bad, false), Some(Weak::Common), "{bad}");
        }
        assert_eq!(weak("qwertyuiopasdfghjkl", false), Some(Weak::Common));
    }

    #[test]
    fn the_list_has_about_a_hundred_thousand_words_and_takes_little_else_for_one() {
        let list = WordList::embedded(COMMON).unwrap();
        assert!((100_000..200_000).contains(&list.words()), "{}", list.words());
        assert!(COMMON.len() < 450_000, "{}", COMMON.len());
        let wrong = (0..200_000)
            .filter(|n| list.contains(&format!("kein Wort {n}")).unwrap())
            .count();
        assert!(wrong < 20, "{wrong} of 200 000, expected 3");
    }

    #[test]
    fn the_accounts_own_words_do_not_make_a_password() {
        for bad in [
            "mariasouza12345",
            "M4r14.S0uz4!2026",
            "Maria de Souza 1",
            "example.org/maria",
            "secureaistudio1",
            "5tud10-5ecur3-2026",
            "souzasouzasouzamaria",
        ] {
            assert_eq!(weak(bad, false), Some(Weak::Context), "{bad}");
        }
        for good in [
            "maria gosta de girassóis",
            "o studio fica na esquina",
            "souza nunca dorme cedo",
        ] {
            assert_eq!(weak(good, false), None, "{good}");
        }
    }

    #[test]
    fn the_operators_own_list_counts_too_and_a_lost_one_refuses() {
        let folder = tempfile::tempdir().unwrap();
        let (lines, list) = (folder.path().join("lines"), folder.path().join("list"));
        std::fs::write(&lines, "vazou em dois mil e vinte\n").unwrap();
        super::super::build(&lines, &list).unwrap();
        let policy = Policy::new(15, 8, Some(&list)).unwrap();
        let check = |text: &str| policy.check(&Password::parse(text).unwrap(), false, &[]).unwrap();
        assert_eq!(check("vazou em dois mil e vinte"), Some(Weak::Breached));
        assert_eq!(check("Vazou em dois mil e vinte"), Some(Weak::Breached));
        assert_eq!(check("nunca vazou em lugar nenhum"), None);
        std::fs::write(&list, "").unwrap();
        let lost = policy.check(
            &Password::parse("nunca vazou em lugar nenhum").unwrap(),
            false,
            &[],
        );
        assert!(lost.is_err());
    }

    proptest! {
        /// No rule of composition: words of one kind of character, with blanks, in any script.
        #[test]
        fn any_kind_of_characters_will_do(words in proptest::collection::vec("[a-z]{4,8}|[а-я]{4,8}|[🌱-🌿]{4,8}", 4..6)) {
            let text = words.join(" ");
            prop_assume!(!is_of(&text, &[]));
            let password = Password::parse(&text).unwrap();
            prop_assert_eq!(policy().check(&password, false, &[]).unwrap(), None);
        }
    }
}

//! Values that must not be printed: a prompt, a correlation token. Seeing one is a visible word.

use sha2::{Digest, Sha256};

/// What a user wrote to make a picture. Personal by nature: it prints as a marker with its length.
#[derive(Clone, PartialEq, Eq)]
pub struct Prompt(String);

impl Prompt {
    /// Takes the text in.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself: only for the provider that was permitted, the owner's own view, and sealing.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Prompt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[prompt, {} characters]", self.0.chars().count())
    }
}

/// A one-time 256-bit token that ties an attempt to what a provider echoes or calls back. The
/// database keeps its hash only.
#[derive(Clone, PartialEq, Eq)]
pub struct AttemptToken([u8; 32]);

impl AttemptToken {
    /// A token of these random bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The token as it travels: 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn expose(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.0)
    }

    /// The hash that the database keeps.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(&self.expose())
    }
}

impl std::fmt::Debug for AttemptToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[attempt token]")
    }
}

/// SHA-256 of a token's text. Comparing hashes of unguessable values leaks nothing by its timing.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct TokenHash(String);

impl TokenHash {
    /// The hash of a token's text as it was received.
    #[must_use]
    pub fn of(token: &str) -> Self {
        Self(data_encoding::HEXLOWER.encode(&Sha256::digest(token.as_bytes())))
    }

    /// A hash read back from the database.
    #[must_use]
    pub const fn stored(hex: String) -> Self {
        Self(hex)
    }

    /// 64 hexadecimal digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[token hash]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_prints_its_content() {
        let prompt = Prompt::new("um segredo".to_owned());
        assert_eq!(format!("{prompt:?}"), "[prompt, 10 characters]");
        let token = AttemptToken::new([7; 32]);
        assert!(!format!("{token:?}{:?}", token.hash()).contains("0707"));
        assert_eq!(token.hash(), TokenHash::of(&token.expose()));
    }
}

//! What can be wrong with a configuration, said so that the reader knows what to do.
//!
//! No error repeats a value: it might be a secret.

use std::path::PathBuf;

use super::origin::Origin;

/// Why no configuration could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file given with `--config` is not there or cannot be read.
    #[error("the configuration file {} cannot be read: {reason}", path.display())]
    FileUnreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{}:{line}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, the first is 1.
        line: usize,
        /// What the parser expected.
        message: String,
    },
    /// A name that no setting has.
    #[error("{place}: there is no setting {key}; did you mean {nearest}?")]
    UnknownKey {
        /// Where it stands.
        place: Origin,
        /// The name as it was written.
        key: String,
        /// The known name nearest to it, written the same way.
        nearest: String,
    },
    /// A value of the wrong kind or out of bounds.
    #[error("{place}: {key}: {expected}")]
    WrongValue {
        /// Where it stands.
        place: Origin,
        /// Dotted path of the setting.
        key: String,
        /// What is expected there.
        expected: String,
    },
    /// The file that should hold a secret does not give one.
    #[error("{place}: the secret file {} {reason}", path.display())]
    SecretFile {
        /// The setting that names the file.
        place: Origin,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A secret is given as a value and as a file in the same place.
    #[error("{first} and {second} both give {key}; keep one of them")]
    GivenTwice {
        /// Dotted path of the setting.
        key: String,
        /// One of the two places.
        first: Origin,
        /// The other.
        second: Origin,
    },
}

impl ConfigError {
    /// Whether something is missing (exit code 3) rather than wrong (exit code 2).
    #[must_use]
    pub const fn is_missing(&self) -> bool {
        matches!(self, Self::FileUnreadable { .. } | Self::SecretFile { .. })
    }

    /// Stable name of the error.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        match self {
            Self::FileUnreadable { .. } => "config.file_unreadable",
            Self::Syntax { .. } => "config.syntax",
            Self::UnknownKey { .. } => "config.unknown_key",
            Self::WrongValue { .. } => "config.wrong_value",
            Self::SecretFile { .. } => "config.secret_file",
            Self::GivenTwice { .. } => "config.given_twice",
        }
    }

    /// What the reader can do about it.
    #[must_use]
    pub const fn advice(&self) -> &'static str {
        match self {
            Self::FileUnreadable { .. } => "check the path and that the studio may read it",
            Self::Syntax { .. } => "correct the line",
            Self::UnknownKey { .. } => "correct or remove it; `studio config schema` lists every setting",
            Self::WrongValue { .. } => "correct the value",
            Self::SecretFile { .. } => {
                "write the secret into the file, mode 0600, owned by the studio's user"
            }
            Self::GivenTwice { .. } => "remove one",
        }
    }
}

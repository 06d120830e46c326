//! Where a value came from.

use std::fmt;
use std::path::PathBuf;

/// The place that decided a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The defaults in the binary.
    Default,
    /// A line of a configuration file.
    File {
        /// The file as it was named.
        path: PathBuf,
        /// Line, the first is 1.
        line: usize,
    },
    /// An environment variable.
    Environment(String),
    /// A file that holds one secret.
    SecretFile {
        /// The file.
        path: PathBuf,
        /// The setting that names it.
        named_by: Box<Self>,
    },
    /// A flag of the command.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => write!(f, "env {name}"),
            Self::SecretFile { path, named_by } => write!(f, "secret file {} ({named_by})", path.display()),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

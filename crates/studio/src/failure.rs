//! How a command ends when it does not end well: one line on standard error and an exit code.

use std::fmt;

use crate::config::ConfigError;

/// Exit codes of the binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// The question was answered with no.
    No = 1,
    /// The command or a setting is written wrongly.
    Usage = 2,
    /// Something that the command needs is not configured.
    NotConfigured = 3,
    /// Something that the command needs does not answer.
    Unavailable = 4,
    /// A policy refuses it.
    Refused = 5,
}

/// Why a command failed. Displays as one line: what happened, what to do, an id.
#[derive(Debug)]
pub struct Failure {
    /// Exit code of the process.
    pub exit: Exit,
    /// Stable name to search for.
    pub id: &'static str,
    /// What happened.
    pub what: String,
    /// What to do about it.
    pub advice: String,
}

impl Failure {
    /// A failure with these words.
    pub fn new(exit: Exit, id: &'static str, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            exit,
            id,
            what: what.into(),
            advice: advice.into(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // One line whatever a message carries: line ends and control characters become blanks.
        let line = format!("{}; {} [{}]", self.what, self.advice, self.id);
        line.chars()
            .try_for_each(|c| write!(f, "{}", if c.is_control() { ' ' } else { c }))
    }
}

impl std::error::Error for Failure {}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let exit = if error.is_missing() {
            Exit::NotConfigured
        } else {
            Exit::Usage
        };
        Self::new(exit, error.id(), error.to_string(), error.advice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_line() {
        let failure = Failure::new(Exit::Usage, "a.b", "it broke\nbadly", "mend it");
        assert_eq!(failure.to_string(), "it broke badly; mend it [a.b]");
    }
}

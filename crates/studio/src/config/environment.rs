//! The only place in the workspace that reads the environment.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// Begins every variable that is a setting.
pub(super) const PREFIX: &str = "STUDIO__";

/// The part of the environment that the studio looks at, taken once at the start.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    settings: BTreeMap<String, OsString>,
    home: Option<PathBuf>,
    colour: bool,
}

impl Environment {
    /// The environment of this process.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the one module that reads the environment"
    )]
    pub fn of_this_process() -> Self {
        Self::of(std::env::vars_os())
    }

    /// An environment of these variables.
    pub fn of<N: Into<OsString>, V: Into<OsString>>(variables: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut found = Self {
            colour: true,
            ..Self::default()
        };
        for (name, value) in variables {
            let (name, value) = (name.into(), value.into());
            // A name that is not text cannot be one of ours.
            let Ok(name) = name.into_string() else { continue };
            if value.is_empty() {
                continue;
            }
            match name.as_str() {
                "STUDIO_HOME" => found.home = Some(PathBuf::from(value)),
                "NO_COLOR" => found.colour = false,
                _ if name.starts_with(PREFIX) => {
                    found.settings.insert(name, value);
                }
                _ => {}
            }
        }
        found
    }

    /// `STUDIO_HOME`: where `studio.toml` is looked for last.
    #[must_use]
    pub fn home(&self) -> Option<&std::path::Path> {
        self.home.as_deref()
    }

    /// False when `NO_COLOR` is set (no-color.org).
    #[must_use]
    pub const fn colour(&self) -> bool {
        self.colour
    }

    /// Variables named `STUDIO__…` that are not empty, by name.
    pub(super) fn settings(&self) -> impl Iterator<Item = (&str, &OsString)> {
        self.settings.iter().map(|(name, value)| (name.as_str(), value))
    }
}

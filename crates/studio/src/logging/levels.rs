//! Levels by target, changeable while the program runs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::{Registry, reload};

use crate::config::{Log, LogLevel};

/// Targets that may have a level of their own.
const MAX_TARGETS: usize = 64;
/// Longest name of a target, in bytes.
const MAX_TARGET_BYTES: usize = 128;

/// Levels as they are now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Levels {
    /// For targets without a level of their own.
    pub default: LogLevel,
    /// By target; a level counts for everything below it too: `providers` for `providers::luma`.
    pub targets: BTreeMap<String, LogLevel>,
}

/// Changes levels at run time. Clones change the same log.
#[derive(Debug, Clone)]
pub struct LogControl {
    filter: reload::Handle<Targets, Registry>,
    levels: Arc<Mutex<Levels>>,
}

/// Why a level was not changed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LevelError {
    /// Not the name of a target.
    #[error("a log target is the path of a module, such as providers::luma")]
    Name,
    /// Too many targets have a level of their own.
    #[error("at most {MAX_TARGETS} log targets can have a level of their own")]
    TooMany,
    /// The log that this handle belonged to is gone.
    #[error("the log has ended")]
    Ended,
}

impl LogControl {
    /// Sets the level of a target and of everything below it.
    ///
    /// # Errors
    /// [`LevelError`] for a name that no target can have, or one target too many.
    pub fn set_level(&self, target: &str, level: LogLevel) -> Result<(), LevelError> {
        check_name(target)?;
        self.change(|levels| {
            levels.targets.insert(target.to_owned(), level);
        })
    }

    /// Sets the level of every target that has none of its own.
    ///
    /// # Errors
    /// [`LevelError::Ended`] when the log has ended.
    pub fn set_default_level(&self, level: LogLevel) -> Result<(), LevelError> {
        self.change(|levels| levels.default = level)
    }

    /// The levels as they are now.
    #[must_use]
    pub fn levels(&self) -> Levels {
        self.levels.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change(&self, change: impl FnOnce(&mut Levels)) -> Result<(), LevelError> {
        let mut levels = self.levels.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = levels.clone();
        change(&mut changed);
        if changed.targets.len() > MAX_TARGETS {
            return Err(LevelError::TooMany);
        }
        self.filter
            .reload(targets(&changed))
            .map_err(|_| LevelError::Ended)?;
        *levels = changed;
        Ok(())
    }
}

/// The filter of a new log and its control.
pub(super) fn filter(settings: &Log) -> Result<(reload::Layer<Targets, Registry>, LogControl), LevelError> {
    settings.targets.keys().try_for_each(|name| check_name(name))?;
    if settings.targets.len() > MAX_TARGETS {
        return Err(LevelError::TooMany);
    }
    let levels = Levels {
        default: settings.level,
        targets: settings.targets.clone(),
    };
    let (layer, filter) = reload::Layer::new(targets(&levels));
    Ok((
        layer,
        LogControl {
            filter,
            levels: Arc::new(Mutex::new(levels)),
        },
    ))
}

fn check_name(target: &str) -> Result<(), LevelError> {
    let good = !target.is_empty()
        && target.len() <= MAX_TARGET_BYTES
        && target
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '-'));
    if good { Ok(()) } else { Err(LevelError::Name) }
}

fn targets(levels: &Levels) -> Targets {
    Targets::new()
        .with_default(severity(levels.default))
        .with_targets(
            levels
                .targets
                .iter()
                .map(|(target, level)| (target.clone(), severity(*level))),
        )
}

const fn severity(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

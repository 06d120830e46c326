//! Log lines: what the studio did, for the people who run it.
//!
//! Every line carries the context of its spans (`request_id`, `user_ref`, `job_id`, `attempt_id`,
//! `provider`, `route`, `status`, `dur_ms`) as top-level fields. Prompts, secrets and personal data are
//! types that print a marker; [`redact`] is the net under them. Lines go to standard error in the
//! configured form and, when `log.dir` is set, to rotated JSON files. Writing never blocks the caller:
//! when a writer falls behind, lines are dropped and counted.

mod layer;
mod levels;
mod line;
mod redact;
mod rotate;

use std::io::Write;
use std::sync::Arc;

use domain::time::Time;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry};

pub use levels::{LevelError, Levels, LogControl};
pub use line::Form;
pub use rotate::{Limits, LogFiles, RotatingFile};

use crate::config::{Log, LogFormat};

/// Tells the time of a line.
pub type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

/// Lines that wait for a slow writer before further ones are dropped.
const MAX_WAITING_LINES: usize = 65_536;

/// Logging that runs. Dropping it writes what still waits.
#[derive(Debug)]
pub struct Logging {
    /// What the rest of the program may do with it.
    pub handle: LogHandle,
    _guards: Vec<WorkerGuard>,
}

/// Levels, health and files of the running log. Clones are the same log.
#[derive(Debug, Clone)]
pub struct LogHandle {
    /// Levels by target, changeable at run time.
    pub control: LogControl,
    files: Option<LogFiles>,
    dropped: Vec<ErrorCounter>,
}

impl LogHandle {
    /// Opens the log file anew at the next line, after somebody renamed it. Meant for `SIGHUP`.
    pub fn reopen(&self) {
        if let Some(files) = &self.files {
            files.reopen();
        }
    }

    /// Lines lost because a writer fell behind, since the start.
    #[must_use]
    pub fn dropped_lines(&self) -> u64 {
        self.dropped
            .iter()
            .map(|counter| counter.dropped_lines() as u64)
            .sum()
    }

    /// Lines that could not be written to a log file, and files that could not be put aside.
    #[must_use]
    pub fn write_errors(&self) -> u64 {
        self.files.as_ref().map_or(0, LogFiles::errors)
    }
}

/// Why logging could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// The folder for log files cannot be used.
    #[error("log files cannot be written to {}: {reason}", dir.display())]
    Folder {
        /// The folder.
        dir: std::path::PathBuf,
        /// What the system said.
        reason: std::io::Error,
    },
    /// A target in the settings has a name that no target can have.
    #[error(transparent)]
    Level(#[from] LevelError),
    /// Logging was already started in this process.
    #[error("logging was already started")]
    Twice,
}

/// Starts logging for the whole process.
///
/// # Errors
/// [`LogError`] when the folder cannot be written or logging already runs.
pub fn start(settings: &Log, clock: Clock, colour: bool) -> Result<Logging, LogError> {
    use std::io::IsTerminal;

    let form = match settings.format {
        LogFormat::Json => Form::Json,
        LogFormat::Pretty => Form::Pretty {
            colour: colour && std::io::stderr().is_terminal(),
        },
    };
    let (subscriber, logging) = assemble(settings, clock, form, std::io::stderr())?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Twice)?;
    Ok(logging)
}

/// The same subscriber without making it the one of the process, writing to `console` in place of
/// standard error.
///
/// # Errors
/// As [`start`].
pub fn assemble(
    settings: &Log,
    clock: Clock,
    form: Form,
    console: impl Write + Send + 'static,
) -> Result<(impl tracing::Subscriber + Send + Sync, Logging), LogError> {
    let (filter, control) = levels::filter(settings)?;
    let (console, console_guard) = in_background(console, "log-console");
    let mut dropped = vec![console.error_counter()];
    let mut guards = vec![console_guard];
    let mut outputs = vec![layer::Output {
        form,
        writer: console,
    }];
    let mut files = None;
    if let Some(dir) = &settings.dir {
        let writer = RotatingFile::open(dir, Limits::of(settings), Arc::clone(&clock)).map_err(|reason| {
            LogError::Folder {
                dir: dir.clone(),
                reason,
            }
        })?;
        files = Some(writer.handle());
        let (writer, guard) = in_background(writer, "log-file");
        dropped.push(writer.error_counter());
        guards.push(guard);
        outputs.push(layer::Output {
            form: Form::Json,
            writer,
        });
    }
    let lines = layer::LineLayer::new(clock, outputs);
    let subscriber = Registry::default().with(lines.with_filter(filter));
    Ok((
        subscriber,
        Logging {
            handle: LogHandle {
                control,
                files,
                dropped,
            },
            _guards: guards,
        },
    ))
}

fn in_background(writer: impl Write + Send + 'static, thread: &str) -> (NonBlocking, WorkerGuard) {
    NonBlockingBuilder::default()
        .buffered_lines_limit(MAX_WAITING_LINES)
        .thread_name(thread)
        .finish(writer)
}

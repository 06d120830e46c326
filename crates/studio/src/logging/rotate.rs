//! A log file that is put aside by size and by day, with a bound on the number and the sum of files.
//!
//! The file that grows is `studio.log`. A file put aside is `studio-NNNNNNNN-<time>.log.zst`: the number
//! only grows, so that names sort by age whatever the clock does. Every file has mode 0600. After
//! somebody renamed `studio.log`, [`LogFiles::reopen`] makes the next line go to a new one.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use domain::time::Time;

use super::Clock;
use crate::config::Log;

const CURRENT: &str = "studio.log";
const PREFIX: &str = "studio-";
const PLAIN: &str = ".log";
const PACKED: &str = ".log.zst";
const UNFINISHED: &str = ".log.zst.part";
/// Level 3 packs log lines to about a tenth at disk speed.
const ZSTD_LEVEL: i32 = 3;
const MIB: u64 = 1_048_576;
const DAY_MICROS: i64 = 86_400_000_000;

/// Bounds of the log files.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// A file is put aside when it would grow past this. One line longer than this has a file alone.
    pub max_file_bytes: u64,
    /// Files put aside that are kept.
    pub keep_files: usize,
    /// Upper bound for all files together, the growing one counted at its full size.
    pub max_total_bytes: u64,
    /// Whether a file is also put aside when the day (UTC) changes.
    pub daily: bool,
}

impl Limits {
    /// The bounds that the settings give.
    #[must_use]
    pub fn of(settings: &Log) -> Self {
        Self {
            max_file_bytes: settings.max_file_mib.saturating_mul(MIB),
            keep_files: usize::try_from(settings.keep_files).unwrap_or(usize::MAX),
            max_total_bytes: settings.max_total_mib.saturating_mul(MIB),
            daily: settings.daily,
        }
    }
}

/// Handle of the log files for the rest of the program.
#[derive(Debug, Clone, Default)]
pub struct LogFiles {
    reopen: Arc<AtomicBool>,
    errors: Arc<AtomicU64>,
}

impl LogFiles {
    /// Opens the file anew at the next line.
    pub fn reopen(&self) {
        self.reopen.store(true, Ordering::Release);
    }

    /// Lines that could not be written and files that could not be put aside, since the start.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.errors.load(Ordering::Acquire)
    }
}

/// Writes lines to files. One call of `write` is one line.
pub struct RotatingFile {
    dir: PathBuf,
    limits: Limits,
    clock: Clock,
    handle: LogFiles,
    open: Option<Open>,
    /// The last write failed: the file may end within a line.
    torn: bool,
}

struct Open {
    file: File,
    bytes: u64,
    day: i64,
}

impl RotatingFile {
    /// Opens `studio.log` in `dir`, which is made if needed, and tidies up what an earlier run left.
    ///
    /// # Errors
    /// When the folder cannot be made, listed or written.
    pub fn open(dir: &Path, limits: Limits, clock: Clock) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let handle = LogFiles::default();
        let mut writer = Self {
            dir: dir.to_owned(),
            limits,
            clock,
            handle,
            open: None,
            torn: false,
        };
        for name in writer.names()? {
            if name.ends_with(UNFINISHED) {
                std::fs::remove_file(writer.dir.join(&name))?;
            }
        }
        writer.pack_and_prune()?;
        writer.open = Some(writer.open_current()?);
        Ok(writer)
    }

    /// The handle to keep when the writer goes to its thread.
    #[must_use]
    pub fn handle(&self) -> LogFiles {
        self.handle.clone()
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        if self.handle.reopen.swap(false, Ordering::AcqRel) {
            self.open = None;
        }
        let today = day((self.clock)());
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.open_current()?,
        };
        let full = open.bytes.saturating_add(line.len() as u64) > self.limits.max_file_bytes;
        if open.bytes > 0 && (full || (self.limits.daily && today != open.day)) {
            drop(open);
            self.put_aside()?;
            open = self.open_current()?;
        }
        if std::mem::take(&mut self.torn) && open.bytes > 0 {
            open.file.write_all(b"\n")?;
            open.bytes += 1;
        }
        open.file.write_all(line)?;
        open.bytes += line.len() as u64;
        open.day = today;
        self.open = Some(open);
        Ok(())
    }

    fn open_current(&self) -> io::Result<Open> {
        let file = private().append(true).create(true).open(self.dir.join(CURRENT))?;
        // A file that was there before may have been made under another mask.
        file.set_permissions(Permissions::from_mode(0o600))?;
        let meta = file.metadata()?;
        let since = meta.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        let written = Time::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX));
        let day = if meta.len() == 0 {
            day((self.clock)())
        } else {
            day(written)
        };
        Ok(Open {
            file,
            bytes: meta.len(),
            day,
        })
    }

    fn put_aside(&self) -> io::Result<()> {
        let last = self
            .aside()?
            .into_iter()
            .map(|file| file.number)
            .max()
            .unwrap_or(0);
        let stamp: String = (self.clock)()
            .to_string()
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect();
        let name = format!("{PREFIX}{:08}-{stamp}{PLAIN}", last + 1);
        std::fs::rename(self.dir.join(CURRENT), self.dir.join(name))?;
        // The lines are safe; packing can be tried again at the next change.
        if self.pack_and_prune().is_err() {
            self.handle.errors.fetch_add(1, Ordering::AcqRel);
        }
        Ok(())
    }

    fn pack_and_prune(&self) -> io::Result<()> {
        self.prune()?;
        for file in self.aside()?.iter().filter(|file| !file.packed) {
            self.pack(&file.name)?;
        }
        self.prune()
    }

    fn pack(&self, name: &str) -> io::Result<()> {
        let stem = name.trim_end_matches(PLAIN);
        let part = self.dir.join(format!("{stem}{UNFINISHED}"));
        let result = (|| {
            let from = File::open(self.dir.join(name))?;
            let to = private().write(true).create(true).truncate(true).open(&part)?;
            zstd::stream::copy_encode(from, &to, ZSTD_LEVEL)?;
            to.sync_all()?;
            std::fs::rename(&part, self.dir.join(format!("{stem}{PACKED}")))
        })();
        match result {
            Ok(()) => std::fs::remove_file(self.dir.join(name)),
            Err(error) => {
                let _ = std::fs::remove_file(&part);
                Err(error)
            }
        }
    }

    /// Removes the oldest files until the bounds hold, room for a full growing file included.
    fn prune(&self) -> io::Result<()> {
        let mut files = self.aside()?;
        files.sort_by_key(|file| std::cmp::Reverse(file.number));
        let room = self
            .limits
            .max_total_bytes
            .saturating_sub(self.limits.max_file_bytes);
        let mut total = 0_u64;
        let mut full = false;
        for (kept, file) in files.iter().enumerate() {
            total = total.saturating_add(file.bytes);
            full = full || kept >= self.limits.keep_files || total > room;
            if full {
                std::fs::remove_file(self.dir.join(&file.name))?;
            }
        }
        Ok(())
    }

    fn aside(&self) -> io::Result<Vec<Aside>> {
        let mut files = Vec::new();
        for name in self.names()? {
            let packed = name.ends_with(PACKED);
            let number = name
                .strip_prefix(PREFIX)
                .and_then(|rest| rest.split('-').next())
                .and_then(|n| n.parse().ok());
            if let (Some(number), true) = (number, packed || name.ends_with(PLAIN)) {
                let bytes = std::fs::metadata(self.dir.join(&name))?.len();
                files.push(Aside {
                    name,
                    number,
                    bytes,
                    packed,
                });
            }
        }
        Ok(files)
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let entries = std::fs::read_dir(&self.dir)?;
        entries
            .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
            .collect()
    }
}

impl Write for RotatingFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Err(error) = self.append(line) {
            // The next line tries again with a fresh file.
            self.open = None;
            self.torn = true;
            self.handle.errors.fetch_add(1, Ordering::AcqRel);
            return Err(error);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Aside {
    name: String,
    number: u64,
    bytes: u64,
    packed: bool,
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

const fn day(time: Time) -> i64 {
    time.micros().div_euclid(DAY_MICROS)
}

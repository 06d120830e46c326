//! The data directory: made private on first use, and held by one process at a time.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::failure::{Exit, Failure};

/// Name of the lock file; it holds the process id of who has the directory.
const LOCK: &str = "studio.lock";

/// A data directory that this process alone uses. The lock ends with the process, however it ends.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

fn failure(path: &Path, error: &io::Error) -> Failure {
    Failure::new(
        Exit::Unavailable,
        "data.unusable",
        format!("{} cannot be used: {error}", path.display()),
        "choose another folder with --data, or mend its rights and free some space",
    )
}

impl DataDir {
    /// Opens the directory, making it (mode 0700) if it is not there.
    ///
    /// # Errors
    /// If another process has it, others may read it, or it cannot be made.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let told = |error: io::Error| failure(path, &error);
        if !path.exists() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path)
                .map_err(told)?;
        }
        let path = fs::canonicalize(path).map_err(told)?;
        let mode = fs::metadata(&path).map_err(told)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(Failure::new(
                Exit::Refused,
                "data.readable_by_others",
                format!("{} has mode {mode:o}", path.display()),
                format!("keys and media are in it: run `chmod 700 {}`", path.display()),
            ));
        }
        let told = |error: io::Error| failure(&path, &error);
        let mut lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path.join(LOCK))
            .map_err(told)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                return Err(Failure::new(
                    Exit::Unavailable,
                    "data.in_use",
                    format!("another studio uses {}", path.display()),
                    "end it first, or give --server with its address",
                ));
            }
            Err(error) => return Err(failure(&path, &error.into())),
        }
        lock.set_len(0)
            .and_then(|()| writeln!(lock, "{}", std::process::id()))
            .map_err(told)?;
        Ok(Self { path, _lock: lock })
    }

    /// Where it is, absolute.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the SQLite file if it is not there, for its owner only: SQLite gives a new file the rights
    /// of any other file, and its journals the rights of the file.
    ///
    /// # Errors
    /// What the system says.
    pub fn claim_database(&self) -> io::Result<()> {
        OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(self.database())
            .map(drop)
    }

    /// The SQLite file in it.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.path.join("studio.db")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_private_and_held_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        let first = DataDir::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(
            fs::metadata(path.join(LOCK)).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(DataDir::open(&path).unwrap_err().id, "data.in_use");
        drop(first);
        DataDir::open(&path).unwrap();
    }

    #[test]
    fn a_folder_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(DataDir::open(&path).unwrap_err().id, "data.readable_by_others");
    }
}

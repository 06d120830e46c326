//! Private files and folders that survive a crash.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Mode of every folder.
const FOLDER_MODE: u32 = 0o700;

/// Mode of every file.
const FILE_MODE: u32 = 0o600;

/// Makes sure a folder is there, is private and stays after a crash.
pub(crate) fn ensure_folder(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(FOLDER_MODE).create(path) {
        Ok(()) => path.parent().map_or(Ok(()), sync_folder),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if fs::metadata(path)?.permissions().mode() & 0o077 != 0 {
                fs::set_permissions(path, Permissions::from_mode(FOLDER_MODE))?;
            }
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Removes a file; false when there was none.
pub(crate) fn remove(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes a file that must not be there yet, whole or not at all; false when it was there.
pub(crate) fn create_once(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let (temporary, mut file) = TemporaryFile::create(folder)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    // A link, unlike a rename, refuses to replace.
    match fs::hard_link(temporary.path(), path) {
        Ok(()) => {
            drop(temporary);
            sync_folder(folder)?;
            Ok(true)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Suffix of files that have no final name yet.
const TEMPORARY_SUFFIX: &str = ".tmp";

/// A file that is removed when it is dropped before it got its final name.
pub(crate) struct TemporaryFile {
    path: PathBuf,
    id: String,
}

impl TemporaryFile {
    /// A new private file with a random name in the folder, open for reading and writing.
    pub(crate) fn create(folder: &Path) -> io::Result<(Self, File)> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let id = data_encoding::HEXLOWER.encode(&random);
        let path = folder.join(format!("{id}{TEMPORARY_SUFFIX}"));
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(FILE_MODE)
            .open(&path)?;
        Ok((Self { path, id }, file))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The random part of the name.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Gives the file its final name, in place of what may be there.
    pub(crate) fn rename_to(mut self, path: &Path) -> io::Result<()> {
        fs::rename(&self.path, path)?;
        self.path = PathBuf::new();
        Ok(())
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        if !self.path.as_os_str().is_empty()
            && let Err(error) = remove(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "a temporary file stays behind");
        }
    }
}

/// Removes what a crash left on its way to a final name.
pub(crate) fn remove_temporary(folder: &Path) -> io::Result<u64> {
    let mut removed = 0;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(TEMPORARY_SUFFIX) && remove(&path)? {
            removed += 1;
        }
    }
    Ok(removed)
}

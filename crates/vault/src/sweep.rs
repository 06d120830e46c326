//! Removing what nothing refers to.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::files;
use crate::name::{TEMPORARY, is_blob, is_workspace};
use crate::vault::{Vault, VaultError};

/// What a sweep removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Swept {
    /// Blobs that nothing referred to.
    pub blobs: u64,
    /// Content that never became whole.
    pub temporary: u64,
    /// Bytes of both on disk.
    pub bytes: u64,
}

impl Vault {
    /// Removes blobs that `known(workspace, blob)` does not know, and abandoned temporary files,
    /// both only when last written longer than `grace` before `now`: a blob is on disk before the
    /// caller can have recorded its name.
    ///
    /// # Errors
    /// [`VaultError::Io`] at the first file that cannot be looked at or removed.
    pub async fn sweep(
        &self,
        now: SystemTime,
        grace: Duration,
        known: impl Fn(&str, &str) -> bool + Send + 'static,
    ) -> Result<Swept, VaultError> {
        let swept = self
            .blocking(move |inner| {
                let mut swept = Swept::default();
                let is_old = |path: &Path| old_size(path, now, grace);
                each(&inner.temporary(), &mut |_, path| {
                    inner.while_naming(|| {
                        if let Some(bytes) = is_old(path)?
                            && files::remove(path)?
                        {
                            swept.temporary += 1;
                            swept.bytes += bytes;
                        }
                        Ok(())
                    })
                })?;
                each(inner.folder(), &mut |workspace, path| {
                    if workspace == TEMPORARY || !is_workspace(workspace) {
                        return Ok(());
                    }
                    each(path, &mut |_, path| {
                        each(path, &mut |blob, path| {
                            if !is_blob(blob) || known(workspace, blob) {
                                return Ok(());
                            }
                            inner.while_naming(|| {
                                if let Some(bytes) = is_old(path)?
                                    && files::remove(path)?
                                {
                                    swept.blobs += 1;
                                    swept.bytes += bytes;
                                }
                                Ok(())
                            })
                        })
                    })
                })?;
                Ok(swept)
            })
            .await?;
        tracing::info!(
            blobs = swept.blobs,
            temporary = swept.temporary,
            bytes = swept.bytes,
            "unreferenced blobs swept"
        );
        Ok(swept)
    }
}

/// Calls `work` with the name and path of everything in a folder; a folder that is gone, or a file
/// in the place of one, is empty.
fn each(folder: &Path, work: &mut dyn FnMut(&str, &Path) -> io::Result<()>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        if let Some(name) = entry.file_name().to_str() {
            work(name, &entry.path())?;
        }
    }
    Ok(())
}

/// The size of a file last written before the grace; none for a younger one or one that is gone.
fn old_size(path: &Path, now: SystemTime, grace: Duration) -> io::Result<Option<u64>> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let age = now.duration_since(metadata.modified()?).unwrap_or_default();
    Ok((metadata.is_file() && age > grace).then_some(metadata.len()))
}

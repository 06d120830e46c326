//! What was made is made again only when what it is made from changed.

use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher;
use std::path::PathBuf;

use crate::run::target;
use crate::{Done, Failure};

/// Remembers in the build folder what something was made from.
pub(crate) struct Stamp {
    file: PathBuf,
    hash: String,
}

impl Stamp {
    pub(crate) fn of(name: &str, hash: String) -> Self {
        Self {
            file: target().join("xtask").join(format!("{name}.stamp")),
            hash,
        }
    }

    pub(crate) fn is_current(&self) -> bool {
        std::fs::read_to_string(&self.file).is_ok_and(|text| text == self.hash)
    }

    pub(crate) fn write(&self) -> Done {
        let write = || {
            std::fs::create_dir_all(target().join("xtask"))?;
            std::fs::write(&self.file, &self.hash)
        };
        write().map_err(|error| format!("{}: {error}", self.file.display()))
    }
}

/// A hash of names and contents. It guards against forgetting, not against an attacker.
pub(crate) fn hash_of(files: impl IntoIterator<Item = PathBuf>) -> Result<String, Failure> {
    let mut hasher = DefaultHasher::new();
    for file in files {
        let bytes = std::fs::read(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        hasher.write(file.as_os_str().as_encoded_bytes());
        hasher.write_usize(bytes.len());
        hasher.write(&bytes);
    }
    Ok(format!("{:016x}", hasher.finish()))
}

//! Where the independent programs of `tools/foreign` are: `cargo xtask foreign` installs them, and so
//! does `cargo xtask test`. A test that cannot find them fails and says so.

use std::path::{Path, PathBuf};

/// What a test says when an independent program is not there.
pub const ADVICE: &str = "AN INDEPENDENT CHECK DID NOT RUN: install its programs with `cargo xtask foreign`";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The Python that has the packages of `tools/foreign/requirements.txt`.
///
/// # Panics
/// With [`ADVICE`] when they are not installed.
#[must_use]
pub fn python() -> PathBuf {
    program("python3")
}

/// A program that one of those packages brings, such as `schemathesis`.
///
/// # Panics
/// With [`ADVICE`] when they are not installed.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    let path = root().join("target/tools/python/bin").join(name);
    assert!(path.is_file(), "{ADVICE} ({name})");
    path
}

/// The folder whose scripts find the npm packages of `tools/foreign/package.json`.
///
/// # Panics
/// With [`ADVICE`] when they are not installed.
#[must_use]
pub fn node_folder() -> PathBuf {
    let folder = root().join("tools/foreign");
    assert!(folder.join("node_modules").is_dir(), "{ADVICE} (npm packages)");
    folder
}

//! Independent programs that tests call, from PyPI and npm: a verifier that shares no code with ours
//! finds what our own tests cannot. Pinned in `tools/foreign`.

use std::path::PathBuf;

use crate::Done;
use crate::install::debian;
use crate::run::{Cmd, root, which};
use crate::stamp::{Stamp, hash_of};

/// Installs what `tools/foreign` lists, unless it is there.
///
/// # Errors
/// Names what is missing and how to get it.
pub(crate) fn install() -> Done {
    python()?;
    node()
}

/// The folder whose programs come before those of the machine when tests run.
pub(crate) fn programs() -> PathBuf {
    environment().join("bin")
}

/// Not in the target folder of one build: tests look for it here, whatever they were built with.
fn environment() -> PathBuf {
    root().join("target/tools/python")
}

fn python() -> Done {
    debian(&[("python3", "python3")])?;
    let wanted = root().join("tools/foreign/requirements.txt");
    let stamp = Stamp::of("python", hash_of([wanted.clone()])?);
    let program = programs().join("python3");
    if stamp.is_current() && program.is_file() {
        return Ok(());
    }
    let venv = || {
        Cmd::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(environment())
    };
    if !venv().quiet()?.1 {
        // Debian keeps it apart from Python itself.
        debian(&[("python3-venv", "python3-venv")])?;
        venv().run()?;
    }
    Cmd::new(program)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .arg("--requirement")
        .arg(wanted)
        .run()?;
    stamp.write()
}

fn node() -> Done {
    which("npm").ok_or("npm is not installed; independent checks need Node 20.19 or newer")?;
    let folder = root().join("tools/foreign");
    let stamp = Stamp::of("foreign", hash_of([folder.join("package-lock.json")])?);
    if stamp.is_current() && folder.join("node_modules").is_dir() {
        return Ok(());
    }
    let command = Cmd::new("npm").args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]);
    command.folder(folder).run()?;
    stamp.write()
}

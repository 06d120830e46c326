//! What the tests need and a fresh machine lacks: Debian packages and cargo tools.
//!
//! Cargo tools are built into `target/tools` once, without optimisation: they run for seconds, building
//! them optimised takes minutes.

use std::path::PathBuf;

use crate::run::{Cmd, cargo, target, which};
use crate::{Done, Failure};

/// A tool that cargo builds.
pub(crate) struct CargoTool {
    name: &'static str,
    version: &'static str,
    arguments: &'static [&'static str],
}

/// Licences, bans and sources of dependencies.
pub(crate) const DENY: CargoTool = CargoTool {
    name: "cargo-deny",
    version: "0.20.2",
    arguments: &[],
};
/// The book.
pub(crate) const MDBOOK: CargoTool = CargoTool {
    name: "mdbook",
    version: "0.5.4",
    arguments: &["--no-default-features", "--features", "search"],
};
/// Coverage.
pub(crate) const LLVM_COV: CargoTool = CargoTool {
    name: "cargo-llvm-cov",
    version: "0.9.1",
    arguments: &[],
};

impl CargoTool {
    /// The program: from `target/tools`, from the path when it is the same version, or built now.
    ///
    /// # Errors
    /// When it has to be built and cannot.
    pub(crate) fn find(&self) -> Result<PathBuf, Failure> {
        let ours = target().join("tools/bin").join(self.name);
        let candidates = [Some(ours.clone()), which(self.name)];
        if let Some(found) = candidates
            .into_iter()
            .flatten()
            .find(|path| self.is_this_version(path))
        {
            return Ok(found);
        }
        let root = target().join("tools");
        cargo([
            "install",
            "--quiet",
            "--locked",
            self.name,
            "--version",
            self.version,
        ])
        .args(self.arguments)
        .arg("--root")
        .arg(&root)
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0")
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "0")
        .run()?;
        Ok(ours)
    }

    fn is_this_version(&self, path: &PathBuf) -> bool {
        // Subcommands of cargo want their own name before the flag.
        let own_name = self
            .name
            .strip_prefix("cargo-")
            .filter(|name| *name == "llvm-cov");
        let version = Cmd::new(path).args(own_name).arg("--version").quiet();
        version.is_ok_and(|(text, good)| good && text.contains(self.version))
    }
}

/// Sees to it that programs are there, installing their Debian packages when this is root on Debian.
///
/// # Errors
/// Names what is missing and how to get it.
pub(crate) fn debian(programs: &[(&str, &str)]) -> Done {
    let missing: Vec<&str> = programs
        .iter()
        .filter(|(program, _)| find_program(program).is_none())
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let advice = format!(
        "missing: {0}; install them, on Debian: apt-get install {0}",
        missing.join(" ")
    );
    if !is_root() || which("apt-get").is_none() {
        return Err(advice);
    }
    let (_, updated) = Cmd::new("apt-get").args(["update", "--quiet"]).quiet()?;
    let install = Cmd::new("apt-get")
        .args(["install", "--yes", "--quiet", "--no-install-recommends"])
        .args(&missing)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .quiet();
    match install {
        Ok((_, true)) => Ok(()),
        Ok((text, false)) => Err(format!(
            "{advice} (apt-get said: {}; update: {updated})",
            last_line(&text)
        )),
        Err(error) => Err(format!("{advice} ({error})")),
    }
}

/// A program on the path or, for those that Debian hides, in its folder.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    which(name)
        .or_else(|| newest_in("/usr/lib/postgresql", name))
        .or_else(|| newest_in("/usr/lib", name))
}

/// The newest of a program that Debian keeps in several versions, before the one on the path.
pub(crate) fn find_newest(name: &str) -> Option<PathBuf> {
    newest_in("/usr/lib", name).or_else(|| which(name))
}

/// `folder/*/bin/name`, the highest version first.
fn newest_in(folder: &str, name: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(folder).ok()?;
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path().join("bin").join(name)))
        .filter(|p| p.is_file())
        .collect();
    found.sort();
    found.pop()
}

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    Cmd::new("id")
        .arg("-u")
        .quiet()
        .is_ok_and(|(text, _)| text.trim() == "0")
}

fn last_line(text: &str) -> &str {
    text.lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or_default()
}

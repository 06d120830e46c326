//! The web part: installed when its lock changed, built when its sources changed.

use std::path::{Path, PathBuf};

use crate::run::{Cmd, cargo, root, target, which};
use crate::stamp::{Stamp, hash_of};
use crate::{Done, Failure};

/// What is not a source of the built pages.
const NOT_SOURCES: [&str; 4] = ["node_modules", "dist", "e2e", "tests"];

fn web() -> PathBuf {
    root().join("web")
}

fn npm(arguments: &[&str]) -> Result<Cmd, Failure> {
    which("npm").ok_or("npm is not installed; the web part needs Node 20.19 or newer")?;
    Ok(Cmd::new("npm").args(arguments).folder(web()))
}

/// `npm ci`, unless the lock is the one that was installed last.
///
/// # Errors
/// When npm is missing or fails.
pub(crate) fn install() -> Done {
    let lock = web().join("package-lock.json");
    let stamp = Stamp::of("npm", hash_of([lock])?);
    if stamp.is_current() && web().join("node_modules").is_dir() {
        return Ok(());
    }
    npm(&["ci", "--no-audit", "--no-fund"])?.run()?;
    stamp.write()
}

/// Builds `web/dist`, unless it was built from these very sources. The catalogues are sources too.
///
/// # Errors
/// When npm is missing or the build fails.
pub(crate) fn build() -> Done {
    let mut sources = Vec::new();
    collect(&web(), &mut sources)?;
    collect(&root().join("locales"), &mut sources)?;
    let stamp = Stamp::of("web", hash_of(sources)?);
    if stamp.is_current() && web().join("dist/index.html").is_file() {
        return Ok(());
    }
    install()?;
    npm(&["run", "build"])?.run()?;
    stamp.write()
}

/// `npm run NAME`, showing what it prints.
///
/// # Errors
/// When npm is missing; a failing script is the `false` of the answer.
pub(crate) fn script(name: &str, variables: &[(&str, &str)]) -> Result<(Vec<String>, bool), Failure> {
    let run = npm(&["run", name])?;
    variables
        .iter()
        .fold(run, |run, (name, value)| run.env(name, value))
        .watch()
}

/// Writes the OpenAPI document of the server and the TypeScript types made from it; with `--check` it
/// only compares with what the tested binary says.
///
/// # Errors
/// When the server or npm fails, or when something differs under `--check`.
pub(crate) fn types(arguments: &[String]) -> Done {
    let check = match arguments {
        [] => false,
        [flag] if flag == "--check" => true,
        _ => return Err("only --check is understood".to_owned()),
    };
    let document = web().join("openapi.json");
    let served = if check {
        // The binary that the tests built: a run of its own would build parts of it again.
        Cmd::new(target().join("debug/studio")).arg("openapi").stdout()?
    } else {
        cargo([
            "run",
            "--quiet",
            "--locked",
            "--package",
            "studio",
            "--",
            "openapi",
        ])
        .stdout()?
    };
    if check {
        let known = std::fs::read(&document).map_err(|error| format!("{}: {error}", document.display()))?;
        return if known == served {
            Ok(())
        } else {
            Err("web/openapi.json differs from the server; run `cargo xtask types`".to_owned())
        };
    }
    std::fs::write(&document, served).map_err(|error| format!("{}: {error}", document.display()))?;
    install()?;
    npm(&["run", "types"])?.run()
}

/// Whether a committed OpenAPI document is there to be compared.
pub(crate) fn has_document() -> bool {
    web().join("openapi.json").is_file()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Done {
    let read = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(read)? {
        entries.push(entry.map_err(read)?.path());
    }
    entries.sort();
    for path in entries {
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        if NOT_SOURCES.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

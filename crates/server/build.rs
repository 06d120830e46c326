//! Embeds the web part that is there; never builds it (that is `cargo up` or `cargo xtask web`). A debug
//! build without it gets a page that says how to build it; a release build without it is refused.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, io};

const MISSING: &str = "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Secure AI Studio</title></head>\
<body><h1>The web part is not built</h1><p>Run <code>cargo xtask web</code> and build again. The API works: see <a href=\"/docs\">/docs</a>.</p></body></html>";

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a build script learns its paths from cargo's environment"
)]
fn run() -> Result<bool, Box<dyn std::error::Error>> {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?).join("web");
    let given = env::var_os("STUDIO_WEB_DIST").map(PathBuf::from);
    let dist = given.unwrap_or_else(|| here.join("../../web/dist"));
    println!("cargo::rerun-if-env-changed=STUDIO_WEB_DIST");
    println!("cargo::rerun-if-changed={}", dist.join("index.html").display());
    if out.exists() {
        fs::remove_dir_all(&out)?;
    }
    if dist.join("index.html").is_file() {
        copy(&dist, &out)?;
        return Ok(true);
    }
    if env::var("PROFILE")? == "release" {
        println!(
            "cargo::error=the web part is not built: run `cargo up` (builds and serves) or `cargo xtask build`"
        );
        return Ok(false);
    }
    fs::create_dir_all(&out)?;
    fs::write(out.join("index.html"), MISSING)?;
    Ok(false)
}

fn main() -> ExitCode {
    match run() {
        Ok(built) => {
            println!(
                "cargo::rustc-env=STUDIO_WEB={}",
                if built { "built" } else { "missing" }
            );
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("cargo::error=the web part could not be embedded: {error}");
            ExitCode::FAILURE
        }
    }
}

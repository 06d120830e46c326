//! `cargo xtask coverage`: the tests with coverage, on both databases.

use std::path::PathBuf;

use crate::install::{LLVM_COV, debian, find_newest};
use crate::postgres::Postgres;
use crate::run::{Cmd, cargo};
use crate::{Done, Failure};

/// Fakes and tools do not count.
const NOT_COUNTED: &str = "(crates/testkit|xtask|tests|examples)/";

/// Runs the tests and prints a table, then `lines NN.N %` as the last line.
///
/// # Errors
/// When a tool is missing or a test fails.
pub(crate) fn run(_: &[String]) -> Done {
    let (profdata, cov) = llvm_tools()?;
    LLVM_COV.find()?;
    let ours = [crate::foreign::programs(), crate::run::target().join("tools/bin")];
    let tools = |command: Cmd| {
        command
            .first_on_path(&ours)
            .env("LLVM_PROFDATA", &profdata)
            .env("LLVM_COV", &cov)
    };
    // `cargo llvm-cov test` leaves plain example programs unbuilt, and tests run some of them;
    // so the ordinary `cargo test` runs in the environment that the tool describes.
    let folder = crate::run::target().join("coverage");
    let described = tools(cargo(["llvm-cov", "show-env"])).env("CARGO_TARGET_DIR", &folder);
    let (described, good) = described.quiet()?;
    let described = if good { environment(&described) } else { Vec::new() };
    if described.is_empty() {
        return Err("cargo llvm-cov show-env described no environment".into());
    }
    let measured = |command: Cmd| {
        let command = tools(command).env("CARGO_TARGET_DIR", &folder);
        described
            .iter()
            .fold(command, |command, (name, value)| command.env(name, value))
    };
    measured(cargo(["llvm-cov", "clean", "--workspace", "--profraw-only"])).run()?;
    crate::foreign::install()?;
    let cluster = Postgres::start()?;
    let report = |rest: &[&str]| {
        measured(cargo(["llvm-cov", "report", "--ignore-filename-regex", NOT_COUNTED]).args(rest))
    };
    measured(cargo(["test", "--workspace", "--locked", "--no-fail-fast"]))
        .env("STUDIO_TEST_POSTGRES", cluster.url())
        .run()?;
    report(&["--summary-only"]).run()?;
    let (json, good) = report(&["--json", "--summary-only"]).quiet()?;
    let percent = line_percent(&json)
        .filter(|_| good)
        .ok_or("llvm-cov gave no totals")?;
    println!("lines {percent:.1} %");
    Ok(())
}

/// The oldest LLVM that reads the profiles which the pinned compiler writes.
const OLDEST_LLVM: u32 = 19;

/// `llvm-profdata` and `llvm-cov` of one LLVM that is new enough.
fn llvm_tools() -> Result<(PathBuf, PathBuf), Failure> {
    let pair = || {
        let both = (find_newest("llvm-profdata")?, find_newest("llvm-cov")?);
        let (said, _) = Cmd::new(&both.1).arg("--version").quiet().ok()?;
        (llvm_version(&said)? >= OLDEST_LLVM).then_some(both)
    };
    if let Some(found) = pair() {
        return Ok(found);
    }
    // By names that no path has: an older one may be there.
    debian(&[("llvm-profdata-19", "llvm-19")])?;
    pair().ok_or_else(|| {
        "llvm-profdata and llvm-cov of LLVM 19 or newer are missing; on Debian: apt-get install llvm-19"
            .to_owned()
    })
}

/// The number in `LLVM version 19.1.7`.
fn llvm_version(said: &str) -> Option<u32> {
    let number = &said[said.find("LLVM version ")? + "LLVM version ".len()..];
    number.split('.').next()?.trim().parse().ok()
}

/// The lines `NAME='value'` that `cargo llvm-cov show-env` prints.
fn environment(described: &str) -> Vec<(String, String)> {
    let pair = |line: &str| {
        let (name, value) = line.split_once('=')?;
        let value = value.trim();
        let bare = value.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
        Some((name.trim().to_owned(), bare.unwrap_or(value).to_owned()))
    };
    described.lines().filter_map(pair).collect()
}

/// `totals.lines.percent` of the report.
fn line_percent(json: &str) -> Option<f64> {
    let totals = &json[json.find("\"totals\"")?..];
    let lines = &totals[totals.find("\"lines\"")?..];
    let percent = &lines[lines.find("\"percent\":")? + "\"percent\":".len()..];
    percent[..percent.find(['}', ','])?].trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{environment, line_percent, llvm_version};

    #[test]
    fn the_described_environment_is_read() {
        let read = environment("A='b c'\nRUSTC_WRAPPER=/x/y\ninfo: nothing here\n");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(read, [pair("A", "b c"), pair("RUSTC_WRAPPER", "/x/y")]);
    }

    #[test]
    fn the_version_is_read() {
        assert_eq!(
            llvm_version("Debian LLVM version 19.1.7\n  Optimized build."),
            Some(19)
        );
        assert_eq!(llvm_version("llvm-cov: Unknown command!"), None);
    }

    #[test]
    fn the_total_is_found() {
        let json = r#"{"data":[{"files":[{"summary":{"lines":{"count":2,"covered":2,"percent":100}}}],
            "totals":{"functions":{"percent":50},"lines":{"count":8,"covered":7,"percent":87.5},"regions":{"percent":1}}}]}"#;
        assert_eq!(line_percent(json), Some(87.5));
        assert_eq!(line_percent("{}"), None);
    }
}

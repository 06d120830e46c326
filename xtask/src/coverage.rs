//! `cargo xtask coverage`: the tests with coverage, on both databases.

use std::path::PathBuf;

use crate::install::{LLVM_COV, debian, find_program};
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
    let path = crate::run::target().join("tools/bin");
    let tools = |command: Cmd| {
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(path.clone()).chain(std::env::split_paths(&inherited));
        let joined = std::env::join_paths(folders).unwrap_or(inherited.clone());
        command
            .env("PATH", joined)
            .env("LLVM_PROFDATA", &profdata)
            .env("LLVM_COV", &cov)
    };
    let cluster = Postgres::start()?;
    let report = |rest: &[&str]| {
        tools(cargo(["llvm-cov", "report", "--ignore-filename-regex", NOT_COUNTED]).args(rest))
    };
    tools(cargo([
        "llvm-cov",
        "--no-report",
        "--workspace",
        "--locked",
        "--no-fail-fast",
    ]))
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

/// `llvm-profdata` and `llvm-cov`: those of the toolchain find themselves, else Debian's.
fn llvm_tools() -> Result<(PathBuf, PathBuf), Failure> {
    let pair = || Some((find_program("llvm-profdata")?, find_program("llvm-cov")?));
    if let Some(found) = pair() {
        return Ok(found);
    }
    debian(&[("llvm-profdata", "llvm-19"), ("llvm-cov", "llvm-19")])?;
    pair().ok_or_else(|| {
        "llvm-profdata and llvm-cov are missing; on Debian: apt-get install llvm-19".to_owned()
    })
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
    use super::line_percent;

    #[test]
    fn the_total_is_found() {
        let json = r#"{"data":[{"files":[{"summary":{"lines":{"count":2,"covered":2,"percent":100}}}],
            "totals":{"functions":{"percent":50},"lines":{"count":8,"covered":7,"percent":87.5},"regions":{"percent":1}}}]}"#;
        assert_eq!(line_percent(json), Some(87.5));
        assert_eq!(line_percent("{}"), None);
    }
}

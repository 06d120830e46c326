//! What came out: a table of the stages and one line that counts.

use std::time::{Duration, Instant};

/// How a stage ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Everything in it held.
    Passed,
    /// Something did not.
    Failed(String),
    /// It could not be done here; the reason says what is missing.
    NotDone(String),
}

/// One finished stage.
pub(crate) struct Stage {
    pub(crate) name: &'static str,
    pub(crate) outcome: Outcome,
    pub(crate) seconds: f64,
    pub(crate) tests: Tests,
}

/// Tests that a stage ran.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tests {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) ignored: u64,
}

impl Tests {
    /// Adds up the `test result:` lines of cargo and the `Tests` lines of vitest.
    pub(crate) fn read(lines: &[String]) -> Self {
        let mut sum = Self::default();
        for line in lines {
            let line = plain(line);
            if let Some(result) = line.strip_prefix("test result: ") {
                sum.passed += before(result, " passed");
                sum.failed += before(result, " failed");
                sum.ignored += before(result, " ignored");
            } else if let Some(result) = line.trim_start().strip_prefix("Tests ") {
                sum.passed += before(result, " passed");
                sum.failed += before(result, " failed");
                sum.ignored += before(result, " skipped");
            }
        }
        sum
    }
}

/// The number in front of a word.
fn before(text: &str, word: &str) -> u64 {
    let Some(at) = text.find(word) else { return 0 };
    let digits = text[..at]
        .rsplit(|c: char| !c.is_ascii_digit())
        .next()
        .unwrap_or_default();
    digits.parse().unwrap_or(0)
}

/// A line without terminal colours.
fn plain(line: &str) -> String {
    let mut text = String::new();
    let mut escaped = false;
    for c in line.chars() {
        match (escaped, c) {
            (_, '\x1b') => escaped = true,
            (true, c) => escaped = !c.is_ascii_alphabetic(),
            (false, c) => text.push(c),
        }
    }
    text
}

/// Measures how long something takes.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed().as_secs_f64())
}

/// The table, then `N passed, N failed` alone on its line. A failed stage whose tests do not say so
/// counts as one failure.
pub(crate) fn table(stages: &[Stage]) -> String {
    let mut text = format!(
        "\n{:10} {:>8}  {:>7} {:>7} {:>7}  outcome\n",
        "stage", "seconds", "passed", "failed", "ignored"
    );
    let mut sum = Tests::default();
    for stage in stages {
        let Tests {
            passed,
            failed,
            ignored,
        } = stage.tests;
        let outcome = match &stage.outcome {
            Outcome::Passed => "passed".to_owned(),
            Outcome::Failed(why) => format!("FAILED: {why}"),
            Outcome::NotDone(why) => format!("NOT DONE: {why}"),
        };
        text.push_str(&format!(
            "{:10} {:8.1}  {passed:7} {failed:7} {ignored:7}  {outcome}\n",
            stage.name, stage.seconds
        ));
        sum.passed += passed.max(u64::from(stage.outcome == Outcome::Passed));
        sum.failed += failed.max(u64::from(matches!(stage.outcome, Outcome::Failed(_))));
    }
    let all: f64 = stages.iter().map(|stage| stage.seconds).sum();
    let minutes = Duration::from_secs_f64(all).as_secs() / 60;
    text.push_str(&format!("{:10} {all:8.1}  ({minutes} min)\n\n", "all"));
    text.push_str(&format!("{} passed, {} failed\n", sum.passed, sum.failed));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_added_up() {
        let lines = [
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s",
            "running 3 tests",
            "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out",
            "\x1b[2m      Tests \x1b[22m \x1b[1m\x1b[31m1 failed\x1b[39m\x1b[22m | \x1b[32m7 passed\x1b[39m (8)",
        ];
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        assert_eq!(
            Tests::read(&lines),
            Tests {
                passed: 20,
                failed: 3,
                ignored: 1
            }
        );
    }

    #[test]
    fn the_last_line_counts_stages_without_tests_too() {
        let stage = |name, outcome, passed| Stage {
            name,
            outcome,
            seconds: 1.0,
            tests: Tests {
                passed,
                failed: 0,
                ignored: 0,
            },
        };
        let stages = [
            stage("format", Outcome::Passed, 0),
            stage("tests", Outcome::Passed, 40),
            stage("docs", Outcome::Failed("broken link".into()), 0),
            stage("deny", Outcome::NotDone("no cargo-deny".into()), 0),
        ];
        let text = table(&stages);
        assert!(text.ends_with("\n41 passed, 1 failed\n"), "{text}");
        assert!(text.contains("NOT DONE: no cargo-deny"));
    }
}

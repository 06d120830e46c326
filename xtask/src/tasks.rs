//! Every task on one page.

use crate::report::Tests;
use crate::run::{Cmd, cargo, number_flag};
use crate::{Done, coverage, stages, web};

/// A task of the repository.
pub(crate) struct Task {
    /// What is typed after `cargo xtask`.
    pub(crate) name: &'static str,
    /// Its arguments and what it does.
    pub(crate) summary: &'static str,
    /// Does it.
    pub(crate) run: fn(&[String]) -> Done,
}

/// The tasks. `cargo up` and `cargo demo` are aliases in `.cargo/config.toml`.
pub(crate) const TASKS: &[Task] = &[
    Task {
        name: "up",
        summary: "[ARG...]       build web and server, then `studio serve ARG...`",
        run: up,
    },
    Task {
        name: "demo",
        summary: "[ARG...]       build, then the whole journey in one process",
        run: demo,
    },
    Task {
        name: "build",
        summary: "               release binary with the web part in it",
        run: build,
    },
    Task {
        name: "web",
        summary: "               build the web part when its sources changed",
        run: |_| web::build(),
    },
    Task {
        name: "test",
        summary: "[STAGE...]     install what is missing, then every check and test",
        run: stages::test,
    },
    Task {
        name: "foreign",
        summary: "               install the independent programs that tests call",
        run: |_| crate::foreign::install(),
    },
    Task {
        name: "types",
        summary: "[--check]      types of the web part from the OpenAPI document",
        run: web::types,
    },
    Task {
        name: "coverage",
        summary: "               tests with coverage; last line `lines NN.N %`",
        run: coverage::run,
    },
    Task {
        name: "sim",
        summary: "--seeds N      seeded simulation of the generation machine",
        run: sim,
    },
    Task {
        name: "chaos",
        summary: "--kills N      kill -9 loop on the real binary",
        run: chaos,
    },
    Task {
        name: "bench",
        summary: "[AREA]         measurements, printed and not asserted",
        run: bench,
    },
    Task {
        name: "load",
        summary: "--profile NAME closed-loop load: smoke, load, stress, spike or soak",
        run: load,
    },
];

/// The page that is shown for no task or an unknown one.
pub(crate) fn usage(asked: &str) -> String {
    let mut text = match asked {
        "" | "help" | "--help" => String::new(),
        other => format!("There is no task {other}.\n\n"),
    };
    text.push_str("cargo xtask TASK\n\n");
    for task in TASKS {
        text.push_str(&format!("  {:9} {}\n", task.name, task.summary));
    }
    text.push_str(&format!("\nStages of `test`: {}\n", stages::names().join(", ")));
    text
}

fn up(arguments: &[String]) -> Done {
    web::build()?;
    cargo([
        "run",
        "--release",
        "--locked",
        "--package",
        "studio",
        "--",
        "serve",
    ])
    .args(arguments)
    .replace()
}

fn demo(arguments: &[String]) -> Done {
    web::build()?;
    cargo([
        "run",
        "--release",
        "--locked",
        "--package",
        "studio",
        "--",
        "demo",
    ])
    .args(arguments)
    .replace()
}

fn build(_: &[String]) -> Done {
    web::build()?;
    cargo(["build", "--release", "--locked", "--package", "studio"]).run()
}

/// The simulation is a test of the crate `testkit`; the number of seeds reaches it through the environment.
fn sim(arguments: &[String]) -> Done {
    let seeds = number_flag(arguments, "--seeds", 100_000)?;
    let tests = tests_of("studio-testkit", &["--release"], "simulation");
    at_least_one(tests.env("STUDIO_SIM_SEEDS", seeds))
}

/// The kill loop is a test of the crate `studio`, because it needs the binary: the one with every check of
/// the development profile in it.
fn chaos(arguments: &[String]) -> Done {
    let kills = number_flag(arguments, "--kills", 300)?;
    at_least_one(tests_of("studio", &[], "chaos").env("STUDIO_TEST_KILLS", kills))
}

fn tests_of(package: &str, profile: &[&str], filter: &str) -> Cmd {
    cargo(["test", "--locked", "--package", package, "--test", "it"])
        .args(profile)
        .args(["--", "--nocapture", filter])
}

/// A filter that selects nothing is a mistake, and cargo does not say so.
fn at_least_one(tests: Cmd) -> Done {
    let (lines, good) = tests.watch()?;
    judged(&lines, good)
}

fn judged(lines: &[String], good: bool) -> Done {
    match (good, Tests::read(lines).passed) {
        (false, _) => Err("see above".to_owned()),
        (true, 0) => Err("no test has this name".to_owned()),
        (true, _) => Ok(()),
    }
}

/// Measurements of the release binary, which wants the web part.
fn bench(arguments: &[String]) -> Done {
    web::build()?;
    measurements().args(arguments).run()
}

/// Closed-loop load on the release binary.
fn load(arguments: &[String]) -> Done {
    web::build()?;
    match arguments {
        [] => measurements().args(["--profile", "smoke"]).run(),
        [flag, name] if flag == "--profile" => measurements().args(["--profile", name]).run(),
        _ => Err("only --profile NAME is understood".to_owned()),
    }
}

fn measurements() -> Cmd {
    cargo([
        "bench",
        "--locked",
        "--package",
        "studio",
        "--bench",
        "load",
        "--",
    ])
}

#[cfg(test)]
mod tests {
    use super::judged;

    #[test]
    fn success_without_a_single_test_is_a_failure() {
        let ran = |passed: u64| vec![format!("test result: ok. {passed} passed; 0 failed; 0 ignored")];
        assert_eq!(judged(&ran(2), true), Ok(()));
        assert!(judged(&ran(0), true).is_err() && judged(&[], true).is_err());
        assert!(judged(&ran(2), false).is_err());
    }
}

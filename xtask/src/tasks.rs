//! Every task on one page.

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

/// The simulation is a test of the crate `app`; the number of seeds reaches it through the environment.
fn sim(arguments: &[String]) -> Done {
    let seeds = number_flag(arguments, "--seeds", 100_000)?;
    tests_named("studio-app", "simulation")
        .env("STUDIO_TEST_SEEDS", seeds)
        .run()
}

/// The kill loop is a test of the crate `studio`, because it needs the binary.
fn chaos(arguments: &[String]) -> Done {
    let kills = number_flag(arguments, "--kills", 300)?;
    tests_named("studio", "chaos")
        .env("STUDIO_TEST_KILLS", kills)
        .run()
}

fn tests_named(package: &str, filter: &str) -> Cmd {
    cargo([
        "test",
        "--release",
        "--locked",
        "--package",
        package,
        "--test",
        "it",
        "--",
        "--nocapture",
        filter,
    ])
}

fn bench(arguments: &[String]) -> Done {
    cargo(["bench", "--locked", "--workspace", "--benches", "--"])
        .args(arguments)
        .run()
}

//! `cargo xtask test`: every check and test, one stage after the other, with a table at the end.
//!
//! A stage that cannot be done on this machine says so loudly; with `CI=true` it fails.

use crate::install::{DENY, MDBOOK, debian};
use crate::postgres::Postgres;
use crate::report::{Outcome, Stage, Tests, table, timed};
use crate::run::{Cmd, cargo, must_be_complete, root};
use crate::studio::{self, Studio};
use crate::{Done, Failure, foreign, web};

/// What a stage gives back.
type Ran = Result<Tests, Problem>;

/// Why a stage did not pass.
enum Problem {
    Failed(Failure, Tests),
    Missing(Failure),
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure, Tests::default())
    }
}

/// The name of a stage and what it does.
type Step = (&'static str, fn() -> Ran);

/// The stages in their order: what is quick and often wrong first. The web part comes before the server,
/// which embeds it.
const STAGES: [Step; 9] = [
    ("format", format),
    ("web", web_part),
    ("clippy", clippy),
    ("deny", deny),
    ("sqlite", sqlite),
    ("postgres", postgres),
    ("types", types),
    ("browser", browser),
    ("docs", docs),
];

/// The names of the stages.
pub(crate) fn names() -> Vec<&'static str> {
    STAGES.iter().map(|(name, _)| *name).collect()
}

/// Runs all stages, or those that are named.
///
/// # Errors
/// When a stage failed, or could not be done where it must be.
pub(crate) fn test(arguments: &[String]) -> Done {
    if let Some(unknown) = arguments.iter().find(|name| !names().contains(&name.as_str())) {
        return Err(format!(
            "there is no stage {unknown}; stages: {}",
            names().join(", ")
        ));
    }
    let mut stages = Vec::new();
    for (name, run) in STAGES {
        if !arguments.is_empty() && !arguments.iter().any(|asked| asked == name) {
            continue;
        }
        println!("\n==== {name}");
        let (result, seconds) = timed(run);
        let (outcome, tests) = match result {
            Ok(tests) => (Outcome::Passed, tests),
            Err(Problem::Failed(why, tests)) => (Outcome::Failed(why), tests),
            Err(Problem::Missing(why)) if must_be_complete() => (Outcome::Failed(why), Tests::default()),
            Err(Problem::Missing(why)) => (Outcome::NotDone(why), Tests::default()),
        };
        if let Outcome::Failed(why) | Outcome::NotDone(why) = &outcome {
            println!("\n!!!! {name}: {why}\n");
        }
        stages.push(Stage {
            name,
            outcome,
            seconds,
            tests,
        });
    }
    print!("{}", table(&stages));
    let failed = stages
        .iter()
        .filter(|stage| matches!(stage.outcome, Outcome::Failed(_)))
        .count();
    if failed == 0 {
        Ok(())
    } else {
        Err(format!("{failed} of {} stages failed", stages.len()))
    }
}

fn format() -> Ran {
    cargo(["fmt", "--all", "--check"]).run()?;
    Ok(Tests::default())
}

fn clippy() -> Ran {
    cargo([
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "--deny",
        "warnings",
    ])
    .run()?;
    Ok(Tests::default())
}

/// Licences, bans and sources always; advisories when their database can be had.
fn deny() -> Ran {
    let deny = DENY.find().map_err(Problem::Missing)?;
    let check = |what: &[&str]| Cmd::new(&deny).args(["--locked", "check"]).args(what);
    check(&["bans", "licenses", "sources"]).run()?;
    let (text, good) = check(&["advisories"]).quiet()?;
    if good {
        println!("advisories ok");
    } else if text.contains("failed to fetch advisory database") {
        println!("\n!!!! ADVISORIES NOT CHECKED: the advisory database cannot be reached from here\n");
    } else {
        println!("{text}");
        return Err(Problem::from(
            "a dependency has an advisory against it".to_owned(),
        ));
    }
    Ok(Tests::default())
}

/// Everything but the tests that want a Postgres.
fn sqlite() -> Ran {
    debian(&[
        ("ffprobe", "ffmpeg"),
        ("oathtool", "oathtool"),
        ("argon2", "argon2"),
    ])
    .map_err(Problem::Missing)?;
    foreign::install().map_err(Problem::Missing)?;
    let tests = cargo([
        "test",
        "--workspace",
        "--locked",
        "--no-fail-fast",
        "--",
        "--skip",
        "postgres",
    ]);
    counted(tests.first_on_path(&[foreign::programs()]))
}

/// The tests that are called so, with a Postgres of our own.
fn postgres() -> Ran {
    foreign::install().map_err(Problem::Missing)?;
    let cluster = Postgres::start().map_err(Problem::Missing)?;
    let tests = cargo([
        "test",
        "--workspace",
        "--locked",
        "--no-fail-fast",
        "--tests",
        "--",
        "postgres",
    ]);
    let ran = counted(
        tests
            .first_on_path(&[foreign::programs()])
            .env("STUDIO_TEST_POSTGRES", cluster.url()),
    )?;
    if ran.passed == 0 {
        return Err(Problem::from("no test is called postgres".to_owned()));
    }
    Ok(ran)
}

fn web_part() -> Ran {
    web::install().map_err(Problem::Missing)?;
    let checked = scripted(web::script("check", &[]))?;
    web::build()?;
    let sized = scripted(web::script("size", &[]))?;
    Ok(sum(checked, sized))
}

/// The committed OpenAPI document is the one that the server gives.
fn types() -> Ran {
    if !web::has_document() {
        return Err(Problem::Failed(
            "web/openapi.json is not there; run `cargo xtask types`".to_owned(),
            Tests::default(),
        ));
    }
    web::types(&["--check".to_owned()])?;
    Ok(Tests::default())
}

/// Whole journeys in Chromium: first against the simulated server, then against the real binary.
fn browser() -> Ran {
    debian(&[("chromium", "chromium")]).map_err(Problem::Missing)?;
    web::install().map_err(Problem::Missing)?;
    let simulated = scripted(web::script("e2e", &[]))?;
    let studio = Studio::start()?;
    let surroundings = [
        ("STUDIO_URL", studio.url()),
        ("STUDIO_EMAIL", studio::EMAIL.to_owned()),
        ("STUDIO_PASSWORD", studio::PASSWORD.to_owned()),
    ];
    let surroundings = surroundings
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let real = scripted(web::script("e2e", &surroundings))?;
    Ok(sum(simulated, real))
}

fn docs() -> Ran {
    cargo([
        "doc",
        "--workspace",
        "--no-deps",
        "--document-private-items",
        "--locked",
        "--quiet",
    ])
    // Private items are in this documentation, so links to them hold.
    .env("RUSTDOCFLAGS", "--deny warnings --allow rustdoc::private_intra_doc_links")
    .run()?;
    let mdbook = MDBOOK.find().map_err(Problem::Missing)?;
    Cmd::new(mdbook).args(["build", "docs"]).folder(root()).run()?;
    Ok(Tests::default())
}

fn counted(tests: Cmd) -> Ran {
    scripted(tests.watch())
}

fn scripted(ran: Result<(Vec<String>, bool), Failure>) -> Ran {
    let (lines, good) = ran?;
    let tests = Tests::read(&lines);
    if good {
        Ok(tests)
    } else {
        Err(Problem::Failed("see above".to_owned(), tests))
    }
}

fn sum(one: Tests, other: Tests) -> Tests {
    Tests {
        passed: one.passed + other.passed,
        failed: one.failed + other.failed,
        ignored: one.ignored + other.ignored,
    }
}

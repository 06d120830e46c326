//! Tasks of the repository: `cargo up`, `cargo demo`, `cargo xtask test` and the rest of [`tasks`].
//!
//! Depends on the standard library only, so that it is built in seconds on a fresh machine.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool of the command line"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "a tool of the command line reads its environment"
)]

mod coverage;
mod foreign;
mod install;
mod postgres;
mod report;
mod run;
mod stages;
mod stamp;
mod studio;
mod tasks;
mod web;

use std::process::ExitCode;

/// Why a task ended: one line for the person who started it.
type Failure = String;
type Done = Result<(), Failure>;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let Some(task) = tasks::TASKS.iter().find(|task| task.name == name) else {
        eprint!("{}", tasks::usage(&name));
        return ExitCode::from(if matches!(name.as_str(), "" | "help" | "--help") {
            0
        } else {
            2
        });
    };
    match (task.run)(&rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask {name}: {failure}");
            ExitCode::FAILURE
        }
    }
}

//! The engine's worker process alone, as the studio's hidden subcommand runs it.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(engine::worker::run(std::io::stdin(), std::io::stdout()))
}

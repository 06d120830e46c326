//! The media worker as a program of its own: what the tests start as the child.

use std::io::{stdin, stdout};
use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(media::worker::run(stdin().lock(), stdout().lock()))
}

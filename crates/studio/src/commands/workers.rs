//! The hidden commands: children of this binary that draw and decode.

use std::io::Write;
use std::process::ExitCode;

use super::written;
use crate::failure::Failure;

/// The engine's child: speaks with its parent over standard input and output.
pub(super) fn engine() -> ExitCode {
    ExitCode::from(engine::worker::run(std::io::stdin(), std::io::stdout()))
}

/// The media child.
pub(super) fn media() -> ExitCode {
    ExitCode::from(media::worker::run(std::io::stdin(), std::io::stdout()))
}

/// Prints the API description.
pub(super) fn openapi(out: &mut impl Write) -> Result<(), Failure> {
    written(writeln!(out, "{}", server::openapi::json()))
}

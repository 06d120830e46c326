//! `studio config show|schema`.

use std::io::Write;

use clap::Subcommand;

use super::{Surroundings, written};
use crate::config::{Loaded, schema};
use crate::failure::Failure;

/// `studio config …`
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Prints every effective setting; secrets show as (set).
    Show {
        /// Also say where each value comes from.
        #[arg(long)]
        origin: bool,
    },
    /// Prints the JSON Schema of studio.toml.
    Schema,
}

pub(super) fn run(command: &Command, around: &Surroundings, out: &mut impl Write) -> Result<(), Failure> {
    match command {
        Command::Show { origin } => {
            let loaded = around.configuration()?;
            for warning in &loaded.warnings {
                written(writeln!(std::io::stderr(), "studio: warning: {warning}"))?;
            }
            written(show(&loaded, *origin, out))
        }
        Command::Schema => written(writeln!(out, "{:#}", schema())),
    }
}

fn show(loaded: &Loaded, origin: bool, out: &mut impl Write) -> std::io::Result<()> {
    let line = |key: &str, value: &str| format!("{key} = {value}");
    let width = loaded
        .settings
        .iter()
        .map(|s| line(&s.key, &s.shown).chars().count())
        .max()
        .unwrap_or(0);
    for setting in &loaded.settings {
        let line = line(&setting.key, &setting.shown);
        if origin {
            writeln!(out, "{line:width$}  # {}", setting.origin)?;
        } else {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

//! `studio migrate plan|apply|status`.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Surroundings, runtime, written};
use crate::datadir::DataDir;
use crate::failure::{Exit, Failure};
use crate::wiring;

/// `studio migrate`
#[derive(Debug, Args)]
pub(super) struct Command {
    /// Data directory.
    #[arg(long, value_name = "DIR", default_value = super::DEFAULT_DATA, global = true)]
    data: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Prints the SQL that `apply` would run.
    Plan,
    /// Brings the schema up to date.
    Apply,
    /// Says what the schema has and lacks; exit 1 if it lacks something.
    Status,
}

pub(super) fn run(command: &Command, around: &Surroundings, out: &mut impl Write) -> Result<(), Failure> {
    let loaded = around.configuration()?;
    runtime()?.block_on(async {
        let data = DataDir::open(&command.data)?;
        let db = wiring::database(&loaded.config, &data).await?;
        let told = |error: store::Error| {
            let advice = "a newer schema needs the newer program; a changed one is a matter for its backup";
            Failure::new(Exit::Unavailable, "database.schema", error.to_string(), advice)
        };
        match command.what {
            What::Plan => {
                for (name, sql) in store::migrate::plan(&db).await.map_err(told)? {
                    written(writeln!(out, "-- {name}\n{sql}"))?;
                }
                Ok(())
            }
            What::Apply => {
                let applied = wiring::migrate(&db).await?;
                for name in &applied {
                    written(writeln!(out, "applied {name}"))?;
                }
                if applied.is_empty() {
                    written(writeln!(out, "nothing to do"))?;
                }
                Ok(())
            }
            What::Status => {
                let status = store::migrate::status(&db).await.map_err(told)?;
                for applied in &status.applied {
                    written(writeln!(
                        out,
                        "applied  {} {}",
                        applied.name,
                        &applied.checksum[..12]
                    ))?;
                }
                for pending in &status.pending {
                    written(writeln!(out, "pending  {}", pending.name))?;
                }
                if status.pending.is_empty() {
                    return Ok(());
                }
                let what = format!("{} migrations are pending", status.pending.len());
                Err(Failure::new(
                    Exit::No,
                    "database.pending",
                    what,
                    "run `studio migrate apply`",
                ))
            }
        }
    })
}

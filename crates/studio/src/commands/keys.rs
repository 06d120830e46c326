//! `studio keys rotate|status`: the keys that sign access tokens.

use std::io::Write;
use std::path::PathBuf;

use app::identity::{KeyStatus, TokenKeyError};
use clap::{Args, Subcommand};
use domain::actor::Actor;
use domain::time::Time;

use super::{Surroundings, runtime, written};
use crate::datadir::DataDir;
use crate::failure::{Exit, Failure};
use crate::wiring;

/// `studio keys`
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
    /// Has the announced key sign access tokens, a day after it was announced at the earliest.
    Rotate {
        /// At once, and what the present key signed is void: for a key that somebody else may have.
        /// Everybody gets new tokens by refreshing.
        #[arg(long)]
        now: bool,
    },
    /// Shows the keys and from when to when each signs.
    Status,
}

pub(super) fn run(command: &Command, around: &Surroundings, out: &mut impl Write) -> Result<(), Failure> {
    let loaded = around.configuration()?;
    runtime()?.block_on(async {
        let data = DataDir::open(&command.data)?;
        let studio = wiring::studio(&loaded.config, &data).await?;
        let keys = match command.what {
            What::Rotate { now } => studio.rotate_token_keys(&Actor::local(), now).await,
            What::Status => studio.token_key_status().await,
        };
        for key in keys.map_err(|error| failed(&error))? {
            written(writeln!(out, "{}", line(&key)))?;
        }
        studio.db().close().await;
        Ok(())
    })
}

fn line(key: &KeyStatus) -> String {
    let or_open = |time: Option<Time>| time.map_or_else(|| "-".to_owned(), |time| time.to_string());
    format!(
        "{:<9}  {}  made {}  signs from {} until {}",
        key.stage.as_str(),
        key.kid,
        key.created_at,
        or_open(key.signs_from),
        or_open(key.signs_until),
    )
}

fn failed(error: &TokenKeyError) -> Failure {
    let (exit, id) = match error {
        TokenKeyError::Scheduled(_) => (Exit::No, "keys.scheduled"),
        TokenKeyError::Store(_) | TokenKeyError::Key(_) => (Exit::Unavailable, "keys.unavailable"),
    };
    Failure::new(exit, id, error.to_string(), "run `studio keys status`")
}

//! `studio audit verify|export|prove`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use app::audit::{self, LogError, LogKey};
use clap::Subcommand;
use domain::id::AuditId;
use store::Db;
use tlog::{Finding, Report, VerifierKey};

use super::{Surroundings, runtime, written};
use crate::datadir::DataDir;
use crate::failure::{Exit, Failure};
use crate::wiring;

/// `studio audit …`
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Verifies an exported folder with nothing else, or the live log of a data directory.
    Verify {
        /// An exported folder.
        #[arg(required_unless_present = "data")]
        folder: Option<PathBuf>,
        /// A data directory, to verify its live log.
        #[arg(long, value_name = "DIR", conflicts_with = "folder")]
        data: Option<PathBuf>,
        /// The log's key from a trusted place; without it the folder's own is used.
        #[arg(long, value_name = "VKEY")]
        key: Option<String>,
    },
    /// Writes tiles, entries, checkpoint and key into a folder that anybody can verify.
    Export {
        /// Data directory.
        #[arg(long, value_name = "DIR", default_value = super::DEFAULT_DATA)]
        data: PathBuf,
        /// The folder.
        #[arg(short = 'o', long = "out", value_name = "DIR")]
        output: PathBuf,
    },
    /// Prints the proof that one entry is in the log (c2sp.org/tlog-proof).
    Prove {
        /// The entry: aud_…
        id: String,
        /// Data directory.
        #[arg(long, value_name = "DIR", default_value = super::DEFAULT_DATA)]
        data: PathBuf,
    },
}

pub(super) fn run(command: &Command, around: &Surroundings, out: &mut impl Write) -> Result<(), Failure> {
    match command {
        Command::Verify {
            folder: Some(folder),
            key,
            ..
        } => verify_folder(folder, key.as_deref(), out),
        Command::Verify { data, .. } => {
            let data = data.clone().unwrap_or_else(|| PathBuf::from(super::DEFAULT_DATA));
            runtime()?.block_on(async {
                let (db, key, _dir) = open(around, &data).await?;
                let checked = audit::verify_live(&db, &key)
                    .await
                    .map_err(|error| failed(&error))?;
                say(checked, out)
            })
        }
        Command::Export { data, output } => runtime()?.block_on(async {
            let (db, key, _dir) = open(around, data).await?;
            let files = audit::export(&db, &key, output)
                .await
                .map_err(|error| failed(&error))?;
            written(writeln!(out, "{files} files in {}", output.display()))?;
            written(writeln!(out, "key: {}", key.verifier()))
        }),
        Command::Prove { id, data } => {
            let id: AuditId = id.parse().map_err(|_| {
                Failure::new(
                    Exit::Usage,
                    "audit.id",
                    "an audit id begins with `aud_`",
                    "see the entries of an export",
                )
            })?;
            runtime()?.block_on(async {
                let (db, _, _dir) = open(around, data).await?;
                let (entry, proof) = audit::prove(&db, id).await.map_err(|error| failed(&error))?;
                written(writeln!(out, "{}", String::from_utf8_lossy(&entry)))?;
                written(write!(out, "{}", proof.to_text()))
            })
        }
    }
}

async fn open(around: &Surroundings, data: &Path) -> Result<(Db, LogKey, DataDir), Failure> {
    let loaded = around.configuration()?;
    let dir = DataDir::open(data)?;
    let keys = wiring::keys(&dir)?;
    let db = wiring::database(&loaded.config, &dir).await?;
    let key = LogKey::new(wiring::LOG_ORIGIN, Arc::clone(&keys)).map_err(|error| failed(&error))?;
    Ok((db, key, dir))
}

fn failed(error: &LogError) -> Failure {
    let exit = match error {
        LogError::NoEntry(_) => Exit::No,
        LogError::Empty => Exit::NotConfigured,
        LogError::Store(_)
        | LogError::Tile(_)
        | LogError::Proof(_)
        | LogError::Checkpoint(_)
        | LogError::Bundle(_)
        | LogError::Key(_)
        | LogError::Name(_)
        | LogError::File { .. } => Exit::Unavailable,
    };
    Failure::new(exit, "audit.failed", error.to_string(), "run `studio doctor`")
}

fn verify_folder(folder: &Path, key: Option<&str>, out: &mut impl Write) -> Result<(), Failure> {
    let key = match key {
        None => None,
        Some(text) => Some(VerifierKey::parse(text).map_err(|error| {
            Failure::new(
                Exit::Usage,
                "audit.key",
                error.to_string(),
                "give the line of log.vkey from a trusted place",
            )
        })?),
    };
    say(audit::verify_export(folder, key.as_ref()), out)
}

fn say(checked: Result<Report, Finding>, out: &mut impl Write) -> Result<(), Failure> {
    match checked {
        Ok(report) => {
            written(writeln!(
                out,
                "intact: {} entries of {}",
                report.size, report.origin
            ))?;
            written(writeln!(out, "root: {}", report.root.to_base64()))?;
            if report.key_was_given {
                written(writeln!(out, "signed by the key that was given"))
            } else {
                written(writeln!(
                    out,
                    "signed by the folder's own key {}: compare it with one you trust",
                    report.key
                ))
            }
        }
        Err(finding) => {
            let advice = "keep this copy; what is before the first fault can still be proved";
            Err(Failure::new(
                Exit::No,
                "audit.changed",
                format!("not intact: {finding}"),
                advice,
            ))
        }
    }
}

//! `studio user create|list|disable|reset|breach-list`: accounts, looked after at the machine itself.
//! Whoever can read the keys of the data directory needs no password.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use app::Studio;
use app::identity::accounts::PasswordError;
use app::identity::machine::{LocalAccount, MachineError};
use app::outside::{ListError, build_breach_list};
use clap::{Args, Subcommand};
use domain::id::WorkspaceId;
use domain::identity::Role;
use secrecy::SecretString;
use zeroize::Zeroizing;

use super::{Surroundings, runtime, written};
use crate::config::Config;
use crate::datadir::DataDir;
use crate::failure::{Exit, Failure};
use crate::wiring;

/// The most bytes that are read as a password from standard input.
const MAX_PASSWORD_INPUT: u64 = 4096;

/// `studio user ...`
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Makes an account. Without --password-stdin it prints a link with which its owner chooses a password.
    Create {
        #[command(flatten)]
        place: Place,
        /// The e-mail address.
        #[arg(long)]
        email: String,
        /// The role in the installation and in the workspace: user, operator, finance, dpo, auditor, admin.
        #[arg(long, default_value = "user")]
        role: Role,
        /// Reads the password from standard input, up to the end of the line.
        #[arg(long)]
        password_stdin: bool,
        /// What the person is called; without it, what stands before the @.
        #[arg(long)]
        name: Option<String>,
        /// The workspace; without it the first one.
        #[arg(long, value_name = "ID")]
        workspace: Option<WorkspaceId>,
    },
    /// Shows the accounts.
    List {
        #[command(flatten)]
        place: Place,
    },
    /// Closes an account and ends its sessions.
    Disable {
        #[command(flatten)]
        place: Place,
        /// The e-mail address.
        #[arg(long)]
        email: String,
    },
    /// Prints a link with which the owner of an account chooses a new password.
    Reset {
        #[command(flatten)]
        place: Place,
        /// The e-mail address.
        #[arg(long)]
        email: String,
    },
    /// Makes a list of breached passwords for `auth.breach_list` from a file of lines: passwords, or SHA-1
    /// digests with or without counts, as the public lists have them.
    BreachList {
        /// The file of lines.
        file: PathBuf,
        /// Where the list is put.
        #[arg(long, short, value_name = "FILE", default_value = "breached.words")]
        output: PathBuf,
    },
}

/// Where the accounts are.
#[derive(Debug, Args)]
pub(super) struct Place {
    /// Data directory.
    #[arg(long, value_name = "DIR", default_value = super::DEFAULT_DATA)]
    data: PathBuf,
}

pub(super) fn run(command: &Command, around: &Surroundings, out: &mut impl Write) -> Result<(), Failure> {
    match command {
        Command::Create {
            place,
            email,
            role,
            password_stdin,
            name,
            workspace,
        } => {
            let password = password_stdin.then(password_of_input).transpose()?;
            let new = LocalAccount {
                email: email.clone(),
                name: name.clone(),
                role: *role,
                workspace: *workspace,
                password,
            };
            with_studio(place, around, async |studio, config| {
                let id = studio
                    .create_local_account(&new)
                    .await
                    .map_err(|error| failed(&error))?;
                written(writeln!(out, "{id}"))?;
                if new.password.is_none() {
                    return print_link(&studio, config, &new.email, out).await;
                }
                Ok(())
            })
        }
        Command::List { place } => with_studio(place, around, async |studio, _| {
            let accounts = studio.local_accounts().await.map_err(|error| failed(&error))?;
            for account in accounts {
                written(writeln!(
                    out,
                    "{}  {}  {}  {}  {}  made: {}",
                    account.id,
                    account.texts.email.expose(),
                    account.role,
                    account.state,
                    account.texts.name.expose(),
                    account.created_at,
                ))?;
            }
            Ok(())
        }),
        Command::Disable { place, email } => with_studio(place, around, async |studio, _| {
            let disabled = studio.disable_local_account(email).await;
            let id = disabled.map_err(|error| failed(&error))?;
            written(writeln!(out, "{id} is closed; its sessions are over"))
        }),
        Command::Reset { place, email } => with_studio(place, around, async |studio, config| {
            print_link(&studio, config, email, out).await
        }),
        Command::BreachList { file, output } => {
            let built = build_breach_list(file, output).map_err(|error| not_built(&error))?;
            written(writeln!(
                out,
                "{} passwords in {} ({} lines left out); set auth.breach_list to it",
                built.words,
                output.display(),
                built.left_out,
            ))
        }
    }
}

/// One line of standard input, without its end.
fn password_of_input() -> Result<SecretString, Failure> {
    let unreadable = |what: &str| {
        Failure::new(
            Exit::Usage,
            "user.password_input",
            format!("no password on standard input: {what}"),
            "pipe one line of text into the command",
        )
    };
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    std::io::stdin()
        .take(MAX_PASSWORD_INPUT)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(&error.to_string()))?;
    let text = std::str::from_utf8(&bytes).map_err(|_| unreadable("it is not UTF-8"))?;
    let line = text.split(['\n', '\r']).next().unwrap_or("");
    if line.is_empty() {
        return Err(unreadable("it is empty"));
    }
    Ok(SecretString::from(line))
}

async fn print_link(
    studio: &Studio,
    config: &Config,
    email: &str,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let path = studio
        .local_reset_link(email)
        .await
        .map_err(|error| failed(&error))?;
    let origin = match &config.server.public_url {
        Some(url) => url.as_str().trim_end_matches('/').to_owned(),
        None => format!("http://localhost:{}", config.server.listen.port()),
    };
    written(writeln!(out, "{origin}{path}"))
}

fn with_studio(
    place: &Place,
    around: &Surroundings,
    work: impl AsyncFnOnce(Arc<Studio>, &Config) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let loaded = around.configuration()?;
    runtime()?.block_on(async {
        let data = DataDir::open(&place.data).map_err(|failure| {
            if failure.id == "data.in_use" {
                let advice = "a running studio looks after its accounts itself: use its page for people, \
                              or end it first";
                Failure::new(Exit::Unavailable, "data.in_use", failure.what, advice)
            } else {
                failure
            }
        })?;
        let studio = wiring::studio(&loaded.config, &data).await?;
        let done = work(Arc::clone(&studio), &loaded.config).await;
        studio.db().close().await;
        done
    })
}

fn failed(error: &MachineError) -> Failure {
    let see = "see `studio user list`";
    let (exit, id, advice) = match error {
        MachineError::Exists => (Exit::No, "user.exists", see),
        MachineError::NotFound => (Exit::No, "user.none", see),
        MachineError::LastAdministrator => (Exit::Refused, "user.last_administrator", see),
        MachineError::NoWorkspace => (
            Exit::No,
            "user.no_workspace",
            "leave --workspace out for the first one",
        ),
        MachineError::Personal(_) => (Exit::Usage, "user.invalid", "see `studio user create --help`"),
        MachineError::Password(PasswordError::Form(_) | PasswordError::Weak(_)) => (
            Exit::Refused,
            "user.password",
            "choose another, or leave --password-stdin out for a link",
        ),
        MachineError::Password(PasswordError::List(_) | PasswordError::Hash(_))
        | MachineError::Account(_)
        | MachineError::Store(_)
        | MachineError::Key(_) => (Exit::Unavailable, "user.failed", "run `studio doctor`"),
    };
    Failure::new(exit, id, error.to_string(), advice)
}

fn not_built(error: &ListError) -> Failure {
    Failure::new(
        Exit::Unavailable,
        "user.breach_list",
        error.to_string(),
        "give a file of lines, and a place with room for 16 bytes for each of them",
    )
}

//! `studio key create|list|revoke`: API keys, made at the machine itself. Whoever can read the keys of the
//! data directory needs no password.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use app::Studio;
use app::identity::keys::{ApiKeyError, NewApiKey};
use app::outside::Cidr;
use clap::{Args, Subcommand};
use domain::actor::Actor;
use domain::id::{KeyId, WorkspaceId};
use domain::identity::{Email, Name, Scopes};

use super::{Surroundings, runtime, written};
use crate::datadir::DataDir;
use crate::failure::{Exit, Failure};
use crate::wiring;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// `studio key ...`
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Makes a key and prints it, alone, on standard output. It is shown this once.
    Create {
        #[command(flatten)]
        owner: Owner,
        /// What it may be used for, separated by commas: `*`, or words such as generations:read.
        #[arg(long, value_name = "SCOPES")]
        scopes: String,
        /// What its owner calls it.
        #[arg(long, default_value = "command line")]
        name: String,
        /// Days until it ends by itself; without it, when it is revoked.
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: Option<u32>,
        /// A network that it may be used from, such as 10.0.0.0/8; several are given one by one.
        #[arg(long = "network", value_name = "CIDR")]
        networks: Vec<Cidr>,
        /// The workspace that it acts in; without it the owner's oldest.
        #[arg(long, value_name = "ID")]
        workspace: Option<WorkspaceId>,
    },
    /// Shows somebody's keys, without their secrets.
    List {
        #[command(flatten)]
        owner: Owner,
    },
    /// Revokes a key: from then on it opens nothing.
    Revoke {
        /// The key's id: key_...
        id: KeyId,
        #[command(flatten)]
        owner: Owner,
    },
}

/// Whose keys.
#[derive(Debug, Args)]
pub(super) struct Owner {
    /// The owner's e-mail address.
    #[arg(long)]
    email: String,
    /// Data directory.
    #[arg(long, value_name = "DIR", default_value = super::DEFAULT_DATA)]
    data: PathBuf,
}

pub(super) fn run(command: &Command, around: &Surroundings, out: &mut impl Write) -> Result<(), Failure> {
    match command {
        Command::Create {
            owner,
            scopes,
            name,
            days,
            networks,
            workspace,
        } => {
            let wish = |studio: &Studio| {
                let scopes = Scopes::parse(scopes.split(',')).map_err(|error| wrong("key.scopes", &error))?;
                let days = days.map(|days| studio.now().after(DAY * days));
                Ok::<_, Failure>(NewApiKey {
                    name: Name::parse(name).map_err(|error| wrong("key.name", &error))?,
                    scopes,
                    expires_at: days,
                    networks: networks.clone(),
                })
            };
            with_owner(owner, *workspace, around, async |studio, actor| {
                let wish = wish(&studio)?;
                let made = studio.create_api_key(&actor, &wish, None);
                let (_, secret) = made.await.map_err(|error| failed(&error))?;
                written(writeln!(out, "{}", secret.expose()))
            })
        }
        Command::List { owner } => with_owner(owner, None, around, async |studio, actor| {
            let views = studio.api_keys(actor.user()).await;
            for key in views.map_err(|error| failed(&error))? {
                let or_never = |time: Option<domain::time::Time>| {
                    time.map_or_else(|| "never".to_owned(), |time| time.to_string())
                };
                written(writeln!(
                    out,
                    "{}  ...{}  {}  scopes: {}  networks: {}  ends: {}  used: {}",
                    key.id,
                    key.hint,
                    key.name.expose(),
                    key.scopes,
                    if key.networks.is_empty() {
                        "all".to_owned()
                    } else {
                        key.networks.join(" ")
                    },
                    or_never(key.expires_at),
                    or_never(key.used_at),
                ))?;
            }
            Ok(())
        }),
        Command::Revoke { id, owner } => with_owner(owner, None, around, async |studio, actor| {
            let revoked = studio.revoke_api_key(&actor, *id, None);
            revoked.await.map_err(|error| failed(&error))
        }),
    }
}

/// Opens the studio, finds the owner and does the work as them.
fn with_owner(
    owner: &Owner,
    workspace: Option<WorkspaceId>,
    around: &Surroundings,
    work: impl AsyncFnOnce(Arc<Studio>, Actor) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let email = Email::parse(&owner.email).map_err(|error| wrong("key.email", &error))?;
    let loaded = around.configuration()?;
    let data: &Path = &owner.data;
    runtime()?.block_on(async {
        let dir = DataDir::open(data)?;
        let studio = wiring::studio(&loaded.config, &dir).await?;
        let found = studio.stand_in_for(&email, workspace).await;
        let found = found.map_err(|error| failed(&ApiKeyError::Store(error)))?;
        let done = match found {
            Some(actor) => work(Arc::clone(&studio), actor).await,
            None => Err(Failure::new(
                Exit::No,
                "key.no_account",
                "there is no active account with this address in this workspace",
                "see `studio user list`, or make one with `studio user create`",
            )),
        };
        studio.db().close().await;
        done
    })
}

fn wrong(id: &'static str, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(
        Exit::Usage,
        id,
        error.to_string(),
        "see `studio key create --help`",
    )
}

fn failed(error: &ApiKeyError) -> Failure {
    let (exit, id, advice) = match error {
        ApiKeyError::NotFound => (Exit::No, "key.none", "see `studio key list`"),
        ApiKeyError::TooMany => (Exit::Refused, "key.too_many", "see `studio key list`"),
        ApiKeyError::NoScope | ApiKeyError::Over | ApiKeyError::TooManyNetworks => {
            (Exit::Usage, "key.invalid", "see `studio key create --help`")
        }
        ApiKeyError::Key(_) | ApiKeyError::Store(_) => {
            (Exit::Unavailable, "key.failed", "run `studio doctor`")
        }
    };
    Failure::new(exit, id, error.to_string(), advice)
}

//! The command tree and what every command shares: configuration, output, exit codes.

mod audit;
mod catalogue;
mod config;
mod demo;
mod doctor;
mod generate;
mod generate_remote;
mod key;
mod keys;
mod migrate;
mod serve;
mod user;
mod workers;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{Environment, Flag, Loaded, Sources, load};
use crate::failure::{Exit, Failure};

/// Makes pictures and videos with engines of your choice, and keeps proof of what was done.
#[derive(Debug, Parser)]
#[command(name = "studio", version, disable_help_subcommand = true)]
struct Arguments {
    /// Configuration file; without it ./studio.toml, then $STUDIO_HOME/studio.toml.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Lowest level of log lines: error, warn, info, debug, trace or off.
    #[arg(long, global = true, value_name = "LEVEL")]
    log_level: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves the studio: pages, API, generations.
    Serve(serve::Command),
    /// Makes one picture or clip from the terminal.
    Generate(Box<generate::Command>),
    /// Makes, shows, closes and resets accounts.
    #[command(subcommand)]
    User(user::Command),
    /// Makes, shows and revokes API keys.
    #[command(subcommand)]
    Key(key::Command),
    /// Turns and shows the keys that sign access tokens.
    Keys(keys::Command),
    /// Shows the models.
    #[command(subcommand)]
    Models(catalogue::Models),
    /// Shows and tests the providers.
    #[command(subcommand)]
    Provider(catalogue::Providers),
    /// Verifies, exports and proves the audit log.
    #[command(subcommand)]
    Audit(audit::Command),
    /// Checks what the studio needs and says what to do about each line.
    Doctor(doctor::Command),
    /// Shows and changes the database's schema.
    Migrate(migrate::Command),
    /// Runs the whole journey once, on the built-in engine, and leaves its files.
    Demo(demo::Command),
    /// Prints the API description (OpenAPI 3.1).
    Openapi,
    /// The engine's child.
    #[command(hide = true)]
    EngineWorker,
    /// The media child.
    #[command(hide = true)]
    MediaWorker,
    /// Shows the configuration and its schema.
    #[command(subcommand)]
    Config(config::Command),
}

/// The data directory when none is given.
const DEFAULT_DATA: &str = "studio-data";

/// What a command finds around it.
#[derive(Clone)]
struct Surroundings {
    config_file: Option<PathBuf>,
    environment: Environment,
    flags: Vec<Flag>,
}

impl Surroundings {
    /// Reads the configuration.
    fn configuration(&self) -> Result<Loaded, Failure> {
        let working_dir = std::env::current_dir().map_err(|error| {
            Failure::new(
                Exit::Unavailable,
                "cli.no_directory",
                error.to_string(),
                "start in an existing folder",
            )
        })?;
        let sources = Sources {
            file: self.config_file.clone(),
            working_dir,
            environment: self.environment.clone(),
            flags: self.flags.clone(),
        };
        Ok(load(&sources)?)
    }
}

/// Runs the command that the arguments name.
#[must_use]
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no errors: clap prints them to standard output and says so.
            let _ = error.print();
            return if error.use_stderr() {
                ExitCode::from(Exit::Usage as u8)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    match arguments.command {
        Command::EngineWorker => return workers::engine(),
        Command::MediaWorker => return workers::media(),
        _ => {}
    }
    let surroundings = Surroundings {
        config_file: arguments.config,
        environment: Environment::of_this_process(),
        flags: flags(arguments.log_level, &arguments.command),
    };
    let mut out = std::io::stdout().lock();
    let result = match arguments.command {
        Command::Serve(command) => serve::run(&command, &surroundings, &mut out),
        Command::Generate(command) => generate::run(&command, &surroundings, &mut out),
        Command::User(command) => user::run(&command, &surroundings, &mut out),
        Command::Key(command) => key::run(&command, &surroundings, &mut out),
        Command::Keys(command) => keys::run(&command, &surroundings, &mut out),
        Command::Models(command) => catalogue::models(&command, &surroundings, &mut out),
        Command::Provider(command) => catalogue::providers(&command, &surroundings, &mut out),
        Command::Audit(command) => audit::run(&command, &surroundings, &mut out),
        Command::Doctor(command) => doctor::run(&command, &surroundings, &mut out),
        Command::Migrate(command) => migrate::run(&command, &surroundings, &mut out),
        Command::Demo(command) => demo::run(&command, &surroundings, &mut out),
        Command::Openapi => workers::openapi(&mut out),
        Command::EngineWorker | Command::MediaWorker => Ok(()),
        Command::Config(command) => config::run(&command, &surroundings, &mut out),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "studio: {failure}");
            ExitCode::from(failure.exit as u8)
        }
    }
}

fn flags(log_level: Option<String>, command: &Command) -> Vec<Flag> {
    let mut flags: Vec<Flag> = log_level
        .map(|value| Flag {
            name: "--log-level",
            key: "log.level",
            value,
        })
        .into_iter()
        .collect();
    if let Command::Serve(command) = command {
        flags.extend(command.flags());
    }
    flags
}

/// The asynchronous runtime of a command.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            Failure::new(
                Exit::Unavailable,
                "start.runtime",
                error.to_string(),
                "raise the limit of threads or files",
            )
        })
}

/// Turns a failed write to the terminal or pipe into a failure; a closed pipe is a normal end.
fn written(result: std::io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::new(
            Exit::Unavailable,
            "cli.output",
            format!("the output cannot be written: {error}"),
            "check where it goes",
        )),
        _ => Ok(()),
    }
}

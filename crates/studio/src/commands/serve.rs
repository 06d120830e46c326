//! `studio serve`: listens, works, tells, and stops well.

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use app::Studio;
use app::clock::Clock;
use clap::{Args, ValueEnum};
use server::Site;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Surroundings, runtime, written};
use crate::config::{Config, Flag, ProxyHeader};
use crate::datadir::DataDir;
use crate::failure::{Exit, Failure};
use crate::logging::{self, LogHandle};
use crate::wiring;

/// How long workers may go on with the step they are in after the signal to stop.
const WORKER_DRAIN: Duration = Duration::from_secs(20);

/// `studio serve`
#[derive(Debug, Args)]
pub(super) struct Command {
    /// Data directory.
    #[arg(long, value_name = "DIR", default_value = super::DEFAULT_DATA)]
    data: PathBuf,
    /// Address and port, in place of `server.listen`.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// What this process does.
    #[arg(long, value_enum, default_value_t = Role::All)]
    role: Role,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Role {
    /// Answers requests and works on generations.
    All,
    /// Answers requests only; another process works.
    Web,
    /// Works on generations only.
    Worker,
}

impl Command {
    pub(super) fn flags(&self) -> Vec<Flag> {
        let listen = self.listen.clone();
        listen
            .map(|value| Flag {
                name: "--listen",
                key: "server.listen",
                value,
            })
            .into_iter()
            .collect()
    }
}

pub(super) fn run(command: &Command, around: &Surroundings, out: &mut impl Write) -> Result<(), Failure> {
    let loaded = around.configuration()?;
    let colour = std::io::stderr().is_terminal();
    let clock: logging::Clock = Arc::new(|| Clock::System.now());
    let logging = logging::start(&loaded.config.log, clock, colour).map_err(|error| {
        Failure::new(
            Exit::Unavailable,
            "log.unusable",
            error.to_string(),
            "change [log] in the configuration",
        )
    })?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let reload = LogReload {
        log: logging.handle.clone(),
        around: around.clone(),
    };
    runtime()?.block_on(serve(command, &loaded.config, reload, out))
}

async fn serve(
    command: &Command,
    config: &Config,
    reload: LogReload,
    out: &mut impl Write,
) -> Result<(), Failure> {
    if command.role != Role::All && config.database.url.is_none() {
        return Err(Failure::new(
            Exit::NotConfigured,
            "serve.role_needs_postgres",
            "several processes need a shared database",
            "set database.url to Postgres, or use --role all",
        ));
    }
    let data = DataDir::open(&command.data)?;
    let listening = match command.role {
        Role::Worker => None,
        Role::All | Role::Web => Some(
            server::bind(config.server.listen, &server_settings(config))
                .await
                .map_err(|error| not_listening(&error))?,
        ),
    };
    let studio = wiring::studio(config, &data).await?;
    let address = listening.as_ref().map(|listening| listening.address);
    let stop = CancellationToken::new();
    let site = site(
        &studio,
        config,
        address.unwrap_or(config.server.listen),
        stop.clone(),
    );
    watch_signals(stop.clone(), reload, Arc::clone(&studio))?;
    let serving = listening.map(|listening| tokio::spawn(server::serve(listening, Arc::clone(&site))));
    studio.recover().await.map_err(|error| {
        Failure::new(
            Exit::Unavailable,
            "database.unavailable",
            error.to_string(),
            "run `studio doctor`",
        )
    })?;
    studio.note_start().await.map_err(|error| {
        Failure::new(
            Exit::Unavailable,
            "audit.unavailable",
            error.to_string(),
            "run `studio doctor`",
        )
    })?;
    // The keys of access tokens are made here at the first start: no request waits for them.
    studio.token_key_status().await.map_err(|error| {
        Failure::new(
            Exit::Unavailable,
            "keys.unavailable",
            error.to_string(),
            "run `studio doctor`",
        )
    })?;
    let relay = tokio::spawn(Arc::clone(&studio).run_relay(stop.clone()));
    let housekeeping = tokio::spawn(Arc::clone(&studio).run_housekeeping(stop.clone()));
    let outbox =
        (command.role != Role::Web).then(|| tokio::spawn(Arc::clone(&studio).run_outbox(stop.clone())));
    let worker =
        (command.role != Role::Web).then(|| tokio::spawn(Arc::clone(&studio).run_worker(stop.clone())));
    site.mark_started();
    if let Some(address) = address {
        written(announce(out, config, address))?;
        let code = studio.begin_setup().await.map_err(|error| {
            let advice = "run `studio doctor`";
            Failure::new(
                Exit::Unavailable,
                "database.unavailable",
                error.to_string(),
                advice,
            )
        })?;
        if let Some(code) = code {
            written(tell_setup(out, config, address, &code))?;
        }
    }
    stop.cancelled().await;
    tracing::info!("stopping: no new work; running steps may finish");
    if let Some(serving) = serving {
        match serving.await {
            Ok(Err(error)) => tracing::error!(error = %error, "the server broke off"),
            Err(error) => tracing::error!(error = %error, "the server's task failed"),
            Ok(Ok(())) => {}
        }
    }
    if let Some(worker) = worker
        && tokio::time::timeout(WORKER_DRAIN, worker).await.is_err()
    {
        tracing::warn!(
            "steps were still running at the drain deadline; the next start finds out what became of them"
        );
    }
    if let Some(outbox) = outbox
        && tokio::time::timeout(WORKER_DRAIN, outbox).await.is_err()
    {
        tracing::warn!("a letter was still on its way at the drain deadline; it may be sent again");
    }
    // It was told to stop; what it had begun is begun again in an hour of the next process.
    let _ = tokio::time::timeout(WORKER_DRAIN, housekeeping).await;
    // The relay ends by itself once it was told to stop and told the rest.
    let _ = tokio::time::timeout(WORKER_DRAIN, relay).await;
    studio.relay_once().await;
    // Closed well, the database is one file again, without a journal beside it.
    studio.db().close().await;
    tracing::info!("stopped");
    Ok(())
}

fn not_listening(error: &server::ServeError) -> Failure {
    let (exit, id) = match error {
        server::ServeError::InTheClear(_) | server::ServeError::ProxyInTheClear(_) => {
            (Exit::Refused, "serve.in_the_clear")
        }
        server::ServeError::Tls(_) => (Exit::NotConfigured, "serve.tls"),
        server::ServeError::Address { .. } | server::ServeError::Broke(_) => {
            (Exit::Unavailable, "serve.address")
        }
    };
    Failure::new(exit, id, error.to_string(), "change [server], or --listen")
}

fn server_settings(config: &Config) -> server::Settings {
    let server = &config.server;
    let limits = &config.limits;
    let number = |n: u64| NonZeroU32::new(u32::try_from(n).unwrap_or(u32::MAX)).unwrap_or(NonZeroU32::MIN);
    server::Settings {
        body_limit_bytes: usize::try_from(config.server.body_limit_bytes).unwrap_or(usize::MAX),
        request_timeout: Duration::from_secs(config.server.request_timeout_seconds),
        drain: Duration::from_secs(config.server.drain_seconds),
        public_url: config
            .server
            .public_url
            .as_ref()
            .map(|url| url.as_str().to_owned()),
        metrics_token: config
            .metrics
            .token
            .as_ref()
            .map(crate::config::Secret::to_secret_string),
        header_timeout: Duration::from_secs(server.header_timeout_seconds),
        tls: server
            .tls_cert
            .clone()
            .zip(server.tls_key.clone())
            .map(|(certificate, key)| server::TlsFiles { certificate, key }),
        trusted_proxies: wiring::networks(&server.trusted_proxies),
        proxy_header: match server.proxy_header {
            ProxyHeader::XForwardedFor => server::ProxyHeader::XForwardedFor,
            ProxyHeader::Forwarded => server::ProxyHeader::Forwarded,
        },
        limits: server::Limits {
            address: number(limits.address_per_minute),
            entrance: number(limits.entrance_per_minute),
            account: number(limits.account_per_minute),
            key: number(limits.key_per_minute),
            workspace: number(limits.workspace_per_minute),
        },
    }
}

fn site(studio: &Arc<Studio>, config: &Config, address: SocketAddr, stop: CancellationToken) -> Arc<Site> {
    Site::new(Arc::clone(studio), server_settings(config), address, stop)
}

/// Says where it is reached. Passkeys need a name, so on loopback the name is told and not the number.
fn announce(out: &mut impl Write, config: &Config, address: SocketAddr) -> std::io::Result<()> {
    let scheme = if config.server.tls_cert.is_some() {
        "https"
    } else {
        "http"
    };
    let local = format!("{scheme}://localhost:{}", address.port());
    match &config.server.public_url {
        Some(public) => writeln!(
            out,
            "Secure AI Studio on {} (listening on {address})",
            public.as_str()
        )?,
        None if address.ip().is_loopback() => writeln!(out, "Secure AI Studio on {local}")?,
        None => writeln!(out, "Secure AI Studio on {scheme}://{address}")?,
    }
    if address.ip().is_loopback() && config.server.public_url.is_none() {
        writeln!(out, "It answers this machine only. Ctrl+C stops it.")?;
    } else if scheme == "http" && !address.ip().is_loopback() {
        writeln!(
            out,
            "It answers the proxies of server.trusted_proxies only. Ctrl+C stops it."
        )?;
    } else {
        writeln!(out, "Ctrl+C stops it.")?;
    }
    out.flush()
}

/// Tells how the first administrator is made. The code is told here and nowhere else.
fn tell_setup(out: &mut impl Write, config: &Config, address: SocketAddr, code: &str) -> std::io::Result<()> {
    let minutes = app::identity::setup::CODE_LIFE.as_secs() / 60;
    let origin = match &config.server.public_url {
        Some(public) => public.as_str().trim_end_matches('/').to_owned(),
        None if config.server.tls_cert.is_some() => format!("https://localhost:{}", address.port()),
        None => format!("http://localhost:{}", address.port()),
    };
    writeln!(
        out,
        "Open {origin}/setup with the code {code} (valid {minutes} minutes)"
    )?;
    out.flush()
}

/// What SIGHUP does: log files are opened again and the levels are read from the configuration anew.
struct LogReload {
    log: LogHandle,
    around: Surroundings,
}

impl LogReload {
    /// Whether levels changed. A configuration that cannot be read changes nothing.
    fn run(&self) -> bool {
        self.log.reopen();
        let wanted = match self.around.configuration() {
            Ok(loaded) => loaded.config.log,
            Err(failure) => {
                tracing::error!(error = %failure, "log files opened again; levels stay: the configuration cannot be read");
                return false;
            }
        };
        let control = &self.log.control;
        let before = control.levels();
        let mut outcome = control.set_default_level(wanted.level);
        for (target, level) in &wanted.targets {
            outcome = outcome.and_then(|()| control.set_level(target, *level));
        }
        // A target that lost its own level follows the default again.
        for target in before
            .targets
            .keys()
            .filter(|target| !wanted.targets.contains_key(*target))
        {
            outcome = outcome.and_then(|()| control.set_level(target, wanted.level));
        }
        if let Err(error) = outcome {
            tracing::error!(error = %error, "log levels could not all be changed");
        }
        tracing::info!("log files opened again, levels read anew");
        control.levels() != before
    }
}

/// SIGINT and SIGTERM stop; a second one ends at once. SIGHUP is for the log.
fn watch_signals(stop: CancellationToken, reload: LogReload, studio: Arc<Studio>) -> Result<(), Failure> {
    let on = |kind| {
        signal(kind).map_err(|error| {
            Failure::new(
                Exit::Unavailable,
                "serve.signals",
                error.to_string(),
                "start it as an ordinary process",
            )
        })
    };
    let (mut interrupt, mut terminate, mut hangup) = (
        on(SignalKind::interrupt())?,
        on(SignalKind::terminate())?,
        on(SignalKind::hangup())?,
    );
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {
                    if reload.run()
                        && let Err(error) = studio.note_setting("log.level").await
                    {
                        tracing::error!(error = %error, "the change of log levels is not in the audit log");
                    }
                    continue;
                }
            }
            if stop.is_cancelled() {
                std::process::exit(130);
            }
            stop.cancel();
        }
    });
    Ok(())
}

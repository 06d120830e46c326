//! Wiring: from configuration to a running studio. Reads as a list.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use app::catalogue::{Catalogue, Unavailable};
use app::clock::Clock;
use app::embedded::Embedded;
use app::identity;
use app::settings::Settings;
use app::{Parts, Studio};
use engine::worker::{EngineWorker, Limits};
use media::MediaWorker;
use providers::outbound::Cidr;
use providers::{ProviderConfig, Registry};
use store::Db;
use vault::{FileKeys, KeyProvider, Vault};

use crate::config::{Config, HostedProvider, Network, Secret, UnknownPolicy};
use crate::datadir::DataDir;
use crate::failure::{Exit, Failure};

/// The hidden command that runs the engine's child.
pub const ENGINE_WORKER: &str = "engine-worker";
/// The hidden command that runs the media child.
pub const MEDIA_WORKER: &str = "media-worker";
/// The name of the audit log: the first line of its checkpoints.
pub const LOG_ORIGIN: &str = "secure-ai-studio/local";

fn unavailable(id: &'static str, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(
        Exit::Unavailable,
        id,
        error.to_string(),
        "run `studio doctor` to see what is wrong",
    )
}

/// This binary, to be started again as a child.
fn this_binary() -> Result<PathBuf, Failure> {
    std::env::current_exe().map_err(|error| unavailable("start.no_binary", &error))
}

fn child(command: &str) -> Result<(PathBuf, Vec<OsString>), Failure> {
    Ok((this_binary()?, vec![OsString::from(command)]))
}

/// The worker that decodes and encodes media.
///
/// # Errors
/// If this binary cannot be found.
pub fn media_worker() -> Result<MediaWorker, Failure> {
    let (command, arguments) = child(MEDIA_WORKER)?;
    Ok(MediaWorker::new(command, arguments))
}

/// Opens the database of a data directory.
///
/// # Errors
/// If it cannot be reached.
pub async fn database(config: &Config, data: &DataDir) -> Result<Db, Failure> {
    if config.database.url.is_none() {
        data.claim_database()
            .map_err(|error| unavailable("database.unavailable", &error))?;
    }
    let settings = store::Config {
        url: config.database.url.as_ref().map(|url| url.expose().to_owned()),
        sqlite_path: data.database(),
        read_connections: u32::try_from(config.database.read_connections).unwrap_or(4),
    };
    Db::open(&settings)
        .await
        .map_err(|error| unavailable("database.unavailable", &error))
}

/// Brings the schema up to date.
///
/// # Errors
/// If the schema is newer than this program, was changed by hand, or the database fails.
pub async fn migrate(db: &Db) -> Result<Vec<&'static str>, Failure> {
    let applied = store::migrate::apply(db, Clock::System.now())
        .await
        .map_err(|error| {
            let advice = "run `studio migrate status`; a newer schema needs the newer program";
            Failure::new(Exit::Unavailable, "database.schema", error.to_string(), advice)
        })?;
    for name in &applied {
        tracing::info!(migration = name, "schema migrated");
    }
    Ok(applied)
}

/// The keys of a data directory.
///
/// # Errors
/// If the root key is missing, readable by others or damaged.
pub fn keys(data: &DataDir) -> Result<Arc<dyn KeyProvider>, Failure> {
    let keys = FileKeys::open(data.path()).map_err(|error| {
        Failure::new(
            Exit::Unavailable,
            "keys.unusable",
            error.to_string(),
            "see docs: keys",
        )
    })?;
    Ok(Arc::new(keys))
}

fn hosted(config: &HostedProvider) -> Result<ProviderConfig, Failure> {
    let base_url = config.base_url.as_str().parse().map_err(|_| {
        let what = format!("`{}` is not an address", config.base_url.as_str());
        Failure::new(
            Exit::Usage,
            "provider.base_url",
            what,
            "write it as https://host/path",
        )
    })?;
    let mut made = ProviderConfig::new(
        base_url,
        config
            .api_key
            .as_ref()
            .map(crate::config::Secret::to_secret_string),
    );
    made.enabled = config.enabled;
    made.connect_timeout_ms = config.connect_timeout_ms;
    made.call_timeout_ms = config.call_timeout_ms;
    made.stall_timeout_ms = config.stall_timeout_ms;
    made.max_concurrent = u32::try_from(config.max_concurrent).unwrap_or(u32::MAX);
    Ok(made)
}

/// Networks of the configuration as the ones that addresses are compared with.
#[must_use]
pub fn networks(configured: &[Network]) -> Vec<Cidr> {
    let same = |network: &Network| Cidr::new(network.address, network.prefix).ok();
    configured.iter().filter_map(same).collect()
}

/// The hosted providers as configured.
///
/// # Errors
/// If a setting of one cannot be used.
pub fn registry(config: &Config) -> Result<Registry, Failure> {
    let providers = providers::Config {
        luma: hosted(&config.providers.luma)?,
        luma_dream_machine: hosted(&config.providers.luma_dream_machine)?,
    };
    let allow = networks(&config.outbound.allow);
    Registry::build(&providers, &allow).map_err(|error| {
        Failure::new(
            Exit::Unavailable,
            "provider.build",
            error.to_string(),
            "run `studio doctor`",
        )
    })
}

/// Every provider: the built-in engine first, so that it is the default.
///
/// # Errors
/// If the bundled model or a provider's settings cannot be used.
pub fn catalogue(config: &Config, media: &MediaWorker) -> Result<Catalogue, Failure> {
    let mut available: Vec<Arc<dyn providers::Provider>> = Vec::new();
    if config.providers.embedded.enabled {
        let (command, arguments) = child(ENGINE_WORKER)?;
        let engine = EngineWorker::new(command, arguments, Limits::default());
        let embedded =
            Embedded::new(engine, media.clone()).map_err(|error| unavailable("engine.unusable", &error))?;
        available.push(Arc::new(embedded));
    }
    let registry = registry(config)?;
    available.extend(registry.ready().cloned());
    let unavailable = registry
        .list()
        .into_iter()
        .filter_map(|listed| {
            let reason = listed.unavailable?.to_owned();
            let card = providers::card_of(&listed.name)?;
            Some(Unavailable { card, reason })
        })
        .collect();
    Ok(Catalogue::new(available, unavailable))
}

/// The studio's numbers from the configuration.
#[must_use]
pub fn settings(config: &Config) -> Settings {
    let generations = &config.generations;
    let send_by = Duration::from_secs(generations.send_by_seconds);
    let slowest_call = [&config.providers.luma, &config.providers.luma_dream_machine]
        .into_iter()
        .map(|provider| Duration::from_millis(provider.connect_timeout_ms + provider.call_timeout_ms))
        .max()
        .unwrap_or_default();
    Settings {
        max_attempts: u16::try_from(generations.max_attempts).unwrap_or(u16::MAX),
        deadline: Duration::from_secs(generations.deadline_minutes * 60),
        send_by,
        // A claim outlives its deadline to send and the slowest answer, so that nobody takes a job over
        // from a worker that still waits for its provider.
        lease: send_by + slowest_call + Duration::from_secs(30),
        workers: usize::try_from(generations.workers).unwrap_or(32),
        may_repeat: generations.unknown_policy == UnknownPolicy::MayRepeat,
        settle: generations.settle_seconds.map(Duration::from_secs),
        screening: config.screening.clone(),
        public_url: config
            .server
            .public_url
            .as_ref()
            .map(|url| url.as_str().to_owned()),
        max_queued: i64::try_from(generations.max_queued).unwrap_or(i64::MAX),
        log_origin: LOG_ORIGIN.to_owned(),
        outbound_allow: networks(&config.outbound.allow),
        identity: identity(config),
    }
}

/// The settings of identity from `[auth]`, `[mail]` and `[oidc.NAME]`.
#[must_use]
pub fn identity(config: &Config) -> identity::Settings {
    let auth = &config.auth;
    let minutes = |n: u64| Duration::from_secs(n * 60);
    let hours = |n: u64| Duration::from_secs(n * 3600);
    let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let secret = |secret: &Option<Secret>| secret.as_ref().map(Secret::to_secret_string);
    identity::Settings {
        registration: auth.registration,
        access: minutes(auth.access_minutes),
        refresh_idle: hours(auth.refresh_idle_hours),
        refresh_absolute: hours(auth.refresh_absolute_days * 24),
        admin_refresh_idle: hours(auth.admin_refresh_idle_hours),
        admin_refresh_absolute: hours(auth.admin_refresh_absolute_hours),
        refresh_grace: Duration::from_secs(auth.refresh_grace_seconds),
        password_min: count(auth.password_min),
        password_min_with_factor: count(auth.password_min_with_factor),
        hash_permits: count(auth.hash_permits),
        hash_queue: Duration::from_secs(auth.hash_queue_seconds),
        breach_list: auth.breach_list.clone(),
        pepper: secret(&auth.pepper),
        step_up: minutes(auth.step_up_minutes),
        ticket: minutes(auth.ticket_minutes),
        invitation: hours(auth.invitation_days * 24),
        mail: secret(&config.mail.url)
            .zip(config.mail.from.clone())
            .map(|(url, from)| identity::settings::MailServer {
                url,
                from,
                authorities: config.mail.authorities.clone(),
            }),
        oidc: config
            .oidc
            .iter()
            .map(|(name, provider)| identity::settings::OidcProvider {
                name: name.clone(),
                title: provider.title.clone().unwrap_or_else(|| name.clone()),
                issuer: provider.issuer.as_str().to_owned(),
                client_id: provider.client_id.clone(),
                client_secret: secret(&provider.client_secret),
                scopes: provider.scopes.clone(),
                role_claim: provider.role_claim.clone(),
                role_map: provider.role_map.clone(),
                create_accounts: provider.create_accounts,
                algorithms: provider
                    .algorithms
                    .iter()
                    .map(|algorithm| algorithm.as_str())
                    .collect(),
            })
            .collect(),
    }
}

/// A studio over a data directory, with its schema up to date.
///
/// # Errors
/// Whatever part of it cannot be had.
pub async fn studio(config: &Config, data: &DataDir) -> Result<Arc<Studio>, Failure> {
    let keys = keys(data)?;
    let db = database(config, data).await?;
    migrate(&db).await?;
    let vault = Vault::in_folder(data.path(), Arc::clone(&keys))
        .await
        .map_err(|error| unavailable("vault.unusable", &error))?;
    let media = media_worker()?;
    let catalogue = catalogue(config, &media)?;
    let parts = Parts {
        db,
        vault,
        keys,
        catalogue,
        media,
        clock: Clock::System,
        settings: settings(config),
    };
    Studio::new(parts).map_err(|error| unavailable("keys.unusable", &error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Sources, load};

    #[test]
    fn identity_without_a_configuration_is_what_app_takes_as_usual() {
        let folder = tempfile::tempdir().unwrap();
        let sources = Sources {
            file: None,
            working_dir: folder.path().to_owned(),
            environment: Environment::default(),
            flags: Vec::new(),
        };
        let config = load(&sources).unwrap().config;
        let usual = identity::Settings::default();
        assert_eq!(format!("{:?}", identity(&config)), format!("{usual:?}"));
    }
}

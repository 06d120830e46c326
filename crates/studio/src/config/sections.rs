//! The shape of the configuration: one struct per section.
//!
//! The defaults stand in `config/default.toml` and nowhere else.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use super::identity::{Auth, Client, Limits, Mail, Oidc};
use super::types::{HttpUrl, Network, Secret};

/// Settings of Secure AI Studio.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The HTTP server.
    pub server: Server,
    /// Log lines and log files.
    pub log: Log,
    /// Where rows are stored.
    pub database: Database,
    /// The OpenMetrics endpoint.
    pub metrics: Metrics,
    /// The guard before every address that comes from outside.
    pub outbound: Outbound,
    /// The generation machine.
    pub generations: Generations,
    /// What happens to personal data and foreign markers found in prompts.
    pub screening: domain::screening::Policy,
    /// Engines that make media.
    pub providers: Providers,
    /// Accounts, sessions, passwords.
    pub auth: Auth,
    /// Outgoing e-mail.
    pub mail: Mail,
    /// OpenID providers that people may log in with, by the name in their address.
    #[serde(default)]
    pub oidc: BTreeMap<String, Oidc>,
    /// How many requests are answered.
    pub limits: Limits,
    /// Commands that talk to another studio.
    pub client: Client,
}

/// `[server]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Address and port to listen on.
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// Address under which browsers and provider callbacks reach the studio from outside.
    #[serde(default)]
    pub public_url: Option<HttpUrl>,
    /// Largest JSON body of a request, in bytes.
    #[schemars(range(min = 1024, max = 67_108_864))]
    pub body_limit_bytes: u64,
    /// A request without an answer after this many seconds is ended. Event streams are exempt.
    #[schemars(range(min = 1, max = 600))]
    pub request_timeout_seconds: u64,
    /// Seconds that open work has after the signal to end.
    #[schemars(range(min = 0, max = 600))]
    pub drain_seconds: u64,
    /// A connection that has not sent the headers of its next request after this many seconds is closed.
    #[schemars(range(min = 1, max = 120))]
    pub header_timeout_seconds: u64,
    /// Certificate chain (PEM) of the server. With `server.tls_key` it answers HTTPS only.
    #[serde(default)]
    pub tls_cert: Option<PathBuf>,
    /// Private key (PEM) of the certificate. Mode 0600.
    #[serde(default)]
    pub tls_key: Option<PathBuf>,
    /// Networks of reverse proxies, which tell the client's address.
    pub trusted_proxies: Vec<Network>,
    /// The one header of the two that these proxies write; the other one is not read.
    pub proxy_header: ProxyHeader,
}

/// The header in which proxies tell the client's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProxyHeader {
    /// `X-Forwarded-For`.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// `[log]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// Form of the lines on standard error. Files are always JSON.
    pub format: LogFormat,
    /// Lowest level that is written.
    pub level: LogLevel,
    /// Levels that differ by target.
    pub targets: BTreeMap<String, LogLevel>,
    /// Folder for log files, beside the lines on standard error.
    #[serde(default)]
    pub dir: Option<PathBuf>,
    /// A file is put aside when it would grow past this many MiB.
    #[schemars(range(min = 1, max = 4096))]
    pub max_file_mib: u64,
    /// Files put aside that are kept.
    #[schemars(range(min = 0, max = 1000))]
    pub keep_files: u64,
    /// Upper bound in MiB for all log files together.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub max_total_mib: u64,
    /// Also put the file aside when the day (UTC) changes.
    pub daily: bool,
}

/// Form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// For people.
    Pretty,
}

/// Severity, least first to be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// Somebody must act.
    Error,
    /// Somebody should look.
    Warn,
    /// What the studio did.
    Info,
    /// Why it did so.
    Debug,
    /// Everything.
    Trace,
}

/// `[database]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// Postgres address, a secret because it may carry a password. Not set: SQLite in the data directory.
    #[serde(default)]
    pub url: Option<Secret>,
    /// Connections for reading beside the one that writes (SQLite), size of the pool (Postgres).
    #[schemars(range(min = 1, max = 256))]
    pub read_connections: u64,
}

/// `[metrics]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// Bearer token for `GET /metrics`. Not set: answered on loopback only.
    #[serde(default)]
    pub token: Option<Secret>,
}

/// `[outbound]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outbound {
    /// Networks that the outbound guard lets through although they are private.
    pub allow: Vec<Network>,
}

/// `[generations]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Generations {
    /// Attempts for one generation, first one included.
    #[schemars(range(min = 1, max = 100))]
    pub max_attempts: u64,
    /// Minutes after which an unfinished generation ends as expired.
    #[schemars(range(min = 1, max = 10_080))]
    pub deadline_minutes: u64,
    /// Seconds within which a submission leaves after its intent was stored, or does not leave at all.
    #[schemars(range(min = 1, max = 120))]
    pub send_by_seconds: u64,
    /// Steps of generations that run at the same time.
    #[schemars(range(min = 1, max = 256))]
    pub workers: u64,
    /// What becomes of a submission whose outcome cannot be learnt.
    pub unknown_policy: UnknownPolicy,
    /// Seconds after a submission from which a provider's list is trusted to show it, in place of what
    /// the studio knows about each provider.
    #[serde(default)]
    #[schemars(range(min = 1, max = 86_400))]
    pub settle_seconds: Option<u64>,
    /// Generations of one workspace that may wait at once.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_queued: u64,
}

/// What becomes of a submission whose outcome cannot be learnt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnknownPolicy {
    /// It ends as `needs_attention`; nothing is paid twice.
    AtMostOnce,
    /// It is submitted again; the same generation may be paid twice.
    MayRepeat,
}

/// `[providers]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Providers {
    /// The built-in offline engine.
    pub embedded: EmbeddedProvider,
    /// Luma Agents API.
    pub luma: HostedProvider,
    /// Luma Dream Machine API.
    pub luma_dream_machine: HostedProvider,
}

/// `[providers.embedded]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EmbeddedProvider {
    /// Whether it is offered.
    pub enabled: bool,
}

/// `[providers.<name>]` of a provider that is reached over HTTP with a key.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostedProvider {
    /// Whether it is offered when it has a key.
    pub enabled: bool,
    /// Where its API is.
    pub base_url: HttpUrl,
    /// Its key.
    #[serde(default)]
    pub api_key: Option<Secret>,
    /// Submissions in flight at the same time.
    #[schemars(range(min = 1, max = 10_000))]
    pub max_concurrent: u64,
    /// Milliseconds to reach it.
    #[schemars(range(min = 100, max = 60_000))]
    pub connect_timeout_ms: u64,
    /// Milliseconds for a whole call other than a download.
    #[schemars(range(min = 1_000, max = 600_000))]
    pub call_timeout_ms: u64,
    /// Milliseconds that a download may stand still.
    #[schemars(range(min = 1_000, max = 600_000))]
    pub stall_timeout_ms: u64,
}

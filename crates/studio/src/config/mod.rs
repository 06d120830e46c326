//! Configuration: one typed value, made from the embedded defaults, a TOML file, the environment,
//! secret files and flags. Every value knows where it came from; nothing unknown is accepted.
//!
//! The shape lives in one place, the structs of [`sections`]: the keys that are known, their kinds
//! and bounds, and which of them are secret are read from the JSON Schema of those structs.

mod environment;
mod error;
mod identity;
mod keys;
mod layers;
mod nearest;
mod origin;
mod rules;
mod schema;
mod sections;
mod types;

pub use environment::Environment;
pub use error::ConfigError;
pub use identity::{Auth, Client, Limits, Mail, Oidc, OidcAlgorithm};
pub use layers::{Flag, Loaded, Setting, Sources, Warning, load};
pub use origin::Origin;
pub use schema::schema;
pub use sections::{
    Config, Database, EmbeddedProvider, Generations, HostedProvider, Log, LogFormat, LogLevel, Metrics,
    Outbound, Providers, ProxyHeader, Server, UnknownPolicy,
};
pub use types::{HttpUrl, IssuerUrl, Network, Secret};

/// The defaults as the commented file that documents them.
pub const DEFAULT_TOML: &str = include_str!("../../config/default.toml");

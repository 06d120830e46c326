//! What an operator sets.

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};
use std::time::Duration;
use url::Url;

/// The settings of every provider of this crate.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Luma Agents API.
    pub luma: ProviderConfig,
    /// Luma Dream Machine API.
    #[serde(rename = "luma-dream-machine", alias = "luma_dream_machine")]
    pub luma_dream_machine: ProviderConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            luma: ProviderConfig::at(LUMA),
            luma_dream_machine: ProviderConfig::at(DREAM_MACHINE),
        }
    }
}

/// Where the Luma Agents API is.
pub(crate) const LUMA: &str = "https://agents.lumalabs.ai/v1";
/// Where the Luma Dream Machine API is.
pub(crate) const DREAM_MACHINE: &str = "https://api.lumalabs.ai/dream-machine/v1";

/// The settings of one provider.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProviderConfig {
    /// Whether it is offered when it has a key.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Where its API is: the provider itself, a proxy or a mirror. The operator's word; not guarded.
    #[serde(deserialize_with = "address")]
    #[schemars(with = "String")]
    pub base_url: Url,
    /// Its key.
    #[serde(default, deserialize_with = "secret")]
    #[schemars(with = "Option<String>")]
    pub api_key: Option<SecretString>,
    /// Milliseconds to reach it.
    #[serde(default = "connect_ms")]
    pub connect_timeout_ms: u64,
    /// Milliseconds for a whole call other than a download.
    #[serde(default = "call_ms")]
    pub call_timeout_ms: u64,
    /// Milliseconds that a download may stand still.
    #[serde(default = "stall_ms")]
    pub stall_timeout_ms: u64,
    /// The most submissions in flight at once.
    #[serde(default = "eight")]
    pub max_concurrent: u32,
}

const fn yes() -> bool {
    true
}

const fn connect_ms() -> u64 {
    5_000
}

const fn call_ms() -> u64 {
    60_000
}

const fn stall_ms() -> u64 {
    30_000
}

const fn eight() -> u32 {
    8
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    Option::<String>::deserialize(deserializer).map(|text| text.map(SecretString::from))
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
    let text = String::deserialize(deserializer)?;
    let url = Url::parse(&text).map_err(serde::de::Error::custom)?;
    let usable = matches!(url.scheme(), "http" | "https") && url.has_host();
    if usable {
        Ok(url)
    } else {
        Err(serde::de::Error::custom(
            "an address with http or https is expected",
        ))
    }
}

impl ProviderConfig {
    /// Defaults at this address, without a key.
    ///
    /// # Panics
    /// Never: the two addresses of this crate are valid (a test parses them).
    fn at(address: &str) -> Self {
        #[expect(clippy::expect_used, reason = "two constants, parsed in a test")]
        let base_url = Url::parse(address).expect("a constant");
        Self::new(base_url, None)
    }

    /// Defaults at this address.
    #[must_use]
    pub const fn new(base_url: Url, api_key: Option<SecretString>) -> Self {
        Self {
            enabled: true,
            base_url,
            api_key,
            connect_timeout_ms: connect_ms(),
            call_timeout_ms: call_ms(),
            stall_timeout_ms: stall_ms(),
            max_concurrent: eight(),
        }
    }

    pub(crate) const fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    pub(crate) const fn call_timeout(&self) -> Duration {
        Duration::from_millis(self.call_timeout_ms)
    }

    pub(crate) const fn stall_timeout(&self) -> Duration {
        Duration::from_millis(self.stall_timeout_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_point_at_luma_and_unknown_keys_are_refused() {
        let config: Config = serde_json::from_str("{}").unwrap();
        assert_eq!(config.luma.base_url.host_str(), Some("agents.lumalabs.ai"));
        assert_eq!(
            config.luma_dream_machine.base_url.host_str(),
            Some("api.lumalabs.ai")
        );
        let known: Config =
            serde_json::from_str(r#"{"luma":{"base_url":"http://127.0.0.1:1","api_key":"canary"}}"#).unwrap();
        assert!(!format!("{known:?}").contains("canary"));
        let wrong = r#"{"luma":{"base_url":"http://127.0.0.1:1","apikey":"x"}}"#;
        assert!(serde_json::from_str::<Config>(wrong).is_err());
    }
}

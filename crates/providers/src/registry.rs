//! The providers of this process, by name.

use crate::config::{Config, ProviderConfig};
use crate::outbound::{Cidr, Fetcher, Guard};
use crate::provider::Provider;
use crate::{luma, luma_dream_machine};
use domain::capability::{Card, ProviderName};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A provider's clients could not be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{provider}: {reason}")]
pub struct BuildError {
    /// Which.
    pub provider: &'static str,
    /// Why; also what to do.
    pub reason: &'static str,
}

/// A provider as a list shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// Its name.
    pub name: ProviderName,
    /// Why it cannot be used; `None` if it can.
    pub unavailable: Option<&'static str>,
}

/// The providers that can be used, and those that cannot with their reason.
#[derive(Clone, Default)]
pub struct Registry {
    ready: BTreeMap<ProviderName, Arc<dyn Provider>>,
    missing: BTreeMap<ProviderName, &'static str>,
}

impl Registry {
    /// Luma's two APIs as configured. One without a key is listed as unavailable.
    ///
    /// # Errors
    /// [`BuildError`] if a configured provider's clients cannot be made on this machine.
    pub fn build(config: &Config, allow: &[Cidr]) -> Result<Self, BuildError> {
        let mut registry = Self::default();
        registry.hosted(luma::NAME, &config.luma, |config| {
            let fetcher = fetcher(config, allow)?;
            Ok(Arc::new(luma::Luma::new(config, fetcher)?))
        })?;
        registry.hosted(luma_dream_machine::NAME, &config.luma_dream_machine, |config| {
            let fetcher = fetcher(config, allow)?;
            Ok(Arc::new(luma_dream_machine::DreamMachine::new(config, fetcher)?))
        })?;
        Ok(registry)
    }

    fn hosted(
        &mut self,
        provider: &'static str,
        config: &ProviderConfig,
        make: impl FnOnce(&ProviderConfig) -> Result<Arc<dyn Provider>, &'static str>,
    ) -> Result<(), BuildError> {
        let name = ProviderName(provider.to_owned());
        if !config.enabled {
            self.missing.insert(name, "it is switched off in the settings");
        } else if config.api_key.is_none() {
            self.missing.insert(name, "it has no key; set its api_key");
        } else {
            let made = make(config).map_err(|reason| BuildError { provider, reason })?;
            self.ready.insert(name, made);
        }
        Ok(())
    }

    /// Adds a provider, such as the built-in engine; one of the same name is replaced.
    pub fn insert(&mut self, provider: Arc<dyn Provider>) {
        let name = provider.card().name.clone();
        self.missing.remove(&name);
        self.ready.insert(name, provider);
    }

    /// The provider of this name, if it can be used.
    #[must_use]
    pub fn get(&self, name: &ProviderName) -> Option<&Arc<dyn Provider>> {
        self.ready.get(name)
    }

    /// Those that can be used, by name.
    pub fn ready(&self) -> impl Iterator<Item = &Arc<dyn Provider>> {
        self.ready.values()
    }

    /// All, by name, with the reason of those that cannot be used.
    #[must_use]
    pub fn list(&self) -> Vec<Listed> {
        let ready = self.ready.keys().map(|name| Listed {
            name: name.clone(),
            unavailable: None,
        });
        let missing = self.missing.iter().map(|(name, why)| Listed {
            name: name.clone(),
            unavailable: Some(*why),
        });
        let mut all: Vec<_> = ready.chain(missing).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }
}

/// The card of a hosted provider, whether it can be called or not.
#[must_use]
pub fn card_of(name: &ProviderName) -> Option<Card> {
    match name.0.as_str() {
        luma::NAME => Some(luma::card(0)),
        luma_dream_machine::NAME => Some(luma_dream_machine::card(0)),
        _ => None,
    }
}

fn fetcher(config: &ProviderConfig, allow: &[Cidr]) -> Result<Fetcher, &'static str> {
    Fetcher::new(
        Guard::new(allow.to_vec()),
        config.connect_timeout(),
        config.stall_timeout(),
    )
}

//! The providers of this installation: those that can be called, and those that cannot and why.

use domain::capability::{Card, Model, ModelId, Polling, ProviderName, Verdict};
use domain::generation::{Kind, Operation};
use providers::Provider;
use std::sync::Arc;
use std::time::Duration;

/// How often a job of a provider that is no longer configured is looked at.
pub(crate) const SLOW_POLLING: Polling = Polling {
    image_first: Duration::from_secs(60),
    video_first: Duration::from_secs(60),
    image_every: Duration::from_secs(60),
    video_every: Duration::from_secs(60),
};

/// A provider that is known but cannot be called.
#[derive(Clone, Debug)]
pub struct Unavailable {
    /// Its card, so that its models can be shown.
    pub card: Card,
    /// What is missing and what to do.
    pub reason: String,
}

/// All providers. The first available one that fits is the default.
#[derive(Clone, Default)]
pub struct Catalogue {
    available: Vec<Arc<dyn Provider>>,
    unavailable: Vec<Unavailable>,
}

/// A model with who offers it.
pub struct Offer<'a> {
    /// The provider's card.
    pub card: &'a Card,
    /// The model.
    pub model: &'a Model,
    /// Why it cannot be used, if it cannot.
    pub unavailable: Option<&'a str>,
}

impl Catalogue {
    /// A catalogue of these.
    #[must_use]
    pub fn new(available: Vec<Arc<dyn Provider>>, unavailable: Vec<Unavailable>) -> Self {
        Self {
            available,
            unavailable,
        }
    }

    /// The provider of this name, if it can be called.
    #[must_use]
    pub fn provider(&self, name: &ProviderName) -> Option<Arc<dyn Provider>> {
        self.available.iter().find(|p| p.card().name == *name).cloned()
    }

    /// Every provider that can be called.
    #[must_use]
    pub fn providers(&self) -> &[Arc<dyn Provider>] {
        &self.available
    }

    /// Every provider that cannot.
    #[must_use]
    pub fn unavailable(&self) -> &[Unavailable] {
        &self.unavailable
    }

    /// Every model, available ones first.
    pub fn offers(&self) -> impl Iterator<Item = Offer<'_>> {
        let ready = self.available.iter().flat_map(|provider| {
            let card = provider.card();
            card.models.iter().map(move |model| Offer {
                card,
                model,
                unavailable: None,
            })
        });
        let missing = self.unavailable.iter().flat_map(|entry| {
            let reason = Some(entry.reason.as_str());
            entry.card.models.iter().map(move |model| Offer {
                card: &entry.card,
                model,
                unavailable: reason,
            })
        });
        ready.chain(missing)
    }

    /// The offer for a wish: the named model or provider, else the first that can do it.
    ///
    /// # Errors
    /// Why there is none.
    pub fn choose(
        &self,
        provider: Option<&ProviderName>,
        model: Option<&ModelId>,
        kind: Kind,
        operation: Operation,
    ) -> Result<Offer<'_>, NoOffer> {
        let named = |offer: &Offer<'_>| {
            provider.is_none_or(|p| offer.card.name == *p) && model.is_none_or(|m| offer.model.id == *m)
        };
        let mut unavailable = None;
        let mut named_any = false;
        for offer in self.offers().filter(named) {
            named_any = true;
            if offer.model.ability(kind, operation).is_none() && model.is_none() {
                continue;
            }
            match offer.unavailable {
                None => return Ok(offer),
                Some(reason) => {
                    unavailable.get_or_insert_with(|| reason.to_owned());
                }
            }
        }
        Err(match unavailable {
            Some(reason) if provider.is_some() || model.is_some() => NoOffer::Unavailable(reason),
            _ if named_any => NoOffer::Unfit { kind, operation },
            _ => NoOffer::Unknown,
        })
    }
}

/// Whether all of a provider's models cost nothing.
pub(crate) fn is_free(card: &Card) -> bool {
    card.handling.verdict == Verdict::Local
        && card
            .models
            .iter()
            .flat_map(|model| &model.abilities)
            .all(|ability| ability.price.is_free())
}

/// Why no model fits a wish.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoOffer {
    /// The named model or provider does not exist here.
    #[error("there is no such model here; `studio models list` names them")]
    Unknown,
    /// It exists but cannot be called.
    #[error("{0}")]
    Unavailable(String),
    /// None can do it.
    #[error("no available model can {operation} a {kind}; connect a provider that can")]
    Unfit {
        /// Image or video.
        kind: Kind,
        /// How.
        operation: Operation,
    },
}

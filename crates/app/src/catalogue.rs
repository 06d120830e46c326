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
        self.weigh(provider, model, kind, operation).0
    }

    /// The offer for a wish together with the fate of every candidate, in order.
    pub(crate) fn weigh(
        &self,
        provider: Option<&ProviderName>,
        model: Option<&ModelId>,
        kind: Kind,
        operation: Operation,
    ) -> (Result<Offer<'_>, NoOffer>, Vec<Candidate>) {
        let mut candidates = Vec::new();
        let mut chosen = None;
        for offer in self.offers() {
            let named =
                provider.is_none_or(|p| offer.card.name == *p) && model.is_none_or(|m| offer.model.id == *m);
            let able = offer.model.ability(kind, operation).is_some();
            let fate = match (named, able, offer.unavailable) {
                (false, ..) => Fate::NotNamed,
                (true, false, _) => Fate::Unfit,
                (true, true, Some(_)) => Fate::Unavailable,
                (true, true, None) if chosen.is_some() => Fate::NotNeeded,
                (true, true, None) => Fate::Taken,
            };
            candidates.push(Candidate {
                provider: offer.card.name.clone(),
                model: offer.model.id.clone(),
                fate,
                detail: offer
                    .unavailable
                    .filter(|_| fate == Fate::Unavailable)
                    .map(str::to_owned),
            });
            if fate == Fate::Taken {
                chosen = Some(offer);
            }
        }
        let outcome = chosen.ok_or_else(|| no_offer(&candidates, kind, operation));
        (outcome, candidates)
    }
}

fn no_offer(candidates: &[Candidate], kind: Kind, operation: Operation) -> NoOffer {
    let named = || {
        candidates
            .iter()
            .filter(|candidate| candidate.fate != Fate::NotNamed)
    };
    if let Some(reason) = named().find_map(|candidate| candidate.detail.clone()) {
        return NoOffer::Unavailable(reason);
    }
    if named().next().is_none() {
        NoOffer::Unknown
    } else {
        NoOffer::Unfit { kind, operation }
    }
}

/// What became of a candidate.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It makes it.
    Taken,
    /// The wish names another model or provider.
    NotNamed,
    /// It cannot do this.
    Unfit,
    /// It cannot be called.
    Unavailable,
    /// One before it could.
    NotNeeded,
}

impl Fate {
    /// The word in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::NotNamed => "not_named",
            Self::Unfit => "unfit",
            Self::Unavailable => "unavailable",
            Self::NotNeeded => "not_needed",
        }
    }
}

/// One candidate of a route and what became of it.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Candidate {
    /// The provider.
    pub provider: ProviderName,
    /// The model.
    pub model: ModelId,
    /// What became of it.
    pub fate: Fate,
    /// Why it cannot be called.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
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

//! What a provider's model can do, what it costs and what happens to the data: the card that routing,
//! prices, the gate and the user's choice all read. Data, not code: an operator may override it.

use crate::generation::{Aspect, Kind, Operation, ReferenceRole, Resolution};
use crate::money::Money;
use std::time::Duration;

/// A provider's name as in configuration and API, such as `luma`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct ProviderName(pub String);

impl std::fmt::Display for ProviderName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A model's id as the provider spells it, such as `ray-3.2`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct ModelId(pub String);

impl std::fmt::Display for ModelId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// All that the studio knows of a provider before it calls it.
#[derive(Clone, Debug)]
pub struct Card {
    /// Its name.
    pub name: ProviderName,
    /// Its name for people.
    pub title: String,
    /// Its models.
    pub models: Vec<Model>,
    /// What happens to what is sent.
    pub handling: DataHandling,
    /// How an attempt whose answer was lost can be found again.
    pub correlation: Correlation,
    /// Whether the provider can stop a running job.
    pub cancel: bool,
    /// When to look at a running job.
    pub polling: Polling,
    /// How long a lost submission may take to show in a list (floor for "it was never created").
    pub settle: Duration,
    /// The most submissions in flight at once.
    pub max_concurrent: u32,
}

/// One model.
#[derive(Clone, Debug)]
pub struct Model {
    /// Its id.
    pub id: ModelId,
    /// Its name for people.
    pub title: String,
    /// A demonstration model: its pictures are labelled as such everywhere.
    pub demo: bool,
    /// What it makes, and how.
    pub abilities: Vec<Ability>,
    /// The fewest characters of a prompt.
    pub min_prompt_chars: usize,
    /// The most characters of a prompt.
    pub max_prompt_chars: usize,
    /// Whether a seed is honoured.
    pub seed: bool,
    /// Whether a clip can loop.
    pub looping: bool,
}

/// One thing a model does, with its bounds.
#[derive(Clone, Debug)]
pub struct Ability {
    /// Image or video.
    pub kind: Kind,
    /// How it is made.
    pub operation: Operation,
    /// Exact sizes it makes; empty if it takes an aspect instead.
    pub sizes: Vec<(u32, u32)>,
    /// Aspects it makes; the first is the default.
    pub aspects: Vec<Aspect>,
    /// Resolutions it makes; the first is the default.
    pub resolutions: Vec<Resolution>,
    /// Lengths in seconds; the first is the default. Empty for images.
    pub seconds: Vec<u32>,
    /// References it takes, with the most of each role.
    pub references: Vec<(ReferenceRole, usize)>,
    /// Roles that must be there.
    pub required: Vec<ReferenceRole>,
    /// Its price.
    pub price: Price,
}

/// A price with its source; `None` amounts are unknown and refuse a quote.
#[derive(Clone, Debug)]
pub struct Price {
    /// Rows: the first whose conditions hold is the price of one output.
    pub rows: Vec<PriceRow>,
    /// Added for each reference after the first.
    pub per_further_reference: Money,
    /// Where the figures come from.
    pub source: String,
    /// The date of the figures (ISO 8601 day).
    pub as_of: String,
}

/// One row of a price table. `None` fits anything.
#[derive(Clone, Debug)]
pub struct PriceRow {
    /// For this resolution.
    pub resolution: Option<Resolution>,
    /// For this length.
    pub seconds: Option<u32>,
    /// Whether it holds with (true) or without references.
    pub with_references: Option<bool>,
    /// For one output, or for one second of it.
    pub per: Per,
    /// The amount.
    pub amount: Money,
}

/// What an amount is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Per {
    /// One picture or clip.
    Output,
    /// One second of a clip.
    Second,
}

impl Price {
    /// A price of nothing: our own machine.
    #[must_use]
    pub fn free(source: &str, as_of: &str) -> Self {
        Self {
            rows: vec![PriceRow {
                resolution: None,
                seconds: None,
                with_references: None,
                per: Per::Output,
                amount: Money::ZERO_USD,
            }],
            per_further_reference: Money::ZERO_USD,
            source: source.to_owned(),
            as_of: as_of.to_owned(),
        }
    }

    /// What one output costs; `None` if the table has no row for it.
    #[must_use]
    pub fn of(
        &self,
        resolution: Option<Resolution>,
        seconds: Option<u32>,
        references: usize,
    ) -> Option<Money> {
        let row = self.rows.iter().find(|row| {
            row.resolution.is_none_or(|r| Some(r) == resolution)
                && row.seconds.is_none_or(|s| Some(s) == seconds)
                && row.with_references.is_none_or(|with| with == (references > 0))
        })?;
        let base = match row.per {
            Per::Output => row.amount,
            Per::Second => row.amount.times(i64::from(seconds?)),
        };
        let further = i64::try_from(references.saturating_sub(1)).unwrap_or(i64::MAX);
        let extra = self.per_further_reference.times(further);
        Some(Money {
            micros: base.micros.saturating_add(extra.micros),
            currency: base.currency,
        })
    }

    /// Whether nothing is ever charged.
    #[must_use]
    pub fn is_free(&self) -> bool {
        !self.rows.is_empty()
            && self.rows.iter().all(|row| row.amount.is_zero())
            && self.per_further_reference.is_zero()
    }
}

/// What a provider does with what it gets (LGPD articles 33–36; `lgpd.md` 11).
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct DataHandling {
    /// Where it is processed: an ISO 3166 country code, `local` (this machine), or `unknown`.
    pub country: String,
    /// How long it is kept, in words.
    pub retention: String,
    /// Whether it is used for training, in words.
    pub training: String,
    /// Whether the gate may let personal data or any data go there.
    pub verdict: Verdict,
}

/// The operator's verdict on a provider.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Anything may go there: it stays on our machines.
    Local,
    /// May be used for purposes that were named; personal data needs more than the prompt's purpose.
    Allowed,
    /// Nothing goes there.
    Refused,
}

/// What helps to find an attempt whose answer was lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Correlation {
    /// Nothing: a lost answer stays unknown.
    None,
    /// A complete list of what was created, which echoes a token we planted.
    List,
    /// The engine runs on this machine and answers for sure.
    Local,
}

/// When to look at a running job.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Polling {
    /// First look at an image.
    pub image_first: Duration,
    /// First look at a video.
    pub video_first: Duration,
    /// Every further look at an image.
    pub image_every: Duration,
    /// Every further look at a video.
    pub video_every: Duration,
}

impl Polling {
    /// The first look.
    #[must_use]
    pub const fn first(&self, kind: Kind) -> Duration {
        match kind {
            Kind::Image => self.image_first,
            Kind::Video => self.video_first,
        }
    }

    /// Every further look.
    #[must_use]
    pub const fn every(&self, kind: Kind) -> Duration {
        match kind {
            Kind::Image => self.image_every,
            Kind::Video => self.video_every,
        }
    }
}

impl Model {
    /// The ability for this kind and operation.
    #[must_use]
    pub fn ability(&self, kind: Kind, operation: Operation) -> Option<&Ability> {
        self.abilities
            .iter()
            .find(|a| a.kind == kind && a.operation == operation)
    }
}

impl Card {
    /// The model of this id.
    #[must_use]
    pub fn model(&self, id: &ModelId) -> Option<&Model> {
        self.models.iter().find(|m| m.id == *id)
    }
}

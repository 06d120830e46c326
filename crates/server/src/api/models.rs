//! Models and providers.

use app::catalogue::Offer;
use domain::capability::{DataHandling, Per, Verdict};
use domain::generation::{Aspect, Kind, Operation, ReferenceRole, Resolution};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Width and height in pixels.
#[derive(Serialize, ToSchema)]
pub struct SizeBody {
    width: u32,
    height: u32,
}

/// What an amount is for.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum PriceUnit {
    /// One picture.
    Image,
    /// One clip.
    Video,
    /// One second of a clip.
    Second,
}

/// The price of one ability, with its source.
#[derive(Serialize, ToSchema)]
pub struct PriceBody {
    unit: PriceUnit,
    micros: i64,
    currency: String,
    as_of: String,
    source: String,
}

/// Which references an ability takes.
#[derive(Serialize, ToSchema)]
pub struct ReferencesBody {
    max: usize,
    roles: Vec<ReferenceRole>,
}

/// What happens to what is sent.
#[derive(Serialize, ToSchema)]
pub struct DataBody {
    /// ISO 3166 code, `local`, or `unknown`.
    country: String,
    retention: String,
    training: String,
    /// `local`, `allowed` or `refused`.
    verdict: String,
}

impl From<&DataHandling> for DataBody {
    fn from(handling: &DataHandling) -> Self {
        let verdict = match handling.verdict {
            Verdict::Local => "local",
            Verdict::Allowed => "allowed",
            Verdict::Refused => "refused",
        };
        Self {
            country: handling.country.clone(),
            retention: handling.retention.clone(),
            training: handling.training.clone(),
            verdict: verdict.to_owned(),
        }
    }
}

/// One thing a model does.
#[derive(Serialize, ToSchema)]
pub struct AbilityBody {
    kind: Kind,
    operation: Operation,
    sizes: Vec<SizeBody>,
    aspects: Vec<Aspect>,
    resolutions: Vec<Resolution>,
    seconds: Vec<u32>,
    references: ReferencesBody,
    /// The lowest price of one output or second; absent when it is free.
    price: Option<PriceBody>,
}

/// A model.
#[derive(Serialize, ToSchema)]
pub struct ModelBody {
    id: String,
    provider: String,
    provider_title: String,
    title: String,
    /// A demonstration model: not for real work.
    demo: bool,
    kinds: Vec<Kind>,
    operations: Vec<Operation>,
    sizes: Vec<SizeBody>,
    aspects: Vec<Aspect>,
    resolutions: Vec<Resolution>,
    seconds: Vec<u32>,
    references: ReferencesBody,
    abilities: Vec<AbilityBody>,
    /// Whether a seed is honoured.
    seed: bool,
    max_prompt_chars: usize,
    /// Absent when it is free.
    price: Option<PriceBody>,
    data: DataBody,
    available: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    unavailable_reason: Option<String>,
    /// What the built-in model can draw, by group, in both languages.
    #[serde(skip_serializing_if = "Option::is_none")]
    vocabulary: Option<Vec<VocabularyBody>>,
}

/// What the built-in model can draw in one respect.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct VocabularyBody {
    /// Such as `time`, `ground` or `object`.
    slot: String,
    words: Vec<WordBody>,
}

/// A word of the model and what a prompt may call it.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct WordBody {
    word: String,
    /// Portuguese; the first is the usual one.
    pt: Vec<String>,
    /// English; the first is the usual one.
    en: Vec<String>,
}

fn vocabulary() -> Option<Vec<VocabularyBody>> {
    serde_json::from_value(app::embedded::vocabulary()).ok()
}

/// Every model.
#[derive(Serialize, ToSchema)]
pub struct ModelList {
    pub(crate) items: Vec<ModelBody>,
}

fn price(ability: &domain::capability::Ability) -> Option<PriceBody> {
    if ability.price.is_free() {
        return None;
    }
    let row = ability.price.rows.iter().min_by_key(|row| row.amount.micros)?;
    let unit = match (row.per, ability.kind) {
        (Per::Second, _) => PriceUnit::Second,
        (Per::Output, Kind::Image) => PriceUnit::Image,
        (Per::Output, Kind::Video) => PriceUnit::Video,
    };
    Some(PriceBody {
        unit,
        micros: row.amount.micros,
        currency: row.amount.currency.code().to_owned(),
        as_of: ability.price.as_of.clone(),
        source: ability.price.source.clone(),
    })
}

fn sizes(sizes: &[(u32, u32)]) -> Vec<SizeBody> {
    sizes
        .iter()
        .map(|(width, height)| SizeBody {
            width: *width,
            height: *height,
        })
        .collect()
}

fn references(all: &[(ReferenceRole, usize)]) -> ReferencesBody {
    ReferencesBody {
        max: all.iter().map(|(_, most)| most).sum(),
        roles: all.iter().map(|(role, _)| *role).collect(),
    }
}

fn union<T: Copy + PartialEq>(lists: impl Iterator<Item = T>) -> Vec<T> {
    let mut all = Vec::new();
    for item in lists {
        if !all.contains(&item) {
            all.push(item);
        }
    }
    all
}

impl From<Offer<'_>> for ModelBody {
    fn from(offer: Offer<'_>) -> Self {
        let model = offer.model;
        let abilities = &model.abilities;
        let create = abilities.iter().filter(|a| a.operation == Operation::Create);
        Self {
            id: model.id.to_string(),
            provider: offer.card.name.to_string(),
            provider_title: offer.card.title.clone(),
            title: model.title.clone(),
            demo: model.demo,
            kinds: union(abilities.iter().map(|a| a.kind)),
            operations: union(abilities.iter().map(|a| a.operation)),
            sizes: sizes(&union(create.clone().flat_map(|a| a.sizes.iter().copied()))),
            aspects: union(create.clone().flat_map(|a| a.aspects.iter().copied())),
            resolutions: union(create.clone().flat_map(|a| a.resolutions.iter().copied())),
            seconds: union(create.clone().flat_map(|a| a.seconds.iter().copied())),
            references: references(&union(create.flat_map(|a| a.references.iter().copied()))),
            price: abilities.first().and_then(price),
            abilities: abilities
                .iter()
                .map(|a| AbilityBody {
                    kind: a.kind,
                    operation: a.operation,
                    sizes: sizes(&a.sizes),
                    aspects: a.aspects.clone(),
                    resolutions: a.resolutions.clone(),
                    seconds: a.seconds.clone(),
                    references: references(&a.references),
                    price: price(a),
                })
                .collect(),
            seed: model.seed,
            max_prompt_chars: model.max_prompt_chars,
            data: DataBody::from(&offer.card.handling),
            available: offer.unavailable.is_none(),
            unavailable_reason: offer.unavailable.map(str::to_owned),
            vocabulary: if model.demo { vocabulary() } else { None },
        }
    }
}

/// A provider and whether it can be called.
#[derive(Serialize, ToSchema)]
pub struct ProviderBody {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) available: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unavailable_reason: Option<String>,
    pub(crate) models: Vec<String>,
    pub(crate) data: DataBody,
    /// Jobs there now.
    pub(crate) in_flight: i64,
}

/// Every provider.
#[derive(Serialize, ToSchema)]
pub struct ProviderList {
    pub(crate) items: Vec<ProviderBody>,
}

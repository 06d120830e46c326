//! The shapes of the API: what JSON goes in and out. Separate from the rules, so that a rule can change
//! without a client noticing.

use app::catalogue::{Candidate, Offer};
use app::generations::{Decision, NewGeneration, Note, OutputView, Quoted, View};
use domain::capability::{DataHandling, ModelId, Per, ProviderName, Verdict};
use domain::event::Progress;
use domain::gate::Purpose;
use domain::generation::{Aspect, Kind, Operation, Reference, ReferenceSource, Resolution, Role, State};
use domain::id::{AssetId, GenerationId, QuoteId};
use domain::job::Attempt;
use domain::money::Money;
use domain::screening::{Finding, Taken};
use domain::secret::Prompt;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A request for a generation.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewGenerationBody {
    kind: Kind,
    /// What to make, in words.
    #[serde(default)]
    prompt: String,
    /// How; inferred from the references when absent.
    operation: Option<Operation>,
    model: Option<String>,
    provider: Option<String>,
    /// `WIDTHxHEIGHT`, for models that take sizes.
    size: Option<String>,
    aspect: Option<Aspect>,
    resolution: Option<Resolution>,
    seconds: Option<u32>,
    seed: Option<u64>,
    /// 1 to 4.
    count: Option<u16>,
    #[serde(default)]
    references: Vec<ReferenceBody>,
    /// Whether a clip loops.
    #[serde(rename = "loop", default)]
    looping: bool,
    purpose: Option<Purpose>,
    /// A quote to keep to.
    quote: Option<String>,
}

/// A reference: an asset or an earlier generation, and what it is for.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReferenceBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    asset: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<String>,
    role: Role,
}

/// A field that is not of its form.
pub(crate) struct BadField {
    pub(crate) field: String,
    pub(crate) detail: &'static str,
}

impl NewGenerationBody {
    /// The wish, once every field has its form.
    pub(crate) fn parse(self) -> Result<NewGeneration, BadField> {
        let bad = |field: &str, detail| BadField {
            field: field.to_owned(),
            detail,
        };
        let size = match self.size.as_deref() {
            None => None,
            Some(text) => Some(
                parse_size(text).ok_or_else(|| bad("size", "write it as WIDTHxHEIGHT, such as 512x512"))?,
            ),
        };
        let quote = match self.quote.as_deref() {
            None => None,
            Some(text) => Some(
                text.parse::<QuoteId>()
                    .map_err(|_| bad("quote", "it begins with `quo_`"))?,
            ),
        };
        let mut references = Vec::with_capacity(self.references.len());
        for (place, body) in self.references.into_iter().enumerate() {
            let field = format!("references[{place}]");
            references.push(body.parse().map_err(|detail| BadField { field, detail })?);
        }
        Ok(NewGeneration {
            kind: self.kind,
            operation: self.operation,
            prompt: Prompt::new(self.prompt),
            model: self.model.map(ModelId),
            provider: self.provider.map(ProviderName),
            size,
            aspect: self.aspect,
            resolution: self.resolution,
            seconds: self.seconds,
            seed: self.seed,
            count: self.count.unwrap_or(1),
            references,
            looping: self.looping,
            purpose: self.purpose,
            quote,
        })
    }
}

impl ReferenceBody {
    fn parse(self) -> Result<Reference, &'static str> {
        let source = match (self.asset, self.generation) {
            (Some(asset), None) => ReferenceSource::Asset(
                asset
                    .parse::<AssetId>()
                    .map_err(|_| "an asset begins with `ast_`")?,
            ),
            (None, Some(generation)) => ReferenceSource::Generation(
                generation
                    .parse::<GenerationId>()
                    .map_err(|_| "a generation begins with `gen_`")?,
            ),
            _ => return Err("give exactly one of `asset` and `generation`"),
        };
        Ok(Reference {
            source,
            role: self.role,
        })
    }
}

fn parse_size(text: &str) -> Option<(u32, u32)> {
    let (width, height) = text.split_once('x')?;
    Some((width.parse().ok()?, height.parse().ok()?))
}

/// An amount: integer micro-units (1,000,000 is one unit) and an ISO 4217 currency.
#[derive(Serialize, ToSchema)]
pub struct MoneyBody {
    micros: i64,
    currency: String,
}

impl From<Money> for MoneyBody {
    fn from(money: Money) -> Self {
        Self {
            micros: money.micros,
            currency: money.currency.code().to_owned(),
        }
    }
}

/// What it was expected to cost and what it cost.
#[derive(Serialize, ToSchema)]
pub struct CostBody {
    estimated: MoneyBody,
    /// What was charged; absent until it is known.
    actual: Option<MoneyBody>,
    /// What a provider may have charged without proof either way.
    #[serde(skip_serializing_if = "Option::is_none")]
    possible_loss: Option<MoneyBody>,
    currency: String,
}

/// One output.
#[derive(Serialize, ToSchema)]
pub struct OutputBody {
    asset: String,
    media_type: String,
    width: u32,
    height: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    sha256: String,
}

/// Who makes it.
#[derive(Serialize, ToSchema)]
pub struct EngineBody {
    provider: String,
    model: String,
    /// Made by a demonstration model.
    demo: bool,
}

/// Something the owner should know.
#[derive(Serialize, ToSchema)]
pub struct NoteBody {
    /// Catalogue key: `note.<code>`.
    code: String,
    detail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    words: Vec<String>,
}

/// One finding in the prompt: what was found, what was done, where in the typed text (bytes).
#[derive(Serialize, ToSchema)]
pub struct FindingBody {
    /// Stable code such as `screening.cpf`.
    kind: String,
    /// `reported`, `redacted`, `removed`, `normalised` or `refused`.
    action: String,
    start: usize,
    end: usize,
}

/// What prompt validation found and did.
#[derive(Serialize, ToSchema)]
pub struct ScreeningBody {
    findings: Vec<FindingBody>,
}

/// Why it did not work.
#[derive(Serialize, ToSchema)]
pub struct ErrorBody {
    /// Catalogue key: `error.<code>`.
    code: String,
    title: String,
    detail: String,
}

/// A generation.
#[derive(Serialize, ToSchema)]
pub struct GenerationBody {
    id: String,
    kind: Kind,
    operation: Operation,
    state: State,
    prompt: String,
    model: String,
    provider: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aspect: Option<Aspect>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolution: Option<Resolution>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
    count: u16,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    references: Vec<ReferenceBody>,
    /// RFC 3339, UTC.
    created_at: String,
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<Progress>,
    outputs: Vec<OutputBody>,
    cost: CostBody,
    engine: EngineBody,
    /// Made by a demonstration model.
    demo: bool,
    notes: Vec<NoteBody>,
    screening: ScreeningBody,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorBody>,
}

fn size_text(size: (u32, u32)) -> String {
    format!("{}x{}", size.0, size.1)
}

impl From<View> for GenerationBody {
    fn from(view: View) -> Self {
        Self {
            id: view.id.to_string(),
            kind: view.kind,
            operation: view.operation,
            state: view.state,
            prompt: view.prompt,
            model: view.engine.model.clone(),
            provider: view.engine.provider.clone(),
            size: view.size.map(size_text),
            aspect: view.aspect,
            resolution: view.resolution,
            seconds: view.seconds,
            seed: view.seed,
            count: view.count,
            references: view.references.into_iter().map(reference).collect(),
            created_at: view.created_at.to_string(),
            updated_at: view.updated_at.to_string(),
            finished_at: view.finished_at.map(|t| t.to_string()),
            progress: view.progress,
            outputs: view.outputs.into_iter().map(output).collect(),
            cost: CostBody {
                currency: view.cost.estimated.currency.code().to_owned(),
                estimated: view.cost.estimated.into(),
                actual: view.cost.actual.map(MoneyBody::from),
                possible_loss: view.cost.possible_loss.map(MoneyBody::from),
            },
            demo: view.engine.demo,
            engine: EngineBody {
                provider: view.engine.provider,
                model: view.engine.model,
                demo: view.engine.demo,
            },
            notes: view.notes.into_iter().map(note).collect(),
            screening: ScreeningBody {
                findings: view.findings.iter().map(finding).collect(),
            },
            error: view.error.map(|fault| ErrorBody {
                title: crate::problem::fault_title(fault.kind).to_owned(),
                code: fault.code,
                detail: fault.detail,
            }),
        }
    }
}

fn reference(reference: Reference) -> ReferenceBody {
    let (asset, generation) = match reference.source {
        ReferenceSource::Asset(id) => (Some(id.to_string()), None),
        ReferenceSource::Generation(id) => (None, Some(id.to_string())),
    };
    ReferenceBody {
        asset,
        generation,
        role: reference.role,
    }
}

fn output(output: OutputView) -> OutputBody {
    OutputBody {
        asset: output.asset.to_string(),
        media_type: output.media_type,
        width: output.width,
        height: output.height,
        seconds: output.seconds,
        sha256: output.sha256,
    }
}

fn note(note: Note) -> NoteBody {
    NoteBody {
        code: note.code.to_owned(),
        detail: note.detail,
        words: note.words,
    }
}

fn finding(finding: &Finding) -> FindingBody {
    let action = match finding.action {
        Taken::Reported => "reported",
        Taken::Redacted => "redacted",
        Taken::Removed => "removed",
        Taken::Normalised => "normalised",
        Taken::Refused => "refused",
    };
    FindingBody {
        kind: finding.code().to_owned(),
        action: action.to_owned(),
        start: finding.start,
        end: finding.end,
    }
}

/// A page of generations, newest first.
#[derive(Serialize, ToSchema)]
pub struct GenerationPage {
    items: Vec<GenerationBody>,
    /// Give it as `cursor` for the next page; absent on the last.
    next_cursor: Option<String>,
}

impl From<app::generations::Page> for GenerationPage {
    fn from(page: app::generations::Page) -> Self {
        Self {
            items: page.items.into_iter().map(GenerationBody::from).collect(),
            next_cursor: page.next.map(|id| id.to_string()),
        }
    }
}

/// One candidate and what became of it.
#[derive(Serialize, ToSchema)]
pub struct CandidateBody {
    provider: String,
    model: String,
    /// `taken`, `not_named`, `unfit`, `unavailable` or `not_needed`.
    fate: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// One submission.
#[derive(Serialize, ToSchema)]
pub struct AttemptBody {
    id: String,
    /// 1 is the first submission of its output.
    number: u16,
    provider: String,
    state: String,
    intent_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<MoneyBody>,
    /// Why it did not work.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
}

/// Why a generation went where it went.
#[derive(Serialize, ToSchema)]
pub struct DecisionBody {
    id: String,
    /// What it was for; empty if nothing was said.
    purpose: String,
    candidates: Vec<CandidateBody>,
    attempts: Vec<AttemptBody>,
}

impl From<Decision> for DecisionBody {
    fn from(decision: Decision) -> Self {
        let candidate = |candidate: Candidate| CandidateBody {
            provider: candidate.provider.to_string(),
            model: candidate.model.to_string(),
            fate: candidate.fate.as_str().to_owned(),
            detail: candidate.detail,
        };
        let attempt = |attempt: Attempt| AttemptBody {
            id: attempt.id.to_string(),
            number: attempt.number,
            provider: attempt.provider.to_string(),
            state: attempt.state.to_string(),
            intent_at: attempt.intent_at.to_string(),
            cost: attempt.cost.map(MoneyBody::from),
            code: attempt.fault.map(|fault| fault.code),
        };
        Self {
            id: decision.id.to_string(),
            purpose: decision.purpose,
            candidates: decision.candidates.into_iter().map(candidate).collect(),
            attempts: decision.attempts.into_iter().map(attempt).collect(),
        }
    }
}

/// A price and ceiling told before the call.
#[derive(Serialize, ToSchema)]
pub struct QuoteBody {
    id: String,
    provider: String,
    model: String,
    estimated: MoneyBody,
    /// It never costs more than this.
    ceiling: MoneyBody,
    expires_at: String,
}

impl From<Quoted> for QuoteBody {
    fn from(quote: Quoted) -> Self {
        Self {
            id: quote.id.to_string(),
            provider: quote.provider.to_string(),
            model: quote.model.to_string(),
            estimated: quote.estimated.into(),
            ceiling: quote.ceiling.into(),
            expires_at: quote.expires_at.to_string(),
        }
    }
}

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
    roles: Vec<Role>,
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

fn references(all: &[(Role, usize)]) -> ReferencesBody {
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

/// Stored media.
#[derive(Serialize, ToSchema)]
pub struct AssetBody {
    pub(crate) id: String,
    pub(crate) media_type: String,
    pub(crate) width: u32,
    pub(crate) height: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seconds: Option<f64>,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
    pub(crate) demo: bool,
    pub(crate) created_at: String,
}

/// An upload.
#[derive(Serialize, ToSchema)]
pub struct UploadBody {
    pub(crate) id: String,
    pub(crate) offset: u64,
    pub(crate) length: u64,
    /// The asset it became, once complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) asset: Option<String>,
}

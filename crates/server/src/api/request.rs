//! What a request for a generation looks like.

use app::generations::NewGeneration;
use domain::capability::{ModelId, ProviderName};
use domain::gate::Purpose;
use domain::generation::{Aspect, Kind, Operation, Reference, ReferenceRole, ReferenceSource, Resolution};
use domain::id::{AssetId, GenerationId, QuoteId};
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
    pub(super) asset: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) generation: Option<String>,
    pub(super) role: ReferenceRole,
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

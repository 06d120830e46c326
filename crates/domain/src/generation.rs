//! What a user asks for, checked against what the model can do. A [`Spec`] that exists is valid.

use crate::capability::{Ability, Card, Model, ModelId, ProviderName};
use crate::id::{AssetId, GenerationId};
use crate::money::Money;
use crate::secret::Prompt;

/// The most outputs of one generation.
pub const MAX_COUNT: u16 = 4;
/// The largest seed: exact in JSON and in JavaScript (2^53 − 1).
pub const MAX_SEED: u64 = (1 << 53) - 1;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize,)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant,)* }

        impl $name {
            /// Every value, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The word in API, database and logs.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .enum_values(Some([$($text,)*]))
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> {
                std::borrow::Cow::Borrowed(stringify!($name))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::generation::UnknownWord;
            fn from_str(text: &str) -> Result<Self, $crate::generation::UnknownWord> {
                match text { $($text => Ok(Self::$variant),)* _ => Err($crate::generation::UnknownWord { known: &[$($text,)*] }) }
            }
        }
    };
}
pub(crate) use words;

/// A word that is not one of a closed list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected one of: {}", known.join(", "))]
pub struct UnknownWord {
    /// The list.
    pub known: &'static [&'static str],
}

words! {
    /// What comes out.
    Kind {
        /// A still.
        Image = "image",
        /// A clip.
        Video = "video",
    }
}

words! {
    /// How it is made.
    Operation {
        /// From words (and style references or frames).
        Create = "create",
        /// A source changed by words.
        Edit = "edit",
        /// A source in another aspect.
        Reframe = "reframe",
        /// A clip of an earlier generation goes on.
        Extend = "extend",
        /// A clip restyled by words.
        Modify = "modify",
        /// An earlier generation in a higher resolution.
        Upscale = "upscale",
        /// Sound for an earlier clip.
        Audio = "audio",
    }
}

words! {
    /// What a reference is for.
    ReferenceRole {
        /// The first frame of a clip.
        StartFrame = "start_frame",
        /// The last frame of a clip.
        EndFrame = "end_frame",
        /// The look.
        Style = "style",
        /// Content to draw from.
        Image = "image",
        /// A character to keep.
        Character = "character",
        /// What is edited, reframed, extended, upscaled or given sound.
        Source = "source",
    }
}

words! {
    /// Width to height.
    Aspect {
        /// 1:1
        Square = "1:1",
        /// 16:9
        Wide = "16:9",
        /// 9:16
        Tall = "9:16",
        /// 4:3
        Landscape = "4:3",
        /// 3:4
        Portrait = "3:4",
        /// 3:2
        Photo = "3:2",
        /// 2:3
        PhotoTall = "2:3",
        /// 21:9
        Cinema = "21:9",
        /// 9:21
        CinemaTall = "9:21",
        /// 2:1
        Double = "2:1",
        /// 1:2
        DoubleTall = "1:2",
        /// 3:1
        Banner = "3:1",
        /// 1:3
        BannerTall = "1:3",
    }
}

words! {
    /// Height class of a clip.
    Resolution {
        /// 360 lines, a draft.
        P360 = "360p",
        /// 540 lines.
        P540 = "540p",
        /// 720 lines.
        P720 = "720p",
        /// 1080 lines.
        P1080 = "1080p",
        /// 2160 lines.
        K4 = "4k",
    }
}

words! {
    /// Where a generation stands, as users see it.
    State {
        /// Accepted, waiting for its turn.
        Queued = "queued",
        /// On its way.
        Running = "running",
        /// Done: at least one output.
        Succeeded = "succeeded",
        /// Not done; the error says why.
        Failed = "failed",
        /// Refused by content rules.
        Blocked = "blocked",
        /// Stopped by its owner.
        Cancelled = "cancelled",
        /// Not done in time.
        Expired = "expired",
        /// Whether a provider made (and charged) it is not known; a person decides.
        NeedsAttention = "needs_attention",
    }
}

impl State {
    /// Whether nothing more will happen by itself.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// Where a reference comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReferenceSource {
    /// Stored media.
    Asset(AssetId),
    /// An earlier generation at the same provider.
    Generation(GenerationId),
}

/// One reference.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Reference {
    /// Where it comes from.
    pub source: ReferenceSource,
    /// What it is for.
    pub role: ReferenceRole,
}

/// What a user asked for, as it came, with its model chosen.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Image or video.
    pub kind: Kind,
    /// How; inferred from references when absent.
    pub operation: Option<Operation>,
    /// The text after screening.
    pub prompt: Prompt,
    /// Width and height.
    pub size: Option<(u32, u32)>,
    /// Aspect instead of a size.
    pub aspect: Option<Aspect>,
    /// Height class.
    pub resolution: Option<Resolution>,
    /// Length.
    pub seconds: Option<u32>,
    /// Seed.
    pub seed: Option<u64>,
    /// How many outputs.
    pub count: u16,
    /// References.
    pub references: Vec<Reference>,
    /// Whether a clip loops.
    pub looping: bool,
}

/// A valid request to one model. Serialised (with the prompt apart) into the database.
#[derive(Clone, PartialEq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Spec {
    /// Image or video.
    pub kind: Kind,
    /// How it is made.
    pub operation: Operation,
    /// Who makes it.
    pub provider: ProviderName,
    /// With what.
    pub model: ModelId,
    /// Width and height in pixels, where the model takes sizes.
    pub size: Option<(u32, u32)>,
    /// Aspect, where it takes aspects.
    pub aspect: Option<Aspect>,
    /// Height class, where it takes one.
    pub resolution: Option<Resolution>,
    /// Length in seconds, for clips.
    pub seconds: Option<u32>,
    /// Seed; made by the studio when the user gave none and the model takes one.
    pub seed: Option<u64>,
    /// How many outputs: 1 to [`MAX_COUNT`].
    pub count: u16,
    /// References in the order given.
    pub references: Vec<Reference>,
    /// Whether a clip loops.
    pub looping: bool,
}

/// One wrong field of a request.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error, serde::Serialize)]
#[error("{field}: {detail}")]
pub struct FieldError {
    /// The field's name in the API.
    pub field: &'static str,
    /// Stable code.
    pub code: &'static str,
    /// What to do.
    pub detail: String,
}

fn wrong(field: &'static str, code: &'static str, detail: impl Into<String>) -> FieldError {
    FieldError {
        field,
        code,
        detail: detail.into(),
    }
}

fn listed<T: std::fmt::Display>(items: &[T]) -> String {
    items
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// Infers how from what was given: a source means an edit of a still or a change of a clip.
#[must_use]
pub fn infer_operation(kind: Kind, references: &[Reference]) -> Operation {
    let source = references.iter().any(|r| r.role == ReferenceRole::Source);
    match (source, kind) {
        (true, Kind::Image) => Operation::Edit,
        (true, Kind::Video) => Operation::Modify,
        (false, _) => Operation::Create,
    }
}

impl Spec {
    /// Checks a wish against a model; all wrong fields at once.
    ///
    /// # Errors
    /// Every field that the model cannot take, each with what it takes.
    pub fn check(wish: &Wish, card: &Card, model: &Model, seed: u64) -> Result<Self, Vec<FieldError>> {
        let mut errors = Vec::new();
        let operation = wish
            .operation
            .unwrap_or_else(|| infer_operation(wish.kind, &wish.references));
        let Some(ability) = model.ability(wish.kind, operation) else {
            return Err(vec![wrong(
                "model",
                "unsupported_operation",
                format!(
                    "`{}` cannot {operation} a {}; choose another model",
                    model.id, wish.kind
                ),
            )]);
        };
        check_prompt(wish, model, operation, &mut errors);
        if wish.count == 0 || wish.count > MAX_COUNT {
            errors.push(wrong("count", "out_of_range", format!("choose 1 to {MAX_COUNT}")));
        }
        if wish.seed.is_some() && !model.seed {
            errors.push(wrong(
                "seed",
                "unsupported",
                format!("`{}` takes no seed; leave it out", model.id),
            ));
        }
        if wish.seed.is_some_and(|s| s > MAX_SEED) {
            errors.push(wrong("seed", "out_of_range", format!("choose 0 to {MAX_SEED}")));
        }
        if wish.looping && !(model.looping && wish.kind == Kind::Video) {
            errors.push(wrong(
                "loop",
                "unsupported",
                format!("`{}` makes no loops", model.id),
            ));
        }
        let shape = check_shape(wish, ability, &mut errors);
        let seconds = check_seconds(wish, ability, &mut errors);
        check_references(wish, ability, &mut errors);
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self {
            kind: wish.kind,
            operation,
            provider: card.name.clone(),
            model: model.id.clone(),
            size: shape.0,
            aspect: shape.1,
            resolution: shape.2,
            seconds,
            seed: model.seed.then(|| wish.seed.unwrap_or(seed & MAX_SEED)),
            count: wish.count,
            references: wish.references.clone(),
            looping: wish.looping,
        })
    }

    /// What one output costs by the model's table; `None` if the table does not know.
    #[must_use]
    pub fn unit_price(&self, model: &Model) -> Option<Money> {
        let ability = model.ability(self.kind, self.operation)?;
        ability
            .price
            .of(self.resolution, self.seconds, self.references.len())
    }
}

fn check_prompt(wish: &Wish, model: &Model, operation: Operation, errors: &mut Vec<FieldError>) {
    let chars = wish.prompt.expose().chars().count();
    let needs_words = !matches!(
        operation,
        Operation::Reframe | Operation::Upscale | Operation::Audio
    );
    if needs_words && chars < model.min_prompt_chars {
        let detail = format!("write at least {} characters", model.min_prompt_chars);
        errors.push(wrong("prompt", "too_short", detail));
    }
    if chars > model.max_prompt_chars {
        let detail = format!(
            "at most {} characters for `{}`; this has {chars}",
            model.max_prompt_chars, model.id
        );
        errors.push(wrong("prompt", "too_long", detail));
    }
}

type Shape = (Option<(u32, u32)>, Option<Aspect>, Option<Resolution>);

fn check_shape(wish: &Wish, ability: &Ability, errors: &mut Vec<FieldError>) -> Shape {
    let mut shape = (None, None, None);
    if wish.size.is_some() && wish.aspect.is_some() {
        errors.push(wrong("aspect", "conflict", "give a size or an aspect, not both"));
    }
    match wish.size {
        Some(size) if ability.sizes.contains(&size) => shape.0 = Some(size),
        Some(_) if ability.sizes.is_empty() => {
            let detail = format!("this model takes an aspect: {}", listed(&ability.aspects));
            errors.push(wrong("size", "unsupported", detail));
        }
        Some(_) => {
            let sizes: Vec<_> = ability.sizes.iter().map(|(w, h)| format!("{w}x{h}")).collect();
            errors.push(wrong(
                "size",
                "unsupported",
                format!("choose one of: {}", sizes.join(", ")),
            ));
        }
        None => {}
    }
    match wish.aspect {
        Some(aspect) if ability.aspects.contains(&aspect) => {
            shape.1 = Some(aspect);
            shape.0 = ability
                .sizes
                .iter()
                .copied()
                .find(|(w, h)| is_aspect(*w, *h, aspect));
        }
        Some(_) => {
            let detail = format!("choose one of: {}", listed(&ability.aspects));
            errors.push(wrong("aspect", "unsupported", detail));
        }
        None if wish.size.is_none() => {
            shape.0 = ability.sizes.first().copied();
            shape.1 = ability.aspects.first().copied();
        }
        None => {}
    }
    match wish.resolution {
        Some(r) if ability.resolutions.contains(&r) => shape.2 = Some(r),
        Some(_) => {
            let detail = format!("choose one of: {}", listed(&ability.resolutions));
            errors.push(wrong("resolution", "unsupported", detail));
        }
        None => shape.2 = ability.resolutions.first().copied(),
    }
    shape
}

fn is_aspect(width: u32, height: u32, aspect: Aspect) -> bool {
    let (w, h) = aspect.as_str().split_once(':').unwrap_or(("1", "1"));
    let parts: (u32, u32) = (w.parse().unwrap_or(1), h.parse().unwrap_or(1));
    u64::from(width) * u64::from(parts.1) == u64::from(height) * u64::from(parts.0)
}

fn check_seconds(wish: &Wish, ability: &Ability, errors: &mut Vec<FieldError>) -> Option<u32> {
    match wish.seconds {
        Some(s) if ability.seconds.contains(&s) => Some(s),
        Some(_) if ability.seconds.is_empty() => {
            errors.push(wrong(
                "seconds",
                "unsupported",
                "leave it out: this has no length of its own",
            ));
            None
        }
        Some(_) => {
            let detail = format!("choose one of: {}", listed(&ability.seconds));
            errors.push(wrong("seconds", "unsupported", detail));
            None
        }
        None => ability.seconds.first().copied(),
    }
}

fn check_references(wish: &Wish, ability: &Ability, errors: &mut Vec<FieldError>) {
    for role in ReferenceRole::ALL {
        let given = wish.references.iter().filter(|r| r.role == *role).count();
        let most = ability
            .references
            .iter()
            .find(|(r, _)| r == role)
            .map_or(0, |(_, most)| *most);
        if given > most {
            let detail = format!("at most {most} with role `{role}` here; {given} given");
            errors.push(wrong("references", "too_many", detail));
        }
        if given == 0 && ability.required.contains(role) {
            errors.push(wrong(
                "references",
                "missing",
                format!("one with role `{role}` is needed"),
            ));
        }
    }
}

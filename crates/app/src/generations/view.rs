//! A generation as its owner sees it: the shape of the API.

use crate::private::PrivateText;
use domain::event::Progress;
use domain::fault::Fault;
use domain::generation::{Aspect, Kind, Operation, Reference, Resolution, State};
use domain::id::{AssetId, GenerationId};
use domain::ledger::{Line, Posting};
use domain::money::Money;
use domain::screening::Finding;
use domain::time::Time;
use store::assets::Asset;
use store::generations::GenerationRow;

/// One stored output.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputView {
    /// The asset.
    pub asset: AssetId,
    /// Its media type.
    pub media_type: String,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Length of a clip.
    pub seconds: Option<f64>,
    /// SHA-256 of its bytes.
    pub sha256: String,
}

/// What it was expected to cost and what it cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MoneyView {
    /// Before the call.
    pub estimated: Money,
    /// What was charged; `None` until it is known.
    pub actual: Option<Money>,
    /// What a provider may have charged without proof.
    pub possible_loss: Option<Money>,
}

/// Who made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineView {
    /// The provider.
    pub provider: String,
    /// The model.
    pub model: String,
    /// Whether it is a demonstration model.
    pub demo: bool,
}

/// Something the owner should know. The code is a catalogue key (`note.<code>`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Stable code.
    pub code: &'static str,
    /// In English.
    pub detail: String,
    /// Words of the prompt it is about.
    pub words: Vec<String>,
}

/// A generation as its owner sees it.
#[derive(Clone, Debug)]
pub struct View {
    /// Its id.
    pub id: GenerationId,
    /// Image or video.
    pub kind: Kind,
    /// How it is made.
    pub operation: Operation,
    /// Where it stands.
    pub state: State,
    /// The text that was sent.
    pub prompt: String,
    /// Width and height asked for.
    pub size: Option<(u32, u32)>,
    /// Aspect asked for.
    pub aspect: Option<Aspect>,
    /// Height class asked for.
    pub resolution: Option<Resolution>,
    /// Length asked for.
    pub seconds: Option<u32>,
    /// Seed.
    pub seed: Option<u64>,
    /// How many were asked for.
    pub count: u16,
    /// References.
    pub references: Vec<Reference>,
    /// When it was accepted.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
    /// When it came to its end.
    pub finished_at: Option<Time>,
    /// How far it is.
    pub progress: Option<Progress>,
    /// What came out.
    pub outputs: Vec<OutputView>,
    /// Money.
    pub cost: MoneyView,
    /// Who makes it.
    pub engine: EngineView,
    /// What its owner should know.
    pub notes: Vec<Note>,
    /// What was found in the prompt and what was done.
    pub findings: Vec<Finding>,
    /// Why it did not work.
    pub error: Option<Fault>,
}

impl View {
    pub(crate) fn new(
        row: GenerationRow,
        text: PrivateText,
        outputs: Vec<Asset>,
        lines: &[Line],
        progress: Option<Progress>,
    ) -> Self {
        let sum = |posting: Posting| {
            let of_kind = lines.iter().filter(|line| line.posting == posting);
            of_kind.map(|line| line.amount.micros).sum::<i64>()
        };
        let money = |micros| Money {
            micros,
            currency: row.estimated.currency,
        };
        let lost = sum(Posting::PossibleLoss);
        let cost = MoneyView {
            estimated: row.estimated,
            actual: row.state.is_final().then(|| money(sum(Posting::Capture))),
            possible_loss: (lost > 0).then(|| money(lost)),
        };
        let notes = notes(&row, &text, outputs.len());
        Self {
            id: row.id,
            kind: row.spec.kind,
            operation: row.spec.operation,
            state: row.state,
            prompt: text.prompt,
            size: row.spec.size,
            aspect: row.spec.aspect,
            resolution: row.spec.resolution,
            seconds: row.spec.seconds,
            seed: row.spec.seed,
            count: row.spec.count,
            references: row.spec.references,
            created_at: row.created_at,
            updated_at: row.updated_at,
            finished_at: row.finished_at,
            progress: if row.state.is_final() { None } else { progress },
            outputs: outputs.into_iter().map(output).collect(),
            cost,
            engine: EngineView {
                provider: row.spec.provider.to_string(),
                model: row.spec.model.to_string(),
                demo: row.demo,
            },
            notes,
            findings: serde_json::from_value(row.findings).unwrap_or_default(),
            error: row.fault,
        }
    }
}

fn notes(row: &GenerationRow, text: &PrivateText, made: usize) -> Vec<Note> {
    let mut notes = Vec::new();
    if row.demo {
        notes.push(Note {
            code: "demo_model",
            detail: "Made by the built-in demonstration model. Connect or pull a real one for real work."
                .to_owned(),
            words: Vec::new(),
        });
        if row.spec.kind == Kind::Video {
            notes.push(Note {
                code: "animated_still",
                detail: "An animated still: a camera move over one generated picture, not generated video."
                    .to_owned(),
                words: Vec::new(),
            });
        }
    }
    if !text.unknown_words.is_empty() {
        notes.push(Note {
            code: "unknown_words",
            detail: "The demonstration model does not know these words; they had no effect.".to_owned(),
            words: text.unknown_words.clone(),
        });
    }
    if !text.left_out.is_empty() {
        notes.push(Note {
            code: "left_out",
            detail: "The demonstration model draws one of each; these were left out.".to_owned(),
            words: text.left_out.clone(),
        });
    }
    if row.state == State::Succeeded && made < usize::from(row.spec.count) {
        notes.push(Note {
            code: "fewer_outputs",
            detail: format!(
                "{made} of {} were made; the others failed and were not charged.",
                row.spec.count
            ),
            words: Vec::new(),
        });
    }
    notes
}

fn output(asset: Asset) -> OutputView {
    #[expect(
        clippy::cast_precision_loss,
        reason = "clips are shorter than 2^52 microseconds"
    )]
    let seconds = asset.seconds_micros.map(|micros| micros as f64 / 1_000_000.0);
    OutputView {
        asset: asset.id,
        media_type: asset.media_type,
        width: asset.width,
        height: asset.height,
        seconds,
        sha256: asset.sha256,
    }
}

//! A generation as its owner sees it, alone and in pages.

use super::{MoneyBody, ReferenceBody};
use app::generations::{Note, OutputView, View};
use domain::event::Progress;
use domain::generation::{Aspect, Kind, Operation, Reference, ReferenceSource, Resolution, State};
use domain::screening::{Finding, Taken};
use serde::Serialize;
use utoipa::ToSchema;

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

//! The built-in engine as a provider: the starter model in its child process, on this machine, with no
//! network and no cost. A clip is an animated still: a camera move over one generated picture, and
//! labelled so in the API, the page and the file.

use async_trait::async_trait;
use bytes::Bytes;
use domain::capability::{
    Ability, Card, Correlation, DataHandling, Model, ModelId, Polling, Price, ProviderName, Verdict,
};
use domain::event::Progress;
use domain::fault::{Fault, FaultKind};
use domain::generation::{Aspect, Kind, Operation};
use domain::job::{Found, Polled, Submitted};
use domain::secret::AttemptToken;
use engine::worker::{Canceller, EngineWorker};
use engine::{EngineError, Picture};
use media::{Animate, CameraMove, MediaWorker, Still, StillFormat};
use providers::{AttemptRef, Call, Erased, Lost, MediaStream, Probe, Provider, RemoteJob, RemoteOutput};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Its name as a provider.
pub const NAME: &str = "embedded";
/// Lengths of an animated still in seconds; the first is the default.
pub const SECONDS: [u32; 2] = [3, 2];
/// Pictures that wait in the engine at once; the engine draws one at a time.
const MAX_WAITING: u32 = 4;
/// What the files say of themselves.
const LABEL: &str = "AI generated; demonstration model studio-tiny, Secure AI Studio";
const CLIP_LABEL: &str = "AI generated; animated still, demonstration model studio-tiny, Secure AI Studio";

/// What the engine makes of a prompt's words.
pub(crate) struct WordsRead {
    pub(crate) unknown: Vec<String>,
    pub(crate) left_out: Vec<String>,
}

pub(crate) fn read_words(prompt: &str) -> WordsRead {
    let reading = engine::prompt::read(prompt);
    WordsRead {
        unknown: reading.unknown,
        left_out: reading.left_out.into_iter().map(|left| left.said).collect(),
    }
}

/// What the built-in model can draw, by group, for pages that show it.
#[must_use]
pub fn vocabulary() -> serde_json::Value {
    serde_json::to_value(engine::prompt::vocabulary()).unwrap_or_default()
}

enum Stage {
    Drawing {
        progress: watch::Receiver<Option<engine::Progress>>,
        stop: Canceller,
    },
    Done {
        media_type: String,
        bytes: Bytes,
    },
    Stopped,
    Failed(EngineFault),
}

#[derive(Clone)]
struct EngineFault {
    fault: Fault,
    again: bool,
}

type Jobs = Arc<Mutex<HashMap<String, Stage>>>;

/// The provider.
pub struct Embedded {
    card: Card,
    engine: Arc<EngineWorker>,
    media: MediaWorker,
    jobs: Jobs,
}

impl Embedded {
    /// The built-in engine behind these workers.
    ///
    /// # Errors
    /// If the bundled model cannot be read.
    pub fn new(engine: EngineWorker, media: MediaWorker) -> Result<Self, EngineError> {
        let card = card(&engine::card()?);
        Ok(Self {
            card,
            engine: Arc::new(engine),
            media,
            jobs: Jobs::default(),
        })
    }

    fn start(&self, call: &Call, id: &str) -> Result<(), EngineError> {
        let spec = call.spec();
        let (width, height) = spec.size.unwrap_or((256, 256));
        let seed = spec.seed.unwrap_or(0);
        let prompt = call.prompt.expose().to_owned();
        let job = self.engine.submit(engine::Spec {
            prompt,
            seed,
            width,
            height,
            steps: None,
        })?;
        let drawing = Stage::Drawing {
            progress: job.progress(),
            stop: job.canceller(),
        };
        lock(&self.jobs).insert(id.to_owned(), drawing);
        let (jobs, media, id) = (Arc::clone(&self.jobs), self.media.clone(), id.to_owned());
        let (kind, seconds) = (spec.kind, spec.seconds.unwrap_or(SECONDS[0]));
        tokio::spawn(async move {
            let stage = match job.picture().await {
                Ok(picture) => encode(&media, kind, seconds, seed, &picture).await,
                Err(EngineError::Cancelled) => Stage::Stopped,
                Err(error) => Stage::Failed(of_engine(&error)),
            };
            lock(&jobs).insert(id, stage);
        });
        Ok(())
    }
}

fn lock(jobs: &Jobs) -> std::sync::MutexGuard<'_, HashMap<String, Stage>> {
    // The map stays whole if a holder panicked: every insertion is one call.
    jobs.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn encode(media: &MediaWorker, kind: Kind, seconds: u32, seed: u64, picture: &Picture) -> Stage {
    let (width, height) = (picture.width, picture.height);
    let made = match kind {
        Kind::Image => {
            let still = Still {
                width,
                height,
                format: StillFormat::Png,
                description: LABEL.to_owned(),
            };
            media.still(still, &picture.rgb).await
        }
        Kind::Video => {
            let animate = Animate {
                width,
                height,
                out_width: width.max(512),
                out_height: height.max(512),
                seconds: f64::from(seconds),
                camera: CameraMove::from_seed(seed),
                title: CLIP_LABEL.to_owned(),
            };
            media.animate(animate, &picture.rgb).await
        }
    };
    match made {
        Ok((encoded, bytes)) => Stage::Done {
            media_type: encoded.media_type.to_string(),
            bytes: Bytes::from(bytes),
        },
        Err(error) => {
            let detail = format!(
                "The picture was drawn but could not be encoded: {}",
                error.advice()
            );
            let fault = Fault::new(FaultKind::Internal, "engine.encode", detail);
            Stage::Failed(EngineFault { fault, again: true })
        }
    }
}

fn of_engine(error: &EngineError) -> EngineFault {
    let (kind, code, again) = match error {
        EngineError::EmptyPrompt | EngineError::PromptTooLong { .. } => {
            (FaultKind::Invalid, "engine.prompt", false)
        }
        EngineError::UnsupportedSize { .. } | EngineError::UnsupportedSteps { .. } => {
            (FaultKind::Invalid, "engine.size", false)
        }
        EngineError::Cancelled => (FaultKind::Policy, "engine.cancelled", false),
        EngineError::Weights(_) => (FaultKind::Operator, "engine.weights", false),
        EngineError::Busy => (FaultKind::Throttled, "engine.busy", true),
        EngineError::Computation(_)
        | EngineError::WorkerDied
        | EngineError::WorkerNotStarted(_)
        | EngineError::Protocol(_)
        | EngineError::TimedOut { .. }
        | EngineError::ShutDown => (FaultKind::Internal, "engine.failed", true),
    };
    let detail = format!("The built-in engine did not draw it: {error}.");
    EngineFault {
        fault: Fault::new(kind, code, detail),
        again,
    }
}

#[async_trait]
impl Provider for Embedded {
    fn card(&self) -> &Card {
        &self.card
    }

    async fn submit(&self, call: &Call, token: &AttemptToken) -> Submitted {
        if call.deadline.has_passed() {
            let fault = Fault::new(
                FaultKind::Internal,
                "engine.late",
                "It came too late to be started; it starts over.",
            );
            return Submitted::Rejected {
                fault,
                again: true,
                retry_after: None,
            };
        }
        let external_id = format!("local_{}", token.hash().as_str());
        match self.start(call, &external_id) {
            Ok(()) => Submitted::Accepted { external_id },
            Err(error) => {
                let EngineFault { fault, again } = of_engine(&error);
                Submitted::Rejected {
                    fault,
                    again,
                    retry_after: None,
                }
            }
        }
    }

    async fn poll(&self, job: &RemoteJob) -> Polled {
        match lock(&self.jobs).get(&job.external_id) {
            None => Polled::Gone,
            Some(Stage::Drawing { progress, .. }) => Polled::Running {
                progress: Some(drawing(*progress.borrow())),
            },
            Some(Stage::Done { .. }) => Polled::Done { cost: None },
            Some(Stage::Stopped) => Polled::Cancelled,
            Some(Stage::Failed(EngineFault { fault, again })) => Polled::Failed {
                fault: fault.clone(),
                again: *again,
                charged: None,
            },
        }
    }

    async fn outputs(&self, job: &RemoteJob) -> Result<Vec<RemoteOutput>, Lost> {
        match lock(&self.jobs).get(&job.external_id) {
            Some(Stage::Done { .. }) => Ok(vec![RemoteOutput::new(job.kind, job.external_id.clone())]),
            _ => Err(Lost::Gone),
        }
    }

    async fn fetch(&self, output: &RemoteOutput) -> Result<MediaStream, Lost> {
        match lock(&self.jobs).get(output.expose_link()) {
            Some(Stage::Done { media_type, bytes }) => {
                let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                let chunks = Box::pin(futures_util::stream::iter([Ok(bytes.clone())]));
                Ok(MediaStream::new(
                    Some(media_type.clone()),
                    Some(length),
                    length,
                    chunks,
                ))
            }
            _ => Err(Lost::Gone),
        }
    }

    async fn reconcile(&self, attempt: &AttemptRef) -> Found {
        let external_id = format!("local_{}", attempt.token_hash.as_str());
        if lock(&self.jobs).contains_key(&external_id) {
            Found::Adopted { external_id }
        } else {
            // The engine lives and dies with this process: what it does not know was never begun, or ended
            // with an earlier process. Either way nothing was charged and it can be drawn again.
            Found::NotCreated
        }
    }

    async fn cancel(&self, job: &RemoteJob) -> bool {
        if let Some(Stage::Drawing { stop, .. }) = lock(&self.jobs).get(&job.external_id) {
            stop.cancel();
        }
        true
    }

    async fn erase(&self, job: &RemoteJob) -> Erased {
        lock(&self.jobs).remove(&job.external_id);
        Erased::Done
    }

    async fn probe(&self) -> Probe {
        Probe::Ok { balance: None }
    }
}

fn drawing(progress: Option<engine::Progress>) -> Progress {
    let Some(engine::Progress { done, of }) = progress else {
        return Progress {
            percent: Some(0),
            step: None,
            steps: None,
            stage: "queued".to_owned(),
        };
    };
    let percent = u8::try_from(u64::from(done) * 100 / u64::from(of.max(1)))
        .unwrap_or(100)
        .min(99);
    Progress {
        percent: Some(percent),
        step: Some(done),
        steps: Some(of),
        stage: "generating".to_owned(),
    }
}

fn card(engine: &engine::Card) -> Card {
    let ability = |kind, seconds: &[u32]| Ability {
        kind,
        operation: Operation::Create,
        sizes: preferred(&engine.sizes),
        aspects: vec![Aspect::Square],
        resolutions: Vec::new(),
        seconds: seconds.to_vec(),
        references: Vec::new(),
        required: Vec::new(),
        price: Price::free("runs on this machine", "2026-11-22"),
    };
    Card {
        name: ProviderName(NAME.to_owned()),
        title: "Built-in engine".to_owned(),
        models: vec![Model {
            id: ModelId(engine.model.clone()),
            title: "Studio tiny".to_owned(),
            demo: true,
            abilities: vec![ability(Kind::Image, &[]), ability(Kind::Video, &SECONDS)],
            min_prompt_chars: 1,
            max_prompt_chars: engine.prompt_characters,
            seed: true,
            looping: false,
        }],
        handling: DataHandling {
            country: "local".to_owned(),
            retention: "none: it stays on this machine".to_owned(),
            training: "never".to_owned(),
            verdict: Verdict::Local,
        },
        correlation: Correlation::Local,
        cancel: true,
        polling: Polling {
            image_first: Duration::from_millis(150),
            video_first: Duration::from_millis(150),
            image_every: Duration::from_millis(250),
            video_every: Duration::from_millis(250),
        },
        settle: Duration::ZERO,
        max_concurrent: MAX_WAITING,
    }
}

/// The sizes with the one that people see first in front: 512 if the model can give it.
fn preferred(sizes: &[(u32, u32)]) -> Vec<(u32, u32)> {
    let mut sizes = sizes.to_vec();
    if let Some(place) = sizes.iter().position(|size| *size == (512, 512)) {
        sizes.swap(0, place);
    }
    sizes
}

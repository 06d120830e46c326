//! Admit: is the request valid, may it leave, what will it cost, was it seen before? Everything that
//! can be refused is refused here, before anything is stored.

use super::record::{self, Stamp};
use crate::catalogue::{Candidate, NoOffer};
use crate::clock::chance;
use crate::private::PrivateText;
use crate::studio::Studio;
use domain::actor::{Actor, Scope};
use domain::audit::Action;
use domain::capability::{Card, Model, ModelId, ProviderName};
use domain::fault::Fault;
use domain::gate::{self, Purpose, Refusal};
use domain::generation::{
    Aspect, FieldError, Kind, Operation, Reference, ReferenceSource, Resolution, Spec, State, Wish,
    infer_operation,
};
use domain::id::{GenerationId, JobId, QuoteId};
use domain::job::{NewJob, Priority, queued};
use domain::money::Money;
use domain::screening::{self, Finding, Refused, Screened};
use domain::secret::Prompt;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use store::idempotency::Remembered;

/// The longest `Idempotency-Key`, in bytes.
pub const MAX_IDEMPOTENCY_KEY: usize = 200;

/// What a user asks for, as it came.
#[derive(Clone, Debug)]
pub struct NewGeneration {
    /// Image or video.
    pub kind: Kind,
    /// How; inferred when absent.
    pub operation: Option<Operation>,
    /// The text as typed.
    pub prompt: Prompt,
    /// With which model.
    pub model: Option<ModelId>,
    /// By whom.
    pub provider: Option<ProviderName>,
    /// Width and height.
    pub size: Option<(u32, u32)>,
    /// Aspect.
    pub aspect: Option<Aspect>,
    /// Height class.
    pub resolution: Option<Resolution>,
    /// Length.
    pub seconds: Option<u32>,
    /// Seed.
    pub seed: Option<u64>,
    /// How many.
    pub count: u16,
    /// References.
    pub references: Vec<Reference>,
    /// Whether a clip loops.
    pub looping: bool,
    /// What it is for.
    pub purpose: Option<Purpose>,
    /// A quote to keep to.
    pub quote: Option<QuoteId>,
}

/// An accepted generation.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// Its id.
    pub id: GenerationId,
    /// Whether an earlier request with the same key had already made it.
    pub replayed: bool,
}

/// Why a generation is not accepted. Nothing was stored and nothing left.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The text holds what may not be sent.
    #[error("the prompt was refused; the findings say where and why")]
    Screening(Vec<Finding>),
    /// Fields the model cannot take.
    #[error("the request does not fit the model")]
    Invalid(Vec<FieldError>),
    /// The provider does not take this combination of fields.
    #[error("{}", .0.detail)]
    Provider(Fault),
    /// No model for it.
    #[error(transparent)]
    NoOffer(#[from] NoOffer),
    /// The gate stays shut.
    #[error(transparent)]
    Gate(#[from] Refusal),
    /// The price table does not know this combination.
    #[error("the price of this combination is not known; choose another resolution or length")]
    PriceUnknown,
    /// The quote does not exist, is over, or is lower than the price now.
    #[error("the quote is over or does not cover this; ask for a new one")]
    Quote,
    /// A reference does not exist in this workspace.
    #[error("reference {0} does not exist here")]
    ReferenceMissing(usize),
    /// The same key with another body.
    #[error("this Idempotency-Key was used with another body; use a new key")]
    IdempotencyMismatch,
    /// The key is empty or too long.
    #[error("an Idempotency-Key has 1 to {MAX_IDEMPOTENCY_KEY} visible ASCII characters")]
    IdempotencyKey,
    /// The queue of the workspace is full.
    #[error("too many generations wait already; try again when some are done")]
    QueueFull,
    /// A key failed.
    #[error("a key could not be used")]
    Key(#[from] vault::KeyError),
    /// The database failed.
    #[error("the database did not take it")]
    Store(#[from] store::Error),
}

/// A wish with its model, checked and priced.
pub(crate) struct Planned {
    pub(crate) spec: Spec,
    pub(crate) unit: Money,
    pub(crate) screened: Screened,
    pub(crate) demo: bool,
    pub(crate) card: Card,
    pub(crate) candidates: Vec<Candidate>,
}

/// Checks a wish without storing anything: screening, model, fields, price. Pure but for the seed.
pub(crate) fn plan(studio: &Studio, wish: &NewGeneration) -> Result<Planned, SubmitError> {
    let operation = wish
        .operation
        .unwrap_or_else(|| infer_operation(wish.kind, &wish.references));
    let (offer, candidates) =
        studio
            .catalogue
            .weigh(wish.provider.as_ref(), wish.model.as_ref(), wish.kind, operation);
    let offer = offer?;
    let screened = screen(studio, wish, offer.model, operation)?;
    let checked = Wish {
        kind: wish.kind,
        operation: Some(operation),
        prompt: Prompt::new(screened.text.clone()),
        size: wish.size,
        aspect: wish.aspect,
        resolution: wish.resolution,
        seconds: wish.seconds,
        seed: wish.seed,
        count: wish.count,
        references: wish.references.clone(),
        looping: wish.looping,
    };
    let spec = Spec::check(&checked, offer.card, offer.model, chance()).map_err(SubmitError::Invalid)?;
    if let Some(provider) = studio.provider(&spec.provider) {
        provider.check(&spec).map_err(SubmitError::Provider)?;
    }
    let unit = spec.unit_price(offer.model).ok_or(SubmitError::PriceUnknown)?;
    Ok(Planned {
        spec,
        unit,
        screened,
        demo: offer.model.demo,
        card: offer.card.clone(),
        candidates,
    })
}

fn screen(
    studio: &Studio,
    wish: &NewGeneration,
    model: &Model,
    operation: Operation,
) -> Result<Screened, SubmitError> {
    let text = wish.prompt.expose();
    let wordless = matches!(
        operation,
        Operation::Reframe | Operation::Upscale | Operation::Audio
    );
    if wordless && text.is_empty() {
        return Ok(Screened {
            original_len: 0,
            text: String::new(),
            findings: Vec::new(),
        });
    }
    let limits = screening::Limits {
        max_chars: model.max_prompt_chars,
        max_bytes: model.max_prompt_chars.saturating_mul(4),
    };
    screening::screen(text, &limits, &studio.settings.screening)
        .map_err(|Refused { findings, .. }| SubmitError::Screening(findings))
}

/// What stands for a body: SHA-256 in hexadecimal.
fn fingerprint(body: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(&Sha256::digest(body))
}

/// A key of 1 to [`MAX_IDEMPOTENCY_KEY`] visible ASCII characters.
fn valid_key(key: &str) -> bool {
    !key.is_empty() && key.len() <= MAX_IDEMPOTENCY_KEY && key.bytes().all(|b| b.is_ascii_graphic())
}

impl Studio {
    /// Accepts a generation durably: when this returns, the generation, its jobs, the hold, the audit
    /// entry and the event are on disk. `fingerprint` is the canonical body the key stands for.
    ///
    /// # Errors
    /// [`SubmitError`]; nothing is stored then, except that a refusal by the gate is noted.
    pub async fn submit(
        &self,
        actor: &Actor,
        wish: &NewGeneration,
        idempotency: Option<(&str, &[u8])>,
        request_id: Option<&str>,
    ) -> Result<Accepted, SubmitError> {
        let scope = actor.scope();
        if idempotency.is_some_and(|(key, _)| !valid_key(key)) {
            return Err(SubmitError::IdempotencyKey);
        }
        if let Some((key, body)) = idempotency
            && let Some(earlier) = self.answered_before(scope, key, body).await?
        {
            return Ok(earlier);
        }
        let planned = plan(self, wish)?;
        let stamp = Stamp::of(self, actor, request_id);
        self.check_gate(&stamp, scope, wish, &planned).await?;
        self.check_references(scope, wish).await?;
        self.check_quote(scope, wish, &planned).await?;
        self.accept(actor, wish, planned, idempotency, stamp).await
    }

    /// What an idempotency key already stands for.
    async fn answered_before(
        &self,
        scope: Scope,
        key: &str,
        body: &[u8],
    ) -> Result<Option<Accepted>, SubmitError> {
        let (key, print) = (key.to_owned(), fingerprint(body));
        let known = self
            .db
            .read("idempotency.find", move |read| {
                Box::pin(async move { store::idempotency::find(read, &scope, &key, &print).await })
            })
            .await?;
        match known {
            Some(Remembered::Replay(id)) => Ok(Some(Accepted { id, replayed: true })),
            Some(Remembered::Mismatch) => Err(SubmitError::IdempotencyMismatch),
            Some(Remembered::Fresh) | None => Ok(None),
        }
    }

    async fn check_gate(
        &self,
        stamp: &Stamp,
        scope: Scope,
        wish: &NewGeneration,
        planned: &Planned,
    ) -> Result<(), SubmitError> {
        let ask = gate::Ask {
            purpose: wish.purpose,
            provider: &planned.card.name,
            handling: &planned.card.handling,
            personal_data: planned.screened.findings.iter().any(remains_personal),
            references: !wish.references.is_empty(),
        };
        let Err(refusal) = gate::decide(&ask, stamp.now) else {
            return Ok(());
        };
        let details = BTreeMap::from([("provider".to_owned(), planned.card.name.to_string())]);
        let entry = stamp.entry(
            Some(scope.workspace()),
            Action::GenerationRefused,
            scope.workspace().to_string(),
            refusal.code(),
            details,
        );
        self.db
            .write("generations.refuse", move |tx| {
                let entry = entry.clone();
                Box::pin(async move { store::audit::append(tx, &entry).await })
            })
            .await?;
        self.tell_bell.notify_one();
        Err(SubmitError::Gate(refusal))
    }

    async fn check_references(&self, scope: Scope, wish: &NewGeneration) -> Result<(), SubmitError> {
        let references = wish.references.clone();
        let missing: Option<usize> = self
            .db
            .read("references.check", move |read| {
                let references = references.clone();
                Box::pin(async move {
                    for (place, reference) in references.iter().enumerate() {
                        let known = match reference.source {
                            ReferenceSource::Asset(id) => store::assets::find(read, &scope, id)
                                .await?
                                .is_some_and(|a| a.deleted_at.is_none()),
                            ReferenceSource::Generation(id) => store::generations::find(read, &scope, id)
                                .await?
                                .is_some_and(|g| g.state == State::Succeeded && g.deleted_at.is_none()),
                        };
                        if !known {
                            return Ok::<_, store::Error>(Some(place));
                        }
                    }
                    Ok(None)
                })
            })
            .await?;
        missing.map_or(Ok(()), |place| Err(SubmitError::ReferenceMissing(place)))
    }

    async fn check_quote(
        &self,
        scope: Scope,
        wish: &NewGeneration,
        planned: &Planned,
    ) -> Result<(), SubmitError> {
        let Some(id) = wish.quote else { return Ok(()) };
        let quote = self
            .db
            .read("quotes.find", move |read| {
                Box::pin(async move { store::quotes::find(read, &scope, id).await })
            })
            .await?
            .ok_or(SubmitError::Quote)?;
        let total = planned.unit.times(i64::from(planned.spec.count));
        let covers = quote.spec.model == planned.spec.model
            && quote.spec.provider == planned.spec.provider
            && quote.ceiling.currency == total.currency
            && quote.ceiling.micros >= total.micros
            && quote.expires_at > self.now();
        if covers { Ok(()) } else { Err(SubmitError::Quote) }
    }

    async fn accept(
        &self,
        actor: &Actor,
        wish: &NewGeneration,
        planned: Planned,
        idempotency: Option<(&str, &[u8])>,
        stamp: Stamp,
    ) -> Result<Accepted, SubmitError> {
        let scope = actor.scope();
        let now = stamp.now;
        let id = GenerationId::new(now, Self::id_bytes());
        let text = self.embedded_reading(&planned);
        let row = store::generations::NewGeneration {
            id,
            workspace: scope.workspace(),
            user: actor.user(),
            prompt_sealed: self.private.seal(scope.workspace(), id, &text)?,
            findings: serde_json::to_value(&planned.screened.findings).unwrap_or_default(),
            notes: serde_json::to_value(&planned.candidates).unwrap_or_default(),
            kind: wish.kind,
            state: State::Queued,
            purpose: wish
                .purpose
                .map_or_else(String::new, |purpose| purpose.to_string()),
            demo: planned.demo,
            priority: Priority::NORMAL,
            estimated: planned.unit.times(i64::from(planned.spec.count)),
            request_id: stamp.request_id.clone(),
            created_at: now,
            spec: planned.spec.clone(),
        };
        let remember = idempotency.map(|(key, body)| (key.to_owned(), fingerprint(body)));
        let deadline_at = now.after(self.settings.deadline);
        let max_queued = self.settings.max_queued;
        let outcome = self
            .db
            .write("generations.accept", move |tx| {
                let (row, remember, stamp, unit) =
                    (row.clone(), remember.clone(), stamp.clone(), planned.unit);
                Box::pin(async move {
                    if let Some((key, print)) = &remember {
                        match store::idempotency::remember(tx, &scope, key, print, row.id, now).await? {
                            Remembered::Fresh => {}
                            Remembered::Replay(earlier) => {
                                return Ok(Accepted {
                                    id: earlier,
                                    replayed: true,
                                });
                            }
                            Remembered::Mismatch => return Err(SubmitError::IdempotencyMismatch),
                        }
                    }
                    if store::jobs::waiting_of(tx, scope.workspace()).await? >= max_queued {
                        return Err(SubmitError::QueueFull);
                    }
                    insert(tx, &stamp, &row, unit, deadline_at).await?;
                    Ok(Accepted {
                        id: row.id,
                        replayed: false,
                    })
                })
            })
            .await?;
        if !outcome.replayed {
            tracing::info!(generation_id = %outcome.id, state = "queued", "generation accepted");
            self.metrics.accepted(wish.kind);
            self.work_bell.notify_one();
            self.tell_bell.notify_one();
        }
        Ok(outcome)
    }

    /// What the offline engine makes of the words, so that unknown ones can be named at once.
    fn embedded_reading(&self, planned: &Planned) -> PrivateText {
        let mut text = PrivateText {
            prompt: planned.screened.text.clone(),
            ..PrivateText::default()
        };
        if planned.card.name.0 == crate::embedded::NAME {
            let reading = crate::embedded::read_words(&planned.screened.text);
            text.unknown_words = reading.unknown;
            text.left_out = reading.left_out;
        }
        text
    }
}

/// Whether personal data of this finding is still in the text that would be sent.
fn remains_personal(finding: &Finding) -> bool {
    finding.kind.is_personal() && finding.action == screening::Taken::Reported
}

async fn insert(
    tx: &mut store::Tx,
    stamp: &Stamp,
    row: &store::generations::NewGeneration,
    unit: Money,
    deadline_at: domain::time::Time,
) -> Result<(), store::Error> {
    store::generations::insert(tx, row).await?;
    for ordinal in 0..row.spec.count {
        let virtual_time = store::fair_queue::next(tx, row.workspace, 1).await?;
        let new = NewJob {
            id: JobId::new(stamp.now, Studio::id_bytes()),
            generation: row.id,
            workspace: row.workspace,
            ordinal,
            kind: row.spec.kind,
            provider: row.spec.provider.clone(),
            priority: row.priority,
            virtual_time,
            deadline_at,
            ceiling: unit,
        };
        let change = queued(new, stamp.now);
        store::jobs::insert(tx, &change.job).await?;
        record::book_and_note(tx, stamp, &change).await?;
    }
    let details = BTreeMap::from([
        ("kind".to_owned(), row.spec.kind.to_string()),
        ("provider".to_owned(), row.spec.provider.to_string()),
        ("model".to_owned(), row.spec.model.to_string()),
        ("count".to_owned(), row.spec.count.to_string()),
        ("ceiling_micros".to_owned(), row.estimated.micros.to_string()),
        ("purpose".to_owned(), row.purpose.clone()),
    ]);
    let entry = stamp.entry(
        Some(row.workspace),
        Action::GenerationAccepted,
        row.id.to_string(),
        "ok",
        details,
    );
    store::audit::append(tx, &entry).await?;
    record::tell(tx, stamp.now, row.workspace, row.id).await?;
    Ok(())
}

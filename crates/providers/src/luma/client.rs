//! The calls.

use super::card;
use super::files::{Files, Reference};
use super::map::{self, References};
use super::wire::{Generation, ImageRef};
use crate::call::{Call, InputBody};
use crate::codes::Code;
use crate::config::ProviderConfig;
use crate::http::{Answer, Wire, classify, refusal};
use crate::media::{self, MediaStream};
use crate::outbound::Fetcher;
use crate::provider::{AttemptRef, Erased, Lost, Probe, Provider, RemoteJob, RemoteOutput};
use async_trait::async_trait;
use bytes::Bytes;
use domain::capability::Card;
use domain::fault::Fault;
use domain::generation::{Kind, Operation, ReferenceRole, Spec};
use domain::job::{Found, Polled, Submitted};
use domain::secret::AttemptToken;
use std::time::Duration;

/// A client of the Luma Agents API.
pub struct Luma {
    card: Card,
    wire: Wire,
    fetcher: Fetcher,
    files: Files,
}

/// A fault outside a submission.
pub(crate) fn trouble(answer: &Answer) -> Code {
    match answer.status {
        503 => Code::IngestionUnavailable,
        500.. => Code::Unavailable,
        status => refusal(status, None).unwrap_or(Code::Unavailable),
    }
}

impl Luma {
    /// A client for this configuration, fetching results through this guard.
    ///
    /// # Errors
    /// A sentence, if there is no usable key or TLS cannot be set up.
    pub fn new(config: &ProviderConfig, fetcher: Fetcher) -> Result<Self, &'static str> {
        let wire = Wire::with_key(super::NAME, config)?;
        Ok(Self {
            card: card::card(config.max_concurrent),
            wire,
            fetcher,
            files: Files::default(),
        })
    }

    async fn references(&self, call: &Call) -> Result<(References, Vec<String>), Code> {
        let mut with = References::default();
        let mut files = Vec::new();
        for input in &call.inputs {
            let placed = self.reference(call, input.role, &input.body).await?;
            if let ImageRef::File { file_id } = &placed {
                files.push(file_id.clone());
            }
            match input.role {
                ReferenceRole::Source => with.source = Some(placed),
                ReferenceRole::StartFrame => with.start = Some(placed),
                ReferenceRole::EndFrame => with.end = Some(placed),
                ReferenceRole::Style | ReferenceRole::Image | ReferenceRole::Character => {
                    with.images.push(placed);
                }
            }
        }
        Ok((with, files))
    }

    async fn reference(&self, call: &Call, role: ReferenceRole, body: &InputBody) -> Result<ImageRef, Code> {
        match body {
            InputBody::Remote(id) => Ok(ImageRef::Generation {
                generation_id: id.clone(),
            }),
            // The API wants a media type with the address of a clip, which an address does not tell.
            InputBody::PublicUrl(url) if call.spec().kind == Kind::Image || role != ReferenceRole::Source => {
                Ok(ImageRef::Url { url: url.to_string() })
            }
            InputBody::PublicUrl(_) => Err(Code::InputFormRefused),
            InputBody::Bytes { media_type, bytes } => {
                if call.spec().operation == Operation::Extend {
                    return Err(Code::InputFormRefused);
                }
                refuse_longer(call.spec(), role, bytes)?;
                let (user, now) = (call.user_ref.as_str(), call.permitted().at());
                let reference = Reference {
                    role,
                    media_type,
                    bytes,
                    user,
                    now,
                };
                self.files.place(&self.wire, &self.fetcher, reference).await
            }
        }
    }

    async fn read(&self, job: &RemoteJob) -> Result<Result<Generation, Code>, Answer> {
        let url = self.wire.url(&["generations", &job.external_id]);
        let answer = match self.wire.get("GET /generations/{id}", url).await {
            Ok(answer) => answer,
            Err(code) => return Ok(Err(code)),
        };
        if answer.status != 200 {
            return Err(answer);
        }
        let read = answer
            .body
            .map(|body| serde_json::from_slice(&body).map_err(|_| Code::Unavailable));
        Ok(read.and_then(|parsed| parsed))
    }
}

/// A clip that is longer than the length that was priced would cost more than was agreed.
fn refuse_longer(spec: &Spec, role: ReferenceRole, bytes: &[u8]) -> Result<(), Code> {
    if spec.kind != Kind::Video || role != ReferenceRole::Source {
        return Ok(());
    }
    let Some(priced) = spec.seconds else { return Ok(()) };
    let length = crate::mp4::length(bytes).ok_or(Code::InputUnreadable)?;
    // Half a second of grace: clips of five seconds are often one frame longer.
    let most = Duration::from_secs(u64::from(priced)) + Duration::from_millis(500);
    if length > most {
        Err(Code::SourceLonger)
    } else {
        Ok(())
    }
}

#[async_trait]
impl Provider for Luma {
    fn card(&self) -> &Card {
        &self.card
    }

    fn check(&self, spec: &Spec) -> Result<(), Fault> {
        map::check(spec).map_err(Code::fault)
    }

    async fn submit(&self, call: &Call, token: &AttemptToken) -> Submitted {
        let spec = call.spec();
        let refused = |code: Code, again| Submitted::Rejected {
            fault: code.fault(),
            again,
            retry_after: None,
        };
        if spec.provider != self.card.name {
            return refused(Code::WrongProvider, false);
        }
        if let Err(code) = map::check(spec) {
            return refused(code, false);
        }
        let (with, files) = match self.references(call).await {
            Ok(placed) => placed,
            Err(code) => {
                let again = code.kind() == domain::fault::FaultKind::Unavailable;
                return refused(code, again);
            }
        };
        let request = map::request(spec, call.prompt.expose(), &call.user_ref, with);
        let Ok(body) = serde_json::to_vec(&request) else {
            return refused(Code::RequestRefused, false);
        };
        let headers = [("x-request-id", request_id(token))];
        let url = self.wire.url(&["generations"]);
        let sent = self
            .wire
            .submit(
                "POST /generations",
                url,
                &headers,
                Bytes::from(body),
                call.deadline,
            )
            .await;
        // 503 is documented as "media ingestion unavailable"; one without the documented body came from
        // something in between and may mean anything.
        let ingestion = |status, detail: Option<&str>| {
            (status == 503 && detail.is_some()).then_some(Code::IngestionUnavailable)
        };
        let outcome = classify(sent, ingestion);
        if let Submitted::Accepted { external_id } = &outcome {
            self.files.used(external_id, &files);
        }
        outcome
    }

    async fn poll(&self, job: &RemoteJob) -> Polled {
        match self.read(job).await {
            Ok(Ok(seen)) => map::polled(&seen),
            Ok(Err(code)) => Polled::Trouble {
                fault: code.fault(),
                retry_after: None,
            },
            Err(answer) if answer.status == 404 => Polled::Gone,
            Err(answer) => Polled::Trouble {
                fault: trouble(&answer).fault(),
                retry_after: answer.retry_after,
            },
        }
    }

    async fn outputs(&self, job: &RemoteJob) -> Result<Vec<RemoteOutput>, Lost> {
        let seen = match self.read(job).await {
            Ok(Ok(seen)) => seen,
            Ok(Err(code)) => return Err(Lost::Trouble(code.fault())),
            Err(answer) if answer.status == 404 => return Err(Lost::Gone),
            Err(answer) => return Err(Lost::Trouble(trouble(&answer).fault())),
        };
        let outputs = seen.output.unwrap_or_default().into_iter().filter_map(|output| {
            let kind = if output.kind == "video" {
                Kind::Video
            } else {
                Kind::Image
            };
            output.url.map(|link| RemoteOutput::new(kind, link))
        });
        let wanted: Vec<_> = outputs.filter(|output| output.kind == job.kind).collect();
        if wanted.is_empty() {
            Err(Lost::Gone)
        } else {
            Ok(wanted)
        }
    }

    async fn fetch(&self, output: &RemoteOutput) -> Result<MediaStream, Lost> {
        media::fetch(super::NAME, &self.fetcher, output).await
    }

    async fn reconcile(&self, _: &AttemptRef) -> Found {
        Found::CannotKnow
    }

    async fn cancel(&self, _: &RemoteJob) -> bool {
        false
    }

    async fn erase(&self, job: &RemoteJob) -> Erased {
        match self.files.erase(&self.wire, &job.external_id).await {
            Ok(0) => Erased::NotOffered,
            Ok(_) => Erased::InputsOnly,
            Err(code) => Erased::Trouble(code.fault()),
        }
    }

    async fn probe(&self) -> Probe {
        let mut url = self.wire.url(&["files"]);
        url.query_pairs_mut().append_pair("limit", "1");
        match self.wire.get("GET /files", url).await {
            Ok(answer) if answer.status == 200 => Probe::Ok { balance: None },
            Ok(answer) => Probe::Fault(trouble(&answer).fault()),
            Err(code) => Probe::Fault(code.fault()),
        }
    }
}

/// A unique id for Luma's support to trace an attempt by: from the token's hash, so that it gives away
/// nothing.
fn request_id(token: &AttemptToken) -> String {
    let hash = token.hash();
    let hex = hash.as_str();
    let part = |from, to| hex.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    )
}

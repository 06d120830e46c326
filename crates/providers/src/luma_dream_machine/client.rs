//! The calls.

use super::wire::{Credits, Generation};
use super::{card, list, map};
use crate::call::Call;
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
use domain::generation::{Kind, Spec};
use domain::job::{Found, Polled, Submitted};
use domain::money::Money;
use domain::secret::AttemptToken;
use reqwest::Method;

/// A client of the Luma Dream Machine API.
pub struct DreamMachine {
    card: Card,
    wire: Wire,
    fetcher: Fetcher,
}

/// A fault outside a submission.
pub(super) fn trouble(answer: &Answer) -> Code {
    refusal(answer.status, None).unwrap_or(Code::Unavailable)
}

impl DreamMachine {
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
        })
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

#[async_trait]
impl Provider for DreamMachine {
    fn card(&self) -> &Card {
        &self.card
    }

    fn check(&self, spec: &Spec) -> Result<(), Fault> {
        map::check(spec).map_err(Code::fault)
    }

    async fn submit(&self, call: &Call, token: &AttemptToken) -> Submitted {
        let refused = |code: Code| Submitted::Rejected {
            fault: code.fault(),
            again: false,
            retry_after: None,
        };
        if call.spec().provider != self.card.name {
            return refused(Code::WrongProvider);
        }
        let routed = match map::request(call, token) {
            Ok(routed) => routed,
            Err(code) => return refused(code),
        };
        let Ok(body) = serde_json::to_vec(&routed.body) else {
            return refused(Code::RequestRefused);
        };
        let path: Vec<&str> = routed.path.iter().map(String::as_str).collect();
        let url = self.wire.url(&path);
        let sent = self
            .wire
            .submit(routed.route, url, &[], Bytes::from(body), call.deadline)
            .await;
        classify(sent, |_, _| None)
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
        let assets = seen.assets.unwrap_or_default();
        let link = match job.kind {
            Kind::Image => assets.image,
            Kind::Video => assets.video,
        };
        link.map(|link| vec![RemoteOutput::new(job.kind, link)])
            .ok_or(Lost::Gone)
    }

    async fn fetch(&self, output: &RemoteOutput) -> Result<MediaStream, Lost> {
        media::fetch(super::NAME, &self.fetcher, output).await
    }

    async fn reconcile(&self, attempt: &AttemptRef) -> Found {
        list::find(&self.wire, attempt).await
    }

    async fn cancel(&self, _: &RemoteJob) -> bool {
        false
    }

    async fn erase(&self, job: &RemoteJob) -> Erased {
        let url = self.wire.url(&["generations", &job.external_id]);
        match self
            .wire
            .ask(Method::DELETE, "DELETE /generations/{id}", url, None)
            .await
        {
            Ok(answer) if matches!(answer.status, 200 | 204 | 404 | 410) => Erased::Done,
            Ok(answer) => Erased::Trouble(trouble(&answer).fault()),
            Err(code) => Erased::Trouble(code.fault()),
        }
    }

    async fn probe(&self) -> Probe {
        let answer = match self.wire.get("GET /credits", self.wire.url(&["credits"])).await {
            Ok(answer) if answer.status == 200 => answer,
            Ok(answer) => return Probe::Fault(trouble(&answer).fault()),
            Err(code) => return Probe::Fault(code.fault()),
        };
        let read = answer
            .body
            .ok()
            .and_then(|body| serde_json::from_slice::<Credits>(&body).ok());
        match read {
            Some(credits) => Probe::Ok {
                balance: Some(from_cents(credits.credit_balance)),
            },
            None => Probe::Fault(Code::Unavailable.fault()),
        }
    }
}

/// Their balance is a float in US cents.
fn from_cents(cents: f64) -> Money {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a cast from float to integer saturates"
    )]
    Money::usd((cents * 10_000.0).round() as i64)
}

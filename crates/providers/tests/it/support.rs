//! Calls as the studio makes them.

use domain::capability::{Card, ModelId};
use domain::gate::{Ask, Permitted, Purpose};
use domain::generation::{
    Aspect, Kind, Operation, Reference, ReferenceRole, ReferenceSource, Resolution, Spec, Wish,
};
use domain::id::AssetId;
use domain::job::Submitted;
use domain::secret::{AttemptToken, Prompt};
use domain::time::Time;
use providers::luma::Luma;
use providers::luma_dream_machine::DreamMachine;
use providers::outbound::{Cidr, Fetcher, Guard};
use providers::{Call, Input, InputBody, Provider, ProviderConfig, RemoteJob, SendBy};
use std::time::Duration;
use testkit::sim::{DreamMachineSim, KEY, LumaAgentsSim, Sim};
use url::Url;

/// A boat.
pub const PROMPT: &str = "um barco vermelho no mar";

pub fn allow_loopback() -> Vec<Cidr> {
    vec!["127.0.0.0/8".parse().unwrap()]
}

pub fn config(base: &str, key: &str) -> ProviderConfig {
    let mut config = ProviderConfig::new(Url::parse(base).unwrap(), Some(key.to_owned().into()));
    config.call_timeout_ms = 400;
    config.stall_timeout_ms = 400;
    config
}

pub fn fetcher(allow: Vec<Cidr>) -> Fetcher {
    let limit = Duration::from_millis(400);
    Fetcher::new(Guard::new(allow), limit, limit).unwrap()
}

pub fn luma(sim: &Sim) -> Luma {
    Luma::new(&config(&sim.agents_url(), KEY), fetcher(allow_loopback())).unwrap()
}

pub fn dream_machine(sim: &Sim) -> DreamMachine {
    DreamMachine::new(&config(&sim.dream_machine_url(), KEY), fetcher(allow_loopback())).unwrap()
}

pub async fn agents() -> (LumaAgentsSim, Luma) {
    let sim = LumaAgentsSim::start().await.unwrap();
    let client = luma(&sim);
    (sim, client)
}

pub async fn machine() -> (DreamMachineSim, DreamMachine) {
    let sim = DreamMachineSim::start().await.unwrap();
    let client = dream_machine(&sim);
    (sim, client)
}

pub fn token(n: u8) -> AttemptToken {
    AttemptToken::new([n; 32])
}

pub fn permitted(card: &Card, at: Time) -> Permitted {
    let ask = Ask {
        purpose: Some(Purpose::Evaluation),
        provider: &card.name,
        handling: &card.handling,
        personal_data: false,
        references: false,
    };
    domain::gate::decide(&ask, at).unwrap()
}

pub fn now() -> Time {
    (testkit::sim::system_clock())()
}

/// What is asked for, with the little that tests vary.
#[derive(Clone)]
pub struct Order {
    pub model: &'static str,
    pub kind: Kind,
    pub operation: Operation,
    pub prompt: String,
    pub inputs: Vec<Input>,
    pub aspect: Option<Aspect>,
    pub resolution: Option<Resolution>,
    pub seconds: Option<u32>,
    pub looping: bool,
    pub callback: Option<&'static str>,
}

pub fn order(model: &'static str) -> Order {
    let kind = if model.starts_with("ray") {
        Kind::Video
    } else {
        Kind::Image
    };
    Order {
        model,
        kind,
        operation: Operation::Create,
        prompt: PROMPT.to_owned(),
        inputs: Vec::new(),
        aspect: None,
        resolution: None,
        seconds: None,
        looping: false,
        callback: Some("https://studio.example/callbacks/luma-dream-machine"),
    }
}

impl Order {
    pub fn how(mut self, operation: Operation) -> Self {
        self.operation = operation;
        self
    }

    pub fn with(mut self, role: ReferenceRole, body: InputBody) -> Self {
        self.inputs.push(Input { role, body });
        self
    }

    pub fn link(self, role: ReferenceRole) -> Self {
        self.with(
            role,
            InputBody::PublicUrl(Url::parse("https://studio.example/in/9f.png?sig=1").unwrap()),
        )
    }

    pub fn bytes(self, role: ReferenceRole, media_type: &str, bytes: Vec<u8>) -> Self {
        self.with(
            role,
            InputBody::Bytes {
                media_type: media_type.to_owned(),
                bytes: bytes.into(),
            },
        )
    }

    pub fn remote(self, role: ReferenceRole, id: &str) -> Self {
        self.with(role, InputBody::Remote(id.to_owned()))
    }

    pub fn spec(&self, card: &Card) -> Spec {
        let reference = |input: &Input| Reference {
            source: ReferenceSource::Asset(AssetId::from_value(1)),
            role: input.role,
        };
        let wish = Wish {
            kind: self.kind,
            operation: Some(self.operation),
            prompt: Prompt::new(self.prompt.clone()),
            size: None,
            aspect: self.aspect,
            resolution: self.resolution,
            seconds: self.seconds,
            seed: None,
            count: 1,
            references: self.inputs.iter().map(reference).collect(),
            looping: self.looping,
        };
        let model = card
            .model(&ModelId(self.model.to_owned()))
            .expect("a model of the card");
        Spec::check(&wish, card, model, 0).expect("a request that the card allows")
    }

    pub fn call(&self, card: &Card) -> Call {
        self.call_by(card, SendBy::within(Duration::from_secs(10)))
    }

    pub fn call_by(&self, card: &Card, deadline: SendBy) -> Call {
        let spec = self.spec(card);
        let prompt = Prompt::new(self.prompt.clone());
        let mut call = Call::new(
            permitted(card, now()),
            spec,
            prompt,
            "usr-pseudonym".to_owned(),
            deadline,
        )
        .unwrap();
        call.inputs.clone_from(&self.inputs);
        call.callback = self.callback.map(|url| Url::parse(url).unwrap());
        call
    }

    pub async fn submit(&self, provider: &dyn Provider, n: u8) -> Submitted {
        provider.submit(&self.call(provider.card()), &token(n)).await
    }

    /// Submits and expects an id.
    pub async fn accepted(&self, provider: &dyn Provider, n: u8) -> RemoteJob {
        match self.submit(provider, n).await {
            Submitted::Accepted { external_id } => RemoteJob {
                external_id,
                kind: self.kind,
                operation: self.operation,
            },
            other => panic!("{} {} was not accepted: {other:?}", self.model, self.operation),
        }
    }
}

/// A finished clip or picture at the provider.
pub async fn finished(provider: &dyn Provider, model: &'static str) -> RemoteJob {
    let job = order(model).accepted(provider, 99).await;
    assert!(matches!(
        provider.poll(&job).await,
        domain::job::Polled::Done { .. }
    ));
    job
}

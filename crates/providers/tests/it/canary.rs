//! Marked strings through every door: none comes out in an error, a debug text or a log line.

use crate::support::{allow_loopback, config, fetcher, now, order, token};
use domain::generation::{Kind, Operation, ReferenceRole};
use providers::luma::Luma;
use providers::luma_dream_machine::DreamMachine;
use providers::{AttemptRef, InputBody, Provider, RemoteOutput, Words};
use std::io;
use std::sync::{Arc, Mutex};
use testkit::sim::{Fate, Misdeed, Plan, Route, Sim};
use tracing_subscriber::fmt::MakeWriter;
use url::Url;

const CANARY: &str = "canary";

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn no_key_prompt_link_token_or_raw_text_comes_out() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_ansi(false)
        .with_writer(lines.clone())
        .finish();
    // For the whole process: the lines of all tests are looked at, and no thread has hidden them before.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let plan = Plan {
        key: "canary-key".to_owned(),
        ..Plan::peaceful()
    };
    let sim = Sim::start(plan).await.unwrap();
    let luma = Luma::new(
        &config(&sim.agents_url(), "canary-key"),
        fetcher(allow_loopback()),
    )
    .unwrap();
    let guarded = DreamMachine::new(
        &config(&sim.dream_machine_url(), "canary-key"),
        fetcher(Vec::new()),
    )
    .unwrap();
    let mut told = String::new();
    for misdeed in [
        None,
        Some(Misdeed::Status(400)),
        Some(Misdeed::Status(502)),
        Some(Misdeed::CutAfter),
        Some(Misdeed::Garbage),
        Some(Misdeed::Redirect),
        Some(Misdeed::Throttle(1)),
    ] {
        for (provider, model) in [(&luma as &dyn Provider, "uni-1"), (&guarded, "photon-1")] {
            misdeed
                .into_iter()
                .for_each(|misdeed| sim.script(Route::Submit, misdeed));
            let mut one = order(model).with(
                ReferenceRole::Image,
                InputBody::PublicUrl(Url::parse("https://studio.example/in/canary.png?sig=canary").unwrap()),
            );
            one.prompt = "canary no mar".to_owned();
            one.callback = Some("https://studio.example/canary/callbacks");
            let call = one.call(provider.card());
            told.push_str(&format!("{call:?}{:?}", call.inputs));
            told.push_str(&format!("{:?}", provider.submit(&call, &token(0xca)).await));
        }
    }
    sim.fate(Fate::Fail("canary_failure"));
    let job = order("uni-1").accepted(&luma, 1).await;
    told.push_str(&format!("{:?}", luma.poll(&job).await));
    let mut edit = order("uni-1").how(Operation::Edit).link(ReferenceRole::Source);
    edit.prompt = "canary".to_owned();
    let done = edit.accepted(&luma, 2).await;
    luma.poll(&done).await;
    let outputs = luma.outputs(&done).await.unwrap();
    told.push_str(&format!("{outputs:?}{:?}", luma.fetch(&outputs[0]).await));
    for link in [
        "http://127.0.0.1:1/canary?sig=canary",
        "http://10.0.0.1/canary",
        "canary:canary",
        "https://canary@x/",
    ] {
        let output = RemoteOutput::new(Kind::Image, link.to_owned());
        told.push_str(&format!("{output:?}{:?}", guarded.fetch(&output).await));
    }
    let words = Words {
        model: domain::capability::ModelId("photon-1".to_owned()),
        prompt: domain::secret::Prompt::new("canary".to_owned()),
        taken: Vec::new(),
        alone: true,
    };
    let attempt = AttemptRef {
        token_hash: token(0xca).hash(),
        intent_at: now(),
        kind: Kind::Image,
        words: Some(words),
    };
    told.push_str(&format!("{attempt:?}{:?}", guarded.reconcile(&attempt).await));
    told.push_str(&format!(
        "{:?}{:?}",
        luma.probe().await,
        config("http://127.0.0.1:1", "canary-key")
    ));
    let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let secret_token = token(0xca).expose();
    for (place, text) in [("an error or debug text", &told), ("the log", &log)] {
        for marked in [
            CANARY,
            secret_token.as_str(),
            "Simulated",
            "gateway",
            "X-Sig",
            "um barco",
        ] {
            let line = text
                .lines()
                .find(|line| line.contains(marked))
                .unwrap_or_default();
            assert!(!text.contains(marked), "{marked} in {place}: {line}");
        }
    }
    for wanted in [
        "provider=\"luma\"",
        "route=\"POST /generations\"",
        "status=400",
        "dur_ms=",
    ] {
        assert!(log.contains(wanted), "{wanted} is missing in the log:\n{log}");
    }
}

//! Looking at jobs and fetching what they made.

use crate::support::{agents, config, dream_machine, fetcher, finished, luma, machine, order};
use domain::generation::Kind;
use domain::job::Polled;
use futures_util::StreamExt;
use providers::luma::Luma;
use providers::{Lost, Provider, RemoteJob, RemoteOutput};
use testkit::sim::{Fate, KEY, Misdeed, Plan, Route, Sim};

async fn whole(provider: &dyn Provider, output: &RemoteOutput) -> Result<Vec<u8>, String> {
    let mut stream = match provider.fetch(output).await {
        Ok(stream) => stream,
        Err(Lost::Trouble(fault)) => return Err(fault.code),
        Err(Lost::Gone) => return Err("gone".to_owned()),
    };
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        bytes.extend_from_slice(&chunk.map_err(|fault| fault.code)?);
    }
    Ok(bytes)
}

#[tokio::test]
async fn progress_then_a_result_of_the_right_bytes() {
    let sim = Sim::start(Plan {
        looks: 3,
        seed: 5,
        ..Plan::peaceful()
    })
    .await
    .unwrap();
    let (luma, machine) = (luma(&sim), dream_machine(&sim));
    for (provider, model) in [
        (&luma as &dyn Provider, "uni-1"),
        (&luma, "ray-3.2"),
        (&machine, "photon-1"),
        (&machine, "ray-2"),
    ] {
        let job = order(model).accepted(provider, 1).await;
        let mut looks = 0;
        while !matches!(provider.poll(&job).await, Polled::Done { cost: None }) {
            looks += 1;
            assert!(looks < 4, "{model} never ends");
        }
        let outputs = provider.outputs(&job).await.unwrap();
        assert_eq!(outputs.len(), 1);
        let want = match job.kind {
            Kind::Image => testkit::media::png(&job.external_id),
            Kind::Video => testkit::media::mp4(&job.external_id),
        };
        assert_eq!(whole(provider, &outputs[0]).await.unwrap(), want, "{model}");
    }
}

#[tokio::test]
async fn every_failure_ends_as_its_own_outcome() {
    for (agents, failure, want) in [
        (true, "generation_failed", "provider.generation_failed"),
        (true, "budget_exhausted", "provider.balance_empty"),
        (true, "output_not_found", "provider.output_missing"),
        (true, "image_too_large", "provider.input_too_large"),
        (true, "unsupported_format", "provider.input_unsupported"),
        (true, "corrupt_input", "provider.input_unreadable"),
        (true, "invalid_request", "provider.request_refused"),
        (true, "rate_limited", "provider.throttled"),
        (true, "something_new", "provider.failed_otherwise"),
        (true, "content_moderated", "content.refused"),
        (false, "Contains blacklisted words", "content.prompt_refused"),
        (false, "Frame moderation failed", "content.frame_refused"),
        (
            false,
            "Advanced prompt moderation failed",
            "content.prompt_refused",
        ),
        (
            false,
            "Failed to read user input frames",
            "provider.input_unreadable",
        ),
        (false, "Prompt processing failed", "provider.prompt_processing"),
        (
            false,
            "Failed to dispatch the generation",
            "provider.dispatch_failed",
        ),
        (false, "who knows", "provider.failed_otherwise"),
    ] {
        let sim = Sim::start(Plan::peaceful()).await.unwrap();
        sim.fate(Fate::Fail(failure));
        let (luma, machine) = (luma(&sim), dream_machine(&sim));
        let (provider, model): (&dyn Provider, _) = if agents {
            (&luma, "uni-1")
        } else {
            (&machine, "photon-1")
        };
        let job = order(model).accepted(provider, 1).await;
        let fault = match provider.poll(&job).await {
            Polled::Failed {
                fault, charged: None, ..
            }
            | Polled::Blocked { fault, charged: None } => fault,
            other => panic!("{failure}: {other:?}"),
        };
        assert_eq!(fault.code, want, "{failure}");
        assert_eq!(sim.bill().total(), 0, "{failure}");
    }
}

#[tokio::test]
async fn trouble_while_looking_is_trouble_and_never_an_end() {
    let (sim, luma) = agents().await;
    let job = order("uni-1").accepted(&luma, 1).await;
    for (misdeed, want) in [
        (Misdeed::Status(500), "provider.unavailable"),
        (Misdeed::Status(401), "provider.key_refused"),
        (Misdeed::Throttle(9), "provider.throttled"),
        (Misdeed::CutAfter, "provider.unavailable"),
        (Misdeed::CutBody, "provider.unavailable"),
        (Misdeed::StallBody, "provider.unavailable"),
        (Misdeed::Garbage, "provider.unavailable"),
        (Misdeed::Redirect, "provider.unavailable"),
    ] {
        sim.script(Route::Poll, misdeed);
        let Polled::Trouble { fault, retry_after } = luma.poll(&job).await else {
            panic!("{misdeed:?}")
        };
        assert_eq!(fault.code, want, "{misdeed:?}");
        assert_eq!(
            retry_after.map(|w| w.as_secs()),
            (misdeed == Misdeed::Throttle(9)).then_some(9)
        );
    }
    assert!(matches!(luma.poll(&job).await, Polled::Done { .. }));
    let unknown = RemoteJob {
        external_id: "0a0a".to_owned(),
        ..job
    };
    assert_eq!(luma.poll(&unknown).await, Polled::Gone);
    assert_eq!(luma.outputs(&unknown).await, Err(Lost::Gone));
}

#[tokio::test]
async fn a_finished_job_without_a_result_is_gone_though_paid() {
    let sim = Sim::start(Plan::peaceful()).await.unwrap();
    let (luma, machine) = (luma(&sim), dream_machine(&sim));
    for (provider, model) in [(&luma as &dyn Provider, "uni-1"), (&machine, "photon-1")] {
        sim.fate(Fate::Empty);
        let job = order(model).accepted(provider, 1).await;
        assert!(
            matches!(provider.poll(&job).await, Polled::Done { .. }),
            "it is charged, so it is captured"
        );
        assert_eq!(provider.outputs(&job).await, Err(Lost::Gone));
    }
}

#[tokio::test]
async fn a_download_that_goes_wrong_says_how() {
    let (sim, luma) = agents().await;
    let job = finished(&luma, "uni-1").await;
    let output = luma.outputs(&job).await.unwrap().remove(0);
    for (misdeed, want) in [
        (Misdeed::Status(403), "provider.link_expired"),
        (Misdeed::Status(404), "provider.link_expired"),
        (Misdeed::Status(500), "provider.output_cut"),
        (Misdeed::WrongType, "provider.output_type"),
        (Misdeed::CutAfter, "provider.output_cut"),
        (Misdeed::CutBody, "provider.output_cut"),
        (Misdeed::StallBody, "provider.output_cut"),
    ] {
        sim.script(Route::Output, misdeed);
        assert_eq!(whole(&luma, &output).await, Err(want.to_owned()), "{misdeed:?}");
    }
    sim.script(Route::Output, Misdeed::SlowBody);
    assert_eq!(
        whole(&luma, &output).await.unwrap(),
        testkit::media::png(&job.external_id)
    );
    let again = luma.outputs(&job).await.unwrap().remove(0);
    assert_ne!(again.expose_link(), output.expose_link(), "links are fresh");
}

#[tokio::test]
async fn a_link_into_a_network_that_is_not_listed_is_refused() {
    let (sim, _) = agents().await;
    let guarded = Luma::new(&config(&sim.agents_url(), KEY), fetcher(Vec::new())).unwrap();
    let job = finished(&guarded, "uni-1").await;
    let output = guarded.outputs(&job).await.unwrap().remove(0);
    assert_eq!(
        whole(&guarded, &output).await,
        Err("provider.link_refused".to_owned())
    );
    assert_eq!(sim.heard(Route::Output), 0);
}

#[tokio::test]
async fn a_dream_machine_job_of_the_wrong_kind_has_no_such_output() {
    let (_sim, machine) = machine().await;
    let job = finished(&machine, "photon-1").await;
    let as_clip = RemoteJob {
        kind: Kind::Video,
        ..job
    };
    assert_eq!(machine.outputs(&as_clip).await, Err(Lost::Gone));
}

//! What comes of one send, whatever the other side does: the outcome, the code, what was billed, and that it
//! was sent exactly once.

use crate::support::{agents, config, dream_machine, fetcher, luma, machine, order, token};
use domain::gate::{Ask, Purpose};
use domain::job::Submitted;
use domain::secret::Prompt;
use providers::luma::Luma;
use providers::luma_dream_machine::DreamMachine;
use providers::{Call, Provider, SendBy};
use std::time::{Duration, Instant};
use testkit::sim::{Misdeed, Plan, Route, Sim};

#[derive(Debug, PartialEq)]
enum Came {
    Accepted,
    Rejected(&'static str, bool, Option<u64>),
    Unknown(&'static str),
}

/// What the other side does, what it means for the Agents API, what for the Dream Machine API, and how many
/// creations are on the bill.
fn situations() -> Vec<(Option<Misdeed>, Came, Came, usize)> {
    use Came::{Accepted, Rejected, Unknown};
    use Misdeed::{
        CutAfter, CutBefore, CutBody, Garbage, NoId, Page, Redirect, SlowBody, StallAfter, StallBefore,
        StallBody, Status, StatusAfter, Throttle, TooMany,
    };
    let refused = |code| Rejected(code, false, None);
    let same = |misdeed, came: fn() -> Came, billed| (Some(misdeed), came(), came(), billed);
    vec![
        (None, Accepted, Accepted, 1),
        same(SlowBody, || Accepted, 1),
        same(Throttle(7), || Rejected("provider.throttled", true, Some(7)), 0),
        same(TooMany, || Rejected("provider.too_many_jobs", true, Some(2)), 0),
        same(
            Status(400),
            || Rejected("provider.request_refused", false, None),
            0,
        ),
        same(Status(401), || Rejected("provider.key_refused", false, None), 0),
        same(Status(402), || Rejected("provider.balance_empty", false, None), 0),
        same(Status(403), || Rejected("provider.forbidden", false, None), 0),
        same(
            Status(404),
            || Rejected("provider.source_unknown", false, None),
            0,
        ),
        same(Page(404), || Rejected("provider.not_offered", false, None), 0),
        same(
            Status(413),
            || Rejected("provider.input_too_large", false, None),
            0,
        ),
        same(Page(413), || Rejected("provider.input_too_large", false, None), 0),
        same(
            Status(422),
            || Rejected("provider.request_refused", false, None),
            0,
        ),
        (
            Some(Status(503)),
            Rejected("provider.ingestion_unavailable", true, None),
            Unknown("provider.answer_failed"),
            0,
        ),
        same(Page(503), || Unknown("provider.answer_failed"), 0),
        same(Status(408), || Unknown("provider.answer_failed"), 0),
        same(Status(409), || Unknown("provider.answer_failed"), 0),
        same(Status(500), || Unknown("provider.answer_failed"), 0),
        same(Status(502), || Unknown("provider.answer_failed"), 0),
        same(StatusAfter(500), || Unknown("provider.answer_failed"), 1),
        same(StatusAfter(502), || Unknown("provider.answer_failed"), 1),
        same(CutBefore, || Unknown("provider.answer_lost"), 0),
        same(CutAfter, || Unknown("provider.answer_lost"), 1),
        same(StallBefore, || Unknown("provider.answer_lost"), 0),
        same(StallAfter, || Unknown("provider.answer_lost"), 1),
        same(CutBody, || Unknown("provider.answer_lost"), 1),
        same(StallBody, || Unknown("provider.answer_lost"), 1),
        same(Garbage, || Unknown("provider.answer_unreadable"), 1),
        same(NoId, || Unknown("provider.answer_unreadable"), 1),
        same(Redirect, || Unknown("provider.answer_redirected"), 0),
        // A refusal that was documented is believed even if something was done before it.
        (
            Some(StatusAfter(400)),
            refused("provider.request_refused"),
            refused("provider.request_refused"),
            1,
        ),
    ]
}

fn told(outcome: Submitted) -> Came {
    let code = |fault: domain::fault::Fault| {
        *providers::fault_codes()
            .iter()
            .find(|code| **code == fault.code)
            .expect("a code of the list")
    };
    match outcome {
        Submitted::Accepted { .. } => Came::Accepted,
        Submitted::Rejected {
            fault,
            again,
            retry_after,
        } => Came::Rejected(code(fault), again, retry_after.map(|wait| wait.as_secs())),
        Submitted::Unknown { fault } => Came::Unknown(code(fault)),
    }
}

#[tokio::test]
async fn every_situation_has_its_outcome_and_is_sent_exactly_once() {
    let mut seen = 0;
    for (misdeed, for_agents, for_machine, billed) in situations() {
        for (want, is_agents) in [(for_agents, true), (for_machine, false)] {
            let sim = Sim::start(Plan::peaceful()).await.unwrap();
            if let Some(misdeed) = misdeed {
                sim.script(Route::Submit, misdeed);
            }
            let came = if is_agents {
                order("uni-1").submit(&luma(&sim), 1).await
            } else {
                order("photon-1").submit(&dream_machine(&sim), 1).await
            };
            assert_eq!(told(came), want, "{misdeed:?}, agents: {is_agents}");
            assert_eq!(sim.sends(), 1, "{misdeed:?}, agents: {is_agents}");
            assert_eq!(
                sim.bill().entries.len(),
                billed,
                "{misdeed:?}, agents: {is_agents}"
            );
            seen += 1;
        }
    }
    assert!(seen >= 60, "{seen} situations");
}

#[tokio::test]
async fn a_provider_that_is_not_there_is_a_clean_refusal() {
    let sim = Sim::start(Plan::peaceful()).await.unwrap();
    let gone = config(&sim.agents_url(), "k");
    drop(sim);
    tokio::task::yield_now().await;
    let luma = Luma::new(&gone, fetcher(Vec::new())).unwrap();
    let came = told(order("uni-1").submit(&luma, 1).await);
    assert_eq!(came, Came::Rejected("provider.unreachable", true, None));
}

#[tokio::test]
async fn nothing_leaves_after_the_deadline() {
    let (sim, luma) = agents().await;
    let late = SendBy::at(Instant::now().checked_sub(Duration::from_millis(1)).unwrap());
    let call = order("uni-1").call_by(luma.card(), late);
    let came = told(luma.submit(&call, &token(1)).await);
    assert_eq!(came, Came::Rejected("provider.send_by_passed", true, None));
    assert_eq!(sim.sends(), 0);
}

#[tokio::test]
async fn a_permission_for_one_provider_is_no_good_for_another() {
    let (sim, luma) = agents().await;
    let (_other, machine) = machine().await;
    let spec = order("uni-1").spec(luma.card());
    let ask = Ask {
        purpose: Some(Purpose::Product),
        provider: &machine.card().name,
        handling: &machine.card().handling,
        personal_data: false,
        references: false,
    };
    let foreign = domain::gate::decide(&ask, crate::support::now()).unwrap();
    let deadline = SendBy::within(Duration::from_secs(5));
    assert!(Call::new(foreign, spec, Prompt::new("x".into()), "u".into(), deadline).is_err());
    let call = order("photon-1").call(machine.card());
    let came = told(luma.submit(&call, &token(1)).await);
    assert_eq!(came, Came::Rejected("provider.wrong_provider", false, None));
    assert_eq!(sim.sends(), 0);
}

#[tokio::test]
async fn documented_validation_texts_have_their_own_codes() {
    let (sim, machine) = machine().await;
    for (prompt, want) in [
        ("ab", "provider.prompt_too_short"),
        ("", "provider.prompt_missing"),
    ] {
        let mut call = order("photon-1").call(machine.card());
        call.prompt = Prompt::new(prompt.to_owned());
        let came = told(machine.submit(&call, &token(1)).await);
        assert_eq!(came, Came::Rejected(want, false, None));
    }
    let mut call = order("ray-2").call(machine.card());
    call.prompt = Prompt::new("x".repeat(5001));
    let came = told(machine.submit(&call, &token(1)).await);
    assert_eq!(came, Came::Rejected("provider.prompt_too_long", false, None));
    assert!(sim.bill().entries.is_empty());
}

#[tokio::test]
async fn two_hundred_at_once_through_a_storm_are_sent_once_each() {
    let sim = std::sync::Arc::new(Sim::start(Plan::stormy(11)).await.unwrap());
    let mut patient = config(&sim.dream_machine_url(), testkit::sim::KEY);
    (patient.connect_timeout_ms, patient.call_timeout_ms) = (60_000, 60_000);
    let client = std::sync::Arc::new(DreamMachine::new(&patient, fetcher(Vec::new())).unwrap());
    let mut running = tokio::task::JoinSet::new();
    for n in 0..200_u8 {
        let client = std::sync::Arc::clone(&client);
        running.spawn(async move {
            let mut one = order("photon-1");
            one.prompt = format!("barco {n}");
            told(one.submit(client.as_ref(), n).await)
        });
    }
    let outcomes = running.join_all().await;
    assert_eq!(sim.sends(), 200);
    let accepted = outcomes.iter().filter(|came| **came == Came::Accepted).count();
    let refused = outcomes
        .iter()
        .filter(|came| matches!(came, Came::Rejected(..)))
        .count();
    let made = sim.bill().entries.len();
    assert!(
        accepted <= made && made <= 200 - refused,
        "{accepted} {made} {refused}"
    );
    assert!(refused > 0 && accepted < 200, "the storm did not blow");
}

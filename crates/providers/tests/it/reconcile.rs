//! Finding attempts whose answer was lost.

use crate::support::{PROMPT, agents, finished, machine, now, order, token};
use domain::capability::ModelId;
use domain::generation::Kind;
use domain::job::{Found, Submitted};
use domain::secret::Prompt;
use domain::time::Time;
use providers::{AttemptRef, Provider, Words};
use testkit::sim::{Misdeed, Route};

fn attempt(n: u8) -> AttemptRef {
    AttemptRef {
        token_hash: token(n).hash(),
        intent_at: now(),
        kind: Kind::Image,
        words: None,
    }
}

fn words(taken: &[String], alone: bool) -> Option<Words> {
    Some(Words {
        model: ModelId("photon-1".to_owned()),
        prompt: Prompt::new(PROMPT.to_owned()),
        taken: taken.to_vec(),
        alone,
    })
}

#[tokio::test]
async fn an_api_without_a_list_cannot_know() {
    let (_sim, luma) = agents().await;
    assert_eq!(luma.reconcile(&attempt(1)).await, Found::CannotKnow);
}

#[tokio::test]
async fn a_lost_answer_is_found_by_the_token_that_the_list_echoes() {
    let (sim, machine) = machine().await;
    order("photon-1").accepted(&machine, 1).await;
    sim.script(Route::Submit, Misdeed::CutAfter);
    assert!(matches!(
        order("photon-1").submit(&machine, 2).await,
        Submitted::Unknown { .. }
    ));
    order("photon-1").accepted(&machine, 3).await;
    let lost = sim.bill().entries[1].external_id.clone();
    assert_eq!(
        machine.reconcile(&attempt(2)).await,
        Found::Adopted { external_id: lost }
    );
    assert_eq!(machine.reconcile(&attempt(9)).await, Found::NotSeen);
    assert_eq!(sim.sends(), 3, "looking sends nothing");
}

#[tokio::test]
async fn a_list_that_lags_shows_it_later() {
    let (sim, machine) = machine().await;
    sim.hide(2);
    sim.script(Route::Submit, Misdeed::StatusAfter(500));
    order("photon-1").submit(&machine, 1).await;
    assert_eq!(machine.reconcile(&attempt(1)).await, Found::NotSeen);
    assert_eq!(machine.reconcile(&attempt(1)).await, Found::NotSeen);
    assert!(matches!(
        machine.reconcile(&attempt(1)).await,
        Found::Adopted { .. }
    ));
}

#[tokio::test]
async fn a_list_that_cannot_be_read_proves_nothing() {
    let (sim, machine) = machine().await;
    for misdeed in [
        Misdeed::Status(500),
        Misdeed::CutBody,
        Misdeed::Garbage,
        Misdeed::Throttle(1),
        Misdeed::Status(401),
    ] {
        sim.script(Route::List, misdeed);
        assert!(
            matches!(machine.reconcile(&attempt(1)).await, Found::Trouble { .. }),
            "{misdeed:?}"
        );
    }
}

#[tokio::test]
async fn pages_are_read_to_the_end_and_not_beyond_the_intent() {
    let (sim, machine) = machine().await;
    sim.script(Route::Submit, Misdeed::CutAfter);
    order("photon-1").submit(&machine, 200).await;
    for n in 0..199 {
        order("photon-1").accepted(&machine, n).await;
    }
    let oldest = sim.bill().entries[0].external_id.clone();
    assert_eq!(
        machine.reconcile(&attempt(200)).await,
        Found::Adopted { external_id: oldest }
    );
    assert_eq!(
        sim.heard(Route::List),
        3,
        "two hundred with pages of a hundred that overlap"
    );
    let later = AttemptRef {
        intent_at: now().after(std::time::Duration::from_secs(3600)),
        ..attempt(222)
    };
    assert_eq!(machine.reconcile(&later).await, Found::NotSeen);
    assert_eq!(
        sim.heard(Route::List),
        4,
        "everything on the first page is older than the intent"
    );
    let ever = AttemptRef {
        intent_at: Time::from_micros(0),
        ..attempt(222)
    };
    assert_eq!(machine.reconcile(&ever).await, Found::NotSeen);
    assert_eq!(sim.heard(Route::List), 7);
}

#[tokio::test]
async fn a_second_page_that_fails_makes_the_look_incomplete() {
    let (sim, machine) = machine().await;
    for n in 0..150 {
        order("photon-1").accepted(&machine, n).await;
    }
    sim.script(Route::List, Misdeed::SlowBody);
    sim.script(Route::List, Misdeed::Status(500));
    assert!(matches!(
        machine.reconcile(&attempt(250)).await,
        Found::Trouble { .. }
    ));
}

#[tokio::test]
async fn without_a_callback_only_a_single_match_that_nobody_holds_is_adopted() {
    let (sim, machine) = machine().await;
    let mut plain = order("photon-1");
    plain.callback = None;
    let look = |words| AttemptRef { words, ..attempt(1) };
    assert_eq!(machine.reconcile(&look(words(&[], true))).await, Found::NotSeen);
    sim.script(Route::Submit, Misdeed::CutAfter);
    plain.submit(&machine, 1).await;
    let lost = sim.bill().entries[0].external_id.clone();
    assert_eq!(
        machine.reconcile(&look(words(&[], false))).await,
        Found::CannotKnow,
        "not alone"
    );
    assert_eq!(
        machine.reconcile(&look(words(&[], true))).await,
        Found::Adopted {
            external_id: lost.clone()
        }
    );
    let held = words(std::slice::from_ref(&lost), true);
    assert_eq!(
        machine.reconcile(&look(held.clone())).await,
        Found::NotSeen,
        "it is another attempt's"
    );
    let other = plain.accepted(&machine, 2).await;
    assert_eq!(
        machine.reconcile(&look(words(&[], true))).await,
        Found::CannotKnow,
        "two match"
    );
    let one_left = words(&[other.external_id], true);
    assert_eq!(
        machine.reconcile(&look(one_left)).await,
        Found::Adopted { external_id: lost }
    );
    let mut foreign = held.unwrap();
    foreign.taken.clear();
    foreign.prompt = Prompt::new("outra coisa".to_owned());
    assert_eq!(
        machine.reconcile(&look(Some(foreign))).await,
        Found::NotSeen,
        "other words"
    );
}

#[tokio::test]
async fn a_deleted_generation_is_gone_and_a_second_deletion_is_no_trouble() {
    let (sim, machine) = machine().await;
    let job = finished(&machine, "photon-1").await;
    assert!(!machine.cancel(&job).await, "the API cannot cancel");
    assert_eq!(machine.erase(&job).await, providers::Erased::Done);
    assert_eq!(machine.erase(&job).await, providers::Erased::Done);
    assert_eq!(sim.deleted(), std::slice::from_ref(&job.external_id));
    assert_eq!(machine.poll(&job).await, domain::job::Polled::Gone);
    sim.script(Route::Delete, Misdeed::Status(500));
    assert!(matches!(machine.erase(&job).await, providers::Erased::Trouble(_)));
}

//! How references travel.

use crate::support::{agents, finished, machine, order};
use domain::generation::{Operation, ReferenceRole};
use domain::job::Submitted;
use providers::luma::INLINE_BYTES;
use providers::{Erased, Provider};
use testkit::sim::{Misdeed, Route};

fn code(outcome: Submitted) -> String {
    match outcome {
        Submitted::Rejected { fault, .. } => fault.code,
        other => panic!("{other:?}"),
    }
}

/// A picture too large to go along inline.
fn large() -> Vec<u8> {
    let mut file = testkit::media::png("large");
    file.resize(INLINE_BYTES + 1, 0);
    file
}

#[tokio::test]
async fn small_ones_go_inline_and_large_ones_are_uploaded_once_and_deleted_at_the_end() {
    let (sim, luma) = agents().await;
    let edit = |bytes| {
        order("uni-1")
            .how(Operation::Edit)
            .bytes(ReferenceRole::Source, "image/png", bytes)
    };
    edit(testkit::media::png("small")).accepted(&luma, 1).await;
    assert!(sim.submissions()[0].1["source"]["data"].is_string());
    assert!(sim.files().is_empty());
    let first = edit(large()).accepted(&luma, 2).await;
    let second = edit(large()).accepted(&luma, 3).await;
    let (bodies, files) = (sim.submissions(), sim.files());
    assert_eq!(files.len(), 1, "uploaded once for both");
    for body in &bodies[1..] {
        assert_eq!(body.1["source"]["file_id"], files[0].as_str());
    }
    assert_eq!(
        luma.erase(&first).await,
        Erased::NotOffered,
        "the second job still uses it"
    );
    assert_eq!(sim.files().len(), 1);
    assert_eq!(luma.erase(&second).await, Erased::InputsOnly);
    assert!(sim.files().is_empty());
}

#[tokio::test]
async fn an_upload_that_fails_sends_no_paid_request() {
    let (sim, luma) = agents().await;
    let edit = order("uni-1")
        .how(Operation::Edit)
        .bytes(ReferenceRole::Source, "image/png", large());
    for (misdeed, want) in [
        (Misdeed::Status(500), "provider.unavailable"),
        (Misdeed::Garbage, "provider.upload_failed"),
        (Misdeed::CutAfter, "provider.unavailable"),
        (Misdeed::Status(413), "provider.input_too_large"),
    ] {
        sim.script(Route::Files, misdeed);
        assert_eq!(code(edit.submit(&luma, 1).await), want, "{misdeed:?}");
    }
    let huge = vec![0_u8; providers::luma::MAX_IMAGE_INPUT_BYTES + 1];
    let huge = order("uni-1")
        .how(Operation::Edit)
        .bytes(ReferenceRole::Source, "image/png", huge);
    assert_eq!(code(huge.submit(&luma, 1).await), "provider.input_too_large");
    assert_eq!(sim.sends(), 0);
    edit.accepted(&luma, 2).await;
}

#[tokio::test]
async fn the_dream_machine_takes_addresses_only_and_says_so_before_anything_is_sent() {
    let (sim, machine) = machine().await;
    let bytes = order("ray-2").bytes(ReferenceRole::StartFrame, "image/png", testkit::media::png("x"));
    assert_eq!(code(bytes.submit(&machine, 1).await), "provider.needs_public_url");
    let remote = order("photon-1").remote(ReferenceRole::Image, "some-generation");
    assert_eq!(
        code(remote.submit(&machine, 1).await),
        "provider.input_form_refused"
    );
    let link = order("ray-2").how(Operation::Upscale).link(ReferenceRole::Source);
    assert_eq!(
        code(link.submit(&machine, 1).await),
        "provider.input_form_refused"
    );
    assert_eq!(sim.sends(), 0);
    let unknown = order("ray-2")
        .how(Operation::Extend)
        .remote(ReferenceRole::Source, &"0".repeat(36));
    assert_eq!(code(unknown.submit(&machine, 1).await), "provider.source_unknown");
}

#[tokio::test]
async fn a_clip_longer_than_was_priced_is_refused_before_it_is_sent() {
    let (sim, luma) = agents().await;
    let mut clip = testkit::media::mp4("long");
    let header = clip.windows(4).position(|name| name == b"mvhd").unwrap();
    let scale = u32::from_be_bytes(clip[header + 16..header + 20].try_into().unwrap());
    clip[header + 20..header + 24].copy_from_slice(&(scale * 7).to_be_bytes());
    let mut modify = order("ray-3.2")
        .how(Operation::Modify)
        .bytes(ReferenceRole::Source, "video/mp4", clip);
    assert_eq!(code(modify.submit(&luma, 1).await), "provider.source_longer");
    modify.seconds = Some(10);
    modify.accepted(&luma, 2).await;
    assert_eq!(sim.sends(), 1);
    let junk = order("ray-3.2")
        .how(Operation::Modify)
        .bytes(ReferenceRole::Source, "video/mp4", vec![0; 64]);
    assert_eq!(code(junk.submit(&luma, 3).await), "provider.input_unreadable");
}

#[tokio::test]
async fn an_extension_needs_an_earlier_clip() {
    let (sim, luma) = agents().await;
    let clip = finished(&luma, "ray-3.2").await;
    let bytes = order("ray-3.2").how(Operation::Extend).bytes(
        ReferenceRole::Source,
        "video/mp4",
        testkit::media::mp4("x"),
    );
    assert_eq!(code(bytes.submit(&luma, 1).await), "provider.input_form_refused");
    order("ray-3.2")
        .how(Operation::Extend)
        .remote(ReferenceRole::Source, &clip.external_id)
        .accepted(&luma, 2)
        .await;
    assert_eq!(sim.sends(), 2);
}

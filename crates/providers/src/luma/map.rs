//! Theirs to ours and back.

use super::wire::{Edit, Generation, ImageRef, Request, Video};
use crate::codes::Code;
use domain::event::Progress;
use domain::fault::Fault;
use domain::generation::{Kind, Operation, ReferenceRole, Spec};
use domain::job::Polled;

/// What the API refuses although each field alone is fine.
pub(super) fn check(spec: &Spec) -> Result<(), Code> {
    if spec.kind == Kind::Image {
        return Ok(());
    }
    let long = spec.seconds == Some(10);
    let end_frame = spec
        .references
        .iter()
        .any(|reference| reference.role == ReferenceRole::EndFrame);
    let made = matches!(spec.operation, Operation::Create | Operation::Extend);
    let wrong = (end_frame && long) || (spec.looping && (long || end_frame || !made));
    if wrong { Err(Code::Combination) } else { Ok(()) }
}

/// References in their wire form, by role.
#[derive(Default)]
pub(super) struct References {
    pub(super) images: Vec<ImageRef>,
    pub(super) source: Option<ImageRef>,
    pub(super) start: Option<ImageRef>,
    pub(super) end: Option<ImageRef>,
}

/// The request's body.
pub(super) fn request<'a>(spec: &'a Spec, prompt: &'a str, user: &'a str, with: References) -> Request<'a> {
    let image = spec.kind == Kind::Image;
    let base = Request {
        prompt,
        model: &spec.model.0,
        aspect_ratio: spec.aspect.map(domain::generation::Aspect::as_str),
        user_id: user,
        output_format: image.then_some("png"),
        web_search: image.then_some(false),
        ..Request::default()
    };
    let resolution = spec.resolution.map(domain::generation::Resolution::as_str);
    let duration = || spec.seconds.map(|seconds| format!("{seconds}s"));
    let looping = || spec.looping.then_some(true);
    match (spec.kind, spec.operation) {
        (Kind::Image, Operation::Create) => Request {
            kind: "image",
            image_ref: with.images,
            ..base
        },
        (Kind::Image, _) => Request {
            kind: "image_edit",
            image_ref: with.images,
            source: with.source,
            ..base
        },
        (Kind::Video, Operation::Modify) => Request {
            kind: "video_edit",
            source: with.source,
            video: Some(Video {
                resolution,
                edit: Some(Edit { auto_controls: true }),
                ..Video::default()
            }),
            ..base
        },
        (Kind::Video, Operation::Reframe) => Request {
            kind: "video_reframe",
            source: with.source,
            video: Some(Video {
                resolution,
                ..Video::default()
            }),
            ..base
        },
        (Kind::Video, Operation::Extend) => Request {
            kind: "video",
            video: Some(Video {
                resolution,
                duration: duration(),
                looping: looping(),
                start_frame: with.source,
                ..Video::default()
            }),
            ..base
        },
        (Kind::Video, _) => Request {
            kind: "video",
            video: Some(Video {
                resolution,
                duration: duration(),
                looping: looping(),
                start_frame: with.start,
                end_frame: with.end,
                edit: None,
            }),
            ..base
        },
    }
}

/// Every documented failure code with whether a new attempt may work.
const FAILURES: &[(&str, Code, bool)] = &[
    ("content_moderated", Code::ContentRefused, false),
    ("generation_failed", Code::GenerationFailed, true),
    ("budget_exhausted", Code::BalanceEmpty, false),
    ("output_not_found", Code::OutputMissing, true),
    ("image_too_large", Code::InputTooLarge, false),
    ("unsupported_format", Code::InputUnsupported, false),
    ("corrupt_input", Code::InputUnreadable, false),
    ("invalid_request", Code::RequestRefused, false),
    ("rate_limited", Code::Throttled, true),
];

/// How far a generation is.
pub(super) fn polled(seen: &Generation) -> Polled {
    let running = |stage: &str| Polled::Running {
        progress: Some(Progress {
            percent: None,
            step: None,
            steps: None,
            stage: stage.to_owned(),
        }),
    };
    match seen.state.as_str() {
        "queued" => running("queued"),
        "completed" => Polled::Done { cost: None },
        "failed" => failed(seen.failure_code.as_deref().unwrap_or_default()),
        // `processing`, and states that a later version may add: the deadline ends what never ends.
        _ => running("generating"),
    }
}

fn failed(failure_code: &str) -> Polled {
    let known = FAILURES.iter().find(|(name, ..)| *name == failure_code);
    let (code, again) = known.map_or((Code::FailedOtherwise, false), |(_, code, again)| (*code, *again));
    let fault: Fault = code.fault();
    if code == Code::ContentRefused {
        Polled::Blocked { fault, charged: None }
    } else {
        Polled::Failed {
            fault,
            again,
            charged: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(state: &str, failure_code: Option<&str>) -> Polled {
        polled(&Generation {
            state: state.to_owned(),
            output: None,
            failure_code: failure_code.map(str::to_owned),
        })
    }

    #[test]
    fn every_documented_code_has_its_outcome_and_an_unknown_one_is_final() {
        assert!(matches!(
            of("failed", Some("content_moderated")),
            Polled::Blocked { .. }
        ));
        for (name, code, want) in FAILURES.iter().filter(|(name, ..)| *name != "content_moderated") {
            let Polled::Failed { fault, again, .. } = of("failed", Some(name)) else {
                panic!("{name}")
            };
            assert_eq!((fault.code.as_str(), again), (code.as_str(), *want), "{name}");
        }
        for unknown in [None, Some("brand_new")] {
            let Polled::Failed { fault, again, .. } = of("failed", unknown) else {
                panic!()
            };
            assert_eq!((fault.code.as_str(), again), ("provider.failed_otherwise", false));
        }
    }

    #[test]
    fn states_are_read_and_new_ones_count_as_running() {
        assert!(matches!(of("completed", None), Polled::Done { .. }));
        for state in ["queued", "processing", "rendering_twice"] {
            assert!(matches!(of(state, None), Polled::Running { .. }), "{state}");
        }
    }
}

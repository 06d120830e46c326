//! Theirs to ours and back.

use super::wire::{
    Audio, Body, CharacterRef, Generation, Identity, Image, Keyframe, Keyframes, Media, Modify, Reframe,
    Routed, Upscale, Video,
};
use crate::call::{Call, InputBody};
use crate::codes::Code;
use domain::event::Progress;
use domain::generation::{Aspect, Kind, Operation, ReferenceRole, Resolution, Spec};
use domain::job::Polled;
use domain::secret::AttemptToken;
use url::Url;

/// What the API refuses although each field alone is fine.
pub(super) fn check(spec: &Spec) -> Result<(), Code> {
    let end_frame = spec
        .references
        .iter()
        .any(|reference| reference.role == ReferenceRole::EndFrame);
    let made = matches!(spec.operation, Operation::Create | Operation::Extend);
    let wrong = spec.looping && (end_frame || !made);
    if wrong { Err(Code::Combination) } else { Ok(()) }
}

/// The callback address with the token at the end of its path.
pub(super) fn callback(call: &Call, token: &AttemptToken) -> Option<String> {
    let mut url = call.callback.clone()?;
    let token = token.expose();
    if url.path_segments()?.next_back() != Some(token.as_str()) {
        url.path_segments_mut().ok()?.pop_if_empty().push(&token);
    }
    Some(url.into())
}

fn public(body: &InputBody) -> Result<&Url, Code> {
    match body {
        InputBody::PublicUrl(url) => Ok(url),
        InputBody::Bytes { .. } => Err(Code::NeedsPublicUrl),
        InputBody::Remote(_) => Err(Code::InputFormRefused),
    }
}

fn media(body: &InputBody) -> Result<Media, Code> {
    public(body).map(|url| Media { url: url.to_string() })
}

fn all(call: &Call, role: ReferenceRole) -> Result<Vec<Media>, Code> {
    call.inputs_of(role).map(media).collect()
}

fn keyframe(body: &InputBody) -> Result<Keyframe, Code> {
    match body {
        InputBody::Remote(id) => Ok(Keyframe::Generation { id: id.clone() }),
        other => public(other).map(|url| Keyframe::Image { url: url.to_string() }),
    }
}

fn earlier(call: &Call) -> Result<String, Code> {
    match call.inputs_of(ReferenceRole::Source).next() {
        Some(InputBody::Remote(id)) => Ok(id.clone()),
        _ => Err(Code::InputFormRefused),
    }
}

fn source(call: &Call) -> Result<Media, Code> {
    call.inputs_of(ReferenceRole::Source)
        .next()
        .map_or(Err(Code::InputFormRefused), media)
}

/// How strongly a clip is restyled: the middle of the documented scale.
const MODIFY_MODE: &str = "flex_2";

/// The request and where it goes.
pub(super) fn request(call: &Call, token: &AttemptToken) -> Result<Routed, Code> {
    let spec = call.spec();
    check(spec)?;
    let callback_url = callback(call, token);
    let (model, prompt) = (spec.model.0.clone(), call.prompt.expose().to_owned());
    let aspect_ratio = spec.aspect.map(Aspect::as_str);
    let resolution = spec.resolution.map(Resolution::as_str);
    let below = |path: &[&str]| path.iter().map(|segment| (*segment).to_owned()).collect();
    let routed = |route, path: &[&str], body| {
        Ok(Routed {
            route,
            path: below(path),
            body,
        })
    };
    match (spec.kind, spec.operation) {
        (Kind::Image, Operation::Reframe) => {
            let body = Body::Reframe(Reframe {
                generation_type: "reframe_image",
                model,
                media: source(call)?,
                prompt,
                aspect_ratio: aspect_ratio.ok_or(Code::RequestRefused)?,
                format: Some("png"),
                callback_url,
            });
            routed(
                "POST /generations/image/reframe",
                &["generations", "image", "reframe"],
                body,
            )
        }
        (Kind::Image, _) => {
            let characters: Result<Vec<String>, Code> = call
                .inputs_of(ReferenceRole::Character)
                .map(|body| public(body).map(Url::to_string))
                .collect();
            let characters = characters?;
            let body = Body::Image(Image {
                generation_type: "image",
                model,
                prompt,
                aspect_ratio,
                format: "png",
                callback_url,
                image_ref: all(call, ReferenceRole::Image)?,
                style_ref: all(call, ReferenceRole::Style)?,
                character_ref: (!characters.is_empty()).then_some(CharacterRef {
                    identity0: Identity { images: characters },
                }),
                modify_image_ref: call
                    .inputs_of(ReferenceRole::Source)
                    .next()
                    .map(media)
                    .transpose()?,
            });
            routed("POST /generations/image", &["generations", "image"], body)
        }
        (Kind::Video, Operation::Reframe) => {
            let body = Body::Reframe(Reframe {
                generation_type: "reframe_video",
                model,
                media: source(call)?,
                prompt,
                aspect_ratio: aspect_ratio.ok_or(Code::RequestRefused)?,
                format: None,
                callback_url,
            });
            routed(
                "POST /generations/video/reframe",
                &["generations", "video", "reframe"],
                body,
            )
        }
        (Kind::Video, Operation::Modify | Operation::Edit) => {
            let body = Body::Modify(Modify {
                generation_type: "modify_video",
                model,
                mode: MODIFY_MODE,
                media: source(call)?,
                first_frame: call
                    .inputs_of(ReferenceRole::StartFrame)
                    .next()
                    .map(media)
                    .transpose()?,
                prompt,
                callback_url,
            });
            routed(
                "POST /generations/video/modify",
                &["generations", "video", "modify"],
                body,
            )
        }
        (Kind::Video, Operation::Upscale) => {
            let body = Body::Upscale(Upscale {
                generation_type: "upscale_video",
                resolution,
                callback_url,
            });
            routed(
                "POST /generations/{id}/upscale",
                &["generations", &earlier(call)?, "upscale"],
                body,
            )
        }
        (Kind::Video, Operation::Audio) => {
            let body = Body::Audio(Audio {
                generation_type: "add_audio",
                prompt,
                callback_url,
            });
            routed(
                "POST /generations/{id}/audio",
                &["generations", &earlier(call)?, "audio"],
                body,
            )
        }
        (Kind::Video, operation) => {
            let frame0 = if operation == Operation::Extend {
                Some(Keyframe::Generation { id: earlier(call)? })
            } else {
                call.inputs_of(ReferenceRole::StartFrame)
                    .next()
                    .map(keyframe)
                    .transpose()?
            };
            let frame1 = call
                .inputs_of(ReferenceRole::EndFrame)
                .next()
                .map(keyframe)
                .transpose()?;
            let keyframes = (frame0.is_some() || frame1.is_some()).then_some(Keyframes { frame0, frame1 });
            let body = Body::Video(Video {
                generation_type: "video",
                model,
                prompt,
                aspect_ratio,
                looping: spec.looping.then_some(true),
                keyframes,
                callback_url,
                resolution,
                duration: spec.seconds.map(|seconds| format!("{seconds}s")),
            });
            routed("POST /generations/video", &["generations", "video"], body)
        }
    }
}

/// Documented texts of `failure_reason`, lower case, with whether a new attempt may work. There is no code
/// field; the first text that is part of the reason decides.
const REASONS: &[(&str, Code, bool)] = &[
    ("blacklisted words", Code::PromptRefused, false),
    ("frame moderation failed", Code::FrameRefused, false),
    ("prompt moderation failed", Code::PromptRefused, false),
    ("moderation", Code::ContentRefused, false),
    ("failed to read user input frames", Code::InputUnreadable, false),
    ("prompt processing failed", Code::PromptProcessing, true),
    ("dispatch", Code::DispatchFailed, true),
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
    match seen.state.as_deref() {
        Some("queued") => running("queued"),
        Some("completed") => Polled::Done { cost: None },
        Some("failed") => failed(seen.failure_reason.as_deref().unwrap_or_default()),
        _ => running("generating"),
    }
}

fn failed(reason: &str) -> Polled {
    let reason = reason.to_lowercase();
    let known = REASONS.iter().find(|(text, ..)| reason.contains(text));
    let (code, again) = known.map_or((Code::FailedOtherwise, false), |(_, code, again)| (*code, *again));
    let fault = code.fault();
    if code.kind() == domain::fault::FaultKind::Moderated {
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

    fn of(reason: Option<&str>) -> Polled {
        let json =
            serde_json::json!({ "id": "x", "state": "failed", "failure_reason": reason, "assets": null });
        polled(&serde_json::from_value(json).unwrap())
    }

    #[test]
    fn every_documented_reason_has_its_outcome_whatever_its_case() {
        for (reason, want) in [
            ("Contains blacklisted words", "content.prompt_refused"),
            ("400: Contains Blacklisted Words", "content.prompt_refused"),
            ("Frame moderation failed", "content.frame_refused"),
            ("Advanced prompt moderation failed", "content.prompt_refused"),
        ] {
            let Polled::Blocked { fault, .. } = of(Some(reason)) else {
                panic!("{reason}")
            };
            assert_eq!(fault.code, want, "{reason}");
        }
        for (reason, want, more) in [
            (
                Some("Failed to read user input frames"),
                "provider.input_unreadable",
                false,
            ),
            (
                Some("Prompt processing failed"),
                "provider.prompt_processing",
                true,
            ),
            (
                Some("Dispatch error: no worker"),
                "provider.dispatch_failed",
                true,
            ),
            (Some("the hamster is tired"), "provider.failed_otherwise", false),
            (None, "provider.failed_otherwise", false),
        ] {
            let Polled::Failed { fault, again, .. } = of(reason) else {
                panic!("{reason:?}")
            };
            assert_eq!((fault.code.as_str(), again), (want, more), "{reason:?}");
        }
    }
}

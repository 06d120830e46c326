//! What a send means (step 5 of the submit protocol): refused for certain, accepted, or unknown. Whatever is
//! on no list of documented refusals is unknown, because something may have been made and charged.

use super::{Answer, Sent, is_external_id};
use crate::codes::Code;
use domain::fault::FaultKind;
use domain::job::Submitted;
use serde::Deserialize;
use std::borrow::Cow;

#[derive(Deserialize)]
struct Created<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Detail<'a> {
    #[serde(borrow)]
    detail: Cow<'a, str>,
}

/// The `detail` of a documented error body, for matching only; it never leaves this crate.
pub(crate) fn detail(answer: &Answer) -> Option<String> {
    let body = answer.body.as_ref().ok()?;
    serde_json::from_slice::<Detail<'_>>(body)
        .ok()
        .map(|body| body.detail.to_ascii_lowercase())
}

/// The documented refusals that both of Luma's APIs share; `None` if the status is on no list.
pub(crate) fn refusal(status: u16, detail: Option<&str>) -> Option<Code> {
    Some(match status {
        400 | 422 => by_text(detail.unwrap_or_default()),
        401 => Code::KeyRefused,
        402 => Code::BalanceEmpty,
        403 => Code::Forbidden,
        404 if detail.is_some_and(|text| text.contains("generation")) => Code::SourceUnknown,
        404 | 405 => Code::NotOffered,
        413 => Code::InputTooLarge,
        415 => Code::InputUnsupported,
        429 if detail.is_some_and(|text| text.contains("concurrent")) => Code::TooManyJobs,
        429 => Code::Throttled,
        _ => return None,
    })
}

/// Validation texts of the Dream Machine API; the Agents API publishes none.
const TEXTS: &[(&str, Code)] = &[
    ("prompt is required", Code::PromptMissing),
    ("prompt is too short", Code::PromptTooShort),
    ("prompt is too long", Code::PromptTooLong),
    ("no keyframes provided", Code::FramesMissing),
    ("keyframe", Code::FramesConflict),
    ("loop", Code::FramesConflict),
    ("moderation", Code::ContentRefused),
    ("blacklisted words", Code::PromptRefused),
];

fn by_text(detail: &str) -> Code {
    TEXTS
        .iter()
        .find(|(text, _)| detail.contains(text))
        .map_or(Code::RequestRefused, |(_, code)| *code)
}

/// Whether a refusal is worth another try as it stands.
const fn again(code: Code) -> bool {
    matches!(code.kind(), FaultKind::Throttled | FaultKind::Unavailable)
}

/// What a send means. `also` names the documented refusals of one provider beyond the shared ones.
pub(crate) fn classify(sent: Sent, also: impl Fn(u16, Option<&str>) -> Option<Code>) -> Submitted {
    let unknown = |code: Code| Submitted::Unknown { fault: code.fault() };
    let answer = match sent {
        Sent::Withheld(code) => {
            return Submitted::Rejected {
                fault: code.fault(),
                again: again(code),
                retry_after: None,
            };
        }
        Sent::Lost => return unknown(Code::AnswerLost),
        Sent::Answered(answer) => answer,
    };
    if (200..300).contains(&answer.status) {
        let Ok(body) = &answer.body else {
            return unknown(Code::AnswerLost);
        };
        return match serde_json::from_slice::<Created<'_>>(body) {
            Ok(created) if is_external_id(&created.id) => Submitted::Accepted {
                external_id: created.id.into_owned(),
            },
            _ => unknown(Code::AnswerUnreadable),
        };
    }
    let detail = detail(&answer);
    let documented =
        also(answer.status, detail.as_deref()).or_else(|| refusal(answer.status, detail.as_deref()));
    match documented {
        Some(code) => Submitted::Rejected {
            fault: code.fault(),
            again: again(code),
            retry_after: answer.retry_after,
        },
        None if (300..400).contains(&answer.status) => unknown(Code::AnswerRedirected),
        None => unknown(Code::AnswerFailed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn answered(status: u16, body: &str) -> Submitted {
        let body = Ok(Bytes::copy_from_slice(body.as_bytes()));
        classify(
            Sent::Answered(Answer {
                status,
                retry_after: None,
                body,
            }),
            |_, _| None,
        )
    }

    #[test]
    fn every_status_has_one_meaning() {
        for status in 100..=599_u16 {
            let refused = matches!(status, 400..=405 | 413 | 415 | 422 | 429);
            match answered(status, r#"{"id":"a-1"}"#) {
                Submitted::Accepted { external_id } => {
                    assert!((200..300).contains(&status));
                    assert_eq!(external_id, "a-1");
                }
                Submitted::Rejected { again, .. } => {
                    assert!(refused, "{status} counts as refused");
                    assert_eq!(again, status == 429, "{status}");
                }
                Submitted::Unknown { .. } => assert!(!refused && !(200..300).contains(&status), "{status}"),
            }
        }
    }

    #[test]
    fn a_success_without_a_usable_id_is_unknown() {
        for body in [
            "",
            "{}",
            "[]",
            "<html>",
            r#"{"id":7}"#,
            r#"{"id":""}"#,
            r#"{"id":"../x"}"#,
        ] {
            assert!(matches!(answered(201, body), Submitted::Unknown { .. }), "{body}");
        }
    }
}

//! Why a generation went where it went.

use super::MoneyBody;
use app::catalogue::Candidate;
use app::generations::Decision;
use domain::job::Attempt;
use serde::Serialize;
use utoipa::ToSchema;

/// One candidate and what became of it.
#[derive(Serialize, ToSchema)]
pub struct CandidateBody {
    provider: String,
    model: String,
    /// `taken`, `not_named`, `unfit`, `unavailable` or `not_needed`.
    fate: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// One submission.
#[derive(Serialize, ToSchema)]
pub struct AttemptBody {
    id: String,
    /// 1 is the first submission of its output.
    number: u16,
    provider: String,
    state: String,
    intent_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<MoneyBody>,
    /// Why it did not work.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
}

/// Why a generation went where it went.
#[derive(Serialize, ToSchema)]
pub struct DecisionBody {
    id: String,
    /// What it was for; empty if nothing was said.
    purpose: String,
    candidates: Vec<CandidateBody>,
    attempts: Vec<AttemptBody>,
}

impl From<Decision> for DecisionBody {
    fn from(decision: Decision) -> Self {
        let candidate = |candidate: Candidate| CandidateBody {
            provider: candidate.provider.to_string(),
            model: candidate.model.to_string(),
            fate: candidate.fate.as_str().to_owned(),
            detail: candidate.detail,
        };
        let attempt = |attempt: Attempt| AttemptBody {
            id: attempt.id.to_string(),
            number: attempt.number,
            provider: attempt.provider.to_string(),
            state: attempt.state.to_string(),
            intent_at: attempt.intent_at.to_string(),
            cost: attempt.cost.map(MoneyBody::from),
            code: attempt.fault.map(|fault| fault.code),
        };
        Self {
            id: decision.id.to_string(),
            purpose: decision.purpose,
            candidates: decision.candidates.into_iter().map(candidate).collect(),
            attempts: decision.attempts.into_iter().map(attempt).collect(),
        }
    }
}

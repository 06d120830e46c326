//! Why something did not work, in words that both the machine and the user's catalogue understand.

/// Who can do something about a fault; decides retrying, alarms and what the user reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// The request is wrong for this model: the user changes it.
    Invalid,
    /// The provider's content rules refuse it: the user changes it; never repeated as it stands.
    Moderated,
    /// Our key, balance or account: the operator acts.
    Operator,
    /// Too much at once: later.
    Throttled,
    /// The provider is down, slow or broken: later.
    Unavailable,
    /// The provider tried and failed; a new attempt may work.
    Provider,
    /// Whether anything was created is not known.
    Uncertain,
    /// Our own limits or policy.
    Policy,
    /// Our own failure: disk, engine, decoder.
    Internal,
}

/// A fault with its stable code. Codes are catalogue keys (`error.<code>` in both languages); the
/// detail is ours or from a list of known provider texts, never a provider's raw answer.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Fault {
    /// Who can act.
    pub kind: FaultKind,
    /// Stable code such as `provider.throttled` or `content.refused`.
    pub code: String,
    /// One English sentence: what happened and what to do.
    pub detail: String,
}

impl Fault {
    /// A fault of this kind and code.
    #[must_use]
    pub fn new(kind: FaultKind, code: &str, detail: impl Into<String>) -> Self {
        Self {
            kind,
            code: code.to_owned(),
            detail: detail.into(),
        }
    }
}

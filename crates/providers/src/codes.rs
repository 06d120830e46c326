//! Every fault of this crate: its stable code (a catalogue key, `error.<code>` in both languages), who can
//! act on it, and what it says. A provider's own text never gets into a fault.

use domain::fault::{Fault, FaultKind};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $kind:ident, $detail:literal;)*) => {
        /// A fault's code.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        pub enum Code { $($(#[$doc])* $name,)* }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// Who can act.
            #[must_use]
            pub const fn kind(self) -> FaultKind {
                match self { $(Self::$name => FaultKind::$kind,)* }
            }

            /// What it says in English.
            #[must_use]
            pub const fn detail(self) -> &'static str {
                match self { $(Self::$name => $detail,)* }
            }
        }

        const WORDS: &[&str] = &[$($code,)*];
    };
}

codes! {
    /// 429: requests per minute.
    Throttled = "provider.throttled", Throttled,
        "The provider takes no more requests at the moment. It is tried again by itself.";
    /// 429: jobs at once.
    TooManyJobs = "provider.too_many_jobs", Throttled,
        "The provider works on as many jobs of this account as it allows. It is tried again by itself.";
    /// Name, connection or TLS failed before the first byte.
    Unreachable = "provider.unreachable", Unavailable,
        "The provider could not be reached. Nothing was sent and nothing was charged.";
    /// The provider's own failure, outside a submission.
    Unavailable = "provider.unavailable", Unavailable,
        "The provider does not answer properly at the moment. It is tried again by itself.";
    /// 503: media ingestion.
    IngestionUnavailable = "provider.ingestion_unavailable", Unavailable,
        "The provider takes no media at the moment. It is tried again by itself.";
    /// The deadline passed before the first byte.
    SendByPassed = "provider.send_by_passed", Unavailable,
        "It could not be sent in time, so it was not sent. It is tried again by itself.";
    /// Cut or timed out after the first byte.
    AnswerLost = "provider.answer_lost", Uncertain,
        "The connection broke before the provider answered. Whether it made this is being found out.";
    /// An answer that is none.
    AnswerUnreadable = "provider.answer_unreadable", Uncertain,
        "The provider's answer could not be read. Whether it made this is being found out.";
    /// 5xx after a submission.
    AnswerFailed = "provider.answer_failed", Uncertain,
        "The provider failed while it took this. Whether it made it is being found out.";
    /// 3xx after a submission.
    AnswerRedirected = "provider.answer_redirected", Uncertain,
        "The provider pointed elsewhere instead of answering. Check its address in the settings.";
    /// 401.
    KeyRefused = "provider.key_refused", Operator,
        "The provider does not accept the key. Put a valid key into the settings.";
    /// 402, `budget_exhausted`.
    BalanceEmpty = "provider.balance_empty", Operator,
        "The account at the provider has no balance or budget left. Top it up.";
    /// 403.
    Forbidden = "provider.forbidden", Operator,
        "The provider does not allow this to the account: suspended, or the feature is not enabled.";
    /// 404 for a submission.
    NotOffered = "provider.not_offered", Operator,
        "The provider does not know this address or model. Check the settings, or choose another model.";
    /// 400, 422, `invalid_request`.
    RequestRefused = "provider.request_refused", Invalid,
        "The provider does not take this combination of settings. Change them and try again.";
    /// Unknown generation as a source.
    SourceUnknown = "provider.source_unknown", Invalid,
        "The provider no longer has the earlier generation that this builds on. Choose another source.";
    /// 413, `image_too_large`.
    InputTooLarge = "provider.input_too_large", Invalid,
        "A reference is too large for this provider. Use a smaller one.";
    /// `unsupported_format`.
    InputUnsupported = "provider.input_unsupported", Invalid,
        "The provider does not take the format of a reference. Use PNG, JPEG, WebP or MP4.";
    /// `corrupt_input`, unreadable frames.
    InputUnreadable = "provider.input_unreadable", Invalid,
        "The provider could not read a reference. Use another file.";
    /// "Prompt is required".
    PromptMissing = "provider.prompt_missing", Invalid,
        "The provider needs a text for this. Write one.";
    /// "Prompt is too short".
    PromptTooShort = "provider.prompt_too_short", Invalid,
        "The text is too short for this provider. Write more.";
    /// "Prompt is too long".
    PromptTooLong = "provider.prompt_too_long", Invalid,
        "The text is too long for this provider. Shorten it.";
    /// Loop and frames exclude each other.
    FramesConflict = "provider.frames_conflict", Invalid,
        "The provider does not take this combination of loop, first and last frame. Leave one out.";
    /// "No keyframes provided".
    FramesMissing = "provider.frames_missing", Invalid,
        "The provider needs a first or last frame for this. Add one.";
    /// `content_moderated`.
    ContentRefused = "content.refused", Moderated,
        "The provider's content rules refuse this. Change the text or the references.";
    /// Words.
    PromptRefused = "content.prompt_refused", Moderated,
        "The provider's content rules refuse the text. Change it.";
    /// Frames.
    FrameRefused = "content.frame_refused", Moderated,
        "The provider's content rules refuse a reference. Use another one.";
    /// `generation_failed`.
    GenerationFailed = "provider.generation_failed", Provider,
        "The provider tried and failed. A new attempt may work.";
    /// `output_not_found`, or finished without an output.
    OutputMissing = "provider.output_missing", Provider,
        "The provider finished without a result. A new attempt may work.";
    /// "Prompt processing failed".
    PromptProcessing = "provider.prompt_processing", Provider,
        "The provider failed to process the text. A new attempt may work.";
    /// Dispatch errors.
    DispatchFailed = "provider.dispatch_failed", Provider,
        "The provider could not start this. A new attempt may work.";
    /// A code or text that is on no list: final until somebody has looked at it.
    FailedOtherwise = "provider.failed_otherwise", Provider,
        "The provider failed for a reason that the studio does not know. Ask the operator to look at it.";
    /// Bytes for a provider that takes addresses only.
    NeedsPublicUrl = "provider.needs_public_url", Policy,
        "This provider fetches references from a public address. Set server.public_url, or choose another model.";
    /// An earlier generation is needed, or refused, as a reference.
    InputFormRefused = "provider.input_form_refused", Invalid,
        "This reference cannot be used here: an earlier generation of this provider is needed, or a file.";
    /// A combination that the card cannot express.
    Combination = "provider.combination", Invalid,
        "This model does not combine these settings: leave out the loop or the last frame, or choose the shorter length.";
    /// A clip that is longer than was quoted.
    SourceLonger = "provider.source_longer", Invalid,
        "The clip is longer than the length that was chosen and priced. Choose its real length, or a shorter clip.";
    /// A call that another provider should have got.
    WrongProvider = "provider.wrong_provider", Internal,
        "The request was handed to another provider than it was permitted for. Report this.";
    /// An upload did not become usable.
    UploadFailed = "provider.upload_failed", Unavailable,
        "A reference could not be handed to the provider. Nothing was charged.";
    /// The guard refused a provider's link.
    LinkRefused = "provider.link_refused", Policy,
        "The provider's link to the result leads to a place that the outbound guard does not allow.";
    /// A link that no longer opens.
    LinkExpired = "provider.link_expired", Provider,
        "The provider's link to the result had expired. A fresh one is asked for.";
    /// A download that was cut or stalled.
    OutputCut = "provider.output_cut", Unavailable,
        "The result did not arrive whole. It is fetched again by itself.";
    /// A download of a type that nobody asked for.
    OutputType = "provider.output_type", Provider,
        "What the provider delivers is not a picture or clip.";
    /// A download past the limit.
    OutputTooLarge = "provider.output_too_large", Provider,
        "The result is larger than the studio takes.";
    /// The list could not be read whole.
    ListIncomplete = "provider.list_incomplete", Unavailable,
        "The provider's list could not be read completely. It is tried again by itself.";
}

impl Code {
    /// The fault of this code.
    #[must_use]
    pub fn fault(self) -> Fault {
        Fault::new(self.kind(), self.as_str(), self.detail())
    }
}

/// Every code that a fault of this crate may carry, so that a test can hold them against the catalogues.
#[must_use]
pub const fn fault_codes() -> &'static [&'static str] {
    WORDS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_words_with_a_sentence() {
        let mut seen = std::collections::BTreeSet::new();
        for code in Code::ALL {
            assert!(seen.insert(code.as_str()), "{} twice", code.as_str());
            assert!(
                code.as_str()
                    .bytes()
                    .all(|b| matches!(b, b'a'..=b'z' | b'.' | b'_'))
            );
            assert!(code.detail().ends_with('.'), "{}", code.as_str());
        }
        assert_eq!(seen.len(), fault_codes().len());
    }
}

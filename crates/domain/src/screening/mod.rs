//! Prompt validation: what a text may contain before it leaves the studio.
//!
//! [`screen`] is a pure function from the text a person typed to either the text that is sent
//! ([`Screened`]) or a refusal ([`Refused`]). Both carry [`Finding`]s: what was found, where in the
//! typed text (byte range) and what was done about it. The text is never changed without a finding
//! that says so, and a finding never repeats the text it is about.
//!
//! Four steps, in this order:
//! 1. size in bytes, then characters that are refused wherever they stand ([`characters`]);
//! 2. zero-width characters removed, Unicode normalised to NFC, CR LF turned into LF, each reported;
//! 3. at least one letter or number, otherwise there is nothing to draw;
//! 4. personal data with check digits ([`personal`]) and parameter markers of other engines
//!    ([`injection`]), treated as the [`Policy`] says; then the length in characters.
//!
//! Prompt scheduling (`BREAK`, `[a:b:0.5]`, `(word:1.2)`) is left alone on purpose: it changes how
//! words are weighed, not which parameters, files or models an engine uses.
//!
//! Injection markers are a filter, not a barrier: no secret and no tool may be reachable from prompt
//! text in the first place.

mod characters;
mod identifiers;
mod injection;
mod mapped;
mod personal;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use identifiers::{is_card_number, is_cnpj, is_cpf};

use mapped::Mapped;

/// Rounds of redaction after which a text that still yields new matches is refused.
const MAX_ROUNDS: usize = 8;

/// Findings of one kind that are listed one by one; the last of them stands for all that follow.
const MAX_LISTED: usize = 50;

/// Size limits of one prompt. The values come from the model that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Longest text that is sent, in Unicode scalar values, counted after normalisation and redaction.
    pub max_chars: usize,
    /// Longest text that is looked at, in UTF-8 bytes as typed, and longest text that is sent.
    pub max_bytes: usize,
}

impl Default for Limits {
    /// 4,000 characters (the largest prompt field of the engines we speak to) and four bytes for each.
    fn default() -> Self {
        Self {
            max_chars: 4_000,
            max_bytes: 16_000,
        }
    }
}

/// What an operator wants done about a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Send the text unchanged and say what was found.
    Report,
    /// Replace what was found by a marker such as `[CPF]` and say so.
    Redact,
    /// Do not send the text.
    Refuse,
}

/// The operator's choice for every kind of finding where there is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Parameter and template markers of other engines (`<lora:…>`, `{{…}}`, `--steps 50`).
    pub injection: Action,
    /// CPF with valid check digits.
    pub cpf: Action,
    /// CNPJ with valid check digits, numeric or alphanumeric.
    pub cnpj: Action,
    /// E-mail address.
    pub email: Action,
    /// Telephone number, Brazilian or international with `+`.
    pub phone: Action,
    /// Brazilian postal code written with its hyphen.
    pub cep: Action,
    /// Payment card number with a valid check digit.
    pub card: Action,
    /// Random PIX key (a version 4 UUID).
    pub pix_key: Action,
}

impl Default for Policy {
    /// Markers are refused, data about a person is redacted, data that is usually public is reported.
    fn default() -> Self {
        Self {
            injection: Action::Refuse,
            cpf: Action::Redact,
            cnpj: Action::Report,
            email: Action::Redact,
            phone: Action::Redact,
            cep: Action::Report,
            card: Action::Redact,
            pix_key: Action::Redact,
        }
    }
}

impl Policy {
    /// What this policy says about `kind`. Kinds that no operator may choose about have a fixed answer.
    #[must_use]
    pub fn action(&self, kind: Kind) -> Action {
        match kind {
            Kind::Injection => self.injection,
            Kind::Cpf => self.cpf,
            Kind::Cnpj => self.cnpj,
            Kind::Email => self.email,
            Kind::Phone => self.phone,
            Kind::Cep => self.cep,
            Kind::Card => self.card,
            Kind::PixKey => self.pix_key,
            Kind::Normalised | Kind::ZeroWidth => Action::Redact,
            Kind::Empty
            | Kind::PromptWithoutWords
            | Kind::TooLong
            | Kind::Control
            | Kind::Bidi
            | Kind::Tag
            | Kind::Noncharacter
            | Kind::VariationSelector => Action::Refuse,
        }
    }
}

impl Kind {
    /// Whether it is data about a person that could leave with the text (LGPD article 5, I).
    #[must_use]
    pub const fn is_personal(self) -> bool {
        matches!(
            self,
            Self::Cpf | Self::Email | Self::Phone | Self::Cep | Self::Card | Self::PixKey | Self::Cnpj
        )
    }
}

/// What was found. The serialised names and [`Kind::code`] are stable: catalogues and scripts rely on them.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Nothing but white space.
    Empty,
    /// No letter and no number, for example emoji only.
    PromptWithoutWords,
    /// More characters or bytes than the limits allow.
    TooLong,
    /// A control character other than tab and newline, or a Unicode line or paragraph separator.
    Control,
    /// A character that reorders what is displayed: bidirectional override, embedding, isolate or mark.
    Bidi,
    /// A tag character (U+E0000–E007F) or a neighbour of the same invisible plane.
    Tag,
    /// A code point that Unicode will never assign.
    Noncharacter,
    /// A variation selector of the supplement (U+E0100–E01EF), which can carry hidden bytes.
    VariationSelector,
    /// The text was not in Unicode normalisation form C, or had CR LF line ends.
    Normalised,
    /// Zero-width and filler characters.
    ZeroWidth,
    /// Parameter or template markers of other engines.
    Injection,
    /// Brazilian personal tax number.
    Cpf,
    /// Brazilian company tax number.
    Cnpj,
    /// E-mail address.
    Email,
    /// Telephone number.
    Phone,
    /// Brazilian postal code.
    Cep,
    /// Payment card number.
    Card,
    /// Random PIX key.
    PixKey,
}

impl Kind {
    /// Every kind, in the order of the declaration; for catalogues and their completeness tests.
    pub const ALL: [Self; 18] = [
        Self::Empty,
        Self::PromptWithoutWords,
        Self::TooLong,
        Self::Control,
        Self::Bidi,
        Self::Tag,
        Self::Noncharacter,
        Self::VariationSelector,
        Self::Normalised,
        Self::ZeroWidth,
        Self::Injection,
        Self::Cpf,
        Self::Cnpj,
        Self::Email,
        Self::Phone,
        Self::Cep,
        Self::Card,
        Self::PixKey,
    ];

    /// Stable code under which the catalogues keep the text for this finding.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Empty => "screening.empty",
            Self::PromptWithoutWords => "screening.prompt_without_words",
            Self::TooLong => "screening.too_long",
            Self::Control => "screening.control",
            Self::Bidi => "screening.bidi",
            Self::Tag => "screening.tag",
            Self::Noncharacter => "screening.noncharacter",
            Self::VariationSelector => "screening.variation_selector",
            Self::Normalised => "screening.normalised",
            Self::ZeroWidth => "screening.zero_width",
            Self::Injection => "screening.injection",
            Self::Cpf => "screening.cpf",
            Self::Cnpj => "screening.cnpj",
            Self::Email => "screening.email",
            Self::Phone => "screening.phone",
            Self::Cep => "screening.cep",
            Self::Card => "screening.card",
            Self::PixKey => "screening.pix_key",
        }
    }

    /// What stands in the sent text where something of this kind was redacted.
    fn marker(self) -> &'static str {
        match self {
            Self::Cpf => "[CPF]",
            Self::Cnpj => "[CNPJ]",
            Self::Email => "[EMAIL]",
            Self::Phone => "[PHONE]",
            Self::Cep => "[CEP]",
            Self::Card => "[CARD]",
            Self::PixKey => "[PIX]",
            Self::Injection
            | Self::Empty
            | Self::PromptWithoutWords
            | Self::TooLong
            | Self::Control
            | Self::Bidi
            | Self::Tag
            | Self::Noncharacter
            | Self::VariationSelector
            | Self::Normalised
            | Self::ZeroWidth => "[REMOVED]",
        }
    }
}

/// What was done about a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Taken {
    /// Nothing was changed.
    Reported,
    /// Replaced by a marker.
    Redacted,
    /// Taken out without a marker: it was invisible.
    Removed,
    /// Written in its normal form; it looks the same.
    Normalised,
    /// The text was not sent because of it.
    Refused,
}

/// One thing that was found in a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Finding {
    /// What it is.
    pub kind: Kind,
    /// What was done about it.
    pub action: Taken,
    /// First byte in the text as typed.
    pub start: usize,
    /// Byte after the last one in the text as typed.
    pub end: usize,
    /// One English line for logs and tools. Never contains the matched text.
    pub note: String,
}

impl Finding {
    /// Stable code of the kind, for catalogues.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.kind.code()
    }

    fn new(kind: Kind, action: Taken, start: usize, end: usize, note: impl Into<String>) -> Self {
        Self {
            kind,
            action,
            start,
            end,
            note: note.into(),
        }
    }
}

/// A text that may be sent, and everything that was found on the way.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Screened {
    /// Bytes of the text as typed.
    pub original_len: usize,
    /// The text to send: NFC, free of refused and zero-width characters, redacted by policy.
    pub text: String,
    /// What was found, by position, at most 50 of a kind one by one. Empty means that `text` is byte for byte what was typed.
    pub findings: Vec<Finding>,
}

impl fmt::Debug for Screened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Screened")
            .field("original_len", &self.original_len)
            .field("text", &"<prompt>")
            .field("findings", &self.findings)
            .finish()
    }
}

impl Screened {
    /// Whether the sent text differs from the typed one. The findings then say where and why.
    #[must_use]
    pub fn changed(&self) -> bool {
        self.findings
            .iter()
            .any(|finding| finding.action != Taken::Reported)
    }
}

/// A text that is not sent. Findings that caused it carry [`Taken::Refused`]; others are listed so that
/// a person can repair everything at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("prompt refused: {}", self.code())]
pub struct Refused {
    /// What was found, by position; at least one refuses.
    pub findings: Vec<Finding>,
}

impl Refused {
    /// Code of the first finding that refuses.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.findings
            .iter()
            .find(|finding| finding.action == Taken::Refused)
            .map_or("screening.refused", Finding::code)
    }
}

/// A match of a detector, in bytes of the text it looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Match {
    kind: Kind,
    start: usize,
    end: usize,
    note: &'static str,
}

/// Checks `text` against `limits` and `policy`.
///
/// # Errors
/// [`Refused`] with every finding when at least one of them does not let the text through.
pub fn screen(text: &str, limits: &Limits, policy: &Policy) -> Result<Screened, Refused> {
    if text.len() > limits.max_bytes {
        return Err(too_long(
            text.len(),
            format!("{} bytes, at most {}", text.len(), limits.max_bytes),
        ));
    }
    if text.trim().is_empty() {
        return Err(refusal(Kind::Empty, text.len(), "nothing but white space"));
    }

    let mut findings = characters::refused(text);
    let mut mapped = Mapped::normalise(text, &mut findings);
    if mapped.text().trim().is_empty() {
        findings.push(Finding::new(
            Kind::Empty,
            Taken::Refused,
            0,
            text.len(),
            "nothing but white space and invisible characters",
        ));
    } else if !characters::has_words(mapped.text()) {
        findings.push(Finding::new(
            Kind::PromptWithoutWords,
            Taken::Refused,
            0,
            text.len(),
            "no letter and no number",
        ));
    }

    for round in 0..=MAX_ROUNDS {
        let matches = detect(mapped.text());
        // Later rounds look only for what redaction itself laid open; reports were made in the first.
        let fresh = |found: &&Match| round == 0 || policy.action(found.kind) != Action::Report;
        let mut replace = Vec::new();
        for found in matches.iter().filter(fresh) {
            let (start, end) = mapped.original(found.start, found.end);
            let taken = match policy.action(found.kind) {
                Action::Report => Taken::Reported,
                Action::Redact if round == MAX_ROUNDS => Taken::Refused,
                Action::Redact => {
                    replace.push((found.start, found.end, found.kind.marker()));
                    Taken::Redacted
                }
                Action::Refuse => Taken::Refused,
            };
            findings.push(Finding::new(found.kind, taken, start, end, found.note));
        }
        if replace.is_empty() {
            break;
        }
        mapped.replace(&replace);
    }

    let chars = mapped.text().chars().count();
    if chars > limits.max_chars {
        findings.extend(
            too_long(
                text.len(),
                format!("{chars} characters, at most {}", limits.max_chars),
            )
            .findings,
        );
    } else if mapped.text().len() > limits.max_bytes {
        findings.extend(
            too_long(
                text.len(),
                format!(
                    "{} bytes after redaction, at most {}",
                    mapped.text().len(),
                    limits.max_bytes
                ),
            )
            .findings,
        );
    }

    findings.sort_by_key(|finding| (finding.start, finding.end, finding.kind));
    let findings = condense(findings);
    if findings.iter().any(|finding| finding.action == Taken::Refused) {
        return Err(Refused { findings });
    }
    Ok(Screened {
        original_len: text.len(),
        text: mapped.into_text(),
        findings,
    })
}

/// Bounds the list, so that a text of nothing but markers does not get an answer many times its size:
/// the last listed finding of a kind is widened over the ones that follow, and its note says how many.
fn condense(findings: Vec<Finding>) -> Vec<Finding> {
    let mut listed: Vec<Finding> = Vec::new();
    // By kind and what was done: where the last listed one stands, how many there are in all.
    let mut seen: Vec<(Kind, Taken, usize, usize)> = Vec::new();
    for finding in findings {
        let known = seen
            .iter_mut()
            .find(|(kind, taken, ..)| (*kind, *taken) == (finding.kind, finding.action));
        match known {
            Some((.., last, count)) if *count >= MAX_LISTED => {
                *count += 1;
                listed[*last].end = listed[*last].end.max(finding.end);
            }
            Some((.., last, count)) => {
                (*last, *count) = (listed.len(), *count + 1);
                listed.push(finding);
            }
            None => {
                seen.push((finding.kind, finding.action, listed.len(), 1));
                listed.push(finding);
            }
        }
    }
    for (.., last, count) in seen {
        if count > MAX_LISTED {
            let more = count - MAX_LISTED;
            listed[last].note += &format!(", and {more} more in this range");
        }
    }
    listed
}

fn refusal(kind: Kind, len: usize, note: impl Into<String>) -> Refused {
    Refused {
        findings: vec![Finding::new(kind, Taken::Refused, 0, len, note)],
    }
}

fn too_long(len: usize, note: String) -> Refused {
    refusal(Kind::TooLong, len, note)
}

fn detect(text: &str) -> Vec<Match> {
    let folded = characters::fold(text);
    let mut matches = injection::find(&folded);
    matches.extend(personal::find(&folded));
    matches.sort_by_key(|found| (found.start, std::cmp::Reverse(found.end)));
    matches
}

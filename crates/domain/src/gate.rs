//! The gate: whether this request may leave for that provider. A provider call takes a [`Permitted`],
//! which only [`decide`] makes, so code that skips the gate does not compile. It fails closed.

use crate::capability::{DataHandling, ProviderName, Verdict};
use crate::time::Time;

crate::generation::words! {
    /// Why a generation is made (LGPD article 6, I: a specific, explicit and informed purpose).
    Purpose {
        /// Creating material for the company's own use.
        Creation = "creation",
        /// Advertising and communication.
        Marketing = "marketing",
        /// Products, prototypes, design.
        Product = "product",
        /// Training and teaching.
        Education = "education",
        /// Trying out the studio.
        Evaluation = "evaluation",
    }
}

/// What the gate is asked.
#[derive(Clone, Debug)]
pub struct Ask<'a> {
    /// The purpose, if one was given.
    pub purpose: Option<Purpose>,
    /// Where it would go.
    pub provider: &'a ProviderName,
    /// What happens to it there.
    pub handling: &'a DataHandling,
    /// Whether personal data was found and stays in the text.
    pub personal_data: bool,
    /// Whether references (which may show people) would go along.
    pub references: bool,
}

/// Proof that the gate let a request pass to one provider at one time. It cannot be made elsewhere,
/// nor copied: one for each call.
#[derive(Debug, PartialEq, Eq)]
pub struct Permitted {
    provider: ProviderName,
    purpose: Purpose,
    at: Time,
}

impl Permitted {
    /// The provider it is good for.
    #[must_use]
    pub const fn provider(&self) -> &ProviderName {
        &self.provider
    }

    /// The purpose it was given for.
    #[must_use]
    pub const fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// When it was given.
    #[must_use]
    pub const fn at(&self) -> Time {
        self.at
    }
}

/// Why the gate stays shut. Codes are catalogue keys (`error.<code>`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// No purpose was given and the provider is not our own machine.
    #[error("say what it is for (`purpose`) before it is sent to an outside provider")]
    PurposeMissing,
    /// The operator's verdict on the provider.
    #[error("this provider is not allowed by your organisation; choose another model")]
    ProviderRefused,
    /// Personal data would leave the house.
    #[error("the text holds personal data; remove it, or choose a model that runs on your own machines")]
    PersonalData,
}

impl Refusal {
    /// Stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::PurposeMissing => "gate.purpose_missing",
            Self::ProviderRefused => "gate.provider_refused",
            Self::PersonalData => "gate.personal_data",
        }
    }
}

/// Decides. On our own machine nothing leaves, so a purpose that was not given counts as creation.
///
/// # Errors
/// The first reason to refuse.
pub fn decide(ask: &Ask<'_>, now: Time) -> Result<Permitted, Refusal> {
    let permitted = |purpose| Permitted {
        provider: ask.provider.clone(),
        purpose,
        at: now,
    };
    match ask.handling.verdict {
        Verdict::Refused => Err(Refusal::ProviderRefused),
        Verdict::Local => Ok(permitted(ask.purpose.unwrap_or(Purpose::Creation))),
        Verdict::Allowed => {
            let purpose = ask.purpose.ok_or(Refusal::PurposeMissing)?;
            if ask.personal_data {
                return Err(Refusal::PersonalData);
            }
            Ok(permitted(purpose))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handling(verdict: Verdict) -> DataHandling {
        DataHandling {
            country: "US".into(),
            retention: "unknown".into(),
            training: "unknown".into(),
            verdict,
        }
    }

    #[test]
    fn fails_closed() {
        let provider = ProviderName("luma".into());
        for (verdict, purpose, personal_data, want) in [
            (Verdict::Allowed, None, false, Err(Refusal::PurposeMissing)),
            (
                Verdict::Allowed,
                Some(Purpose::Product),
                true,
                Err(Refusal::PersonalData),
            ),
            (
                Verdict::Refused,
                Some(Purpose::Product),
                false,
                Err(Refusal::ProviderRefused),
            ),
            (
                Verdict::Allowed,
                Some(Purpose::Product),
                false,
                Ok(Purpose::Product),
            ),
            (Verdict::Local, None, true, Ok(Purpose::Creation)),
        ] {
            let handling = handling(verdict);
            let ask = Ask {
                purpose,
                provider: &provider,
                handling: &handling,
                personal_data,
                references: false,
            };
            assert_eq!(decide(&ask, Time::from_micros(1)).map(|p| p.purpose()), want);
        }
    }
}

//! Identifiers: a prefix that names the noun and a time-ordered 128-bit value (UUID version 7,
//! RFC 9562 section 5.7) in 32 lower-case hexadecimal digits: `gen_0193a4c1…`.
//!
//! The same text stands in the database, the API, logs and file names. Parsing checks the prefix, so
//! an asset id in a generation field is refused at the door. Ids are made from a time and random bytes
//! that the caller brings.

use crate::time::Time;

/// Random bytes that one identifier takes.
pub const RANDOM_BYTES: usize = 10;

/// Why a text is not an identifier of the wanted noun.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text does not begin with the noun's prefix.
    #[error("expected an id that begins with `{expected}_`")]
    Prefix {
        /// The prefix wanted.
        expected: &'static str,
    },
    /// What follows the prefix is not 32 lower-case hexadecimal digits.
    #[error("an id has 32 hexadecimal digits after `{expected}_`")]
    Digits {
        /// The prefix wanted.
        expected: &'static str,
    },
}

fn uuid_v7(now: Time, random: [u8; RANDOM_BYTES]) -> u128 {
    let millis = u128::from(now.micros().max(0).unsigned_abs() / 1000) & 0xffff_ffff_ffff;
    let mut tail = [0_u8; 16];
    tail[6..].copy_from_slice(&random);
    let mut value = (millis << 80) | u128::from_be_bytes(tail);
    value = (value & !(0xf_u128 << 76)) | (0x7_u128 << 76);
    (value & !(0x3_u128 << 62)) | (0x2_u128 << 62)
}

fn parse(text: &str, prefix: &'static str) -> Result<u128, IdError> {
    let digits = text
        .strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('_'))
        .ok_or(IdError::Prefix { expected: prefix })?;
    let well_formed = digits.len() == 32 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !well_formed {
        return Err(IdError::Digits { expected: prefix });
    }
    u128::from_str_radix(digits, 16).map_err(|_| IdError::Digits { expected: prefix })
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// The prefix of this noun's ids.
            pub const PREFIX: &'static str = $prefix;

            /// Makes an id from the time and random bytes the caller brings.
            #[must_use]
            pub fn new(now: Time, random: [u8; RANDOM_BYTES]) -> Self {
                Self(uuid_v7(now, random))
            }

            /// The 128-bit value.
            #[must_use]
            pub const fn value(self) -> u128 {
                self.0
            }

            /// An id with exactly this value; for fixed ids and tests.
            #[must_use]
            pub const fn from_value(value: u128) -> Self {
                Self(value)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}_{:032x}", $prefix, self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                parse(text, $prefix).map(Self)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

ids! {
    /// What a user asked for.
    GenerationId = "gen";
    /// One output of a generation on its way.
    JobId = "job";
    /// One submission of a job to one provider.
    AttemptId = "att";
    /// Stored media, input or output.
    AssetId = "ast";
    /// An account.
    UserId = "usr";
    /// A team with its own budget, policy and members.
    WorkspaceId = "wsp";
    /// An upload on its way to become an asset.
    UploadId = "upl";
    /// Something that happened, for listeners.
    EventId = "evt";
    /// One entry of the audit log.
    AuditId = "aud";
    /// One line of the ledger.
    LedgerId = "led";
    /// A price and ceiling told before the call.
    QuoteId = "quo";
    /// One login.
    SessionId = "ses";
    /// An API key.
    KeyId = "key";
    /// A passkey.
    PasskeyId = "pky";
    /// An invitation.
    InvitationId = "inv";
    /// A letter on its way.
    MailId = "mal";
    /// One run of the process; leases of another run are void on a single node.
    BootId = "boo";
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn text_and_back(micros in 0_i64..4_000_000_000_000_000, random: [u8; RANDOM_BYTES]) {
            let id = GenerationId::new(Time::from_micros(micros), random);
            prop_assert_eq!(id.to_string().parse::<GenerationId>(), Ok(id));
            prop_assert_eq!(&id.to_string()[16..17], "7");
            prop_assert!(matches!(&id.to_string()[20..21], "8" | "9" | "a" | "b"));
            prop_assert!(id.to_string().parse::<AssetId>().is_err());
        }

        #[test]
        fn later_ids_sort_later(a in 0_i64..4_000_000_000_000, gap in 1_i64..1_000_000, r1: [u8; RANDOM_BYTES], r2: [u8; RANDOM_BYTES]) {
            let early = GenerationId::new(Time::from_micros(a * 1000), r1);
            let late = GenerationId::new(Time::from_micros((a + gap) * 1000), r2);
            prop_assert!(early < late);
            prop_assert!(early.to_string() < late.to_string());
        }

        #[test]
        fn any_text_is_refused_or_round_trips(text in "\\PC{0,48}") {
            if let Ok(id) = text.parse::<GenerationId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}

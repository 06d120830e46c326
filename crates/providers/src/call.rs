//! What goes out: one call, which only the gate's permission makes possible.

use bytes::Bytes;
use domain::gate::Permitted;
use domain::generation::{ReferenceRole, Spec};
use domain::secret::Prompt;
use std::time::{Duration, Instant};
use url::Url;

/// One reference that goes along.
#[derive(Clone, Debug)]
pub struct Input {
    /// What it is for.
    pub role: ReferenceRole,
    /// What it is.
    pub body: InputBody,
}

/// How a reference travels.
#[derive(Clone)]
pub enum InputBody {
    /// The bytes themselves.
    Bytes {
        /// IANA media type.
        media_type: String,
        /// The file.
        bytes: Bytes,
    },
    /// The provider's id of an earlier generation at the same provider.
    Remote(String),
    /// An address from which the provider fetches it: short-lived, signed, on our own edge.
    PublicUrl(Url),
}

impl std::fmt::Debug for InputBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bytes { media_type, bytes } => write!(f, "[{media_type}, {} bytes]", bytes.len()),
            Self::Remote(_) => f.write_str("[earlier generation]"),
            Self::PublicUrl(_) => f.write_str("[link]"),
        }
    }
}

/// The moment after which the first byte of a submission must not leave. It runs on the monotonic clock,
/// so that a changed wall clock neither shortens nor lengthens it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendBy(Instant);

impl SendBy {
    /// At this instant.
    #[must_use]
    pub const fn at(instant: Instant) -> Self {
        Self(instant)
    }

    /// This long from now. Take it before the intent is written: then it is never later than the
    /// deadline that the database knows.
    #[must_use]
    pub fn within(wait: Duration) -> Self {
        let now = Instant::now();
        Self(now.checked_add(wait).unwrap_or(now))
    }

    /// Whether it is over.
    #[must_use]
    pub fn has_passed(&self) -> bool {
        Instant::now() >= self.0
    }
}

/// A permission was given for another provider than the request names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the permission is for another provider")]
pub struct ForeignPermit;

/// One submission of one output. It holds the gate's permission, so it cannot be made without one.
pub struct Call {
    permitted: Permitted,
    spec: Spec,
    /// The words, screened.
    pub prompt: Prompt,
    /// Which output: 0 is the first.
    pub ordinal: u16,
    /// References in the order given.
    pub inputs: Vec<Input>,
    /// Keyed pseudonym of the user, for the provider's abuse reports. Never a name or an address.
    pub user_ref: String,
    /// Where the provider may wake us up. The adapter puts the attempt's token at the end of the path.
    pub callback: Option<Url>,
    /// The first byte leaves before this or never.
    pub deadline: SendBy,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call")
            .field("spec", &self.spec)
            .field("prompt", &self.prompt)
            .field("ordinal", &self.ordinal)
            .field("inputs", &self.inputs)
            .field("callback", &self.callback.as_ref().map(|_| "[link]"))
            .finish_non_exhaustive()
    }
}

impl Call {
    /// A call of this specification; references and callback are added to it.
    ///
    /// # Errors
    /// [`ForeignPermit`] if the gate let it pass to another provider than the specification names.
    pub fn new(
        permitted: Permitted,
        spec: Spec,
        prompt: Prompt,
        user_ref: String,
        deadline: SendBy,
    ) -> Result<Self, ForeignPermit> {
        if *permitted.provider() != spec.provider {
            return Err(ForeignPermit);
        }
        Ok(Self {
            permitted,
            spec,
            prompt,
            ordinal: 0,
            inputs: Vec::new(),
            user_ref,
            callback: None,
            deadline,
        })
    }

    /// What is asked for.
    #[must_use]
    pub const fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The gate's permission.
    #[must_use]
    pub const fn permitted(&self) -> &Permitted {
        &self.permitted
    }

    /// The references of one role, in order.
    pub fn inputs_of(&self, role: ReferenceRole) -> impl Iterator<Item = &InputBody> {
        self.inputs
            .iter()
            .filter(move |input| input.role == role)
            .map(|input| &input.body)
    }
}

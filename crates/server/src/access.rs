//! What each route asks of its caller: a word that no line of the table can leave out.

use domain::rights::{Action, Object};

/// What a route asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    Public,
    /// Nothing, but it leads in: login, registration, reset. Strict rates apply.
    Entrance,
    /// A right of the table in [`domain::rights`].
    Right(Action, Object),
    /// The right, and a factor that was shown a short while ago (`auth.step_up_minutes`).
    Fresh(Action, Object),
}

impl Access {
    /// The right that is asked for, if one is.
    #[must_use]
    pub const fn right(self) -> Option<(Action, Object)> {
        match self {
            Self::Public | Self::Entrance => None,
            Self::Right(action, object) | Self::Fresh(action, object) => Some((action, object)),
        }
    }

    /// Whether the factor must be fresh.
    #[must_use]
    pub const fn is_fresh(self) -> bool {
        matches!(self, Self::Fresh(..))
    }
}

//! The stations of the line, one module each, and what can be asked of a generation afterwards.

mod admit;
pub(crate) mod cancel;
pub(crate) mod collect;
mod decision;
pub(crate) mod dispatch;
mod list;
pub(crate) mod look;
mod price;
pub(crate) mod record;
mod remove;
mod view;

pub use admit::{Accepted, MAX_IDEMPOTENCY_KEY, NewGeneration, SubmitError};
pub use cancel::CancelError;
pub use collect::MAX_RESULT_BYTES;
pub use decision::Decision;
pub use list::{MAX_PAGE, Page};
pub use price::{QUOTE_TTL, Quoted};
pub use remove::RemoveError;
pub use view::{EngineView, MoneyView, Note, OutputView, View};

use crate::studio::Studio;
use domain::actor::Actor;

/// The stamp of an actor's request, for rooms beside the line.
pub(crate) fn stamp_for(studio: &Studio, actor: &Actor, request_id: Option<&str>) -> record::Stamp {
    record::Stamp::of(studio, actor, request_id)
}

//! What every request passes on its way in and out.

pub(crate) mod access;
pub(crate) mod arrival;
pub(crate) mod guard;
pub(crate) mod headers;
pub(crate) mod identity;
pub(crate) mod request_id;

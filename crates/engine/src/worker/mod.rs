//! The model in a process of its own: the child's side ([`run`]) and the parent's side ([`EngineWorker`]).
//!
//! The child is the same binary, started with no environment but the number of its threads. Its first
//! act is to lower its own limits (priority and
//! address space) as its parent says, and to answer what holds now. Then it draws one picture at a time. Out of
//! memory, a crash or a kill takes the child alone; the parent answers the job with an error and starts another child
//! for the next one.

mod child;
mod client;
mod protocol;
mod running;

pub use child::run;
pub use client::{Canceller, EngineWorker, Job, Limits, WorkerState};
pub use protocol::Hello;

//! Time and chance: the only place that asks the machine for either. Tests bring their own.

use domain::time::Time;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// What time it is.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's clock.
    System,
    /// A clock that only moves when told; for tests.
    Fixed(Arc<AtomicI64>),
}

impl Clock {
    /// Now.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the studio reads the clock"
    )]
    pub fn now(&self) -> Time {
        match self {
            Self::System => Time::from_micros(jiff::Timestamp::now().as_microsecond()),
            Self::Fixed(micros) => Time::from_micros(micros.load(Ordering::SeqCst)),
        }
    }
}

/// Random bytes from the operating system.
#[must_use]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // The operating system's generator does not fail after start on the systems the studio runs on; a
    // failure here must never give guessable tokens, so the process ends.
    if getrandom::fill(&mut bytes).is_err() {
        std::process::abort();
    }
    bytes
}

/// A random number for jitter and seeds.
#[must_use]
pub fn chance() -> u64 {
    u64::from_le_bytes(random())
}

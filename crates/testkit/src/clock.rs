//! A time that stands still until it is moved.

use domain::time::Time;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// A clock for tests; share it behind an `Arc`.
#[derive(Debug)]
pub struct FixedClock(AtomicI64);

impl FixedClock {
    /// A clock that shows this instant.
    #[must_use]
    pub const fn at(time: Time) -> Self {
        Self(AtomicI64::new(time.micros()))
    }

    /// What it shows.
    #[must_use]
    pub fn now(&self) -> Time {
        Time::from_micros(self.0.load(Ordering::SeqCst))
    }

    /// Moves it on.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(
            i64::try_from(by.as_micros()).unwrap_or(i64::MAX),
            Ordering::SeqCst,
        );
    }

    /// Sets it, back as well.
    pub fn set(&self, time: Time) {
        self.0.store(time.micros(), Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stands_still_until_moved() {
        let clock = FixedClock::at(Time::from_micros(5));
        assert_eq!(clock.now(), clock.now());
        clock.advance(Duration::from_micros(7));
        assert_eq!(clock.now().micros(), 12);
        clock.set(Time::from_micros(1));
        assert_eq!(clock.now().micros(), 1);
    }
}

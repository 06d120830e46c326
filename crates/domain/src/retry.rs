//! When to come again: exponential backoff with full jitter; a provider's `Retry-After` wins when it
//! is longer.

use std::time::Duration;

/// How waiting grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The longest first wait.
    pub base: Duration,
    /// No wait is longer, however often it failed.
    pub cap: Duration,
}

/// A `Retry-After` beyond this is cut: a provider must not park a job for ever.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

impl Backoff {
    /// The wait before the next try after `failures` failures (1 is the first). `chance` is random.
    /// Half of the wait is fixed and half is jitter, so that a herd spreads and nobody spins.
    #[must_use]
    pub fn wait(&self, failures: u32, chance: u64, retry_after: Option<Duration>) -> Duration {
        let exponent = failures.saturating_sub(1).min(20);
        let full = self.base.saturating_mul(1_u32 << exponent).min(self.cap);
        let half = full / 2;
        let jitter_micros = u64::try_from(half.as_micros())
            .unwrap_or(u64::MAX)
            .saturating_add(1);
        let wait = half.saturating_add(Duration::from_micros(chance % jitter_micros));
        match retry_after {
            Some(asked) => wait.max(asked.min(RETRY_AFTER_MAX)),
            None => wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn stays_between_half_and_cap(failures in 1_u32..200, chance: u64) {
            let backoff = Backoff { base: Duration::from_secs(2), cap: Duration::from_secs(300) };
            let wait = backoff.wait(failures, chance, None);
            prop_assert!(wait >= Duration::from_secs(1));
            prop_assert!(wait <= Duration::from_secs(300));
        }

        #[test]
        fn a_longer_retry_after_wins_and_is_bounded(chance: u64, asked in 0_u64..100_000) {
            let backoff = Backoff { base: Duration::from_secs(2), cap: Duration::from_secs(300) };
            let wait = backoff.wait(1, chance, Some(Duration::from_secs(asked)));
            prop_assert!(wait >= Duration::from_secs(asked.min(3600)));
            prop_assert!(wait <= RETRY_AFTER_MAX.max(Duration::from_secs(2)));
        }
    }
}

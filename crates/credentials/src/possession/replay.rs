//! What was shown once and must not be shown again, kept in this process.

use super::REPLAY_MEMORY;
use domain::time::Time;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// The most proofs remembered for [`REPLAY_MEMORY`]: beyond that none is taken, for one that is not
/// remembered could come again. 500 000 in five minutes are 1600 a second.
pub const MAX_REMEMBERED: usize = 500_000;

/// The proofs of the last minutes. Two sets that take turns: nothing is looked through to forget.
#[derive(Debug)]
pub struct ReplayCache {
    most: usize,
    sets: Mutex<Sets>,
}

#[derive(Debug)]
struct Sets {
    since: Time,
    newer: HashSet<[u8; 32]>,
    older: HashSet<[u8; 32]>,
}

impl Default for ReplayCache {
    fn default() -> Self {
        Self::of(MAX_REMEMBERED)
    }
}

impl ReplayCache {
    /// A memory of this many.
    #[must_use]
    pub fn of(most: usize) -> Self {
        Self {
            most,
            sets: Mutex::new(Sets {
                since: Time::from_micros(i64::MIN),
                newer: HashSet::new(),
                older: HashSet::new(),
            }),
        }
    }

    /// Whether this comes for the first time in [`REPLAY_MEMORY`]; `false` too when the memory is full.
    pub fn first_use(&self, once: &[u8; 32], now: Time) -> bool {
        let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
        let age = now.since(sets.since);
        if age >= REPLAY_MEMORY {
            let newer = std::mem::take(&mut sets.newer);
            sets.older = if age >= 2 * REPLAY_MEMORY {
                HashSet::new()
            } else {
                newer
            };
            sets.since = now;
        }
        if sets.newer.contains(once)
            || sets.older.contains(once)
            || sets.newer.len() + sets.older.len() >= self.most
        {
            return false;
        }
        sets.newer.insert(*once)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(seconds: u64) -> Time {
        Time::from_micros(1_795_000_000_000_000).after(Duration::from_secs(seconds))
    }

    #[test]
    fn what_came_once_is_refused_while_it_could_be_good() {
        let cache = ReplayCache::default();
        assert!(cache.first_use(&[1; 32], at(0)));
        for later in [0, 1, 120, 299, 300, 599] {
            assert!(!cache.first_use(&[1; 32], at(later)), "{later}");
        }
        assert!(cache.first_use(&[2; 32], at(599)));
        assert!(!cache.first_use(&[2; 32], at(898)));
        assert!(cache.first_use(&[1; 32], at(900)), "long forgotten");
        assert!(!cache.first_use(&[2; 32], at(901)));
        assert!(cache.first_use(&[2; 32], at(5000)));
    }

    #[test]
    fn a_full_memory_takes_nothing_more_and_empties() {
        let cache = ReplayCache::of(3);
        for n in 0..3 {
            assert!(cache.first_use(&[n; 32], at(0)));
        }
        assert!(!cache.first_use(&[9; 32], at(1)));
        assert!(!cache.first_use(&[9; 32], at(301)), "the older set still counts");
        assert!(cache.first_use(&[9; 32], at(700)));
    }

    #[test]
    fn of_many_at_once_one_is_first() {
        let cache = ReplayCache::default();
        let firsts = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| (0..200_u8).filter(|n| cache.first_use(&[*n; 32], at(0))).count()))
                .collect();
            workers
                .into_iter()
                .map(|worker| worker.join().unwrap())
                .sum::<usize>()
        });
        assert_eq!(firsts, 200);
    }
}

//! What a limiter remembers of each key, in bounded memory.

use governor::nanos::Nanos;
use governor::state::StateStore;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

/// The most keys that one limiter remembers: about 4 MiB.
pub(crate) const MAX_KEYS: usize = 65_536;

/// States by key. When there are too many, the half that used least is forgotten: a forgotten key starts
/// anew, so whoever is near a limit is remembered longest.
#[derive(Debug)]
pub(crate) struct States<K> {
    by_key: Mutex<HashMap<K, Nanos>>,
    most: usize,
}

impl<K: Eq + Hash> States<K> {
    /// States of at most this many keys.
    pub(crate) fn of_at_most(most: usize) -> Self {
        Self {
            by_key: Mutex::new(HashMap::new()),
            most,
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.by_key.lock().unwrap().len()
    }
}

fn forget_half<K: Eq + Hash>(states: &mut HashMap<K, Nanos>) {
    let mut ends: Vec<Nanos> = states.values().copied().collect();
    let middle = ends.len() / 2;
    let (_, middle, _) = ends.select_nth_unstable(middle);
    let middle = *middle;
    states.retain(|_, end| *end > middle);
}

impl<K: Eq + Hash + Clone> StateStore for States<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut states = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        let before = states.get(key).copied();
        let (outcome, after) = decide(before)?;
        if before.is_none() && states.len() >= self.most {
            forget_half(&mut states);
        }
        states.insert(key.clone(), after);
        Ok(outcome)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(states: &States<u64>, key: u64, end: u64) -> Option<u64> {
        let decided: Result<_, ()> = states.measure_and_replace(&key, |before| Ok((before, Nanos::new(end))));
        decided.unwrap().map(Nanos::as_u64)
    }

    #[test]
    fn no_flood_of_keys_makes_it_grow_and_whoever_used_most_is_remembered() {
        let states = States::of_at_most(100);
        put(&states, 7, 1_000_000);
        for key in 1_000..11_000 {
            put(&states, key, key);
            assert!(states.len() <= 100);
        }
        assert_eq!(put(&states, 7, 1_000_001), Some(1_000_000));
    }

    #[test]
    fn equal_states_are_forgotten_together() {
        let states = States::of_at_most(4);
        for key in 0..50 {
            put(&states, key, 5);
            assert!(states.len() <= 4);
        }
    }

    #[test]
    fn a_refusal_leaves_no_trace() {
        let states: States<u64> = States::of_at_most(4);
        let decided: Result<(), &str> = states.measure_and_replace(&1, |_| Err("no"));
        assert_eq!((decided, states.len()), (Err("no"), 0));
    }
}

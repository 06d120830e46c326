//! What the database did, counted: tests and metrics read it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A write that takes longer than this is logged with its name.
pub const SLOW_WRITE: Duration = Duration::from_millis(100);
/// Upper bounds of the batch-size counters.
pub const BATCH_BOUNDS: [u64; 10] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

/// Counts since the database was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Statements of reads and writes, without those that begin and end transactions.
    pub statements: u64,
    /// Reads.
    pub reads: u64,
    /// Writes asked for (a repeated one counts once).
    pub writes: u64,
    /// Commits that reached the disk.
    pub commits: u64,
    /// Transactions repeated because Postgres asked for it.
    pub repeats: u64,
    /// Writes refused because too many were waiting.
    pub refused_busy: u64,
    /// Writes over [`SLOW_WRITE`].
    pub slow_writes: u64,
    /// Checkpoints of the write-ahead log.
    pub checkpoints: u64,
    /// The most writes that shared one commit.
    pub largest_batch: u64,
    /// Commits by how many writes shared them: at most 1, 2, 4, … 512 ([`BATCH_BOUNDS`]).
    pub batches: [u64; BATCH_BOUNDS.len()],
}

#[derive(Debug, Default)]
pub(crate) struct Tally {
    statements: AtomicU64,
    pub(crate) reads: AtomicU64,
    pub(crate) writes: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) repeats: AtomicU64,
    pub(crate) refused_busy: AtomicU64,
    pub(crate) slow_writes: AtomicU64,
    pub(crate) checkpoints: AtomicU64,
    largest_batch: AtomicU64,
    batches: [AtomicU64; BATCH_BOUNDS.len()],
    #[cfg(test)]
    said: std::sync::Mutex<std::collections::BTreeSet<String>>,
}

pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Tally {
    /// Counts a statement.
    #[cfg_attr(
        not(test),
        expect(unused_variables, reason = "tests look at the plan of each statement")
    )]
    pub(crate) fn statement(&self, sql: &str) {
        count(&self.statements);
        #[cfg(test)]
        self.said.lock().unwrap().insert(sql.to_owned());
    }

    #[cfg(test)]
    pub(crate) fn said(&self) -> std::collections::BTreeSet<String> {
        self.said.lock().unwrap().clone()
    }

    pub(crate) fn committed(&self, size: usize) {
        let size = size as u64;
        count(&self.commits);
        self.largest_batch.fetch_max(size, Ordering::Relaxed);
        let bucket = BATCH_BOUNDS.iter().position(|bound| size <= *bound);
        if let Some(counter) = bucket.and_then(|place| self.batches.get(place)) {
            count(counter);
        }
    }

    /// Logs a write that took long, by its name only.
    pub(crate) fn took(&self, name: &'static str, time: Duration) {
        if time > SLOW_WRITE {
            count(&self.slow_writes);
            tracing::warn!(write = name, dur_ms = time.as_millis(), "slow write");
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats {
            statements: read(&self.statements),
            reads: read(&self.reads),
            writes: read(&self.writes),
            commits: read(&self.commits),
            repeats: read(&self.repeats),
            refused_busy: read(&self.refused_busy),
            slow_writes: read(&self.slow_writes),
            checkpoints: read(&self.checkpoints),
            largest_batch: read(&self.largest_batch),
            batches: std::array::from_fn(|place| self.batches.get(place).map_or(0, read)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_writes_and_batches_are_counted() {
        let tally = Tally::default();
        tally.took("test.quick", SLOW_WRITE);
        tally.took("test.slow", SLOW_WRITE + Duration::from_millis(1));
        for size in [1, 2, 3, 4, 512] {
            tally.committed(size);
        }
        let stats = tally.stats();
        assert_eq!(stats.slow_writes, 1);
        assert_eq!((stats.commits, stats.largest_batch), (5, 512));
        assert_eq!(stats.batches, [1, 1, 2, 0, 0, 0, 0, 0, 0, 1]);
    }
}

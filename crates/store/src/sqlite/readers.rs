//! Read-only connections, each used by one read at a time on a thread that may block.

use super::{open_reader, plain};
use crate::error::{Error, Result};
use crate::tally::Tally;
use crate::tx::{Backend, Read};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// A read that takes longer is stopped, so that no reader holds the write-ahead log for long.
const READ_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a read waits for a free connection.
const WAIT: Duration = Duration::from_secs(5);
/// Steps of SQLite's machine between two looks at the clock.
const STEPS_BETWEEN_LOOKS: i32 = 1000;

struct Reader {
    read: Read,
    /// Milliseconds after `Readers::base`.
    deadline: Arc<AtomicU64>,
}

/// The pool of read-only connections.
pub(crate) struct Readers {
    idle: Arc<Mutex<Vec<Reader>>>,
    free: Arc<Semaphore>,
    base: Instant,
}

impl Readers {
    pub(crate) fn open(path: &Path, connections: u32, tally: &Arc<Tally>) -> Result<Self> {
        let base = Instant::now();
        let mut idle = Vec::new();
        for _ in 0..connections.max(1) {
            let mut connection = open_reader(path)?;
            let deadline = Arc::new(AtomicU64::new(u64::MAX));
            let limit = Arc::clone(&deadline);
            connection
                .progress_handler(
                    STEPS_BETWEEN_LOOKS,
                    Some(move || since(base) > limit.load(Ordering::Relaxed)),
                )
                .map_err(|error| plain(&error))?;
            idle.push(Reader {
                read: Read::new(Backend::Sqlite(connection), Arc::clone(tally)),
                deadline,
            });
        }
        let free = Arc::new(Semaphore::new(idle.len()));
        Ok(Self {
            idle: Arc::new(Mutex::new(idle)),
            free,
            base,
        })
    }

    /// Runs a read on a thread that may block, within one snapshot.
    pub(crate) async fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Read) -> R + Send + 'static,
    ) -> Result<R> {
        let waited = tokio::time::timeout(WAIT, Arc::clone(&self.free).acquire_owned()).await;
        let permit = waited.map_err(|_| Error::Busy)?.map_err(|_| Error::Closed)?;
        let idle = Arc::clone(&self.idle);
        let base = self.base;
        let done = tokio::task::spawn_blocking(move || {
            let mut reader = pop(&idle).ok_or(Error::Closed)?;
            let limit =
                since(base).saturating_add(u64::try_from(READ_TIMEOUT.as_millis()).unwrap_or(u64::MAX));
            reader.deadline.store(limit, Ordering::Relaxed);
            reader.read.failed = None;
            let result = catch_unwind(AssertUnwindSafe(|| {
                snapshot(&mut reader.read, "begin")?;
                Ok(work(&mut reader.read))
            }));
            reader.deadline.store(u64::MAX, Ordering::Relaxed);
            let ended = snapshot(&mut reader.read, "rollback");
            push(&idle, reader);
            drop(permit);
            match result {
                Ok(Ok(result)) => ended.map(|()| result),
                Ok(Err(error)) => Err(error),
                Err(panic) => resume_unwind(panic),
            }
        })
        .await;
        match done {
            Ok(result) => result,
            Err(error) if error.is_panic() => Err(Error::Broken("the work panicked")),
            Err(_) => Err(Error::Closed),
        }
    }

    /// Closes the connections that are idle; a read still running closes its own when it ends.
    pub(crate) fn close(&self) {
        self.free.close();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

fn snapshot(read: &mut Read, sql: &str) -> Result<()> {
    let Backend::Sqlite(connection) = &mut read.backend else {
        return Err(Error::Broken("the readers have no SQLite connection"));
    };
    if sql == "rollback" && connection.is_autocommit() {
        return Ok(());
    }
    let done = connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.raw_execute());
    done.map(|_| ()).map_err(|error| plain(&error))
}

fn pop(idle: &Mutex<Vec<Reader>>) -> Option<Reader> {
    idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
}

fn push(idle: &Mutex<Vec<Reader>>, reader: Reader) {
    idle.lock().unwrap_or_else(PoisonError::into_inner).push(reader);
}

fn since(base: Instant) -> u64 {
    u64::try_from(base.elapsed().as_millis()).unwrap_or(u64::MAX)
}

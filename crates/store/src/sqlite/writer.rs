//! The one writer: a thread of its own that lets many writes share one commit.
//!
//! Every write runs in a savepoint, so that one that fails takes only itself back. Callers are answered
//! after the commit is on the disk; if the commit fails, every caller of the group learns it.

use super::{BUSY_TIMEOUT, open_writer, plain};
use crate::error::{Error, Result};
use crate::tally::{Tally, count};
use crate::tx::{Backend, Read, Tx};
use rusqlite::Connection;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// The most writes that may wait.
const QUEUE: usize = 4096;
/// The most writes that share one commit.
const GROUP: usize = 512;
/// Pages (4 KiB) of the write-ahead log after which it is copied into the database: about 4 MB.
const CHECKPOINT_PAGES: i64 = 1024;
/// Pages after which the log shall begin anew: 64 MB. That needs a moment without readers; if there is
/// none it is tried again after another [`CHECKPOINT_PAGES`], and writers never wait for it.
const RESTART_PAGES: i64 = 16 * 1024;

/// One write: it runs, and later its caller is told.
pub(crate) trait Operation: Send {
    /// Its name in logs.
    fn name(&self) -> &'static str;
    /// Runs it and says whether it shall stay.
    fn run(&mut self, tx: &mut Tx) -> bool;
    /// Tells the caller what came of it; `failure` overrides a success.
    fn answer(self: Box<Self>, failure: Option<&Error>);
}

enum Message {
    Write(Box<dyn Operation>),
    Close(oneshot::Sender<()>),
}

/// The way to the writer's thread.
pub(crate) struct Writer {
    queue: mpsc::Sender<Message>,
    tally: Arc<Tally>,
}

impl Writer {
    pub(crate) fn open(path: &Path, tally: &Arc<Tally>) -> Result<Self> {
        let mut connection = open_writer(path)?;
        let wal_pages = Arc::new(AtomicI64::new(0));
        let seen = Arc::clone(&wal_pages);
        connection
            .wal_hook(Some(move |_: &mut _, pages| {
                seen.store(i64::from(pages), Ordering::Relaxed);
                Ok(())
            }))
            .map_err(|error| plain(&error))?;
        let (queue, inbox) = mpsc::channel(QUEUE);
        let tx = Tx::new(Read::new(Backend::Sqlite(connection), Arc::clone(tally)));
        let thread = Thread {
            tx,
            wal_pages,
            copied_pages: 0,
            restart_at: RESTART_PAGES,
        };
        std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || thread.serve(inbox))
            .map_err(|error| Error::Refused(format!("the writer's thread cannot start: {error}")))?;
        Ok(Self {
            queue,
            tally: Arc::clone(tally),
        })
    }

    /// Puts a write in the queue; it is answered after its commit.
    pub(crate) fn send(&self, operation: Box<dyn Operation>) -> Result<()> {
        match self.queue.try_send(Message::Write(operation)) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => {
                count(&self.tally.refused_busy);
                Err(Error::Busy)
            }
            Err(mpsc::error::TrySendError::Closed(_)) => Err(Error::Closed),
        }
    }

    /// Finishes what is queued and closes the file.
    pub(crate) async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.queue.send(Message::Close(done)).await.is_ok() {
            // An error means that the thread ended before it could say so.
            let _ = closed.await;
        }
    }
}

struct Thread {
    tx: Tx,
    wal_pages: Arc<AtomicI64>,
    copied_pages: i64,
    restart_at: i64,
}

impl Thread {
    fn serve(mut self, mut inbox: mpsc::Receiver<Message>) {
        let mut batch = Vec::with_capacity(GROUP);
        while inbox.blocking_recv_many(&mut batch, GROUP) > 0 {
            let mut group = Vec::with_capacity(batch.len());
            let mut closers = Vec::new();
            for message in batch.drain(..) {
                match message {
                    Message::Write(operation) => group.push(operation),
                    Message::Close(done) => closers.push(done),
                }
            }
            if !group.is_empty() {
                self.commit_together(group);
                self.checkpoint();
            }
            if !closers.is_empty() {
                inbox.close();
                drop(self.tx);
                for done in closers {
                    // The one who asked may be gone.
                    let _ = done.send(());
                }
                return;
            }
        }
    }

    /// Runs a group in as few transactions as possible: one, unless the database throws it away on the way.
    fn commit_together(&mut self, group: Vec<Box<dyn Operation>>) {
        let mut members: Vec<(Box<dyn Operation>, bool)> = Vec::with_capacity(group.len());
        let mut begun = false;
        for mut operation in group {
            if !begun {
                if let Err(error) = self.simple("begin immediate") {
                    operation.answer(Some(&error));
                    continue;
                }
                begun = true;
            }
            match self.run_in_savepoint(operation.as_mut()) {
                Ok(kept) => members.push((operation, kept)),
                Err(error) => {
                    // With a full disk SQLite rolls back by itself: what ran before is gone as well.
                    self.rollback_if_open();
                    begun = false;
                    members.push((operation, true));
                    tell(&mut members, Some(&error));
                }
            }
        }
        if !begun {
            return;
        }
        let started = Instant::now();
        let committed = self.simple("commit");
        self.tx.tally.took("store.commit", started.elapsed());
        match committed {
            Ok(()) => {
                self.tx.tally.committed(members.len());
                tell(&mut members, None);
            }
            Err(error) => {
                self.rollback_if_open();
                tracing::error!(writes = members.len(), error = %error, "a commit failed");
                tell(&mut members, Some(&error));
            }
        }
    }

    /// `Ok(kept)`: the transaction goes on. `Err`: the whole transaction is gone.
    fn run_in_savepoint(&mut self, operation: &mut dyn Operation) -> Result<bool> {
        let started = Instant::now();
        self.simple("savepoint member")?;
        self.tx.failed = None;
        let ran = catch_unwind(AssertUnwindSafe(|| operation.run(&mut self.tx)));
        self.tx.tally.took(operation.name(), started.elapsed());
        if self.connection()?.is_autocommit() {
            let lost = Error::Refused("the database rolled the transaction back".to_owned());
            return Err(self.tx.failed.take().unwrap_or(lost));
        }
        if !ran.unwrap_or(false) {
            self.simple("rollback to member")?;
            self.simple("release member")?;
            return Ok(false);
        }
        self.simple("release member")?;
        Ok(true)
    }

    fn connection(&mut self) -> Result<&mut Connection> {
        match &mut self.tx.read.backend {
            Backend::Sqlite(connection) => Ok(connection),
            Backend::Postgres(_) => Err(Error::Broken("the writer has no SQLite connection")),
        }
    }

    fn simple(&mut self, sql: &str) -> Result<()> {
        let connection = self.connection()?;
        let done = connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.raw_execute());
        done.map(|_| ()).map_err(|error| plain(&error))
    }

    /// After a full disk the transaction may be gone already, and a blind rollback would be an error.
    fn rollback_if_open(&mut self) {
        if self
            .connection()
            .is_ok_and(|connection| !connection.is_autocommit())
            && let Err(error) = self.simple("rollback")
        {
            tracing::error!(error = %error, "a rollback failed");
        }
    }

    fn checkpoint(&mut self) {
        let pages = self.wal_pages.load(Ordering::Relaxed);
        // The log began anew: a smaller count than the one copied.
        self.copied_pages = self.copied_pages.min(pages);
        let done = if pages >= self.restart_at {
            self.restart_log(pages)
        } else if pages - self.copied_pages >= CHECKPOINT_PAGES {
            self.copy_log("pragma wal_checkpoint(passive)").map(|_| ())
        } else {
            return;
        };
        match done {
            Ok(()) => count(&self.tx.tally.checkpoints),
            Err(error) => tracing::warn!(error = %error, "a checkpoint failed; the next commit tries again"),
        }
    }

    fn restart_log(&mut self, pages: i64) -> Result<()> {
        let patience = |thread: &mut Self, time| {
            thread
                .connection()?
                .busy_timeout(time)
                .map_err(|error| plain(&error))
        };
        patience(self, Duration::ZERO)?;
        let done = self.copy_log("pragma wal_checkpoint(restart)");
        patience(self, BUSY_TIMEOUT)?;
        self.restart_at = if done? {
            RESTART_PAGES
        } else {
            pages + CHECKPOINT_PAGES
        };
        Ok(())
    }

    /// Tells whether nobody was in the way.
    fn copy_log(&mut self, sql: &str) -> Result<bool> {
        let answer = self
            .connection()?
            .query_row(sql, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(2)?)));
        let (busy, copied) = answer.map_err(|error| plain(&error))?;
        self.copied_pages = copied.max(0);
        Ok(busy == 0)
    }
}

fn tell(members: &mut Vec<(Box<dyn Operation>, bool)>, failure: Option<&Error>) {
    for (operation, kept) in members.drain(..) {
        operation.answer(failure.filter(|_| kept));
    }
}

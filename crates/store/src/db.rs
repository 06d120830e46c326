//! [`Db`]: the way in. A write is a closure over a [`Tx`], a read one over a [`Read`].

use crate::args;
use crate::error::{Error, Result};
use crate::postgres::{self, Session};
use crate::sqlite::{Operation, Readers, Writer};
use crate::tally::{Stats, Tally, count};
use crate::tx::{Backend, Read, Tx};
use deadpool_postgres::Pool;
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One file on this machine.
    Sqlite,
    /// A server.
    Postgres,
}

/// Where the database is.
#[derive(Debug, Clone)]
pub struct Config {
    /// `postgres://…`; absent for SQLite. The connection is not encrypted by this crate: reach the server
    /// over a socket, a private network or a tunnel.
    pub url: Option<String>,
    /// The file of SQLite; its folder must be there.
    pub sqlite_path: PathBuf,
    /// Connections for reads.
    pub read_connections: u32,
}

/// What the closure of a read or write gives back.
pub type Step<'t, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 't>>;

/// The database. Cheap to clone; all clones are the same one.
#[derive(Clone)]
pub struct Db {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    tally: Arc<Tally>,
}

enum Engine {
    Sqlite { writer: Writer, readers: Readers },
    Postgres(Pool),
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Db({:?})", self.kind())
    }
}

impl Db {
    /// Opens the database; the schema is left as it is (see [`crate::migrate`]).
    ///
    /// # Errors
    /// If it cannot be opened or reached.
    pub async fn open(config: &Config) -> Result<Self> {
        let tally = Arc::new(Tally::default());
        let engine = if let Some(url) = &config.url {
            let pool = postgres::open(url, config.read_connections)?;
            let mut session = Session::begin(&pool, postgres::BEGIN_READ).await?;
            session.end("rollback").await?;
            Engine::Postgres(pool)
        } else {
            let writer = Writer::open(&config.sqlite_path, &tally)?;
            let readers = Readers::open(&config.sqlite_path, config.read_connections, &tally)?;
            Engine::Sqlite { writer, readers }
        };
        Ok(Self {
            inner: Arc::new(Inner { engine, tally }),
        })
    }

    /// Which database this is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self.inner.engine {
            Engine::Sqlite { .. } => Kind::Sqlite,
            Engine::Postgres(_) => Kind::Postgres,
        }
    }

    /// What was done since it was opened.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.inner.tally.stats()
    }

    /// Changes the database: the closure's transaction is durable when this returns well, and gone when
    /// the closure fails. The closure may run again (Postgres), so it clones what it uses up; it must not
    /// await anything but the transaction's own functions: on SQLite that is an error.
    ///
    /// ```no_run
    /// # use domain::{actor::Scope, id::GenerationId, time::Time};
    /// # async fn delete(db: store::Db, scope: Scope, id: GenerationId, now: Time) -> store::Result<bool> {
    /// db.write("generations.delete", move |tx| {
    ///     Box::pin(async move { store::generations::mark_deleted(tx, &scope, id, now).await })
    /// })
    /// .await
    /// # }
    /// ```
    ///
    /// # Errors
    /// The closure's own, and [`Error`] where the database refuses, is too busy or fails to commit.
    pub async fn write<T, E, F>(&self, name: &'static str, work: F) -> Result<T, E>
    where
        F: for<'t> FnMut(&'t mut Tx) -> Step<'t, T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        count(&self.inner.tally.writes);
        match &self.inner.engine {
            Engine::Sqlite { writer, .. } => {
                let (reply, answer) = oneshot::channel();
                let write = Write {
                    name,
                    work,
                    result: None,
                    reply: Some(reply),
                };
                writer.send(Box::new(write)).map_err(E::from)?;
                answer.await.unwrap_or_else(|_| Err(E::from(Error::Closed)))
            }
            Engine::Postgres(pool) => self.write_postgres(pool, name, work).await,
        }
    }

    async fn write_postgres<T, E, F>(&self, pool: &Pool, name: &'static str, mut work: F) -> Result<T, E>
    where
        F: for<'t> FnMut(&'t mut Tx) -> Step<'t, T, E> + Send + 'static,
        E: From<Error>,
    {
        let tally = &self.inner.tally;
        let started = Instant::now();
        let mut run = 1;
        loop {
            let session = Session::begin(pool, postgres::BEGIN_WRITE)
                .await
                .map_err(E::from)?;
            let mut tx = Tx::new(Read::new(Backend::Postgres(session), Arc::clone(tally)));
            let result = work(&mut tx).await;
            let result = unspoiled(result, &tx);
            let (outcome, repeatable) = end(tx, result).await;
            match outcome {
                Err(_) if repeatable && run < postgres::RUNS => {
                    count(&tally.repeats);
                    tokio::time::sleep(pause(run)).await;
                    run += 1;
                }
                outcome => {
                    if outcome.is_ok() {
                        tally.committed(1);
                    }
                    tally.took(name, started.elapsed());
                    return outcome;
                }
            }
        }
    }

    /// Reads the database, all statements in one snapshot.
    ///
    /// # Errors
    /// The closure's own, and [`Error`] where the database refuses, is too busy or takes too long.
    pub async fn read<T, E, F>(&self, name: &'static str, work: F) -> Result<T, E>
    where
        F: for<'t> FnOnce(&'t mut Read) -> Step<'t, T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        count(&self.inner.tally.reads);
        let result = match &self.inner.engine {
            Engine::Sqlite { readers, .. } => {
                let result = readers.run(move |read| at_once(work(read)));
                result
                    .await
                    .and_then(|result| result)
                    .map_err(E::from)
                    .and_then(|result| result)
            }
            Engine::Postgres(pool) => {
                let session = Session::begin(pool, postgres::BEGIN_READ)
                    .await
                    .map_err(E::from)?;
                let mut read = Read::new(Backend::Postgres(session), Arc::clone(&self.inner.tally));
                let result = work(&mut read).await;
                if let Backend::Postgres(session) = &mut read.backend {
                    session.end("rollback").await.map_err(E::from)?;
                }
                result
            }
        };
        if result.is_err() {
            tracing::debug!(read = name, "a read failed");
        }
        result
    }

    /// Whether the database takes a durable write now, and how long it took.
    ///
    /// # Errors
    /// If it does not.
    pub async fn probe(&self) -> Result<Duration> {
        let started = Instant::now();
        self.write("store.probe", |tx| {
            Box::pin(async move {
                let sql = "insert into meta (name, value) values ('probe', '0') \
                           on conflict (name) do update set value = case meta.value when '0' then '1' else '0' end";
                tx.execute(sql, args![]).await.map(|_| ())
            })
        })
        .await
        .map(|()| started.elapsed())
    }

    /// Every statement so far, without arguments.
    #[cfg(test)]
    pub(crate) fn said(&self) -> Vec<String> {
        self.inner.tally.said().into_iter().collect()
    }

    /// Finishes what is queued and closes all connections. Later calls answer [`Error::Closed`].
    pub async fn close(&self) {
        match &self.inner.engine {
            Engine::Sqlite { writer, readers } => {
                readers.close();
                writer.close().await;
            }
            Engine::Postgres(pool) => pool.close(),
        }
    }
}

/// A write on its way to the writer's thread and back.
struct Write<T, E, F> {
    name: &'static str,
    work: F,
    result: Option<Result<T, E>>,
    reply: Option<oneshot::Sender<Result<T, E>>>,
}

impl<T, E, F> Operation for Write<T, E, F>
where
    F: for<'t> FnMut(&'t mut Tx) -> Step<'t, T, E> + Send,
    T: Send,
    E: From<Error> + Send,
{
    fn name(&self) -> &'static str {
        self.name
    }

    fn run(&mut self, tx: &mut Tx) -> bool {
        let result = at_once((self.work)(tx)).unwrap_or_else(|error| Err(E::from(error)));
        let result = unspoiled(result, tx);
        let stays = result.is_ok();
        self.result = Some(result);
        stays
    }

    fn answer(mut self: Box<Self>, failure: Option<&Error>) {
        let result = match (failure, self.result.take()) {
            (Some(error), _) => Err(E::from(error.clone())),
            (None, Some(result)) => result,
            (None, None) => Err(E::from(Error::Broken("the work panicked"))),
        };
        if let Some(reply) = self.reply.take() {
            // The caller may have gone away; the write stands.
            let _ = reply.send(result);
        }
    }
}

/// Runs a future that never waits: on SQLite every function of a transaction is done when it returns.
fn at_once<T>(mut work: Pin<Box<dyn Future<Output = T> + Send + '_>>) -> Result<T> {
    match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Ok(value),
        Poll::Pending => Err(Error::Broken(
            "it waited for something that is not its transaction",
        )),
    }
}

/// A transaction with a failed statement does not commit, even if its closure went on.
fn unspoiled<T, E: From<Error>>(result: Result<T, E>, tx: &Tx) -> Result<T, E> {
    match (result, &tx.failed) {
        (Ok(_), Some(error)) => Err(E::from(error.clone())),
        (result, _) => result,
    }
}

/// Commits or rolls back on Postgres; also tells whether the transaction may be run again.
async fn end<T, E: From<Error>>(tx: Tx, result: Result<T, E>) -> (Result<T, E>, bool) {
    let Backend::Postgres(mut session) = tx.read.backend else {
        return (Err(E::from(Error::Broken("it is not on Postgres"))), false);
    };
    let outcome = match result {
        Ok(value) => session.end("commit").await.map(|()| value).map_err(E::from),
        Err(error) => {
            // If even this fails, the connection is closed and Postgres rolls back.
            let _ = session.end("rollback").await;
            Err(error)
        }
    };
    (outcome, session.repeatable())
}

/// A short wait before a transaction is run again, spread so that rivals do not meet again.
fn pause(run: u32) -> Duration {
    let chance = RandomState::new().hash_one(run);
    Duration::from_micros(500 + chance % (1000 << run.min(8)))
}

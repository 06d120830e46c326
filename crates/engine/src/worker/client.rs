//! The parent's side: a queue of jobs, one child at a time, limits on everything.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use super::protocol::{Hello, Order};
use super::running::{Heard, Running};
use crate::error::EngineError;
use crate::starter::{Picture, Progress, Spec};

/// What a worker may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// From the start of a child to its hello. Default 30 s.
    pub start: Duration,
    /// From the order to the picture; then the child is killed. Default 120 s.
    pub job: Duration,
    /// How long a child may take to stop or to leave when asked; then it is killed. Default 1 s.
    pub cancel: Duration,
    /// How long a child lives with nothing to do. Default 60 s.
    pub idle: Duration,
    /// Most jobs that wait. Default 64.
    pub queue: usize,
    /// Address space of the child in bytes. Default 2 GiB; the starter model takes less than 0.4 GiB.
    pub address_space_bytes: u64,
    /// Threads that the child computes with. Default: as many as there are processors, at most
    /// [`Limits::USEFUL_THREADS`].
    pub threads: usize,
    /// How much nicer than its parent the child is. Default 10.
    pub nice: i32,
}

impl Limits {
    /// More threads make a small model no faster; each reserves address space.
    pub const USEFUL_THREADS: usize = 8;
}

impl Default for Limits {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            start: Duration::from_secs(30),
            job: Duration::from_secs(120),
            cancel: Duration::from_secs(1),
            idle: Duration::from_secs(60),
            queue: 64,
            address_space_bytes: 2 * 1024 * 1024 * 1024,
            threads: processors.min(Self::USEFUL_THREADS),
            nice: 10,
        }
    }
}

/// The child as it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkerState {
    /// The process id of the living child.
    pub pid: Option<u32>,
    /// What it said of itself.
    pub hello: Option<Hello>,
    /// Children started so far.
    pub starts: u64,
}

/// A worker process and the queue before it. Dropping it ends both.
#[derive(Debug)]
pub struct EngineWorker {
    queue: mpsc::Sender<Queued>,
    state: watch::Receiver<WorkerState>,
    stop: watch::Sender<bool>,
    keeper: Mutex<Option<JoinHandle<()>>>,
    numbers: AtomicU64,
}

impl EngineWorker {
    /// A worker that will start `command` with `arguments` when the first job comes; the command must lead to
    /// [`super::run`]. Needs a tokio runtime around it.
    pub fn new(command: PathBuf, arguments: Vec<OsString>, limits: Limits) -> Self {
        let (queue, queued) = mpsc::channel(limits.queue.max(1));
        let (state_sender, state) = watch::channel(WorkerState::default());
        let (stop, stopped) = watch::channel(false);
        let keeper = Keeper {
            command,
            arguments,
            limits,
            state: state_sender,
            stopped,
            child: None,
        };
        let keeper = tokio::spawn(keeper.keep(queued));
        Self {
            queue,
            state,
            stop,
            keeper: Mutex::new(Some(keeper)),
            numbers: AtomicU64::new(1),
        }
    }

    /// Puts a picture into the queue.
    ///
    /// # Errors
    /// [`EngineError::Busy`] when the queue is full, [`EngineError::ShutDown`] after [`EngineWorker::shut_down`].
    pub fn submit(&self, spec: Spec) -> Result<Job, EngineError> {
        if *self.stop.borrow() {
            return Err(EngineError::ShutDown);
        }
        let (answer, answered) = oneshot::channel();
        let (progress_sender, progress) = watch::channel(None);
        let (cancel, cancelled) = watch::channel(false);
        let taken = Arc::new(AtomicBool::new(false));
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let queued = Queued {
            number,
            spec,
            answer,
            progress: progress_sender,
            cancelled,
            taken: Arc::clone(&taken),
        };
        self.queue.try_send(queued).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => EngineError::Busy,
            mpsc::error::TrySendError::Closed(_) => EngineError::ShutDown,
        })?;
        Ok(Job {
            progress,
            answered,
            canceller: Canceller {
                cancel: Arc::new(cancel),
                taken,
            },
        })
    }

    /// The child as it is now, and every change.
    pub fn state(&self) -> watch::Receiver<WorkerState> {
        self.state.clone()
    }

    /// Ends the running job, the waiting ones and the child, and waits until all are gone.
    pub async fn shut_down(&self) {
        self.stop.send_replace(true);
        if let Some(keeper) = self.keeper.lock().await.take() {
            // It fails only when the keeper panicked; then the child is killed by its drop.
            let _ = keeper.await;
        }
    }
}

/// A job in the queue or under way. Dropping it cancels it.
#[derive(Debug)]
pub struct Job {
    progress: watch::Receiver<Option<Progress>>,
    answered: oneshot::Receiver<Result<Picture, EngineError>>,
    canceller: Canceller,
}

impl Job {
    /// How far the picture is; nothing while the job waits.
    pub fn progress(&self) -> watch::Receiver<Option<Progress>> {
        self.progress.clone()
    }

    /// Something that cancels this job from elsewhere.
    pub fn canceller(&self) -> Canceller {
        self.canceller.clone()
    }

    /// Waits for the picture.
    ///
    /// # Errors
    /// Whatever kept it from being drawn: a refusal of the model, [`EngineError::Cancelled`],
    /// [`EngineError::WorkerDied`], [`EngineError::TimedOut`], [`EngineError::ShutDown`] and their like.
    pub async fn picture(mut self) -> Result<Picture, EngineError> {
        let mut cancelled = self.canceller.cancel.subscribe();
        tokio::select! {
            biased;
            answer = &mut self.answered => return answer.unwrap_or(Err(EngineError::ShutDown)),
            // A job that was cancelled in the queue is not waited for; a running one answers soon.
            () = asked(&mut cancelled) => {}
        }
        if self.canceller.taken.swap(true, Ordering::AcqRel) {
            (&mut self.answered).await.unwrap_or(Err(EngineError::ShutDown))
        } else {
            Err(EngineError::Cancelled)
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        self.canceller.cancel();
    }
}

/// Cancels a job.
#[derive(Debug, Clone)]
pub struct Canceller {
    cancel: Arc<watch::Sender<bool>>,
    /// Set by whoever is first: the keeper that starts the job, or its owner who gives it up.
    taken: Arc<AtomicBool>,
}

impl Canceller {
    /// Cancels the job; a finished one stays finished.
    pub fn cancel(&self) {
        self.cancel.send_replace(true);
    }
}

#[derive(Debug)]
struct Queued {
    number: u64,
    spec: Spec,
    answer: oneshot::Sender<Result<Picture, EngineError>>,
    progress: watch::Sender<Option<Progress>>,
    cancelled: watch::Receiver<bool>,
    taken: Arc<AtomicBool>,
}

/// Owns the child and serves the queue.
struct Keeper {
    command: PathBuf,
    arguments: Vec<OsString>,
    limits: Limits,
    state: watch::Sender<WorkerState>,
    stopped: watch::Receiver<bool>,
    child: Option<Running>,
}

impl Keeper {
    async fn keep(mut self, mut queue: mpsc::Receiver<Queued>) {
        loop {
            let mut stopped = self.stopped.clone();
            tokio::select! {
                biased;
                () = asked(&mut stopped) => break,
                next = queue.recv() => match next {
                    Some(job) => self.serve(job).await,
                    None => break,
                },
                () = idle(&mut self.child, self.limits.idle) => self.end_child().await,
            }
        }
        queue.close();
        let mut left = VecDeque::new();
        while let Ok(job) = queue.try_recv() {
            left.push_back(job);
        }
        for job in left {
            // Whoever no longer listens has given the job up.
            let _ = job.answer.send(Err(EngineError::ShutDown));
        }
        self.end_child().await;
    }

    async fn serve(&mut self, job: Queued) {
        if *job.cancelled.borrow() || job.taken.swap(true, Ordering::AcqRel) {
            let _ = job.answer.send(Err(EngineError::Cancelled));
            return;
        }
        let answer = self.draw(&job).await;
        let of_no_more_use = matches!(
            &answer,
            Err(EngineError::WorkerDied
                | EngineError::Protocol(_)
                | EngineError::TimedOut { .. }
                | EngineError::ShutDown)
        );
        if of_no_more_use {
            self.kill_child().await;
        }
        let _ = job.answer.send(answer);
    }

    async fn draw(&mut self, job: &Queued) -> Result<Picture, EngineError> {
        if self.child.as_mut().is_some_and(Running::is_dead) {
            self.kill_child().await;
        }
        if self.child.is_none() {
            self.start_child(job).await?;
        }
        let Some(child) = self.child.as_mut() else {
            return Err(EngineError::WorkerDied);
        };
        child.tell(&Order::draw(job.number, &job.spec)).await?;

        let deadline = Instant::now() + self.limits.job;
        let mut patience: Option<Instant> = None;
        let (mut cancelled, mut stopped) = (job.cancelled.clone(), self.stopped.clone());
        loop {
            tokio::select! {
                biased;
                () = asked(&mut stopped) => return Err(EngineError::ShutDown),
                () = asked(&mut cancelled), if patience.is_none() => {
                    child.tell(&Order::Cancel { job: job.number }).await?;
                    patience = Some(Instant::now() + self.limits.cancel);
                }
                () = sleep_until(patience.unwrap_or(deadline)), if patience.is_some() => {
                    self.kill_child().await;
                    return Err(EngineError::Cancelled);
                }
                () = sleep_until(deadline) => return Err(EngineError::TimedOut { seconds: self.limits.job.as_secs() }),
                heard = child.hear() => match heard? {
                    Heard::Progress { job: number, done, of } if number == job.number => {
                        job.progress.send_replace(Some(Progress { done, of }));
                    }
                    Heard::Picture { job: number, picture } if number == job.number => return Ok(picture),
                    Heard::Failed { job: number, error } if number == job.number => return Err(error),
                    Heard::Progress { .. } | Heard::Picture { .. } | Heard::Failed { .. } => {
                        return Err(EngineError::Protocol("it spoke of another job".to_owned()));
                    }
                },
            }
        }
    }

    async fn start_child(&mut self, job: &Queued) -> Result<(), EngineError> {
        let (mut cancelled, mut stopped) = (job.cancelled.clone(), self.stopped.clone());
        let started = tokio::select! {
            biased;
            () = asked(&mut stopped) => return Err(EngineError::ShutDown),
            () = asked(&mut cancelled) => return Err(EngineError::Cancelled),
            started = Running::start(&self.command, &self.arguments, &self.limits) => started,
        };
        let child =
            started.inspect_err(|error| tracing::warn!(%error, "the engine's worker did not start"))?;
        tracing::info!(pid = child.pid(), "the engine's worker started");
        self.state.send_modify(|state| {
            *state = WorkerState {
                pid: child.pid(),
                hello: Some(child.hello.clone()),
                starts: state.starts + 1,
            };
        });
        self.child = Some(child);
        Ok(())
    }

    async fn end_child(&mut self) {
        if let Some(child) = self.child.take() {
            child.end(&self.limits).await;
            self.say_gone();
        }
    }

    async fn kill_child(&mut self) {
        if let Some(child) = self.child.take() {
            tracing::warn!(pid = child.pid(), "the engine's worker is ended");
            child.kill().await;
            self.say_gone();
        }
    }

    fn say_gone(&self) {
        self.state.send_modify(|state| {
            state.pid = None;
            state.hello = None;
        });
    }
}

/// Waits until the flag is set or its owner is gone.
async fn asked(flag: &mut watch::Receiver<bool>) {
    let _ = flag.wait_for(|asked| *asked).await;
}

/// Waits until the child has had nothing to do for so long, or has died.
async fn idle(child: &mut Option<Running>, patience: Duration) {
    match child {
        None => std::future::pending().await,
        Some(child) => tokio::select! {
            () = sleep(patience) => {}
            () = child.died() => {}
        },
    }
}

//! One living child, seen from the parent.

use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::client::Limits;
use super::protocol::{Hello, LINE_BYTES, Order, PICTURE_BYTES, Report, VERSION, line};
use crate::error::EngineError;
use crate::starter::Picture;

/// What a child says about a job.
pub(super) enum Heard {
    Progress { job: u64, done: u32, of: u32 },
    Picture { job: u64, picture: Picture },
    Failed { job: u64, error: EngineError },
}

/// A child that has said hello. Dropping it kills it.
pub(super) struct Running {
    child: Child,
    orders: ChildStdin,
    reports: mpsc::Receiver<Result<Heard, EngineError>>,
    reader: JoinHandle<()>,
    pub(super) hello: Hello,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl Running {
    /// Starts a child and waits for its hello.
    pub(super) async fn start(
        command: &Path,
        arguments: &[OsString],
        limits: &Limits,
    ) -> Result<Self, EngineError> {
        let not_started = |error: std::io::Error| EngineError::WorkerNotStarted(error.to_string());
        let mut child = Command::new(command)
            .args(arguments)
            .env_clear()
            .env("RAYON_NUM_THREADS", limits.threads.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // A panic's text could quote the prompt, so what the child says on standard error is kept by nobody.
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(not_started)?;
        let (Some(mut orders), Some(reports)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(EngineError::WorkerNotStarted("it has no pipes".to_owned()));
        };
        let begin = Order::Begin {
            address_space_bytes: limits.address_space_bytes,
            nice: limits.nice,
        };
        let mut reports = BufReader::new(reports);
        let greeting = async {
            orders
                .write_all(&line(&begin).map_err(not_started)?)
                .await
                .map_err(|_| EngineError::WorkerDied)?;
            match read_report(&mut reports).await? {
                Some(Report::Hello(hello)) if hello.protocol == VERSION => Ok(hello),
                Some(Report::Failed { error, .. }) => Err(error),
                Some(_) => Err(EngineError::Protocol("it did not say hello first".to_owned())),
                None => Err(EngineError::WorkerDied),
            }
        };
        let hello = match timeout(limits.start, greeting).await {
            Ok(hello) => hello?,
            Err(_) => {
                return Err(EngineError::WorkerNotStarted(
                    "it did not say hello in time".to_owned(),
                ));
            }
        };
        let (sender, receiver) = mpsc::channel(16);
        let reader = tokio::spawn(listen(reports, sender));
        Ok(Self {
            child,
            orders,
            reports: receiver,
            reader,
            hello,
        })
    }

    /// The process id.
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Gives an order; an error means that the child is gone.
    pub(super) async fn tell(&mut self, order: &Order) -> Result<(), EngineError> {
        let line = line(order).map_err(|error| EngineError::Protocol(error.to_string()))?;
        self.orders
            .write_all(&line)
            .await
            .map_err(|_| EngineError::WorkerDied)
    }

    /// The next thing that the child says; an error means that the child is of no more use.
    pub(super) async fn hear(&mut self) -> Result<Heard, EngineError> {
        self.reports.recv().await.unwrap_or(Err(EngineError::WorkerDied))
    }

    /// Waits until the child has died by itself.
    pub(super) async fn died(&mut self) {
        let _ = self.child.wait().await;
    }

    /// True when the child has died already.
    pub(super) fn is_dead(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Asks the child to leave and kills it when it does not in time.
    pub(super) async fn end(mut self, limits: &Limits) {
        let asked = self.tell(&Order::End).await;
        if asked.is_err() || timeout(limits.cancel, self.child.wait()).await.is_err() {
            self.kill().await;
        }
    }

    /// Kills the child and waits until it is gone.
    pub(super) async fn kill(mut self) {
        // It fails only when the child is gone already.
        let _ = self.child.kill().await;
    }
}

/// Hands on what the child says until it breaks the protocol or its pipe ends.
async fn listen(mut reports: BufReader<ChildStdout>, sender: mpsc::Sender<Result<Heard, EngineError>>) {
    loop {
        let heard = match read_report(&mut reports).await {
            Ok(Some(report)) => with_picture(&mut reports, report).await,
            Ok(None) => Err(EngineError::WorkerDied),
            Err(error) => Err(error),
        };
        let last = heard.is_err();
        if sender.send(heard).await.is_err() || last {
            return;
        }
    }
}

async fn read_report(reports: &mut BufReader<ChildStdout>) -> Result<Option<Report>, EngineError> {
    let mut text = Vec::new();
    let read = reports.take(LINE_BYTES).read_until(b'\n', &mut text).await;
    if read.is_err() || !text.ends_with(b"\n") && (text.len() as u64) < LINE_BYTES {
        return Ok(None);
    }
    let report = serde_json::from_slice(&text);
    // The parser's words could quote the line.
    report
        .map(Some)
        .map_err(|_| EngineError::Protocol("a line is no report".to_owned()))
}

async fn with_picture(reports: &mut BufReader<ChildStdout>, report: Report) -> Result<Heard, EngineError> {
    match report {
        Report::Hello(_) => Err(EngineError::Protocol("it said hello twice".to_owned())),
        Report::Progress { job, done, of } => Ok(Heard::Progress { job, done, of }),
        Report::Failed { job, error } => Ok(Heard::Failed { job, error }),
        Report::Picture {
            job,
            width,
            height,
            bytes,
        } => {
            let expected = u64::from(width) * u64::from(height) * 3;
            if bytes != expected || bytes > PICTURE_BYTES {
                return Err(EngineError::Protocol(format!(
                    "a picture of {width}x{height} with {bytes} bytes"
                )));
            }
            let mut rgb = vec![0; bytes as usize];
            reports
                .read_exact(&mut rgb)
                .await
                .map_err(|_| EngineError::WorkerDied)?;
            Ok(Heard::Picture {
                job,
                picture: Picture { rgb, width, height },
            })
        }
    }
}

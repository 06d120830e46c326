//! The parent's side: starts a child for each job, feeds it, waits, ends it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

use crate::limits::{JOB_TIMEOUT, MAX_HEADER_BYTES, MAX_RESULT_BYTES};
use crate::protocol::{Animate, Answer, Clean, Cleaned, Encoded, Inspected, Job, Still, Thumbnail};
use crate::{MediaError, sniff};

/// Signal numbers that say what the child ran into (Linux).
const SIGABRT: i32 = 6;
const SIGXCPU: i32 = 24;

/// Runs media jobs, each in a child process of its own.
///
/// The command must end up in [`worker::run`](crate::worker::run). The child gets an empty environment,
/// no standard error and the root directory. Dropping a call's future ends its child.
#[derive(Debug, Clone)]
pub struct MediaWorker {
    command: PathBuf,
    args: Vec<OsString>,
    timeout: Duration,
}

impl MediaWorker {
    /// A worker that starts `command` with `args`.
    #[must_use]
    pub fn new(command: PathBuf, args: Vec<OsString>) -> Self {
        Self {
            command,
            args,
            timeout: JOB_TIMEOUT,
        }
    }

    /// The same with another time limit per job than [`JOB_TIMEOUT`].
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Says what a foreign file is, without decoding it.
    ///
    /// # Errors
    /// See [`MediaError`]; type and size are checked before a child is started.
    pub async fn inspect(&self, bytes: &[u8]) -> Result<Inspected, MediaError> {
        foreign(bytes)?;
        match self.run(&Job::Inspect, bytes).await? {
            (Answer::Inspected(found), _) => Ok(found),
            _ => Err(unexpected()),
        }
    }

    /// Writes a foreign file again without anything but picture and sound: EXIF, GPS, XMP, comments,
    /// trailing and hidden bytes are gone, the picture is upright.
    ///
    /// # Errors
    /// See [`MediaError`]; type and size are checked before a child is started.
    pub async fn clean(&self, bytes: &[u8], how: Clean) -> Result<(Cleaned, Vec<u8>), MediaError> {
        foreign(bytes)?;
        match self.run(&Job::Clean(how), bytes).await? {
            (Answer::Cleaned(cleaned), result) => Ok((cleaned, result)),
            _ => Err(unexpected()),
        }
    }

    /// Makes a small version of a picture.
    ///
    /// # Errors
    /// See [`MediaError`]; type and size are checked before a child is started.
    pub async fn thumbnail(&self, bytes: &[u8], how: Thumbnail) -> Result<(Encoded, Vec<u8>), MediaError> {
        foreign(bytes)?;
        self.encode(&Job::Thumbnail(how), bytes).await
    }

    /// Writes our own RGB8 pixels as a picture.
    ///
    /// # Errors
    /// `BadRequest` when pixels and size do not fit together, otherwise see [`MediaError`].
    pub async fn still(&self, job: Still, rgb: &[u8]) -> Result<(Encoded, Vec<u8>), MediaError> {
        self.encode(&Job::Still(job), rgb).await
    }

    /// Shows our own RGB8 pixels by a moving camera, as an MP4.
    ///
    /// # Errors
    /// `BadRequest` when pixels, sizes or length do not fit, otherwise see [`MediaError`].
    pub async fn animate(&self, job: Animate, rgb: &[u8]) -> Result<(Encoded, Vec<u8>), MediaError> {
        self.encode(&Job::Animate(job), rgb).await
    }

    async fn encode(&self, job: &Job, bytes: &[u8]) -> Result<(Encoded, Vec<u8>), MediaError> {
        match self.run(job, bytes).await? {
            (Answer::Encoded(encoded), result) => Ok((encoded, result)),
            _ => Err(unexpected()),
        }
    }

    async fn run(&self, job: &Job, bytes: &[u8]) -> Result<(Answer, Vec<u8>), MediaError> {
        let mut child = Command::new(&self.command)
            .args(&self.args)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| MediaError::NotStarted {
                what: error.kind().to_string(),
            })?;
        let answered = tokio::time::timeout(self.timeout, exchange(&mut child, job, bytes)).await;
        match answered {
            Ok(Ok((Answer::Error(error), _))) => Err(error),
            Ok(answered) => answered,
            Err(_) => {
                // Reaped here, so that no zombie stays; it is ended already if this fails.
                drop(child.kill().await);
                Err(MediaError::TimedOut {
                    seconds: self.timeout.as_secs(),
                })
            }
        }
    }
}

/// Sends the job, takes the answer and waits for the end.
async fn exchange(child: &mut Child, job: &Job, bytes: &[u8]) -> Result<(Answer, Vec<u8>), MediaError> {
    let streams = child.stdin.take().zip(child.stdout.take());
    let (mut input, output) = streams.ok_or_else(unexpected)?;
    let send = async {
        // A child that refuses early closes its end; its answer says why, so a failed write is no error.
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes();
        if let Ok(mut header) = serde_json::to_vec(job) {
            header.push(b'\n');
            header.extend_from_slice(&length);
            if input.write_all(&header).await.is_ok() {
                drop(input.write_all(bytes).await);
            }
        }
        drop(input);
        // Only the answer ends the exchange.
        std::future::pending::<()>().await;
    };
    let answered = tokio::select! {
        answered = receive(output) => answered,
        () = send => Err(unexpected()),
    };
    let answered = match answered {
        Err(error @ MediaError::TooLarge { .. }) => {
            drop(child.kill().await);
            return Err(error);
        }
        answered => answered,
    };
    let status = child
        .wait()
        .await
        .map_err(|_| MediaError::Died { signal: None })?;
    answered.map_err(|error| match signal_of(status) {
        Some(SIGABRT) => MediaError::TooMuchMemory,
        Some(SIGXCPU) => MediaError::TimedOut {
            seconds: crate::limits::CHILD_CPU_SECONDS,
        },
        Some(signal) => MediaError::Died { signal: Some(signal) },
        None if status.success() => error,
        None => MediaError::Died { signal: None },
    })
}

/// Takes at most a header line and [`MAX_RESULT_BYTES`], so a child gone wrong cannot fill our memory.
async fn receive(output: impl AsyncRead + Unpin) -> Result<(Answer, Vec<u8>), MediaError> {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    (&mut output)
        .take(MAX_HEADER_BYTES)
        .read_until(b'\n', &mut line)
        .await
        .map_err(|_| unexpected())?;
    // Cut, or too long to be one of ours.
    if line.last() != Some(&b'\n') {
        return Err(unexpected());
    }
    let answer = serde_json::from_slice(&line).map_err(|_| unexpected())?;
    let length = output.read_u64_le().await.map_err(|_| unexpected())?;
    if length > MAX_RESULT_BYTES {
        return Err(MediaError::TooLarge {
            bytes: length,
            limit: MAX_RESULT_BYTES,
        });
    }
    let mut bytes = Vec::new();
    output
        .take(length)
        .read_to_end(&mut bytes)
        .await
        .map_err(|_| unexpected())?;
    if u64::try_from(bytes.len()) != Ok(length) {
        return Err(unexpected());
    }
    Ok((answer, bytes))
}

#[cfg(unix)]
fn signal_of(status: std::process::ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

fn foreign(bytes: &[u8]) -> Result<(), MediaError> {
    let media_type = sniff::sniff(bytes).ok_or(MediaError::UnknownType)?;
    sniff::check_bytes(media_type, bytes.len())
}

fn unexpected() -> MediaError {
    MediaError::Protocol {
        what: "no answer of the kind that was asked for".to_owned(),
    }
}

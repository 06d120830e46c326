//! The child's side: read orders, draw, report.

use std::io::{BufRead, BufReader, Read, Write};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use super::protocol::{Hello, LINE_BYTES, Order, Report, VERSION, line};
use crate::card::MODEL;
use crate::starter::{Spec, Starter};

/// Serves orders from `orders` on `reports` until told to end or until the parent is gone; returns the exit code of
/// the process: 0 when it was told to end, 1 when the parent is gone or broke the protocol.
pub fn run(orders: impl Read + Send + 'static, reports: impl Write) -> u8 {
    let signals = Arc::new(Signals::default());
    let (sender, receiver) = channel();
    let for_reader = Arc::clone(&signals);
    // Orders are read beside the drawing, so that a cancellation is heard while it lasts. The thread ends with the
    // process: it waits on a pipe that nobody can be asked to close.
    std::thread::spawn(move || read_orders(orders, &sender, &for_reader));
    let mut child = Child {
        orders: receiver,
        reports,
        signals,
    };
    match child.serve() {
        Ok(()) => 0,
        Err(_) => 1,
    }
}

/// What the reading thread has heard while a picture is drawn.
#[derive(Default)]
struct Signals {
    /// The last job that was cancelled.
    cancelled: AtomicU64,
    /// The parent said the end or is gone.
    ended: AtomicBool,
}

struct Child<W> {
    orders: Receiver<Order>,
    reports: W,
    signals: Arc<Signals>,
}

impl<W: Write> Child<W> {
    fn serve(&mut self) -> std::io::Result<()> {
        let Ok(Order::Begin {
            address_space_bytes,
            nice,
        }) = self.orders.recv()
        else {
            return Err(std::io::ErrorKind::InvalidData.into());
        };
        let (address_space_bytes, nice) = limit_this_process(address_space_bytes, nice)?;
        let starter = match Starter::bundled() {
            Ok(starter) => starter,
            Err(error) => return self.report(&Report::Failed { job: 0, error }),
        };
        let hello = Hello {
            protocol: VERSION,
            model: MODEL.to_owned(),
            address_space_bytes,
            nice,
        };
        self.report(&Report::Hello(hello))?;
        loop {
            match self.orders.recv() {
                Ok(Order::Draw {
                    job,
                    prompt,
                    seed,
                    width,
                    height,
                    steps,
                }) => {
                    self.draw(
                        &starter,
                        job,
                        &Spec {
                            prompt,
                            seed,
                            width,
                            height,
                            steps,
                        },
                    )?;
                }
                // A cancellation that comes after its picture has nothing left to stop.
                Ok(Order::Cancel { .. }) => {}
                Ok(Order::End) => return Ok(()),
                Ok(Order::Begin { .. }) => return Err(std::io::ErrorKind::InvalidData.into()),
                Err(_) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            }
        }
    }

    fn draw(&mut self, starter: &Starter, job: u64, spec: &Spec) -> std::io::Result<()> {
        let signals = Arc::clone(&self.signals);
        let mut told = Ok(());
        let drawn = starter.generate(spec, &mut |progress| {
            let stop =
                signals.cancelled.load(Ordering::Acquire) == job || signals.ended.load(Ordering::Acquire);
            told = self.report(&Report::Progress {
                job,
                done: progress.done,
                of: progress.of,
            });
            if stop || told.is_err() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        told?;
        match drawn {
            Ok(picture) => {
                let (width, height, bytes) = (picture.width, picture.height, picture.rgb.len() as u64);
                self.reports.write_all(&line(&Report::Picture {
                    job,
                    width,
                    height,
                    bytes,
                })?)?;
                self.reports.write_all(&picture.rgb)?;
                self.reports.flush()
            }
            Err(error) => self.report(&Report::Failed { job, error }),
        }
    }

    fn report(&mut self, report: &Report) -> std::io::Result<()> {
        self.reports.write_all(&line(report)?)?;
        self.reports.flush()
    }
}

fn read_orders(orders: impl Read, sender: &Sender<Order>, signals: &Signals) {
    let mut orders = BufReader::new(orders);
    loop {
        let mut text = Vec::new();
        let read = orders.by_ref().take(LINE_BYTES).read_until(b'\n', &mut text);
        let order = match read {
            Ok(_) if text.ends_with(b"\n") => serde_json::from_slice(&text).ok(),
            _ => None,
        };
        match &order {
            Some(Order::Cancel { job }) => signals.cancelled.store(*job, Ordering::Release),
            Some(Order::End) | None => signals.ended.store(true, Ordering::Release),
            Some(Order::Begin { .. } | Order::Draw { .. }) => {}
        }
        let Some(order) = order else { return };
        if sender.send(order).is_err() {
            return;
        }
    }
}

/// Lays the limits on this process and says what holds: address space in bytes and niceness. Limits that are already
/// stricter stay.
#[cfg(unix)]
fn limit_this_process(address_space_bytes: u64, nice: i32) -> std::io::Result<(Option<u64>, i32)> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let before = getrlimit(Resource::As);
    let limit = before
        .maximum
        .map_or(address_space_bytes, |maximum| maximum.min(address_space_bytes));
    setrlimit(
        Resource::As,
        Rlimit {
            current: Some(limit),
            maximum: Some(limit),
        },
    )?;
    let holds = getrlimit(Resource::As).current;
    let niceness = rustix::process::nice(nice.max(0))?;
    Ok((holds, niceness))
}

#[cfg(not(unix))]
fn limit_this_process(_address_space_bytes: u64, _nice: i32) -> std::io::Result<(Option<u64>, i32)> {
    Ok((None, 0))
}

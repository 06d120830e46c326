//! How fast generations are accepted durably. The provider takes one job and never finishes it, so that all
//! others stay in the queue and nothing but accepting is measured.

use crate::http::Client;
use crate::process::Studio;
use crate::{Times, provider};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use testkit::sim::{Fate, Plan, Sim};
use tokio::runtime::Runtime;

/// Clients at the same time, each level on a fresh data directory.
const LEVELS: [u64; 3] = [1, 32, 128];
/// A level ends after this long.
const LONGEST: Duration = Duration::from_secs(8);
/// And after this many requests.
const MOST: u64 = 10_000;
/// Rest before memory at idle is read.
const REST: Duration = Duration::from_secs(2);

pub fn run(runtime: &Runtime, binary: &Path) {
    println!(
        "clients  accepted/s  p50 ms  p99 ms  max ms  requests  refused  broken  RSS idle  RSS after  RSS peak (MiB)"
    );
    for clients in LEVELS {
        level(runtime, binary, clients);
    }
}

fn level(runtime: &Runtime, binary: &Path, clients: u64) {
    let sim = runtime.block_on(Sim::start(Plan::peaceful())).unwrap();
    sim.fate(Fate::Hang);
    let folder = tempfile::tempdir().unwrap();
    let studio = Studio::start(binary, folder.path(), &provider(&sim, 1));
    std::thread::sleep(REST);
    let idle = studio.resident();
    let (taken, refused, broken) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let began = Instant::now();
    let mut times = Vec::new();
    std::thread::scope(|scope| {
        let each = |_| {
            scope.spawn(|| {
                let mut client = Client::new(studio.port, &studio.key);
                let mut times = Vec::new();
                while began.elapsed() < LONGEST {
                    let n = taken.fetch_add(1, Ordering::Relaxed);
                    if n >= MOST {
                        break;
                    }
                    let body = format!(
                        r#"{{"kind":"image","prompt":"um barco no porto, variante {n}","provider":"luma","model":"uni-1","aspect":"1:1","purpose":"evaluation"}}"#
                    );
                    let key = format!("bench-{n}");
                    let sent = Instant::now();
                    match client.ask("POST", "/api/v1/generations", Some(&key), &body) {
                        Ok((202, _)) => times.push(sent.elapsed()),
                        Ok(_) => _ = refused.fetch_add(1, Ordering::Relaxed),
                        Err(_) => _ = broken.fetch_add(1, Ordering::Relaxed),
                    }
                }
                times
            })
        };
        let running: Vec<_> = (0..clients).map(each).collect();
        for one in running {
            times.extend(one.join().unwrap());
        }
    });
    let took = began.elapsed().as_secs_f64();
    let accepted = times.len();
    let times = Times::new(times);
    #[expect(clippy::cast_precision_loss, reason = "shown without digits")]
    let rate = accepted as f64 / took;
    println!(
        "{clients:7}  {rate:10.0}  {:6.1}  {:6.1}  {:6.1}  {:8}  {:7}  {:6}  {idle:8.0}  {:9.0}  {:8.0}",
        times.percentile(50),
        times.percentile(99),
        times.percentile(100),
        accepted as u64 + refused.load(Ordering::Relaxed) + broken.load(Ordering::Relaxed),
        refused.load(Ordering::Relaxed),
        broken.load(Ordering::Relaxed),
        studio.resident(),
        studio.peak(),
    );
    studio.stop();
}

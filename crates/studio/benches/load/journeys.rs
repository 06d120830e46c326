//! Load of whole generations in a closed loop: each user asks for a picture, waits for its end, and asks
//! again. The simulated provider finishes at the first look. It fails when a request is answered otherwise
//! than it should be or a generation does not succeed.

use crate::http::Client;
use crate::process::Studio;
use crate::{Times, provider};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use testkit::sim::{Plan, Sim};
use tokio::runtime::Runtime;

/// Users at the same time, and for how many seconds.
type Step = (u64, u64);

/// Profiles by name.
const PROFILES: [(&str, &[Step]); 5] = [
    ("smoke", &[(2, 5)]),
    ("load", &[(16, 60)]),
    ("stress", &[(16, 30), (64, 30), (128, 30)]),
    ("spike", &[(4, 20), (96, 20), (4, 20)]),
    ("soak", &[(8, 1800)]),
];
/// Submissions that the provider has in work at once.
const CONCURRENT: u32 = 128;
/// Time between two looks of a user.
const LOOK: Duration = Duration::from_millis(100);
/// A generation that takes longer counts as failed.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Default)]
struct Seen {
    accept: Mutex<Vec<Duration>>,
    whole: Mutex<Vec<Duration>>,
    failed: AtomicU64,
}

pub fn run(runtime: &Runtime, binary: &Path, name: &str) -> ExitCode {
    let Some((_, steps)) = PROFILES.iter().find(|(known, _)| *known == name) else {
        let known: Vec<&str> = PROFILES.iter().map(|(known, _)| *known).collect();
        eprintln!("there is no profile {name}; profiles: {}", known.join(", "));
        return ExitCode::from(2);
    };
    let sim = runtime.block_on(Sim::start(Plan::peaceful())).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let studio = Studio::start(binary, folder.path(), &provider(&sim, CONCURRENT));
    println!("users  seconds  finished/s  accept p50/p99 ms  whole p50/p99 ms  finished  failed  RSS (MiB)");
    let mut failed = 0;
    for (users, seconds) in *steps {
        failed += step(&studio, *users, *seconds);
    }
    println!(
        "peak of RSS: {:.0} MiB; creations at the provider: {}",
        studio.peak(),
        sim.bill().entries.len()
    );
    studio.stop();
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn step(studio: &Studio, users: u64, seconds: u64) -> u64 {
    let seen = Seen::default();
    let began = Instant::now();
    let until = began + Duration::from_secs(seconds);
    std::thread::scope(|scope| {
        for _ in 0..users {
            scope.spawn(|| {
                let mut client = Client::new(studio.port, &studio.key);
                while Instant::now() < until {
                    if journey(&mut client, &seen).is_none() {
                        seen.failed.fetch_add(1, Ordering::Relaxed);
                        // A server in trouble is not asked in a tight loop.
                        std::thread::sleep(LOOK);
                    }
                }
            });
        }
    });
    let took = began.elapsed().as_secs_f64();
    let accept = Times::new(seen.accept.into_inner().unwrap());
    let whole = seen.whole.into_inner().unwrap();
    let finished = whole.len();
    let whole = Times::new(whole);
    let failed = seen.failed.into_inner();
    #[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
    let rate = finished as f64 / took;
    println!(
        "{users:5}  {took:7.0}  {rate:10.1}  {:8.1} / {:6.1}  {:7.0} / {:6.0}  {finished:8}  {failed:6}  {:9.0}",
        accept.percentile(50),
        accept.percentile(99),
        whole.percentile(50),
        whole.percentile(99),
        studio.resident(),
    );
    failed
}

/// One generation from the request to its end; nothing when anything was not as it should be.
fn journey(client: &mut Client, seen: &Seen) -> Option<()> {
    let body = r#"{"kind":"image","prompt":"um barco no porto","provider":"luma","model":"uni-1","aspect":"1:1","purpose":"evaluation"}"#;
    let began = Instant::now();
    let (status, answer) = client.ask("POST", "/api/v1/generations", None, body).ok()?;
    if status != 202 {
        return None;
    }
    seen.accept.lock().unwrap().push(began.elapsed());
    let id = serde_json::from_slice::<serde_json::Value>(&answer).ok()?["id"]
        .as_str()?
        .to_owned();
    let path = format!("/api/v1/generations/{id}");
    while began.elapsed() < PATIENCE {
        let (status, answer) = client.ask("GET", &path, None, "").ok()?;
        let state = serde_json::from_slice::<serde_json::Value>(&answer).ok()?["state"]
            .as_str()?
            .to_owned();
        match (status, state.as_str()) {
            (200, "queued" | "running") => std::thread::sleep(LOOK),
            (200, "succeeded") => {
                seen.whole.lock().unwrap().push(began.elapsed());
                return Some(());
            }
            _ => return None,
        }
    }
    None
}

//! Measurements of the real binary, printed and not asserted: `cargo xtask bench [AREA]`, and closed-loop
//! load: `cargo xtask load --profile NAME`. The provider is the simulated one on this machine, so what is
//! measured is the studio. Everything is bounded in time and requests; nothing is written but a table to
//! standard output and data directories that are removed at the end.
//!
//! Arguments: areas (`size`, `start`, `accept`, `login`, `tokens`; all without one), `--binary FILE` for another binary than the
//! one built along, `--profile NAME` for load in place of areas.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_docs,
    unreachable_pub,
    reason = "a tool for measuring"
)]

mod accept;
mod http;
mod journeys;
mod login;
mod process;
mod tokens;

use process::{Setting, Studio};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Starts that are timed, on a fresh and on a used data directory each.
const STARTS: usize = 5;

const AREAS: [&str; 5] = ["size", "start", "accept", "login", "tokens"];

/// Durations in order; asked for their shares.
pub struct Times(Vec<Duration>);

impl Times {
    pub fn new(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self(times)
    }

    /// Milliseconds below which this share of a hundred lies.
    pub fn percentile(&self, share: usize) -> f64 {
        let place = (self.0.len() * share).div_ceil(100).saturating_sub(1);
        self.0
            .get(place)
            .map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
    }
}

fn size(binary: &Path) {
    let bytes = std::fs::metadata(binary).unwrap().len();
    #[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
    let mib = bytes as f64 / 1_048_576.0;
    println!("binary           {mib:.1} MiB");
}

fn start(binary: &Path) {
    let timed = |folder: &Path| {
        let began = Instant::now();
        let studio = Studio::start_alone(binary, folder);
        let took = began.elapsed();
        studio.stop();
        took
    };
    let mut fresh = Vec::new();
    let mut used = Vec::new();
    for _ in 0..STARTS {
        let folder = tempfile::tempdir().unwrap();
        fresh.push(timed(folder.path()));
        used.push(timed(folder.path()));
    }
    for (what, times) in [("fresh", fresh), ("used", used)] {
        let times = Times::new(times);
        let (best, middle, worst) = (times.percentile(0), times.percentile(50), times.percentile(100));
        println!(
            "start to /ready  {what:5} data directory: median {middle:.0} ms ({best:.0} to {worst:.0}, {STARTS} starts)"
        );
    }
}

/// Requests in a minute that no limit holds back: one key asks for all users here.
const UNLIMITED: u64 = 100_000_000;

/// Settings that lead a studio to the simulated provider.
fn provider(sim: &testkit::sim::Sim, concurrent: u32) -> Vec<Setting> {
    let limits = [
        "STUDIO__LIMITS__ADDRESS_PER_MINUTE",
        "STUDIO__LIMITS__ACCOUNT_PER_MINUTE",
        "STUDIO__LIMITS__KEY_PER_MINUTE",
        "STUDIO__LIMITS__WORKSPACE_PER_MINUTE",
    ];
    let mut settings = vec![
        ("STUDIO__PROVIDERS__LUMA__BASE_URL", sim.agents_url()),
        ("STUDIO__PROVIDERS__LUMA__API_KEY", testkit::sim::KEY.to_owned()),
        ("STUDIO__PROVIDERS__LUMA__MAX_CONCURRENT", concurrent.to_string()),
        ("STUDIO__OUTBOUND__ALLOW", "127.0.0.0/8".to_owned()),
        ("STUDIO__GENERATIONS__MAX_QUEUED", "1000000".to_owned()),
    ];
    settings.extend(limits.map(|name| (name, UNLIMITED.to_string())));
    settings
}

fn main() -> ExitCode {
    let mut binary = PathBuf::from(env!("CARGO_BIN_EXE_studio"));
    let (mut areas, mut profile) = (Vec::new(), None);
    let mut given = std::env::args().skip(1);
    while let Some(argument) = given.next() {
        match argument.as_str() {
            // cargo says so to every bench.
            "--bench" => {}
            "--binary" => binary = given.next().expect("--binary FILE").into(),
            "--profile" => profile = Some(given.next().expect("--profile NAME")),
            area if AREAS.contains(&area) => areas.push(area.to_owned()),
            other => {
                eprintln!("there is no area {other}; areas: {}", AREAS.join(", "));
                return ExitCode::from(2);
            }
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    if let Some(name) = profile {
        return journeys::run(&runtime, &binary, &name);
    }
    let asked = |area: &str| areas.is_empty() || areas.iter().any(|one| one == area);
    println!("{}, {} processors", binary.display(), processors());
    if asked("size") {
        size(&binary);
    }
    if asked("start") {
        start(&binary);
    }
    if asked("accept") {
        accept::run(&runtime, &binary);
    }
    if asked("login") {
        login::run(&binary);
    }
    if asked("tokens") {
        tokens::run(&binary);
    }
    ExitCode::SUCCESS
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(0, std::num::NonZero::get)
}

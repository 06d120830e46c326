//! The kill loop: the real binary is killed again and again while clients ask for generations at two
//! providers that misbehave at every stage. Afterwards the studio's books are compared with the
//! providers' own bill. `STUDIO_TEST_KILLS` says how often (30), `STUDIO_TEST_SEED` with which chances (1).

mod oracle;

use crate::bed_sim::{Door, Home, Providers, ask, send_only, tail};
use domain::job::AttemptState;
use oracle::{Books, judge};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use testkit::chance::draw;
use testkit::sim::{Callbacks, Misdeed, Plan, Route};

/// Generations asked for, at least.
const GENERATIONS: u64 = 200;
/// Generations for each kill where there are many kills.
const PER_KILL: u64 = 7;
/// Clients at the same time.
const CLIENTS: u64 = 16;
/// A submission leaves within this time of its intent.
const SEND_BY: Duration = Duration::from_secs(2);
/// A lost submission shows in the list this long after that.
const SETTLE: Duration = Duration::from_secs(8);
/// The longest delay of one piece on the wire. A request is two pieces at most, so that every one arrives
/// well before [`SETTLE`] is over.
const LATEST: Duration = Duration::from_secs(1);
/// How long what is open after the last kill may take to come to its end.
const END_PATIENCE: Duration = Duration::from_secs(300);

#[expect(
    clippy::disallowed_methods,
    reason = "how hard to test is the caller's choice"
)]
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| {
        text.parse().unwrap_or_else(|_| panic!("{name} is a number"))
    })
}

#[expect(clippy::print_stdout, reason = "the counts are the result")]
fn tell(line: &str) {
    println!("{line}");
}

/// What the clients and the one who kills know of each other.
struct Run {
    seed: u64,
    door: Door,
    kills: u64,
    generations: u64,
    killed: AtomicU64,
    taken: AtomicU64,
    given_up: AtomicBool,
    /// Number of the request and the id that every 202 for it named.
    accepted: Mutex<BTreeMap<u64, String>>,
    replays: AtomicU64,
}

impl Run {
    fn chance(&self, what: &str, of: u64) -> u64 {
        draw(self.seed, &[what, &of.to_string()])
    }

    /// Requests are spread over the kills, so that each of them hits accepting as well.
    fn released(&self) -> u64 {
        let kills = self.kills.max(1);
        (self.killed.load(Ordering::SeqCst) + 1) * self.generations / kills
    }

    fn body(&self, n: u64) -> Value {
        let prompt = format!("um barco vermelho no porto, variante {n}");
        let count = if n.is_multiple_of(11) { 2 } else { 1 };
        if n.is_multiple_of(2) {
            return json!({ "kind": "image", "prompt": prompt, "provider": "luma", "model": "uni-1",
                "aspect": "1:1", "purpose": "evaluation", "count": count });
        }
        // Clips are looked at rarely; late ones would only lengthen the end.
        if n % 20 == 5 && n < self.generations / 2 {
            return json!({ "kind": "video", "prompt": prompt, "provider": "luma-dream-machine",
                "model": "ray-flash-2", "resolution": "540p", "seconds": 5, "aspect": "16:9",
                "purpose": "evaluation" });
        }
        json!({ "kind": "image", "prompt": prompt, "provider": "luma-dream-machine",
            "model": "photon-flash-1", "aspect": "1:1", "purpose": "evaluation", "count": count })
    }

    fn client(&self) {
        loop {
            let n = self.taken.fetch_add(1, Ordering::SeqCst);
            if n >= self.generations {
                return;
            }
            while n >= self.released() {
                if self.given_up.load(Ordering::SeqCst) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
            self.ask_for(n);
        }
    }

    /// Asks until a whole answer came, always with the same key.
    fn ask_for(&self, n: u64) {
        let (body, key) = (self.body(n), format!("chaos-{n}"));
        let path = "/api/v1/generations";
        if self.chance("hang up", n).is_multiple_of(6) {
            drop(send_only(&self.door, "POST", path, Some(&key), Some(&body)));
        }
        let again = 1 + u64::from(self.chance("again", n).is_multiple_of(5));
        for _ in 0..again {
            let id = loop {
                if self.given_up.load(Ordering::SeqCst) {
                    return;
                }
                match ask(&self.door, "POST", path, Some(&key), Some(&body)) {
                    Some(answer) if answer.status == 202 => {
                        break answer.json()["id"].as_str().unwrap().to_owned();
                    }
                    Some(answer) if matches!(answer.status, 429 | 503 | 504) => {}
                    None => {}
                    Some(answer) => panic!("{} for {body}: {}", answer.status, answer.text),
                }
                std::thread::sleep(Duration::from_millis(50));
            };
            let mut accepted = self.accepted.lock().unwrap();
            if let Some(before) = accepted.insert(n, id.clone()) {
                assert_eq!(before, id, "one key gave two generations");
                self.replays.fetch_add(1, Ordering::SeqCst);
            }
        }
        if self.chance("cancel", n).is_multiple_of(12) {
            let id = self.accepted.lock().unwrap().get(&n).cloned().unwrap();
            // Whether the wish arrives does not matter.
            let _ = ask(&self.door, "POST", &format!("{path}/{id}/cancel"), None, None);
        }
    }
}

/// Whatever ends the one who kills, the clients end as well.
struct GiveUp<'a>(&'a AtomicBool);

impl Drop for GiveUp<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Chances of every fault, and those that the plan does not draw by itself as a script.
fn storm(seed: u64) -> Plan {
    let mut plan = Plan::stormy(seed);
    // How long a job may stay hidden is a promise in time (the settle time); the plan counts looks.
    plan.rates.hide = 0;
    plan.looks = 2;
    plan.callbacks = Some(Callbacks {
        after: Duration::from_millis(700),
        unruly: true,
    });
    plan
}

fn script(providers: &Providers) {
    let submissions = [
        Misdeed::StallAfter,
        Misdeed::NoId,
        Misdeed::TooMany,
        Misdeed::Redirect,
        Misdeed::StallBody,
        Misdeed::Page(502),
        Misdeed::SlowBody,
        Misdeed::StallBefore,
        Misdeed::Page(429),
        Misdeed::Status(503),
    ];
    for misdeed in submissions {
        providers.sim.script(Route::Submit, misdeed);
        providers.sim.script(Route::Submit, misdeed);
    }
    for misdeed in [Misdeed::Garbage, Misdeed::StallBody, Misdeed::Page(502)] {
        providers.sim.script(Route::Poll, misdeed);
        providers.sim.script(Route::List, misdeed);
    }
    for misdeed in [Misdeed::StallBody, Misdeed::WrongType, Misdeed::CutBody] {
        providers.sim.script(Route::Output, misdeed);
    }
}

fn settings(providers: &Providers) -> Vec<(&'static str, String)> {
    let mut settings = providers.settings();
    let more = [
        ("STUDIO__GENERATIONS__SEND_BY_SECONDS", SEND_BY.as_secs()),
        ("STUDIO__GENERATIONS__SETTLE_SECONDS", SETTLE.as_secs()),
        ("STUDIO__PROVIDERS__LUMA__MAX_CONCURRENT", 24),
        ("STUDIO__PROVIDERS__LUMA_DREAM_MACHINE__MAX_CONCURRENT", 24),
        ("STUDIO__PROVIDERS__LUMA__CALL_TIMEOUT_MS", 4000),
        ("STUDIO__PROVIDERS__LUMA_DREAM_MACHINE__CALL_TIMEOUT_MS", 4000),
        ("STUDIO__PROVIDERS__LUMA__STALL_TIMEOUT_MS", 2000),
        ("STUDIO__PROVIDERS__LUMA_DREAM_MACHINE__STALL_TIMEOUT_MS", 2000),
    ];
    settings.extend(more.map(|(name, value)| (name, value.to_string())));
    settings.push(("STUDIO__LOG__FORMAT", "json".to_owned()));
    settings
}

/// Starts and kills, at a moment that is drawn: now and then before it is even ready, now and then while it
/// stops.
fn kill_again_and_again(run: &Run, home: &Home) {
    for kill in 0..run.kills {
        let mut server = home.serve();
        let moment = run.chance("moment", kill);
        if moment.is_multiple_of(5) {
            std::thread::sleep(Duration::from_millis((moment >> 8) % 600));
        } else {
            server.wait_ready();
            std::thread::sleep(Duration::from_millis(50 + (moment >> 8) % 2400));
        }
        if moment.is_multiple_of(7) {
            server.kill_while_stopping(Duration::from_millis((moment >> 24) % 300));
        } else {
            server.kill();
        }
        run.killed.fetch_add(1, Ordering::SeqCst);
    }
    // Whoever still waits for its turn has it now.
    run.killed.fetch_add(1, Ordering::SeqCst);
}

/// How many jobs are not at their end; `None` when it cannot be learnt now.
fn open_jobs(door: &Door) -> Option<u64> {
    let answer = ask(door, "GET", "/metrics", None, None)?;
    let lines = answer
        .text
        .lines()
        .filter(|line| line.starts_with("studio_jobs{"));
    let counts: Option<Vec<u64>> = lines.map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
    counts
        .filter(|counts| !counts.is_empty())
        .map(|counts| counts.iter().sum())
}

fn wait_for_the_end(run: &Run, home: &Home, clients_left: impl Fn() -> bool) {
    let began = Instant::now();
    while clients_left() || open_jobs(&run.door) != Some(0) {
        assert!(
            began.elapsed() < END_PATIENCE,
            "{:?} jobs never came to an end:\n{}",
            open_jobs(&run.door),
            tail(&home.log())
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// What the servers' logs say of looks for lost answers, counted by provider and outcome.
fn looks(log: &Path) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for line in std::fs::read_to_string(log).unwrap().lines() {
        // A line that a kill cut off is none.
        let line: Value = serde_json::from_str(line).unwrap_or_default();
        if let (Some("reconciled"), Some(provider), Some(outcome)) = (
            line["msg"].as_str(),
            line["provider"].as_str(),
            line["status"].as_str(),
        ) {
            *counts.entry(format!("{provider} {outcome}")).or_default() += 1;
        }
    }
    counts
}

fn command(home: &Home, arguments: &[&str]) {
    let output = home.command(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    tell(&format!(
        "chaos: studio {}: {}",
        arguments[..2].join(" "),
        said.lines().next().unwrap_or("")
    ));
}

#[test]
fn nothing_is_billed_twice_and_nothing_is_lost_however_often_it_is_killed() {
    let (kills, seed) = (number("STUDIO_TEST_KILLS", 30), number("STUDIO_TEST_SEED", 1));
    let began = Instant::now();
    // Kept when the test fails, so that the books can be looked at.
    let folder = tempfile::Builder::new().disable_cleanup(true).tempdir().unwrap();
    tell(&format!(
        "chaos: seed {seed}, books in {}",
        folder.path().display()
    ));
    let providers = Providers::start(storm(seed), LATEST);
    script(&providers);
    let home = Home::new(folder.path(), settings(&providers));
    let run = Run {
        seed,
        door: home.door(),
        kills,
        generations: GENERATIONS.max(kills * PER_KILL),
        killed: AtomicU64::new(0),
        taken: AtomicU64::new(0),
        given_up: AtomicBool::new(false),
        accepted: Mutex::default(),
        replays: AtomicU64::new(0),
    };
    let stopped = std::thread::scope(|scope| {
        let _end = GiveUp(&run.given_up);
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(|| run.client())).collect();
        kill_again_and_again(&run, &home);
        let mut server = home.serve();
        server.wait_ready();
        wait_for_the_end(&run, &home, || clients.iter().any(|client| !client.is_finished()));
        server.stop()
    });
    assert!(stopped.success(), "the last server did not stop well: {stopped}");

    let accepted = run.accepted.into_inner().unwrap();
    assert_eq!(
        accepted.len() as u64,
        run.generations,
        "every request was accepted in the end"
    );
    let books = Books::read(&home.data().join("studio.db"));
    let verdict = judge(&books, &accepted.into_values().collect(), &providers.sim.bill());
    tell(&format!(
        "chaos: {kills} kills, {} requests accepted, {} repeated, in {:.0} s",
        run.generations,
        run.replays.load(Ordering::SeqCst),
        began.elapsed().as_secs_f64()
    ));
    for line in verdict.lines() {
        tell(&format!("chaos: {line}"));
    }
    tell(&format!("chaos: {} submissions heard", providers.sim.sends()));
    let looks = looks(&home.log());
    tell(&format!("chaos: looks for lost answers: {looks:?}"));
    assert!(verdict.violations.is_empty(), "{:#?}", verdict.violations);
    for state in [
        AttemptState::PossibleLoss,
        AttemptState::NotCreated,
        AttemptState::Rejected,
    ] {
        assert!(
            verdict.attempts(state) > 0,
            "no attempt ended as {state}: the storm did not blow"
        );
    }
    assert!(
        providers.sim.sends() <= books.attempts.len() as u64,
        "more was sent than intended"
    );
    let (data, export) = (home.data(), folder.path().join("export"));
    let (data, export) = (data.to_str().unwrap(), export.to_str().unwrap());
    command(&home, &["audit", "verify", "--data", data]);
    command(&home, &["audit", "export", "--data", data, "-o", export]);
    command(&home, &["audit", "verify", export]);
    std::fs::remove_dir_all(folder.path()).unwrap();
}

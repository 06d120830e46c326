//! Logins: how many a second the budget of memory for password hashes lets through, what the others are
//! told, and how much memory that takes.

use crate::http::Client;
use crate::process::{EMAIL, PASSWORD, Studio};
use crate::{Times, UNLIMITED};
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long each level runs.
const FOR: Duration = Duration::from_secs(8);
/// Clients at the same time.
const LEVELS: [usize; 2] = [1, 50];

pub fn run(binary: &Path) {
    for clients in LEVELS {
        let folder = tempfile::tempdir().unwrap();
        let limits = [
            "STUDIO__LIMITS__ADDRESS_PER_MINUTE",
            "STUDIO__LIMITS__ENTRANCE_PER_MINUTE",
        ];
        let settings = limits.map(|name| (name, UNLIMITED.to_string()));
        let studio = Studio::start(binary, folder.path(), &settings);
        let password = std::str::from_utf8(PASSWORD).unwrap();
        let body = format!(r#"{{"email":"{EMAIL}","password":"{password}","client":"api"}}"#);
        let (took, refused) = (Mutex::new(Vec::new()), Mutex::new(0_u64));
        let idle = studio.resident();
        let began = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..clients {
                scope.spawn(|| {
                    let mut client = Client::new(studio.port, "");
                    while began.elapsed() < FOR {
                        let asked = Instant::now();
                        match client.ask("POST", "/api/v1/auth/login", None, &body) {
                            Ok((200, _)) => took.lock().unwrap().push(asked.elapsed()),
                            Ok((503, _)) => *refused.lock().unwrap() += 1,
                            other => panic!("{other:?}"),
                        }
                    }
                });
            }
        });
        let elapsed = began.elapsed().as_secs_f64();
        let took = took.into_inner().unwrap();
        #[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
        let rate = took.len() as f64 / elapsed;
        let times = Times::new(took);
        println!(
            "login            {clients:2} clients: {rate:.1}/s, p50 {:.0} ms, p99 {:.0} ms, told to come again: {}, \
             memory {idle:.0} MiB idle, {:.0} MiB at most",
            times.percentile(50),
            times.percentile(99),
            refused.into_inner().unwrap(),
            studio.peak(),
        );
        studio.stop();
    }
}

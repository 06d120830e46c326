//! `studio doctor`: checks what the studio needs; each line says what to do.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use app::clock::Clock;
use clap::Args;
use domain::actor::SystemScope;
use media::{Still, StillFormat};
use providers::Probe;
use store::Db;

use super::{Surroundings, runtime, written};
use crate::config::Config;
use crate::datadir::DataDir;
use crate::failure::{Exit, Failure};
use crate::wiring;

/// `studio doctor`
#[derive(Debug, Args)]
pub(super) struct Command {
    /// Data directory.
    #[arg(long, value_name = "DIR", default_value = super::DEFAULT_DATA)]
    data: PathBuf,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Fsyncs that are timed.
const FSYNCS: u32 = 20;
/// Slower than this on average deserves a look.
const SLOW_FSYNC: Duration = Duration::from_millis(20);
/// Less free space than this fails (bytes).
const LEAST_SPACE: u64 = 512 * 1024 * 1024;
/// The clock must be past this instant (2026-01-01T00:00:00Z, microseconds): certificates and ids need it.
const EARLIEST: i64 = 1_767_225_600_000_000;

#[derive(Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
enum Grade {
    Ok,
    Warn,
    Fail,
}

#[derive(serde::Serialize)]
struct Line {
    check: &'static str,
    grade: Grade,
    found: String,
    #[serde(rename = "do", skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

fn line(check: &'static str, grade: Grade, found: impl Into<String>, advice: &str) -> Line {
    let advice = (grade != Grade::Ok).then(|| advice.to_owned());
    Line {
        check,
        grade,
        found: found.into(),
        advice,
    }
}

pub(super) fn run(command: &Command, around: &Surroundings, out: &mut impl Write) -> Result<(), Failure> {
    let loaded = around.configuration()?;
    let lines = runtime()?.block_on(examine(&loaded.config, &command.data));
    let failed = lines.iter().filter(|line| line.grade == Grade::Fail).count();
    if command.json {
        let report = serde_json::json!({"ok": failed == 0, "checks": lines});
        written(writeln!(out, "{report:#}"))?;
    } else {
        for line in &lines {
            let grade = match line.grade {
                Grade::Ok => "ok  ",
                Grade::Warn => "warn",
                Grade::Fail => "FAIL",
            };
            let advice = line
                .advice
                .as_ref()
                .map_or(String::new(), |advice| format!("; {advice}"));
            written(writeln!(out, "{grade}  {:12} {}{advice}", line.check, line.found))?;
        }
    }
    if failed == 0 {
        return Ok(());
    }
    Err(Failure::new(
        Exit::No,
        "doctor.failed",
        format!("{failed} checks failed"),
        "do what their lines say",
    ))
}

async fn examine(config: &Config, data: &Path) -> Vec<Line> {
    let mut lines = vec![clock()];
    let dir = match DataDir::open(data) {
        Ok(dir) => dir,
        Err(failure) => {
            lines.push(line("data", Grade::Fail, failure.what, &failure.advice));
            return lines;
        }
    };
    lines.push(rights(&dir));
    lines.push(space(dir.path()));
    lines.push(fsync(dir.path()));
    lines.push(match wiring::keys(&dir) {
        Ok(_) => line("keys", Grade::Ok, "root key readable by its owner only", ""),
        Err(failure) => line(
            "keys",
            Grade::Fail,
            failure.what,
            "put the backup of the root key back",
        ),
    });
    let (checked, db) = database(config, &dir).await;
    lines.push(checked);
    if let Some(db) = db {
        lines.push(mail(config, &db).await);
        db.close().await;
    }
    lines.push(media().await);
    lines.extend(providers(config).await);
    lines
}

fn clock() -> Line {
    let now = Clock::System.now();
    if now.micros() > EARLIEST {
        line("clock", Grade::Ok, now.to_string(), "")
    } else {
        line(
            "clock",
            Grade::Fail,
            now.to_string(),
            "set the machine's clock (NTP): certificates and ids rely on it",
        )
    }
}

fn rights(dir: &DataDir) -> Line {
    let mode = fs::metadata(dir.path()).map_or(0, |meta| meta.permissions().mode() & 0o777);
    line(
        "data",
        Grade::Ok,
        format!("{} mode {mode:o}, locked by this process", dir.path().display()),
        "",
    )
}

fn space(path: &Path) -> Line {
    match rustix::fs::statvfs(path) {
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            let grade = if free < LEAST_SPACE {
                Grade::Fail
            } else {
                Grade::Ok
            };
            line(
                "space",
                grade,
                format!("{} MiB free", free / (1024 * 1024)),
                "free at least 512 MiB, or move the data",
            )
        }
        Err(error) => line("space", Grade::Warn, error.to_string(), "check the file system"),
    }
}

fn fsync(path: &Path) -> Line {
    let file = path.join("doctor.tmp");
    let timed = (|| -> std::io::Result<Duration> {
        let mut handle = fs::File::create(&file)?;
        let started = Instant::now();
        for n in 0..FSYNCS {
            handle.write_all(&n.to_le_bytes())?;
            handle.sync_data()?;
        }
        Ok(started.elapsed() / FSYNCS)
    })();
    // Best effort: an empty file of a few bytes does no harm.
    let _ = fs::remove_file(&file);
    match timed {
        Ok(mean) => {
            let grade = if mean > SLOW_FSYNC { Grade::Warn } else { Grade::Ok };
            let found = format!("{:.2} ms per fsync", mean.as_secs_f64() * 1000.0);
            line(
                "fsync",
                grade,
                found,
                "use a faster disk: every accepted request waits for one",
            )
        }
        Err(error) => line(
            "fsync",
            Grade::Fail,
            error.to_string(),
            "make the data directory writable",
        ),
    }
}

/// The database, and the database itself when its schema is up to date.
async fn database(config: &Config, dir: &DataDir) -> (Line, Option<Db>) {
    let db = match wiring::database(config, dir).await {
        Ok(db) => db,
        Err(failure) => {
            let advice = "check database.url and that it runs";
            return (line("database", Grade::Fail, failure.what, advice), None);
        }
    };
    match store::migrate::status(&db).await {
        Ok(status) if status.pending.is_empty() => {
            let found = format!("{:?}, schema up to date", db.kind());
            (line("database", Grade::Ok, found, ""), Some(db))
        }
        Ok(status) => {
            let found = format!("{:?}, {} migrations pending", db.kind(), status.pending.len());
            let advice = "`studio migrate apply`, or the next `studio serve` applies them";
            (line("database", Grade::Warn, found, advice), None)
        }
        Err(error) => {
            let advice = "run `studio migrate status`";
            (line("database", Grade::Fail, error.to_string(), advice), None)
        }
    }
}

/// Whether letters can be handed over, and how many wait. Nothing is sent.
async fn mail(config: &Config, db: &Db) -> Line {
    const DOCTOR: SystemScope = SystemScope { reason: "doctor" };
    let counts = db
        .read("doctor.mails", |read| {
            Box::pin(store::mails::counts(read, DOCTOR))
        })
        .await;
    let counts = match counts {
        Ok(counts) => counts,
        Err(error) => return line("mail", Grade::Fail, error.to_string(), "check the database"),
    };
    let letters = format!(
        "{} letters wait, {} were given up",
        counts.waiting, counts.given_up
    );
    let mailer = match app::identity::outbox::mailer_of(&wiring::identity(config)) {
        Ok(mailer) => mailer,
        Err(error) => return line("mail", Grade::Fail, format!("{error}; {letters}"), "check [mail]"),
    };
    let Some(mailer) = mailer else {
        let open = config.auth.registration == domain::identity::Registration::Open;
        let grade = if counts.waiting > 0 || open {
            Grade::Warn
        } else {
            Grade::Ok
        };
        let found = format!("not configured: administrators hand links over; {letters}");
        return line(
            "mail",
            grade,
            found,
            "set mail.url, mail.from and server.public_url",
        );
    };
    let place = mailer.place();
    match mailer.probe().await {
        Ok(()) => {
            let grade = if counts.given_up > 0 {
                Grade::Warn
            } else {
                Grade::Ok
            };
            let found = format!("{place} answers; {letters}");
            line("mail", grade, found, "the log says why letters were given up")
        }
        Err(problem) => {
            let found = format!("{place} does not take letters (stopped at: {problem}); {letters}");
            line(
                "mail",
                Grade::Fail,
                found,
                "check [mail], the network and the server's certificate",
            )
        }
    }
}

async fn media() -> Line {
    let advice = "the media worker must be able to start and to lower its limits";
    let worker = match wiring::media_worker() {
        Ok(worker) => worker,
        Err(failure) => return line("media", Grade::Fail, failure.what, advice),
    };
    let still = Still {
        width: 1,
        height: 1,
        format: StillFormat::Png,
        description: "doctor".to_owned(),
    };
    match worker.still(still, &[0, 0, 0]).await {
        Ok(_) => line(
            "media",
            Grade::Ok,
            "the media worker starts and lowers its limits",
            "",
        ),
        Err(error) => line("media", Grade::Fail, error.to_string(), advice),
    }
}

async fn providers(config: &Config) -> Vec<Line> {
    let built = wiring::media_worker().and_then(|media| wiring::catalogue(config, &media));
    let catalogue = match built {
        Ok(catalogue) => catalogue,
        Err(failure) => return vec![line("providers", Grade::Fail, failure.what, &failure.advice)],
    };
    let mut lines = Vec::new();
    for provider in catalogue.providers() {
        let name = &provider.card().name;
        lines.push(match provider.probe().await {
            Probe::Ok { .. } if name.0 == app::embedded::NAME => {
                line("engine", Grade::Ok, "the built-in model can be read", "")
            }
            Probe::Ok { .. } => line(
                "provider",
                Grade::Ok,
                format!("{name} answers and takes the key"),
                "",
            ),
            Probe::Fault(fault) => {
                let found = format!("{name}: {} [{}]", fault.detail, fault.code);
                line(
                    "provider",
                    Grade::Fail,
                    found,
                    "check its key, its base_url and the network",
                )
            }
        });
    }
    for entry in catalogue.unavailable() {
        let found = format!("{}: {}", entry.card.name, entry.reason);
        lines.push(line("provider", Grade::Ok, found, ""));
    }
    if lines.iter().all(|line| line.check != "engine") {
        lines.push(line(
            "engine",
            Grade::Warn,
            "the built-in engine is switched off",
            "providers.embedded.enabled = true",
        ));
    }
    lines
}

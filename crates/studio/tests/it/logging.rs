//! Logging: fields and spans, levels at run time, the redaction net, rotating files.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use domain::time::Time;
use proptest::prelude::*;
use studio::config::{Environment, Log, LogLevel, Sources, load};
use studio::logging::{Clock, Form, LevelError, Limits, LogError, Logging, RotatingFile, assemble};
use tempfile::TempDir;

const START: i64 = 1_795_000_000_000_000;
const DAY: i64 = 86_400_000_000;

/// A clock that stands until it is moved.
#[derive(Clone)]
struct Hands(Arc<AtomicI64>);

impl Hands {
    fn at(micros: i64) -> Self {
        Self(Arc::new(AtomicI64::new(micros)))
    }

    fn add(&self, micros: i64) {
        self.0.fetch_add(micros, Ordering::Relaxed);
    }

    fn clock(&self) -> Clock {
        let hands = Arc::clone(&self.0);
        Arc::new(move || Time::from_micros(hands.load(Ordering::Relaxed)))
    }
}

/// What was written to the console.
#[derive(Clone, Default)]
struct Console(Arc<Mutex<Vec<u8>>>);

impl Write for Console {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn settings(variables: &[(&str, &str)]) -> Log {
    let sources = Sources {
        file: None,
        working_dir: "/nowhere".into(),
        environment: Environment::of(variables.iter().copied()),
        flags: Vec::new(),
    };
    load(&sources).unwrap().config.log
}

/// Runs `work` under a log of these settings and gives back the console.
fn logged(settings: &Log, form: Form, work: impl FnOnce(&Logging)) -> String {
    let console = Console::default();
    let (subscriber, logging) = assemble(settings, Hands::at(START).clock(), form, console.clone()).unwrap();
    tracing::subscriber::with_default(subscriber, || work(&logging));
    drop(logging);
    let bytes = console.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

fn json(text: &str) -> Vec<serde_json::Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect()
}

#[test]
fn a_line_carries_the_fields_of_its_spans() {
    let text = logged(&settings(&[]), Form::Json, |_| {
        let request = tracing::info_span!(
            "request",
            request_id = "req_1",
            route = "/api/v1/generations",
            status = tracing::field::Empty
        );
        let _request = request.enter();
        let attempt = tracing::info_span!(
            "attempt",
            job_id = "gen_1",
            attempt_id = "att_1",
            provider = "luma",
            step = "send"
        );
        let _attempt = attempt.enter();
        request.record("status", 202);
        tracing::info!(
            dur_ms = 12_u64,
            step = "sent",
            ratio = 0.5,
            ok = true,
            "attempt submitted to {}",
            "luma"
        );
    });
    let line = &json(&text)[0];
    let expected = serde_json::json!({
        "ts": "2026-11-18T11:06:40.000000Z", "level": "info", "target": "it::logging",
        "msg": "attempt submitted to luma", "request_id": "req_1", "job_id": "gen_1", "attempt_id": "att_1",
        "provider": "luma", "route": "/api/v1/generations", "status": 202, "dur_ms": 12, "step": "sent",
        "ratio": 0.5, "ok": true,
    });
    assert_eq!(line, &expected);
}

#[test]
fn levels_change_at_run_time_and_by_target() {
    let settings = settings(&[
        ("STUDIO__LOG__LEVEL", "warn"),
        ("STUDIO__LOG__TARGETS", "quiet=off"),
    ]);
    let text = logged(&settings, Form::Json, |logging| {
        let say = |number: u64| {
            tracing::debug!(target: "providers::luma", number, "detail");
            tracing::info!(target: "store", number, "news");
            tracing::error!(target: "quiet", number, "trouble");
        };
        say(1);
        logging
            .handle
            .control
            .set_level("providers", LogLevel::Debug)
            .unwrap();
        say(2);
        logging.handle.control.set_default_level(LogLevel::Info).unwrap();
        logging
            .handle
            .control
            .set_level("providers", LogLevel::Off)
            .unwrap();
        logging
            .handle
            .control
            .set_level("quiet", LogLevel::Error)
            .unwrap();
        say(3);
        assert_eq!(logging.handle.control.levels().default, LogLevel::Info);
        assert_eq!(
            logging.handle.control.levels().targets["providers"],
            LogLevel::Off
        );
    });
    let seen: Vec<_> = json(&text)
        .iter()
        .map(|line| format!("{} {}", line["target"].as_str().unwrap(), line["number"]))
        .collect();
    assert_eq!(seen, ["providers::luma 2", "store 3", "quiet 3"]);
}

#[test]
fn only_names_of_targets_are_taken_and_not_without_end() {
    logged(&settings(&[]), Form::Json, |logging| {
        let control = &logging.handle.control;
        for bad in ["", "a b", "a\nb", "é", &"a".repeat(129)] {
            assert_eq!(
                control.set_level(bad, LogLevel::Info),
                Err(LevelError::Name),
                "{bad:?}"
            );
        }
        for number in 0..64 {
            control.set_level(&format!("t{number}"), LogLevel::Info).unwrap();
        }
        assert_eq!(
            control.set_level("one_more", LogLevel::Info),
            Err(LevelError::TooMany)
        );
        assert_eq!(control.set_level("t1", LogLevel::Debug), Ok(()));
    });
    let bad = settings(&[("STUDIO__LOG__TARGETS", "a b=info")]);
    let result = assemble(&bad, Hands::at(START).clock(), Form::Json, std::io::sink());
    assert!(matches!(
        result.map(|_| ()),
        Err(LogError::Level(LevelError::Name))
    ));
}

#[test]
fn no_canary_gets_through() {
    const CANARY: &str = "Kanarienvogel4711xyz";
    struct Debugged;
    impl std::fmt::Debug for Debugged {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "Request {{ api_key: \"{CANARY}\", cookie: \"{CANARY}\" }}")
        }
    }
    for form in [Form::Json, Form::Pretty { colour: true }] {
        let text = logged(&settings(&[]), form, |_| {
            let span = tracing::info_span!("s", authorization = %format!("Basic {CANARY}"), cookie = CANARY, later = tracing::field::Empty);
            let _in = span.enter();
            span.record("later", format!("Bearer {CANARY}"));
            tracing::info!(
                prompt = CANARY, password = ?CANARY, api_key = %CANARY, client_secret = CANARY, access_token = CANARY,
                debugged = ?Debugged, url = %format!("https://user:{CANARY}@host/x?token={CANARY}"),
                mail = %format!("{CANARY}@exemplo.com.br"), "sent with Bearer {CANARY} and key luma-api-{CANARY}"
            );
            let error = std::io::Error::other(format!("server said: password={CANARY}"));
            tracing::error!(
                error = &error as &dyn std::error::Error,
                cpf = 52_998_224_725_u64,
                "CPF 529.982.247-25"
            );
            tracing::warn!(
                kept = "yes",
                prompt_chars = 20,
                "{}",
                format!("prompt: {CANARY} {CANARY}")
            );
        });
        assert_eq!(text.lines().count(), 3, "{text}");
        for secret in [CANARY, "529.982.247-25", "52998224725"] {
            assert!(!text.contains(secret), "{text}");
        }
        assert!(text.contains("kept") && text.contains("20"), "{text}");
    }
}

#[test]
fn files_are_json_whatever_the_console_is_and_flush_at_the_end() {
    let dir = TempDir::new().unwrap();
    let folder = dir.path().join("logs");
    let settings = settings(&[("STUDIO__LOG__DIR", folder.to_str().unwrap())]);
    let console = logged(&settings, Form::Pretty { colour: false }, |logging| {
        (0..100).for_each(|number| tracing::info!(number, "line"));
        assert_eq!(
            (logging.handle.dropped_lines(), logging.handle.write_errors()),
            (0, 0)
        );
    });
    assert_eq!(console.lines().count(), 100);
    let lines = json(&fs::read_to_string(folder.join("studio.log")).unwrap());
    assert_eq!(lines.len(), 100);
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("studio.log")), 0o600);
}

#[test]
fn a_folder_that_cannot_be_used_is_an_error_at_the_start() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let inside = dir.path().join("file/logs");
    let settings = settings(&[("STUDIO__LOG__DIR", inside.to_str().unwrap())]);
    let result = assemble(&settings, Hands::at(START).clock(), Form::Json, std::io::sink());
    assert!(matches!(result.map(|_| ()), Err(LogError::Folder { .. })));
}

// ---- files ------------------------------------------------------------------------------------

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn content(path: &Path) -> String {
    let bytes = fs::read(path).unwrap();
    let mut text = String::new();
    if path.extension().is_some_and(|end| end == "zst") {
        zstd::Decoder::new(&bytes[..])
            .unwrap()
            .read_to_string(&mut text)
            .unwrap();
    } else {
        text = String::from_utf8(bytes).unwrap();
    }
    text
}

/// Every line in the folder, oldest file first.
fn all_lines(dir: &Path) -> Vec<String> {
    let aside = names(dir).into_iter().filter(|name| name != "studio.log");
    let files = aside.chain(["studio.log".to_owned()]);
    files
        .flat_map(|name| {
            content(&dir.join(name))
                .lines()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect()
}

const ROOMY: Limits = Limits {
    max_file_bytes: 1_000,
    keep_files: 10_000,
    max_total_bytes: u64::MAX,
    daily: true,
};

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn no_line_is_lost_and_no_bound_is_broken(
        steps in proptest::collection::vec((1..400_usize, prop_oneof![8 => Just(0), 1 => Just(DAY), 1 => Just(-DAY)], 0..20_u8), 1..120),
        keep_files in 0..6_usize, total in 1..8_u64, daily in any::<bool>(), bounded in any::<bool>(),
    ) {
        let dir = TempDir::new().unwrap();
        let limits = if bounded {
            Limits { max_file_bytes: 1_000, keep_files, max_total_bytes: total * 1_000, daily }
        } else {
            Limits { daily, ..ROOMY }
        };
        let hands = Hands::at(START);
        let open = || RotatingFile::open(dir.path(), limits, hands.clock()).unwrap();
        let mut writer = open();
        let mut written = Vec::new();
        for (number, (length, pass, event)) in steps.into_iter().enumerate() {
            hands.add(pass);
            match event {
                0 => writer = open(),
                1 => writer.handle().reopen(),
                _ => {}
            }
            let line = format!("{number:06}{}", "x".repeat(length));
            writer.write_all(format!("{line}\n").as_bytes()).unwrap();
            written.push(line);
            if bounded {
                let files = names(dir.path());
                let size: u64 = files.iter().map(|name| fs::metadata(dir.path().join(name)).unwrap().len()).sum();
                prop_assert!(files.len() <= keep_files + 1, "{files:?}");
                prop_assert!(size <= limits.max_total_bytes.max(limits.max_file_bytes), "{size}");
                let current = fs::metadata(dir.path().join("studio.log")).unwrap().len();
                prop_assert!(current <= limits.max_file_bytes);
            }
        }
        prop_assert_eq!(writer.handle().errors(), 0);
        let kept = all_lines(dir.path());
        if bounded {
            // What is kept is the newest, without a gap.
            prop_assert_eq!(&kept[..], &written[written.len() - kept.len()..]);
            prop_assert!(!kept.is_empty());
        } else {
            prop_assert_eq!(kept, written);
        }
        for name in names(dir.path()) {
            prop_assert_eq!(mode(&dir.path().join(&name)), 0o600);
            prop_assert!(name == "studio.log" || name.ends_with(".log.zst"), "{}", name);
        }
    }
}

#[test]
fn the_day_changes_the_file_only_when_asked_to() {
    for (daily, files) in [(true, 3), (false, 1)] {
        let dir = TempDir::new().unwrap();
        let hands = Hands::at(START);
        let mut writer = RotatingFile::open(dir.path(), Limits { daily, ..ROOMY }, hands.clock()).unwrap();
        for _ in 0..3 {
            writer.write_all(b"one\n").unwrap();
            writer.write_all(b"two\n").unwrap();
            hands.add(DAY);
        }
        assert_eq!(names(dir.path()).len(), files);
        assert_eq!(all_lines(dir.path()).len(), 6);
    }
}

#[test]
fn a_renamed_file_is_left_alone_after_reopening() {
    let dir = TempDir::new().unwrap();
    let mut writer = RotatingFile::open(dir.path(), ROOMY, Hands::at(START).clock()).unwrap();
    let (current, moved) = (dir.path().join("studio.log"), dir.path().join("moved"));
    writer.write_all(b"before\n").unwrap();
    fs::rename(&current, &moved).unwrap();
    writer.write_all(b"between\n").unwrap();
    assert!(!current.exists());
    writer.handle().reopen();
    writer.write_all(b"after\n").unwrap();
    assert_eq!(content(&moved), "before\nbetween\n");
    assert_eq!(content(&current), "after\n");
    assert_eq!(mode(&current), 0o600);
}

#[test]
fn an_earlier_run_is_continued_and_tidied() {
    let dir = TempDir::new().unwrap();
    let file = |name: &str| dir.path().join(name);
    fs::write(file("studio.log"), "old\n").unwrap();
    fs::set_permissions(file("studio.log"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(file("studio-00000041-x.log"), "older\n").unwrap();
    fs::write(file("studio-00000040-x.log.zst.part"), "half").unwrap();
    fs::write(file("unrelated.txt"), "mine").unwrap();
    let limits = Limits {
        daily: false,
        ..ROOMY
    };
    let mut writer = RotatingFile::open(dir.path(), limits, Hands::at(START).clock()).unwrap();
    writer.write_all(b"new\n").unwrap();
    assert_eq!(
        names(dir.path()),
        ["studio-00000041-x.log.zst", "studio.log", "unrelated.txt"]
    );
    assert_eq!(content(&file("studio.log")), "old\nnew\n");
    assert_eq!(content(&file("studio-00000041-x.log.zst")), "older\n");
    assert_eq!(mode(&file("studio.log")), 0o600);
    writer.write_all("x".repeat(1_000).as_bytes()).unwrap();
    assert!(
        names(dir.path())
            .iter()
            .any(|name| name.starts_with("studio-00000042-"))
    );
}

#[test]
fn a_line_longer_than_a_file_has_one_for_itself() {
    let dir = TempDir::new().unwrap();
    let mut writer = RotatingFile::open(dir.path(), ROOMY, Hands::at(START).clock()).unwrap();
    let long = format!("{}\n", "x".repeat(5_000));
    for line in ["a\n", long.as_str(), "b\n"] {
        writer.write_all(line.as_bytes()).unwrap();
    }
    let sizes: BTreeMap<_, _> = names(dir.path())
        .into_iter()
        .map(|n| (n.clone(), content(&dir.path().join(n)).len()))
        .collect();
    assert_eq!(sizes.into_values().collect::<Vec<_>>(), [2, 5_001, 2]);
}

#[test]
fn a_failed_write_is_counted_and_the_next_one_starts_a_line() {
    let dir = TempDir::new().unwrap();
    let folder = dir.path().join("logs");
    let mut writer = RotatingFile::open(
        &folder,
        Limits {
            daily: false,
            ..ROOMY
        },
        Hands::at(START).clock(),
    )
    .unwrap();
    fs::rename(&folder, dir.path().join("gone")).unwrap();
    writer.handle().reopen();
    assert!(writer.write_all(b"lost\n").is_err());
    assert_eq!(writer.handle().errors(), 1);
    fs::rename(dir.path().join("gone"), &folder).unwrap();
    fs::write(folder.join("studio.log"), "torn li").unwrap();
    writer.write_all(b"whole\n").unwrap();
    assert_eq!(content(&folder.join("studio.log")), "torn li\nwhole\n");
}

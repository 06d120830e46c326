//! A process killed while it writes: every write that was answered is there afterwards.

use crate::bed::{NOW, number, runtime};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use store::{Config, Db, args, migrate};

const FILE: &str = "STORE_CRASH_TEST_FILE";
/// Answers to wait for before the kill, one round each.
const ROUNDS: [usize; 3] = [1, 60, 400];

fn config(path: &str) -> Config {
    Config {
        url: None,
        sqlite_path: path.into(),
        read_connections: 1,
    }
}

/// The process that is killed: this same binary, asked for this one test. It writes until it dies and
/// prints the number of every write that was answered.
#[test]
#[ignore = "started by answered_writes_survive_a_kill"]
#[expect(clippy::print_stdout, reason = "its parent reads it")]
#[expect(
    clippy::disallowed_methods,
    reason = "its parent says which file by the environment"
)]
fn writes_until_killed() {
    let Ok(path) = std::env::var(FILE) else { return };
    runtime().block_on(async {
        let db = Db::open(&config(&path)).await.unwrap();
        let first = number(
            &db,
            "select coalesce(max(cast(value as bigint)), 0) + 1 as n from meta",
        )
        .await;
        let mut writers = Vec::new();
        for writer in 0..8 {
            let db = db.clone();
            writers.push(tokio::spawn(async move {
                for n in (first + writer..).step_by(8) {
                    db.write("test.count", move |tx| {
                        Box::pin(async move {
                            let name = format!("row-{n}");
                            tx.execute(
                                "insert into meta (name, value) values ($1, $2)",
                                args![name, n.to_string()],
                            )
                            .await
                        })
                    })
                    .await
                    .unwrap();
                    println!("answered {n}");
                }
            }));
        }
        for writer in writers {
            writer.await.unwrap();
        }
    });
}

#[test]
fn answered_writes_survive_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("studio.db").to_str().unwrap().to_owned();
    runtime().block_on(async {
        let db = Db::open(&config(&path)).await.unwrap();
        migrate::apply(&db, NOW).await.unwrap();
        db.close().await;
    });
    let mut answered = Vec::new();
    for round in ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "crash::writes_until_killed",
                "--ignored",
                "--nocapture",
                "--test-threads",
                "1",
            ])
            .env(FILE, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap())
            .lines()
            .map_while(Result::ok);
        let number = |line: String| {
            line.rsplit_once("answered ")
                .and_then(|(_, n)| n.parse::<i64>().ok())
        };
        answered.extend(lines.by_ref().filter_map(number).take(round));
        child.kill().unwrap();
        child.wait().unwrap();
        // What it still said before it died.
        answered.extend(lines.filter_map(number));
    }
    assert!(answered.len() >= ROUNDS.iter().sum());
    runtime().block_on(async {
        let db = Db::open(&config(&path)).await.unwrap();
        for n in &answered {
            let name = format!("row-{n}");
            let there = read!(db, read [name] => async {
                Ok::<_, store::Error>(read.first("select value from meta where name = $1", args![&name]).await?.is_some())
            });
            assert_eq!(there, Ok(true), "{n} was answered and is gone");
        }
        let check = read!(db, read [] => async {
            Ok::<_, store::Error>(read.one("pragma integrity_check", args![]).await?.text("integrity_check")?.to_owned())
        });
        assert_eq!(check.unwrap(), "ok");
    });
}

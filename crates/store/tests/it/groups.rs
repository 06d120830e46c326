//! Group commit on SQLite: what writes that share a commit mean for each other, and the write-ahead log.

use crate::bed::{conflict, run};
use crate::db::{note, notes};
use std::sync::{Arc, Mutex, mpsc};
use store::{Db, Error, args};

type Queued<T> = std::pin::Pin<Box<dyn Future<Output = T> + Send>>;

/// Holds the writer's thread, so that what is queued meanwhile becomes one group.
struct Held {
    release: mpsc::Sender<()>,
    done: tokio::task::JoinHandle<Result<(), Error>>,
}

impl Held {
    async fn writer(db: &Db) -> Self {
        let (release, gate) = mpsc::channel();
        let gate = Arc::new(Mutex::new(gate));
        let (started, begun) = tokio::sync::oneshot::channel();
        let mut started = Some(started);
        let db = db.clone();
        let done = tokio::spawn(async move {
            db.write("test.held", move |_| {
                if let Some(started) = started.take() {
                    started.send(()).unwrap();
                }
                let gate = Arc::clone(&gate);
                Box::pin(async move {
                    gate.lock().unwrap().recv().unwrap();
                    Ok(())
                })
            })
            .await
        });
        begun.await.unwrap();
        Self { release, done }
    }

    async fn release(self) {
        self.release.send(()).unwrap();
        self.done.await.unwrap().unwrap();
    }
}

/// Starts writes and returns when each is in the queue.
async fn queued<T: Send + 'static>(
    db: &Db,
    writes: impl IntoIterator<Item = Queued<T>>,
) -> Vec<tokio::task::JoinHandle<T>> {
    let mut handles = Vec::new();
    for mut write in writes {
        // The first poll puts it into the queue.
        let polled = std::future::poll_fn(|context| {
            std::task::Poll::Ready(match write.as_mut().poll(context) {
                std::task::Poll::Ready(value) => Some(value),
                std::task::Poll::Pending => None,
            })
        })
        .await;
        assert!(polled.is_none(), "the writer of {db:?} is not held");
        handles.push(tokio::spawn(write));
    }
    handles
}

#[test]
fn many_writes_share_a_commit() {
    crate::bed::on_sqlite(|bed| async move {
        let held = Held::writer(&bed.db).await;
        let before = bed.db.stats();
        let mut writes: Vec<Queued<_>> = Vec::new();
        for n in 0..300 {
            let db = bed.db.clone();
            writes.push(Box::pin(async move { note(&db, format!("n{n}")).await }));
        }
        let handles = queued(&bed.db, writes).await;
        held.release().await;
        for handle in handles {
            handle.await.unwrap().unwrap();
        }
        let after = bed.db.stats();
        assert_eq!(
            after.commits - before.commits,
            2,
            "one for the holder, one for the 300"
        );
        assert_eq!(after.largest_batch, 300);
        assert_eq!(notes(&bed.db).await, 300);
    });
}

#[test]
fn a_failing_write_does_not_hurt_its_neighbours() {
    crate::bed::on_sqlite(|bed| async move {
        let held = Held::writer(&bed.db).await;
        let mut writes: Vec<Queued<Result<u64, Error>>> = Vec::new();
        for name in ["a", "a", "b"] {
            let db = bed.db.clone();
            writes.push(Box::pin(async move { note(&db, name.to_owned()).await }));
        }
        let db = bed.db.clone();
        writes.push(Box::pin(async move {
            db.write("test.panics", |_| panic!("in a write")).await
        }));
        let db = bed.db.clone();
        writes.push(Box::pin(async move {
            db.write("test.waits", |tx| {
                Box::pin(async move {
                    tx.execute("insert into meta (name, value) values ('waits', 'x')", args![])
                        .await?;
                    tokio::task::yield_now().await;
                    Ok(1)
                })
            })
            .await
        }));
        let db = bed.db.clone();
        writes.push(Box::pin(async move { note(&db, "c".to_owned()).await }));
        let before = bed.db.stats();
        let mut results = Vec::new();
        let handles = queued(&bed.db, writes).await;
        held.release().await;
        for handle in handles {
            results.push(handle.await.unwrap());
        }
        assert_eq!(results[0], Ok(1));
        assert_eq!(conflict(results[1].clone()), "meta_pkey");
        assert_eq!(results[2], Ok(1));
        assert!(matches!(results[3], Err(Error::Broken(_))), "{:?}", results[3]);
        assert!(matches!(results[4], Err(Error::Broken(_))), "{:?}", results[4]);
        assert_eq!(results[5], Ok(1));
        assert_eq!(bed.db.stats().commits - before.commits, 2);
        assert_eq!(notes(&bed.db).await, 3);
    });
}

#[test]
fn a_failed_commit_is_told_to_all() {
    crate::bed::on_sqlite(|bed| async move {
        let held = Held::writer(&bed.db).await;
        let (one, two, three) = (bed.db.clone(), bed.db.clone(), bed.db.clone());
        let writes: Vec<Queued<Result<u64, Error>>> = vec![
            Box::pin(async move { note(&one, "a".to_owned()).await }),
            Box::pin(async move {
                two.write("test.late", |tx| {
                    Box::pin(async move {
                        tx.all("pragma defer_foreign_keys = on", args![]).await?;
                        let sql =
                            "insert into fair_queue (workspace, last_virtual_time) values ('nobody', 1)";
                        tx.execute(sql, args![]).await
                    })
                })
                .await
            }),
            Box::pin(async move { note(&three, "b".to_owned()).await }),
        ];
        let handles = queued(&bed.db, writes).await;
        held.release.send(()).unwrap();
        assert!(matches!(held.done.await.unwrap(), Ok(())));
        for handle in handles {
            let result = handle.await.unwrap();
            assert!(matches!(result, Err(Error::Rule { .. })), "{result:?}");
        }
        assert_eq!(notes(&bed.db).await, 0);
        // And the writer goes on.
        note(&bed.db, "a".to_owned()).await.unwrap();
    });
}

#[test]
fn a_full_queue_is_busy() {
    crate::bed::on_sqlite(|bed| async move {
        let held = Held::writer(&bed.db).await;
        let mut writes: Vec<Queued<Result<u64, Error>>> = Vec::new();
        for n in 0..4096 {
            let db = bed.db.clone();
            writes.push(Box::pin(async move { note(&db, format!("n{n}")).await }));
        }
        let handles = queued(&bed.db, writes).await;
        assert_eq!(
            note(&bed.db, "one too many".to_owned()).await.unwrap_err(),
            Error::Busy
        );
        assert_eq!(bed.db.stats().refused_busy, 1);
        held.release().await;
        for handle in handles {
            handle.await.unwrap().unwrap();
        }
        assert_eq!(bed.db.stats().largest_batch, 512);
    });
}

#[test]
fn a_long_write_ahead_log_is_copied_into_the_database() {
    crate::bed::on_sqlite(|bed| async move {
        let page = "x".repeat(500_000);
        for n in 0..20 {
            run(
                &bed.db,
                format!("insert into meta (name, value) values ('n{n}', '{page}')"),
            )
            .await;
        }
        let stats = bed.db.stats();
        assert!(
            (1..=4).contains(&stats.checkpoints),
            "{} checkpoints for 10 MB",
            stats.checkpoints
        );
        assert!(std::fs::metadata(&bed.config.sqlite_path).unwrap().len() > 4_000_000);
    });
}

#[test]
fn a_reader_does_not_keep_the_log_from_beginning_anew_for_ever() {
    crate::bed::on_sqlite(|bed| async move {
        let (release, gate) = mpsc::channel::<()>();
        let (started, begun) = tokio::sync::oneshot::channel();
        let db = bed.db.clone();
        let reader = tokio::spawn(async move {
            db.read::<(), Error, _>("test.long", move |read| {
                Box::pin(async move {
                    read.one("select count(*) as n from meta", args![]).await?;
                    started.send(()).unwrap();
                    gate.recv().unwrap();
                    Ok(())
                })
            })
            .await
        });
        begun.await.unwrap();
        let megabytes = "x".repeat(5_000_000);
        let fill = async |names: std::ops::Range<u32>| {
            for n in names {
                run(
                    &bed.db,
                    format!("insert into meta (name, value) values ('n{n}', '{megabytes}')"),
                )
                .await;
            }
        };
        let log = || {
            std::fs::metadata(bed.config.sqlite_path.with_extension("db-wal"))
                .unwrap()
                .len()
        };
        fill(0..15).await;
        assert!(log() > 64 * 1024 * 1024, "the reader needs what is in the log");
        release.send(()).unwrap();
        reader.await.unwrap().unwrap();
        fill(15..17).await;
        let before = log();
        fill(17..22).await;
        assert_eq!(log(), before, "the log is written anew from its beginning");
        assert_eq!(notes(&bed.db).await, 22);
    });
}

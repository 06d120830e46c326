//! Writes and reads themselves: groups, savepoints, failures.

use crate::bed::{Bed, NOW, at, conflict, fresh, generation, job, number};
use domain::actor::FIRST_WORKSPACE;
use std::sync::Arc;
use store::{Db, Error, args};

on_both!(
    a_probe_writes,
    statements_are_counted,
    a_failed_closure_leaves_nothing,
    a_failed_statement_spoils_even_if_ignored,
    a_closure_may_have_its_own_error,
    a_read_cannot_change,
    a_read_is_one_snapshot,
    parameters_go_by_number,
    every_kind_of_value_comes_back,
    a_conflict_names_its_rule,
    other_rules_are_told_apart,
    closed_is_closed,
);

#[derive(Debug, PartialEq)]
enum Mine {
    No,
    Store(Error),
}

impl From<Error> for Mine {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

pub async fn note(db: &Db, name: String) -> Result<u64, Error> {
    db.write("test.note", move |tx| {
        let name = name.clone();
        Box::pin(async move {
            tx.execute("insert into meta (name, value) values ($1, 'x')", args![name])
                .await
        })
    })
    .await
}

pub async fn notes(db: &Db) -> i64 {
    number(db, "select count(*) as n from meta where name <> 'probe'").await
}

async fn a_probe_writes(bed: Bed) {
    let before = bed.db.stats();
    bed.db.probe().await.unwrap();
    bed.db.probe().await.unwrap();
    let after = bed.db.stats();
    assert_eq!(after.commits - before.commits, 2);
    assert_eq!(
        number(
            &bed.db,
            "select count(*) as n from meta where name = 'probe' and value = '1'"
        )
        .await,
        1
    );
}

async fn statements_are_counted(bed: Bed) {
    let before = bed.db.stats();
    note(&bed.db, "a".to_owned()).await.unwrap();
    notes(&bed.db).await;
    let after = bed.db.stats();
    assert_eq!(
        (
            after.writes - before.writes,
            after.reads - before.reads,
            after.statements - before.statements
        ),
        (1, 1, 2)
    );
    assert_eq!(after.batches[0] - before.batches[0], 1);
}

async fn a_failed_closure_leaves_nothing(bed: Bed) {
    let result: Result<(), Mine> = bed
        .db
        .write("test.fails", |tx| {
            Box::pin(async move {
                tx.execute("insert into meta (name, value) values ('a', 'x')", args![])
                    .await?;
                Err(Mine::No)
            })
        })
        .await;
    assert_eq!(result, Err(Mine::No));
    assert_eq!(notes(&bed.db).await, 0);
}

async fn a_failed_statement_spoils_even_if_ignored(bed: Bed) {
    note(&bed.db, "a".to_owned()).await.unwrap();
    let result: Result<(), Error> = bed
        .db
        .write("test.ignores", |tx| {
            Box::pin(async move {
                tx.execute("insert into meta (name, value) values ('b', 'x')", args![])
                    .await?;
                let _ = tx
                    .execute("insert into meta (name, value) values ('a', 'x')", args![])
                    .await;
                let after = tx
                    .execute("insert into meta (name, value) values ('c', 'x')", args![])
                    .await;
                assert!(matches!(after, Err(Error::Conflict { .. })));
                Ok(())
            })
        })
        .await;
    assert_eq!(conflict(result), "meta_pkey");
    assert_eq!(notes(&bed.db).await, 1);
}

async fn a_closure_may_have_its_own_error(bed: Bed) {
    let result: Result<i64, Mine> = bed
        .db
        .read("test.read", |read| {
            Box::pin(async move {
                read.one("select count(*) as n from meta", args![]).await?;
                Err(Mine::No)
            })
        })
        .await;
    assert_eq!(result, Err(Mine::No));
    let result: Result<i64, Mine> = bed
        .db
        .read("test.read", |read| {
            Box::pin(async move {
                Ok(read
                    .one("select count(*) as n from nowhere", args![])
                    .await?
                    .int("n")?)
            })
        })
        .await;
    assert!(
        matches!(result, Err(Mine::Store(Error::Refused(_)))),
        "{result:?}"
    );
    // The connection is good for the next read.
    assert_eq!(notes(&bed.db).await, 0);
}

async fn a_read_cannot_change(bed: Bed) {
    let result: Result<Vec<store::Row>, Error> = bed
        .db
        .read("test.read", |read| {
            Box::pin(async move {
                read.all(
                    "insert into meta (name, value) values ('a', 'x') returning name",
                    args![],
                )
                .await
            })
        })
        .await;
    assert!(matches!(result, Err(Error::Refused(_))), "{result:?}");
    assert_eq!(notes(&bed.db).await, 0);
}

async fn a_read_is_one_snapshot(bed: Bed) {
    let other = bed.db.clone();
    let seen: (i64, i64) = bed
        .db
        .read("test.snapshot", move |read| {
            Box::pin(async move {
                let sql = "select count(*) as n from meta";
                let first = read.one(sql, args![]).await?.int("n")?;
                let handle = tokio::runtime::Handle::current();
                std::thread::spawn(move || handle.block_on(note(&other, "between".to_owned())))
                    .join()
                    .unwrap()?;
                let second = read.one(sql, args![]).await?.int("n")?;
                Ok::<_, Error>((first, second))
            })
        })
        .await
        .unwrap();
    assert_eq!(seen, (0, 0));
    assert_eq!(notes(&bed.db).await, 1);
}

async fn parameters_go_by_number(bed: Bed) {
    let text: String = bed
        .db
        .read("test.order", |read| {
            Box::pin(async move {
                let sql = "select cast($2 as text) || cast($1 as text) || cast($2 as text) as t";
                Ok::<_, Error>(read.one(sql, args!["a", "b"]).await?.text("t")?.to_owned())
            })
        })
        .await
        .unwrap();
    assert_eq!(text, "bab");
    let result: Result<u64, Error> = bed
        .db
        .write("test.missing", |tx| {
            Box::pin(async move {
                tx.execute("insert into meta (name, value) values ($1, $2)", args!["a"])
                    .await
            })
        })
        .await;
    assert!(result.is_err());
}

async fn every_kind_of_value_comes_back(bed: Bed) {
    let row = bed
        .db
        .read("test.values", |read| {
            Box::pin(async move {
                let sql = "select cast($1 as bigint) as i, cast($2 as text) as t, cast($3 as text) as none_there, \
                           count(*) as n from meta";
                read.one(sql, args![i64::MIN, "ação \u{1f3a8}", None::<&str>]).await
            })
        })
        .await
        .unwrap();
    assert_eq!(row.int("i").unwrap(), i64::MIN);
    assert_eq!(row.text("t").unwrap(), "ação \u{1f3a8}");
    assert_eq!(row.opt_text("none_there").unwrap(), None);
    assert!(matches!(row.text("none_there"), Err(Error::Column { .. })));
    assert!(matches!(row.text("i"), Err(Error::Column { .. })));
    assert!(matches!(row.int("absent"), Err(Error::Column { .. })));
    assert!(matches!(row.number::<u8>("i"), Err(Error::Column { .. })));
}

async fn a_conflict_names_its_rule(bed: Bed) {
    let job = job(&bed.db).await;
    let mut twin = job.clone();
    twin.id = domain::id::JobId::from_value(fresh());
    assert_eq!(
        conflict(write!(bed.db, tx [twin] => store::jobs::insert(tx, &twin))),
        "jobs_of_generation"
    );
    let mut same = crate::bed::new_job(generation(&bed.db).await, 0);
    same.id = job.id;
    assert_eq!(
        conflict(write!(bed.db, tx [same] => store::jobs::insert(tx, &same))),
        "jobs_pkey"
    );
}

async fn other_rules_are_told_apart(bed: Bed) {
    let orphan = crate::bed::new_job(domain::id::GenerationId::from_value(fresh()), 0);
    let result = write!(bed.db, tx [orphan] => store::jobs::insert(tx, &orphan));
    assert!(matches!(result, Err(Error::Rule { .. })), "{result:?}");
    let result: Result<u64, Error> = bed
        .db
        .write("test.null", |tx| {
            Box::pin(async move {
                tx.execute("insert into meta (name, value) values ('a', null)", args![])
                    .await
            })
        })
        .await;
    assert!(matches!(result, Err(Error::Rule { .. })), "{result:?}");
}

async fn closed_is_closed(bed: Bed) {
    bed.db.close().await;
    assert_eq!(bed.db.probe().await.unwrap_err(), Error::Closed);
    let read: Result<u64, Error> = bed
        .db
        .read("test.read", |read| {
            Box::pin(async move { Ok(read.all("select 1", args![]).await?.len() as u64) })
        })
        .await;
    assert_eq!(read.unwrap_err(), Error::Closed);
}

#[test]
fn an_endless_read_is_stopped() {
    crate::bed::on_sqlite(|bed| async move {
        let result: Result<store::Row, Error> = bed
            .db
            .read("test.endless", |read| {
                Box::pin(async move {
                    let sql = "with recursive up (n) as (select 1 union all select n + 1 from up) \
                               select count(*) as n from up";
                    read.one(sql, args![]).await
                })
            })
            .await;
        assert_eq!(result.unwrap_err(), Error::Timeout);
        assert_eq!(notes(&bed.db).await, 0);
    });
}

#[test]
fn a_lost_postgres_connection_rolls_back() {
    crate::bed::on_postgres(|bed| async move {
        let db = bed.db.clone();
        let (started, begun) = tokio::sync::oneshot::channel();
        let mut started = Some(started);
        let write = tokio::spawn(async move {
            db.write::<(), Error, _>("test.abandoned", move |tx| {
                let started = started.take();
                Box::pin(async move {
                    tx.execute(
                        "insert into meta (name, value) values ('abandoned', 'x')",
                        args![],
                    )
                    .await?;
                    started.unwrap().send(()).unwrap();
                    std::future::pending::<()>().await;
                    Ok(())
                })
            })
            .await
        });
        begun.await.unwrap();
        write.abort();
        assert!(write.await.unwrap_err().is_cancelled());
        // The row's lock is free again, so the same key can be written.
        note(&bed.db, "abandoned".to_owned()).await.unwrap();
        assert_eq!(notes(&bed.db).await, 1);
    });
}

#[test]
fn a_deadlock_on_postgres_is_repeated() {
    crate::bed::on_postgres(|bed| async move {
        note(&bed.db, "a".to_owned()).await.unwrap();
        note(&bed.db, "b".to_owned()).await.unwrap();
        let meet = Arc::new(tokio::sync::Barrier::new(2));
        let mut writes = Vec::new();
        for (first, second) in [("a", "b"), ("b", "a")] {
            let (db, meet) = (bed.db.clone(), Arc::clone(&meet));
            let mut run = 0;
            writes.push(tokio::spawn(async move {
                db.write("test.deadlock", move |tx| {
                    run += 1;
                    let (run, meet) = (run, Arc::clone(&meet));
                    Box::pin(async move {
                        let sql = "update meta set value = value || '+' where name = $1";
                        tx.execute(sql, args![first]).await?;
                        if run == 1 {
                            meet.wait().await;
                        }
                        tx.execute(sql, args![second]).await
                    })
                })
                .await
            }));
        }
        for write in writes {
            assert_eq!(write.await.unwrap(), Ok::<u64, Error>(1));
        }
        assert_eq!(bed.db.stats().repeats, 1);
        let sql = "select count(*) as n from meta where value = 'x++'";
        assert_eq!(number(&bed.db, sql).await, 2);
    });
}

#[test]
fn a_wrong_url_does_not_show_its_password() {
    let runtime = crate::bed::runtime();
    let open = |url: &str| {
        let config = store::Config {
            url: Some(url.to_owned()),
            sqlite_path: "unused".into(),
            read_connections: 1,
        };
        runtime.block_on(Db::open(&config)).unwrap_err()
    };
    for url in [
        "postgres://me:geheim@host:port/db",
        "postgres://me:geheim@127.0.0.1:1/db",
    ] {
        let error = open(url);
        assert!(matches!(error, Error::Unreachable(_)), "{error:?}");
        assert!(!format!("{error:?} {error}").contains("geheim"));
    }
}

#[test]
fn the_first_workspace_is_made_once() {
    crate::bed::on_sqlite(|bed| async move {
        bed.db
            .write("test.again", |tx| {
                Box::pin(store::workspaces::ensure_first(tx, at(60)))
            })
            .await
            .unwrap();
        let sql = "select created_at as n from workspaces";
        assert_eq!(number(&bed.db, sql).await, NOW.micros());
        let generation = generation(&bed.db).await;
        assert_eq!(FIRST_WORKSPACE, crate::bed::local().workspace());
        assert!(
            read!(bed.db, read [generation] => store::jobs::of_generation(read, generation))
                .unwrap()
                .is_empty()
        );
    });
}

//! A full disk: told as such, nothing half-written, and the writer goes on when there is room again.

use crate::bed::{Bed, NOW, loudly, number, run, sqlite_bed};
use std::path::Path;
use std::process::Command;
use store::{Config, Db, Error, args, migrate};

async fn fill(db: &Db, rows: usize, bytes: usize) -> Result<(), Error> {
    db.write("test.fill", move |tx| {
        Box::pin(async move {
            for n in 0..rows {
                let sql = "insert into meta (name, value) values ($1, $2)";
                tx.execute(sql, args![format!("fill-{n}"), "x".repeat(bytes)])
                    .await?;
            }
            Ok(())
        })
    })
    .await
}

async fn count(db: &Db) -> i64 {
    number(db, "select count(*) as n from meta where name like 'fill-%'").await
}

#[test]
fn a_full_database_takes_nothing_and_goes_on() {
    crate::bed::runtime().block_on(async {
        let Bed { db, .. } = &sqlite_bed().await;
        let pages = number(db, "select page_count as n from pragma_page_count").await;
        let limit = async |pages: i64| {
            db.write("test.limit", move |tx| {
                Box::pin(async move { tx.all(&format!("pragma max_page_count = {pages}"), args![]).await })
            })
            .await
            .unwrap()
        };
        limit(pages + 20).await;
        let neighbours: Vec<_> = (0..8)
            .map(|n| {
                let db = db.clone();
                tokio::spawn(async move {
                    let sql = format!("insert into meta (name, value) values ('neighbour-{n}', 'x')");
                    db.write("test.neighbour", move |tx| {
                        let sql = sql.clone();
                        Box::pin(async move { tx.execute(&sql, args![]).await })
                    })
                    .await
                })
            })
            .collect();
        assert_eq!(fill(db, 100, 4000).await, Err(Error::NoSpace));
        let mut stored = 0;
        for neighbour in neighbours {
            match neighbour.await.unwrap() {
                Ok(1) => stored += 1,
                Err(Error::NoSpace) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(count(db).await, 0);
        let kept = "select count(*) as n from meta where name like 'neighbour-%'";
        assert_eq!(number(db, kept).await, stored, "answered and there are the same");
        limit(1_000_000).await;
        assert_eq!(fill(db, 100, 4000).await, Ok(()));
        assert_eq!(count(db).await, 100);
    });
}

struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[test]
fn a_full_disk_takes_nothing_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"])
        .arg(folder.path())
        .output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        loudly("NOT TESTED ON A SMALL DISK: this user may not mount one");
        return;
    }
    let _mounted = Mounted(folder.path());
    crate::bed::runtime().block_on(async {
        let path = folder.path().join("studio.db");
        let db = Db::open(&Config {
            url: None,
            sqlite_path: path,
            read_connections: 1,
        })
        .await
        .unwrap();
        migrate::apply(&db, NOW).await.unwrap();
        let blocker = folder.path().join("blocker");
        std::fs::write(&blocker, vec![0; 700_000]).unwrap();
        assert_eq!(fill(&db, 400, 4000).await, Err(Error::NoSpace));
        assert_eq!(count(&db).await, 0);
        // Small writes until the disk is full: what was answered well is there, what was not is not.
        let mut answered = 0;
        for n in 0..2000 {
            let sql = format!(
                "insert into meta (name, value) values ('fill-{n}', '{}')",
                "x".repeat(2000)
            );
            let result = db
                .write("test.one", move |tx| {
                    let sql = sql.clone();
                    Box::pin(async move { tx.execute(&sql, args![]).await })
                })
                .await;
            match result {
                Ok(_) => answered += 1,
                Err(error) => {
                    assert_eq!(error, Error::NoSpace);
                    break;
                }
            }
        }
        assert_eq!(count(&db).await, answered);
        assert!(answered < 2000, "the disk was never full");
        std::fs::remove_file(blocker).unwrap();
        run(
            &db,
            "insert into meta (name, value) values ('fill-again', 'x')".to_owned(),
        )
        .await;
        assert_eq!(count(&db).await, answered + 1);
        db.close().await;
    });
}

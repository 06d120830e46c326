//! The schema.

use crate::bed::{Bed, at, run};
use std::collections::BTreeMap;
use store::migrate::{self, MIGRATIONS};
use store::{Db, Error, Kind, args};

on_both!(
    applying_again_changes_nothing,
    a_fresh_database_is_told_as_such,
    a_newer_schema_is_refused,
    a_changed_text_is_refused,
    several_processes_may_apply_at_once,
);

async fn applying_again_changes_nothing(bed: Bed) {
    assert_eq!(migrate::apply(&bed.db, at(5)).await.unwrap(), Vec::<&str>::new());
    let status = migrate::status(&bed.db).await.unwrap();
    assert!(status.is_current());
    let names: Vec<&str> = status.applied.iter().map(|applied| &*applied.name).collect();
    let known: Vec<&str> = MIGRATIONS.iter().map(|migration| migration.name).collect();
    assert_eq!(names, known);
    assert_eq!(status.applied[0].at, crate::bed::NOW);
    assert!(known.is_sorted());
}

async fn forget_everything(db: &Db) {
    for table in tables(db).await.into_keys() {
        match db.kind() {
            Kind::Sqlite => {}
            Kind::Postgres => drop(run(db, format!("drop table {table} cascade")).await),
        }
    }
}

async fn a_fresh_database_is_told_as_such(bed: Bed) {
    let db = match bed.db.kind() {
        Kind::Postgres => {
            forget_everything(&bed.db).await;
            bed.db.clone()
        }
        Kind::Sqlite => {
            let mut config = bed.config.clone();
            config.sqlite_path.set_extension("other");
            Db::open(&config).await.unwrap()
        }
    };
    let status = migrate::status(&db).await.unwrap();
    assert!(!status.is_current() && status.applied.is_empty());
    let plan = migrate::plan(&db).await.unwrap();
    assert_eq!(plan.len(), MIGRATIONS.len());
    assert!(plan[0].1.contains("create table generations"));
    assert_eq!(
        migrate::apply(&db, at(1)).await.unwrap(),
        ["0001_ground", "0002_identity"]
    );
    assert!(migrate::plan(&db).await.unwrap().is_empty());
}

async fn a_newer_schema_is_refused(bed: Bed) {
    let sql = "insert into schema_migrations (name, checksum, applied_at) values ('9999_later', 'x', 1)";
    run(&bed.db, sql.to_owned()).await;
    for result in [
        migrate::status(&bed.db).await.map(|_| ()),
        migrate::apply(&bed.db, at(1)).await.map(|_| ()),
    ] {
        let Err(Error::Schema(told)) = result else {
            panic!("{result:?}")
        };
        assert!(
            told.contains("9999_later") && told.contains("newer program"),
            "{told}"
        );
    }
}

async fn a_changed_text_is_refused(bed: Bed) {
    run(
        &bed.db,
        "update schema_migrations set checksum = 'other'".to_owned(),
    )
    .await;
    let result = migrate::apply(&bed.db, at(1)).await;
    let Err(Error::Schema(told)) = result else {
        panic!("{result:?}")
    };
    assert!(
        told.contains("0001_ground") && told.contains("restore a backup"),
        "{told}"
    );
}

async fn several_processes_may_apply_at_once(bed: Bed) {
    let mut config = bed.config.clone();
    config.sqlite_path.set_extension("other");
    if bed.db.kind() == Kind::Postgres {
        forget_everything(&bed.db).await;
    }
    let mut callers = Vec::new();
    for _ in 0..4 {
        let config = config.clone();
        callers.push(tokio::spawn(async move {
            let db = Db::open(&config).await.unwrap();
            migrate::apply(&db, at(1)).await.unwrap().len()
        }));
    }
    let mut applied = 0;
    for caller in callers {
        applied += caller.await.unwrap();
    }
    assert_eq!(applied, MIGRATIONS.len());
}

type Columns = BTreeMap<String, (String, bool)>;

/// Tables, their columns, and each column's kind and whether it may be null.
async fn tables(db: &Db) -> BTreeMap<String, Columns> {
    let sql = match db.kind() {
        Kind::Sqlite => {
            "select t.name as tab, c.name as col, lower(c.type) as kind, 1 - c.\"notnull\" as nullable \
             from sqlite_schema t, pragma_table_info(t.name) c where t.type = 'table' and t.name not like 'sqlite_%'"
        }
        Kind::Postgres => {
            "select cast(table_name as text) as tab, cast(column_name as text) as col, cast(data_type as text) as kind, \
             case is_nullable when 'YES' then 1 else 0 end as nullable \
             from information_schema.columns where table_schema = current_schema()"
        }
    };
    let mut found: BTreeMap<String, Columns> = BTreeMap::new();
    for row in read!(db, read [] => read.all(sql, args![])).unwrap() {
        let (table, column) = (
            row.text("tab").unwrap().to_owned(),
            row.text("col").unwrap().to_owned(),
        );
        let kind = match row.text("kind").unwrap() {
            "integer" => "bigint",
            "blob" => "bytea",
            other => other,
        };
        let nullable = row.int("nullable").unwrap() == 1;
        found
            .entry(table)
            .or_default()
            .insert(column, (kind.to_owned(), nullable));
    }
    found
}

async fn indexes(db: &Db) -> Vec<(String, String, bool)> {
    let sql = match db.kind() {
        Kind::Sqlite => {
            "select s.name as idx, s.tbl_name as tab, l.\"unique\" as uniq \
             from sqlite_schema s, pragma_index_list(s.tbl_name) l \
             where s.type = 'index' and l.name = s.name and s.sql is not null order by s.name"
        }
        Kind::Postgres => {
            "select cast(c.relname as text) as idx, cast(t.relname as text) as tab, \
             case when i.indisunique then 1 else 0 end as uniq \
             from pg_index i join pg_class c on c.oid = i.indexrelid join pg_class t on t.oid = i.indrelid \
             where c.relnamespace = current_schema()::regnamespace and not i.indisprimary order by c.relname"
        }
    };
    let rows = read!(db, read [] => read.all(sql, args![])).unwrap();
    rows.iter()
        .map(|row| {
            (
                row.text("idx").unwrap().to_owned(),
                row.text("tab").unwrap().to_owned(),
                row.int("uniq").unwrap() == 1,
            )
        })
        .collect()
}

/// Both databases have the same tables, columns, nullability and indexes.
#[test]
fn the_two_schemas_are_the_same() {
    crate::bed::on_postgres(|postgres| async move {
        let sqlite = crate::bed::sqlite_bed().await;
        let (mut ours, mut theirs) = (tables(&sqlite.db).await, tables(&postgres.db).await);
        // SQLite has no boolean: 0 and 1 stand for it.
        for tables in [&mut ours, &mut theirs] {
            for column in tables.values_mut().flat_map(BTreeMap::values_mut) {
                if column.0 == "boolean" {
                    column.0 = "bigint".to_owned();
                }
            }
        }
        assert_eq!(ours, theirs);
        assert!(ours.len() >= 18);
        assert_eq!(indexes(&sqlite.db).await, indexes(&postgres.db).await);
    });
}

/// Where no Postgres is at hand, at least the texts name the same tables, columns and indexes.
#[test]
fn the_two_texts_are_the_same() {
    let words = |kind: Kind| {
        MIGRATIONS
            .iter()
            .flat_map(|migration| migration.sql(kind).lines())
            .map(|line| {
                line.replace(" strict, without rowid", "")
                    .replace(" strict", "")
                    .replace(" integer", " bigint")
                    .replace(" blob not null", " bytea not null")
                    .replace("_sealed blob,", "_sealed bytea,")
                    .replace(" boolean", " bigint")
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(words(Kind::Sqlite), words(Kind::Postgres));
}

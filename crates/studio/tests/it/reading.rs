//! Reading changes nothing: every GET and HEAD of every route, with something and with nothing behind its
//! id, as somebody and as nobody; before and after, every row of every table is the same.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use server::ROUTES;

use crate::bed::{EMAIL, Place, small, until};
use crate::http::{Call, Stream};
use crate::people::Person;

/// Columns that say when somebody was last there, and the row that `/ready` writes to learn whether
/// writing works. They are about the asking, not about what was asked for.
const ASIDE: [(&str, &str); 3] = [
    ("sessions", "used_at"),
    ("api_keys", "used_at"),
    ("meta", "probe"),
];

fn is_aside(table: &str, what: &str) -> bool {
    ASIDE.contains(&(table, what))
}

fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        ValueRef::Blob(bytes) => data_encoding::HEXLOWER.encode(bytes),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => format!("{value:?}"),
    }
}

/// Every table with its rows.
fn tables(data: &Path) -> BTreeMap<String, Vec<String>> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let database = Connection::open_with_flags(data.join("studio.db"), flags).unwrap();
    // One view of all tables.
    database.execute_batch("begin").unwrap();
    let mut names = database
        .prepare("select name from sqlite_master where type = 'table' order by name")
        .unwrap();
    let names: Vec<String> = names
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let mut all = BTreeMap::new();
    for table in names {
        let mut select = database.prepare(&format!("select * from \"{table}\"")).unwrap();
        let columns: Vec<String> = select.column_names().map(str::to_owned).collect();
        let mut found = Vec::new();
        let mut rows = select.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            let cells: Vec<_> = columns
                .iter()
                .enumerate()
                .filter(|(_, column)| !is_aside(&table, column))
                .map(|(at, _)| text(row.get_ref(at).unwrap()))
                .collect();
            let line = cells.join("|");
            let is_aside = ASIDE
                .iter()
                .any(|(of, what)| *of == table && line.starts_with(&format!("{what}|")));
            if !is_aside {
                found.push(line);
            }
        }
        found.sort();
        all.insert(table, found);
    }
    all
}

/// The tables once nothing is written any more: what was made before is sequenced and told.
fn settled(data: &Path) -> BTreeMap<String, Vec<String>> {
    let mut last = tables(data);
    until("the end of writing", || {
        std::thread::yield_now();
        let now = tables(data);
        let is_same = now == last;
        last = now;
        let is_sequenced = last["audit_entries"].iter().all(|line| !line.ends_with("|Null"));
        (is_same && is_sequenced).then_some(())
    });
    last
}

#[test]
fn reading_changes_nothing() {
    let place = Place::new();
    let bed = place.serve();
    let ana = Person::login(&bed, EMAIL);
    let asked = ana
        .post(&bed, "/api/v1/generations", &small("um barco"))
        .expect(202);
    let generation = asked["id"].as_str().unwrap();
    let done: Value = until("the picture", || {
        let view = ana
            .get(&bed, &format!("/api/v1/generations/{generation}"))
            .expect(200);
        (view["state"] == "succeeded").then_some(view)
    });
    let asset = done["outputs"][0]["asset"].as_str().unwrap();
    let before = settled(place.data());
    assert!(before.len() > 20 && !before["generations"].is_empty());
    let mut asked = 0;
    for route in ROUTES
        .iter()
        .filter(|route| matches!(route.method, "get" | "head"))
    {
        for id in ["x", generation, asset] {
            let path: Vec<_> = route
                .path
                .split('/')
                .map(|part| if part.starts_with('{') { id } else { part })
                .collect();
            let path = path.join("/");
            for method in ["GET", "HEAD"] {
                if route.method == "head" && method == "GET" {
                    continue;
                }
                Call::new(bed.address, method, &path).send();
                if route.path == "/api/v1/events" && method == "GET" {
                    Stream::open(&ana.call(&bed, method, &path));
                } else {
                    ana.call(&bed, method, &path).send();
                }
                asked += 2;
            }
        }
    }
    assert!(asked > 200, "{asked} requests");
    let after = settled(place.data());
    for (table, rows) in &before {
        assert_eq!(rows, &after[table], "{table} was changed by reading");
    }
    // The look sees a change: the smallest act of all.
    let renamed = ana
        .call(&bed, "PATCH", "/api/v1/me")
        .json(&serde_json::json!({"locale": "en"}))
        .send();
    assert!((200..300).contains(&renamed.status), "{renamed:?}");
    assert_ne!(settled(place.data())["users"], before["users"]);
}

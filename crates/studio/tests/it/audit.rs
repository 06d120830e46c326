//! The audit log: complete, verifiable by outsiders, and unforgiving of a single changed byte.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::bed::{Bed, Ended, Place, files_below};

fn export(place: &Place) -> PathBuf {
    let folder = place.file("export");
    let out = place.run_with_data(&["audit", "export", "-o", "export"]).well();
    assert!(out.contains("key: secure-ai-studio/local+"), "{out}");
    folder
}

/// The entries of an export, in the order of the log: two bytes of length before each.
pub fn entries(folder: &Path) -> Vec<Value> {
    let mut all = Vec::new();
    for file in files_below(&folder.join("tile/entries")) {
        let bytes = fs::read(file).unwrap();
        let mut rest = bytes.as_slice();
        while let [high, low, tail @ ..] = rest {
            let (entry, after) = tail.split_at(usize::from(u16::from_be_bytes([*high, *low])));
            all.push(serde_json::from_slice(entry).unwrap());
            rest = after;
        }
    }
    all
}

/// Stops a studio and reads its log.
pub fn entries_of_place(place: &Place, bed: Bed) -> Vec<Value> {
    bed.stop();
    entries(&export(place))
}

fn verify(place: &Place, folder: &Path) -> Ended {
    place.run(&["audit", "verify", folder.to_str().unwrap()])
}

#[test]
fn every_generation_leaves_its_story() {
    let place = Place::new();
    let bed = place.serve();
    let done = bed.picture("um barco vermelho");
    let id = done["id"].as_str().unwrap().to_owned();
    assert_eq!(bed.delete(&format!("/api/v1/generations/{id}")).status, 204);
    let entries = entries_of_place(&place, bed);
    let actions: Vec<_> = entries
        .iter()
        .map(|entry| entry["action"].as_str().unwrap())
        .collect();
    assert!(
        actions.starts_with(&["setup.completed"]) || actions.starts_with(&["account.created"]),
        "{actions:?}"
    );
    assert!(
        actions.contains(&"key.created") && actions.contains(&"studio.started"),
        "{actions:?}"
    );
    let about =
        |entry: &&Value| entry["object"] == id.as_str() || entry["details"]["generation"] == id.as_str();
    let of_it: Vec<_> = entries.iter().filter(about).collect();
    let at = |action: &str| {
        let place = of_it.iter().position(|entry| entry["action"] == action);
        place.unwrap_or_else(|| panic!("{action} is missing: {of_it:?}"))
    };
    let story = [
        "generation.accepted",
        "attempt.intent",
        "attempt.answered",
        "attempt.ended",
        "asset.stored",
    ];
    let places: Vec<_> = story.map(at).to_vec();
    assert!(places[..4].windows(2).all(|pair| pair[0] < pair[1]), "{of_it:?}");
    assert!(at("asset.stored") > at("attempt.answered"), "{of_it:?}");
    assert!(at("generation.deleted") > at("asset.stored"), "{of_it:?}");
    assert_eq!(
        of_it[at("asset.stored")]["details"]["sha256"],
        done["outputs"][0]["sha256"]
    );
    for entry in &entries {
        for field in ["id", "at", "actor", "action", "object", "outcome"] {
            assert!(entry[field].is_string(), "{field}: {entry}");
        }
        assert!(!entry.to_string().contains("barco"), "{entry}");
    }
}

#[test]
fn an_export_verifies_and_one_changed_byte_does_not() {
    let place = Place::new();
    let bed = place.serve();
    bed.picture("um barco");
    bed.stop();
    let folder = export(&place);
    let count = entries(&folder).len();
    let ended = verify(&place, &folder);
    let out = ended.well();
    assert!(
        out.contains(&format!("intact: {count} entries of secure-ai-studio/local")),
        "{out}"
    );
    assert!(out.contains("compare it with one you trust"), "{out}");
    let key = fs::read_to_string(folder.join("log.vkey")).unwrap();
    let with_key = place
        .run(&["audit", "verify", "export", "--key", key.trim()])
        .well();
    assert!(
        with_key.contains("signed by the key that was given"),
        "{with_key}"
    );

    let files = files_below(&folder);
    assert_eq!(files.len(), 4, "{files:?}");
    for file in files {
        let name = file.strip_prefix(&folder).unwrap().to_str().unwrap().to_owned();
        let whole = fs::read(&file).unwrap();
        for at in [0, whole.len() / 3, whole.len() / 2, whole.len() - 2] {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(&file, &changed).unwrap();
            let ended = verify(&place, &folder);
            ended.badly(1, "audit.changed");
            let about = if name == "log.vkey" {
                "checkpoint"
            } else {
                name.as_str()
            };
            let named = ended.err.contains(about) || ended.err.contains(&name);
            assert!(named, "{name} at {at}: {}", ended.err);
        }
        fs::write(&file, &whole[..whole.len() - 1]).unwrap();
        if name != "log.vkey" {
            verify(&place, &folder).badly(1, "audit.changed");
        }
        fs::remove_file(&file).unwrap();
        let ended = verify(&place, &folder);
        ended.badly(1, "audit.changed");
        assert!(ended.err.contains(&name), "{name}: {}", ended.err);
        fs::write(&file, &whole).unwrap();
    }
    verify(&place, &folder).well();
}

#[test]
fn a_whole_forgery_needs_the_key_from_a_trusted_place_to_be_seen() {
    let (place, other) = (Place::new(), Place::new());
    for place in [&place, &other] {
        place.serve().stop();
    }
    let (ours, theirs) = (export(&place), export(&other));
    let key = fs::read_to_string(ours.join("log.vkey")).unwrap();
    let ended = place.run(&["audit", "verify", theirs.to_str().unwrap(), "--key", key.trim()]);
    ended.badly(1, "audit.changed");
    place
        .run(&["audit", "verify", "export", "--key", "nonsense"])
        .badly(2, "audit.key");
}

#[test]
fn the_live_log_verifies_and_proves_an_entry() {
    let place = Place::new();
    let bed = place.serve();
    bed.picture("um barco");
    place.run_with_data(&["audit", "verify"]).badly(4, "data.in_use");
    bed.stop();
    let out = place.run_with_data(&["audit", "verify"]).well();
    assert!(out.starts_with("intact: "), "{out}");

    let folder = export(&place);
    let entry = &entries(&folder)[1];
    let id = entry["id"].as_str().unwrap();
    let proof = place.run_with_data(&["audit", "prove", id]).well();
    let mut lines = proof.lines();
    let shown: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    assert_eq!(&shown, entry);
    assert_eq!(lines.next(), Some("c2sp.org/tlog-proof@v1"));
    assert_eq!(lines.next(), Some("index 1"));
    let checkpoint = fs::read_to_string(folder.join("checkpoint")).unwrap();
    assert!(proof.ends_with(&checkpoint), "{proof}");

    let missing = place.run_with_data(&["audit", "prove", "aud_01a204db4b9b7d578c8d38bee07331e6"]);
    missing.badly(1, "audit.failed");
    place.run_with_data(&["audit", "prove", "x"]).badly(2, "audit.id");
}

#[test]
fn a_changed_row_in_the_database_is_found() {
    let place = Place::new();
    let bed = place.serve();
    bed.picture("um barco");
    bed.stop();
    place.run_with_data(&["audit", "verify"]).well();
    let accepted = entries(&export(&place))
        .iter()
        .position(|entry| entry["action"] == "generation.accepted")
        .unwrap();
    let database = place.data().join("studio.db");
    let mut bytes = fs::read(&database).unwrap();
    // The canonical bytes of the entry, as whoever wants to deny it would change them.
    let said = b"\"action\":\"generation.accepted\"";
    let places: Vec<_> = (0..bytes.len() - said.len())
        .filter(|at| bytes[*at..].starts_with(said))
        .collect();
    assert!(
        !places.is_empty(),
        "the entry is in the database file once the studio has stopped"
    );
    for at in places {
        bytes[at + 21] = b'd';
    }
    fs::write(&database, bytes).unwrap();
    let ended = place.run_with_data(&["audit", "verify"]);
    ended.badly(1, "audit.changed");
    assert!(ended.err.contains(&format!("entry {accepted} ")), "{ended:?}");
    let exported = place.run_with_data(&["audit", "export", "-o", "again"]);
    if exported.code == Some(0) {
        verify(&place, &place.file("again")).badly(1, "audit.changed");
    }
}

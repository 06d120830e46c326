//! The whole binary on Postgres: from a prompt to a proved log. `cargo xtask test` starts the cluster.

use std::process::Command;

use crate::bed::{Place, small, variable};

/// A database of its own in the cluster, and its address.
#[expect(clippy::print_stderr, reason = "a test that is not done says so loudly")]
fn database() -> Option<String> {
    let Some(cluster) = variable("STUDIO_TEST_POSTGRES") else {
        eprintln!("NOT TESTED ON POSTGRES: STUDIO_TEST_POSTGRES is not set (cargo xtask test sets it)");
        return None;
    };
    let name = format!("studio_journey_{}", std::process::id());
    let made = Command::new("psql")
        .args([&cluster, "-qc", &format!("create database {name}")])
        .status();
    assert!(made.unwrap().success(), "psql could not make {name}");
    let (server, _) = cluster.rsplit_once('/').unwrap();
    Some(format!("{server}/{name}"))
}

#[test]
fn postgres_carries_a_generation_from_prompt_to_proof() {
    let Some(url) = database() else { return };
    let place = Place::new().with("DATABASE__URL", &url);
    let bed = place.serve();
    let id = bed.ask(&small("um barco vermelho no mar"));
    let made = bed.made(&id);
    let asset = made["outputs"][0]["asset"].as_str().unwrap();
    assert!(bed.content(asset).starts_with(b"\x89PNG"));
    bed.stop();
    let again = place.serve();
    assert_eq!(
        again.generation(&id)["state"],
        "succeeded",
        "it is there after a restart"
    );
    again.stop();
    let data = place.data().display().to_string();
    let said = place.run(&["audit", "verify", "--data", &data]).well();
    assert!(said.starts_with("intact: "), "{said}");
    assert!(!place.data().join("studio.db").exists(), "nothing is in SQLite");
}

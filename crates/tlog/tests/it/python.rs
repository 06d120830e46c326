//! A verifier in another language, with none of this crate's code, accepts exports and refuses
//! damaged ones.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::TestLog;

fn run(arguments: &[&Path]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verify_log.py");
    let output = Command::new("python3")
        .arg(script)
        .args(arguments)
        .output()
        .expect("these tests need python3 on the path");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        !errors.contains("ModuleNotFoundError"),
        "THE INDEPENDENT VERIFIER DID NOT RUN: install the Python package `cryptography` \
         (pip install cryptography, or apt-get install python3-cryptography).\n{errors}"
    );
    assert!(!errors.contains("Traceback"), "{errors}");
    output
}

fn write(folder: &Path, files: &BTreeMap<String, Vec<u8>>) {
    for (path, bytes) in files {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}

#[test]
fn it_accepts_exports() {
    for size in [0, 1, 3, 256, 257, 700] {
        let log = TestLog::of_size(size, 100);
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &log.export());
        let output = run(&[folder.path()]);
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{size}");
        assert!(said.contains(&format!("intact: {size} entries")), "{said}");
        assert!(said.contains(&log.root.to_hex()), "{said}");
    }
}

#[test]
fn it_refuses_damage_in_every_kind_of_file() {
    let log = TestLog::of_size(700, 100);
    let files = log.export();
    let chosen = [
        "checkpoint",
        "log.vkey",
        "tile/0/001",
        "tile/0/002.p/188",
        "tile/1/000.p/2",
        "tile/entries/000",
        "tile/entries/002.p/188",
    ];
    for path in chosen {
        let mut damaged = files.clone();
        let bytes = damaged.get_mut(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &damaged);
        let output = run(&[folder.path()]);
        assert_eq!(output.status.code(), Some(1), "{path}");
    }
}

#[test]
fn it_accepts_proof_files_and_refuses_another_entry() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    for (size, index) in [(1, 0), (700, 0), (700, 513), (700, 699)] {
        let log = TestLog::of_size(size, 100);
        let key = file("log.vkey", log.key().to_string().as_bytes());
        let proof = file("x.tlog-proof", log.proof_of(index).to_text().as_bytes());
        let entry = &log.entries[usize::try_from(index).unwrap()];
        let entry = file("entry", entry);
        let option = Path::new("--proof");
        assert!(run(&[option, &proof, &entry, &key]).status.success());
        let other = file("other", b"another entry");
        assert_eq!(run(&[option, &proof, &other, &key]).status.code(), Some(1));
    }
}

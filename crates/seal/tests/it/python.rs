//! A decoder in another language, with none of this crate's code, opens sealed files and refuses
//! damaged ones.

use std::io::Cursor;
use std::path::Path;
use std::process::{Command, Output};

use seal::{Context, rewrap};

use crate::support::{EDGES, OBJECT, WORKSPACE, content, key, place, sealed};

fn run(version: u32, object: &str, file: &[u8]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sealed");
    std::fs::write(&path, file).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/open_sealed.py");
    let output = Command::new("python3")
        .arg(script)
        .arg(data_encoding::HEXLOWER.encode(key(version).expose_bytes()))
        .args([WORKSPACE, object])
        .arg(path)
        .output()
        .expect("these tests need python3 on the path");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        !errors.contains("ModuleNotFoundError"),
        "THE INDEPENDENT DECODER DID NOT RUN: install the Python package `cryptography` \
         (pip install cryptography, or apt-get install python3-cryptography).\n{errors}"
    );
    assert!(!errors.contains("Traceback"), "{errors}");
    output
}

#[test]
fn it_opens_files_of_every_size() {
    for size in EDGES {
        let output = run(1, OBJECT, &sealed(&content(size)));
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert_eq!(output.stdout, content(size), "{size}");
    }
}

#[test]
fn it_opens_rewrapped_files() {
    let mut file = Cursor::new(sealed(&content(70_000)));
    let to = Context::new(WORKSPACE, "final-name").unwrap();
    rewrap(&mut file, &[&key(1)], &place(), &key(2), &to).unwrap();
    let file = file.into_inner();
    assert_eq!(run(2, "final-name", &file).stdout, content(70_000));
    assert_eq!(run(2, OBJECT, &file).status.code(), Some(1));
}

#[test]
fn it_refuses_damage() {
    let file = sealed(&content(70_000));
    for at in [30, 60, 150, 65_000, file.len() - 1] {
        let mut damaged = file.clone();
        damaged[at] ^= 1;
        assert_eq!(run(1, OBJECT, &damaged).status.code(), Some(1), "byte {at}");
    }
    assert_eq!(run(1, OBJECT, &file[..66_000]).status.code(), Some(1));
    assert_eq!(run(2, OBJECT, &file).status.code(), Some(1));
}

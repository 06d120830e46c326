//! A disk without room: refusals are clear, nothing is half-written, and it goes on once there is room.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::bed::{Bed, Place, in_ci, small, until};
use crate::media_files::png;
use crate::uploads;

/// A small file system of its own; unmounted with the test.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// None if this machine does not let the test mount; that fails a test in CI.
    fn mount(folder: PathBuf, size: &str) -> Option<Self> {
        fs::create_dir(&folder).unwrap();
        let options = format!("size={size},mode=0700");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "studio-test"])
            .arg(&folder)
            .output();
        if mounted.as_ref().is_ok_and(|output| output.status.success()) {
            return Some(Self(folder));
        }
        let told = format!("NOT TESTED: a full disk, because a tmpfs cannot be mounted here: {mounted:?}");
        assert!(!in_ci(), "{told}");
        let mut err = std::io::stderr();
        writeln!(err, "{told}").unwrap();
        None
    }

    /// Takes all room there is.
    fn fill(&self) -> PathBuf {
        let filler = self.0.join("filler");
        let mut file = fs::File::create(&filler).unwrap();
        for size in [64 * 1024, 4096, 1] {
            while file.write_all(&vec![0x55; size]).is_ok() {}
        }
        filler
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, because a process of a failed test may be on its way out.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn ids(bed: &Bed) -> Vec<String> {
    let page = bed.get("/api/v1/generations?limit=100").expect(200);
    let items = page["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| item["id"].as_str().unwrap().to_owned())
        .collect()
}

fn is_temporary(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "tmp")
}

/// Asks until one is refused; returns those that were taken. The write-ahead log may have a little room
/// left in it.
fn ask_until_refused(bed: &Bed) -> Vec<String> {
    let mut taken = Vec::new();
    for _ in 0..200 {
        let answer = bed.post("/api/v1/generations", &small("um barco"));
        if answer.status == 202 {
            taken.push(answer.json()["id"].as_str().unwrap().to_owned());
            continue;
        }
        let problem = answer.problem(507, "storage_full");
        assert!(
            problem["detail"].as_str().unwrap().contains("nothing was stored"),
            "{problem}"
        );
        assert_eq!(answer.header("retry-after"), Some("60"));
        return taken;
    }
    panic!("200 generations were taken on a full disk");
}

#[test]
fn a_full_disk_refuses_and_recovers() {
    // A worker's claim that could not be given back ends sooner with these.
    let place = Place::new()
        .with("GENERATIONS__SEND_BY_SECONDS", "1")
        .with("PROVIDERS__LUMA__CALL_TIMEOUT_MS", "1000")
        .with("PROVIDERS__LUMA_DREAM_MACHINE__CALL_TIMEOUT_MS", "1000");
    let disk = place.file("disk");
    let Some(disk) = SmallDisk::mount(disk, "24m") else {
        return;
    };
    let place = place.with_data(disk.0.join("data"));
    let mut bed = place.serve();
    let before = bed.picture("um barco vermelho");
    let upload = uploads::begin(&bed, png(200, 200).len(), "image/png");
    let blobs = place.blobs();

    let filler = disk.fill();
    let part = uploads::part(&bed, &upload, 0, &png(200, 200)).send();
    part.problem(507, "storage_full");
    assert_eq!(bed.get(&upload).expect(200)["offset"], 0);
    let taken = ask_until_refused(&bed);
    let mut known = ids(&bed);
    known.retain(|id| *id != before["id"].as_str().unwrap());
    known.sort();
    let mut expected = taken.clone();
    expected.sort();
    assert_eq!(
        known, expected,
        "what was refused left a row, or what was taken did not"
    );
    assert_eq!(place.blobs(), blobs, "a blob was half-written");
    bed.assert_alive();
    let asset = before["outputs"][0]["asset"].as_str().unwrap();
    assert!(!bed.content(asset).is_empty(), "what is there can be read");

    fs::remove_file(filler).unwrap();
    until("readiness", || (bed.get("/ready").status == 200).then_some(()));
    assert_eq!(uploads::part(&bed, &upload, 0, &png(200, 200)).send().status, 204);
    bed.picture("uma casa");
    for id in &taken {
        bed.made(id);
    }
    let left: Vec<_> = place
        .blobs()
        .into_iter()
        .filter(|path| is_temporary(path))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    bed.stop();
    let log: Value = place.run_with_data(&["audit", "verify"]).well().into();
    assert!(log.as_str().unwrap().starts_with("intact: "), "{log}");
}

//! The child itself: its limits, its death, and that neither harms the parent.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use image::ImageFormat;
use media::{Clean, MediaError, MediaWorker, limits, worker};

use crate::support::{file, shell, worker_path};

/// What the parent may grow by while a child misbehaves. Wide, because tests share the process and some
/// hold pictures of 100 MB; a parent that followed its child would pass it at once.
const ROOM_KIB: u64 = 512 * 1024;

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn the_child_lowers_its_limits_before_it_reads() {
    let mut child = Command::new(worker_path())
        // A coverage build writes its counts at the end, which the limit on files would punish.
        .env("LLVM_PROFILE_FILE", "/dev/null")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let path = format!("/proc/{}/limits", child.id());
    let wanted = [
        ("Max address space", limits::CHILD_ADDRESS_SPACE),
        ("Max cpu time", limits::CHILD_CPU_SECONDS),
        ("Max open files", limits::CHILD_OPEN_FILES),
        ("Max core file size", 0),
        ("Max file size", 0),
    ];
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let found = std::fs::read_to_string(&path).unwrap();
        let lowered = wanted.iter().all(|(name, value)| {
            let line = found.lines().find(|line| line.starts_with(name)).unwrap();
            line[name.len()..]
                .split_whitespace()
                .take(2)
                .all(|limit| limit == value.to_string())
        });
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        let nice: i32 = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .nth(16)
            .unwrap()
            .parse()
            .unwrap();
        if lowered && nice >= limits::CHILD_NICE {
            break;
        }
        assert!(Instant::now() < deadline, "nice {nice}, limits:\n{found}");
        std::thread::yield_now();
    }
    // It waits for a job; a broken one is answered, not crashed on.
    child.stdin.take().unwrap().write_all(b"not json\n").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(i32::from(worker::ANSWERED)));
}

#[tokio::test]
async fn memory_that_runs_out_ends_the_child_only() {
    // The same worker with less than the picture needs: the allocation fails and the child aborts.
    let line = format!("ulimit -v 60000; exec {}", worker_path().display());
    let mut zeros = Vec::new();
    image::ImageEncoder::write_image(
        image::codecs::png::PngEncoder::new(&mut zeros),
        &vec![0; 16_000 * 6_250],
        16_000,
        6_250,
        image::ExtendedColorType::L8,
    )
    .unwrap();
    let before = resident_kib();
    let error = shell(&line).clean(&zeros, Clean::default()).await.unwrap_err();
    assert_eq!(error, MediaError::TooMuchMemory);
    assert!(resident_kib() - before < ROOM_KIB);
}

#[tokio::test]
async fn every_way_to_fail_has_its_error() {
    let png = file(ImageFormat::Png, 4, 4);
    let failure = async |worker: MediaWorker| worker.inspect(&png).await.unwrap_err();
    let none = MediaWorker::new("/nonexistent/studio".into(), Vec::new());
    assert!(matches!(failure(none).await, MediaError::NotStarted { .. }));
    assert_eq!(
        failure(shell("kill -SEGV $$")).await,
        MediaError::Died { signal: Some(11) }
    );
    assert_eq!(failure(shell("exit 3")).await, MediaError::Died { signal: None });
    assert!(matches!(
        failure(shell("echo hello")).await,
        MediaError::Protocol { .. }
    ));
    let endless = shell("exec tail -f /dev/null").with_timeout(Duration::from_millis(300));
    assert_eq!(failure(endless).await, MediaError::TimedOut { seconds: 0 });
}

#[tokio::test]
async fn a_child_that_talks_without_end_is_stopped() {
    let png = file(ImageFormat::Png, 4, 4);
    let before = resident_kib();
    let error = shell("exec cat /dev/zero").inspect(&png).await.unwrap_err();
    assert_eq!(error, MediaError::Died { signal: Some(13) });
    let line = "echo '{\"error\":{\"kind\":\"unknown_type\"}}'; printf '\\377\\377\\377\\377\\377\\377\\0\\0'; exec cat /dev/zero";
    let error = shell(line).inspect(&png).await.unwrap_err();
    assert_eq!(
        error,
        MediaError::TooLarge {
            bytes: (1 << 48) - 1,
            limit: limits::MAX_RESULT_BYTES
        }
    );
    assert!(resident_kib() - before < ROOM_KIB);
}

#[tokio::test]
async fn the_child_sees_no_environment() {
    let png = file(ImageFormat::Png, 4, 4);
    // Exits 3 when anything beyond what the shell itself sets is there.
    let line = "test -z \"$(env | grep -v -e ^PWD= -e ^SHLVL= -e ^_= -e ^OLDPWD=)\" || exit 3; kill -TERM $$";
    let error = shell(line).inspect(&png).await.unwrap_err();
    assert_eq!(error, MediaError::Died { signal: Some(15) });
}

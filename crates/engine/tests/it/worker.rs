//! The worker as a real process: killed, cancelled, silent, lying, starved.
#![cfg(unix)]

use std::ffi::OsString;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use engine::worker::{EngineWorker, Limits};
use engine::{EngineError, Picture, Spec, Starter};
use rustix::process::{Pid, Signal, kill_process};

use super::example;

/// Long enough for a busy machine; no test waits for it.
const PATIENT: Duration = Duration::from_secs(300);

fn limits() -> Limits {
    Limits {
        start: PATIENT,
        job: PATIENT,
        cancel: PATIENT,
        idle: PATIENT,
        ..Limits::default()
    }
}

fn worker(limits: Limits) -> EngineWorker {
    EngineWorker::new(example("engine_worker"), Vec::new(), limits)
}

/// A child that is a shell script.
fn shell(script: &str, limits: Limits) -> EngineWorker {
    EngineWorker::new(
        PathBuf::from("/bin/sh"),
        vec![OsString::from("-c"), OsString::from(script)],
        limits,
    )
}

const HELLO: &str =
    r#"read begin; echo '{"report":"hello","protocol":1,"model":"m","address_space_bytes":null,"nice":0}';"#;

fn spec(steps: u32) -> Spec {
    let side = Starter::bundled().unwrap().config().image_size as u32;
    Spec {
        prompt: "um barco vermelho no mar".to_owned(),
        seed: 5,
        width: side,
        height: side,
        steps: Some(steps),
    }
}

async fn draw(worker: &EngineWorker, steps: u32) -> Result<Picture, EngineError> {
    worker.submit(spec(steps)).unwrap().picture().await
}

#[tokio::test]
async fn the_picture_is_the_one_drawn_in_this_process_and_progress_is_told() {
    let worker = worker(limits());
    let job = worker.submit(spec(2)).unwrap();
    let progress = job.progress();
    let picture = job.picture().await.unwrap();
    let last = progress.borrow().unwrap();
    assert_eq!((last.done, last.of), (3, 3));
    let here = Starter::bundled()
        .unwrap()
        .generate(&spec(2), &mut |_| ControlFlow::Continue(()))
        .unwrap();
    assert_eq!(picture, here);
    worker.shut_down().await;
}

#[tokio::test]
async fn the_child_has_limited_itself() {
    let limits = Limits {
        address_space_bytes: 3 << 30,
        ..limits()
    };
    let worker = worker(limits);
    draw(&worker, 1).await.unwrap();
    let hello = worker.state().borrow().hello.clone().unwrap();
    assert_eq!(hello.model, "studio-tiny");
    assert_eq!(hello.address_space_bytes, Some(3 << 30));
    assert!((10..=19).contains(&hello.nice));
    #[cfg(target_os = "linux")]
    {
        let pid = worker.state().borrow().pid.unwrap();
        let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let line = limits
            .lines()
            .find(|line| line.starts_with("Max address space"))
            .unwrap();
        assert_eq!(line.split_whitespace().nth(3), Some("3221225472"), "{line}");
    }
    worker.shut_down().await;
}

#[tokio::test]
async fn a_killed_child_fails_its_job_and_the_next_job_has_a_new_child() {
    let worker = worker(limits());
    let job = worker.submit(spec(100)).unwrap();
    job.progress().wait_for(Option::is_some).await.unwrap();
    let first = worker.state().borrow().pid.unwrap();
    kill_process(Pid::from_raw(first as i32).unwrap(), Signal::KILL).unwrap();
    assert_eq!(job.picture().await, Err(EngineError::WorkerDied));
    draw(&worker, 1).await.unwrap();
    let state = worker.state().borrow().clone();
    assert_eq!(state.starts, 2);
    assert_ne!(state.pid, Some(first));
    worker.shut_down().await;
}

#[tokio::test]
async fn a_child_that_died_while_idle_is_replaced_unseen() {
    let worker = worker(limits());
    draw(&worker, 1).await.unwrap();
    let pid = worker.state().borrow().pid.unwrap();
    kill_process(Pid::from_raw(pid as i32).unwrap(), Signal::KILL).unwrap();
    worker
        .state()
        .wait_for(|state| state.pid.is_none())
        .await
        .unwrap();
    draw(&worker, 1).await.unwrap();
    assert_eq!(worker.state().borrow().starts, 2);
    worker.shut_down().await;
}

#[tokio::test]
async fn a_cancelled_job_stops_between_steps_and_the_child_lives_on() {
    let worker = worker(limits());
    let job = worker.submit(spec(100)).unwrap();
    job.progress().wait_for(Option::is_some).await.unwrap();
    let progress = job.progress();
    job.canceller().cancel();
    assert_eq!(job.picture().await, Err(EngineError::Cancelled));
    assert!(progress.borrow().unwrap().done < 100);
    draw(&worker, 1).await.unwrap();
    assert_eq!(worker.state().borrow().starts, 1);
    worker.shut_down().await;
}

#[tokio::test]
async fn dropping_a_job_cancels_it() {
    let worker = worker(limits());
    let job = worker.submit(spec(100)).unwrap();
    let mut progress = job.progress();
    progress.wait_for(Option::is_some).await.unwrap();
    drop(job);
    draw(&worker, 1).await.unwrap();
    assert!(progress.borrow().unwrap().done < 100);
    assert_eq!(worker.state().borrow().starts, 1);
    worker.shut_down().await;
}

#[tokio::test]
async fn a_child_that_does_not_stop_when_asked_is_killed() {
    let limits = Limits {
        cancel: Duration::from_millis(1),
        ..limits()
    };
    let worker = shell(&format!("{HELLO} while read order; do :; done"), limits);
    let job = worker.submit(spec(1)).unwrap();
    worker
        .state()
        .wait_for(|state| state.pid.is_some())
        .await
        .unwrap();
    job.canceller().cancel();
    assert_eq!(job.picture().await, Err(EngineError::Cancelled));
    worker
        .state()
        .wait_for(|state| state.pid.is_none())
        .await
        .unwrap();
    worker.shut_down().await;
}

#[tokio::test]
async fn a_job_that_takes_too_long_is_ended() {
    let limits = Limits {
        job: Duration::from_millis(1),
        ..limits()
    };
    let worker = shell(&format!("{HELLO} while read order; do :; done"), limits);
    assert_eq!(draw(&worker, 1).await, Err(EngineError::TimedOut { seconds: 0 }));
    assert_eq!(worker.state().borrow().pid, None);
    worker.shut_down().await;
}

#[tokio::test]
async fn a_waiting_job_is_cancelled_at_once_and_a_full_queue_refuses() {
    let limits = Limits { queue: 1, ..limits() };
    let worker = shell(&format!("{HELLO} while read order; do :; done"), limits);
    let running = worker.submit(spec(1)).unwrap();
    worker
        .state()
        .wait_for(|state| state.pid.is_some())
        .await
        .unwrap();
    let waiting = worker.submit(spec(1)).unwrap();
    assert_eq!(worker.submit(spec(1)).unwrap_err(), EngineError::Busy);
    waiting.canceller().cancel();
    assert_eq!(waiting.picture().await, Err(EngineError::Cancelled));
    worker.shut_down().await;
    assert_eq!(running.picture().await, Err(EngineError::ShutDown));
    assert_eq!(worker.submit(spec(1)).unwrap_err(), EngineError::ShutDown);
}

#[tokio::test]
async fn waiting_jobs_hear_of_the_shut_down() {
    let worker = shell(&format!("{HELLO} while read order; do :; done"), limits());
    let jobs = [worker.submit(spec(1)).unwrap(), worker.submit(spec(1)).unwrap()];
    worker
        .state()
        .wait_for(|state| state.pid.is_some())
        .await
        .unwrap();
    worker.shut_down().await;
    for job in jobs {
        assert_eq!(job.picture().await, Err(EngineError::ShutDown));
    }
    assert_eq!(worker.state().borrow().pid, None);
}

#[tokio::test]
async fn an_idle_child_is_ended_and_started_again_on_demand() {
    let worker = worker(Limits {
        idle: Duration::from_millis(1),
        ..limits()
    });
    for starts in 1..=2 {
        draw(&worker, 1).await.unwrap();
        let mut state = worker.state();
        let state = state.wait_for(|state| state.pid.is_none()).await.unwrap();
        assert_eq!(state.starts, starts);
    }
    worker.shut_down().await;
}

#[tokio::test]
async fn what_is_no_report_is_refused() {
    let big = "head -c 70000 /dev/zero;";
    let picture = r#"echo '{"report":"picture","job":1,"width":9,"height":9,"bytes":99999999999}';"#;
    let other = r#"echo '{"report":"progress","job":77,"done":1,"of":2}';"#;
    for says in ["echo rubbish;", "echo '{}';", big, picture, other] {
        let worker = shell(
            &format!("PATH=/bin:/usr/bin; {HELLO} read order; {says} read order"),
            limits(),
        );
        let answer = draw(&worker, 1).await;
        assert!(
            matches!(answer, Err(EngineError::Protocol(_))),
            "{says} → {answer:?}"
        );
        assert_eq!(worker.state().borrow().pid, None);
        worker.shut_down().await;
    }
}

#[tokio::test]
async fn a_picture_that_breaks_off_is_a_death() {
    let says = r#"echo '{"report":"picture","job":1,"width":9,"height":9,"bytes":243}'; echo abc"#;
    let worker = shell(&format!("{HELLO} read order; {says}"), limits());
    assert_eq!(draw(&worker, 1).await, Err(EngineError::WorkerDied));
    worker.shut_down().await;
}

#[tokio::test]
async fn a_child_that_cannot_start_or_keeps_silent_is_reported() {
    let worker = EngineWorker::new(PathBuf::from("/nonexistent/studio"), Vec::new(), limits());
    assert!(matches!(
        draw(&worker, 1).await,
        Err(EngineError::WorkerNotStarted(_))
    ));
    worker.shut_down().await;
    let silent = shell(
        "while read order; do :; done",
        Limits {
            start: Duration::from_millis(1),
            ..limits()
        },
    );
    assert!(matches!(
        draw(&silent, 1).await,
        Err(EngineError::WorkerNotStarted(_))
    ));
    silent.shut_down().await;
    let gone = shell("exit 0", limits());
    assert_eq!(draw(&gone, 1).await, Err(EngineError::WorkerDied));
    gone.shut_down().await;
}

/// Cargo sets the first variable for tests; the child must see neither it nor anything else but its threads.
#[tokio::test]
async fn the_child_has_no_environment() {
    let worker = shell(
        &format!("test \"$CARGO_MANIFEST_DIR$HOME$RAYON_NUM_THREADS\" = 3 || exit 1; {HELLO} read order"),
        Limits {
            threads: 3,
            ..limits()
        },
    );
    // It said hello and then left: that is a death and no failed start.
    assert_eq!(draw(&worker, 1).await, Err(EngineError::WorkerDied));
    assert_eq!(worker.state().borrow().starts, 1);
    worker.shut_down().await;
}

#[tokio::test]
async fn a_child_without_memory_fails_alone() {
    let worker = worker(Limits {
        address_space_bytes: 48 << 20,
        ..limits()
    });
    let answer = draw(&worker, 1).await;
    assert!(answer.is_err(), "{answer:?}");
    worker.shut_down().await;
}

#[tokio::test]
async fn a_refusal_of_the_model_reaches_the_caller_and_the_child_lives_on() {
    let worker = worker(limits());
    let refused = Spec { width: 77, ..spec(1) };
    let answer = worker.submit(refused.clone()).unwrap().picture().await;
    assert_eq!(
        answer,
        Err(EngineError::UnsupportedSize {
            width: 77,
            height: refused.height
        })
    );
    draw(&worker, 1).await.unwrap();
    assert_eq!(worker.state().borrow().starts, 1);
    worker.shut_down().await;
}

/// The parent's death closes the pipe; the child must not outlive it.
#[test]
fn the_child_leaves_when_its_parent_is_gone() {
    let mut child = std::process::Command::new(example("engine_worker"))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdin.take());
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

//! What the kill loop stands on: the simulated providers behind a slow wire, the real binary as a process
//! that can be killed, and a client that notices when an answer does not come whole.

use crate::bed::{EMAIL, PASSWORD};
use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use testkit::chance::draw;
use testkit::sim::{Plan, Sim};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::runtime::Runtime;

/// How long a start may take before the run is given up.
const START_PATIENCE: Duration = Duration::from_secs(120);
/// How long an answer may take before the client counts it as lost.
const ANSWER_PATIENCE: Duration = Duration::from_secs(20);
/// How long the far end stays open for a sender that is gone, so that what it sent is still acted on.
const LINGER: Duration = Duration::from_secs(5);

/// Both simulated APIs behind a wire that delivers late, and also for a sender that is dead by then.
pub struct Providers {
    pub sim: Sim,
    wire: SocketAddr,
    _runtime: Runtime,
}

impl Providers {
    /// Starts them; each piece that travels is delayed by chance, by `latest` at most.
    pub fn start(plan: Plan, latest: Duration) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let seed = plan.seed;
        let sim = runtime.block_on(Sim::start(plan)).unwrap();
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let wire = listener.local_addr().unwrap();
        let far = sim.address();
        runtime.spawn(async move {
            let mut serial = 0_u64;
            while let Ok((near, _)) = listener.accept().await {
                serial += 1;
                let Ok(far) = tokio::net::TcpStream::connect(far).await else {
                    continue;
                };
                let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
                let lateness = Lateness { seed, serial, latest };
                tokio::spawn(carry(near_in, far_out, lateness, "there", LINGER));
                tokio::spawn(carry(far_in, near_out, lateness, "back", Duration::ZERO));
            }
        });
        Self {
            sim,
            wire,
            _runtime: runtime,
        }
    }

    /// Settings that lead a studio to both APIs.
    pub fn settings(&self) -> Vec<(&'static str, String)> {
        let key = || testkit::sim::KEY.to_owned();
        vec![
            (
                "STUDIO__PROVIDERS__LUMA__BASE_URL",
                format!("http://{}/v1", self.wire),
            ),
            ("STUDIO__PROVIDERS__LUMA__API_KEY", key()),
            (
                "STUDIO__PROVIDERS__LUMA_DREAM_MACHINE__BASE_URL",
                format!("http://{}/dream-machine/v1", self.wire),
            ),
            ("STUDIO__PROVIDERS__LUMA_DREAM_MACHINE__API_KEY", key()),
            ("STUDIO__OUTBOUND__ALLOW", "127.0.0.0/8".to_owned()),
        ]
    }
}

#[derive(Clone, Copy)]
struct Lateness {
    seed: u64,
    serial: u64,
    latest: Duration,
}

impl Lateness {
    /// Most pieces are nearly in time, some are late, few are very late.
    fn of(&self, direction: &str, piece: u64) -> Duration {
        let parts = [direction, &self.serial.to_string(), &piece.to_string()];
        let roll = draw(self.seed, &parts);
        let share = match roll % 10 {
            0..=6 => 2,
            7 | 8 => 40,
            _ => 100,
        };
        let most = u64::try_from(self.latest.as_micros()).unwrap_or(u64::MAX) * share / 100;
        Duration::from_micros((roll >> 8) % most.max(1))
    }
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    lateness: Lateness,
    direction: &'static str,
    linger: Duration,
) {
    let mut buffer = vec![0; 64 * 1024];
    let mut piece = 0;
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        piece += 1;
        tokio::time::sleep(lateness.of(direction, piece)).await;
        let Some(bytes) = buffer.get(..count) else { return };
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
    tokio::time::sleep(linger).await;
}

/// Where a server is asked, and the API key that it is shown.
#[derive(Clone, Debug)]
pub struct Door {
    pub port: u16,
    pub key: String,
}

/// A data directory with its settings and its fixed port; servers over it come and go.
pub struct Home {
    folder: PathBuf,
    settings: Vec<(&'static str, String)>,
    port: u16,
}

impl Home {
    /// A folder of its own and a free port, which is also the public address.
    pub fn new(folder: &Path, mut settings: Vec<(&'static str, String)>) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|free| free.local_addr())
            .unwrap()
            .port();
        let address = format!("127.0.0.1:{port}");
        settings.push(("STUDIO__SERVER__PUBLIC_URL", format!("http://{address}")));
        settings.push(("STUDIO__SERVER__LISTEN", address));
        Self {
            folder: folder.to_owned(),
            settings,
            port,
        }
    }

    /// Makes an account and a key with the commands for them, and gives the door to whoever serves here.
    pub fn door(&self) -> Door {
        let data = self.data();
        let run = |arguments: &[&str]| {
            let mut child = self
                .command(arguments)
                .arg("--data")
                .arg(&data)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            // Only one of the two reads it.
            let _ = child.stdin.take().unwrap().write_all(PASSWORD.as_bytes());
            let ended = child.wait_with_output().unwrap();
            assert!(ended.status.success(), "{arguments:?}");
            String::from_utf8(ended.stdout).unwrap().trim_end().to_owned()
        };
        run(&[
            "user",
            "create",
            "--email",
            EMAIL,
            "--role",
            "admin",
            "--password-stdin",
        ]);
        let key = run(&["key", "create", "--email", EMAIL, "--scopes", "*"]);
        Door { port: self.port, key }
    }

    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// What the servers wrote to standard error, all of them one after the other.
    pub fn log(&self) -> PathBuf {
        self.folder.join("server.log")
    }

    /// A command of the binary that sees these settings and nothing else of the environment.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_studio"));
        command
            .args(arguments)
            .env_clear()
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.folder)
            .stdin(Stdio::null());
        command
    }

    /// Starts a server.
    pub fn serve(&self) -> Server {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log())
            .unwrap();
        let data = self.data();
        let child = self
            .command(&["serve", "--data", data.to_str().unwrap()])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Server {
            child,
            door: Door {
                port: self.port,
                key: String::new(),
            },
            log: self.log(),
        }
    }
}

/// A running server; it is killed when it is dropped.
pub struct Server {
    child: Child,
    door: Door,
    log: PathBuf,
}

impl Server {
    /// Waits until it is ready.
    pub fn wait_ready(&mut self) {
        let began = Instant::now();
        while ask(&self.door, "GET", "/ready", None, None).is_none_or(|answer| answer.status != 200) {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("the server ended by itself with {status}:\n{}", tail(&self.log));
            }
            assert!(
                began.elapsed() < START_PATIENCE,
                "not ready in time:\n{}",
                tail(&self.log)
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Kills it where it stands.
    pub fn kill(mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("the server ended by itself with {status}:\n{}", tail(&self.log));
        }
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop and kills it before it is through with that, if it takes longer.
    pub fn kill_while_stopping(mut self, after: Duration) {
        self.ask_to_stop();
        std::thread::sleep(after);
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn ask_to_stop(&self) {
        let id = self.child.id().to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status().unwrap();
        assert!(told.success());
    }

    /// Asks it to stop and waits for its end.
    pub fn stop(mut self) -> ExitStatus {
        self.ask_to_stop();
        self.child.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The last lines of a log.
pub fn tail(log: &Path) -> String {
    let mut text = String::new();
    let _ = File::open(log).and_then(|mut file| file.read_to_string(&mut text));
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

/// A whole answer.
pub struct Answer {
    pub status: u16,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_default()
    }
}

/// Sends a request on a connection of its own and hangs up without reading.
pub fn send_only(
    door: &Door,
    method: &str,
    path: &str,
    key: Option<&str>,
    body: Option<&Value>,
) -> Option<TcpStream> {
    let port = door.port;
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(ANSWER_PATIENCE)).ok()?;
    let body = body.map(Value::to_string).unwrap_or_default();
    let key = key
        .map(|key| format!("Idempotency-Key: {key}\r\n"))
        .unwrap_or_default();
    let bearer = &door.key;
    let length = body.len();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n{key}Authorization: Bearer {bearer}\r\n\
         Connection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).ok()?;
    Some(stream)
}

/// Sends a request on a connection of its own. `None` when no whole answer came.
pub fn ask(door: &Door, method: &str, path: &str, key: Option<&str>, body: Option<&Value>) -> Option<Answer> {
    let mut stream = send_only(door, method, path, key, body)?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let head = head.to_ascii_lowercase();
    let length: usize = head
        .split("content-length: ")
        .nth(1)?
        .lines()
        .next()?
        .parse()
        .ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    (body.len() == length).then(|| Answer {
        status,
        text: body.to_owned(),
    })
}

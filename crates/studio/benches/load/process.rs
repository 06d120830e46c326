//! The binary as a process, and what the system says of it.

use crate::http::Client;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Name and value of a setting in the environment.
pub type Setting = (&'static str, String);

/// The account that asks, and its password.
pub const EMAIL: &str = "ana@example.org";
pub const PASSWORD: &[u8] = b"cavalo bateria grampo correto";

/// A running server; it is ended when it is dropped.
pub struct Studio {
    child: Child,
    pub port: u16,
    /// An API key of an account that may make generations.
    pub key: String,
}

/// Runs a command of the binary over a folder and gives what it printed.
fn run(binary: &Path, folder: &Path, arguments: &[&str]) -> String {
    let mut child = Command::new(binary)
        .args(arguments)
        .arg("--data")
        .arg(folder.join("data"))
        .env_clear()
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Only one of the commands reads it.
    let _ = child.stdin.take().unwrap().write_all(PASSWORD);
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success(), "{arguments:?}");
    String::from_utf8(ended.stdout).unwrap().trim_end().to_owned()
}

/// Makes an account and a key of it, before a server has the folder.
fn make_key(binary: &Path, folder: &Path) -> String {
    let user = [
        "user",
        "create",
        "--email",
        EMAIL,
        "--role",
        "user",
        "--password-stdin",
    ];
    run(binary, folder, &user);
    run(
        binary,
        folder,
        &["key", "create", "--email", EMAIL, "--scopes", "*"],
    )
}

impl Studio {
    /// Starts a server over a folder, with an account that asks, and waits until it is ready.
    pub fn start(binary: &Path, folder: &Path, settings: &[Setting]) -> Self {
        let key = make_key(binary, folder);
        Self::begin(binary, folder, settings, key)
    }

    /// The same over the folder as it is: nothing but the start.
    pub fn start_alone(binary: &Path, folder: &Path) -> Self {
        Self::begin(binary, folder, &[], String::new())
    }

    fn begin(binary: &Path, folder: &Path, settings: &[Setting], key: String) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|free| free.local_addr())
            .unwrap()
            .port();
        let child = Command::new(binary)
            .arg("serve")
            .arg("--data")
            .arg(folder.join("data"))
            .env_clear()
            .env("STUDIO__SERVER__LISTEN", format!("127.0.0.1:{port}"))
            .env("STUDIO__LOG__LEVEL", "off")
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut studio = Self { child, port, key };
        let began = Instant::now();
        let ready = |port| {
            Client::new(port, "")
                .ask("GET", "/ready", None, "")
                .is_ok_and(|(status, _)| status == 200)
        };
        while !ready(port) {
            if let Some(status) = studio.child.try_wait().unwrap() {
                panic!("the server ended by itself with {status}");
            }
            assert!(began.elapsed() < PATIENCE, "the server was not ready in time");
            std::thread::sleep(Duration::from_millis(1));
        }
        studio
    }

    /// A line of `/proc/PID/status` in MiB; nothing where the system has no such file.
    fn status(&self, name: &str) -> Option<f64> {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: f64 = line
            .trim_start_matches(':')
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .ok()?;
        Some(kib / 1024.0)
    }

    /// Memory that is resident now (MiB).
    pub fn resident(&self) -> f64 {
        self.status("VmRSS").unwrap_or(f64::NAN)
    }

    /// The most memory that was resident (MiB).
    pub fn peak(&self) -> f64 {
        self.status("VmHWM").unwrap_or(f64::NAN)
    }

    /// Asks it to stop and waits for its end.
    pub fn stop(mut self) {
        let _ = Command::new("kill")
            .args(["-TERM", &self.child.id().to_string()])
            .status();
        let _ = self.child.wait();
    }
}

impl Drop for Studio {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

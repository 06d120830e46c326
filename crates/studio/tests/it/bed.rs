//! The bed of the tests that look from outside: the real binary as a child process, in a folder of its
//! own, on a free port of the loopback address. Nothing of the library is used but its words.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::events::Listener;
use crate::http::{Answer, Call};

/// The administrator of every place.
pub const EMAIL: &str = "ana@example.org";
/// Their password.
pub const PASSWORD: &str = "cavalo bateria grampo correto";

/// How long a condition may take to come true on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// Looks until there is something to see.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "{what}: not within {PATIENCE:?}");
        thread::sleep(LOOK_EVERY);
    }
}

/// A variable of the environment that the tests run in.
#[expect(
    clippy::disallowed_methods,
    reason = "tests ask whether they run in CI, and hand on where coverage goes"
)]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Whether something that the machine lacks fails a test instead of leaving it out.
pub fn in_ci() -> bool {
    variable("CI").is_some_and(|value| value == "true" || value == "1")
}

/// A folder for one test: data directory, files, logs; and the variables that its processes see.
pub struct Place {
    root: TempDir,
    data: PathBuf,
    variables: Vec<(String, String)>,
    key: OnceLock<String>,
}

impl Place {
    pub fn new() -> Self {
        let root = TempDir::new().unwrap();
        let data = root.path().join("data");
        Self {
            root,
            data,
            variables: Vec::new(),
            key: OnceLock::new(),
        }
    }

    /// The same with a setting, such as `LOG__LEVEL`.
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.variables.push((format!("STUDIO__{key}"), value.to_owned()));
        self
    }

    /// The same with its data elsewhere.
    pub fn with_data(mut self, data: PathBuf) -> Self {
        self.data = data;
        self
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The binary, to be run in the folder with nothing else in its environment.
    pub fn studio<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_studio"));
        command
            .args(arguments)
            .current_dir(self.root.path())
            .stdin(Stdio::null())
            .env_clear()
            .envs(self.variables.iter().map(|(key, value)| (key, value)));
        if let Some(place) = variable("LLVM_PROFILE_FILE") {
            command.env("LLVM_PROFILE_FILE", place);
        }
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        Ended::from(self.studio(arguments).output().unwrap())
    }

    /// Runs a command with `--data` of this place.
    pub fn run_with_data(&self, arguments: &[&str]) -> Ended {
        let mut command = self.studio(arguments);
        command.arg("--data").arg(&self.data);
        Ended::from(command.output().unwrap())
    }

    /// Makes an account with the command for it.
    pub fn make_account(&self, email: &str, role: &str) {
        let mut child = self
            .studio(["user", "create", "--email", email, "--role", role])
            .args(["--password-stdin", "--data"])
            .arg(&self.data)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // It may refuse before it has read the password; then its words tell why.
        let _ = stdin.write_all(PASSWORD.as_bytes());
        drop(stdin);
        Ended::from(child.wait_with_output().unwrap()).well();
    }

    /// Makes an API key with the command for it.
    pub fn make_key(&self, email: &str, scopes: &str) -> String {
        let said = self.run_with_data(&["key", "create", "--email", email, "--scopes", scopes]);
        said.well().trim_end().to_owned()
    }

    /// The key of the administrator, made with their account when it is first needed.
    pub fn key(&self) -> &str {
        self.key.get_or_init(|| {
            self.make_account(EMAIL, "admin");
            self.make_key(EMAIL, "*")
        })
    }

    /// Serves, and returns once it says where. Requests are made as the administrator.
    pub fn serve(&self) -> Bed {
        let key = self.key().to_owned();
        self.serve_as(Some(key))
    }

    /// The same where nobody has an account.
    pub fn serve_to_nobody(&self) -> Bed {
        self.serve_as(None)
    }

    fn serve_as(&self, key: Option<String>) -> Bed {
        let log_path = self.file("stderr.log");
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log_path)
            .unwrap();
        let mut child = self
            .studio(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(&self.data)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let out = child.stdout.take().unwrap();
        let mut bed = Bed {
            child,
            // Replaced as soon as the process has said where it listens.
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            log: log_path,
            key,
        };
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                // Nobody waits for the lines after the first.
                let _ = sender.send(line);
            }
        });
        let first = lines
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|error| panic!("{error}: {}", bed.log()));
        assert!(first.starts_with("Secure AI Studio on http"), "{first}");
        // The address that it listens at stands last.
        let digits = first
            .rsplit(|c: char| !c.is_ascii_digit())
            .find(|word| !word.is_empty());
        let port = digits.and_then(|digits| digits.parse().ok());
        bed.address.set_port(port.unwrap_or_else(|| panic!("{first}")));
        bed
    }

    /// Every file below the data directory.
    pub fn data_files(&self) -> Vec<PathBuf> {
        files_below(&self.data)
    }

    /// Sealed media: every file below `blobs`.
    pub fn blobs(&self) -> Vec<PathBuf> {
        files_below(&self.data.join("blobs"))
    }
}

/// Every file below a folder, in order.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        // A file or folder that goes away while being looked at is not there.
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    files
}

/// A command that ran to its end.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Ended {
    /// What it printed, having ended well.
    pub fn well(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.out
    }

    /// Ended with this exit code and one line with this id on standard error.
    pub fn badly(&self, code: i32, id: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        let last = self.err.lines().last().unwrap_or_default();
        assert!(
            last.starts_with("studio: ") && last.ends_with(&format!("[{id}]")),
            "{self:?}"
        );
    }
}

/// A serving process. Ends with the test, however the test ends.
pub struct Bed {
    child: Child,
    pub address: SocketAddr,
    log: PathBuf,
    key: Option<String>,
}

impl Bed {
    /// A request of the administrator; of nobody where nobody has an account.
    pub fn call(&self, method: &str, path: &str) -> Call {
        let call = Call::new(self.address, method, path);
        match &self.key {
            Some(key) => call.bearer(key),
            None => call,
        }
    }

    pub fn get(&self, path: &str) -> Answer {
        self.call("GET", path).send()
    }

    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.call("POST", path).json(body).send()
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.call("DELETE", path).send()
    }

    /// Asks for a generation and returns its id.
    pub fn ask(&self, body: &Value) -> String {
        let answer = self.post("/api/v1/generations", body).expect(202);
        answer["id"].as_str().unwrap().to_owned()
    }

    pub fn generation(&self, id: &str) -> Value {
        self.get(&format!("/api/v1/generations/{id}")).expect(200)
    }

    /// Waits for the end of a generation.
    pub fn ended(&self, id: &str) -> Value {
        Listener::after(self, 0).until_ended(id);
        self.generation(id)
    }

    /// Waits for a generation and returns it, having succeeded.
    pub fn made(&self, id: &str) -> Value {
        let end = self.ended(id);
        assert_eq!(end["state"], "succeeded", "{end}\n{}", self.log());
        end
    }

    /// Makes the small picture of a prompt.
    pub fn picture(&self, prompt: &str) -> Value {
        self.made(&self.ask(&small(prompt)))
    }

    pub fn content(&self, asset: &str) -> Vec<u8> {
        let answer = self.get(&format!("/api/v1/assets/{asset}/content"));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Still the same process, and answering.
    pub fn assert_alive(&mut self) {
        assert!(self.is_alive(), "{}", self.log());
        assert_eq!(self.get("/live").status, 200);
    }

    /// Everything it wrote on standard error.
    pub fn log(&self) -> String {
        let mut text = Vec::new();
        File::open(&self.log).unwrap().read_to_end(&mut text).unwrap();
        String::from_utf8_lossy(&text).into_owned()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until nothing listens at its address any more.
    pub fn wait_deaf(&self) {
        until("the end of listening", || {
            TcpStream::connect(self.address).is_err().then_some(())
        });
    }

    pub fn wait(&mut self) -> ExitStatus {
        until("the end of the process", || self.child.try_wait().unwrap())
    }

    /// Ends it as an operator would, and well.
    pub fn stop(mut self) {
        self.signal(Signal::TERM);
        let status = self.wait();
        assert_eq!(status.code(), Some(0), "{}", self.log());
    }

    /// Ends it as a power cut would.
    pub fn cut(mut self) {
        self.child.kill().unwrap();
        self.wait();
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A request for the smallest picture.
pub fn small(prompt: &str) -> Value {
    json!({"kind": "image", "prompt": prompt, "size": "128x128", "seed": 1})
}

/// Pictures of a slow request.
pub const SLOW_COUNT: usize = 4;

/// A request that takes a while, on a fast machine too: enough to act while it runs.
pub fn slow(prompt: &str) -> Value {
    json!({"kind": "image", "prompt": prompt, "size": "512x512", "seed": 2, "count": SLOW_COUNT})
}

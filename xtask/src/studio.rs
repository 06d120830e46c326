//! A studio that runs for the length of a check: its own folder, its own port.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Child;
use std::thread::sleep;
use std::time::Duration;

use crate::Failure;
use crate::postgres::free_port;
use crate::run::{Cmd, target};

/// Who is signed in where a check needs somebody: an administrator of the studio that runs for it.
pub(crate) const EMAIL: &str = "ana@example.org";
/// Their password. It opens nothing but that studio, which is gone after the check.
pub(crate) const PASSWORD: &str = "cavalo bateria grampo correto";

/// A running `studio serve`.
pub(crate) struct Studio {
    port: u16,
    data: PathBuf,
    child: Child,
}

/// How long it may take to be ready, in steps of a tenth of a second.
const PATIENCE: u32 = 600;

impl Studio {
    /// Starts the binary that the tests built, over a folder with an administrator.
    ///
    /// # Errors
    /// When it is not there or does not become ready.
    pub(crate) fn start() -> Result<Self, Failure> {
        let binary = target().join("debug/studio");
        let data = std::env::temp_dir().join(format!("studio-browser-{}", std::process::id()));
        let port = free_port()?;
        Cmd::new(&binary)
            .args(["user", "create", "--email", EMAIL, "--role", "admin"])
            .args(["--password-stdin", "--data"])
            .arg(&data)
            .fed(PASSWORD)?;
        let child = Cmd::new(binary)
            .arg("serve")
            .arg("--data")
            .arg(&data)
            .env("STUDIO__SERVER__LISTEN", format!("127.0.0.1:{port}"))
            .env("STUDIO__LOG__LEVEL", "warn")
            .start()?;
        let mut studio = Self { port, data, child };
        for _ in 0..PATIENCE {
            if studio.is_ready() {
                return Ok(studio);
            }
            if let Ok(Some(status)) = studio.child.try_wait() {
                return Err(format!("studio serve ended with {status}"));
            }
            sleep(Duration::from_millis(100));
        }
        Err("studio serve was not ready within 60 s".to_owned())
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        // Passkeys need a name; an address is none.
        format!("http://localhost:{}", self.port)
    }

    fn is_ready(&self) -> bool {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
            stream.set_read_timeout(Some(Duration::from_secs(2)))?;
            stream.write_all(b"GET /ready HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        ask().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
    }
}

impl Drop for Studio {
    fn drop(&mut self) {
        let _ = Cmd::new("kill").arg(self.child.id().to_string()).quiet();
        for _ in 0..100 {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                break;
            }
            sleep(Duration::from_millis(100));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

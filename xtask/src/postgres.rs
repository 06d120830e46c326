//! A Postgres cluster of our own for one run: a temporary folder, a free loopback port, stopped and
//! removed at the end.

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{DirBuilderExt, chown};
use std::path::PathBuf;
use std::process::Child;
use std::thread::sleep;
use std::time::Duration;

use crate::Failure;
use crate::install::{debian, find_program, is_root};
use crate::run::Cmd;

/// A running cluster.
pub(crate) struct Postgres {
    folder: PathBuf,
    user: Option<(u32, u32)>,
    port: u16,
    child: Child,
}

/// How long a cluster may take to answer, in steps of a tenth of a second.
const PATIENCE: u32 = 300;

impl Postgres {
    /// Makes and starts one.
    ///
    /// # Errors
    /// When Postgres is not there and cannot be installed, or does not start.
    pub(crate) fn start() -> Result<Self, Failure> {
        debian(&[("initdb", "postgresql"), ("postgres", "postgresql")])?;
        // Postgres refuses to run as root.
        let user = if is_root() {
            Some(unprivileged_user()?)
        } else {
            None
        };
        let folder = std::env::temp_dir().join(format!("studio-postgres-{}", std::process::id()));
        let make = |error: std::io::Error| format!("{}: {error}", folder.display());
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .map_err(make)?;
        if let Some((uid, gid)) = user {
            chown(&folder, Some(uid), Some(gid)).map_err(make)?;
        }
        let data = folder.join("data");
        let (text, good) = program("initdb")?
            .arg("--pgdata")
            .arg(&data)
            .args([
                "--username",
                "studio",
                "--auth",
                "trust",
                "--encoding",
                "UTF8",
                "--locale",
                "C",
                "--no-sync",
            ])
            .user(user)
            .folder(&folder)
            .quiet()?;
        if !good {
            let _ = std::fs::remove_dir_all(&folder);
            return Err(format!("initdb failed: {text}"));
        }
        let port = free_port()?;
        // The cluster lives for one run: nothing needs to survive a power cut.
        let child = program("postgres")?
            .arg("-D")
            .arg(&data)
            .args([
                "-p",
                &port.to_string(),
                "-h",
                "127.0.0.1",
                "-c",
                "fsync=off",
                "-c",
                "max_connections=200",
            ])
            .args(["-c", "log_min_messages=fatal", "-c", "autovacuum=off", "-k"])
            .arg(&folder)
            .user(user)
            .folder(&folder)
            .start()?;
        let cluster = Self {
            folder,
            user,
            port,
            child,
        };
        cluster.wait()?;
        Ok(cluster)
    }

    /// The address for `STUDIO_TEST_POSTGRES`.
    pub(crate) fn url(&self) -> String {
        format!("postgres://studio@127.0.0.1:{}/postgres", self.port)
    }

    fn wait(&self) -> Result<(), Failure> {
        for _ in 0..PATIENCE {
            let ready = program("pg_isready").and_then(|ask| {
                ask.args([
                    "--host",
                    "127.0.0.1",
                    "--port",
                    &self.port.to_string(),
                    "--username",
                    "studio",
                    "--quiet",
                ])
                .quiet()
            });
            let answers = match ready {
                Ok((_, good)) => good,
                // A client package may be absent: an open port is enough.
                Err(_) => TcpStream::connect(("127.0.0.1", self.port)).is_ok(),
            };
            if answers {
                return Ok(());
            }
            sleep(Duration::from_millis(100));
        }
        Err("the temporary Postgres did not answer within 30 s".to_owned())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let stopped = program("pg_ctl").and_then(|stop| {
            stop.args(["stop", "--mode", "immediate", "--pgdata"])
                .arg(self.folder.join("data"))
                .user(self.user)
                .folder(&self.folder)
                .quiet()
        });
        if !matches!(stopped, Ok((_, true))) {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn program(name: &str) -> Result<Cmd, Failure> {
    find_program(name)
        .map(Cmd::new)
        .ok_or_else(|| format!("{name} is not installed"))
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> Result<u16, Failure> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(|error| format!("no free port: {error}"))?;
    listener
        .local_addr()
        .map(|address| address.port())
        .map_err(|error| error.to_string())
}

/// User and group of `postgres`, else of `nobody`.
fn unprivileged_user() -> Result<(u32, u32), Failure> {
    let users = std::fs::read_to_string("/etc/passwd").map_err(|error| format!("/etc/passwd: {error}"))?;
    let find = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    find("postgres")
        .or_else(|| find("nobody"))
        .ok_or_else(|| "there is no user postgres and no user nobody".to_owned())
}

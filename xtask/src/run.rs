//! Runs programs, showing what is run.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Done, Failure};

/// Root of the repository.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Where builds go.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Whether a stage that cannot be done must fail: on build machines `CI=true` is set.
pub(crate) fn must_be_complete() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}

/// A program with its arguments.
pub(crate) struct Cmd {
    command: Command,
    shown: String,
}

/// `cargo` with these arguments, run in the root of the repository.
pub(crate) fn cargo<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Cmd {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    Cmd::new(cargo).args(arguments)
}

impl Cmd {
    /// A program, found on the path or given by its own.
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        let program = program.as_ref();
        let mut command = Command::new(program);
        command.current_dir(root());
        let name = Path::new(program).file_name().unwrap_or(program);
        Self {
            command,
            shown: name.to_string_lossy().into_owned(),
        }
    }

    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        let argument = argument.as_ref();
        self.shown.push(' ');
        self.shown.push_str(&argument.to_string_lossy());
        self.command.arg(argument);
        self
    }

    pub(crate) fn args<A: AsRef<OsStr>>(self, arguments: impl IntoIterator<Item = A>) -> Self {
        arguments.into_iter().fold(self, Self::arg)
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        let value = value.as_ref();
        self.shown = format!("{name}={} {}", value.to_string_lossy(), self.shown);
        self.command.env(name, value);
        self
    }

    /// Finds programs in these folders before those of the machine.
    pub(crate) fn first_on_path(self, folders: &[PathBuf]) -> Self {
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        let all = folders.iter().cloned().chain(std::env::split_paths(&inherited));
        let joined = std::env::join_paths(all).unwrap_or(inherited.clone());
        self.env("PATH", joined)
    }

    pub(crate) fn folder(mut self, folder: impl AsRef<Path>) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Runs as this user; only root can ask for it.
    pub(crate) fn user(mut self, user: Option<(u32, u32)>) -> Self {
        if let Some((uid, gid)) = user {
            self.command.uid(uid).gid(gid);
        }
        self
    }

    /// Runs to the end with output shown; anything but success is a failure.
    pub(crate) fn run(mut self) -> Done {
        println!("$ {}", self.shown);
        let status = self
            .command
            .status()
            .map_err(|error| format!("{}: {error}", self.shown))?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("`{}` ended with {status}", self.shown))
        }
    }

    /// Runs to the end, showing every line as it comes; gives back the lines and whether it succeeded.
    pub(crate) fn watch(mut self) -> Result<(Vec<String>, bool), Failure> {
        println!("$ {}", self.shown);
        let start = |error| format!("{}: {error}", self.shown);
        let mut child = self.command.stdout(Stdio::piped()).spawn().map_err(start)?;
        let mut lines = Vec::new();
        if let Some(out) = child.stdout.take() {
            for line in BufReader::new(out).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                let _ = writeln!(std::io::stdout(), "{line}");
                lines.push(line);
            }
        }
        let status = child.wait().map_err(start)?;
        Ok((lines, status.success()))
    }

    /// Runs to the end without showing its output, which comes back with standard error behind it.
    pub(crate) fn quiet(mut self) -> Result<(String, bool), Failure> {
        let output = self
            .command
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("{}: {error}", self.shown))?;
        let text = [output.stdout, output.stderr].concat();
        Ok((
            String::from_utf8_lossy(&text).into_owned(),
            output.status.success(),
        ))
    }

    /// Runs to the end with this on standard input; anything but success is a failure with its words.
    pub(crate) fn fed(mut self, input: &str) -> Done {
        let start = |error| format!("{}: {error}", self.shown);
        let mut child = self
            .command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(start)?;
        if let Some(mut stdin) = child.stdin.take() {
            // It may end before it has read everything; its words tell why.
            let _ = stdin.write_all(input.as_bytes());
        }
        let output = child.wait_with_output().map_err(start)?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(format!("`{}` ended with {}: {said}", self.shown, output.status))
    }

    /// Runs to the end and gives back what it wrote to standard output.
    pub(crate) fn stdout(mut self) -> Result<Vec<u8>, Failure> {
        let output = self
            .command
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("{}: {error}", self.shown))?;
        if output.status.success() {
            Ok(output.stdout)
        } else {
            Err(format!(
                "`{}` failed: {}",
                self.shown,
                String::from_utf8_lossy(&output.stderr).trim()
            ))
        }
    }

    /// Starts it and does not wait.
    pub(crate) fn start(mut self) -> Result<std::process::Child, Failure> {
        println!("$ {} &", self.shown);
        self.command
            .stdin(Stdio::null())
            .spawn()
            .map_err(|error| format!("{}: {error}", self.shown))
    }

    /// Puts it in the place of this process, so that signals reach it directly.
    pub(crate) fn replace(mut self) -> Done {
        println!("$ {}", self.shown);
        let error = self.command.exec();
        Err(format!("{}: {error}", self.shown))
    }
}

/// The program of this name on the path.
pub(crate) fn which(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// The number after `flag`, or a default.
pub(crate) fn number_flag(arguments: &[String], flag: &str, default: u64) -> Result<String, Failure> {
    let text = match arguments {
        [] => return Ok(default.to_string()),
        [name, value] if name == flag => value,
        [one] if one.starts_with(&format!("{flag}=")) => &one[flag.len() + 1..],
        _ => return Err(format!("only {flag} N is understood")),
    };
    text.parse::<u64>()
        .map(|number| number.to_string())
        .map_err(|_| format!("{flag} takes a whole number"))
}

#[cfg(test)]
mod tests {
    use super::number_flag;

    #[test]
    fn a_number_is_read_in_both_spellings() {
        let read = |arguments: &[&str]| {
            let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
            number_flag(&arguments, "--seeds", 7)
        };
        assert_eq!(read(&[]).as_deref(), Ok("7"));
        assert_eq!(read(&["--seeds", "12"]).as_deref(), Ok("12"));
        assert_eq!(read(&["--seeds=12"]).as_deref(), Ok("12"));
        assert!(read(&["--seeds", "x"]).is_err() && read(&["12"]).is_err());
    }
}

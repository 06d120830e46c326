//! `studio generate --server`: the same from another studio.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use app::clock::random;
use bytes::Bytes;
use providers::{AnotherStudio, AnotherStudioError};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::generate::{Command, file_name, role_and_file};
use super::written;
use crate::failure::{Exit, Failure};

/// How often the other studio is asked how far it is.
const EVERY: Duration = Duration::from_millis(500);

pub(super) async fn run(
    command: &Command,
    address: &str,
    key: Option<SecretString>,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let studio = AnotherStudio::at(address, key).map_err(|error| told(&error))?;
    let mut references = Vec::new();
    for text in &command.references {
        let (role, file) = role_and_file(text, command.kind);
        let bytes = tokio::fs::read(file).await.map_err(|error| {
            let what = format!("{file} cannot be read: {error}");
            Failure::new(Exit::Usage, "generate.reference", what, "check --ref")
        })?;
        let asset = studio
            .upload(Bytes::from(bytes))
            .await
            .map_err(|error| told(&error))?;
        references.push(json!({"asset": asset, "role": role}));
    }
    let key = data_encoding::HEXLOWER.encode(&random::<16>());
    let mut view = studio
        .generate(&body(command, references), &key)
        .await
        .map_err(|error| told(&error))?;
    let id = view["id"].as_str().unwrap_or_default().to_owned();
    while matches!(view["state"].as_str(), Some("queued" | "running")) {
        say(&view, command.json, out)?;
        tokio::time::sleep(EVERY).await;
        view = studio.generation(&id).await.map_err(|error| told(&error))?;
    }
    say(&view, command.json, out)?;
    let mut files = Vec::new();
    let outputs = view["outputs"].as_array().cloned().unwrap_or_default();
    for (place, output) in outputs.iter().enumerate() {
        let text = |key: &str| output[key].as_str().unwrap_or_default();
        let bytes = studio
            .content(text("asset"))
            .await
            .map_err(|error| told(&error))?;
        let path = file_name(command.output.as_deref(), place, text("media_type"), &id);
        tokio::fs::write(&path, bytes).await.map_err(|error| {
            let what = format!("{} cannot be written: {error}", path.display());
            Failure::new(
                Exit::Unavailable,
                "generate.output",
                what,
                "choose another place with -o",
            )
        })?;
        files.push(path);
    }
    report(&view, &files, command.json, out)?;
    end(&view)
}

fn body(command: &Command, references: Vec<Value>) -> Value {
    let mut body = json!({"kind": command.kind, "prompt": command.prompt, "count": command.count});
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            body[key] = value;
        }
    };
    set("model", command.model.clone().map(Value::from));
    set("provider", command.provider.clone().map(Value::from));
    set("operation", command.operation.map(|v| json!(v)));
    set(
        "size",
        command
            .size
            .map(|(width, height)| json!(format!("{width}x{height}"))),
    );
    set("aspect", command.aspect.map(|v| json!(v)));
    set("resolution", command.resolution.map(|v| json!(v)));
    set("seconds", command.seconds.map(Value::from));
    set("seed", command.seed.map(Value::from));
    set("purpose", command.purpose.map(|v| json!(v)));
    set(
        "references",
        (!references.is_empty()).then_some(Value::from(references)),
    );
    body
}

fn say(view: &Value, json: bool, out: &mut impl Write) -> Result<(), Failure> {
    if json {
        let line = json!({"id": view["id"], "state": view["state"], "progress": view["progress"]});
        return written(writeln!(out, "{line}"));
    }
    if std::io::stderr().is_terminal() {
        let state = view["state"].as_str().unwrap_or_default();
        let percent = view["progress"]["percent"]
            .as_u64()
            .map_or(String::new(), |p| format!(" {p} %"));
        return written(write!(std::io::stderr(), "\r\x1b[K{state}{percent}"));
    }
    Ok(())
}

/// Tells the end in the same form as a generation of this process.
fn report(view: &Value, files: &[PathBuf], json: bool, out: &mut impl Write) -> Result<(), Failure> {
    let notes = view["notes"].as_array().cloned().unwrap_or_default();
    let words = |note: &Value| note["words"].as_array().cloned().unwrap_or_default();
    if json {
        let engine = &view["engine"];
        let line = json!({
            "id": view["id"],
            "state": view["state"],
            "demo": view["demo"],
            "engine": {"provider": engine["provider"], "model": engine["model"]},
            "files": files,
            "notes": notes.iter().map(|n| json!({"code": n["code"], "words": words(n)})).collect::<Vec<_>>(),
            "error": view["error"],
        });
        return written(writeln!(out, "{line}"));
    }
    if std::io::stderr().is_terminal() {
        written(write!(std::io::stderr(), "\r\x1b[K"))?;
    }
    for file in files {
        written(writeln!(out, "{}", file.display()))?;
    }
    for note in &notes {
        let said: Vec<_> = words(note)
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect();
        let said = if said.is_empty() {
            String::new()
        } else {
            format!(" ({})", said.join(", "))
        };
        let detail = note["detail"].as_str().unwrap_or_default();
        written(writeln!(std::io::stderr(), "studio: note: {detail}{said}"))?;
    }
    Ok(())
}

fn end(view: &Value) -> Result<(), Failure> {
    let state = view["state"].as_str().unwrap_or_default();
    if state == "succeeded" {
        return Ok(());
    }
    let exit = match state {
        "blocked" => Exit::Refused,
        "expired" | "needs_attention" => Exit::Unavailable,
        _ => Exit::No,
    };
    let detail = view["error"]["detail"].as_str().unwrap_or("it failed");
    Err(Failure::new(
        exit,
        "generation.not_made",
        format!("{state}: {detail}"),
        "see the generation in the studio",
    ))
}

fn told(error: &AnotherStudioError) -> Failure {
    let (exit, advice) = match error {
        AnotherStudioError::Address(_) => (Exit::Usage, "correct --server"),
        AnotherStudioError::Unreachable(_) | AnotherStudioError::Unreadable => {
            (Exit::Unavailable, "check --server and that the studio runs")
        }
        AnotherStudioError::Unprotected => (Exit::Usage, "write https:// in --server"),
        AnotherStudioError::Problem { status: 401, .. } => (
            Exit::NotConfigured,
            "set STUDIO__CLIENT__API_KEY to a key of that studio (`studio key create`, or its page)",
        ),
        AnotherStudioError::Problem { code, .. } if code == "not_permitted" => {
            (Exit::Refused, "use a key that has it, or ask an administrator")
        }
        AnotherStudioError::Problem { status: 403, .. } => (Exit::Refused, "see docs: the gate"),
        AnotherStudioError::Problem { status: 409, .. } => (Exit::NotConfigured, "see `studio models list`"),
        AnotherStudioError::Problem { code, .. } if code == "prompt_refused" => {
            (Exit::Refused, "change the prompt")
        }
        AnotherStudioError::Problem {
            status: 400..=499, ..
        } => (Exit::Usage, "correct the request"),
        AnotherStudioError::Problem { .. } => (Exit::Unavailable, "try again later"),
    };
    let id = match error {
        AnotherStudioError::Problem { code, .. } if code == "prompt_refused" => "prompt_refused",
        _ => "generate.server",
    };
    Failure::new(exit, id, error.to_string(), advice)
}

//! `studio generate --server`: the same from another studio.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use app::clock::random;
use bytes::Bytes;
use providers::{AnotherStudio, AnotherStudioError};
use serde_json::{Value, json};

use super::generate::{Command, file_name, role_and_file};
use super::written;
use crate::failure::{Exit, Failure};

/// How often the other studio is asked how far it is.
const EVERY: Duration = Duration::from_millis(500);

pub(super) async fn run(command: &Command, address: &str, out: &mut impl Write) -> Result<(), Failure> {
    let studio = AnotherStudio::at(address).map_err(|error| told(&error))?;
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
        if !command.json {
            written(writeln!(out, "{}", path.display()))?;
        }
    }
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
        return written(writeln!(out, "{view}"));
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
    Failure::new(exit, "generate.server", error.to_string(), advice)
}

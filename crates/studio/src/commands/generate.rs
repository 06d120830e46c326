//! `studio generate`: one generation from the terminal, with the whole studio in this process.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use app::Studio;
use app::generations::{NewGeneration, SubmitError, View};
use bytes::Bytes;
use clap::Args;
use domain::actor::Actor;
use domain::capability::{ModelId, ProviderName};
use domain::gate::Purpose;
use domain::generation::{
    Aspect, Kind, Operation, Reference, ReferenceRole, ReferenceSource, Resolution, State,
};
use domain::id::{AssetId, GenerationId};
use domain::secret::Prompt;
use futures_util::TryStreamExt;
use tokio_util::sync::CancellationToken;

use super::{Surroundings, runtime, written};
use crate::datadir::DataDir;
use crate::failure::{Exit, Failure};
use crate::wiring;

/// `studio generate`
#[derive(Debug, Args)]
pub(super) struct Command {
    /// What to make, in words.
    pub(super) prompt: String,
    /// image or video.
    #[arg(long, default_value = "image")]
    pub(super) kind: Kind,
    /// Model; the first that can do it if absent.
    #[arg(long)]
    pub(super) model: Option<String>,
    /// Provider.
    #[arg(long)]
    pub(super) provider: Option<String>,
    /// How: create, edit, reframe, extend, modify, upscale or audio.
    #[arg(long)]
    pub(super) operation: Option<Operation>,
    /// Width and height as WxH.
    #[arg(long, value_parser = size, conflicts_with = "aspect")]
    pub(super) size: Option<(u32, u32)>,
    /// Aspect such as 16:9.
    #[arg(long)]
    pub(super) aspect: Option<Aspect>,
    /// Height class of a clip such as 720p.
    #[arg(long)]
    pub(super) resolution: Option<Resolution>,
    /// Length of a clip.
    #[arg(long)]
    pub(super) seconds: Option<u32>,
    /// The same seed gives the same picture, where the model takes one.
    #[arg(long)]
    pub(super) seed: Option<u64>,
    /// Reference file, or role=FILE (start_frame, end_frame, style, image, character, source).
    #[arg(long = "ref", value_name = "FILE")]
    pub(super) references: Vec<String>,
    /// How many, 1 to 4.
    #[arg(long, default_value_t = 1)]
    pub(super) count: u16,
    /// What it is for; needed before anything leaves this machine.
    #[arg(long)]
    pub(super) purpose: Option<Purpose>,
    /// Where to put it; several get -2, -3 … before the ending.
    #[arg(short = 'o', long = "out", value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Data directory.
    #[arg(long, value_name = "DIR", default_value = super::DEFAULT_DATA)]
    pub(super) data: PathBuf,
    /// Let the studio at this address make it, in place of this process.
    #[arg(long, value_name = "URL", conflicts_with = "data")]
    pub(super) server: Option<String>,
    /// A line of JSON for every change, and the whole generation at the end.
    #[arg(long)]
    pub(super) json: bool,
}

fn size(text: &str) -> Result<(u32, u32), String> {
    let parts = text
        .split_once('x')
        .and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)));
    parts.ok_or_else(|| "write it as WIDTHxHEIGHT, such as 512x512".to_owned())
}

pub(super) fn run(command: &Command, around: &Surroundings, out: &mut impl Write) -> Result<(), Failure> {
    if let Some(address) = &command.server {
        let key = around.configuration()?.config.client.api_key;
        let key = key.as_ref().map(crate::config::Secret::to_secret_string);
        return runtime()?.block_on(super::generate_remote::run(command, address, key, out));
    }
    let loaded = around.configuration()?;
    runtime()?.block_on(async {
        let data = DataDir::open(&command.data)?;
        let studio = wiring::studio(&loaded.config, &data).await?;
        let stop = CancellationToken::new();
        studio.recover().await.map_err(|error| store_failed(&error))?;
        let worker = tokio::spawn(Arc::clone(&studio).run_worker(stop.clone()));
        let relay = tokio::spawn(Arc::clone(&studio).run_relay(stop.clone()));
        let done = make(&studio, command, out).await;
        stop.cancel();
        // Both end by themselves once told to stop; a panic in them was logged.
        let _ = worker.await;
        let _ = relay.await;
        studio.db().close().await;
        done
    })
}

fn store_failed(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(
        Exit::Unavailable,
        "database.failed",
        error.to_string(),
        "run `studio doctor`",
    )
}

async fn make(studio: &Arc<Studio>, command: &Command, out: &mut impl Write) -> Result<(), Failure> {
    let actor = Actor::local();
    let mut references = Vec::new();
    for text in &command.references {
        references.push(reference(studio, &actor, text, command.kind).await?);
    }
    let wish = NewGeneration {
        kind: command.kind,
        operation: command.operation,
        prompt: Prompt::new(command.prompt.clone()),
        model: command.model.clone().map(ModelId),
        provider: command.provider.clone().map(ProviderName),
        size: command.size,
        aspect: command.aspect,
        resolution: command.resolution,
        seconds: command.seconds,
        seed: command.seed,
        count: command.count,
        references,
        looping: false,
        purpose: command.purpose,
        quote: None,
    };
    let accepted = studio
        .submit(&actor, &wish, None, None)
        .await
        .map_err(|error| refused(&error))?;
    let view = follow(studio, &actor, accepted.id, command.json, out).await?;
    let files = save(studio, &actor, &view, command.output.as_deref()).await?;
    report(&view, &files, command.json, out)
}

/// The role and the file of a `--ref`.
pub(super) fn role_and_file(text: &str, kind: Kind) -> (ReferenceRole, &str) {
    let named = text
        .split_once('=')
        .and_then(|(role, file)| Some((role.parse::<ReferenceRole>().ok()?, file)));
    let default = match kind {
        Kind::Image => ReferenceRole::Image,
        Kind::Video => ReferenceRole::StartFrame,
    };
    named.unwrap_or((default, text))
}

/// Takes a reference file in as a browser would: checked and cleaned before anything else.
async fn reference(
    studio: &Arc<Studio>,
    actor: &Actor,
    text: &str,
    kind: Kind,
) -> Result<Reference, Failure> {
    let (role, file) = role_and_file(text, kind);
    let asset = take_in(studio, actor, Path::new(file)).await?;
    Ok(Reference {
        source: ReferenceSource::Asset(asset),
        role,
    })
}

async fn take_in(studio: &Arc<Studio>, actor: &Actor, file: &Path) -> Result<AssetId, Failure> {
    let bytes = tokio::fs::read(file).await.map_err(|error| {
        let what = format!("{} cannot be read: {error}", file.display());
        Failure::new(Exit::Usage, "generate.reference", what, "check --ref")
    })?;
    let unfit = |error: app::uploads::UploadError| {
        let what = format!("{} cannot be used: {error}", file.display());
        Failure::new(
            Exit::Usage,
            "generate.reference",
            what,
            "send a PNG, JPEG, WebP, GIF or MP4 file",
        )
    };
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    // The content decides the type; octet-stream claims nothing.
    let upload = studio
        .begin_upload(actor, length, "application/octet-stream")
        .await
        .map_err(unfit)?;
    let whole = futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::from(bytes))]);
    let done = studio
        .append_upload(actor, upload.id, 0, whole, None)
        .await
        .map_err(unfit)?;
    done.asset.ok_or_else(|| unfit(app::uploads::UploadError::Body))
}

fn refused(error: &SubmitError) -> Failure {
    let (exit, id, advice) = match error {
        SubmitError::Screening(_) => (Exit::Refused, "prompt_refused", "change the prompt"),
        SubmitError::Gate(refusal) => (Exit::Refused, refusal.code(), "see docs: the gate"),
        SubmitError::Invalid(_) | SubmitError::Provider(_) | SubmitError::PriceUnknown => {
            (Exit::Usage, "invalid_request", "see `studio models list`")
        }
        SubmitError::NoOffer(_) => (
            Exit::NotConfigured,
            "model_unavailable",
            "see `studio models list`",
        ),
        SubmitError::Quote
        | SubmitError::ReferenceMissing(_)
        | SubmitError::IdempotencyMismatch
        | SubmitError::IdempotencyKey => (Exit::Usage, "invalid_request", "check the arguments"),
        SubmitError::QueueFull | SubmitError::Key(_) | SubmitError::Store(_) => {
            (Exit::Unavailable, "unavailable", "run `studio doctor`")
        }
    };
    let what = match error {
        SubmitError::Screening(findings) => {
            let said: Vec<_> = findings
                .iter()
                .map(|f| format!("{} at byte {}", f.code(), f.start))
                .collect();
            format!("the prompt was refused: {}", said.join(", "))
        }
        SubmitError::Invalid(fields) => fields
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; "),
        other => other.to_string(),
    };
    Failure::new(exit, id, what, advice)
}

/// Follows a generation to its end, telling how far it is.
async fn follow(
    studio: &Arc<Studio>,
    actor: &Actor,
    id: GenerationId,
    json: bool,
    out: &mut impl Write,
) -> Result<View, Failure> {
    let mut feed = studio.feed().subscribe();
    let bar = !json && std::io::stderr().is_terminal();
    loop {
        let view = studio
            .generation(actor.scope(), id)
            .await
            .map_err(|error| store_failed(&error))?;
        let Some(view) = view else {
            return Err(store_failed(&"the generation is gone"));
        };
        if json {
            let line = serde_json::json!({"id": view.id, "state": view.state, "progress": view.progress});
            written(writeln!(out, "{line}"))?;
        }
        if bar {
            written(progress(&view))?;
        }
        if view.state.is_final() {
            return Ok(view);
        }
        loop {
            match feed.recv().await {
                Ok(told) if told.event.generation == id => break,
                Ok(_) => {}
                Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => break,
                Err(tokio::sync::broadcast::error::RecvError::Closed) => {
                    return Err(store_failed(&"the studio stopped"));
                }
            }
        }
    }
}

/// Width of the progress bar in characters.
const BAR: usize = 30;

fn progress(view: &View) -> std::io::Result<()> {
    let mut err = std::io::stderr();
    let percent = view.progress.as_ref().and_then(|p| p.percent);
    let stage = view
        .progress
        .as_ref()
        .map_or(view.state.as_str(), |p| p.stage.as_str());
    let done = if view.state.is_final() {
        BAR
    } else {
        usize::from(percent.unwrap_or(0)) * BAR / 100
    };
    write!(
        err,
        "\r\x1b[K[{}{}] {stage}",
        "#".repeat(done),
        ".".repeat(BAR - done.min(BAR))
    )?;
    if view.state.is_final() {
        write!(err, "\r\x1b[K")?;
    }
    err.flush()
}

/// Puts the outputs into files: all or none with a partial name.
async fn save(
    studio: &Arc<Studio>,
    actor: &Actor,
    view: &View,
    wanted: Option<&Path>,
) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for (place, output) in view.outputs.iter().enumerate() {
        let asset = studio
            .asset(actor.scope(), output.asset)
            .await
            .map_err(|error| store_failed(&error))?;
        let Some(asset) = asset else { continue };
        let path = file_name(wanted, place, &output.media_type, &view.id.to_string());
        let told = |error: &dyn std::fmt::Display| {
            let what = format!("{} cannot be written: {error}", path.display());
            Failure::new(
                Exit::Unavailable,
                "generate.output",
                what,
                "choose another place with -o",
            )
        };
        let stream = studio
            .read_asset(&asset, 0, asset.bytes)
            .await
            .map_err(|error| told(&error))?;
        let chunks: Vec<Bytes> = stream.try_collect().await.map_err(|error| told(&error))?;
        let partial = path.with_extension("part");
        tokio::fs::write(&partial, chunks.concat())
            .await
            .map_err(|error| told(&error))?;
        tokio::fs::rename(&partial, &path)
            .await
            .map_err(|error| told(&error))?;
        files.push(path);
    }
    Ok(files)
}

pub(super) fn file_name(wanted: Option<&Path>, place: usize, media_type: &str, id: &str) -> PathBuf {
    let ending = match media_type {
        "image/jpeg" => "jpg",
        "image/webp" => "webp",
        "image/gif" => "gif",
        "video/mp4" => "mp4",
        "video/webm" => "webm",
        _ => "png",
    };
    let base = wanted.map_or_else(|| PathBuf::from(format!("{id}.{ending}")), Path::to_path_buf);
    if place == 0 {
        return base;
    }
    let stem = base
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let ending = base
        .extension()
        .map_or_else(|| ending.to_owned(), |e| e.to_string_lossy().into_owned());
    base.with_file_name(format!("{stem}-{}.{ending}", place + 1))
}

fn report(view: &View, files: &[PathBuf], json: bool, out: &mut impl Write) -> Result<(), Failure> {
    if json {
        let line = serde_json::json!({
            "id": view.id,
            "state": view.state,
            "demo": view.engine.demo,
            "engine": {"provider": view.engine.provider, "model": view.engine.model},
            "files": files,
            "notes": view.notes.iter().map(|n| serde_json::json!({"code": n.code, "words": n.words})).collect::<Vec<_>>(),
            "error": view.error,
        });
        written(writeln!(out, "{line}"))?;
    } else {
        for file in files {
            written(writeln!(out, "{}", file.display()))?;
        }
        for note in &view.notes {
            let words = if note.words.is_empty() {
                String::new()
            } else {
                format!(" ({})", note.words.join(", "))
            };
            written(writeln!(
                std::io::stderr(),
                "studio: note: {}{words}",
                note.detail
            ))?;
        }
    }
    if view.state == State::Succeeded {
        return Ok(());
    }
    let (code, detail) = view
        .error
        .as_ref()
        .map_or(("generation.failed", "it failed"), |fault| {
            (fault.code.as_str(), fault.detail.as_str())
        });
    let exit = match view.state {
        State::Blocked => Exit::Refused,
        State::Expired | State::NeedsAttention => Exit::Unavailable,
        State::Queued | State::Running | State::Succeeded | State::Failed | State::Cancelled => Exit::No,
    };
    let what = format!("{}: {detail}", view.state);
    Err(Failure::new(
        exit,
        "generation.not_made",
        what,
        format!("code {code}, generation {}", view.id),
    ))
}

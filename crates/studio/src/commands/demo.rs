//! `studio demo`: the whole journey in one process on the built-in engine, each step told, its files left.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use app::Studio;
use app::audit::{self, LogKey};
use app::generations::{NewGeneration, View};
use bytes::Bytes;
use clap::Args;
use domain::actor::Actor;
use domain::generation::{Kind, State};
use domain::secret::Prompt;
use futures_util::TryStreamExt;
use tokio_util::sync::CancellationToken;

use super::{Surroundings, runtime, written};
use crate::datadir::DataDir;
use crate::failure::{Exit, Failure};
use crate::wiring;

/// `studio demo`
#[derive(Debug, Args)]
pub(super) struct Command {
    /// Where its files go; what an earlier run left there is replaced.
    #[arg(long, value_name = "DIR", default_value = "studio-demo")]
    folder: PathBuf,
}

/// The seed of the journey: the same pictures every time.
const SEED: u64 = 7;
const PICTURE: &str = "um barco vermelho no mar ao pôr do sol";
const CLIP: &str = "a blue house on snow at night, moon on the left";
const REFUSED: &str = "retrato, CPF 529.982.247-25 \u{202e}oculto";

fn broken(what: &str, error: &dyn std::fmt::Display) -> Failure {
    Failure::new(
        Exit::Unavailable,
        "demo.broken",
        format!("{what}: {error}"),
        "run `studio doctor`",
    )
}

pub(super) fn run(command: &Command, around: &Surroundings, out: &mut impl Write) -> Result<(), Failure> {
    let loaded = around.configuration()?;
    let folder = &command.folder;
    let data_path = folder.join("data");
    if data_path.exists() {
        fs::remove_dir_all(&data_path).map_err(|error| broken("an earlier run cannot be removed", &error))?;
    }
    fs::create_dir_all(folder).map_err(|error| broken("the folder cannot be made", &error))?;
    runtime()?.block_on(async {
        let data = DataDir::open(&data_path)?;
        written(writeln!(
            out,
            "1. a data directory of its own: {}",
            data.path().display()
        ))?;
        let studio = wiring::studio(&loaded.config, &data).await?;
        let stop = CancellationToken::new();
        studio
            .recover()
            .await
            .map_err(|error| broken("the database", &error))?;
        let worker = tokio::spawn(Arc::clone(&studio).run_worker(stop.clone()));
        let relay = tokio::spawn(Arc::clone(&studio).run_relay(stop.clone()));
        written(writeln!(
            out,
            "2. schema applied, keys made, worker and relay running"
        ))?;
        let done = journey(&studio, folder, out).await;
        stop.cancel();
        let _ = worker.await;
        let _ = relay.await;
        done?;
        let key = studio.log_key().map_err(|error| broken("the log key", &error))?;
        let proved = prove(studio.db(), &key, folder, out).await;
        studio.db().close().await;
        proved
    })
}

async fn journey(studio: &Arc<Studio>, folder: &Path, out: &mut impl Write) -> Result<(), Failure> {
    written(writeln!(
        out,
        "3. a prompt with a hidden character is refused before anything is stored"
    ))?;
    match studio
        .submit(&Actor::local(), &wish(REFUSED, Kind::Image), None, None)
        .await
    {
        Err(error) => written(writeln!(out, "   {error}"))?,
        Ok(_) => return Err(broken("the refusal", &"it was accepted")),
    }
    let picture = make(studio, PICTURE, Kind::Image, out, 4).await?;
    keep(studio, &picture, &folder.join("picture.png"), out).await?;
    let clip = make(studio, CLIP, Kind::Video, out, 5).await?;
    keep(studio, &clip, &folder.join("clip.mp4"), out).await
}

fn wish(prompt: &str, kind: Kind) -> NewGeneration {
    NewGeneration {
        kind,
        operation: None,
        prompt: Prompt::new(prompt.to_owned()),
        model: None,
        provider: None,
        size: None,
        aspect: None,
        resolution: None,
        seconds: None,
        seed: Some(SEED),
        count: 1,
        references: Vec::new(),
        looping: false,
        purpose: None,
        quote: None,
    }
}

async fn make(
    studio: &Arc<Studio>,
    prompt: &str,
    kind: Kind,
    out: &mut impl Write,
    step: u32,
) -> Result<View, Failure> {
    written(writeln!(out, "{step}. {kind}: \"{prompt}\""))?;
    let mut feed = studio.feed().subscribe();
    let actor = Actor::local();
    let accepted = studio
        .submit(&actor, &wish(prompt, kind), None, None)
        .await
        .map_err(|error| broken("the submission", &error))?;
    written(writeln!(out, "   accepted durably as {}", accepted.id))?;
    loop {
        let view = studio.generation(actor.scope(), accepted.id).await;
        let view = view.map_err(|error| broken("the database", &error))?;
        if let Some(view) = view.filter(|view| view.state.is_final()) {
            if view.state == State::Succeeded {
                return Ok(view);
            }
            let detail = view
                .error
                .as_ref()
                .map_or("no reason", |fault| fault.detail.as_str());
            return Err(broken("the generation", &detail));
        }
        if let Ok(told) = feed.recv().await
            && let Some(progress) = told.event.progress
            && let (Some(step), Some(steps)) = (progress.step, progress.steps)
            && step == steps / 2
        {
            written(writeln!(out, "   half way: step {step} of {steps}"))?;
        }
    }
}

async fn keep(studio: &Arc<Studio>, view: &View, path: &Path, out: &mut impl Write) -> Result<(), Failure> {
    for output in &view.outputs {
        let asset = studio.asset(Actor::local().scope(), output.asset).await;
        let asset = asset.map_err(|error| broken("the database", &error))?;
        let Some(asset) = asset else { continue };
        let stream = studio
            .read_asset(&asset, 0, asset.bytes)
            .await
            .map_err(|error| broken("the vault", &error))?;
        let chunks: Vec<Bytes> = stream
            .try_collect()
            .await
            .map_err(|error| broken("the vault", &error))?;
        fs::write(path, chunks.concat()).map_err(|error| broken("the file", &error))?;
        written(writeln!(
            out,
            "   {} {}x{} sha256 {}",
            path.display(),
            output.width,
            output.height,
            output.sha256
        ))?;
    }
    for note in &view.notes {
        written(writeln!(out, "   note: {}", note.detail))?;
    }
    let actual = view.cost.actual.map_or(0, |money| money.micros);
    written(writeln!(
        out,
        "   cost: {actual} micro-{}",
        view.cost.estimated.currency.code()
    ))
}

async fn prove(db: &store::Db, key: &LogKey, folder: &Path, out: &mut impl Write) -> Result<(), Failure> {
    let log = folder.join("audit");
    if log.exists() {
        fs::remove_dir_all(&log).map_err(|error| broken("an earlier log cannot be removed", &error))?;
    }
    let files = audit::export(db, key, &log)
        .await
        .map_err(|error| broken("the audit log", &error))?;
    written(writeln!(
        out,
        "6. audit log exported: {files} files in {}",
        log.display()
    ))?;
    let report =
        audit::verify_export(&log, Some(key.verifier())).map_err(|error| broken("the audit log", &error))?;
    written(writeln!(
        out,
        "7. verified from those files alone: {} entries, root {}",
        report.size,
        report.root.to_base64()
    ))
}

//! The Agents API.

use super::connection::Cut;
use super::faults::Route;
use super::files;
use super::jobs::{Api, Job, Stage};
use super::shape::{Field, Shape, check, may, must};
use super::state::{Creation, State};
use super::wire::{Answer, after, before, detail, refused};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, State as Shared};
use axum::http::HeaderMap;
use axum::routing::{get, post};
use serde_json::{Value, json};
use std::sync::Arc;

const FAILURES: &[&str] = &["generation_failed", "output_not_found", "rate_limited"];

const VIDEO: &[Field] = &[
    may("resolution", Shape::OneOf(&["360p", "540p", "720p", "1080p"])),
    may("duration", Shape::OneOf(&["5s", "10s"])),
    may("loop", Shape::Bool),
    may("hdr", Shape::Bool),
    may("exr_export", Shape::Bool),
    may("start_frame", Shape::Reference),
    may("end_frame", Shape::Reference),
    may("edit", Shape::Object(EDIT)),
];
const EDIT: &[Field] = &[
    may("auto_controls", Shape::Bool),
    may(
        "strength",
        Shape::OneOf(&[
            "adhere_1",
            "adhere_2",
            "adhere_3",
            "flex_1",
            "flex_2",
            "flex_3",
            "reimagine_1",
            "reimagine_2",
            "reimagine_3",
        ]),
    ),
];
const REQUEST: &[Field] = &[
    must("prompt", Shape::Text(1, 6000)),
    may("model", Shape::OneOf(&["uni-1", "uni-1-max", "ray-3.2"])),
    may(
        "type",
        Shape::OneOf(&["image", "image_edit", "video", "video_edit", "video_reframe"]),
    ),
    may(
        "aspect_ratio",
        Shape::OneOf(&[
            "3:1", "2:1", "21:9", "16:9", "4:3", "3:2", "1:1", "3:4", "2:3", "9:16", "1:2", "1:3",
        ]),
    ),
    may("image_ref", Shape::List(&Shape::Reference, 9)),
    may("source", Shape::Reference),
    may("output_format", Shape::OneOf(&["png", "jpeg"])),
    may("style", Shape::OneOf(&["auto", "manga"])),
    may("web_search", Shape::Bool),
    may("user_id", Shape::Text(1, 128)),
    may("video", Shape::Object(VIDEO)),
];

pub(super) fn routes() -> Router<Arc<State>> {
    Router::new()
        .route("/v1/generations", post(create))
        .route("/v1/generations/{id}", get(show))
        .layer(DefaultBodyLimit::max(300 << 20))
        .merge(files::routes())
}

fn word<'a>(body: &'a Value, name: &str) -> &'a str {
    body.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// Combinations, as the documentation words them.
fn combination(body: &Value) -> Result<(), (u16, String)> {
    let wrong = |why: &str| Err((422, why.to_owned()));
    let (model, kind) = (word(body, "model"), word(body, "type"));
    let video = body.get("video").cloned().unwrap_or_default();
    let is_video = kind.starts_with("video");
    if is_video != (model == "ray-3.2") {
        return wrong("The model does not make this type");
    }
    if !is_video && body.get("video").is_some() {
        return wrong("video is for video types");
    }
    if is_video && !["9:16", "3:4", "1:1", "4:3", "16:9", "21:9", ""].contains(&word(body, "aspect_ratio")) {
        return wrong("The aspect ratio is not supported by ray-3.2");
    }
    if matches!(kind, "image_edit" | "video_edit" | "video_reframe") != body.get("source").is_some() {
        return wrong("source is required for edits and reframes, and only there");
    }
    let (long, end) = (
        word(&video, "duration") == "10s",
        video.get("end_frame").is_some(),
    );
    let looping = video.get("loop").and_then(Value::as_bool).unwrap_or(false);
    if kind != "video" && (video.get("duration").is_some() || looping) {
        return wrong("duration and loop are for type video");
    }
    if (end && long) || (looping && (long || end)) {
        return wrong("This combination of loop, duration and frames is not supported");
    }
    if video.get("edit").is_some() && kind != "video_edit" {
        return wrong("edit is for type video_edit");
    }
    Ok(())
}

/// References must exist and be usable.
fn references(state: &State, body: &Value) -> Result<(), (u16, String)> {
    let video = body.get("video").cloned().unwrap_or_default();
    let mut all: Vec<Value> = body
        .get("image_ref")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    all.extend(body.get("source").cloned());
    all.extend(
        ["start_frame", "end_frame"]
            .into_iter()
            .filter_map(|name| video.get(name).cloned()),
    );
    for one in &all {
        let (file, generation) = (word(one, "file_id"), word(one, "generation_id"));
        if !file.is_empty() && !files::is_ready(state, file) {
            return Err((422, "File is not ready".to_owned()));
        }
        if !generation.is_empty() && !state.job(generation).is_some_and(|job| job.is_completed()) {
            return Err((404, "Generation not found".to_owned()));
        }
        if let Some(data) = one.get("data").and_then(Value::as_str) {
            use base64::Engine as _;
            if base64::engine::general_purpose::STANDARD.decode(data).is_err() {
                return Err((422, "Undecodable media".to_owned()));
            }
        }
    }
    Ok(())
}

/// The published prices (pay as you go, SDR), in millionths of a dollar. A source counts as five seconds.
fn price(body: &Value) -> i64 {
    let references = body
        .get("image_ref")
        .and_then(Value::as_array)
        .map_or(0, Vec::len)
        + usize::from(body.get("source").is_some());
    let references = i64::try_from(references).unwrap_or(0);
    let video = body.get("video").cloned().unwrap_or_default();
    let resolution = word(&video, "resolution");
    let of = |p540: i64, p720: i64, p1080: i64| match resolution {
        "540p" => p540,
        "1080p" => p1080,
        _ => p720,
    };
    match (word(body, "type"), word(body, "model")) {
        ("video", _) if word(&video, "duration") == "10s" => of(450_000, 900_000, 3_600_000),
        ("video", _) => of(150_000, 300_000, 1_200_000),
        ("video_edit", _) => of(720_000, 1_080_000, 2_160_000),
        ("video_reframe", _) => 5 * of(60_000, 120_000, 360_000),
        (_, model) => {
            let base = if model == "uni-1-max" { 100_000 } else { 40_400 };
            base + 3_000 * references
        }
    }
}

fn shown(state: &State, job: &Job) -> Value {
    let mut body = json!({
        "id": job.id, "type": job.kind, "model": job.model, "created_at": job.created_at,
    });
    let name = match job.stage() {
        Stage::Queued => "queued",
        Stage::Working => "processing",
        Stage::Completed => "completed",
        Stage::Failed => "failed",
    };
    body["state"] = json!(name);
    if let (Stage::Failed, Some(code)) = (job.stage(), &job.failure) {
        body["failure_code"] = json!(code);
        body["failure_reason"] = json!("Simulated failure");
    }
    if job.stage() == Stage::Completed && !job.empty {
        let kind = if job.video { "video" } else { "image" };
        body["output"] = json!([{ "type": kind, "url": state.link(&job.id) }]);
    }
    body
}

async fn create(
    Shared(state): Shared<Arc<State>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let parsed = serde_json::from_slice::<Value>(&body);
    let body = parsed.as_ref().cloned().unwrap_or_default();
    let misdeed = state.hear_submission("/generations", &body);
    if let Some(answer) = before(misdeed, &cut).await {
        return answer;
    }
    if let Some(answer) = refused(&headers, &state.plan) {
        return answer;
    }
    if parsed.is_err() {
        return detail(400, "Not JSON");
    }
    if let Err(why) = check(&body, REQUEST) {
        return detail(400, &why);
    }
    if let Err((status, why)) = combination(&body).and_then(|()| references(&state, &body)) {
        return detail(status, &why);
    }
    let request_id = headers
        .get("x-request-id")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let job = state.create(Creation {
        api: Api::Agents,
        video: word(&body, "type").starts_with("video"),
        model: word(&body, "model"),
        kind: word(&body, "type"),
        token: request_id.clone(),
        amount: price(&body),
        failures: FAILURES,
        moderated: "content_moderated",
        request: json!({ "prompt": body["prompt"] }),
    });
    let answered = shown(&state, &job).to_string().into_bytes();
    let mut response = after(misdeed, &cut, 201, "application/json", answered).await;
    if let Some(value) = request_id.and_then(|id| id.parse().ok()) {
        response.headers_mut().insert("x-request-id", value);
    }
    response
}

async fn show(
    Shared(state): Shared<Arc<State>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let misdeed = state.hear(Route::Poll, &id);
    if let Some(answer) = before(misdeed, &cut).await {
        return answer;
    }
    if let Some(answer) = refused(&headers, &state.plan) {
        return answer;
    }
    let Some(job) = state.look(Api::Agents, &id) else {
        return detail(404, "Generation not found");
    };
    after(
        misdeed,
        &cut,
        200,
        "application/json",
        shown(&state, &job).to_string().into_bytes(),
    )
    .await
}

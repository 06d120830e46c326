//! The Dream Machine API.

use super::connection::Cut;
use super::faults::Route;
use super::jobs::{Api, Job, Stage};
use super::shape::{Field, Shape, check, may, must};
use super::state::{Creation, State};
use super::wire::{Answer, after, answer, before, detail, refused};
use super::{bill, callback};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, OriginalUri, Path, Query, State as Shared};
use axum::http::HeaderMap;
use axum::routing::{get, post};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

const FAILURES: &[&str] = &["Prompt processing failed", "Failed to dispatch the generation"];
const MODERATED: &str = "Advanced prompt moderation failed";
/// Balance of the simulated account in US cents.
const BALANCE_CENTS: i64 = 1_000_000;

const ASPECT: Shape = Shape::OneOf(&["1:1", "16:9", "9:16", "4:3", "3:4", "21:9", "9:21"]);
const RESOLUTION: Shape = Shape::OneOf(&["540p", "720p", "1080p", "4k"]);
const MEDIA: Shape = Shape::Object(&[must("url", Shape::Address)]);
const WEIGHTED: Shape = Shape::Object(&[must("url", Shape::Address), may("weight", Shape::Number)]);
const KEYFRAME: Shape = Shape::Object(&[
    must("type", Shape::OneOf(&["image", "generation"])),
    may("url", Shape::Address),
    may("id", Shape::Text(36, 36)),
]);
const VIDEO: &[Field] = &[
    may("generation_type", Shape::OneOf(&["video"])),
    must("model", Shape::OneOf(&["ray-2", "ray-flash-2"])),
    may("prompt", Shape::Text(0, usize::MAX)),
    may("aspect_ratio", ASPECT),
    may("loop", Shape::Bool),
    may(
        "keyframes",
        Shape::Object(&[may("frame0", KEYFRAME), may("frame1", KEYFRAME)]),
    ),
    may("callback_url", Shape::Address),
    may("resolution", RESOLUTION),
    may("duration", Shape::OneOf(&["5s", "9s"])),
];
const IMAGE: &[Field] = &[
    may("generation_type", Shape::OneOf(&["image"])),
    must("model", Shape::OneOf(&["photon-1", "photon-flash-1"])),
    may("prompt", Shape::Text(0, usize::MAX)),
    may("aspect_ratio", ASPECT),
    may("format", Shape::OneOf(&["jpg", "png"])),
    may("callback_url", Shape::Address),
    may("image_ref", Shape::List(&WEIGHTED, 4)),
    may("style_ref", Shape::List(&WEIGHTED, 4)),
    may(
        "character_ref",
        Shape::Object(&[may(
            "identity0",
            Shape::Object(&[must("images", Shape::List(&Shape::Address, 4))]),
        )]),
    ),
    may("modify_image_ref", WEIGHTED),
];
const REFRAME_IMAGE: &[Field] = &[
    must("generation_type", Shape::OneOf(&["reframe_image"])),
    must("model", Shape::OneOf(&["photon-1", "photon-flash-1"])),
    must("media", MEDIA),
    must("aspect_ratio", ASPECT),
    may("prompt", Shape::Text(0, 5000)),
    may("format", Shape::OneOf(&["jpg", "png"])),
    may("callback_url", Shape::Address),
];
const REFRAME_VIDEO: &[Field] = &[
    must("generation_type", Shape::OneOf(&["reframe_video"])),
    must("model", Shape::OneOf(&["ray-2", "ray-flash-2"])),
    must("media", MEDIA),
    may("first_frame", MEDIA),
    must("aspect_ratio", ASPECT),
    may("prompt", Shape::Text(0, 5000)),
    may("callback_url", Shape::Address),
];
const MODIFY: &[Field] = &[
    must("generation_type", Shape::OneOf(&["modify_video"])),
    must("model", Shape::OneOf(&["ray-2"])),
    must("media", MEDIA),
    may("first_frame", MEDIA),
    must(
        "mode",
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
    may("prompt", Shape::Text(0, 5000)),
    may("callback_url", Shape::Address),
];
const UPSCALE: &[Field] = &[
    may("generation_type", Shape::OneOf(&["upscale_video"])),
    may("resolution", RESOLUTION),
    may("callback_url", Shape::Address),
];
const AUDIO: &[Field] = &[
    may("generation_type", Shape::OneOf(&["add_audio"])),
    may("prompt", Shape::Text(0, 5000)),
    may("negative_prompt", Shape::Text(0, 5000)),
    may("callback_url", Shape::Address),
];

const BASE: &str = "/dream-machine/v1";

pub(super) fn routes() -> Router<Arc<State>> {
    let api = Router::new()
        .route("/ping", get(ping))
        .route("/credits", get(credits))
        .route("/generations", get(list))
        .route("/generations/concepts/list", get(concepts))
        .route("/generations/video", post(create))
        .route("/generations/image", post(create))
        .route("/generations/image/reframe", post(create))
        .route("/generations/video/reframe", post(create))
        .route("/generations/video/modify", post(create))
        .route("/generations/{id}", get(show).delete(remove))
        .route("/generations/{id}/upscale", post(create))
        .route("/generations/{id}/audio", post(create));
    Router::new().nest(BASE, api)
}

fn word<'a>(body: &'a Value, name: &str) -> &'a str {
    body.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// What a path makes.
struct Kind {
    fields: &'static [Field],
    video: bool,
    words: bool,
    status: u16,
    source: Option<String>,
}

fn kind(path: &str) -> Option<Kind> {
    let of = |fields, video, words| Kind {
        fields,
        video,
        words,
        status: 201,
        source: None,
    };
    Some(match path {
        "/generations/video" => of(VIDEO, true, true),
        "/generations/image" => of(IMAGE, false, true),
        "/generations/image/reframe" => of(REFRAME_IMAGE, false, false),
        "/generations/video/reframe" => of(REFRAME_VIDEO, true, false),
        "/generations/video/modify" => of(MODIFY, true, false),
        other => {
            let (id, what) = other.strip_prefix("/generations/")?.split_once('/')?;
            let fields = if what == "upscale" { UPSCALE } else { AUDIO };
            Kind {
                source: Some(id.to_owned()),
                status: 200,
                ..of(fields, true, false)
            }
        }
    })
}

fn validate(state: &State, kind: &Kind, body: &Value) -> Result<(), (u16, String)> {
    let wrong = |why: &str| Err((400, why.to_owned()));
    check(body, kind.fields).map_err(|why| (400, why))?;
    let frames = body.get("keyframes").cloned().unwrap_or_default();
    let prompt = word(body, "prompt").chars().count();
    if kind.words && body.get("keyframes").is_none() && prompt == 0 {
        return wrong("Prompt is required");
    }
    if kind.words && prompt > 0 && prompt < 3 {
        return wrong("Prompt is too short, minimum length is 3 characters");
    }
    if prompt > 5000 {
        return wrong("Prompt is too long, maximum length is 5000 characters");
    }
    let looping = body.get("loop").and_then(Value::as_bool).unwrap_or(false);
    if looping && frames.get("frame1").is_some() {
        return wrong("Loop is not supported with an end keyframe");
    }
    if body.get("keyframes").is_some() && frames.get("frame0").is_none() && frames.get("frame1").is_none() {
        return wrong("No keyframes provided");
    }
    let mut sources: Vec<String> = kind.source.iter().cloned().collect();
    for name in ["frame0", "frame1"] {
        let Some(frame) = frames.get(name) else { continue };
        let generation = word(frame, "type") == "generation";
        if generation == word(frame, "id").is_empty() || generation != word(frame, "url").is_empty() {
            return wrong("A keyframe is an image with url or a generation with id");
        }
        sources.extend(generation.then(|| word(frame, "id").to_owned()));
    }
    for id in sources {
        if !state.job(&id).is_some_and(|job| job.is_completed() && job.video) {
            return Err((404, "Generation not found".to_owned()));
        }
    }
    Ok(())
}

/// Third-party prices in millionths of a dollar; what has no known price counts like a new clip.
fn price(body: &Value, model: &str) -> i64 {
    let long = word(body, "duration") == "9s";
    let resolution = word(body, "resolution");
    let of = |five: [i64; 4], nine: [i64; 4]| {
        let index = match resolution {
            "540p" => 0,
            "1080p" => 2,
            "4k" => 3,
            _ => 1,
        };
        if long { nine[index] } else { five[index] }
    };
    match model {
        "photon-1" => 15_000,
        "photon-flash-1" => 4_000,
        "ray-flash-2" => of(
            [140_000, 240_000, 550_000, 2_190_000],
            [250_000, 440_000, 990_000, 3_940_000],
        ),
        _ => of(
            [400_000, 710_000, 1_590_000, 6_370_000],
            [720_000, 1_270_000, 2_870_000, 11_470_000],
        ),
    }
}

pub(super) fn shown(state: &State, job: &Job) -> Value {
    let name = match job.stage() {
        Stage::Queued => "queued",
        Stage::Working => "dreaming",
        Stage::Completed => "completed",
        Stage::Failed => "failed",
    };
    let mut assets = Value::Null;
    if job.stage() == Stage::Completed && !job.empty {
        let link = state.link(&job.id);
        assets = if job.video {
            json!({ "video": link, "image": null })
        } else {
            json!({ "image": link })
        };
    }
    let failure = job.failure.as_ref().filter(|_| job.stage() == Stage::Failed);
    json!({
        "id": job.id, "generation_type": if job.video { "video" } else { "image" }, "state": name,
        "failure_reason": failure, "created_at": job.created_at, "assets": assets, "model": job.model,
        "request": job.request,
    })
}

async fn create(
    Shared(state): Shared<Arc<State>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let parsed = serde_json::from_slice::<Value>(&body);
    let body = parsed.as_ref().cloned().unwrap_or_default();
    let path = uri.path().strip_prefix(BASE).unwrap_or_default();
    let misdeed = state.hear_submission(path, &body);
    if let Some(answer) = before(misdeed, &cut).await {
        return answer;
    }
    if let Some(answer) = refused(&headers, &state.plan) {
        return answer;
    }
    let Some(kind) = kind(path) else {
        return detail(404, "Not found");
    };
    if parsed.is_err() {
        return detail(400, "Not JSON");
    }
    if let Err((status, why)) = validate(&state, &kind, &body) {
        return detail(status, &why);
    }
    let of_source = kind
        .source
        .as_deref()
        .and_then(|id| state.job(id))
        .map(|job| job.model);
    let model = of_source.unwrap_or_else(|| word(&body, "model").to_owned());
    let token = word(&body, "callback_url")
        .rsplit('/')
        .next()
        .filter(|end| !end.is_empty());
    let job = state.create(Creation {
        api: Api::DreamMachine,
        video: kind.video,
        model: &model,
        kind: word(&body, "generation_type"),
        token: token.map(str::to_owned),
        amount: price(&body, &model),
        failures: FAILURES,
        moderated: MODERATED,
        request: body.clone(),
    });
    callback::arrange(&state, &job);
    let answered = shown(&state, &job).to_string().into_bytes();
    after(misdeed, &cut, kind.status, "application/json", answered).await
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
    let Some(job) = state.look(Api::DreamMachine, &id) else {
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

async fn remove(
    Shared(state): Shared<Arc<State>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let misdeed = state.hear(Route::Delete, &id);
    if let Some(answer) = before(misdeed, &cut).await {
        return answer;
    }
    if let Some(answer) = refused(&headers, &state.plan) {
        return answer;
    }
    if !state.delete(Api::DreamMachine, &id) {
        return detail(404, "Generation not found");
    }
    answer(204, "text/plain", "")
}

async fn list(
    Shared(state): Shared<Arc<State>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    Query(query): Query<BTreeMap<String, usize>>,
    headers: HeaderMap,
) -> Answer {
    let misdeed = state.hear(Route::List, "list");
    if let Some(answer) = before(misdeed, &cut).await {
        return answer;
    }
    if let Some(answer) = refused(&headers, &state.plan) {
        return answer;
    }
    let limit = query.get("limit").copied().unwrap_or(100).min(100);
    let offset = query.get("offset").copied().unwrap_or(0);
    let mut visible = Vec::new();
    for job in state.memory().jobs.iter_mut().rev() {
        if job.api != Api::DreamMachine || job.deleted {
            continue;
        }
        if job.hidden > 0 {
            job.hidden -= u32::from(offset == 0);
            continue;
        }
        visible.push(job.clone());
    }
    let page: Vec<Value> = visible
        .iter()
        .skip(offset)
        .take(limit)
        .map(|job| shown(&state, job))
        .collect();
    let body = json!({
        "has_more": offset + page.len() < visible.len(), "count": page.len(), "limit": limit,
        "offset": offset, "generations": page,
    });
    after(
        misdeed,
        &cut,
        200,
        "application/json",
        body.to_string().into_bytes(),
    )
    .await
}

async fn ping(Shared(state): Shared<Arc<State>>, headers: HeaderMap) -> Answer {
    refused(&headers, &state.plan).unwrap_or_else(|| answer(200, "application/json", r#"{"message":"pong"}"#))
}

async fn concepts(Shared(state): Shared<Arc<State>>, headers: HeaderMap) -> Answer {
    refused(&headers, &state.plan)
        .unwrap_or_else(|| answer(200, "application/json", r#"["dolly_zoom","pan_left"]"#))
}

async fn credits(
    Shared(state): Shared<Arc<State>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    headers: HeaderMap,
) -> Answer {
    let misdeed = state.hear(Route::Account, "credits");
    if let Some(answer) = before(misdeed, &cut).await {
        return answer;
    }
    if let Some(answer) = refused(&headers, &state.plan) {
        return answer;
    }
    let bill: bill::Bill = state.bill();
    let left = BALANCE_CENTS - bill.total() / 10_000;
    after(
        misdeed,
        &cut,
        200,
        "application/json",
        format!("{{\"credit_balance\":{left}.0}}").into_bytes(),
    )
    .await
}

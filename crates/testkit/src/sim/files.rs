//! The Files API: a record, a presigned place for the bytes, a check before it is ready.

use super::connection::Cut;
use super::faults::Route;
use super::shape::{Field, Shape, check, may, must};
use super::state::State;
use super::wire::{Answer, after, answer, before, detail, json_answer, refused};
use crate::chance::uuid;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, State as Shared};
use axum::http::{HeaderMap, header};
use axum::routing::{get, post, put};
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) struct Upload {
    pub(super) mime_type: String,
    pub(super) size: u64,
    pub(super) state: &'static str,
    pub(super) expires_at: Value,
    pub(super) deleted: bool,
}

const NEW: &[Field] = &[
    must("mime_type", Shape::Text(3, 64)),
    must("size_bytes", Shape::Number),
    may("purpose", Shape::OneOf(&["input", "reference"])),
    may("filename", Shape::Text(1, 255)),
    may("expires_at", Shape::Text(20, 40)),
    may("user_id", Shape::Text(1, 128)),
];

pub(super) fn routes() -> Router<Arc<State>> {
    Router::new()
        .route("/v1/files", post(create).get(list))
        .route("/v1/files/{id}", get(show).delete(remove))
        .route("/v1/files/{id}/complete", post(complete))
        .route("/uploads/{id}", put(receive))
        .layer(DefaultBodyLimit::max(256 << 20))
}

fn shown(id: &str, file: &Upload) -> Value {
    json!({
        "id": id, "mime_type": file.mime_type, "size_bytes": file.size, "state": file.state,
        "expires_at": file.expires_at,
    })
}

async fn create(
    Shared(state): Shared<Arc<State>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let misdeed = state.hear(Route::Files, "create");
    if let Some(answer) = before(misdeed, &cut).await {
        return answer;
    }
    if let Some(answer) = refused(&headers, &state.plan) {
        return answer;
    }
    let Ok(body) = serde_json::from_slice::<Value>(&body) else {
        return detail(400, "Not JSON");
    };
    if let Err(why) = check(&body, NEW) {
        return detail(400, &why);
    }
    let id = {
        let mut memory = state.memory();
        let id = uuid(state.plan.seed, &["file", &memory.uploads.len().to_string()]);
        let file = Upload {
            mime_type: body["mime_type"].as_str().unwrap_or_default().to_owned(),
            size: body["size_bytes"].as_u64().unwrap_or(0),
            state: "pending",
            expires_at: body["expires_at"].clone(),
            deleted: false,
        };
        memory.uploads.insert(id.clone(), file);
        id
    };
    let place = json!({
        "url": format!("http://{}/uploads/{id}?X-Sig=1", state.address), "method": "PUT",
        "headers": { "Content-Type": body["mime_type"] },
    });
    let created = json!({ "id": id, "state": "pending", "upload": place });
    after(
        misdeed,
        &cut,
        201,
        "application/json",
        created.to_string().into_bytes(),
    )
    .await
}

async fn receive(
    Shared(state): Shared<Arc<State>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    if headers.contains_key(header::AUTHORIZATION) {
        return detail(400, "Only one authentication mechanism is allowed");
    }
    let mut memory = state.memory();
    let Some(file) = memory.uploads.get_mut(&id) else {
        return detail(404, "No such upload");
    };
    let declared = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let size = u64::try_from(body.len()).unwrap_or(u64::MAX);
    if declared != Some(file.mime_type.as_str()) || size != file.size {
        return detail(403, "Signature does not match");
    }
    file.state = "uploaded";
    answer(200, "text/plain", "")
}

async fn complete(Shared(state): Shared<Arc<State>>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    if let Some(answer) = refused(&headers, &state.plan) {
        return answer;
    }
    let mut memory = state.memory();
    let Some(file) = memory.uploads.get_mut(&id) else {
        return detail(404, "File not found");
    };
    file.state = if file.state == "uploaded" {
        "pending"
    } else {
        "failed"
    };
    let body = shown(&id, file);
    if file.state == "pending" {
        file.state = "ready";
    }
    json_answer(200, &body)
}

async fn show(Shared(state): Shared<Arc<State>>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    if let Some(answer) = refused(&headers, &state.plan) {
        return answer;
    }
    let memory = state.memory();
    match memory.uploads.get(&id).filter(|file| !file.deleted) {
        Some(file) => json_answer(200, &shown(&id, file)),
        None => detail(404, "File not found"),
    }
}

async fn remove(
    Shared(state): Shared<Arc<State>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let misdeed = state.hear(Route::Files, &id);
    if let Some(answer) = before(misdeed, &cut).await {
        return answer;
    }
    if let Some(answer) = refused(&headers, &state.plan) {
        return answer;
    }
    let mut memory = state.memory();
    match memory.uploads.get_mut(&id).filter(|file| !file.deleted) {
        Some(file) => {
            file.deleted = true;
            answer(204, "text/plain", "")
        }
        None => detail(404, "File not found"),
    }
}

async fn list(
    Shared(state): Shared<Arc<State>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    headers: HeaderMap,
) -> Answer {
    let misdeed = state.hear(Route::Account, "files");
    if let Some(answer) = before(misdeed, &cut).await {
        return answer;
    }
    if let Some(answer) = refused(&headers, &state.plan) {
        return answer;
    }
    let memory = state.memory();
    let all: Vec<Value> = memory
        .uploads
        .iter()
        .filter(|(_, f)| !f.deleted)
        .map(|(id, f)| shown(id, f))
        .collect();
    json_answer(
        200,
        &json!({ "data": all, "has_more": false, "next_cursor": null }),
    )
}

/// Whether a file may be used in a request.
pub(super) fn is_ready(state: &State, id: &str) -> bool {
    state
        .memory()
        .uploads
        .get(id)
        .is_some_and(|file| file.state == "ready" && !file.deleted)
}

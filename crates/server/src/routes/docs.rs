//! The API description and a page that lists it.

use crate::openapi;
use axum::http::header::CONTENT_TYPE;
use axum::response::{Html, IntoResponse, Response};
use std::fmt::Write;
use std::sync::LazyLock;

static DESCRIPTION: LazyLock<String> = LazyLock::new(openapi::json);
static PAGE: LazyLock<String> = LazyLock::new(page_text);

/// The OpenAPI 3.1 description, made from the code.
#[utoipa::path(get, operation_id = "docs_description", path = "/openapi.json", tag = "description", responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json", body = serde_json::Value)))]
pub(crate) async fn description() -> Response {
    ([(CONTENT_TYPE, "application/json")], DESCRIPTION.as_str()).into_response()
}

/// A page that lists every route, without scripts.
#[utoipa::path(get, operation_id = "docs_page", path = "/docs", tag = "description", responses((status = 200, description = "A page", content_type = "text/html", body = String)))]
pub(crate) async fn page() -> Html<&'static str> {
    Html(PAGE.as_str())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn page_text() -> String {
    let api: serde_json::Value = serde_json::from_str(&DESCRIPTION).unwrap_or_default();
    let mut rows = String::new();
    let paths = api.get("paths").and_then(|p| p.as_object());
    for (path, methods) in paths.into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            let says = operation
                .get("summary")
                .or(operation.get("description"))
                .and_then(|s| s.as_str())
                .unwrap_or("");
            let answers: Vec<_> = operation
                .get("responses")
                .and_then(|r| r.as_object())
                .into_iter()
                .flatten()
                .map(|(status, _)| status.as_str())
                .collect();
            // Writing into a String cannot fail.
            let _ = write!(
                rows,
                "<tr><td><code>{}</code></td><td><code>{}</code></td><td>{}</td><td>{}</td></tr>",
                escape(&method.to_uppercase()),
                escape(path),
                escape(says),
                escape(&answers.join(" "))
            );
        }
    }
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Secure AI Studio: API</title></head><body><h1>Secure AI Studio: API</h1>\
         <p>The full description is at <a href=\"/openapi.json\">/openapi.json</a> (OpenAPI 3.1). Errors are \
         <code>application/problem+json</code> with a stable <code>code</code> and a <code>request_id</code>.</p>\
         <table><thead><tr><th>Method</th><th>Path</th><th>What it does</th><th>Answers</th></tr></thead><tbody>{rows}</tbody></table></body></html>"
    )
}

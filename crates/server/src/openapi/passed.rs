//! What a request passes before its handler, in the description: who must show what, and what is answered
//! there. From the table of routes, so that no route says otherwise.

use crate::problem::PROBLEM_JSON;
use crate::router::{ROUTES, Route};
use serde_json::{Map, Value, json};

/// Adds the security schemes, and to each operation what it asks for and what may be answered before it.
/// What a handler says of a status stays.
pub(super) fn describe(api: &mut Value) {
    for route in ROUTES {
        let pointer = format!("/paths/{}/{}", route.path.replace('/', "~1"), route.method);
        if let Some(operation) = api.pointer_mut(&pointer).and_then(Value::as_object_mut) {
            operation.insert("security".to_owned(), security(route));
            let has_body = operation.contains_key("requestBody");
            let responses = operation.entry("responses").or_insert_with(|| json!({}));
            if let Some(responses) = responses.as_object_mut() {
                answers(route, has_body, responses);
            }
        }
    }
    if let Some(components) = api.pointer_mut("/components").and_then(Value::as_object_mut) {
        components.insert("securitySchemes".to_owned(), schemes());
    }
}

fn schemes() -> Value {
    json!({
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "An access token (a JWT of this server, ten minutes) or an API key.",
        },
        "dpop": {
            "type": "http",
            "scheme": "dpop",
            "description": "An access token that is bound to a key, with a proof in the `DPoP` header (RFC 9449).",
        },
        "cookie": {
            "type": "apiKey",
            "in": "cookie",
            "name": crate::cookies::ACCESS,
            "description": "The access token of a browser; no script reads it.",
        },
    })
}

/// Any one of the schemes; the word is the scope that an API key needs.
fn security(route: &Route) -> Value {
    let Some((action, object)) = route.access.right() else {
        return json!([]);
    };
    let word = domain::identity::scope_of(action, object);
    if route.access.is_fresh() || !object.is_for_keys() {
        return json!([{"bearer": []}, {"dpop": []}, {"cookie": []}]);
    }
    json!([{"bearer": [word]}, {"dpop": []}, {"cookie": []}])
}

fn answers(route: &Route, has_body: bool, responses: &mut Map<String, Value>) {
    let is_api = route.path.starts_with("/api/");
    let is_probe = crate::middleware::arrival::PROBES.contains(&route.path);
    let is_protected = route.access.right().is_some();
    let is_change = !matches!(route.method, "get" | "head" | "options");
    let is_callback = route.path.starts_with("/callbacks/");
    let forbidden = match (is_protected, route.access.is_fresh()) {
        (true, true) => "No right to it, no fresh factor (`step_up_required`), or from another site",
        (true, false) => "No right to it, or from another site",
        (false, _) => "From another site",
    };
    let told = [
        (
            "400",
            has_body,
            "Unreadable: the body did not arrive whole, or there is more than one value",
        ),
        (
            "401",
            is_protected,
            "Nobody is logged in, or what was shown is not good (any more)",
        ),
        ("403", is_protected || (is_change && !is_callback), forbidden),
        ("413", has_body, "Body too large"),
        ("415", is_change && !is_callback, "Not of a kind this route takes"),
        ("421", !is_callback, "The request names another server"),
        ("422", has_body, "Does not fit"),
        ("429", !is_probe, "Too many requests; `Retry-After` says when"),
        (
            "503",
            is_api,
            "Busy, or the database is away; `Retry-After` says when",
        ),
    ];
    for (status, applies, description) in told {
        if applies && !responses.contains_key(status) {
            responses.insert(status.to_owned(), problem(route, description));
        }
    }
}

fn problem(route: &Route, description: &str) -> Value {
    if route.method == "head" {
        return json!({"description": description});
    }
    json!({
        "description": description,
        "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    })
}

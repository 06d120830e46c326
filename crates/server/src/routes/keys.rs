//! API keys of the caller.

use crate::Site;
use crate::api::keys::{ApiKeyBody, ApiKeyList, MadeApiKeyBody, NewApiKeyBody};
use crate::extract::{Caller, Id, Json};
use crate::middleware::request_id::current;
use crate::problem::{FieldProblem, Problem};
use app::identity::keys::NewApiKey;
use app::outside::Cidr;
use axum::extract::State;
use axum::http::StatusCode;
use domain::id::KeyId;
use domain::identity::{Name, Scopes};
use domain::time::Time;
use std::sync::Arc;

/// The caller's API keys, without their secrets.
#[utoipa::path(get, operation_id = "api_keys_list", path = "/api/v1/me/api-keys", tag = "account",
    responses((status = 200, description = "The keys, newest first", body = ApiKeyList)))]
pub(crate) async fn list(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
) -> Result<axum::Json<ApiKeyList>, Problem> {
    let views = site.studio.api_keys(actor.user()).await?;
    let items = views.into_iter().map(Into::into).collect();
    Ok(axum::Json(ApiKeyList { items }))
}

/// Makes an API key that acts as the caller in the caller's workspace. Its secret is shown in this answer
/// and never again.
#[utoipa::path(post, operation_id = "api_keys_create", path = "/api/v1/me/api-keys", tag = "account", request_body = NewApiKeyBody,
    responses((status = 201, description = "The key, once", body = MadeApiKeyBody),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "`too_many_keys`: revoke one first"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "`invalid_key`: name, scopes, end or networks do not fit")))]
pub(crate) async fn create(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    Json { value, .. }: Json<NewApiKeyBody>,
) -> Result<(StatusCode, axum::Json<MadeApiKeyBody>), Problem> {
    let wish = parse(&value)?;
    let request_id = current();
    let made = site.studio.create_api_key(&actor, &wish, request_id.as_deref());
    let (view, secret) = made.await?;
    let body = MadeApiKeyBody {
        secret: secret.expose().to_owned(),
        key: ApiKeyBody::from(view),
    };
    Ok((StatusCode::CREATED, axum::Json(body)))
}

/// Revokes an API key of the caller: from the next request on it opens nothing.
#[utoipa::path(delete, operation_id = "api_keys_revoke", path = "/api/v1/me/api-keys/{id}", tag = "account", params(("id" = String, Path, description = "The key's id")),
    responses((status = 204, description = "Revoked"), (status = 404, body = Problem, content_type = "application/problem+json", description = "There is none, or no longer")))]
pub(crate) async fn revoke(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    Id(id): Id<KeyId>,
) -> Result<StatusCode, Problem> {
    site.studio
        .revoke_api_key(&actor, id, current().as_deref())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Reads the wish and names every field that does not fit.
fn parse(body: &NewApiKeyBody) -> Result<NewApiKey, Problem> {
    let mut errors = Vec::new();
    let mut wrong = |field: String, code: &str, detail: String| {
        errors.push(FieldProblem {
            field,
            code: code.to_owned(),
            detail,
            start: None,
            end: None,
        });
    };
    let name = Name::parse(&body.name)
        .map_err(|error| wrong("name".to_owned(), "name", error.to_string()))
        .ok();
    let scopes = Scopes::parse(body.scopes.iter().map(String::as_str))
        .map_err(|_| {
            let known = Scopes::known().join(", ");
            let detail = format!("Use `*`, or words such as {known}.");
            wrong("scopes".to_owned(), "scope", detail);
        })
        .ok();
    let expires_at = body.expires_at.as_deref().map(str::parse::<Time>).transpose();
    let expires_at = expires_at
        .map_err(|_| {
            let detail = "Write a time such as 2027-01-31T12:00:00Z.".to_owned();
            wrong("expires_at".to_owned(), "time", detail);
        })
        .ok();
    let mut networks = Vec::new();
    for (place, text) in body.networks.iter().flatten().enumerate() {
        match text.parse::<Cidr>() {
            Ok(network) => networks.push(network),
            Err(error) => wrong(format!("networks.{place}"), "network", format!("{error}.")),
        }
    }
    match (name, scopes, expires_at) {
        (Some(name), Some(scopes), Some(expires_at)) if errors.is_empty() => Ok(NewApiKey {
            name,
            scopes,
            expires_at,
            networks,
        }),
        _ => Err(Problem::invalid_key("See `errors` for each field.").with(errors)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(text: &str) -> NewApiKeyBody {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_wish_is_read_whole() {
        let wish = parse(&body(
            r#"{"name":" laptop ","scopes":["generations:read"],"expires_at":"2030-01-02T03:04:05Z",
                "networks":["10.0.0.0/8","fd00::1"]}"#,
        ))
        .unwrap();
        assert_eq!(wish.name.expose(), "laptop");
        assert_eq!(wish.scopes.to_string(), "generations:read");
        assert_eq!(
            wish.expires_at.unwrap().to_string(),
            "2030-01-02T03:04:05.000000Z"
        );
        let networks: Vec<_> = wish.networks.iter().map(ToString::to_string).collect();
        assert_eq!(networks, ["10.0.0.0/8", "fd00::1/128"]);
        let least = parse(&body(r#"{"name":"a","scopes":["*"]}"#)).unwrap();
        assert!(least.expires_at.is_none() && least.networks.is_empty());
    }

    #[test]
    fn every_field_that_does_not_fit_is_named() {
        let refused = parse(&body(
            r#"{"name":"","scopes":["fly"],"expires_at":"soon","networks":["10.0.0.0/8","home"]}"#,
        ));
        let problem = refused.unwrap_err();
        let fields: Vec<_> = problem.errors.iter().map(|error| error.field.as_str()).collect();
        assert_eq!(fields, ["name", "scopes", "expires_at", "networks.1"]);
        assert_eq!((problem.status, problem.code.as_str()), (422, "invalid_key"));
        let told = serde_json::to_string(&problem).unwrap();
        assert!(
            !told.contains("home") && !told.contains("fly\""),
            "what was sent is not repeated"
        );
    }
}

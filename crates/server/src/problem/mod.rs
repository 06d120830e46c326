//! Problem answers (RFC 9457): the one place where an error becomes HTTP. Every match is exhaustive, so
//! a new error does not compile until somebody decided what the caller is told.

mod accounts;
mod factors;
mod identity;
mod keys;
mod oidc;
mod people;
mod sessions;

use app::catalogue::NoOffer;
use app::generations::{CancelError, RemoveError, SubmitError};
use app::outside::{KeyError, MediaError, StoreError, VaultError};
use app::uploads::UploadError;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::screening::Finding;

/// The media type of every error.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// One wrong field.
#[derive(Clone, Debug, serde::Serialize, utoipa::ToSchema)]
pub struct FieldProblem {
    /// The field's name.
    pub field: String,
    /// Stable code.
    pub code: String,
    /// What to do.
    pub detail: String,
    /// Where in the typed text it begins (bytes), for findings in prompts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<usize>,
    /// Where it ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<usize>,
}

/// What a caller is told when something does not work.
#[derive(Clone, Debug, serde::Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// A page about this kind of problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// What happened, in a few words.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What happened and what to do.
    pub detail: String,
    /// Stable code. Pages show `error.<code>` of their catalogue, else title and detail.
    pub code: String,
    /// The id to give when asking for help.
    pub request_id: Option<String>,
    /// Wrong fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
    /// The factors that would do, where one has to be shown: `password`, `passkey`, `totp`, `recovery`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// The roles, one of which is needed, or the scope that a key lacks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<String>,
    #[serde(skip)]
    #[schema(ignore)]
    headers: Vec<(&'static str, String)>,
    #[serde(skip)]
    #[schema(ignore)]
    retry_after: Option<u32>,
}

impl Problem {
    /// A problem of this status and code.
    #[must_use]
    pub fn new(status: StatusCode, code: &str, title: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("/docs#{code}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            code: code.to_owned(),
            request_id: None,
            errors: Vec::new(),
            methods: Vec::new(),
            needs: Vec::new(),
            headers: Vec::new(),
            retry_after: None,
        }
    }

    /// Nothing there, or nothing that this caller may know of.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "Not found",
            format!("There is no such {what} here."),
        )
    }

    /// The path exists, the method does not.
    #[must_use]
    pub fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "Method not allowed",
            "This address does not take this method; `/docs` lists what it takes.",
        )
    }

    /// A body that is not JSON where JSON is taken.
    #[must_use]
    pub fn not_json() -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "not_json",
            "Not JSON",
            "Send the body as `Content-Type: application/json`.",
        )
    }

    /// A request that cannot be read.
    #[must_use]
    pub fn bad_request(code: &str, detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            code,
            "The request cannot be read",
            detail,
        )
    }

    pub(crate) fn with(mut self, errors: Vec<FieldProblem>) -> Self {
        self.errors = errors;
        self
    }

    pub(crate) const fn retry_in(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The same, naming the factors that would do.
    pub(crate) fn offering(mut self, methods: Vec<String>) -> Self {
        self.methods = methods;
        self
    }

    fn needing(mut self, needs: Vec<String>) -> Self {
        self.needs = needs;
        self
    }

    /// The same with a header. What is no header value is left out.
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(mut self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        self.request_id = crate::middleware::request_id::current();
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        for (name, value) in &self.headers {
            if let Ok(value) = HeaderValue::from_str(value) {
                response
                    .headers_mut()
                    .insert(HeaderName::from_static(name), value);
            }
        }
        if let Some(seconds) = self.retry_after {
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// The answer when a handler panicked: logged by the hook, told without its text.
pub(crate) fn panicked() -> Response {
    internal().into_response()
}

/// The timeout layer answers 504 with nothing in it, and nobody else answers 504: it gets its words here.
pub(crate) async fn late(response: Response) -> Response {
    if response.status() != StatusCode::GATEWAY_TIMEOUT {
        return response;
    }
    let detail = "The request took longer than `server.request_timeout_seconds`. It may have been done: \
                  repeat it with the same Idempotency-Key, or look before asking again.";
    Problem::new(
        StatusCode::GATEWAY_TIMEOUT,
        "request_timeout",
        "It took too long",
        detail,
    )
    .into_response()
}

/// Something of ours failed; the log has the cause under the request id.
fn internal() -> Problem {
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "Something failed on our side",
        "Nothing was changed. Try again; if it happens again, give the request id to your operator.",
    )
}

impl From<SubmitError> for Problem {
    fn from(error: SubmitError) -> Self {
        let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
        match error {
            SubmitError::Screening(findings) => screening(&findings),
            SubmitError::Invalid(fields) => {
                let errors = fields
                    .into_iter()
                    .map(|f| FieldProblem {
                        field: f.field.to_owned(),
                        code: f.code.to_owned(),
                        detail: f.detail,
                        start: None,
                        end: None,
                    })
                    .collect();
                let detail = "The model does not take it like this; each field says what it takes.";
                Self::new(
                    unprocessable,
                    "invalid_request",
                    "The request does not fit the model",
                    detail,
                )
                .with(errors)
            }
            SubmitError::Provider(fault) => {
                Self::new(unprocessable, &fault.code, fault_title(fault.kind), fault.detail)
            }
            SubmitError::NoOffer(NoOffer::Unavailable(reason)) => Self::new(
                StatusCode::CONFLICT,
                "provider.not_configured",
                "The model is not available",
                reason,
            ),
            SubmitError::NoOffer(error @ (NoOffer::Unknown | NoOffer::Unfit { .. })) => {
                Self::new(unprocessable, "model_unknown", "No such model", error.to_string())
            }
            SubmitError::Gate(refusal) => {
                let title = "It may not leave for this provider";
                Self::new(StatusCode::FORBIDDEN, refusal.code(), title, refusal.to_string())
            }
            SubmitError::PriceUnknown => Self::new(
                unprocessable,
                "price_unknown",
                "The price is not known",
                error.to_string(),
            ),
            SubmitError::Quote => Self::new(
                StatusCode::CONFLICT,
                "quote_expired",
                "The quote is over",
                error.to_string(),
            ),
            SubmitError::ReferenceMissing(place) => {
                let field = FieldProblem {
                    field: format!("references[{place}]"),
                    code: "not_found".to_owned(),
                    detail: error.to_string(),
                    start: None,
                    end: None,
                };
                Self::new(
                    unprocessable,
                    "reference_not_found",
                    "A reference is missing",
                    error.to_string(),
                )
                .with(vec![field])
            }
            SubmitError::IdempotencyMismatch => Self::new(
                unprocessable,
                "idempotency_mismatch",
                "The key was used before",
                error.to_string(),
            ),
            SubmitError::IdempotencyKey => Self::bad_request("idempotency_key_invalid", error.to_string()),
            SubmitError::QueueFull => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "queue_full",
                "The queue is full",
                error.to_string(),
            )
            .retry_in(10),
            SubmitError::Key(error) => of_key(&error),
            SubmitError::Store(error) => error.into(),
        }
    }
}

fn of_key(error: &KeyError) -> Problem {
    tracing::error!(error = %error, "a key could not be used");
    internal()
}

fn screening(findings: &[Finding]) -> Problem {
    let errors = findings
        .iter()
        .map(|finding| FieldProblem {
            field: "prompt".to_owned(),
            code: finding.code().to_owned(),
            detail: finding.note.clone(),
            start: Some(finding.start),
            end: Some(finding.end),
        })
        .collect();
    let detail =
        "The text was not sent and not stored. Each finding says where it is; change it and try again.";
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "prompt_refused",
        "The prompt was refused",
        detail,
    )
    .with(errors)
}

impl From<CancelError> for Problem {
    fn from(error: CancelError) -> Self {
        match error {
            CancelError::NotFound => Self::not_found("generation"),
            CancelError::Over => Self::new(
                StatusCode::CONFLICT,
                "already_over",
                "It is over",
                error.to_string(),
            ),
            CancelError::NotOver => Self::new(
                StatusCode::CONFLICT,
                "not_over",
                "It still runs",
                error.to_string(),
            ),
            CancelError::Key(error) => of_key(&error),
            CancelError::Submit(error) => error.into(),
            CancelError::Store(error) => error.into(),
        }
    }
}

impl From<RemoveError> for Problem {
    fn from(error: RemoveError) -> Self {
        match error {
            RemoveError::NotFound => Self::not_found("generation"),
            RemoveError::NotOver => Self::new(
                StatusCode::CONFLICT,
                "not_over",
                "It still runs",
                error.to_string(),
            ),
            RemoveError::Store(error) => error.into(),
            RemoveError::Vault(error) => error.into(),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        use StoreError as E;
        let busy = |detail: &str| {
            Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "Too much at once",
                detail.to_owned(),
            )
            .retry_in(1)
        };
        match error {
            E::Busy => busy("The database has more to write than it can take. Try again in a moment."),
            E::Fenced | E::Timeout => busy("Somebody else changed it at the same moment. Try again."),
            E::NoSpace => no_space(),
            E::Unreachable(_) | E::Closed => {
                tracing::error!(error = %error, "the database cannot be reached");
                Self::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "database_unavailable",
                    "The database cannot be reached",
                    "Nothing was stored. Try again; if it lasts, tell your operator.",
                )
                .retry_in(5)
            }
            E::Conflict { .. }
            | E::Rule { .. }
            | E::Column { .. }
            | E::TooLarge(_)
            | E::Schema(_)
            | E::Refused(_)
            | E::Broken(_) => {
                tracing::error!(error = %error, "the database did not do what it should");
                internal()
            }
        }
    }
}

fn no_space() -> Problem {
    Problem::new(
        StatusCode::INSUFFICIENT_STORAGE,
        "storage_full",
        "No room left",
        "The disk is full; nothing was stored. Tell your operator to free some space, then try again.",
    )
    .retry_in(60)
}

impl From<VaultError> for Problem {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::NoSpace => no_space(),
            VaultError::TooLarge { .. } => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                "Too large",
                error.to_string(),
            ),
            VaultError::NotFound => Self::not_found("file"),
            other => {
                tracing::error!(error = %other, "a blob could not be used");
                internal()
            }
        }
    }
}

impl From<UploadError> for Problem {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::NotFound => Self::not_found("upload"),
            UploadError::TooLarge { .. } => Self::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "upload.too_large",
                "The file is too large",
                error.to_string(),
            ),
            UploadError::Empty => Self::bad_request("upload.empty", error.to_string()),
            UploadError::Offset { .. } => Self::new(
                StatusCode::CONFLICT,
                "upload.offset",
                "The upload is elsewhere",
                error.to_string(),
            ),
            UploadError::Body => Self::bad_request("upload.interrupted", error.to_string()),
            UploadError::Media(error) => of_media(&error),
            UploadError::Vault(error) => error.into(),
            UploadError::Store(error) => error.into(),
        }
    }
}

fn of_media(error: &MediaError) -> Problem {
    if error.is_about_the_file() {
        let detail = format!("This file was not kept: {error}. {}", error.advice());
        return Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            error.code(),
            "The file cannot be used",
            detail,
        );
    }
    tracing::error!(error = %error, "the media worker failed");
    let detail = format!(
        "The file could not be checked, so it was not kept. {}",
        error.advice()
    );
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        error.code(),
        "The file could not be checked",
        detail,
    )
    .retry_in(5)
}

/// The few words above a fault of a generation.
pub(crate) const fn fault_title(kind: domain::fault::FaultKind) -> &'static str {
    use domain::fault::FaultKind as K;
    match kind {
        K::Invalid => "The request does not fit",
        K::Moderated => "Refused by content rules",
        K::Operator => "Your operator has to act",
        K::Throttled => "Too much at once",
        K::Unavailable => "Not available",
        K::Provider => "The provider failed",
        K::Uncertain => "The outcome is not known",
        K::Policy => "Stopped",
        K::Internal => "Something failed on our side",
    }
}

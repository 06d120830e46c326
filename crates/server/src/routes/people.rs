//! People and invitations, for administrators; and the acceptance of an invitation.

use super::entrance::Coming;
use crate::Site;
use crate::api::people::{
    AcceptanceBody, InvitationList, InvitedBody, LinkBody, NewPersonBody, PersonBody, PersonChangeBody,
    PersonList, invitations_after,
};
use crate::api::sessions::TokensBody;
use crate::extract::{Caller, Id, Json, Query};
use crate::middleware::request_id::current;
use crate::problem::{FieldProblem, Problem};
use app::identity::invitations::{Acceptance, NewPerson};
use app::identity::people::PersonChange;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use domain::id::{InvitationId, UserId};
use domain::identity::AccountState;
use secrecy::SecretString;
use std::sync::Arc;

/// Items of a page when `limit` is absent.
pub(super) const DEFAULT_PAGE: u32 = 50;

/// Where a page begins and how long it is.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PageQuery {
    pub(super) limit: Option<u32>,
    pub(super) cursor: Option<String>,
}

/// The same, or one address.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PeopleQuery {
    limit: Option<u32>,
    cursor: Option<String>,
    email: Option<String>,
}

/// Reads a cursor, if there is one.
pub(super) fn after<T>(cursor: Option<&str>, read: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Problem> {
    let unreadable = || {
        let detail = "`cursor` is the `next_cursor` of the page before.";
        Problem::bad_request("invalid_cursor", detail)
    };
    cursor.map(|text| read(text).ok_or_else(unreadable)).transpose()
}

/// The people of the installation, newest first, or whoever has an address.
#[utoipa::path(get, operation_id = "people_list", path = "/api/v1/admin/users", tag = "people",
    params(("limit" = Option<u32>, Query, description = "1 to 100, 50 if absent"), ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
        ("email" = Option<String>, Query, description = "Exactly this address: a page of one or none")),
    responses((status = 200, description = "A page", body = PersonList), (status = 400, body = Problem, content_type = "application/problem+json", description = "Unreadable parameter")))]
pub(crate) async fn list(
    State(site): State<Arc<Site>>,
    Caller(_): Caller,
    Query(query): Query<PeopleQuery>,
) -> Result<axum::Json<PersonList>, Problem> {
    let before = after(query.cursor.as_deref(), |text| text.parse::<UserId>().ok())?;
    let page = match &query.email {
        Some(email) => site.studio.people_with_email(email).await?,
        None => {
            let limit = query.limit.unwrap_or(DEFAULT_PAGE);
            site.studio.people(before, limit).await?
        }
    };
    Ok(axum::Json(page.into()))
}

/// Invites somebody. Who has an account in use becomes a member of the workspace at once and keeps the role
/// in the installation; everybody else gets a link, by letter or, where no mail is sent, in this answer.
#[utoipa::path(post, operation_id = "people_invite", path = "/api/v1/admin/users", tag = "people", request_body = NewPersonBody,
    responses((status = 201, description = "Invited", body = InvitedBody),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "`account_disabled`: enable it first"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "`email_invalid`, `name_invalid`, `locale_unknown`, `workspace_unknown`")))]
pub(crate) async fn invite(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    Json { value, .. }: Json<NewPersonBody>,
) -> Result<(StatusCode, axum::Json<InvitedBody>), Problem> {
    let new = NewPerson {
        email: value.email,
        name: value.name,
        role: value.role,
        workspace: value.workspace,
        workspace_role: value.workspace_role,
        locale: value.locale,
    };
    let invited = site.studio.invite(&actor, new, current().as_deref()).await?;
    let body = InvitedBody {
        user: invited.person.into(),
        link: invited.link,
    };
    Ok((StatusCode::CREATED, axum::Json(body)))
}

/// One person.
#[utoipa::path(get, operation_id = "people_show", path = "/api/v1/admin/users/{id}", tag = "people", params(("id" = String, Path)),
    responses((status = 200, description = "The person", body = PersonBody), (status = 404, body = Problem, content_type = "application/problem+json", description = "Not here")))]
pub(crate) async fn show(
    State(site): State<Arc<Site>>,
    Caller(_): Caller,
    Id(id): Id<UserId>,
) -> Result<axum::Json<PersonBody>, Problem> {
    Ok(axum::Json(site.studio.person(id).await?.into()))
}

/// Changes somebody's role in the installation, closes or opens their account. It is so for their next
/// request; a closed account's sessions end.
#[utoipa::path(patch, operation_id = "people_change", path = "/api/v1/admin/users/{id}", tag = "people", params(("id" = String, Path)), request_body = PersonChangeBody,
    responses((status = 200, description = "The person now", body = PersonBody),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "Not here"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "`last_administrator`: the last active one stays one"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "`state` is `active` or `disabled`")))]
pub(crate) async fn change(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    Id(id): Id<UserId>,
    Json { value, .. }: Json<PersonChangeBody>,
) -> Result<axum::Json<PersonBody>, Problem> {
    let open = match value.state {
        None => None,
        Some(AccountState::Active) => Some(true),
        Some(AccountState::Disabled) => Some(false),
        Some(AccountState::Pending) => return Err(not_by_hand()),
    };
    let change = PersonChange {
        role: value.role,
        open,
    };
    let person = site
        .studio
        .change_person(&actor, id, change, current().as_deref())
        .await?;
    Ok(axum::Json(person.into()))
}

fn not_by_hand() -> Problem {
    let detail = "An account is opened with `active` and closed with `disabled`.";
    let field = FieldProblem {
        field: "state".to_owned(),
        code: "invalid".to_owned(),
        detail: detail.to_owned(),
        start: None,
        end: None,
    };
    let title = "The request does not fit";
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_request", title, detail).with(vec![field])
}

/// Sends somebody a link to choose a new password. Second factors stay. Where no mail is sent the link is
/// in this answer, to be handed over.
#[utoipa::path(post, operation_id = "people_reset", path = "/api/v1/admin/users/{id}/reset", tag = "people", params(("id" = String, Path)),
    responses((status = 200, description = "On its way, or here", body = LinkBody),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "Not here"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "`account_disabled`, `account_pending`")))]
pub(crate) async fn reset(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    Id(id): Id<UserId>,
) -> Result<axum::Json<LinkBody>, Problem> {
    let link = site.studio.reset_person(&actor, id, current().as_deref()).await?;
    Ok(axum::Json(LinkBody { link }))
}

/// Ends every session of somebody.
#[utoipa::path(delete, operation_id = "people_end_sessions", path = "/api/v1/admin/users/{id}/sessions", tag = "people", params(("id" = String, Path)),
    responses((status = 204, description = "Ended"), (status = 404, body = Problem, content_type = "application/problem+json", description = "Not here")))]
pub(crate) async fn end_sessions(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    Id(id): Id<UserId>,
) -> Result<StatusCode, Problem> {
    site.studio
        .end_sessions_of_person(&actor, id, current().as_deref())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Open invitations, newest first.
#[utoipa::path(get, operation_id = "invitations_list", path = "/api/v1/admin/invitations", tag = "people",
    params(("limit" = Option<u32>, Query, description = "1 to 100, 50 if absent"), ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, description = "A page", body = InvitationList), (status = 400, body = Problem, content_type = "application/problem+json", description = "Unreadable parameter")))]
pub(crate) async fn invitations(
    State(site): State<Arc<Site>>,
    Caller(_): Caller,
    Query(query): Query<PageQuery>,
) -> Result<axum::Json<InvitationList>, Problem> {
    let before = after(query.cursor.as_deref(), invitations_after)?;
    let limit = query.limit.unwrap_or(DEFAULT_PAGE);
    Ok(axum::Json(site.studio.invitations(before, limit).await?.into()))
}

/// Takes an invitation back: its link opens nothing any more.
#[utoipa::path(delete, operation_id = "invitations_revoke", path = "/api/v1/admin/invitations/{id}", tag = "people", params(("id" = String, Path)),
    responses((status = 204, description = "Taken back"), (status = 404, body = Problem, content_type = "application/problem+json", description = "Not open, or never was")))]
pub(crate) async fn revoke_invitation(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    Id(id): Id<InvitationId>,
) -> Result<StatusCode, Problem> {
    site.studio
        .revoke_invitation(&actor, id, current().as_deref())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes an account into use by an invitation, and lets its owner in.
#[utoipa::path(post, operation_id = "auth_invitation", path = "/api/v1/auth/invitation", tag = "auth", request_body = AcceptanceBody,
    responses((status = 200, description = "In; a browser gets its tokens as cookies", body = TokensBody),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "`ticket_invalid`: used, over, taken back, or never was"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "`name_invalid`, `locale_unknown`, `password_refused`"),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "Too many logins at once; `Retry-After` says when")))]
pub(crate) async fn accept(State(site): State<Arc<Site>>, request: Request) -> Result<Response, Problem> {
    let coming = Coming::<AcceptanceBody>::read(&site, request).await?;
    let body = &coming.body;
    let acceptance = Acceptance {
        token: SecretString::from(body.token.as_str()),
        name: body.name.clone(),
        password: body.password.as_deref().map(SecretString::from),
        locale: body.locale.clone(),
    };
    let entrance = coming.entrance(body.client);
    let entered = site.studio.accept_invitation(acceptance, entrance).await?;
    Ok(coming.entered(&site, body.client, &entered).await)
}

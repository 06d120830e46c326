//! Workspaces of the installation, and the members of one.

use super::people::{DEFAULT_PAGE, PageQuery, after};
use crate::Site;
use crate::api::people::{
    MemberList, MemberRoleBody, NewMemberBody, WorkspaceBody, WorkspaceList, WorkspaceNameBody,
};
use crate::extract::{Caller, Id, Json, Query};
use crate::middleware::request_id::current;
use crate::problem::Problem;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use domain::id::{UserId, WorkspaceId};
use std::sync::Arc;

/// A member in the path. What is no id names nobody.
pub(crate) struct MemberOf(WorkspaceId, UserId);

impl<S: Send + Sync> FromRequestParts<S> for MemberOf {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let texts = Path::<(String, String)>::from_request_parts(parts, &()).await;
        let read =
            |(workspace, user): (String, String)| Some(Self(workspace.parse().ok()?, user.parse().ok()?));
        let ids = texts.ok().and_then(|Path(texts)| read(texts));
        ids.ok_or_else(|| Problem::not_found("member"))
    }
}

/// The workspaces of the installation, oldest first.
#[utoipa::path(get, operation_id = "workspaces_list", path = "/api/v1/admin/workspaces", tag = "workspaces",
    params(("limit" = Option<u32>, Query, description = "1 to 100, 50 if absent"), ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, description = "A page", body = WorkspaceList), (status = 400, body = Problem, content_type = "application/problem+json", description = "Unreadable parameter")))]
pub(crate) async fn list(
    State(site): State<Arc<Site>>,
    Caller(_): Caller,
    Query(query): Query<PageQuery>,
) -> Result<axum::Json<WorkspaceList>, Problem> {
    let from = after(query.cursor.as_deref(), |text| text.parse::<WorkspaceId>().ok())?;
    let limit = query.limit.unwrap_or(DEFAULT_PAGE);
    Ok(axum::Json(site.studio.workspaces(from, limit).await?.into()))
}

/// Makes a workspace; the caller is its first administrator.
#[utoipa::path(post, operation_id = "workspaces_create", path = "/api/v1/admin/workspaces", tag = "workspaces", request_body = WorkspaceNameBody,
    responses((status = 201, description = "Made", body = WorkspaceBody), (status = 422, body = Problem, content_type = "application/problem+json", description = "`name_invalid`")))]
pub(crate) async fn create(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    Json { value, .. }: Json<WorkspaceNameBody>,
) -> Result<(StatusCode, axum::Json<WorkspaceBody>), Problem> {
    let made = site
        .studio
        .create_workspace(&actor, &value.name, current().as_deref())
        .await?;
    Ok((StatusCode::CREATED, axum::Json(made.into())))
}

/// Renames a workspace.
#[utoipa::path(patch, operation_id = "workspaces_rename", path = "/api/v1/admin/workspaces/{id}", tag = "workspaces", params(("id" = String, Path)), request_body = WorkspaceNameBody,
    responses((status = 200, description = "The workspace now", body = WorkspaceBody), (status = 404, body = Problem, content_type = "application/problem+json", description = "Not here"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "`name_invalid`")))]
pub(crate) async fn rename(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    Id(id): Id<WorkspaceId>,
    Json { value, .. }: Json<WorkspaceNameBody>,
) -> Result<axum::Json<WorkspaceBody>, Problem> {
    let view = site
        .studio
        .rename_workspace(&actor, id, &value.name, current().as_deref())
        .await?;
    Ok(axum::Json(view.into()))
}

/// The members of the workspace in which the caller acts, or of another for whoever looks after the people
/// of the installation.
#[utoipa::path(get, operation_id = "members_list", path = "/api/v1/admin/workspaces/{id}/members", tag = "workspaces",
    params(("id" = String, Path), ("limit" = Option<u32>, Query, description = "1 to 100, 50 if absent"), ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before")),
    responses((status = 200, description = "A page", body = MemberList), (status = 400, body = Problem, content_type = "application/problem+json", description = "Unreadable parameter"),
        (status = 404, body = Problem, content_type = "application/problem+json", description = "Not here")))]
pub(crate) async fn members(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    Id(id): Id<WorkspaceId>,
    Query(query): Query<PageQuery>,
) -> Result<axum::Json<MemberList>, Problem> {
    let from = after(query.cursor.as_deref(), |text| text.parse::<UserId>().ok())?;
    let limit = query.limit.unwrap_or(DEFAULT_PAGE);
    Ok(axum::Json(
        site.studio.members(&actor, id, from, limit).await?.into(),
    ))
}

/// Makes somebody a member, and tells them by letter.
#[utoipa::path(post, operation_id = "members_add", path = "/api/v1/admin/workspaces/{id}/members", tag = "workspaces", params(("id" = String, Path)), request_body = NewMemberBody,
    responses((status = 204, description = "A member"), (status = 404, body = Problem, content_type = "application/problem+json", description = "No such workspace or person here"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "`member_exists`")))]
pub(crate) async fn add_member(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    Id(id): Id<WorkspaceId>,
    Json { value, .. }: Json<NewMemberBody>,
) -> Result<StatusCode, Problem> {
    site.studio
        .add_member(&actor, id, (value.user, value.role), current().as_deref())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Changes a member's role in the workspace. It is so for their next request.
#[utoipa::path(patch, operation_id = "members_change", path = "/api/v1/admin/workspaces/{id}/members/{user}", tag = "workspaces",
    params(("id" = String, Path), ("user" = String, Path)), request_body = MemberRoleBody,
    responses((status = 204, description = "Changed"), (status = 404, body = Problem, content_type = "application/problem+json", description = "Not here"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "`last_administrator`: the last one keeps a place to log in")))]
pub(crate) async fn change_member(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    MemberOf(id, user): MemberOf,
    Json { value, .. }: Json<MemberRoleBody>,
) -> Result<StatusCode, Problem> {
    site.studio
        .change_member(&actor, id, (user, value.role), current().as_deref())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a member out of the workspace.
#[utoipa::path(delete, operation_id = "members_remove", path = "/api/v1/admin/workspaces/{id}/members/{user}", tag = "workspaces",
    params(("id" = String, Path), ("user" = String, Path)),
    responses((status = 204, description = "Out"), (status = 404, body = Problem, content_type = "application/problem+json", description = "Not here"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "`last_administrator`: the last one keeps a place to log in")))]
pub(crate) async fn remove_member(
    State(site): State<Arc<Site>>,
    Caller(actor): Caller,
    MemberOf(id, user): MemberOf,
) -> Result<StatusCode, Problem> {
    site.studio
        .remove_member(&actor, id, user, current().as_deref())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

//! The API description (OpenAPI 3.1), made from the handlers; what every request passes before a handler
//! is added from the table of routes.

mod passed;

use crate::api;
use crate::problem::{FieldProblem, Problem};
use crate::routes::{
    assets, callbacks, docs, entrance, events, factors, generations, health, keys, me, models, oidc,
    passkey_login, passkeys, people, quotes, sessions, uploads, workspaces,
};
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Secure AI Studio",
        description = "A studio and gateway for generative image and video. Errors are problem+json (RFC 9457).",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(
        health::live,
        health::ready,
        health::startup,
        health::metrics,
        docs::description,
        docs::page,
        quotes::create,
        generations::create,
        generations::list,
        generations::show,
        generations::decision,
        generations::remove,
        generations::cancel,
        generations::retry,
        events::stream,
        models::list,
        models::providers,
        assets::show,
        assets::content,
        uploads::options,
        uploads::create,
        uploads::head,
        uploads::show,
        uploads::append,
        keys::list,
        keys::create,
        keys::revoke,
        sessions::refresh,
        sessions::logout,
        sessions::list,
        sessions::end,
        sessions::end_others,
        sessions::jwks,
        factors::list,
        factors::totp_start,
        factors::totp_confirm,
        factors::totp_remove,
        factors::recovery_codes,
        factors::step_up,
        factors::step_up_passkey_start,
        factors::step_up_passkey_finish,
        oidc::start,
        oidc::callback,
        passkey_login::start,
        passkey_login::finish,
        passkeys::register_start,
        passkeys::register_finish,
        passkeys::rename,
        passkeys::remove,
        entrance::policy,
        entrance::setup,
        entrance::login,
        entrance::register,
        entrance::verify_email,
        entrance::forgot,
        entrance::reset,
        me::show,
        me::change,
        me::password,
        me::workspace,
        people::accept,
        people::list,
        people::invite,
        people::show,
        people::change,
        people::reset,
        people::end_sessions,
        people::invitations,
        people::revoke_invitation,
        workspaces::list,
        workspaces::create,
        workspaces::rename,
        workspaces::members,
        workspaces::add_member,
        workspaces::change_member,
        workspaces::remove_member,
        callbacks::wake
    ),
    components(schemas(
        Problem,
        FieldProblem,
        api::NewGenerationBody,
        api::GenerationBody,
        api::GenerationPage,
        api::DecisionBody,
        api::QuoteBody,
        api::ModelList,
        api::ProviderList,
        api::AssetBody,
        api::UploadBody
    ))
)]
struct Description;

/// The description as JSON.
#[must_use]
pub fn json() -> String {
    let mut description = serde_json::to_value(Description::openapi()).unwrap_or_default();
    passed::describe(&mut description);
    serde_json::to_string_pretty(&description).unwrap_or_default()
}

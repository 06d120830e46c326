//! The entrance: what leads in for somebody who is not logged in yet.

use super::sessions::{handed_out, proof_if_any};
use crate::Site;
use crate::api::accounts::{
    EmailBody, LoginBody, NextBody, PolicyBody, RegisterBody, ResetBody, SetupBody, VerifyBody,
};
use crate::api::sessions::TokensBody;
use crate::cookies;
use crate::extract::{ClientInfo, Json};
use crate::middleware::request_id::current;
use crate::problem::Problem;
use app::clock::random;
use app::identity::login::{Entrance, LoggedIn, Login};
use app::identity::register::{NewRegistration, Verification};
use app::identity::reset::Reset;
use app::identity::setup::NewAdministrator;
use axum::extract::{FromRequest as _, FromRequestParts as _, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::identity::Client;
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// Random bytes of what ties a link to the browser that asked for it.
const TRANSACTION_BYTES: usize = 32;

/// A request that wants in: its body, and what came along with it.
pub(crate) struct Coming<T> {
    pub(crate) body: T,
    info: ClientInfo,
    jkt: Option<String>,
    headers: HeaderMap,
}

impl<T: DeserializeOwned> Coming<T> {
    pub(crate) async fn read(site: &Site, request: Request) -> Result<Self, Problem> {
        let proof = proof_if_any(site, &request)?;
        let (mut parts, body) = request.into_parts();
        let Ok(info) = ClientInfo::from_request_parts(&mut parts, &()).await;
        let headers = parts.headers.clone();
        let Json { value, .. } = Json::<T>::from_request(Request::from_parts(parts, body), &()).await?;
        let jkt = site.studio.bind_to(proof.as_ref()).await?;
        Ok(Self {
            body: value,
            info,
            jkt,
            headers,
        })
    }

    /// How it comes in; `client` is how it says that tokens are to travel.
    pub(crate) fn entrance(&self, client: Option<Client>) -> Entrance {
        Entrance {
            client: client.unwrap_or(self.info.client),
            agent: self.info.agent.clone(),
            address: self.info.address,
            device: self.info.device.clone(),
            jkt: self.jkt.clone(),
            request_id: self.info.request_id.clone(),
        }
    }

    /// What ties a link to the browser that asks for it, if a browser does.
    fn tie(&self) -> Option<SecretString> {
        (self.info.client == Client::Browser).then(|| {
            let bytes = random::<TRANSACTION_BYTES>();
            SecretString::from(data_encoding::BASE64URL_NOPAD.encode(&bytes))
        })
    }

    /// The answer to somebody whose link is used up, and with it what tied it to their browser.
    fn transaction_over(&self) -> Response {
        let mut response = StatusCode::NO_CONTENT.into_response();
        if cookies::has_ours(&self.headers) {
            cookies::clear_transaction(response.headers_mut());
        }
        response
    }

    /// The answer to somebody who is in. The session that the browser had before is over: what somebody
    /// may have laid under it leads nowhere.
    pub(crate) async fn entered(&self, site: &Site, client: Option<Client>, entered: &LoggedIn) -> Response {
        let client = client.unwrap_or(self.info.client);
        let mut response = handed_out(&entered.tokens, client);
        if client == Client::Browser {
            if let Some(device) = &entered.device {
                cookies::set_device(response.headers_mut(), device);
            }
            let (access, refresh) = (cookies::access(&self.headers), cookies::refresh(&self.headers));
            let request_id = self.info.request_id.as_deref();
            let ended = site
                .studio
                .logout(access.as_ref(), refresh.as_ref(), request_id)
                .await;
            if let Err(error) = ended {
                tracing::warn!(error = %error, "the session before a login could not be ended");
            }
        }
        response
    }
}

/// What the entrance pages need to know before anybody is logged in.
#[utoipa::path(get, operation_id = "auth_policy", path = "/api/v1/auth/policy", tag = "auth",
    responses((status = 200, description = "The policy", body = PolicyBody)))]
pub(crate) async fn policy(State(site): State<Arc<Site>>) -> Result<axum::Json<PolicyBody>, Problem> {
    let policy = site.studio.entrance_policy().await?;
    Ok(axum::Json(PolicyBody::new(policy, site.studio.has_passkeys())))
}

/// Makes the first administrator with the code that the studio printed at its start, and lets them in.
#[utoipa::path(post, operation_id = "setup", path = "/api/v1/setup", tag = "auth", request_body = SetupBody,
    responses((status = 200, description = "In; a browser gets its tokens as cookies", body = TokensBody),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "`setup_code`: wrong, over, or void after ten wrong ones"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "`setup_done`: an administrator can log in already"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "`email_invalid`, `name_invalid`, `locale_unknown`, `password_refused`")))]
pub(crate) async fn setup(State(site): State<Arc<Site>>, request: Request) -> Result<Response, Problem> {
    let coming = Coming::<SetupBody>::read(&site, request).await?;
    let body = &coming.body;
    let new = NewAdministrator {
        code: SecretString::from(body.code.as_str()),
        email: body.email.clone(),
        name: body.name.clone(),
        password: body.password.as_deref().map(SecretString::from),
        locale: body.locale.clone(),
    };
    let entered = site.studio.set_up(new, coming.entrance(body.client)).await?;
    Ok(coming.entered(&site, body.client, &entered).await)
}

/// Logs in by address, password and, where a second factor is set, a code. Tells nobody whether an address
/// is known.
#[utoipa::path(post, operation_id = "auth_login", path = "/api/v1/auth/login", tag = "auth", request_body = LoginBody,
    responses((status = 200, description = "In; a browser gets its tokens as cookies", body = TokensBody),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "`login_failed`; `second_factor_needed`: the password is right, send a `code` or use one of `methods`; `proof_nonce`, `proof_invalid`"),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "`no_workspace`: no member of it, or of any"),
        (status = 429, body = Problem, content_type = "application/problem+json", description = "`too_many_tries`: failures in a row; `Retry-After` says when"),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "Too many logins at once; `Retry-After` says when")))]
pub(crate) async fn login(State(site): State<Arc<Site>>, request: Request) -> Result<Response, Problem> {
    let coming = Coming::<LoginBody>::read(&site, request).await?;
    let body = &coming.body;
    let login = Login {
        email: body.email.clone(),
        password: SecretString::from(body.password.as_str()),
        code: body.code.as_deref().map(SecretString::from),
        workspace: body.workspace,
    };
    let entered = site.studio.login(login, coming.entrance(body.client)).await?;
    Ok(coming.entered(&site, body.client, &entered).await)
}

/// The answer to whoever asked for a letter, whether or not one goes out.
fn mail_is_on_its_way(browser: Option<&SecretString>) -> Response {
    let mut response = (StatusCode::ACCEPTED, axum::Json(NextBody { next: "mail" })).into_response();
    if let Some(browser) = browser {
        cookies::set_transaction(response.headers_mut(), browser);
    }
    response
}

/// Makes an account, where that is open. The answer is the same whether or not the address had one. The link
/// of a registration in a browser opens the account in that browser; elsewhere the password is asked for.
#[utoipa::path(post, operation_id = "auth_register", path = "/api/v1/auth/register", tag = "auth", request_body = RegisterBody,
    responses((status = 202, description = "A letter is on its way", body = NextBody),
        (status = 403, body = Problem, content_type = "application/problem+json", description = "`registration_closed`: by invitation, or by an administrator"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "`email_invalid`, `name_invalid`, `locale_unknown`, `password_refused`")))]
pub(crate) async fn register(State(site): State<Arc<Site>>, request: Request) -> Result<Response, Problem> {
    let coming = Coming::<RegisterBody>::read(&site, request).await?;
    let (body, browser) = (&coming.body, coming.tie());
    let new = NewRegistration {
        email: body.email.clone(),
        name: body.name.clone(),
        password: SecretString::from(body.password.as_str()),
        locale: body.locale.clone(),
        browser: browser.clone(),
        request_id: current(),
    };
    site.studio.register(new).await?;
    Ok(mail_is_on_its_way(browser.as_ref()))
}

/// Opens an account by the link of its letter: in the browser in which it was registered, or with the
/// password that was chosen there. Whoever reads at the address need not be who registered it.
#[utoipa::path(post, operation_id = "auth_verify_email", path = "/api/v1/auth/email/verify", tag = "auth", request_body = VerifyBody,
    responses((status = 204, description = "Verified: log in"),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "`ticket_invalid`: used, over, or never was"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "`password_needed`: send the `password` that the registration chose; also when it was not that one"),
        (status = 503, body = Problem, content_type = "application/problem+json", description = "Too many logins at once; `Retry-After` says when")))]
pub(crate) async fn verify_email(
    State(site): State<Arc<Site>>,
    request: Request,
) -> Result<Response, Problem> {
    let coming = Coming::<VerifyBody>::read(&site, request).await?;
    let asked = Verification {
        token: SecretString::from(coming.body.token.as_str()),
        password: coming.body.password.as_deref().map(SecretString::from),
        browser: cookies::transaction(&coming.headers),
        request_id: current(),
    };
    site.studio.verify_email(asked).await?;
    Ok(coming.transaction_over())
}

/// Asks for a link to choose a new password. The answer is the same whether or not the address has an
/// account. A link that a browser asked for works in that browser only.
#[utoipa::path(post, operation_id = "auth_password_forgot", path = "/api/v1/auth/password/forgot", tag = "auth", request_body = EmailBody,
    responses((status = 202, description = "If there is an account, a letter is on its way", body = NextBody)))]
pub(crate) async fn forgot(State(site): State<Arc<Site>>, request: Request) -> Result<Response, Problem> {
    let coming = Coming::<EmailBody>::read(&site, request).await?;
    let browser = coming.tie();
    site.studio
        .forgot_password(&coming.body.email, browser.as_ref(), current().as_deref())
        .await?;
    Ok(mail_is_on_its_way(browser.as_ref()))
}

/// Sets a new password by a link. Second factors stay, every session ends.
#[utoipa::path(post, operation_id = "auth_password_reset", path = "/api/v1/auth/password/reset", tag = "auth", request_body = ResetBody,
    responses((status = 204, description = "Set: log in"),
        (status = 400, body = Problem, content_type = "application/problem+json", description = "`ticket_invalid`: used, over, never was, or of another browser"),
        (status = 401, body = Problem, content_type = "application/problem+json", description = "`second_factor_needed`: send a `code`"),
        (status = 422, body = Problem, content_type = "application/problem+json", description = "`password_refused`; `factor_wrong`: not the code"),
        (status = 429, body = Problem, content_type = "application/problem+json", description = "`too_many_tries`: wrong codes in a row")))]
pub(crate) async fn reset(State(site): State<Arc<Site>>, request: Request) -> Result<Response, Problem> {
    let coming = Coming::<ResetBody>::read(&site, request).await?;
    let body = &coming.body;
    let reset = Reset {
        token: SecretString::from(body.token.as_str()),
        password: SecretString::from(body.password.as_str()),
        code: body.code.as_deref().map(SecretString::from),
        browser: cookies::transaction(&coming.headers),
        request_id: current(),
    };
    site.studio.reset_password(reset).await?;
    Ok(coming.transaction_over())
}

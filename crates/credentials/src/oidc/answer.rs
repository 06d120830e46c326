//! What comes back from a provider, and whether it holds.

use super::party::{Client, Known, RelyingParty};
use super::{Exchange, OidcError, Transaction, Way};
use domain::time::Time;
use openidconnect::core::{
    CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreTokenResponse,
};
use openidconnect::{
    AccessToken, AdditionalClaims, AuthorizationCode, ClaimsVerificationError, IdToken, IdTokenClaims, Nonce,
    OAuth2TokenResponse, PkceCodeVerifier, SignatureVerificationError, SubjectIdentifier, TokenResponse,
    UserInfoClaims,
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How far the clocks of a provider and ours may be apart.
const LEEWAY: Duration = Duration::from_secs(30);
/// How old an ID token may be that answers a code of a moment ago.
const MAX_AGE: Duration = Duration::from_secs(600);
/// The most bytes of a subject (OpenID Connect Core 1.0 section 2).
const MAX_SUBJECT: usize = 255;
/// The most values of a role claim that are looked at.
const MAX_ROLES: usize = 1000;

/// The parameters that the provider sent the browser back with.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// `code`.
    pub code: Option<SecretString>,
    /// `state`.
    pub state: Option<SecretString>,
    /// `iss` (RFC 9207).
    pub iss: Option<String>,
    /// `error`.
    pub error: Option<String>,
}

/// Who logged in at the provider.
#[derive(Clone, PartialEq, Eq)]
pub struct Somebody {
    /// The issuer.
    pub issuer: String,
    /// The subject there. Together they are who it is.
    pub subject: String,
    /// Their address, if the provider says that it is verified.
    pub email: Option<String>,
    /// Their name.
    pub name: Option<String>,
    /// Their language.
    pub locale: Option<String>,
    /// The values of the role claim; `None` if there is none.
    pub roles: Option<Vec<String>>,
}

impl std::fmt::Debug for Somebody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Somebody([personal])")
    }
}

/// Claims that no standard names.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct Others {
    #[serde(flatten)]
    claims: BTreeMap<String, Value>,
}

impl AdditionalClaims for Others {}

type Token = IdToken<Others, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;
type Claims = IdTokenClaims<Others, CoreGenderClaim>;

/// Looks at what a provider sent and says who it is.
struct Check<'a> {
    party: &'a RelyingParty,
    transaction: &'a Transaction,
    now: Time,
}

impl RelyingParty {
    /// Ends what [`RelyingParty::begin`] began.
    ///
    /// # Errors
    /// Whatever does not hold.
    pub async fn end(
        &self,
        exchange: &Exchange,
        now: Time,
        transaction: &Transaction,
        answer: &Answer,
    ) -> Result<Somebody, OidcError> {
        let state = answer.state.as_ref().map(ExposeSecret::expose_secret);
        // Compared by digest, so that the time taken tells nothing about it.
        let digest = |text: &str| domain::secret::TokenHash::of(text);
        if state.map(digest) != Some(digest(&transaction.state)) {
            return Err(OidcError::State);
        }
        let known = self.known(exchange, now).await?;
        match &answer.iss {
            Some(iss) if *iss != self.config.issuer => return Err(OidcError::Issuer),
            None if known.names_itself() => return Err(OidcError::Issuer),
            Some(_) | None => {}
        }
        if answer.error.is_some() {
            return Err(OidcError::Denied);
        }
        let code = answer.code.as_ref().ok_or(OidcError::Denied)?;
        let client = self.client(&known.metadata);
        let tokens = redeem(client.clone(), Arc::clone(exchange), code, &transaction.verifier).await?;
        let check = Check {
            party: self,
            transaction,
            now,
        };
        let token = tokens.id_token().ok_or(OidcError::Token("missing"))?.to_string();
        let claims = check.claims(exchange, &token, known).await?;
        check
            .somebody(exchange, &client, tokens.access_token(), claims)
            .await
    }
}

type Pinned<T> = Pin<Box<dyn Future<Output = Result<T, OidcError>> + Send>>;

/// Gives the code for tokens. As everywhere here, the future owns all it needs.
fn redeem(
    client: Client,
    exchange: Exchange,
    code: &SecretString,
    verifier: &str,
) -> Pinned<CoreTokenResponse> {
    let code = AuthorizationCode::new(code.expose_secret().to_owned());
    let verifier = PkceCodeVerifier::new(verifier.to_owned());
    Box::pin(async move {
        let send = Way(exchange);
        let request = client
            .exchange_code(code)
            .map_err(|_| OidcError::Provider("it has no token endpoint"))?
            .set_pkce_verifier(verifier);
        request.request_async(&send).await.map_err(|error| {
            use openidconnect::RequestTokenError as E;
            match error {
                E::ServerResponse(_) => OidcError::Code,
                E::Request(no_answer) => OidcError::Provider(no_answer.0),
                E::Parse(..) | E::Other(_) => OidcError::Provider("its answer cannot be read"),
            }
        })
    })
}

impl Check<'_> {
    /// The claims of an ID token that holds. A key that is not known is looked for once more.
    async fn claims(&self, exchange: &Exchange, token: &str, known: Known) -> Result<Claims, OidcError> {
        match self.verify(token, &known) {
            Err(OidcError::Token(UNKNOWN_KEY)) => {
                let renewed = self.party.renewed(exchange, self.now).await?;
                self.verify(token, &renewed)
            }
            verified => verified,
        }
    }

    fn verify(&self, token: &str, known: &Known) -> Result<Claims, OidcError> {
        let token: Token = serde_json::from_value(Value::String(token.to_owned()))
            .map_err(|_| OidcError::Token("unreadable"))?;
        let client = self.party.client(&known.metadata);
        let now = moment(self.now);
        let (earliest, latest) = (now - MAX_AGE, now + LEEWAY);
        let verifier = client
            .id_token_verifier()
            .set_allowed_algs(self.party.algorithms.clone())
            .set_time_fn(move || (now - LEEWAY).into())
            .set_issue_time_verifier_fn(move |issued| {
                let issued = SystemTime::from(issued);
                let fits = earliest <= issued && issued <= latest;
                if fits { Ok(()) } else { Err(String::new()) }
            });
        let nonce = Nonce::new(self.transaction.nonce.clone());
        let claims = token
            .into_claims(&verifier, &nonce)
            .map_err(|error| OidcError::Token(why(&error)))?;
        let not_before = claims.additional_claims().claims.get("nbf");
        let is_early = not_before.is_some_and(|nbf| {
            nbf.as_u64()
                .is_none_or(|nbf| UNIX_EPOCH + Duration::from_secs(nbf) > latest)
        });
        if is_early {
            return Err(OidcError::Token("early"));
        }
        // OpenID Connect Core 1.0 section 3.1.3.7, step 5.
        let party = claims.authorized_party();
        if party.is_some_and(|party| party.as_str() != self.party.config.client_id) {
            return Err(OidcError::Token("audience"));
        }
        if claims.subject().as_str().is_empty() || claims.subject().as_str().len() > MAX_SUBJECT {
            return Err(OidcError::Token("subject"));
        }
        Ok(claims)
    }

    /// Who it is; what the token does not say is asked at the provider.
    async fn somebody(
        &self,
        exchange: &Exchange,
        client: &Client,
        access: &AccessToken,
        claims: Claims,
    ) -> Result<Somebody, OidcError> {
        let role_claim = self.party.config.role_claim.as_deref();
        let roles = role_claim.and_then(|name| values(&claims.additional_claims().claims, name));
        let mut found = Somebody {
            issuer: self.party.config.issuer.clone(),
            subject: claims.subject().as_str().to_owned(),
            email: verified(
                claims.email().map(|email| email.as_str()),
                claims.email_verified(),
            ),
            name: claims
                .name()
                .and_then(|name| name.get(None))
                .map(|name| name.as_str().to_owned()),
            locale: claims.locale().map(|locale| locale.as_str().to_owned()),
            roles,
        };
        if found.email.is_some() && (role_claim.is_none() || found.roles.is_some()) {
            return Ok(found);
        }
        let subject = claims.subject().clone();
        if let Some(more) = user_info(client.clone(), Arc::clone(exchange), access.clone(), subject).await? {
            let name = more.name().and_then(|name| name.get(None));
            found.email = found
                .email
                .or_else(|| verified(more.email().map(|email| email.as_str()), more.email_verified()));
            found.name = found.name.or_else(|| name.map(|name| name.as_str().to_owned()));
            found.locale = found
                .locale
                .or_else(|| more.locale().map(|locale| locale.as_str().to_owned()));
            let claims = &more.additional_claims().claims;
            found.roles = found.roles.or_else(|| values(claims, role_claim?));
        }
        Ok(found)
    }
}

/// What the provider says of somebody beside the ID token, if it has a place for that.
fn user_info(
    client: Client,
    exchange: Exchange,
    access: AccessToken,
    subject: SubjectIdentifier,
) -> Pinned<Option<UserInfoClaims<Others, CoreGenderClaim>>> {
    Box::pin(async move {
        let send = Way(exchange);
        let Ok(request) = client.user_info(access, Some(subject)) else {
            return Ok(None);
        };
        let answered = request.request_async(&send).await;
        answered.map(Some).map_err(|error| match error {
            openidconnect::UserInfoError::ClaimsVerification(_) => OidcError::Token("subject"),
            openidconnect::UserInfoError::Request(no_answer) => OidcError::Provider(no_answer.0),
            _ => OidcError::Provider("its answer about a person cannot be read"),
        })
    })
}

/// An address counts when the provider has verified it.
fn verified(email: Option<&str>, is_verified: Option<bool>) -> Option<String> {
    email.filter(|_| is_verified == Some(true)).map(str::to_owned)
}

/// The values of a claim: a text, or a list of texts. Dots lead into claims inside others.
fn values(claims: &BTreeMap<String, Value>, name: &str) -> Option<Vec<String>> {
    let value = claims.get(name).or_else(|| {
        let (first, rest) = name.split_once('.')?;
        claims
            .get(first)?
            .pointer(&format!("/{}", rest.replace('.', "/")))
    })?;
    match value {
        Value::String(one) => Some(vec![one.clone()]),
        Value::Array(many) => {
            let texts = many.iter().filter_map(Value::as_str).map(str::to_owned);
            Some(texts.take(MAX_ROLES).collect())
        }
        _ => None,
    }
}

fn moment(time: Time) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(u64::try_from(time.micros()).unwrap_or(0))
}

const UNKNOWN_KEY: &str = "key";

/// What does not hold, in one word.
fn why(error: &ClaimsVerificationError) -> &'static str {
    use ClaimsVerificationError as C;
    use SignatureVerificationError as S;
    match error {
        C::Expired(_) => "time",
        C::InvalidAudience(_) => "audience",
        C::InvalidIssuer(_) => "issuer",
        C::InvalidNonce(_) => "nonce",
        C::InvalidSubject(_) => "subject",
        C::SignatureVerification(S::DisallowedAlg(_) | S::UnsupportedAlg(_) | S::NoSignature) => "algorithm",
        C::SignatureVerification(S::NoMatchingKey | S::AmbiguousKeyId(_)) => UNKNOWN_KEY,
        C::SignatureVerification(_) => "signature",
        _ => "form",
    }
}

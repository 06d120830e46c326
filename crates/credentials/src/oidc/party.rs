//! The studio at one provider: where it sends people, and what it knows of the provider's keys.

use super::{Begun, Config, Exchange, OidcError, RANDOM_BYTES, Transaction, Way};
use data_encoding::BASE64URL_NOPAD;
use domain::time::Time;
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthenticationFlow, CoreClaimName, CoreClaimType, CoreClient, CoreClientAuthMethod,
    CoreGrantType, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm,
    CoreJwsSigningAlgorithm, CoreResponseMode, CoreResponseType, CoreSubjectIdentifierType,
};
use openidconnect::{
    AdditionalProviderMetadata, AuthType, ClientId, ClientSecret, CsrfToken, EndpointMaybeSet,
    EndpointNotSet, EndpointSet, IssuerUrl, Nonce, PkceCodeChallenge, PkceCodeVerifier, ProviderMetadata,
    RedirectUrl, Scope,
};
use secrecy::ExposeSecret;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// How long a provider's metadata and keys are used before they are fetched again.
const GOOD_FOR: Duration = Duration::from_secs(3600);
/// A key that is not known makes them be fetched earlier, but never more often than this: otherwise anybody
/// could make the studio ask the provider as often as they like.
pub const MIN_REFRESH: Duration = Duration::from_secs(60);

/// What RFC 9207 section 3 adds to a provider's metadata.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Additional {
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl AdditionalProviderMetadata for Additional {}

pub(super) type Metadata = ProviderMetadata<
    Additional,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

pub(super) type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// What is known of a provider.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) metadata: Arc<Metadata>,
    pub(super) fetched_at: Time,
}

impl Known {
    /// Whether every answer of the provider must say who it is from.
    pub(super) fn names_itself(&self) -> bool {
        self.metadata
            .additional_metadata()
            .authorization_response_iss_parameter_supported
    }
}

/// The studio at one provider.
pub struct RelyingParty {
    pub(super) config: Config,
    issuer: IssuerUrl,
    redirect_uri: RedirectUrl,
    pub(super) algorithms: Vec<CoreJwsSigningAlgorithm>,
    known: Mutex<Option<Known>>,
}

impl RelyingParty {
    /// Checks the configuration; nobody is asked yet.
    ///
    /// # Errors
    /// [`OidcError::Config`].
    pub fn new(config: Config) -> Result<Self, OidcError> {
        let issuer = IssuerUrl::new(config.issuer.clone()).map_err(|_| OidcError::Config("issuer"))?;
        let redirect_uri = RedirectUrl::new(config.redirect_uri.clone())
            .map_err(|_| OidcError::Config("redirect address"))?;
        let algorithms: Option<Vec<_>> = config.algorithms.iter().map(|name| algorithm(name)).collect();
        Ok(Self {
            issuer,
            redirect_uri,
            algorithms: algorithms
                .filter(|some| !some.is_empty())
                .ok_or(OidcError::Config("algorithms"))?,
            config,
            known: Mutex::new(None),
        })
    }

    /// Where a browser goes to log in at the provider.
    ///
    /// # Errors
    /// [`OidcError::Provider`] if it cannot be asked where that is.
    pub async fn begin(
        &self,
        exchange: &Exchange,
        now: Time,
        random: &[u8; RANDOM_BYTES],
    ) -> Result<Begun, OidcError> {
        let known = self.known(exchange, now).await?;
        let text = |part: usize| {
            let bytes = random.get(part * 32..(part + 1) * 32).unwrap_or_default();
            BASE64URL_NOPAD.encode(bytes)
        };
        let transaction = Transaction {
            state: text(0),
            nonce: text(1),
            verifier: text(2),
        };
        let client = self.client(&known.metadata);
        let (state, nonce) = (
            CsrfToken::new(transaction.state.clone()),
            Nonce::new(transaction.nonce.clone()),
        );
        let verifier = PkceCodeVerifier::new(transaction.verifier.clone());
        let mut request = client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, || state, || nonce)
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier));
        for scope in self.config.scopes.iter().filter(|scope| *scope != "openid") {
            request = request.add_scope(Scope::new(scope.clone()));
        }
        let (url, _, _) = request.url();
        // A provider over https does not send people's passwords anywhere else.
        if url.scheme() != "https" && self.issuer.url().scheme() == "https" {
            return Err(OidcError::Provider("its login page is not over https"));
        }
        Ok(Begun {
            url: url.into(),
            transaction,
        })
    }

    /// The provider's metadata and keys, fetched when there are none or they are old.
    pub(super) async fn known(&self, exchange: &Exchange, now: Time) -> Result<Known, OidcError> {
        self.newer_than(exchange, now, GOOD_FOR).await
    }

    /// The same after a token named a key that is not known.
    pub(super) async fn renewed(&self, exchange: &Exchange, now: Time) -> Result<Known, OidcError> {
        self.newer_than(exchange, now, MIN_REFRESH).await
    }

    async fn newer_than(&self, exchange: &Exchange, now: Time, age: Duration) -> Result<Known, OidcError> {
        let mut known = self.known.lock().await;
        if let Some(known) = known.as_ref().filter(|known| now < known.fetched_at.after(age)) {
            return Ok(known.clone());
        }
        match discover(self.issuer.clone(), Arc::clone(exchange)).await {
            Ok(metadata) => {
                let fetched = Known {
                    metadata: Arc::new(metadata),
                    fetched_at: now,
                };
                *known = Some(fetched.clone());
                Ok(fetched)
            }
            Err(error) => {
                let why = reason(&error);
                tracing::warn!(
                    issuer = self.config.issuer,
                    why,
                    "an OpenID provider cannot be asked"
                );
                // What is known of it still holds; its keys may only be older than they should be.
                let old = known.as_mut().ok_or(OidcError::Provider(why))?;
                old.fetched_at = now;
                Ok(old.clone())
            }
        }
    }

    pub(super) fn client(&self, metadata: &Metadata) -> Client {
        let secret = self.config.client_secret.as_ref();
        let secret = secret.map(|secret| ClientSecret::new(secret.expose_secret().to_owned()));
        let id = ClientId::new(self.config.client_id.clone());
        CoreClient::from_provider_metadata(metadata.clone(), id, secret)
            .set_redirect_uri(self.redirect_uri.clone())
            .set_auth_type(how_to_authenticate(metadata))
    }
}

type Discovered = Result<Metadata, openidconnect::DiscoveryError<super::NoAnswer>>;

/// Metadata and keys. The future owns all it needs: the library's own borrows its client for a lifetime that
/// no spawned task can name.
fn discover(issuer: IssuerUrl, exchange: Exchange) -> Pin<Box<dyn Future<Output = Discovered> + Send>> {
    Box::pin(async move {
        let send = Way(exchange);
        Metadata::discover_async(issuer, &send).await
    })
}

/// OpenID Connect Discovery 1.0 section 3: without a list it is `client_secret_basic`.
fn how_to_authenticate(metadata: &Metadata) -> AuthType {
    match metadata.token_endpoint_auth_methods_supported() {
        Some(methods) if !methods.contains(&CoreClientAuthMethod::ClientSecretBasic) => AuthType::RequestBody,
        _ => AuthType::BasicAuth,
    }
}

fn algorithm(name: &str) -> Option<CoreJwsSigningAlgorithm> {
    Some(match name {
        "RS256" => CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
        "PS256" => CoreJwsSigningAlgorithm::RsaSsaPssSha256,
        "ES256" => CoreJwsSigningAlgorithm::EcdsaP256Sha256,
        "EdDSA" => CoreJwsSigningAlgorithm::EdDsa,
        _ => return None,
    })
}

/// What is wrong with a provider, without what it said.
fn reason(error: &openidconnect::DiscoveryError<super::NoAnswer>) -> &'static str {
    use openidconnect::DiscoveryError as E;
    match error {
        E::Request(no_answer) => no_answer.0,
        E::Response(..) => "it answers with an error",
        E::Parse(_) => "its description cannot be read",
        E::Validation(_) => "it calls itself by another name",
        _ => "its address cannot be used",
    }
}

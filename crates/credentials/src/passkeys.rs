//! Passkeys (Web Authentication level 3): making one, logging in with one, showing one again.
//!
//! User verification is always required, so a passkey counts as two factors: something the person has,
//! and their finger, face or PIN. Origins are compared exactly. Attestation is not asked for: it would
//! tell which device somebody owns and keep nobody out.

use domain::id::UserId;
use serde_json::{Value, json};
use std::time::Duration;
use url::{Host, Url};
use webauthn_rs::prelude::{
    Credential, DiscoverableAuthentication, Passkey, PasskeyRegistration, PublicKeyCredential,
    RegisterPublicKeyCredential, Uuid, Webauthn, WebauthnBuilder, WebauthnError,
};
use zeroize::Zeroizing;

/// How long a challenge may be answered (`security.md` 3.6).
pub const CHALLENGE_LIFE: Duration = Duration::from_secs(300);
/// The most bytes of a credential's id (Web Authentication section 4, "Credential ID").
pub const MAX_CREDENTIAL_ID_BYTES: usize = 1023;

/// Why an answer of an authenticator was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasskeyError {
    /// It is not such an answer at all.
    #[error("this is no answer of an authenticator")]
    Malformed,
    /// A check failed; the word says which, for the audit log.
    #[error("the answer of the authenticator is refused ({0})")]
    Refused(&'static str),
    /// The authenticator did not count on: there may be two of it.
    #[error("this passkey may have been copied; remove it and make a new one")]
    Cloned,
    /// The authenticator keeps no passkeys, so that it could not be used to log in.
    #[error("this authenticator does not store passkeys; use another one")]
    NotStored,
    /// What was kept cannot be read, or the library cannot make a challenge.
    #[error("passkeys do not work here at the moment")]
    Broken,
}

impl PasskeyError {
    /// A stable word for the audit log.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Refused(word) => word,
            Self::Cloned => "cloned",
            Self::NotStored => "not_stored",
            Self::Broken => "broken",
        }
    }
}

fn refused(error: &WebauthnError) -> PasskeyError {
    match error {
        WebauthnError::MismatchedChallenge => PasskeyError::Refused("challenge"),
        WebauthnError::InvalidRPOrigin | WebauthnError::CredentialCrossOrigin => {
            PasskeyError::Refused("origin")
        }
        WebauthnError::InvalidRPIDHash => PasskeyError::Refused("rp_id"),
        WebauthnError::UserNotPresent => PasskeyError::Refused("user_presence"),
        WebauthnError::UserNotVerified => PasskeyError::Refused("user_verification"),
        WebauthnError::CredentialPossibleCompromise => PasskeyError::Cloned,
        WebauthnError::CredentialNotFound | WebauthnError::InvalidUserUniqueId => {
            PasskeyError::Refused("unknown")
        }
        WebauthnError::CredentialExcludedFromRequest => PasskeyError::Refused("known_already"),
        WebauthnError::AuthenticationFailure | WebauthnError::SignatureInvalid => {
            PasskeyError::Refused("signature")
        }
        WebauthnError::CredentialBackupEligibilityInconsistent
        | WebauthnError::CredentialMayNotBeHardwareBound => PasskeyError::Refused("backup_flags"),
        WebauthnError::InvalidClientDataType => PasskeyError::Refused("ceremony"),
        WebauthnError::CredentialAlteredAlgFromRequest | WebauthnError::CredentialInsecureCryptography => {
            PasskeyError::Refused("algorithm")
        }
        // The library names about eighty more, nearly all about attestation, which is not asked for.
        _ => PasskeyError::Refused("form"),
    }
}

/// A ceremony that began: what the browser is told, and what is kept until it answers.
pub struct Begun {
    /// For `navigator.credentials`: `publicKey` in the JSON form of the standard.
    pub options: Value,
    /// The challenge and what was asked for. Secret until it was answered.
    pub state: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Begun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[passkey ceremony]")
    }
}

/// A passkey as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its id, in base64url.
    pub credential_id: String,
    /// Public key, counter and flags, in the library's JSON.
    pub credential: String,
}

/// What a kept passkey tells of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traits {
    /// How often it signed, as far as it counts; 0 for those that do not.
    pub counter: u32,
    /// Whether it may be copied to other devices of its owner.
    pub backup_eligible: bool,
    /// Whether it is.
    pub backed_up: bool,
}

/// Reads a kept passkey.
///
/// # Errors
/// [`PasskeyError::Broken`].
pub fn traits(credential: &str) -> Result<Traits, PasskeyError> {
    let credential: Credential = read_kept(credential)?.into();
    Ok(Traits {
        counter: credential.counter,
        backup_eligible: credential.backup_eligible,
        backed_up: credential.backup_state,
    })
}

/// Whom an answer names, before anything of it was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The person that the authenticator says it belongs to; absent where it was told the passkey's id.
    pub user: Option<UserId>,
    /// The passkey's id, in base64url.
    pub credential_id: String,
}

/// Reads whom an answer names. Nothing of it is proved yet.
///
/// # Errors
/// [`PasskeyError::Malformed`].
pub fn claim(answer: &Value) -> Result<Claim, PasskeyError> {
    let answer = read_answer(answer)?;
    let user = match answer.get_user_unique_id() {
        Some(bytes) => Some(Uuid::from_slice(bytes).map_err(|_| PasskeyError::Malformed)?),
        None => None,
    };
    Ok(Claim {
        user: user.map(|id| UserId::from_value(id.as_u128())),
        credential_id: id_text(answer.get_credential_id()),
    })
}

/// The side that asks for passkeys: one origin.
#[derive(Clone)]
pub struct RelyingParty {
    webauthn: Webauthn,
}

impl std::fmt::Debug for RelyingParty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RelyingParty({:?})", self.webauthn.get_allowed_origins())
    }
}

impl RelyingParty {
    /// For an origin such as `https://studio.example.org`. `None` where passkeys cannot be had: browsers
    /// know them for names only, not for IP addresses, and only over TLS or on this machine itself.
    #[must_use]
    pub fn of(origin: &Url, title: &str) -> Option<Self> {
        let Some(Host::Domain(host)) = origin.host() else {
            return None;
        };
        let local = host == "localhost" || host.ends_with(".localhost");
        if !(origin.scheme() == "https" || (origin.scheme() == "http" && local)) {
            return None;
        }
        let origin = Url::parse(&origin.origin().ascii_serialization()).ok()?;
        let webauthn = WebauthnBuilder::new(host, &origin)
            .ok()?
            .rp_name(title)
            .allow_subdomains(false)
            .allow_any_port(false)
            .timeout(CHALLENGE_LIFE)
            .build()
            .ok()?;
        Some(Self { webauthn })
    }

    /// Begins to make a passkey. Authenticators that hold one of `known` already refuse to make another.
    ///
    /// # Errors
    /// [`PasskeyError::Broken`].
    pub fn begin_registration(
        &self,
        user: UserId,
        account: &str,
        name: &str,
        known: &[Kept],
    ) -> Result<Begun, PasskeyError> {
        let known = known
            .iter()
            .map(|kept| read_kept(&kept.credential).map(|key| key.cred_id().clone()));
        let known = known.collect::<Result<Vec<_>, _>>()?;
        let id = Uuid::from_u128(user.value());
        let (options, state) = self
            .webauthn
            .start_passkey_registration(id, account, name, Some(known))
            .map_err(|_| PasskeyError::Broken)?;
        let mut options = serde_json::to_value(options).map_err(|_| PasskeyError::Broken)?;
        // The library leaves it to the authenticator whether it stores the passkey. Logging in without
        // typing an address needs one that does.
        let selection = options
            .pointer_mut("/publicKey/authenticatorSelection")
            .ok_or(PasskeyError::Broken)?;
        selection["residentKey"] = json!("required");
        selection["requireResidentKey"] = json!(true);
        Ok(Begun {
            options,
            state: write_state(&state)?,
        })
    }

    /// Ends it.
    ///
    /// # Errors
    /// Every variant of [`PasskeyError`] but [`PasskeyError::Cloned`].
    pub fn finish_registration(&self, state: &[u8], answer: &Value) -> Result<Kept, PasskeyError> {
        let state: PasskeyRegistration = read_state(state)?;
        let answer: RegisterPublicKeyCredential =
            serde_json::from_value(answer.clone()).map_err(|_| PasskeyError::Malformed)?;
        if answer
            .extensions
            .cred_props
            .as_ref()
            .is_some_and(|props| props.rk == Some(false))
        {
            return Err(PasskeyError::NotStored);
        }
        let passkey = self
            .webauthn
            .finish_passkey_registration(&answer, &state)
            .map_err(|error| refused(&error))?;
        if passkey.cred_id().len() > MAX_CREDENTIAL_ID_BYTES {
            return Err(PasskeyError::Malformed);
        }
        keep(&passkey)
    }

    /// Begins a login of whoever holds a passkey for this origin. The browser may offer it while an
    /// address is typed (`mediation: "conditional"`).
    ///
    /// # Errors
    /// [`PasskeyError::Broken`].
    pub fn begin_login(&self) -> Result<Begun, PasskeyError> {
        let (options, state) = self
            .webauthn
            .start_discoverable_authentication()
            .map_err(|_| PasskeyError::Broken)?;
        Ok(Begun {
            options: serde_json::to_value(options).map_err(|_| PasskeyError::Broken)?,
            state: write_state(&state)?,
        })
    }

    /// Begins to ask someone who is logged in to show one of their passkeys.
    ///
    /// # Errors
    /// [`PasskeyError::Broken`].
    pub fn begin_showing(&self, known: &[Kept]) -> Result<Begun, PasskeyError> {
        let mut begun = self.begin_login()?;
        let of = |kept: &Kept| json!({"type": "public-key", "id": kept.credential_id});
        let options = begun.options.as_object_mut().ok_or(PasskeyError::Broken)?;
        options.remove("mediation");
        let public_key = options.get_mut("publicKey").ok_or(PasskeyError::Broken)?;
        public_key["allowCredentials"] = known.iter().map(of).collect();
        Ok(begun)
    }

    /// Checks an answer against the passkey it claims ([`claim`]) and gives the passkey as it is to be
    /// kept from now on: its counter moved, its flags as the authenticator tells them.
    ///
    /// # Errors
    /// Every variant of [`PasskeyError`] but [`PasskeyError::NotStored`].
    pub fn finish(&self, state: &[u8], answer: &Value, kept: &Kept) -> Result<Kept, PasskeyError> {
        let state: DiscoverableAuthentication = read_state(state)?;
        let answer = read_answer(answer)?;
        let mut passkey = read_kept(&kept.credential)?;
        let shown = self
            .webauthn
            .finish_discoverable_authentication_v2(&answer, state, &passkey)
            .map_err(|error| refused(&error))?;
        // The policy of the state requires it; a login rests on it, so it is looked at once more.
        if !shown.user_verified() {
            return Err(PasskeyError::Refused("user_verification"));
        }
        passkey
            .update_credential(&shown)
            .ok_or(PasskeyError::Refused("unknown"))?;
        keep(&passkey)
    }
}

fn id_text(bytes: &[u8]) -> String {
    data_encoding::BASE64URL_NOPAD.encode(bytes)
}

fn keep(passkey: &Passkey) -> Result<Kept, PasskeyError> {
    Ok(Kept {
        credential_id: id_text(passkey.cred_id()),
        credential: serde_json::to_string(passkey).map_err(|_| PasskeyError::Broken)?,
    })
}

fn read_kept(credential: &str) -> Result<Passkey, PasskeyError> {
    serde_json::from_str(credential).map_err(|_| PasskeyError::Broken)
}

fn read_answer(answer: &Value) -> Result<PublicKeyCredential, PasskeyError> {
    serde_json::from_value(answer.clone()).map_err(|_| PasskeyError::Malformed)
}

fn write_state<T: serde::Serialize>(state: &T) -> Result<Zeroizing<Vec<u8>>, PasskeyError> {
    serde_json::to_vec(state)
        .map(Zeroizing::new)
        .map_err(|_| PasskeyError::Broken)
}

fn read_state<T: serde::de::DeserializeOwned>(state: &[u8]) -> Result<T, PasskeyError> {
    serde_json::from_slice(state).map_err(|_| PasskeyError::Broken)
}

//! Personal content on its way to and from the database: sealed under the workspace's key before it
//! reaches SQL, and the keyed pseudonyms that stand for people everywhere else.

use domain::id::{GenerationId, WorkspaceId};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::sync::Arc;
use vault::{KeyError, KeyProvider};

/// What of a generation only its owner may read.
#[derive(Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct PrivateText {
    /// The text that is sent.
    pub prompt: String,
    /// Words that the offline engine does not know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown_words: Vec<String>,
    /// Words that it knows but had to leave out (two skies, two objects).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

impl std::fmt::Debug for PrivateText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[private text]")
    }
}

/// Seals and opens private texts; makes pseudonyms.
pub(crate) struct Private {
    keys: Arc<dyn KeyProvider>,
    pseudonyms: vault::DerivedKey,
}

impl Private {
    pub(crate) fn new(keys: Arc<dyn KeyProvider>) -> Result<Self, KeyError> {
        let pseudonyms = keys.derive("pseudonym")?;
        Ok(Self { keys, pseudonyms })
    }

    /// `u_` and 16 hexadecimal digits: the same person gives the same pseudonym on this installation
    /// only, and without the key nobody can go back.
    pub(crate) fn pseudonym(&self, id: &str) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.pseudonyms.expose()) else {
            return "u_unknown".to_owned();
        };
        mac.update(id.as_bytes());
        let digest = mac.finalize().into_bytes();
        format!("u_{}", data_encoding::HEXLOWER.encode(&digest[..8]))
    }

    pub(crate) fn seal(
        &self,
        workspace: WorkspaceId,
        id: GenerationId,
        text: &PrivateText,
    ) -> Result<Vec<u8>, KeyError> {
        let plain = serde_json::to_vec(text).map_err(|_| KeyError::Damaged("private text".into()))?;
        self.keys
            .seal_small(&workspace.to_string(), &id.to_string(), &plain)
    }

    pub(crate) fn open(
        &self,
        workspace: WorkspaceId,
        id: GenerationId,
        sealed: &[u8],
    ) -> Result<PrivateText, KeyError> {
        let plain = self
            .keys
            .open_small(&workspace.to_string(), &id.to_string(), sealed)?;
        serde_json::from_slice(&plain).map_err(|_| KeyError::Damaged("private text".into()))
    }
}

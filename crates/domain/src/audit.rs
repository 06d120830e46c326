//! Audit entries: what was done to what, by whom, with what outcome. Canonical bytes become a leaf of
//! the Merkle log. No prompt, no name, no address: actors are keyed pseudonyms, details are short words.

use crate::id::{AuditId, WorkspaceId};
use crate::time::Time;
use std::collections::BTreeMap;

/// The most bytes of one canonical entry (an entry bundle of C2SP tlog-tiles prefixes 16 bits of length).
pub const MAX_ENTRY_BYTES: usize = 16 * 1024;

crate::generation::words! {
    /// What was done.
    Action {
        /// A process began to serve this data.
        StudioStarted = "studio.started",
        /// A generation was accepted.
        GenerationAccepted = "generation.accepted",
        /// A generation was refused by the gate.
        GenerationRefused = "generation.refused",
        /// Its owner asked to stop it.
        GenerationCancelRequested = "generation.cancel_requested",
        /// It came to its end.
        GenerationEnded = "generation.ended",
        /// Its owner removed it with its media.
        GenerationDeleted = "generation.deleted",
        /// A submission is about to leave for a provider.
        AttemptIntent = "attempt.intent",
        /// The provider accepted, refused, or its answer was lost.
        AttemptAnswered = "attempt.answered",
        /// A lost answer was looked for.
        AttemptReconciled = "attempt.reconciled",
        /// The provider came to an end with it.
        AttemptEnded = "attempt.ended",
        /// Another submission although an earlier one may have been charged, by the workspace's policy.
        AttemptRepeated = "attempt.repeated",
        /// Media was stored.
        AssetStored = "asset.stored",
        /// Media was removed.
        AssetDeleted = "asset.deleted",
        /// The schema was changed.
        SchemaMigrated = "schema.migrated",
        /// A setting was changed while running.
        SettingChanged = "setting.changed",
        /// The first administrator was made.
        SetupCompleted = "setup.completed",
        /// An account was made.
        AccountCreated = "account.created",
        /// Its address was verified.
        AccountVerified = "account.verified",
        /// Its name, language or address was changed.
        AccountChanged = "account.changed",
        /// It was closed.
        AccountDisabled = "account.disabled",
        /// It was opened again.
        AccountEnabled = "account.enabled",
        /// A role in the installation or in a workspace was changed.
        RoleChanged = "role.changed",
        /// Someone became a member of a workspace.
        MemberAdded = "member.added",
        /// Someone is a member no more.
        MemberRemoved = "member.removed",
        /// A workspace was made.
        WorkspaceCreated = "workspace.created",
        /// A workspace was renamed.
        WorkspaceChanged = "workspace.changed",
        /// Someone was invited.
        InvitationCreated = "invitation.created",
        /// An invitation was taken back.
        InvitationRevoked = "invitation.revoked",
        /// An invitation was accepted.
        InvitationAccepted = "invitation.accepted",
        /// A login succeeded.
        LoginSucceeded = "login.succeeded",
        /// A login failed, with its reason.
        LoginFailed = "login.failed",
        /// A factor was shown for a sensitive act.
        StepUpSucceeded = "step_up.succeeded",
        /// A factor was shown and refused.
        StepUpFailed = "step_up.failed",
        /// A session was ended, with its reason.
        SessionEnded = "session.ended",
        /// A refresh token was used twice: its whole session was ended.
        TokenReused = "token.reused",
        /// A password was set.
        PasswordChanged = "password.changed",
        /// A reset was asked for.
        PasswordResetRequested = "password.reset_requested",
        /// A passkey, one-time code or set of recovery codes was added.
        FactorAdded = "factor.added",
        /// One was removed.
        FactorRemoved = "factor.removed",
        /// A recovery code was used up.
        RecoveryCodeUsed = "recovery_code.used",
        /// An API key was made.
        KeyCreated = "key.created",
        /// An API key was revoked.
        KeyRevoked = "key.revoked",
        /// An identity at another provider was tied to an account.
        IdentityLinked = "identity.linked",
        /// Something was refused for want of a right.
        AccessDenied = "access.denied",
        /// Access tokens are signed by another key.
        TokenKeyRotated = "token_key.rotated",
    }
}

/// One entry.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Entry {
    /// Its id; also says when, roughly.
    pub id: AuditId,
    /// When.
    pub at: Time,
    /// Who: a keyed pseudonym, or `system:<reason>`.
    pub actor: String,
    /// In which workspace, if in one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub workspace: Option<WorkspaceId>,
    /// What.
    pub action: Action,
    /// To what: an id.
    pub object: String,
    /// With what outcome: `ok` or a stable code.
    pub outcome: String,
    /// The request it came with.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub request_id: Option<String>,
    /// Short machine words: states, provider, model, amounts, digests.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub details: BTreeMap<String, String>,
}

impl Entry {
    /// The bytes that the log keeps: JSON with fields in this order and sorted details (RFC 8785 for the
    /// values used here: strings only).
    ///
    /// # Errors
    /// If the entry is longer than [`MAX_ENTRY_BYTES`].
    pub fn canonical(&self) -> Result<Vec<u8>, TooLong> {
        let bytes = serde_json::to_vec(self).map_err(|_| TooLong)?;
        if bytes.len() > MAX_ENTRY_BYTES {
            Err(TooLong)
        } else {
            Ok(bytes)
        }
    }
}

/// An audit entry over [`MAX_ENTRY_BYTES`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an audit entry is at most {MAX_ENTRY_BYTES} bytes")]
pub struct TooLong;

//! Who somebody is at another provider: issuer and subject, never an address.

use crate::args;
use crate::error::Result;
use crate::tx::{Read, Tx};
use domain::id::UserId;
use domain::time::Time;

/// One identity elsewhere.
#[derive(Clone, PartialEq, Eq)]
pub struct ExternalIdentity {
    /// The issuer.
    pub issuer: String,
    /// The subject there.
    pub subject: String,
    /// Whose it is.
    pub user: UserId,
    /// The name of the provider in the configuration at the time.
    pub provider: String,
    /// Since when.
    pub created_at: Time,
}

impl std::fmt::Debug for ExternalIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("ExternalIdentity");
        shown.field("user", &self.user).field("provider", &self.provider);
        shown.finish_non_exhaustive()
    }
}

/// Keeps an identity.
///
/// # Errors
/// [`crate::Error::Conflict`] with `external_identities_pkey` if it is somebody's already.
pub async fn insert(tx: &mut Tx, identity: &ExternalIdentity) -> Result<()> {
    let sql = "insert into external_identities (issuer, subject, user_id, provider, created_at) \
               values ($1, $2, $3, $4, $5)";
    let args = args![
        &identity.issuer,
        &identity.subject,
        identity.user,
        &identity.provider,
        identity.created_at,
    ];
    tx.execute(sql, args).await.map(|_| ())
}

/// Whose identity it is.
///
/// # Errors
/// What the database says.
pub async fn find(read: &mut Read, issuer: &str, subject: &str) -> Result<Option<UserId>> {
    let sql = "select user_id from external_identities where issuer = $1 and subject = $2";
    let found = read.first(sql, args![issuer, subject]).await?;
    found.map(|row| row.parsed("user_id")).transpose()
}

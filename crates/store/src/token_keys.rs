//! The keys that sign access tokens: one signs, one is announced. The private half is wrapped under the
//! root key before it arrives here.

use crate::args;
use crate::dialect::{self, Lock};
use crate::error::Result;
use crate::tx::{Read, Tx};
use domain::time::Time;

/// One key.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenKey {
    /// RFC 7638 thumbprint of its public half.
    pub kid: String,
    /// The public half.
    pub public_key: Vec<u8>,
    /// The private half, wrapped.
    pub private_wrapped: Vec<u8>,
    /// When it was made, and published.
    pub created_at: Time,
    /// From when on it signs; none while that is not decided.
    pub signs_from: Option<Time>,
    /// Until when it signs; none while that is not decided.
    pub signs_until: Option<Time>,
}

impl std::fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenKey")
            .field("kid", &self.kid)
            .field("signs_from", &self.signs_from)
            .field("signs_until", &self.signs_until)
            .finish_non_exhaustive()
    }
}

/// Until the transaction ends nobody else makes or turns keys.
///
/// # Errors
/// What the database says.
pub async fn lock(tx: &mut Tx) -> Result<()> {
    dialect::lock(tx, Lock::TOKEN_KEYS).await
}

/// Keeps a new key.
///
/// # Errors
/// What the database says.
pub async fn insert(tx: &mut Tx, key: &TokenKey) -> Result<()> {
    let sql = "insert into token_keys (kid, public_key, private_wrapped, created_at, signs_from, signs_until) \
               values ($1, $2, $3, $4, $5, $6)";
    let args = args![
        &key.kid,
        &key.public_key,
        &key.private_wrapped,
        key.created_at,
        key.signs_from,
        key.signs_until,
    ];
    tx.execute(sql, args).await.map(|_| ())
}

/// Every key: few.
///
/// # Errors
/// What the database says.
pub async fn all(read: &mut Read) -> Result<Vec<TokenKey>> {
    let sql = "select kid, public_key, private_wrapped, created_at, signs_from, signs_until from token_keys \
               order by created_at, kid";
    let rows = read.all(sql, args![]).await?;
    rows.iter()
        .map(|row| {
            Ok(TokenKey {
                kid: row.text("kid")?.to_owned(),
                public_key: row.bytes("public_key")?.to_vec(),
                private_wrapped: row.bytes("private_wrapped")?.to_vec(),
                created_at: row.time("created_at")?,
                signs_from: row.opt_time("signs_from")?,
                signs_until: row.opt_time("signs_until")?,
            })
        })
        .collect()
}

/// Says from when to when a key signs.
///
/// # Errors
/// What the database says.
pub async fn set_times(tx: &mut Tx, kid: &str, from: Option<Time>, until: Option<Time>) -> Result<()> {
    let sql = "update token_keys set signs_from = $2, signs_until = $3 where kid = $1";
    tx.execute(sql, args![kid, from, until]).await.map(|_| ())
}

/// Removes a key: what it signed is good no more.
///
/// # Errors
/// What the database says.
pub async fn remove(tx: &mut Tx, kid: &str) -> Result<bool> {
    let sql = "delete from token_keys where kid = $1";
    Ok(tx.execute(sql, args![kid]).await? == 1)
}

//! Refresh tokens: the chain of each session, kept as hashes. At most one token of a chain is live: the
//! one with neither a use nor a successor. A token with a use and no successor was withdrawn before
//! anybody used it.

use crate::args;
use crate::dialect;
use crate::error::Result;
use crate::sessions::{Standing, standing_columns, standing_row};
use crate::tx::Tx;
use domain::id::SessionId;
use domain::secret::TokenHash;
use domain::time::Time;

/// One refresh token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshToken {
    /// SHA-256 of it.
    pub hash: TokenHash,
    /// Its session.
    pub session: SessionId,
    /// How many came before it.
    pub generation: i64,
    /// When it was handed out.
    pub issued_at: Time,
    /// When it was used or withdrawn.
    pub used_at: Option<Time>,
    /// What was handed out for it.
    pub successor: Option<TokenHash>,
}

/// Keeps a new token.
///
/// # Errors
/// What the database says.
pub async fn insert(tx: &mut Tx, token: &RefreshToken) -> Result<()> {
    let sql = "insert into refresh_tokens (hash, session, generation, issued_at) values ($1, $2, $3, $4)";
    let args = args![&token.hash, token.session, token.generation, token.issued_at];
    tx.execute(sql, args).await.map(|_| ())
}

/// A token with the standing of its session. Until the transaction ends nobody else uses a token of this
/// session.
///
/// # Errors
/// What the database says.
pub async fn take(tx: &mut Tx, hash: &TokenHash) -> Result<Option<(RefreshToken, Standing)>> {
    let sql = format!(
        "select refresh_tokens.hash as hash, refresh_tokens.generation as generation, \
         refresh_tokens.issued_at as issued_at, refresh_tokens.used_at as spent_at, \
         refresh_tokens.successor as successor, {}{}",
        standing_columns!(
            "from refresh_tokens join sessions on sessions.id = refresh_tokens.session \
             join users on users.id = sessions.user_id \
             left join members on members.workspace = sessions.workspace and members.user_id = sessions.user_id \
             where refresh_tokens.hash = $1"
        ),
        dialect::lock_tokens(tx.kind())
    );
    let Some(row) = tx.first(&sql, args![hash]).await? else {
        return Ok(None);
    };
    let standing = standing_row(&row)?;
    let token = RefreshToken {
        hash: TokenHash::stored(row.text("hash")?.to_owned()),
        session: standing.session.id,
        generation: row.int("generation")?,
        issued_at: row.time("issued_at")?,
        used_at: row.opt_time("spent_at")?,
        successor: row
            .opt_text("successor")?
            .map(|hex| TokenHash::stored(hex.to_owned())),
    };
    Ok(Some((token, standing)))
}

/// Notes a token's first use and what was handed out for it; `false` if it was used before.
///
/// # Errors
/// What the database says.
pub async fn spend(tx: &mut Tx, hash: &TokenHash, successor: &TokenHash, now: Time) -> Result<bool> {
    let sql = "update refresh_tokens set used_at = $3, successor = $2 where hash = $1 and used_at is null";
    Ok(tx.execute(sql, args![hash, successor, now]).await? == 1)
}

/// Puts another successor in place of one that nobody used, which is good no more; `false` if it was used
/// after all.
///
/// # Errors
/// What the database says.
pub async fn replace_successor(
    tx: &mut Tx,
    hash: &TokenHash,
    unused: &TokenHash,
    successor: &TokenHash,
    now: Time,
) -> Result<bool> {
    let sql = "update refresh_tokens set used_at = $2 where hash = $1 and used_at is null";
    if tx.execute(sql, args![unused, now]).await? == 0 {
        return Ok(false);
    }
    let sql = "update refresh_tokens set successor = $3 where hash = $1 and successor = $2";
    Ok(tx.execute(sql, args![hash, unused, successor]).await? == 1)
}

//! Open invitations as administrators see them: tickets of that kind, named by the first half of their
//! hash, which tells nobody what was handed out.

use crate::args;
use crate::error::Result;
use crate::tickets::Kind;
use crate::tx::Read;
use crate::value::Row;
use domain::id::{InvitationId, UserId};
use domain::secret::TokenHash;
use domain::time::Time;

/// The most rows of one page.
pub const MAX_PAGE: u32 = 500;
/// Hexadecimal digits of a hash that an id holds.
const DIGITS: usize = 32;

/// One open invitation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Invitation {
    /// Hash of what was handed out.
    pub hash: TokenHash,
    /// Who is invited.
    pub user: UserId,
    /// When it was made.
    pub created_at: Time,
    /// Until when it can be accepted.
    pub expires_at: Time,
}

impl Invitation {
    /// What it is called.
    #[must_use]
    pub fn id(&self) -> InvitationId {
        id_of(&self.hash)
    }
}

/// What an invitation is called whose ticket has this hash.
#[must_use]
pub fn id_of(hash: &TokenHash) -> InvitationId {
    let digits = hash.as_str().get(..DIGITS).unwrap_or_default();
    InvitationId::from_value(u128::from_str_radix(digits, 16).unwrap_or_default())
}

/// Invitations that can still be accepted, newest first, after the one that was made at a time and is
/// called so; at most [`MAX_PAGE`].
///
/// # Errors
/// What the database says.
pub async fn page(
    read: &mut Read,
    now: Time,
    before: Option<(Time, InvitationId)>,
    limit: u32,
) -> Result<Vec<Invitation>> {
    let (at, hash) = before.map_or((Time::from_micros(i64::MAX), String::new()), |(at, id)| {
        (at, format!("{:032x}", id.value()))
    });
    let sql = "select hash, user_id, created_at, expires_at from tickets where kind = $1 \
               and (created_at, hash) < ($2, $3) and used_at is null and expires_at > $4 and user_id is not null \
               order by created_at desc, hash desc limit $5";
    let rows = read
        .all(sql, args![Kind::Invitation, at, hash, now, limit.min(MAX_PAGE)])
        .await?;
    rows.iter().map(row).collect()
}

/// The invitation that is called so, if it can still be accepted.
///
/// # Errors
/// What the database says.
pub async fn find(read: &mut Read, id: InvitationId, now: Time) -> Result<Option<Invitation>> {
    let low = format!("{:032x}", id.value());
    // No digit comes after `f`: what begins with the digits of the id lies between the two.
    let high = format!("{low}g");
    let sql = "select hash, user_id, created_at, expires_at from tickets where hash >= $1 and hash < $2 \
               and kind = $3 and used_at is null and expires_at > $4 and user_id is not null";
    let found = read.first(sql, args![low, high, Kind::Invitation, now]).await?;
    found.as_ref().map(row).transpose()
}

fn row(row: &Row) -> Result<Invitation> {
    Ok(Invitation {
        hash: TokenHash::stored(row.text("hash")?.to_owned()),
        user: row.parsed("user_id")?,
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
    })
}

//! Tickets: unguessable, short-lived, used once. What is kept is the hash of what was handed out.

use crate::args;
use crate::dialect;
use crate::error::Result;
use crate::tx::{Read, Tx};
use crate::value::{Arg, Row};
use domain::id::UserId;
use domain::secret::TokenHash;
use domain::time::Time;
use std::str::FromStr;

/// The most rows of one page.
pub const MAX_PAGE: u32 = 500;

/// What a ticket is for. One of another kind is not found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Proves that somebody reads at an address.
    VerifyEmail,
    /// Sets a new password.
    ResetPassword,
    /// Makes an account.
    Invitation,
    /// A login with a passkey on its way.
    PasskeyLogin,
    /// A passkey about to be added.
    PasskeyRegister,
    /// A passkey about to be shown for a sensitive act.
    PasskeyStepUp,
    /// A login at an OpenID provider on its way.
    Federation,
}

impl Kind {
    const WORDS: [(Self, &'static str); 7] = [
        (Self::VerifyEmail, "verify_email"),
        (Self::ResetPassword, "reset_password"),
        (Self::Invitation, "invitation"),
        (Self::PasskeyLogin, "passkey_login"),
        (Self::PasskeyRegister, "passkey_register"),
        (Self::PasskeyStepUp, "passkey_step_up"),
        (Self::Federation, "federation"),
    ];

    /// The word in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let known = Self::WORDS.iter().find(|(kind, _)| *kind == self);
        known.map_or("", |(_, word)| word)
    }
}

impl FromStr for Kind {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let known = Self::WORDS.iter().find(|(_, word)| *word == text);
        known.map(|(kind, _)| *kind).ok_or(())
    }
}

impl From<Kind> for Arg<'_> {
    fn from(kind: Kind) -> Self {
        Arg::from(kind.as_str())
    }
}

/// One ticket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ticket {
    /// Hash of what was handed out.
    pub hash: TokenHash,
    /// What it is for.
    pub kind: Kind,
    /// Whose, if of somebody.
    pub user: Option<UserId>,
    /// Hash of the cookie of the browser that it is bound to.
    pub browser: Option<TokenHash>,
    /// What it carries, encrypted.
    pub payload_sealed: Option<Vec<u8>>,
    /// When it was made.
    pub created_at: Time,
    /// Until when it can be used.
    pub expires_at: Time,
    /// When it was used or revoked.
    pub used_at: Option<Time>,
    /// How often it was tried in vain.
    pub tries: i64,
}

/// The columns that [`row`] reads.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select hash, kind, user_id, browser, payload_sealed, created_at, expires_at, used_at, tries \
             from tickets ",
            $rest
        )
    };
}

/// Keeps a ticket.
///
/// # Errors
/// What the database says.
pub async fn insert(tx: &mut Tx, ticket: &Ticket) -> Result<()> {
    let sql = "insert into tickets (hash, kind, user_id, browser, payload_sealed, created_at, expires_at, \
               used_at, tries) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let args = args![
        &ticket.hash,
        ticket.kind,
        ticket.user,
        ticket.browser.as_ref(),
        ticket.payload_sealed.as_ref(),
        ticket.created_at,
        ticket.expires_at,
        ticket.used_at,
        ticket.tries,
    ];
    tx.execute(sql, args).await.map(|_| ())
}

/// A ticket that can still be used.
///
/// # Errors
/// What the database says.
pub async fn find(read: &mut Read, kind: Kind, hash: &TokenHash, now: Time) -> Result<Option<Ticket>> {
    let sql = select!("where hash = $1 and kind = $2 and used_at is null and expires_at > $3");
    let found = read.first(sql, args![hash, kind, now]).await?;
    found.as_ref().map(row).transpose()
}

/// Uses a ticket up: one of many that ask at once gets it, and only before its time is over.
///
/// # Errors
/// What the database says.
pub async fn take(tx: &mut Tx, kind: Kind, hash: &TokenHash, now: Time) -> Result<Option<Ticket>> {
    let sql = "update tickets set used_at = $3 where hash = $1 and kind = $2 and used_at is null \
               and expires_at > $3 returning hash, kind, user_id, browser, payload_sealed, created_at, \
               expires_at, used_at, tries";
    let found = tx.first(sql, args![hash, kind, now]).await?;
    found.as_ref().map(row).transpose()
}

/// Counts a try in vain, and uses the ticket up at the last one of `most`.
///
/// # Errors
/// What the database says.
pub async fn count_try(tx: &mut Tx, hash: &TokenHash, most: i64, now: Time) -> Result<()> {
    let sql = "update tickets set tries = tries + 1, \
               used_at = case when tries + 1 >= $2 then coalesce(used_at, $3) else used_at end where hash = $1";
    tx.execute(sql, args![hash, most, now]).await.map(|_| ())
}

/// Makes the tickets of somebody for one purpose useless; tells how many could still be used.
///
/// # Errors
/// What the database says.
pub async fn revoke_of(tx: &mut Tx, user: UserId, kind: Kind, now: Time) -> Result<u64> {
    let sql = "update tickets set used_at = $3 where user_id = $1 and kind = $2 and used_at is null and expires_at > $3";
    tx.execute(sql, args![user, kind, now]).await
}

/// Tickets of somebody for one purpose that can still be used, oldest first.
///
/// # Errors
/// What the database says.
pub async fn open_of(read: &mut Read, user: UserId, kind: Kind, now: Time) -> Result<Vec<Ticket>> {
    let sql = select!(
        "where user_id = $1 and kind = $2 and used_at is null and expires_at > $3 order by created_at limit $4"
    );
    let rows = read.all(sql, args![user, kind, now, MAX_PAGE]).await?;
    rows.iter().map(row).collect()
}

/// How many tickets of somebody for one purpose were made after this, used or not. Until the transaction
/// ends nobody else counts for the same person: what is made by the count is made once.
///
/// # Errors
/// What the database says.
pub async fn made_since(tx: &mut Tx, user: UserId, kind: Kind, since: Time) -> Result<i64> {
    dialect::lock_user(tx, user).await?;
    let sql = "select count(*) as n from tickets where user_id = $1 and kind = $2 and created_at > $3";
    tx.one(sql, args![user, kind, since]).await?.int("n")
}

/// Tickets for one purpose that can still be used, newest first; at most [`MAX_PAGE`].
///
/// # Errors
/// What the database says.
pub async fn open(read: &mut Read, kind: Kind, now: Time, limit: u32) -> Result<Vec<Ticket>> {
    let sql =
        select!("where kind = $1 and used_at is null and expires_at > $2 order by created_at desc limit $3");
    let rows = read.all(sql, args![kind, now, limit.min(MAX_PAGE)]).await?;
    rows.iter().map(row).collect()
}

/// Forgets tickets whose time was over before this.
///
/// # Errors
/// What the database says.
pub async fn forget_before(tx: &mut Tx, before: Time) -> Result<u64> {
    tx.execute("delete from tickets where expires_at < $1", args![before])
        .await
}

fn row(row: &Row) -> Result<Ticket> {
    Ok(Ticket {
        hash: TokenHash::stored(row.text("hash")?.to_owned()),
        kind: row.parsed("kind")?,
        user: row.opt_parsed("user_id")?,
        browser: row
            .opt_text("browser")?
            .map(|hash| TokenHash::stored(hash.to_owned())),
        payload_sealed: row.opt_bytes("payload_sealed")?.map(<[u8]>::to_vec),
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
        used_at: row.opt_time("used_at")?,
        tries: row.int("tries")?,
    })
}

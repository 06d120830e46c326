//! Letters on their way: kept in the transaction that is their reason, sent by a worker, at least once.
//! What a letter says is encrypted, and forgotten when it was sent or given up.

use crate::args;
use crate::dialect;
use crate::error::Result;
use crate::tx::{Read, Tx};
use crate::value::Row;
use domain::actor::SystemScope;
use domain::id::{MailId, UserId};
use domain::time::Time;

/// The most letters that are taken at once.
pub const MAX_TAKEN: u32 = 100;

/// A letter that is to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct NewMail {
    /// Its id.
    pub id: MailId,
    /// Whose account it is about, if one is.
    pub user: Option<UserId>,
    /// What it is about, in one word.
    pub kind: String,
    /// Address, language and what the text needs, encrypted.
    pub letter_sealed: Vec<u8>,
    /// When it was written.
    pub created_at: Time,
}

/// A letter in the hands of a worker.
#[derive(Clone, PartialEq, Eq)]
pub struct Taken {
    /// Its id.
    pub id: MailId,
    /// Whose account it is about, if one is.
    pub user: Option<UserId>,
    /// What it is about, in one word.
    pub kind: String,
    /// Address, language and what the text needs, encrypted.
    pub letter_sealed: Vec<u8>,
    /// When it was written.
    pub created_at: Time,
    /// Which try this is, from 1.
    pub tries: i64,
}

impl std::fmt::Debug for NewMail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewMail({}, {})", self.id, self.kind)
    }
}

impl std::fmt::Debug for Taken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Taken({}, {}, try {})", self.id, self.kind, self.tries)
    }
}

/// How many letters wait and how many did not get through.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Letters that wait to be sent.
    pub waiting: i64,
    /// When the oldest of them was written.
    pub oldest: Option<Time>,
    /// Letters that were given up and are still remembered.
    pub given_up: i64,
}

/// Keeps a letter; it is due at once.
///
/// # Errors
/// What the database says.
pub async fn insert(tx: &mut Tx, mail: &NewMail) -> Result<()> {
    let sql = "insert into mails (id, user_id, kind, letter_sealed, created_at, due_at, tries) \
               values ($1, $2, $3, $4, $5, $5, 0)";
    let args = args![
        mail.id,
        mail.user,
        &mail.kind,
        &mail.letter_sealed,
        mail.created_at
    ];
    tx.execute(sql, args).await.map(|_| ())
}

/// Takes letters whose time has come, at most [`MAX_TAKEN`]. Nobody else gets them before `until`; then
/// they are due again, for whoever took them is gone.
///
/// # Errors
/// What the database says.
pub async fn take(tx: &mut Tx, _: SystemScope, now: Time, until: Time, limit: u32) -> Result<Vec<Taken>> {
    let sql = format!(
        "select id, user_id, kind, letter_sealed, created_at, tries from mails where due_at <= $1 \
         order by due_at limit $2{}",
        dialect::skip_locked(tx.kind())
    );
    let rows = tx.all(&sql, args![now, limit.min(MAX_TAKEN)]).await?;
    let mut taken = Vec::with_capacity(rows.len());
    for row in &rows {
        let mut mail = self::row(row)?;
        mail.tries += 1;
        let sql = "update mails set due_at = $2, tries = $3 where id = $1";
        tx.execute(sql, args![mail.id, until, mail.tries]).await?;
        taken.push(mail);
    }
    Ok(taken)
}

/// Notes that a letter was sent, whoever else has it by now, and forgets what it said.
///
/// # Errors
/// What the database says.
pub async fn sent(tx: &mut Tx, _: SystemScope, id: MailId, now: Time) -> Result<()> {
    let sql =
        "update mails set sent_at = $2, due_at = null, problem = null, letter_sealed = $3 where id = $1";
    tx.execute(sql, args![id, now, NOTHING]).await.map(|_| ())
}

/// Notes why a try did not work and when the next is due; `false` if another try was made since.
///
/// # Errors
/// What the database says.
pub async fn later(tx: &mut Tx, _: SystemScope, taken: &Taken, due_at: Time, problem: &str) -> Result<bool> {
    let sql =
        "update mails set due_at = $3, problem = $4 where id = $1 and tries = $2 and due_at is not null";
    let args = args![taken.id, taken.tries, due_at, problem];
    Ok(tx.execute(sql, args).await? == 1)
}

/// Gives a letter up and forgets what it said; `false` if another try was made since.
///
/// # Errors
/// What the database says.
pub async fn give_up(tx: &mut Tx, _: SystemScope, taken: &Taken, problem: &str) -> Result<bool> {
    let sql = "update mails set due_at = null, problem = $3, letter_sealed = $4 \
               where id = $1 and tries = $2 and due_at is not null";
    let args = args![taken.id, taken.tries, problem, NOTHING];
    Ok(tx.execute(sql, args).await? == 1)
}

/// How many letters wait and how many were given up.
///
/// # Errors
/// What the database says.
pub async fn counts(read: &mut Read, _: SystemScope) -> Result<Counts> {
    let sql = "select count(*) as waiting, min(created_at) as oldest from mails where due_at is not null";
    let waiting = read.one(sql, &[]).await?;
    let sql = "select count(*) as given_up from mails where due_at is null and sent_at is null";
    let given_up = read.one(sql, &[]).await?;
    Ok(Counts {
        waiting: waiting.int("waiting")?,
        oldest: waiting.opt_time("oldest")?,
        given_up: given_up.int("given_up")?,
    })
}

/// Gives up letters written before `time` that still wait, and forgets what they said; tells how many.
///
/// # Errors
/// What the database says.
pub async fn expire_before(tx: &mut Tx, time: Time) -> Result<u64> {
    let sql = "update mails set due_at = null, problem = 'expired', letter_sealed = $2 \
               where created_at < $1 and due_at is not null";
    tx.execute(sql, args![time, NOTHING]).await
}

/// Forgets letters written before `time` that were sent or given up; tells how many.
///
/// # Errors
/// What the database says.
pub async fn forget_before(tx: &mut Tx, time: Time) -> Result<u64> {
    let sql = "delete from mails where created_at < $1 and due_at is null";
    tx.execute(sql, args![time]).await
}

/// What is left of a letter that went its way.
const NOTHING: &[u8] = &[];

fn row(row: &Row) -> Result<Taken> {
    Ok(Taken {
        id: row.parsed("id")?,
        user: row.opt_parsed("user_id")?,
        kind: row.text("kind")?.to_owned(),
        letter_sealed: row.bytes("letter_sealed")?.to_vec(),
        created_at: row.time("created_at")?,
        tries: row.int("tries")?,
    })
}

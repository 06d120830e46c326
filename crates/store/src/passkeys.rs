//! Passkeys: public keys of people, found by the credential's own id at login and by person elsewhere.
//! Their names arrive here encrypted. Whoever calls has a person that was authenticated, or a credential
//! whose answer is about to be checked.

use crate::args;
use crate::dialect;
use crate::error::Result;
use crate::tx::{Read, Tx};
use crate::value::Row;
use domain::id::{PasskeyId, UserId};
use domain::time::Time;

/// The most passkeys of one person.
pub const MAX_PASSKEYS: u32 = 20;

/// One passkey.
#[derive(Clone, PartialEq, Eq)]
pub struct Passkey {
    /// Its id here.
    pub id: PasskeyId,
    /// Whose.
    pub user: UserId,
    /// Its id at the authenticator, in base64url.
    pub credential_id: String,
    /// Public key, counter and flags as `credentials::passkeys` writes them.
    pub credential: String,
    /// What its owner calls it, encrypted under the person's key.
    pub name_sealed: Vec<u8>,
    /// When it was made.
    pub created_at: Time,
    /// When it was last shown.
    pub used_at: Option<Time>,
}

impl std::fmt::Debug for Passkey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passkey")
            .field("id", &self.id)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// Keeps a new passkey.
///
/// # Errors
/// [`crate::Error::Conflict`] with `passkeys_credential` if anybody has it already.
pub async fn insert(tx: &mut Tx, passkey: &Passkey) -> Result<()> {
    let sql = "insert into passkeys (id, user_id, credential_id, credential, name_sealed, created_at, used_at) \
               values ($1, $2, $3, $4, $5, $6, $7)";
    let args = args![
        passkey.id,
        passkey.user,
        &passkey.credential_id,
        &passkey.credential,
        &passkey.name_sealed,
        passkey.created_at,
        passkey.used_at,
    ];
    tx.execute(sql, args).await.map(|_| ())
}

/// A person's passkeys, oldest first; at most [`MAX_PASSKEYS`].
///
/// # Errors
/// What the database says.
pub async fn of_user(read: &mut Read, user: UserId) -> Result<Vec<Passkey>> {
    let sql = "select id, user_id, credential_id, credential, name_sealed, created_at, used_at from passkeys \
               where user_id = $1 order by id limit $2";
    let rows = read.all(sql, args![user, MAX_PASSKEYS]).await?;
    rows.iter().map(row).collect()
}

/// How many a person has.
///
/// # Errors
/// What the database says.
pub async fn count(read: &mut Read, user: UserId) -> Result<u32> {
    let sql = "select count(*) as n from passkeys where user_id = $1";
    read.one(sql, args![user]).await?.number("n")
}

/// The passkey of an authenticator's id, whoever has it: at login nobody is known yet.
///
/// # Errors
/// What the database says.
pub async fn find_by_credential(read: &mut Read, credential_id: &str) -> Result<Option<Passkey>> {
    let sql = "select id, user_id, credential_id, credential, name_sealed, created_at, used_at from passkeys \
               where credential_id = $1";
    let found = read.first(sql, args![credential_id]).await?;
    found.as_ref().map(row).transpose()
}

/// Notes that a passkey was shown and keeps it as it is now, if it still is as it was when the answer was
/// checked; `false` if another answer came first or it was removed.
///
/// # Errors
/// What the database says.
pub async fn shown(tx: &mut Tx, before: &Passkey, credential: &str, now: Time) -> Result<bool> {
    let sql = "update passkeys set credential = $3, used_at = $4 where id = $1 and credential = $2";
    let args = args![before.id, &before.credential, credential, now];
    Ok(tx.execute(sql, args).await? == 1)
}

/// Renames one of a person's passkeys; `false` if it is none of theirs.
///
/// # Errors
/// What the database says.
pub async fn rename(tx: &mut Tx, user: UserId, id: PasskeyId, name_sealed: &[u8]) -> Result<bool> {
    let sql = "update passkeys set name_sealed = $3 where id = $1 and user_id = $2";
    Ok(tx.execute(sql, args![id, user, name_sealed]).await? == 1)
}

/// Whether anything is there by which this person can log in: a password, a passkey, an identity at
/// another provider.
///
/// # Errors
/// What the database says.
pub async fn has_way_in(read: &mut Read, user: UserId) -> Result<bool> {
    let sql = "select case when password is null then 0 else 1 end \
               + (select count(*) from passkeys where user_id = $1) \
               + (select count(*) from external_identities where user_id = $1) as n from users where id = $1";
    let row = read.first(sql, args![user]).await?;
    Ok(row
        .map(|row| row.int("n"))
        .transpose()?
        .is_some_and(|ways| ways > 0))
}

/// Removes one of a person's passkeys; `false` if it is none of theirs. Removals of one person's wait for
/// each other.
///
/// # Errors
/// What the database says.
pub async fn remove(tx: &mut Tx, user: UserId, id: PasskeyId) -> Result<bool> {
    dialect::lock_user(tx, user).await?;
    let sql = "delete from passkeys where id = $1 and user_id = $2";
    Ok(tx.execute(sql, args![id, user]).await? == 1)
}

fn row(row: &Row) -> Result<Passkey> {
    Ok(Passkey {
        id: row.parsed("id")?,
        user: row.parsed("user_id")?,
        credential_id: row.text("credential_id")?.to_owned(),
        credential: row.text("credential")?.to_owned(),
        name_sealed: row.bytes("name_sealed")?.to_vec(),
        created_at: row.time("created_at")?,
        used_at: row.opt_time("used_at")?,
    })
}

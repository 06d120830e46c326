//! Accounts. Addresses and names arrive here encrypted; an account is found by its id or by the keyed
//! hash of its address. Accounts belong to the installation, so these functions take no scope: who may
//! call them for whom is decided by `domain::rights`.

use crate::args;
use crate::dialect::{self, Lock};
use crate::error::{Error, Result};
use crate::tx::{Read, Tx};
use crate::value::Row;
use domain::id::{UserId, WorkspaceId};
use domain::identity::{AccountState, Role};
use domain::time::Time;

/// The most rows of one page.
pub const MAX_PAGE: u32 = 500;

/// One account.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// The address, encrypted under the person's key.
    pub email_sealed: Vec<u8>,
    /// Keyed hash of the normalised address.
    pub email_index: String,
    /// The name, encrypted under the person's key.
    pub name_sealed: Vec<u8>,
    /// Where it stands.
    pub state: AccountState,
    /// The role in the installation.
    pub role: Role,
    /// The language of letters and pages.
    pub locale: String,
    /// The password's record, if there is one.
    pub password: Option<String>,
    /// Whether the password was taken because a second factor stood beside it: it is too short to stand
    /// alone.
    pub password_short: bool,
    /// Tokens of an earlier epoch are void.
    pub auth_epoch: i64,
    /// When it was made.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
    /// When its address was verified.
    pub email_verified_at: Option<Time>,
    /// When it was closed.
    pub disabled_at: Option<Time>,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User")
            .field("id", &self.id)
            .field("state", &self.state)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// The columns that [`row`] reads.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select id, email_sealed, email_index, name_sealed, state, role, locale, password, \
             password_short, auth_epoch, created_at, updated_at, email_verified_at, disabled_at from users ",
            $rest
        )
    };
}

/// Keeps a new account.
///
/// # Errors
/// [`Error::Conflict`] with `users_email` if the address has an account.
pub async fn insert(tx: &mut Tx, user: &User) -> Result<()> {
    let sql = "insert into users (id, email_sealed, email_index, name_sealed, state, role, locale, password, \
               password_short, auth_epoch, created_at, updated_at, email_verified_at, disabled_at) \
               values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
    let args = args![
        user.id,
        &user.email_sealed,
        &user.email_index,
        &user.name_sealed,
        user.state,
        user.role,
        &user.locale,
        user.password.as_deref(),
        user.password_short,
        user.auth_epoch,
        user.created_at,
        user.updated_at,
        user.email_verified_at,
        user.disabled_at,
    ];
    tx.execute(sql, args).await.map(|_| ())
}

/// One account, in whatever state.
///
/// # Errors
/// What the database says.
pub async fn find(read: &mut Read, id: UserId) -> Result<Option<User>> {
    let found = read.first(select!("where id = $1"), args![id]).await?;
    found.as_ref().map(row).transpose()
}

/// The account of an address, in whatever state.
///
/// # Errors
/// What the database says.
pub async fn find_by_email_index(read: &mut Read, email_index: &str) -> Result<Option<User>> {
    let found = read
        .first(select!("where email_index = $1"), args![email_index])
        .await?;
    found.as_ref().map(row).transpose()
}

/// Accounts, newest first, that are older than `before`; at most [`MAX_PAGE`].
///
/// # Errors
/// What the database says.
pub async fn page(read: &mut Read, before: Option<UserId>, limit: u32) -> Result<Vec<User>> {
    let before = before.unwrap_or(UserId::from_value(u128::MAX));
    let sql = select!("where id < $1 order by id desc limit $2");
    let rows = read.all(sql, args![before, limit.min(MAX_PAGE)]).await?;
    rows.iter().map(row).collect()
}

/// Sets the password's record, or takes it away. `is_short` tells that it may not stand alone.
///
/// # Errors
/// [`Error::Fenced`] if there is no such account.
pub async fn set_password(
    tx: &mut Tx,
    id: UserId,
    record: Option<&str>,
    is_short: bool,
    now: Time,
) -> Result<()> {
    let sql = "update users set password = $2, password_short = $3, updated_at = $4 where id = $1";
    there(tx.execute(sql, args![id, record, is_short, now]).await?)
}

/// Puts a newer record of the same password in place of `old`; `false` if it was changed meanwhile.
///
/// # Errors
/// What the database says.
pub async fn renew_password(tx: &mut Tx, id: UserId, old: &str, new: &str, now: Time) -> Result<bool> {
    let sql = "update users set password = $3, updated_at = $4 where id = $1 and password = $2";
    Ok(tx.execute(sql, args![id, old, new, now]).await? == 1)
}

/// Opens or closes an account.
///
/// # Errors
/// [`Error::Fenced`] if there is no such account.
pub async fn set_state(tx: &mut Tx, id: UserId, state: AccountState, now: Time) -> Result<()> {
    let disabled_at = (state == AccountState::Disabled).then_some(now);
    let sql = "update users set state = $2, disabled_at = $3, updated_at = $4 where id = $1";
    there(tx.execute(sql, args![id, state, disabled_at, now]).await?)
}

/// Sets the role in the installation.
///
/// # Errors
/// [`Error::Fenced`] if there is no such account.
pub async fn set_role(tx: &mut Tx, id: UserId, role: Role, now: Time) -> Result<()> {
    let sql = "update users set role = $2, updated_at = $3 where id = $1";
    there(tx.execute(sql, args![id, role, now]).await?)
}

/// Sets what a person says of themselves: the encrypted name, the language.
///
/// # Errors
/// [`Error::Fenced`] if there is no such account.
pub async fn set_profile(
    tx: &mut Tx,
    id: UserId,
    name_sealed: Option<&[u8]>,
    locale: Option<&str>,
    now: Time,
) -> Result<()> {
    let sql = "update users set name_sealed = coalesce($2, name_sealed), locale = coalesce($3, locale), \
               updated_at = $4 where id = $1";
    there(tx.execute(sql, args![id, name_sealed, locale, now]).await?)
}

/// Removes an account that never was active and that nothing refers to: no membership, no ticket that is
/// still open at `now`, nothing that proves who somebody is. Its tickets that are over go with it. `false`
/// if it stays.
///
/// # Errors
/// What the database says.
pub async fn remove_pending(tx: &mut Tx, id: UserId, now: Time) -> Result<bool> {
    dialect::lock_user_to_remove(tx, id).await?;
    let sql = "select id from users where id = $1 and state = 'pending' and email_verified_at is null \
               and not exists (select 1 from members where members.user_id = users.id) \
               and not exists (select 1 from tickets where tickets.user_id = users.id \
               and tickets.used_at is null and tickets.expires_at > $2) \
               and not exists (select 1 from sessions where sessions.user_id = users.id) \
               and not exists (select 1 from passkeys where passkeys.user_id = users.id) \
               and not exists (select 1 from totp where totp.user_id = users.id) \
               and not exists (select 1 from api_keys where api_keys.user_id = users.id) \
               and not exists (select 1 from external_identities where external_identities.user_id = users.id) \
               and not exists (select 1 from devices where devices.user_id = users.id)";
    if tx.first(sql, args![id, now]).await?.is_none() {
        return Ok(false);
    }
    tx.execute("delete from tickets where user_id = $1", args![id])
        .await?;
    let sql = "delete from users where id = $1";
    Ok(tx.execute(sql, args![id]).await? == 1)
}

/// Notes that the address was verified, once; an account that waited for it becomes active. `false` if it
/// was verified before.
///
/// # Errors
/// What the database says.
pub async fn verify_email(tx: &mut Tx, id: UserId, now: Time) -> Result<bool> {
    let sql = "update users set email_verified_at = $2, updated_at = $2, \
               state = case state when 'pending' then 'active' else state end \
               where id = $1 and email_verified_at is null";
    Ok(tx.execute(sql, args![id, now]).await? == 1)
}

/// Makes every token of an account void, and tells its new epoch.
///
/// # Errors
/// [`Error::Fenced`] if there is no such account.
pub async fn bump_epoch(tx: &mut Tx, id: UserId, now: Time) -> Result<i64> {
    let sql =
        "update users set auth_epoch = auth_epoch + 1, updated_at = $2 where id = $1 returning auth_epoch";
    let row = tx.first(sql, args![id, now]).await?.ok_or(Error::Fenced)?;
    row.int("auth_epoch")
}

/// Until the transaction ends nobody else makes or unmakes administrators.
///
/// # Errors
/// What the database says.
pub async fn lock_administrators(tx: &mut Tx) -> Result<()> {
    dialect::lock(tx, Lock::ADMINISTRATORS).await
}

/// Whether there is an administrator besides `except` who can get in: active, a member somewhere (a session
/// is always one in a workspace), with a password, a passkey or an identity elsewhere.
///
/// # Errors
/// What the database says.
pub async fn other_administrator(read: &mut Read, except: Option<UserId>) -> Result<bool> {
    let except = except.map_or_else(String::new, |id| id.to_string());
    let sql = "select id from users where role = 'admin' and state = 'active' and id <> $1 \
               and exists (select 1 from members where members.user_id = users.id) \
               and (password is not null \
               or exists (select 1 from passkeys where passkeys.user_id = users.id) \
               or exists (select 1 from external_identities where external_identities.user_id = users.id)) limit 1";
    Ok(read.first(sql, args![except]).await?.is_some())
}

/// Whether an active administrator can log in: has a password, a passkey or an identity elsewhere.
///
/// # Errors
/// What the database says.
pub async fn is_set_up(read: &mut Read) -> Result<bool> {
    let sql = "select id from users where role = 'admin' and state = 'active' and (password is not null \
               or exists (select 1 from passkeys where passkeys.user_id = users.id) \
               or exists (select 1 from external_identities where external_identities.user_id = users.id)) limit 1";
    Ok(read.first(sql, args![]).await?.is_some())
}

/// Gives what `from` made in a workspace to `to`; tells how many generations and media that were.
///
/// # Errors
/// What the database says.
pub async fn hand_over(tx: &mut Tx, workspace: WorkspaceId, from: UserId, to: UserId) -> Result<u64> {
    let mut things = 0;
    for sql in [
        "update generations set user_id = $3 where workspace = $1 and user_id = $2",
        "update assets set user_id = $3 where workspace = $1 and user_id = $2",
    ] {
        things += tx.execute(sql, args![workspace, from, to]).await?;
    }
    for sql in [
        "update uploads set user_id = $3 where workspace = $1 and user_id = $2",
        "update quotes set user_id = $3 where workspace = $1 and user_id = $2",
        "update events set user_id = $3 where workspace = $1 and user_id = $2",
    ] {
        tx.execute(sql, args![workspace, from, to]).await?;
    }
    Ok(things)
}

const fn there(changed: u64) -> Result<()> {
    if changed == 1 { Ok(()) } else { Err(Error::Fenced) }
}

fn row(row: &Row) -> Result<User> {
    Ok(User {
        id: row.parsed("id")?,
        email_sealed: row.bytes("email_sealed")?.to_vec(),
        email_index: row.text("email_index")?.to_owned(),
        name_sealed: row.bytes("name_sealed")?.to_vec(),
        state: row.parsed("state")?,
        role: row.parsed("role")?,
        locale: row.text("locale")?.to_owned(),
        password: row.opt_text("password")?.map(str::to_owned),
        password_short: row.bool("password_short")?,
        auth_epoch: row.int("auth_epoch")?,
        created_at: row.time("created_at")?,
        updated_at: row.time("updated_at")?,
        email_verified_at: row.opt_time("email_verified_at")?,
        disabled_at: row.opt_time("disabled_at")?,
    })
}

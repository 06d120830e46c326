//! API keys: what is kept of them is a keyed hash. A key acts as its owner in one workspace, so its owner
//! sees all of theirs, wherever they act: these functions take the owner, who comes from authentication.

use crate::args;
use crate::error::{Error, Result};
use crate::tx::{Read, Tx};
use crate::value::Row;
use domain::id::{KeyId, UserId, WorkspaceId};
use domain::identity::{AccountState, Role, Scopes};
use domain::time::Time;

/// The most rows of one list: more keys than one person may have, with revoked ones.
pub const MAX_ROWS: u32 = 500;

/// One key.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: KeyId,
    /// Whose it is.
    pub user: UserId,
    /// Where it acts.
    pub workspace: WorkspaceId,
    /// What its owner calls it, encrypted under the owner's key.
    pub name_sealed: Vec<u8>,
    /// Keyed hash of the secret, hexadecimal.
    pub mac: String,
    /// The last characters of the secret.
    pub hint: String,
    /// What it may be used for.
    pub scopes: Scopes,
    /// Networks that it may be used from, in CIDR form; none means from everywhere.
    pub networks: Vec<String>,
    /// When it was made.
    pub created_at: Time,
    /// When it ends by itself.
    pub expires_at: Option<Time>,
    /// When it was revoked.
    pub revoked_at: Option<Time>,
    /// When it was last used, to the minute.
    pub used_at: Option<Time>,
}

/// A key as it is used: with what its owner is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InUse {
    /// The key.
    pub key: ApiKey,
    /// Where the owner's account stands.
    pub state: AccountState,
    /// The owner's role in the installation.
    pub installation_role: Role,
    /// The owner's role in the key's workspace; `None` if the owner is no member there.
    pub role: Option<Role>,
}

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiKey")
            .field("id", &self.id)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// The columns that [`row`] reads.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select id, user_id, workspace, name_sealed, mac, hint, scopes, networks, created_at, expires_at, \
             revoked_at, used_at from api_keys ",
            $rest
        )
    };
}

/// Keeps a new key.
///
/// # Errors
/// [`Error::Conflict`] with `api_keys_mac` if there is one with this secret.
pub async fn insert(tx: &mut Tx, key: &ApiKey) -> Result<()> {
    let sql = "insert into api_keys (id, user_id, workspace, name_sealed, mac, hint, scopes, networks, \
               created_at, expires_at, revoked_at, used_at) \
               values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    let args = args![
        key.id,
        key.user,
        key.workspace,
        &key.name_sealed,
        &key.mac,
        &key.hint,
        key.scopes.to_string(),
        key.networks.join(" "),
        key.created_at,
        key.expires_at,
        key.revoked_at,
        key.used_at,
    ];
    tx.execute(sql, args).await.map(|_| ())
}

/// The key of a secret and what its owner is now, both in whatever state.
///
/// # Errors
/// What the database says.
pub async fn find_in_use(read: &mut Read, mac: &str) -> Result<Option<InUse>> {
    let sql = "select api_keys.id as id, api_keys.user_id as user_id, api_keys.workspace as workspace, \
               api_keys.name_sealed as name_sealed, api_keys.mac as mac, api_keys.hint as hint, \
               api_keys.scopes as scopes, api_keys.networks as networks, api_keys.created_at as created_at, \
               api_keys.expires_at as expires_at, api_keys.revoked_at as revoked_at, \
               api_keys.used_at as used_at, users.state as state, users.role as installation_role, \
               members.role as role from api_keys join users on users.id = api_keys.user_id \
               left join members on members.workspace = api_keys.workspace \
               and members.user_id = api_keys.user_id where api_keys.mac = $1";
    let Some(found) = read.first(sql, args![mac]).await? else {
        return Ok(None);
    };
    Ok(Some(InUse {
        key: row(&found)?,
        state: found.parsed("state")?,
        installation_role: found.parsed("installation_role")?,
        role: found.opt_parsed("role")?,
    }))
}

/// One key of a person, in whatever state.
///
/// # Errors
/// What the database says.
pub async fn find(read: &mut Read, owner: UserId, id: KeyId) -> Result<Option<ApiKey>> {
    let sql = select!("where id = $1 and user_id = $2");
    let found = read.first(sql, args![id, owner]).await?;
    found.as_ref().map(row).transpose()
}

/// The keys of a person that were not revoked, newest first; at most [`MAX_ROWS`].
///
/// # Errors
/// What the database says.
pub async fn of_user(read: &mut Read, owner: UserId) -> Result<Vec<ApiKey>> {
    let sql = select!("where user_id = $1 and revoked_at is null order by id desc limit $2");
    let rows = read.all(sql, args![owner, MAX_ROWS]).await?;
    rows.iter().map(row).collect()
}

/// How many keys of a person were not revoked.
///
/// # Errors
/// What the database says.
pub async fn count_of_user(read: &mut Read, owner: UserId) -> Result<i64> {
    let sql = "select count(*) as n from api_keys where user_id = $1 and revoked_at is null";
    read.one(sql, args![owner]).await?.int("n")
}

/// Revokes a key of a person; `false` if there is none, or no longer.
///
/// # Errors
/// What the database says.
pub async fn revoke(tx: &mut Tx, owner: UserId, id: KeyId, now: Time) -> Result<bool> {
    let sql = "update api_keys set revoked_at = $3 where id = $1 and user_id = $2 and revoked_at is null";
    Ok(tx.execute(sql, args![id, owner, now]).await? == 1)
}

/// Notes that a key was used, if that is later than what is noted.
///
/// # Errors
/// What the database says.
pub async fn note_use(tx: &mut Tx, id: KeyId, now: Time) -> Result<()> {
    let sql = "update api_keys set used_at = $2 where id = $1 and (used_at is null or used_at < $2)";
    tx.execute(sql, args![id, now]).await.map(|_| ())
}

fn row(row: &Row) -> Result<ApiKey> {
    Ok(ApiKey {
        id: row.parsed("id")?,
        user: row.parsed("user_id")?,
        workspace: row.parsed("workspace")?,
        name_sealed: row.bytes("name_sealed")?.to_vec(),
        mac: row.text("mac")?.to_owned(),
        hint: row.text("hint")?.to_owned(),
        scopes: Scopes::parse(row.text("scopes")?.split(' ')).map_err(|_| Error::Column {
            column: "scopes".to_owned(),
            expected: "words of scopes",
        })?,
        networks: row
            .text("networks")?
            .split_whitespace()
            .map(str::to_owned)
            .collect(),
        created_at: row.time("created_at")?,
        expires_at: row.opt_time("expires_at")?,
        revoked_at: row.opt_time("revoked_at")?,
        used_at: row.opt_time("used_at")?,
    })
}

//! Sessions: logins and what stands of them. They belong to accounts, so these functions take no scope:
//! whoever lists or ends sessions is handed those of one person only.

use crate::args;
use crate::error::Result;
use crate::tx::{Read, Tx};
use crate::value::Row;
use domain::id::{SessionId, UserId, WorkspaceId};
use domain::identity::{AccountState, Client, Method, Role};
use domain::time::Time;

/// The most sessions of one person that are listed.
pub const MAX_LISTED: u32 = 200;

/// One session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// Whose.
    pub user: UserId,
    /// In which workspace they act.
    pub workspace: WorkspaceId,
    /// How its tokens travel.
    pub client: Client,
    /// Which browser on which system, in a few words.
    pub agent: String,
    /// A coarse network.
    pub network: String,
    /// When it began.
    pub created_at: Time,
    /// When it was last refreshed.
    pub used_at: Time,
    /// When it ends without another refresh.
    pub idle_until: Time,
    /// When it ends whatever its use.
    pub ends_at: Time,
    /// How its owner proved who they are.
    pub methods: Vec<Method>,
    /// When they did.
    pub auth_at: Time,
    /// When they last showed a factor.
    pub fresh_at: Time,
    /// RFC 7638 thumbprint of the key that its tokens are bound to.
    pub jkt: Option<String>,
    /// When it was ended before its time.
    pub ended_at: Option<Time>,
}

impl Session {
    /// Whether it is neither ended nor over.
    #[must_use]
    pub fn is_alive(&self, now: Time) -> bool {
        self.ended_at.is_none() && now < self.idle_until && now < self.ends_at
    }
}

/// A session with what its owner is at this moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The session.
    pub session: Session,
    /// Where the account stands.
    pub state: AccountState,
    /// The role in the installation.
    pub role: Role,
    /// The role in the session's workspace; none for somebody who is no member any more.
    pub workspace_role: Option<Role>,
    /// Tokens of an earlier epoch are void.
    pub auth_epoch: i64,
}

/// The columns that [`standing_row`] reads, with the tables they come from.
macro_rules! standing_columns {
    ($rest:literal) => {
        concat!(
            "sessions.id as id, sessions.user_id as user_id, sessions.workspace as workspace, sessions.client as client, \
             sessions.agent as agent, sessions.network as network, sessions.created_at as created_at, \
             sessions.used_at as used_at, sessions.idle_until as idle_until, sessions.ends_at as ends_at, \
             sessions.amr as amr, sessions.auth_at as auth_at, sessions.fresh_at as fresh_at, sessions.jkt as jkt, \
             sessions.ended_at as ended_at, users.state as state, users.role as role, \
             users.auth_epoch as auth_epoch, members.role as workspace_role ",
            $rest
        )
    };
}
pub(crate) use standing_columns;

/// Keeps a new session.
///
/// # Errors
/// What the database says.
pub async fn insert(tx: &mut Tx, session: &Session) -> Result<()> {
    let sql = "insert into sessions (id, user_id, workspace, client, agent, network, created_at, used_at, \
               idle_until, ends_at, amr, auth_at, fresh_at, jkt) \
               values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
    let args = args![
        session.id,
        session.user,
        session.workspace,
        session.client,
        &session.agent,
        &session.network,
        session.created_at,
        session.used_at,
        session.idle_until,
        session.ends_at,
        words(&session.methods),
        session.auth_at,
        session.fresh_at,
        session.jkt.as_deref(),
    ];
    tx.execute(sql, args).await.map(|_| ())
}

/// A session and what its owner is, whether or not it is alive.
///
/// # Errors
/// What the database says.
pub async fn standing(read: &mut Read, id: SessionId) -> Result<Option<Standing>> {
    let sql = concat!(
        "select ",
        standing_columns!(
            "from sessions join users on users.id = sessions.user_id \
             left join members on members.workspace = sessions.workspace and members.user_id = sessions.user_id \
             where sessions.id = $1"
        )
    );
    let found = read.first(sql, args![id]).await?;
    found.as_ref().map(standing_row).transpose()
}

/// The sessions of a person that are alive, newest first; at most [`MAX_LISTED`].
///
/// # Errors
/// What the database says.
pub async fn alive_of(read: &mut Read, user: UserId, now: Time) -> Result<Vec<Session>> {
    let sql = "select id, user_id, workspace, client, agent, network, created_at, used_at, idle_until, ends_at, \
               amr, auth_at, fresh_at, jkt, ended_at from sessions where user_id = $1 and ended_at is null \
               and idle_until > $2 and ends_at > $2 order by id desc limit $3";
    let rows = read.all(sql, args![user, now, MAX_LISTED]).await?;
    rows.iter().map(row).collect()
}

/// Notes a refresh: when, until when it is good without another, and its end at the latest.
///
/// # Errors
/// What the database says.
pub async fn touch(tx: &mut Tx, id: SessionId, now: Time, idle_until: Time, ends_at: Time) -> Result<()> {
    let sql = "update sessions set used_at = $2, idle_until = $3, ends_at = $4 where id = $1";
    tx.execute(sql, args![id, now, idle_until, ends_at])
        .await
        .map(|_| ())
}

/// Notes that a factor was shown, and all the ways in which the owner has proved who they are; `false`
/// if the session was ended.
///
/// # Errors
/// What the database says.
pub async fn show_factor(tx: &mut Tx, id: SessionId, methods: &[Method], now: Time) -> Result<bool> {
    let sql = "update sessions set fresh_at = $2, amr = $3 where id = $1 and ended_at is null";
    Ok(tx.execute(sql, args![id, now, words(methods)]).await? == 1)
}

/// Moves a session to another workspace of its owner; `false` if it was ended.
///
/// # Errors
/// What the database says.
pub async fn set_workspace(tx: &mut Tx, id: SessionId, workspace: WorkspaceId) -> Result<bool> {
    let sql = "update sessions set workspace = $2 where id = $1 and ended_at is null";
    Ok(tx.execute(sql, args![id, workspace]).await? == 1)
}

/// Ends one session of a person; `false` if it is not theirs or was ended before.
///
/// # Errors
/// What the database says.
pub async fn end(tx: &mut Tx, user: UserId, id: SessionId, why: &str, now: Time) -> Result<bool> {
    let sql = "update sessions set ended_at = $3, ended_why = $4 where id = $1 and user_id = $2 and ended_at is null";
    Ok(tx.execute(sql, args![id, user, now, why]).await? == 1)
}

/// Ends every session of a person but one, and tells which were alive.
///
/// # Errors
/// What the database says.
pub async fn end_all(
    tx: &mut Tx,
    user: UserId,
    except: Option<SessionId>,
    why: &str,
    now: Time,
) -> Result<Vec<SessionId>> {
    let except = except.map_or_else(String::new, |id| id.to_string());
    let sql = "update sessions set ended_at = $3, ended_why = $4 where user_id = $1 and ended_at is null \
               and id <> $2 returning id";
    let rows = tx.all(sql, args![user, except, now, why]).await?;
    rows.iter().map(|row| row.parsed("id")).collect()
}

/// Forgets sessions that were over before `before` with their refresh tokens, `limit` of them at most;
/// tells how many.
///
/// # Errors
/// What the database says.
pub async fn forget_over(tx: &mut Tx, before: Time, limit: u32) -> Result<u64> {
    let sql = "delete from refresh_tokens where session in \
               (select id from sessions where ends_at < $1 order by ends_at, id limit $2)";
    tx.execute(sql, args![before, limit]).await?;
    let sql = "delete from sessions where id in \
               (select id from sessions where ends_at < $1 order by ends_at, id limit $2)";
    tx.execute(sql, args![before, limit]).await
}

fn words(methods: &[Method]) -> String {
    methods
        .iter()
        .map(|method| method.as_str())
        .collect::<Vec<_>>()
        .join(" ")
}

fn row(row: &Row) -> Result<Session> {
    let methods = row.text("amr")?.split_whitespace().map(str::parse);
    Ok(Session {
        id: row.parsed("id")?,
        user: row.parsed("user_id")?,
        workspace: row.parsed("workspace")?,
        client: row.parsed("client")?,
        agent: row.text("agent")?.to_owned(),
        network: row.text("network")?.to_owned(),
        created_at: row.time("created_at")?,
        used_at: row.time("used_at")?,
        idle_until: row.time("idle_until")?,
        ends_at: row.time("ends_at")?,
        methods: methods
            .collect::<std::result::Result<_, _>>()
            .map_err(|_| crate::Error::Column {
                column: "amr".to_owned(),
                expected: "known words",
            })?,
        auth_at: row.time("auth_at")?,
        fresh_at: row.time("fresh_at")?,
        jkt: row.opt_text("jkt")?.map(str::to_owned),
        ended_at: row.opt_time("ended_at")?,
    })
}

pub(crate) fn standing_row(found: &Row) -> Result<Standing> {
    Ok(Standing {
        session: row(found)?,
        state: found.parsed("state")?,
        role: found.parsed("role")?,
        workspace_role: found.opt_parsed("workspace_role")?,
        auth_epoch: found.int("auth_epoch")?,
    })
}

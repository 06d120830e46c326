//! Assets: stored media. The media itself is a blob elsewhere; here is what is known of it.

use crate::args;
use crate::error::Result;
use crate::tx::{Read, Tx};
use crate::value::{Arg, Row, int};
use domain::actor::{Scope, SystemScope};
use domain::generation::UnknownWord;
use domain::id::{AssetId, GenerationId, UserId, WorkspaceId};
use domain::time::Time;

/// Whether it came in or out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Given by a user.
    Input,
    /// Made by a generation.
    Output,
}

impl Role {
    /// The word in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Output => "output",
        }
    }
}

impl std::str::FromStr for Role {
    type Err = UnknownWord;
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        match text {
            "input" => Ok(Self::Input),
            "output" => Ok(Self::Output),
            _ => Err(UnknownWord {
                known: &["input", "output"],
            }),
        }
    }
}

impl From<Role> for Arg<'_> {
    fn from(role: Role) -> Self {
        Self::from(role.as_str())
    }
}

/// One stored picture or clip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// Its id.
    pub id: AssetId,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// Who gave it or asked for it.
    pub user: UserId,
    /// The generation that made it.
    pub generation: Option<GenerationId>,
    /// Which output of it: 0 is the first.
    pub ordinal: u16,
    /// Input or output.
    pub role: Role,
    /// IANA media type.
    pub media_type: String,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Length of a clip in microseconds.
    pub seconds_micros: Option<i64>,
    /// Bytes of the media.
    pub bytes: u64,
    /// SHA-256 of the media, 64 hexadecimal digits.
    pub sha256: String,
    /// The name of the blob that holds it.
    pub blob: String,
    /// Not shown by default: it came after its owner stopped it.
    pub hidden: bool,
    /// Made by a demonstration model.
    pub demo: bool,
    /// When it was stored.
    pub created_at: Time,
    /// When it was removed.
    pub deleted_at: Option<Time>,
}

/// The columns that [`row`] reads.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "select id, workspace, user_id, generation, ordinal, role, media_type, width, height, seconds_micros, \
             bytes, sha256, blob, hidden, demo, created_at, deleted_at from assets ",
            $rest
        )
    };
}

/// Keeps a new asset; its blob is on the disk already.
///
/// # Errors
/// [`crate::Error::Conflict`] with `assets_output` if the generation has this output.
pub async fn insert(tx: &mut Tx, asset: &Asset) -> Result<()> {
    let sql = "insert into assets (id, workspace, user_id, generation, ordinal, role, media_type, width, height, \
               seconds_micros, bytes, sha256, blob, hidden, demo, created_at, deleted_at) \
               values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)";
    let args = args![
        asset.id,
        asset.workspace,
        asset.user,
        asset.generation,
        asset.ordinal,
        asset.role,
        &asset.media_type,
        asset.width,
        asset.height,
        asset.seconds_micros,
        int(asset.bytes, "an asset")?,
        &asset.sha256,
        &asset.blob,
        asset.hidden,
        asset.demo,
        asset.created_at,
        asset.deleted_at,
    ];
    tx.execute(sql, args).await.map(|_| ())
}

/// One asset that is not deleted.
///
/// # Errors
/// What the database says.
pub async fn find(read: &mut Read, scope: &Scope, id: AssetId) -> Result<Option<Asset>> {
    let sql = select!("where id = $1 and workspace = $2 and user_id = $3 and deleted_at is null");
    read.first(sql, args![id, scope.workspace(), scope.owner()])
        .await?
        .as_ref()
        .map(row)
        .transpose()
}

/// The outputs of a generation that are not deleted, first output first.
///
/// # Errors
/// What the database says.
pub async fn of_generation(read: &mut Read, generation: GenerationId) -> Result<Vec<Asset>> {
    let sql = select!("where generation = $1 and role = 'output' and deleted_at is null order by ordinal");
    read.all(sql, args![generation]).await?.iter().map(row).collect()
}

/// Marks an asset as removed; `false` if there is none, or no longer.
///
/// # Errors
/// What the database says.
pub async fn mark_deleted(tx: &mut Tx, scope: &Scope, id: AssetId, now: Time) -> Result<bool> {
    let sql = "update assets set deleted_at = $4 \
               where id = $1 and workspace = $2 and user_id = $3 and deleted_at is null";
    let args = args![id, scope.workspace(), scope.owner(), now];
    Ok(tx.execute(sql, args).await? == 1)
}

/// How many assets (that are not deleted) and unfinished uploads of a workspace need a blob: at 0 it may go.
///
/// # Errors
/// What the database says.
pub async fn references_to_blob(read: &mut Read, workspace: WorkspaceId, blob: &str) -> Result<i64> {
    let sql = "select (select count(*) from assets where blob = $1 and workspace = $2 and deleted_at is null) \
               + (select count(*) from upload_parts where blob = $1 and workspace = $2) as needs";
    read.one(sql, args![blob, workspace]).await?.int("needs")
}

/// The names of all blobs that an asset or an unfinished upload needs, in order, after `after`: for
/// whoever looks for left-overs.
///
/// # Errors
/// What the database says.
pub async fn all_blobs(
    read: &mut Read,
    _: SystemScope,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<String>> {
    let sql = "select blob from assets where deleted_at is null and blob > $1 \
               union select blob from upload_parts where blob > $1 order by blob limit $2";
    let rows = read.all(sql, args![after.unwrap_or(""), limit]).await?;
    rows.iter()
        .map(|row| row.text("blob").map(str::to_owned))
        .collect()
}

fn row(row: &Row) -> Result<Asset> {
    Ok(Asset {
        id: row.parsed("id")?,
        workspace: row.parsed("workspace")?,
        user: row.parsed("user_id")?,
        generation: row.opt_parsed("generation")?,
        ordinal: row.number("ordinal")?,
        role: row.parsed("role")?,
        media_type: row.text("media_type")?.to_owned(),
        width: row.number("width")?,
        height: row.number("height")?,
        seconds_micros: row.opt_int("seconds_micros")?,
        bytes: row.number("bytes")?,
        sha256: row.text("sha256")?.to_owned(),
        blob: row.text("blob")?.to_owned(),
        hidden: row.bool("hidden")?,
        demo: row.bool("demo")?,
        created_at: row.time("created_at")?,
        deleted_at: row.opt_time("deleted_at")?,
    })
}

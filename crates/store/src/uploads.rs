//! Uploads on their way to become assets (tus: bytes arrive in order, an offset at a time).

use crate::args;
use crate::error::Result;
use crate::tx::{Read, Tx};
use crate::value::int;
use domain::actor::Scope;
use domain::id::{AssetId, UploadId, UserId, WorkspaceId};
use domain::time::Time;

/// One upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Its id.
    pub id: UploadId,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// Who sends it.
    pub user: UserId,
    /// What its sender says it is.
    pub media_type: String,
    /// Bytes in all.
    pub length: u64,
    /// Bytes that are on the disk.
    pub received: u64,
    /// What it became.
    pub asset: Option<AssetId>,
    /// When it began.
    pub created_at: Time,
}

/// Keeps a new upload.
///
/// # Errors
/// What the database says.
pub async fn insert(tx: &mut Tx, upload: &Upload) -> Result<()> {
    let sql = "insert into uploads (id, workspace, user_id, media_type, length, received, asset, created_at) \
               values ($1, $2, $3, $4, $5, $6, $7, $8)";
    let args = args![
        upload.id,
        upload.workspace,
        upload.user,
        &upload.media_type,
        int(upload.length, "an upload")?,
        int(upload.received, "an upload")?,
        upload.asset,
        upload.created_at,
    ];
    tx.execute(sql, args).await.map(|_| ())
}

/// One upload.
///
/// # Errors
/// What the database says.
pub async fn find(read: &mut Read, scope: &Scope, id: UploadId) -> Result<Option<Upload>> {
    let sql = "select id, workspace, user_id, media_type, length, received, asset, created_at from uploads \
               where id = $1 and workspace = $2 and user_id = $3";
    let args = args![id, scope.workspace(), scope.owner()];
    let Some(row) = read.first(sql, args).await? else {
        return Ok(None);
    };
    Ok(Some(Upload {
        id: row.parsed("id")?,
        workspace: row.parsed("workspace")?,
        user: row.parsed("user_id")?,
        media_type: row.text("media_type")?.to_owned(),
        length: row.number("length")?,
        received: row.number("received")?,
        asset: row.opt_parsed("asset")?,
        created_at: row.time("created_at")?,
    }))
}

/// Notes that a part arrived, kept in a blob; `false` if the upload does not stand at `from_offset` or is
/// finished.
///
/// # Errors
/// [`crate::Error::Rule`] beyond its length.
pub async fn advance(
    tx: &mut Tx,
    id: UploadId,
    from_offset: u64,
    to_offset: u64,
    blob: &str,
) -> Result<bool> {
    let sql = "update uploads set received = $3 where id = $1 and received = $2 and received < $3 and asset is null";
    let (from, to) = (int(from_offset, "an upload")?, int(to_offset, "an upload")?);
    if tx.execute(sql, args![id, from, to]).await? == 0 {
        return Ok(false);
    }
    let sql = "insert into upload_parts (upload, workspace, starts_at, blob, bytes) \
               select id, workspace, $2, $3, $4 from uploads where id = $1";
    tx.execute(sql, args![id, from, blob, to - from]).await?;
    Ok(true)
}

/// The parts of an upload in order: blob and bytes of each.
///
/// # Errors
/// What the database says.
pub async fn parts(read: &mut Read, id: UploadId) -> Result<Vec<(String, u64)>> {
    let sql = "select blob, bytes from upload_parts where upload = $1 order by starts_at";
    let rows = read.all(sql, args![id]).await?;
    rows.iter()
        .map(|row| Ok((row.text("blob")?.to_owned(), row.number("bytes")?)))
        .collect()
}

/// Forgets the parts of an upload and tells how many there were.
///
/// # Errors
/// What the database says.
pub async fn clear(tx: &mut Tx, id: UploadId) -> Result<u64> {
    tx.execute("delete from upload_parts where upload = $1", args![id])
        .await
}

/// Notes what a whole upload became; `false` if bytes are missing or it became something before.
///
/// # Errors
/// What the database says.
pub async fn finish(tx: &mut Tx, id: UploadId, asset: AssetId) -> Result<bool> {
    let sql = "update uploads set asset = $2 where id = $1 and received = length and asset is null";
    Ok(tx.execute(sql, args![id, asset]).await? == 1)
}

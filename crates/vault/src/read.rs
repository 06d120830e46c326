//! Content on its way out, from any offset.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use bytes::Bytes;
use futures_util::{Stream, stream};
use seal::SealReader;

use crate::vault::{Inner, PIECE_BYTES, Vault, VaultError};

/// A blob opened for reading; its length is authenticated. It stays readable while it is held,
/// even when the blob is removed meanwhile.
pub struct BlobReader {
    vault: Vault,
    reader: SealReader<File>,
}

impl Vault {
    /// Opens a blob.
    ///
    /// # Errors
    /// [`VaultError::NotFound`], [`VaultError::Damaged`] when its header or length was changed or it
    /// is of another place, [`VaultError::Name`], [`VaultError::Key`] or [`VaultError::Io`].
    pub async fn open(&self, workspace: &str, blob: &str) -> Result<BlobReader, VaultError> {
        let (workspace, blob) = (workspace.to_owned(), blob.to_owned());
        let reader = self
            .blocking(move |inner| {
                let path = inner.path_of(&workspace, &blob)?;
                let key = inner.keys.find_workspace_key(&workspace)?;
                let key = key.ok_or(VaultError::NotFound)?;
                let file = File::open(path).map_err(|error| match error.kind() {
                    io::ErrorKind::NotFound => VaultError::NotFound,
                    _ => error.into(),
                })?;
                Ok(seal::decrypt(&[&key], &Inner::place(&workspace, &blob)?, file)?)
            })
            .await?;
        Ok(BlobReader {
            vault: self.clone(),
            reader,
        })
    }
}

impl BlobReader {
    /// Bytes of content.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.reader.len()
    }

    /// Whether there is no content.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.reader.is_empty()
    }

    /// A stretch of the content in pieces of at most [`PIECE_BYTES`]; what lies past the end is left
    /// out. The next piece is read when it is asked for.
    ///
    /// The stream ends after its first error: [`VaultError::Damaged`] when that part of the blob was
    /// changed, or [`VaultError::Io`].
    pub fn read_range(
        self,
        offset: u64,
        length: u64,
    ) -> impl Stream<Item = Result<Bytes, VaultError>> + Send + use<> {
        let end = offset.saturating_add(length).min(self.len());
        let left = end.saturating_sub(offset);
        let Self { vault, mut reader } = self;
        let first = (left > 0).then(|| {
            let positioned = reader.seek(SeekFrom::Start(offset));
            positioned.map(|_| (reader, left))
        });
        stream::unfold((vault, first), |(vault, state)| async move {
            let (reader, left) = match state? {
                Ok(state) => state,
                Err(error) => return Some((Err(error.into()), (vault, None))),
            };
            match vault.blocking(move |_| next_piece(reader, left)).await {
                Ok((piece, state)) => Some((Ok(piece), (vault, state.map(Ok)))),
                Err(error) => Some((Err(error), (vault, None))),
            }
        })
    }
}

type Rest = Option<(SealReader<File>, u64)>;

fn next_piece(mut reader: SealReader<File>, left: u64) -> Result<(Bytes, Rest), VaultError> {
    let size = usize::try_from(left).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
    let mut piece = vec![0; size];
    reader.read_exact(&mut piece)?;
    let left = left - size as u64;
    Ok((piece.into(), (left > 0).then_some((reader, left))))
}

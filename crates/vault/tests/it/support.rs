use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use tempfile::TempDir;
use vault::{FileKeys, Stored, Vault, VaultError};

pub const WORKSPACE: &str = "wsp_0193a4c100007000800000000000abcd";
pub const OTHER: &str = "wsp_0193a4c100007000800000000000ef01";

/// A data directory of its own with an open vault.
pub struct Home {
    pub folder: TempDir,
    pub vault: Vault,
    pub keys: Arc<FileKeys>,
}

impl Home {
    pub async fn new() -> Self {
        Self::at(tempfile::tempdir().unwrap()).await
    }

    pub async fn at(folder: TempDir) -> Self {
        let keys = Arc::new(FileKeys::open(folder.path()).unwrap());
        let vault = Vault::in_folder(folder.path(), keys.clone()).await.unwrap();
        Self { folder, vault, keys }
    }

    /// Opens the same directory anew, as after a restart.
    pub async fn restarted(self) -> Self {
        self.vault.drain().await;
        Self::at(self.folder).await
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn blob_path(&self, workspace: &str, blob: &str) -> PathBuf {
        self.path()
            .join("blobs")
            .join(workspace)
            .join(&blob[..2])
            .join(blob)
    }

    pub async fn put(&self, workspace: &str, content: &[u8]) -> Stored {
        self.vault
            .put(workspace, pieces(content, 10_000), u64::MAX)
            .await
            .unwrap()
    }

    pub async fn read(&self, workspace: &str, blob: &str) -> Result<Vec<u8>, VaultError> {
        self.read_range(workspace, blob, 0, u64::MAX).await
    }

    pub async fn read_range(
        &self,
        workspace: &str,
        blob: &str,
        offset: u64,
        length: u64,
    ) -> Result<Vec<u8>, VaultError> {
        let mut pieces = std::pin::pin!(self.vault.open(workspace, blob).await?.read_range(offset, length));
        let mut content = Vec::new();
        while let Some(piece) = pieces.next().await {
            let piece = piece?;
            assert!(piece.len() <= vault::PIECE_BYTES && !piece.is_empty());
            content.extend_from_slice(&piece);
        }
        Ok(content)
    }

    /// Every file below `blobs`, relative to it.
    pub fn files(&self) -> Vec<String> {
        files_below(&self.path().join("blobs"))
    }
}

pub fn files_below(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}

/// Content in which every place is recognisable.
pub fn content(size: usize) -> Vec<u8> {
    (0..size).map(|n| (n * 31 + n / 251) as u8).collect()
}

pub fn pieces(content: &[u8], size: usize) -> impl Stream<Item = Result<Bytes, Infallible>> + use<> {
    let pieces: Vec<_> = content
        .chunks(size)
        .map(|piece| Ok(Bytes::copy_from_slice(piece)))
        .collect();
    stream::iter(pieces)
}

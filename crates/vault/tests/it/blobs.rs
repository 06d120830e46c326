use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use vault::{PIECE_BYTES, VaultError};

use crate::support::{Home, OTHER, WORKSPACE, content, pieces};

#[tokio::test]
async fn content_comes_back_after_a_restart() {
    let home = Home::new().await;
    let content = content(200_000);
    let stored = home.put(WORKSPACE, &content).await;
    assert_eq!(stored.bytes, 200_000);
    assert_eq!(
        stored.sha256_hex,
        data_encoding::HEXLOWER.encode(&Sha256::digest(&content))
    );
    let home = home.restarted().await;
    assert_eq!(home.read(WORKSPACE, &stored.blob).await.unwrap(), content);
    assert_eq!(home.vault.len(WORKSPACE, &stored.blob).await.unwrap(), 200_000);
}

#[tokio::test]
async fn empty_content_is_content() {
    let home = Home::new().await;
    let stored = home.put(WORKSPACE, b"").await;
    assert_eq!(home.vault.len(WORKSPACE, &stored.blob).await.unwrap(), 0);
    assert!(home.vault.open(WORKSPACE, &stored.blob).await.unwrap().is_empty());
    assert_eq!(home.read(WORKSPACE, &stored.blob).await.unwrap(), b"");
}

#[tokio::test]
async fn equal_content_is_stored_once_in_a_workspace_and_apart_between_workspaces() {
    let home = Home::new().await;
    let content = content(70_000);
    let first = home.put(WORKSPACE, &content).await;
    let again = home.put(WORKSPACE, &content).await;
    let elsewhere = home.put(OTHER, &content).await;
    assert_eq!(first, again);
    assert_eq!(first.sha256_hex, elsewhere.sha256_hex);
    assert_ne!(first.blob, elsewhere.blob);
    assert_ne!(first.blob, first.sha256_hex, "the name is not the digest");
    assert_eq!(home.files().len(), 2);
    assert_eq!(home.read(WORKSPACE, &first.blob).await.unwrap(), content);
    // Another installation names the same content otherwise.
    let other_home = Home::new().await;
    assert_ne!(other_home.put(WORKSPACE, &content).await.blob, first.blob);
}

#[tokio::test]
async fn many_at_once_agree() {
    let home = Home::new().await;
    let puts = (0..16).map(|n| {
        let vault = home.vault.clone();
        let content = content(1000 + n % 4);
        tokio::spawn(async move { vault.put(WORKSPACE, pieces(&content, 100), 10_000).await.unwrap() })
    });
    let mut names = Vec::new();
    for put in puts.collect::<Vec<_>>() {
        names.push(put.await.unwrap().blob);
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 4);
    assert_eq!(home.files().len(), 4);
    for name in names {
        assert!(home.read(WORKSPACE, &name).await.is_ok());
    }
}

#[tokio::test]
async fn nothing_on_disk_shows_the_content() {
    let home = Home::new().await;
    let canary = b"canary-0123456789".repeat(10_000);
    home.put(WORKSPACE, &canary).await;
    for file in home.files() {
        let bytes = std::fs::read(home.path().join("blobs").join(file)).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"canary"));
    }
}

#[tokio::test]
async fn content_over_the_limit_leaves_nothing() {
    let home = Home::new().await;
    for size in [100_001, 200_000, 1_000_000] {
        let refused = home
            .vault
            .put(WORKSPACE, pieces(&content(size), 7000), 100_000)
            .await;
        assert!(matches!(refused, Err(VaultError::TooLarge { limit: 100_000 })));
    }
    home.vault.drain().await;
    assert_eq!(home.files(), [""; 0]);
    let stored = home
        .vault
        .put(WORKSPACE, pieces(&content(100_000), 7000), 100_000)
        .await;
    assert_eq!(stored.unwrap().bytes, 100_000);
}

#[tokio::test]
async fn names_that_are_none_are_refused() {
    let home = Home::new().await;
    let blob = home.put(WORKSPACE, b"content").await.blob;
    let longest = "w".repeat(vault::MAX_WORKSPACE_ID_BYTES);
    home.put(&longest, b"content").await;
    let longer = "w".repeat(vault::MAX_WORKSPACE_ID_BYTES + 1);
    for workspace in ["", "..", "../x", "a/b", "tmp", "A", "a.b", "a\0b", "é", &longer] {
        let refused = home.vault.put(workspace, pieces(b"x", 1), 10).await;
        assert!(matches!(refused, Err(VaultError::Name)), "{workspace}");
        let refused = home.vault.open(workspace, &blob).await;
        assert!(matches!(refused, Err(VaultError::Name)), "{workspace}");
        let refused = home.vault.delete(workspace, &blob).await;
        assert!(matches!(refused, Err(VaultError::Name)), "{workspace}");
    }
    let upper = blob.to_uppercase();
    for name in ["", "..", "../../keys/root.key", &blob[1..], &upper] {
        assert!(
            matches!(home.vault.open(WORKSPACE, name).await, Err(VaultError::Name)),
            "{name}"
        );
        assert!(matches!(
            home.vault.delete(WORKSPACE, name).await,
            Err(VaultError::Name)
        ));
    }
}

#[tokio::test]
async fn a_removed_blob_is_gone_but_an_open_one_reads_on() {
    let home = Home::new().await;
    let content = content(200_000);
    let blob = home.put(WORKSPACE, &content).await.blob;
    let open = home.vault.open(WORKSPACE, &blob).await.unwrap();
    assert!(home.vault.delete(WORKSPACE, &blob).await.unwrap());
    assert!(!home.vault.delete(WORKSPACE, &blob).await.unwrap());
    assert!(matches!(
        home.vault.open(WORKSPACE, &blob).await,
        Err(VaultError::NotFound)
    ));
    assert!(matches!(
        home.vault.len(OTHER, &blob).await,
        Err(VaultError::NotFound)
    ));
    let pieces: Vec<_> = open.read_range(0, u64::MAX).map(Result::unwrap).collect().await;
    assert_eq!(pieces.concat(), content);
    assert_eq!(home.files(), [""; 0]);
}

#[tokio::test]
async fn folders_and_files_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new().await;
    home.put(WORKSPACE, b"content").await;
    let mut folders = vec![home.path().join("blobs"), home.path().join("keys")];
    let mut seen = 0;
    while let Some(path) = folders.pop() {
        let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o700, "{}", path.display());
        for entry in std::fs::read_dir(&path).unwrap() {
            let path = entry.unwrap().path();
            seen += 1;
            if path.is_dir() {
                folders.push(path);
            } else {
                assert_eq!(mode(&path), 0o600, "{}", path.display());
            }
        }
    }
    assert!(seen >= 10, "{seen}");
    // A folder that was opened to others is closed again at the next start.
    let blobs = home.path().join("blobs");
    std::fs::set_permissions(&blobs, std::fs::Permissions::from_mode(0o755)).unwrap();
    let home = home.restarted().await;
    assert_eq!(
        home.path().join("blobs").metadata().unwrap().permissions().mode() & 0o777,
        0o700
    );
}

/// Counts itself while it lives.
struct Counted {
    bytes: Vec<u8>,
    alive: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.alive.fetch_sub(self.bytes.len(), Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_put_holds_one_piece_and_one_item_whatever_the_length() {
    for item in [1, 777, 4096, 65_536, 300_000] {
        let home = Home::new().await;
        let alive = Arc::new(AtomicUsize::new(0));
        let most = Arc::new(AtomicUsize::new(0));
        let items = if item == 1 { 200_000 } else { 8_000_000 / item };
        let stream = stream::iter(0..items).map(|_| {
            let bytes = vec![5; item];
            let now = alive.fetch_add(item, Ordering::SeqCst) + item;
            most.fetch_max(now, Ordering::SeqCst);
            Ok::<_, Infallible>(Bytes::from_owner(Counted {
                bytes,
                alive: alive.clone(),
            }))
        });
        let stored = home.vault.put(WORKSPACE, stream, u64::MAX).await.unwrap();
        assert_eq!(stored.bytes, (items * item) as u64);
        assert!(
            most.load(Ordering::SeqCst) <= PIECE_BYTES + item,
            "{item}: {most:?}"
        );
        assert_eq!(alive.load(Ordering::SeqCst), 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_range_equals_the_slice(
        size in 0..300_000_usize, piece in 1..100_000_usize,
        ranges in prop::collection::vec((0..320_000_u64, 0..320_000_u64), 1..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let home = Home::new().await;
            let content = content(size);
            let stored = home.vault.put(WORKSPACE, pieces(&content, piece), u64::MAX).await.unwrap();
            for (offset, length) in ranges.into_iter().chain([(0, u64::MAX), (u64::MAX, u64::MAX)]) {
                let read = home.read_range(WORKSPACE, &stored.blob, offset, length).await.unwrap();
                let from = usize::try_from(offset).unwrap().min(size);
                let to = from + usize::try_from(length).unwrap().min(size - from);
                assert!(read == content[from..to], "{offset} {length} of {size}");
            }
        });
    }
}

//! A real full disk: a tmpfs of one mebibyte, mounted for the test.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use vault::{FileKeys, KeyProvider, Vault, VaultError};

use crate::support::{OTHER, WORKSPACE, content, files_below, pieces};

/// A mounted tmpfs that is unmounted on drop.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let output = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(folder.path())
            .output();
        match output {
            Ok(output) if output.status.success() => Some(Self(folder)),
            refused => {
                eprintln!(
                    "THE FULL DISK WAS NOT TESTED: mounting a tmpfs of 1 MiB needs root (or \
                     CAP_SYS_ADMIN) and the command `mount`; here it said {refused:?}"
                );
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn fill(&self) {
        let refused = std::fs::write(self.path().join("filler"), vec![0; 2 << 20]);
        assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
}

#[tokio::test]
async fn a_full_disk_is_told_and_leaves_nothing_half_written() {
    let Some(disk) = SmallDisk::mount() else {
        return;
    };
    let keys = Arc::new(FileKeys::open(disk.path()).unwrap());
    let vault = Vault::in_folder(disk.path(), keys.clone()).await.unwrap();
    let files = || files_below(&disk.path().join("blobs"));
    let kept = vault
        .put(WORKSPACE, pieces(&content(100_000), 8000), u64::MAX)
        .await
        .unwrap();

    // Too much for what is left: full in the middle.
    let refused = vault
        .put(WORKSPACE, pieces(&content(2_000_000), 8000), u64::MAX)
        .await;
    assert!(matches!(refused, Err(VaultError::NoSpace)), "{refused:?}");
    vault.drain().await;
    assert_eq!(files().len(), 1);

    // No room at all: not even for the first byte, nor for a new workspace's key.
    disk.fill();
    for workspace in [WORKSPACE, OTHER] {
        let refused = vault.put(workspace, pieces(b"x", 1), u64::MAX).await;
        assert!(
            matches!(refused, Err(VaultError::NoSpace)),
            "{workspace} {refused:?}"
        );
    }
    vault.drain().await;
    assert_eq!(files().len(), 1);
    assert!(keys.find_workspace_key(OTHER).unwrap().is_none());
    assert!(
        !files_below(&disk.path().join("keys"))
            .iter()
            .any(|file| file.ends_with(".tmp"))
    );

    // What was there is still there, and with room again all goes on.
    assert_eq!(vault.len(WORKSPACE, &kept.blob).await.unwrap(), 100_000);
    std::fs::remove_file(disk.path().join("filler")).unwrap();
    let stored = vault
        .put(OTHER, pieces(&content(100_000), 8000), u64::MAX)
        .await
        .unwrap();
    assert_eq!(stored.sha256_hex, kept.sha256_hex);
}

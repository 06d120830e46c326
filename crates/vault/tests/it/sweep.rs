use std::time::{Duration, SystemTime};

use vault::Swept;

use crate::support::{Home, OTHER, WORKSPACE};

const GRACE: Duration = Duration::from_secs(3600);

/// A moment that long after the file was last written.
fn after(path: &std::path::Path, wait: Duration) -> SystemTime {
    path.metadata().unwrap().modified().unwrap() + wait
}

#[tokio::test]
async fn old_and_unknown_blobs_go_and_everything_else_stays() {
    let home = Home::new().await;
    let known = home.put(WORKSPACE, b"known").await.blob;
    let unknown = home.put(WORKSPACE, b"unknown").await.blob;
    let theirs = home.put(OTHER, b"theirs").await.blob;
    let temporary = home.path().join("blobs/tmp/00ff.tmp");
    std::fs::write(&temporary, b"abandoned").unwrap();
    let foreign = home.path().join("blobs/README");
    std::fs::write(&foreign, b"not ours").unwrap();
    let bytes = home.blob_path(WORKSPACE, &unknown).metadata().unwrap().len() + 9;

    let refers = {
        let (known, theirs) = (known.clone(), theirs.clone());
        move |workspace: &str, blob: &str| {
            (workspace == WORKSPACE && blob == known) || (workspace == OTHER && blob == theirs)
        }
    };
    let young = after(&home.blob_path(WORKSPACE, &unknown), GRACE);
    let swept = home.vault.sweep(young, GRACE, refers.clone()).await.unwrap();
    assert_eq!(swept, Swept::default(), "all of it is younger than the grace");

    let old = after(&temporary, GRACE + Duration::from_secs(60));
    let swept = home.vault.sweep(old, GRACE, refers.clone()).await.unwrap();
    assert_eq!(
        swept,
        Swept {
            blobs: 1,
            temporary: 1,
            bytes
        }
    );
    assert!(home.read(WORKSPACE, &known).await.is_ok());
    assert!(home.read(OTHER, &theirs).await.is_ok());
    assert!(home.read(WORKSPACE, &unknown).await.is_err());
    assert!(foreign.exists());
    let again = home.vault.sweep(old, GRACE, refers).await.unwrap();
    assert_eq!(again, Swept::default());
}

#[tokio::test]
async fn storing_content_again_makes_its_blob_young() {
    let home = Home::new().await;
    let blob = home.put(WORKSPACE, b"content").await.blob;
    let path = home.blob_path(WORKSPACE, &blob);
    let written = path.metadata().unwrap().modified().unwrap();
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_modified(written - 2 * GRACE).unwrap();
    home.put(WORKSPACE, b"content").await;
    let swept = home
        .vault
        .sweep(written + GRACE / 2, GRACE, |_, _| false)
        .await
        .unwrap();
    assert_eq!(swept, Swept::default());
    assert!(home.read(WORKSPACE, &blob).await.is_ok());
}

//! A put that does not come to its end leaves nothing that anything refers to.

use std::io;
use std::task::Poll;

use futures_util::{StreamExt, future, stream};
use tokio::sync::oneshot;
use vault::VaultError;

use crate::support::{Home, WORKSPACE, content, files_below, pieces};

#[tokio::test]
async fn a_dropped_put_leaves_nothing() {
    let home = Home::new().await;
    for bytes in [0, 10, 100_000, 500_000] {
        // Some content, then silence for ever; the bell rings when silence begins.
        let (bell, silence) = oneshot::channel();
        let last = stream::once(async move {
            bell.send(()).unwrap();
            future::pending().await
        });
        let stalling = pieces(&content(bytes), 10_000).chain(last);
        let vault = home.vault.clone();
        let put = tokio::spawn(async move { vault.put(WORKSPACE, stalling, u64::MAX).await });
        silence.await.unwrap();
        assert_eq!(home.files().len(), 1, "its temporary file");
        put.abort();
        assert!(put.await.unwrap_err().is_cancelled());
        home.vault.drain().await;
        assert_eq!(home.files(), [""; 0]);
    }
}

#[tokio::test]
async fn a_put_dropped_during_file_work_leaves_nothing() {
    let home = Home::new().await;
    for polls in 1..12 {
        let content = content(300_000);
        let mut put = Box::pin(home.vault.put(WORKSPACE, pieces(&content, 30_000), u64::MAX));
        let mut done = 0;
        let ended = future::poll_fn(|context| {
            if done == polls {
                return Poll::Ready(None);
            }
            done += 1;
            put.as_mut().poll(context).map(Some)
        })
        .await;
        drop(put);
        home.vault.drain().await;
        match ended {
            Some(stored) => {
                let blob = stored.unwrap().blob;
                assert!(home.vault.delete(WORKSPACE, &blob).await.unwrap());
            }
            // It may have been named in its last step; then it is whole and the sweep's.
            None => {
                for file in home.files() {
                    let blob = file.rsplit('/').next().unwrap();
                    assert_eq!(home.read(WORKSPACE, blob).await.unwrap(), content);
                    home.vault.delete(WORKSPACE, blob).await.unwrap();
                }
            }
        }
        assert_eq!(home.files(), [""; 0]);
    }
}

#[tokio::test]
async fn content_that_breaks_off_leaves_nothing() {
    let home = Home::new().await;
    let broken = pieces(&content(200_000), 10_000)
        .map(|piece| Ok(piece.unwrap()))
        .chain(stream::iter([Err(io::Error::other("the line went dead"))]));
    let refused = home.vault.put(WORKSPACE, broken, u64::MAX).await;
    let Err(VaultError::Source(source)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(source.to_string(), "the line went dead");
    home.vault.drain().await;
    assert_eq!(home.files(), [""; 0]);
}

#[tokio::test]
async fn what_a_crash_left_is_removed_at_the_next_start() {
    let home = Home::new().await;
    let blob = home.put(WORKSPACE, b"content").await.blob;
    let left = |folder: &str| home.path().join(folder).join("00ff.tmp");
    for folder in ["blobs/tmp", "keys", "keys/workspaces", "keys/own"] {
        std::fs::write(left(folder), b"half").unwrap();
    }
    let home = home.restarted().await;
    assert_eq!(home.files().len(), 1);
    assert!(
        !files_below(&home.path().join("keys"))
            .iter()
            .any(|file| file.ends_with(".tmp"))
    );
    assert_eq!(home.read(WORKSPACE, &blob).await.unwrap(), b"content");
}

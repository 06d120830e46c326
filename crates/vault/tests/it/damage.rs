use futures_util::StreamExt;
use proptest::prelude::*;
use vault::{KeyProvider, VaultError};

use crate::support::{Home, OTHER, WORKSPACE, content};

#[tokio::test]
async fn another_workspace_cannot_open_a_blob() {
    let home = Home::new().await;
    let content = content(1000);
    let mine = home.put(WORKSPACE, &content).await.blob;
    let theirs = home.put(OTHER, b"theirs").await.blob;
    assert!(matches!(home.read(OTHER, &mine).await, Err(VaultError::NotFound)));
    // Not even when the file is put in its folder, under its own or a known name.
    for name in [&mine, &theirs] {
        let path = home.blob_path(OTHER, name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::copy(home.blob_path(WORKSPACE, &mine), &path).unwrap();
        assert!(matches!(home.read(OTHER, name).await, Err(VaultError::Damaged)));
    }
}

#[tokio::test]
async fn blobs_cannot_change_places_in_their_workspace() {
    let home = Home::new().await;
    let one = home.put(WORKSPACE, b"one").await.blob;
    let two = home.put(WORKSPACE, b"two").await.blob;
    std::fs::copy(home.blob_path(WORKSPACE, &one), home.blob_path(WORKSPACE, &two)).unwrap();
    assert_eq!(home.read(WORKSPACE, &one).await.unwrap(), b"one");
    assert!(matches!(
        home.read(WORKSPACE, &two).await,
        Err(VaultError::Damaged)
    ));
}

#[tokio::test]
async fn storing_the_content_again_mends_a_damaged_blob() {
    let home = Home::new().await;
    let blob = home.put(WORKSPACE, b"content").await.blob;
    std::fs::write(home.blob_path(WORKSPACE, &blob), b"nonsense").unwrap();
    assert!(matches!(
        home.read(WORKSPACE, &blob).await,
        Err(VaultError::Damaged)
    ));
    assert_eq!(home.put(WORKSPACE, b"content").await.blob, blob);
    assert_eq!(home.read(WORKSPACE, &blob).await.unwrap(), b"content");
}

#[tokio::test]
async fn a_destroyed_key_leaves_its_blobs_closed_and_others_open() {
    let home = Home::new().await;
    let mine = home.put(WORKSPACE, b"mine").await.blob;
    let theirs = home.put(OTHER, b"theirs").await.blob;
    assert!(home.keys.destroy(WORKSPACE).unwrap());
    assert!(!home.keys.destroy(WORKSPACE).unwrap());
    assert!(matches!(
        home.read(WORKSPACE, &mine).await,
        Err(VaultError::NotFound)
    ));
    assert_eq!(home.read(OTHER, &theirs).await.unwrap(), b"theirs");
    // A new key for the same workspace does not open what the old one sealed.
    let again = home.put(WORKSPACE, b"mine").await.blob;
    assert_ne!(again, mine);
    assert!(matches!(
        home.read(WORKSPACE, &mine).await,
        Err(VaultError::Damaged)
    ));
}

#[tokio::test]
async fn a_stream_ends_at_the_first_damaged_piece() {
    let home = Home::new().await;
    let content = content(300_000);
    let blob = home.put(WORKSPACE, &content).await.blob;
    let path = home.blob_path(WORKSPACE, &blob);
    let mut file = std::fs::read(&path).unwrap();
    let in_third_chunk = file.len() - 150_000;
    file[in_third_chunk] ^= 1;
    std::fs::write(&path, file).unwrap();
    let reader = home.vault.open(WORKSPACE, &blob).await.unwrap();
    let pieces: Vec<_> = reader.read_range(0, u64::MAX).collect().await;
    assert_eq!(pieces.len(), 3);
    assert_eq!(pieces[1].as_ref().unwrap(), &content[65_536..131_072]);
    assert!(matches!(pieces[2], Err(VaultError::Damaged)));
    // What is sound can still be read.
    let read = home.read_range(WORKSPACE, &blob, 262_144, 100_000).await;
    assert_eq!(read.unwrap(), content[262_144..]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_flipped_bit_or_cut_is_refused(
        size in prop::sample::select(vec![0_usize, 1, 1000, 65_536, 140_000]),
        at in any::<prop::sample::Index>(), cut in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let home = Home::new().await;
            let blob = home.put(WORKSPACE, &content(size)).await.blob;
            let path = home.blob_path(WORKSPACE, &blob);
            let mut file = std::fs::read(&path).unwrap();
            if cut {
                file.truncate(at.index(file.len()));
            } else {
                let bit = at.index(file.len() * 8);
                file[bit / 8] ^= 1 << (bit % 8);
            }
            std::fs::write(&path, file).unwrap();
            assert!(matches!(home.read(WORKSPACE, &blob).await, Err(VaultError::Damaged)));
        });
    }
}

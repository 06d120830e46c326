use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use ed25519_dalek::{Signature, VerifyingKey};
use vault::{FileKeys, KeyError, KeyProvider, MAX_CACHED_KEYS};

use crate::support::{Home, OTHER, WORKSPACE, files_below};

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn keys_stay_the_same_over_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let first = FileKeys::open(folder.path()).unwrap();
    let wrapped = first.wrap("provider key", b"secret").unwrap();
    let sealed = first.seal_small(WORKSPACE, "gen_1", b"a prompt").unwrap();
    let again = FileKeys::open(folder.path()).unwrap();
    assert_eq!(first.public_key().unwrap(), again.public_key().unwrap());
    assert_eq!(
        first.derive("pseudonym").unwrap().expose(),
        again.derive("pseudonym").unwrap().expose()
    );
    assert_eq!(
        first.workspace_key(WORKSPACE).unwrap().expose_bytes(),
        again.workspace_key(WORKSPACE).unwrap().expose_bytes()
    );
    assert_eq!(
        again.unwrap("provider key", &wrapped).unwrap().as_slice(),
        b"secret"
    );
    let opened = again.open_small(WORKSPACE, "gen_1", &sealed).unwrap();
    assert_eq!(opened.as_slice(), b"a prompt");
}

#[test]
fn keys_of_different_uses_are_different() {
    let folder = tempfile::tempdir().unwrap();
    let keys = FileKeys::open(folder.path()).unwrap();
    let one = keys.derive("pseudonym").unwrap();
    assert_ne!(one.expose(), keys.derive("other").unwrap().expose());
    assert_eq!(format!("{one:?} {keys:?}"), "[derived key] [file keys]");
    let mine = keys.workspace_key(WORKSPACE).unwrap();
    let theirs = keys.workspace_key(OTHER).unwrap();
    assert_ne!(mine.expose_bytes(), theirs.expose_bytes());
    let elsewhere = tempfile::tempdir().unwrap();
    let other = FileKeys::open(elsewhere.path()).unwrap();
    assert_ne!(keys.public_key().unwrap(), other.public_key().unwrap());
    assert_ne!(one.expose(), other.derive("pseudonym").unwrap().expose());
}

#[test]
fn signatures_verify_under_the_public_key() {
    let folder = tempfile::tempdir().unwrap();
    let keys = FileKeys::open(folder.path()).unwrap();
    let public = VerifyingKey::from_bytes(&keys.public_key().unwrap()).unwrap();
    let signature = Signature::from_bytes(&keys.sign(b"a checkpoint").unwrap());
    assert!(public.verify_strict(b"a checkpoint", &signature).is_ok());
    assert!(public.verify_strict(b"another", &signature).is_err());
}

#[test]
fn what_is_sealed_or_wrapped_opens_only_in_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let keys = FileKeys::open(folder.path()).unwrap();
    let wrapped = keys.wrap("one", b"secret").unwrap();
    assert!(matches!(keys.unwrap("two", &wrapped), Err(KeyError::Damaged(_))));
    let sealed = keys.seal_small(WORKSPACE, "gen_1", b"a prompt").unwrap();
    assert!(matches!(
        keys.open_small(WORKSPACE, "gen_2", &sealed),
        Err(KeyError::Damaged(_))
    ));
    assert!(matches!(
        keys.open_small(OTHER, "gen_1", &sealed),
        Err(KeyError::Destroyed)
    ));
    keys.workspace_key(OTHER).unwrap();
    assert!(matches!(
        keys.open_small(OTHER, "gen_1", &sealed),
        Err(KeyError::Damaged(_))
    ));
    assert!(keys.destroy(WORKSPACE).unwrap());
    assert!(matches!(
        keys.open_small(WORKSPACE, "gen_1", &sealed),
        Err(KeyError::Destroyed)
    ));
    assert!(matches!(
        keys.seal_small("../x", "gen_1", b""),
        Err(KeyError::Name)
    ));
    assert!(matches!(keys.destroy(".."), Err(KeyError::Name)));
}

#[test]
fn a_workspace_key_of_another_workspace_or_changed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let keys = FileKeys::open(folder.path()).unwrap();
    keys.workspace_key(WORKSPACE).unwrap();
    let file = |workspace: &str| folder.path().join(format!("keys/workspaces/{workspace}.key"));
    std::fs::copy(file(WORKSPACE), file(OTHER)).unwrap();
    assert!(matches!(keys.workspace_key(OTHER), Err(KeyError::Damaged(_))));
    let mut changed = std::fs::read(file(WORKSPACE)).unwrap();
    changed[40] ^= 1;
    std::fs::write(file(WORKSPACE), changed).unwrap();
    let again = FileKeys::open(folder.path()).unwrap();
    assert!(matches!(
        again.workspace_key(WORKSPACE),
        Err(KeyError::Damaged(_))
    ));
    assert!(matches!(
        again.find_workspace_key(WORKSPACE),
        Err(KeyError::Damaged(_))
    ));
}

#[tokio::test]
async fn a_lost_root_key_is_never_replaced_over_data() {
    let home = Home::new().await;
    home.put(WORKSPACE, b"content").await;
    let root = home.path().join("keys/root.key");
    let backup = std::fs::read(&root).unwrap();
    std::fs::remove_file(&root).unwrap();
    assert!(matches!(
        FileKeys::open(home.path()),
        Err(KeyError::RootMissing(_))
    ));
    // Blobs alone suffice to refuse.
    std::fs::remove_dir_all(home.path().join("keys")).unwrap();
    assert!(matches!(
        FileKeys::open(home.path()),
        Err(KeyError::RootMissing(_))
    ));
    assert!(!root.exists());
    std::fs::write(&root, backup).unwrap();
    set_mode(&root, 0o600);
    assert!(FileKeys::open(home.path()).is_ok());
}

#[test]
fn a_root_key_that_others_may_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    FileKeys::open(folder.path()).unwrap();
    let root = folder.path().join("keys/root.key");
    for mode in [0o640, 0o604, 0o644, 0o660] {
        set_mode(&root, mode);
        let refused = FileKeys::open(folder.path());
        assert!(matches!(refused, Err(KeyError::Permissions { mode: found, .. }) if found == mode));
    }
    set_mode(&root, 0o400);
    assert!(FileKeys::open(folder.path()).is_ok());
}

#[test]
fn a_changed_root_key_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    FileKeys::open(folder.path()).unwrap();
    let root = folder.path().join("keys/root.key");
    let good = std::fs::read_to_string(&root).unwrap();
    let (format, rest) = good.split_once(' ').unwrap();
    let digit = if &rest[..1] == "0" { "1" } else { "0" };
    for wrong in [
        String::new(),
        good[..40].to_owned(),
        format!("{format} {digit}{}", &rest[1..]),
        good.replace("key-1", "key-2"),
        good.to_uppercase(),
        format!("{good} more"),
    ] {
        std::fs::write(&root, &wrong).unwrap();
        let refused = FileKeys::open(folder.path());
        assert!(matches!(refused, Err(KeyError::RootMalformed(_))), "{wrong}");
    }
    // An editor's line ends and spaces do no harm.
    std::fs::write(&root, format!("  {}\r\n\n", good.trim())).unwrap();
    assert!(FileKeys::open(folder.path()).is_ok());
    // Another installation's root key opens nothing here.
    let elsewhere = tempfile::tempdir().unwrap();
    FileKeys::open(elsewhere.path()).unwrap();
    std::fs::copy(elsewhere.path().join("keys/root.key"), &root).unwrap();
    assert!(matches!(FileKeys::open(folder.path()), Err(KeyError::Damaged(_))));
}

#[test]
fn no_key_is_on_disk_in_the_clear_but_the_root() {
    let folder = tempfile::tempdir().unwrap();
    let keys = FileKeys::open(folder.path()).unwrap();
    let key = keys.workspace_key(WORKSPACE).unwrap();
    let root = std::fs::read_to_string(folder.path().join("keys/root.key")).unwrap();
    let root = data_encoding::HEXLOWER
        .decode(root.split(' ').nth(1).unwrap().as_bytes())
        .unwrap();
    let files = files_below(&folder.path().join("keys"));
    assert_eq!(files.len(), 4, "{files:?}");
    for file in files.iter().filter(|file| *file != "root.key") {
        let bytes = std::fs::read(folder.path().join("keys").join(file)).unwrap();
        for secret in [key.expose_bytes().as_slice(), &root] {
            assert!(!bytes.windows(32).any(|window| window == secret), "{file}");
        }
    }
}

#[test]
fn more_workspaces_than_are_held_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let keys = FileKeys::open(folder.path()).unwrap();
    let first = keys.workspace_key("w-0").unwrap();
    for n in 1..=MAX_CACHED_KEYS {
        keys.workspace_key(&format!("w-{n}")).unwrap();
    }
    let again = keys.workspace_key("w-0").unwrap();
    assert!(!std::sync::Arc::ptr_eq(&first, &again), "it was read anew");
    assert_eq!(first.expose_bytes(), again.expose_bytes());
}

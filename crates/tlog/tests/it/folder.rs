//! An exported log: accepted as it is, refused with the place after any damage.

use std::collections::BTreeMap;
use std::convert::Infallible;

use proptest::prelude::*;
use tlog::{
    Bundle, BundleError, Finding, MAX_ENTRY_BYTES, Report, VerifierKey, verify_entries, verify_folder,
};

use crate::support::{ORIGIN, TestLog};

type Files = BTreeMap<String, Vec<u8>>;

fn verify(files: &Files, key: Option<&VerifierKey>) -> Result<Report, Finding> {
    verify_folder(|path| Ok::<_, Infallible>(files.get(path).cloned()), key)
}

#[test]
fn an_export_of_any_size_is_accepted() {
    for size in [0, 1, 2, 255, 256, 257, 511, 512, 513, 778, 1024, 66_000] {
        let log = TestLog::of_size(size, 300);
        let files = log.export();
        let report = verify(&files, Some(&log.key())).unwrap();
        assert_eq!((report.size, report.root), (size, log.root), "{size}");
        assert_eq!(report.tiles, tlog::tiles_of(size).count() as u64, "{size}");
        let bytes: usize = log.entries.iter().map(Vec::len).sum();
        assert_eq!(report.entry_bytes, bytes as u64);
        assert!(report.key_was_given);
        assert_eq!(report.origin, ORIGIN);
        assert!(!verify(&files, None).unwrap().key_was_given);
    }
}

#[test]
fn a_changed_entry_is_named() {
    let log = TestLog::of_size(600, 600);
    let mut files = log.export();
    let bundle = files.get_mut("tile/entries/001").unwrap();
    let place = bundle.windows(9).position(|w| w == b"entry 300").unwrap();
    bundle[place + 6] = b'9';
    assert_eq!(
        verify(&files, None),
        Err(Finding::EntryChanged {
            index: 300,
            path: "tile/entries/001".to_owned(),
            byte: place,
        })
    );
}

#[test]
fn a_changed_tile_is_named_with_the_byte() {
    let log = TestLog::of_size(600, 600);
    let mut files = log.export();
    files.get_mut("tile/0/001").unwrap()[100] ^= 1;
    assert_eq!(
        verify(&files, None),
        Err(Finding::TileDiffers {
            path: "tile/0/001".to_owned(),
            byte: 100,
            entry: 256 + 3,
        })
    );
    let mut files = log.export();
    files.get_mut("tile/1/000.p/2").unwrap()[40] ^= 1;
    assert_eq!(
        verify(&files, None),
        Err(Finding::TileDiffers {
            path: "tile/1/000.p/2".to_owned(),
            byte: 40,
            entry: 256,
        })
    );
    let mut files = log.export();
    files.get_mut("tile/0/002.p/88").unwrap().pop();
    assert_eq!(
        verify(&files, None),
        Err(Finding::TileDiffers {
            path: "tile/0/002.p/88".to_owned(),
            byte: 88 * 32 - 1,
            entry: 599,
        })
    );
}

#[test]
fn a_log_rewritten_from_entry_to_tiles_differs_from_the_signed_root() {
    let log = TestLog::of_size(600, 600);
    let mut forged = TestLog::new();
    let mut entries = log.entries.clone();
    entries.swap(10, 11);
    forged.append(&entries);
    let mut files = forged.export();
    files.insert("checkpoint".to_owned(), log.checkpoint().into_bytes());
    assert_eq!(
        verify(&files, None),
        Err(Finding::RootDiffers {
            signed: log.root,
            computed: forged.root,
        })
    );
}

#[test]
fn every_missing_file_is_named() {
    let log = TestLog::of_size(600, 600);
    let files = log.export();
    for path in files.keys() {
        let mut fewer = files.clone();
        fewer.remove(path);
        let missing = Finding::Missing { path: path.clone() };
        assert_eq!(verify(&fewer, None), Err(missing));
    }
    // With the key in hand the folder need not carry it.
    let mut fewer = files;
    fewer.remove("log.vkey");
    assert!(verify(&fewer, Some(&log.key())).is_ok());
}

#[test]
fn another_key_is_refused() {
    let log = TestLog::of_size(3, 3);
    let other = VerifierKey::ed25519(
        ORIGIN,
        ed25519_dalek::SigningKey::from_bytes(&[9; 32])
            .verifying_key()
            .as_bytes(),
    )
    .unwrap();
    let mut files = log.export();
    assert!(matches!(
        verify(&files, Some(&other)),
        Err(Finding::OtherKey { .. })
    ));
    files.insert("log.vkey".to_owned(), other.to_string().into_bytes());
    assert!(matches!(verify(&files, None), Err(Finding::Checkpoint(_))));
    files.insert("log.vkey".to_owned(), b"nonsense".to_vec());
    assert!(matches!(verify(&files, None), Err(Finding::Key(_))));
}

#[test]
fn a_size_over_the_limit_is_refused() {
    use ed25519_dalek::{Signer, SigningKey};
    let signing = SigningKey::from_bytes(&[7; 32]);
    let key = TestLog::new().key();
    let checkpoint = tlog::Checkpoint {
        origin: ORIGIN.to_owned(),
        size: tlog::MAX_TREE_SIZE + 1,
        root: tlog::Hash::empty_root(),
    };
    let signature = signing.sign(checkpoint.text().as_bytes()).to_bytes();
    let signed = checkpoint.signed(&key, signature).unwrap();
    let files = Files::from([("checkpoint".to_owned(), signed.into_bytes())]);
    let refused = verify(&files, Some(&key)).unwrap_err();
    assert!(refused.to_string().contains("over the limit"), "{refused}");
}

#[test]
fn a_reader_that_fails_is_named() {
    let refused = verify_folder(|path| Err::<Option<Vec<u8>>, _>(format!("no {path}")), None);
    assert_eq!(
        refused,
        Err(Finding::Unreadable {
            path: "log.vkey".to_owned(),
            reason: "no log.vkey".to_owned(),
        })
    );
}

#[test]
fn the_caller_sees_every_entry_and_may_refuse_one() {
    let log = TestLog::of_size(300, 300);
    let files = log.export();
    let mut seen = Vec::new();
    let read = |path: &str| Ok::<_, Infallible>(files.get(path).cloned());
    verify_entries(read, None, |index, entry| {
        assert_eq!(index, seen.len() as u64);
        seen.push(entry.to_vec());
        Ok(())
    })
    .unwrap();
    assert_eq!(seen, log.entries);
    let refused = verify_entries(read, None, |index, _| {
        if index == 290 {
            Err("time runs back".to_owned())
        } else {
            Ok(())
        }
    });
    assert_eq!(
        refused,
        Err(Finding::EntryRefused {
            index: 290,
            reason: "time runs back".to_owned(),
        })
    );
}

#[test]
fn an_entry_has_a_largest_length() {
    let largest = vec![1; MAX_ENTRY_BYTES];
    let bytes = Bundle::encode(&[largest.clone(), Vec::new()]).unwrap();
    let bundle = Bundle { index: 0, width: 2 };
    assert_eq!(bundle.decode(&bytes).unwrap(), [largest.as_slice(), &[]]);
    assert_eq!(
        Bundle::encode(&[Vec::new(), vec![1; MAX_ENTRY_BYTES + 1]]),
        Err(BundleError::EntryTooLong {
            position: 1,
            length: MAX_ENTRY_BYTES + 1,
        })
    );
    for end in 0..bytes.len() {
        assert!(matches!(
            bundle.decode(&bytes[..end]),
            Err(BundleError::Short { .. })
        ));
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert_eq!(
        bundle.decode(&longer),
        Err(BundleError::Long { byte: bytes.len() })
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_flipped_bit_in_any_file_is_found(
        size in 1..600_u64, file in any::<prop::sample::Index>(), bit in any::<prop::sample::Index>(),
    ) {
        let log = TestLog::of_size(size, 600);
        let mut files = log.export();
        let path = file.get(&files.keys().cloned().collect::<Vec<_>>()).clone();
        let bytes = files.get_mut(&path).unwrap();
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        // White space after the verifier key means nothing.
        let harmless = path == "log.vkey" && String::from_utf8(bytes.clone())
            .is_ok_and(|text| text.trim() == log.key().to_string());
        let found = verify(&files, None);
        prop_assert_eq!(found.is_ok(), harmless, "{} bit {}: {:?}", path, bit, found);
        if let Err(finding) = found
            && path.starts_with("tile/")
        {
            prop_assert!(finding.to_string().contains(&path), "{finding} does not name {path}");
        }
    }
}

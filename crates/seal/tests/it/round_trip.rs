use std::io::{Cursor, Read, Seek, SeekFrom, Write};

use proptest::prelude::*;
use seal::{Context, MAX_ID_BYTES, SealError, SealingKey, decrypt, encrypt};

use crate::support::{EDGES, content, key, open, place, read, sealed};

#[test]
fn content_of_every_size_comes_back() {
    for size in EDGES {
        let content = content(size);
        let file = sealed(&content);
        let reader = open(file.clone()).unwrap();
        assert_eq!(reader.len(), size as u64);
        assert_eq!(reader.is_empty(), size == 0);
        assert_eq!(read(file).unwrap(), content, "{size}");
    }
}

#[test]
fn a_file_shows_nothing_of_its_content() {
    let file = sealed(&b"canary".repeat(100));
    assert!(!file.windows(6).any(|window| window == b"canary"));
    assert_ne!(
        file,
        sealed(&b"canary".repeat(100)),
        "file keys and nonces are fresh"
    );
}

#[test]
fn keys_print_nothing_of_themselves() {
    let key = SealingKey::generate(3).unwrap();
    assert_ne!(
        key.expose_bytes(),
        SealingKey::generate(3).unwrap().expose_bytes()
    );
    assert_eq!(format!("{key:?}"), "SealingKey(version 3, bytes hidden)");
}

#[test]
fn derived_keys_differ_by_label_and_key() {
    assert_eq!(key(1).derive("names"), key(1).derive("names"));
    assert_ne!(key(1).derive("names"), key(1).derive("other"));
    assert_ne!(key(1).derive("names"), key(2).derive("names"));
    assert_ne!(key(1).derive("names").as_slice(), key(1).expose_bytes());
}

#[test]
fn ids_have_bounds() {
    let longest = "x".repeat(MAX_ID_BYTES);
    assert!(Context::new(&longest, &longest).is_ok());
    let longer = "x".repeat(MAX_ID_BYTES + 1);
    for (workspace, object) in [("", "o"), ("w", ""), (longer.as_str(), "o"), ("w", &longer)] {
        assert!(matches!(Context::new(workspace, object), Err(SealError::Id)));
    }
}

#[test]
fn the_key_is_chosen_by_its_version() {
    let mut writer = encrypt(&key(2), &place(), Vec::new()).unwrap();
    writer.write_all(b"content").unwrap();
    let file = writer.finish().unwrap();
    let open = |keys: &[&SealingKey]| decrypt(keys, &place(), Cursor::new(file.clone()));
    assert!(open(&[&key(1), &key(2)]).is_ok());
    assert!(matches!(open(&[&key(1)]), Err(SealError::KeyVersion(2))));
    assert!(matches!(open(&[]), Err(SealError::KeyVersion(2))));
}

#[test]
fn a_writer_that_fails_is_heard() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let started = || encrypt(&key(1), &place(), Full).unwrap();
    let error = started().write_all(&content(100_000)).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    let Err(error) = started().finish() else {
        panic!("a full disk went unheard");
    };
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
}

#[test]
fn seeking_past_the_end_reads_nothing_and_before_the_start_is_refused() {
    for size in EDGES {
        let mut reader = open(sealed(&content(size))).unwrap();
        let mut byte = [0];
        for past in [0, 1, 65_536, 1 << 40] {
            reader.seek(SeekFrom::Start(size as u64 + past)).unwrap();
            assert_eq!(reader.read(&mut byte).unwrap(), 0, "{size} + {past}");
        }
        assert!(reader.seek(SeekFrom::End(-(size as i64) - 1)).is_err());
        assert!(reader.seek(SeekFrom::Current(i64::MIN)).is_err());
    }
}

#[test]
fn a_file_may_start_inside_its_input() {
    let mut bytes = b"before".to_vec();
    bytes.extend(sealed(&content(100_000)));
    let mut input = Cursor::new(bytes);
    input.set_position(6);
    let mut reader = decrypt(&[&key(1)], &place(), input).unwrap();
    let mut read = Vec::new();
    reader.read_to_end(&mut read).unwrap();
    assert_eq!(read, content(100_000));
}

#[derive(Debug, Clone)]
enum Step {
    Start(u64),
    Current(i64),
    End(i64),
    Read(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..300_000_u64).prop_map(Step::Start),
        (0..5_u64, 0..3_u64).prop_map(|(chunk, off)| Step::Start((chunk * 65_536 + off).saturating_sub(1))),
        (-100_000..100_000_i64).prop_map(Step::Current),
        (-300_000..1_000_i64).prop_map(Step::End),
        (0..150_000_usize).prop_map(Step::Read),
        Just(Step::Read(1)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_seeks_and_reads_agree_with_a_slice(
        size in prop_oneof![0..300_000_usize, prop::sample::select(EDGES.to_vec())],
        steps in prop::collection::vec(step(), 1..25),
    ) {
        let content = content(size);
        let mut reader = open(sealed(&content)).unwrap();
        let mut model = Cursor::new(&content);
        for step in steps {
            let seek = match step {
                Step::Start(n) => SeekFrom::Start(n),
                Step::Current(n) => SeekFrom::Current(n),
                Step::End(n) => SeekFrom::End(n),
                Step::Read(n) => {
                    let mut ours = Vec::new();
                    let mut theirs = Vec::new();
                    reader.by_ref().take(n as u64).read_to_end(&mut ours).unwrap();
                    model.by_ref().take(n as u64).read_to_end(&mut theirs).unwrap();
                    prop_assert_eq!(ours, theirs);
                    continue;
                }
            };
            prop_assert_eq!(reader.seek(seek).ok(), model.seek(seek).ok());
        }
    }

    #[test]
    fn the_size_of_writes_does_not_matter(
        size in 0..200_000_usize, piece in 1..100_000_usize,
    ) {
        let content = content(size);
        let mut writer = encrypt(&key(1), &place(), Vec::new()).unwrap();
        for piece in content.chunks(piece) {
            writer.write_all(piece).unwrap();
        }
        prop_assert_eq!(read(writer.finish().unwrap()).unwrap(), content);
    }
}

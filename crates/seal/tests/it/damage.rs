use std::io::{Cursor, Read, Seek, SeekFrom};

use proptest::prelude::*;
use seal::{Context, MAX_HEADER_BYTES, SealError, SealingKey, decrypt};
use zeroize::Zeroizing;

use crate::support::{EDGES, OBJECT, WORKSPACE, content, key, open, place, read, sealed};

#[test]
fn another_key_or_place_is_refused() {
    let file = sealed(b"content");
    let refused = |key: SealingKey, place: Context| {
        matches!(
            decrypt(&[&key], &place, Cursor::new(file.clone())),
            Err(SealError::WrongKeyOrPlace)
        )
    };
    let other_key = || SealingKey::new(1, Zeroizing::new([9; 32]));
    assert!(!refused(key(1), place()));
    assert!(refused(other_key(), place()));
    assert!(refused(key(1), Context::new("wsp_02", OBJECT).unwrap()));
    assert!(refused(key(1), Context::new(WORKSPACE, "object-2").unwrap()));
    // The border between the two ids counts.
    assert!(refused(key(1), Context::new("wsp_01o", "bject-1").unwrap()));
    assert!(refused(key(1), Context::new(OBJECT, WORKSPACE).unwrap()));
}

#[test]
fn a_file_cut_anywhere_is_refused_when_it_is_opened() {
    for size in [0, 1, 70_000, 131_072] {
        let file = sealed(&content(size));
        let chunk = 65_536 + 16;
        let header = file.len() - size - size.div_ceil(65_536).max(1) * 16;
        let ends = (0..header + 40)
            .chain([header + chunk - 1, header + chunk, header + chunk + 1])
            .chain([header + chunk + 15, header + chunk + 16, file.len() - 1])
            .filter(|end| *end < file.len());
        for end in ends {
            assert!(open(file[..end].to_vec()).is_err(), "{size} cut at {end}");
        }
    }
}

#[test]
fn chunks_moved_doubled_or_added_are_refused() {
    let size = 3 * 65_536;
    let file = sealed(&content(size));
    let chunk = 65_536 + 16;
    let header = file.len() - 3 * chunk;
    let part = |n: usize| &file[header + n * chunk..header + (n + 1) * chunk];
    let made = |parts: &[&[u8]]| [&file[..header], &parts.concat()].concat();
    assert!(read(made(&[part(0), part(1), part(2)])).is_ok());
    for wrong in [
        made(&[part(1), part(0), part(2)]),
        made(&[part(0), part(0), part(2)]),
        made(&[part(0), part(2)]),
        made(&[part(0), part(1), part(2), part(2)]),
        made(&[part(0), part(1), part(2), b"trailing"]),
        made(&[part(0), part(1)]),
    ] {
        assert!(read(wrong).is_err());
    }
    // Content of another file does not fit under this header.
    let other = sealed(&content(size));
    let other_header = other.len() - 3 * chunk;
    assert!(read([&file[..header], &other[other_header..]].concat()).is_err());
}

#[test]
fn what_is_not_a_sealed_file_is_refused() {
    let ours = String::from_utf8_lossy(&sealed(b"")[..200]).into_owned();
    let stanza: String = ours
        .lines()
        .skip(1)
        .take(2)
        .map(|line| format!("{line}\n"))
        .collect();
    let doubled = sealed(b"");
    let at = doubled.windows(4).position(|w| w == b"\n---").unwrap() + 1;
    let doubled = [&doubled[..at], stanza.as_bytes(), &doubled[at..]].concat();
    let long = format!("age-encryption.org/v1\n{}", "-> x\n\n".repeat(1_000_000));
    for wrong in [
        Vec::new(),
        b"\x89PNG\r\n\x1a\n".to_vec(),
        b"age-encryption.org/v1\n".to_vec(),
        b"age-encryption.org/v2\n-> studio-seal 00000001 AAAAAAAAAAAAAAAA\nAA\n--- AA\n".to_vec(),
        b"age-encryption.org/v1\n-> X25519 AAAA\nAAAA\n--- AA\n".to_vec(),
        b"age-encryption.org/v1\n-> studio-seal\nAAAA\n--- AA\n".to_vec(),
        doubled,
        long.into_bytes(),
        vec![b'a'; MAX_HEADER_BYTES * 2],
    ] {
        assert!(matches!(open(wrong), Err(SealError::NotSealed)));
    }
}

#[test]
fn damage_in_one_chunk_leaves_the_reader_refusing() {
    let mut file = sealed(&content(4 * 65_536));
    let place_in_second = file.len() - 2 * (65_536 + 16) - 100;
    file[place_in_second] ^= 1;
    let mut reader = open(file).unwrap();
    let mut first = vec![0; 65_536];
    reader.read_exact(&mut first).unwrap();
    assert_eq!(first, content(4 * 65_536)[..65_536]);
    let mut byte = [0];
    let error = reader.read(&mut byte).unwrap_err();
    assert!(SealError::is_damage(&error));
    reader.seek(SeekFrom::Start(0)).unwrap();
    assert!(SealError::is_damage(&reader.read(&mut byte).unwrap_err()));
    assert!(!SealError::is_damage(&std::io::ErrorKind::InvalidData.into()));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_flipped_bit_is_refused(
        size in prop::sample::select(EDGES[..9].to_vec()),
        bit in any::<prop::sample::Index>(), in_header in any::<bool>(),
    ) {
        let mut file = sealed(&content(size));
        let header = file.len() - size - size.div_ceil(65_536).max(1) * 16;
        let bit = bit.index(if in_header { header } else { file.len() } * 8);
        file[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(read(file).is_err(), "bit {} of a file of {}", bit, size);
    }
}

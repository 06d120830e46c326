use proptest::prelude::*;
use seal::{Context, MAX_SMALL_BYTES, SealError, decrypt_small, encrypt_small};

use crate::support::{OBJECT, WORKSPACE, content, key, place};

#[test]
fn other_keys_places_and_formats_are_refused() {
    let sealed = encrypt_small(&key(1), &place(), b"canary").unwrap();
    assert_eq!(sealed.len(), 17 + 6 + 16);
    assert!(!sealed.windows(6).any(|window| window == b"canary"));
    assert_ne!(sealed, encrypt_small(&key(1), &place(), b"canary").unwrap());
    let opened = decrypt_small(&[&key(2), &key(1)], &place(), &sealed).unwrap();
    assert_eq!(opened.as_slice(), b"canary");
    for (workspace, object) in [("wsp_02", OBJECT), (WORKSPACE, "other"), (OBJECT, WORKSPACE)] {
        let other = Context::new(workspace, object).unwrap();
        let refused = decrypt_small(&[&key(1)], &other, &sealed);
        assert!(matches!(refused, Err(SealError::WrongKeyOrPlace)));
    }
    let refused = decrypt_small(&[&key(2)], &place(), &sealed);
    assert!(matches!(refused, Err(SealError::KeyVersion(1))));
    for end in 0..sealed.len() {
        assert!(decrypt_small(&[&key(1)], &place(), &sealed[..end]).is_err());
    }
}

#[test]
fn the_longest_content_has_a_limit() {
    let longest = content(MAX_SMALL_BYTES);
    let sealed = encrypt_small(&key(1), &place(), &longest).unwrap();
    assert_eq!(*decrypt_small(&[&key(1)], &place(), &sealed).unwrap(), longest);
    let longer = content(MAX_SMALL_BYTES + 1);
    assert!(matches!(
        encrypt_small(&key(1), &place(), &longer),
        Err(SealError::TooLong)
    ));
    let refused = decrypt_small(&[&key(1)], &place(), &[&sealed[..], b"x"].concat());
    assert!(matches!(refused, Err(SealError::TooLong)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_content_comes_back_and_any_flipped_bit_is_refused(
        size in 0..2000_usize, bit in any::<prop::sample::Index>(),
    ) {
        let content = content(size);
        let mut sealed = encrypt_small(&key(1), &place(), &content).unwrap();
        let opened = decrypt_small(&[&key(1)], &place(), &sealed).unwrap();
        prop_assert_eq!(opened.as_slice(), &content);
        let bit = bit.index(sealed.len() * 8);
        sealed[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(decrypt_small(&[&key(1)], &place(), &sealed).is_err());
    }
}

use std::io::{Cursor, Read};

use proptest::prelude::*;
use seal::{Context, SealError, decrypt, rewrap};

use crate::support::{WORKSPACE, content, key, place, sealed};

fn read_as(file: &[u8], version: u32, place: &Context) -> Result<Vec<u8>, SealError> {
    let mut content = Vec::new();
    decrypt(&[&key(version)], place, Cursor::new(file.to_vec()))?.read_to_end(&mut content)?;
    Ok(content)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_rewrapped_file_opens_only_in_its_new_place(size in 0..140_000_usize) {
        let before = sealed(&content(size));
        let to = Context::new(WORKSPACE, "final-name").unwrap();
        let mut file = Cursor::new(before.clone());
        rewrap(&mut file, &[&key(1)], &place(), &key(2), &to).unwrap();
        prop_assert_eq!(file.position(), 0);
        let after = file.into_inner();
        prop_assert_eq!(after.len(), before.len());
        let body = after.len() - size;
        prop_assert_eq!(&after[body..], &before[body..], "the content is untouched");
        prop_assert_eq!(read_as(&after, 2, &to).unwrap(), content(size));
        prop_assert!(matches!(read_as(&after, 2, &place()), Err(SealError::WrongKeyOrPlace)));
        prop_assert!(matches!(read_as(&after, 1, &to), Err(SealError::KeyVersion(2))));
    }
}

#[test]
fn a_file_that_does_not_open_is_left_as_it_is() {
    let before = sealed(b"content");
    let other = Context::new(WORKSPACE, "other").unwrap();
    let mut file = Cursor::new(before.clone());
    let refused = rewrap(&mut file, &[&key(1)], &other, &key(1), &place());
    assert!(matches!(refused, Err(SealError::WrongKeyOrPlace)));
    let refused = rewrap(&mut file, &[&key(2)], &place(), &key(1), &place());
    assert!(matches!(refused, Err(SealError::KeyVersion(1))));
    assert_eq!(file.into_inner(), before);

    // A changed header that still unwraps: age's random stanza is under the HMAC only.
    let mut changed = before;
    let at = changed.windows(4).position(|w| w == b"\n---").unwrap() - 1;
    changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
    let mut file = Cursor::new(changed.clone());
    let refused = rewrap(&mut file, &[&key(1)], &place(), &key(1), &other);
    assert!(matches!(refused, Err(SealError::WrongKeyOrPlace)));
    assert_eq!(file.into_inner(), changed);
}

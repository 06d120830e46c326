use std::io::{Cursor, Read, Write};

use seal::{Context, SealError, SealReader, SealingKey, decrypt, encrypt};
use zeroize::Zeroizing;

pub const WORKSPACE: &str = "wsp_01";
pub const OBJECT: &str = "object-1";

/// Sizes at which the number or the fullness of chunks changes.
pub const EDGES: [usize; 11] = [
    0, 1, 100, 65_535, 65_536, 65_537, 131_071, 131_072, 131_073, 200_000, 262_144,
];

pub fn key(version: u32) -> SealingKey {
    SealingKey::new(version, Zeroizing::new([u8::try_from(version).unwrap(); 32]))
}

pub fn place() -> Context<'static> {
    Context::new(WORKSPACE, OBJECT).unwrap()
}

/// Content in which every place is recognisable.
pub fn content(size: usize) -> Vec<u8> {
    (0..size).map(|n| (n * 31 + n / 251) as u8).collect()
}

pub fn sealed(content: &[u8]) -> Vec<u8> {
    let mut writer = encrypt(&key(1), &place(), Vec::new()).unwrap();
    writer.write_all(content).unwrap();
    writer.finish().unwrap()
}

pub fn open(file: Vec<u8>) -> Result<SealReader<Cursor<Vec<u8>>>, SealError> {
    decrypt(&[&key(1)], &place(), Cursor::new(file))
}

/// All of the content, or the first error.
pub fn read(file: Vec<u8>) -> Result<Vec<u8>, SealError> {
    let mut content = Vec::new();
    open(file)?.read_to_end(&mut content).map_err(|error| {
        assert!(SealError::is_damage(&error), "{error}");
        SealError::Damaged
    })?;
    Ok(content)
}

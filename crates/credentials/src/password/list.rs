//! Lists of guessable passwords as binary fuse filters (Graf and Lemire 2022): 18 bits for each word, no
//! word of the list is missed, one other word in 65 536 is taken for one of them.
//!
//! A file is a head, a table of shards and their fingerprints. It is read in place, three fingerprints a
//! question, so that a list of a thousand million words needs no memory. The key of a word is the first
//! eight bytes of its SHA-1, because that is the digest in which the public lists of breached passwords are
//! given out; the digest protects nothing here.

use sha1::{Digest, Sha1};
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use xorf::BinaryFuse16;

/// The first bytes of a list file.
const MAGIC: &[u8; 16] = b"studio-words-1\n\0";
/// Bytes before the table of shards: the magic, the number of shards, the number of words.
const HEAD_BYTES: usize = 16 + 4 + 8;
/// Bytes of a shard in the table: seed, segment length, length of all segments but the last two,
/// number of fingerprints.
const SHARD_BYTES: usize = 8 + 4 + 4 + 4;
/// Words of one shard, roughly: what is built in memory at a time.
const SHARD_WORDS: u64 = 2_000_000;
/// The most shards; a power of two.
const MAX_SHARDS: u32 = 1024;
/// The longest line that is read as a word or digest; longer ones are left out and counted.
const MAX_LINE: usize = 2 * super::MAX_BYTES;

/// Why a list cannot be read or made.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The file system.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is no list, or was cut or changed.
    #[error("{0} is not a list made by `studio user breach-list`, or was changed")]
    Malformed(PathBuf),
    /// There is nothing in it.
    #[error("there is no word in {0}")]
    Empty(PathBuf),
    /// The filter could not be built.
    #[error("the list cannot be built: {0}")]
    Build(&'static str),
}

enum Backing {
    Embedded(&'static [u8]),
    File(File, PathBuf),
}

struct Shard {
    seed: u64,
    segment_length: u32,
    segment_count_length: u32,
    fingerprints: u32,
    /// Where its fingerprints begin.
    at: u64,
}

/// A list that can be asked.
pub struct WordList {
    backing: Backing,
    shards: Vec<Shard>,
    words: u64,
}

impl std::fmt::Debug for WordList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[list of {} words]", self.words)
    }
}

fn digest(word: &str) -> [u8; 20] {
    Sha1::digest(word.as_bytes()).into()
}

fn key_of(digest: &[u8; 20]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *digest;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// The shard of a key, by its first bits.
fn shard_of(key: u64, shards: u32) -> usize {
    usize::try_from((u128::from(key) * u128::from(shards)) >> 64).unwrap_or(0)
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut number = [0; N];
    if let Some(found) = bytes.get(at..at + N) {
        number.copy_from_slice(found);
    }
    number
}

impl WordList {
    /// A list that is part of the program.
    ///
    /// # Errors
    /// [`ListError::Malformed`].
    pub fn embedded(bytes: &'static [u8]) -> Result<Self, ListError> {
        Self::read(Backing::Embedded(bytes), Path::new("the embedded list"))
    }

    /// A list in a file.
    ///
    /// # Errors
    /// [`ListError::File`] or [`ListError::Malformed`].
    pub fn open(path: &Path) -> Result<Self, ListError> {
        let file = File::open(path).map_err(at(path))?;
        Self::read(Backing::File(file, path.to_owned()), path)
    }

    fn read(backing: Backing, path: &Path) -> Result<Self, ListError> {
        let mut list = Self {
            backing,
            shards: Vec::new(),
            words: 0,
        };
        let mut head = [0; HEAD_BYTES];
        let malformed = || ListError::Malformed(path.to_owned());
        list.bytes_at(0, &mut head).map_err(|_| malformed())?;
        let shards = u32::from_le_bytes(number(&head, 16));
        if !head.starts_with(MAGIC) || !(1..=MAX_SHARDS).contains(&shards) {
            return Err(malformed());
        }
        list.words = u64::from_le_bytes(number(&head, 20));
        let mut table = vec![0; shards as usize * SHARD_BYTES];
        list.bytes_at(HEAD_BYTES as u64, &mut table)
            .map_err(|_| malformed())?;
        let mut at = (HEAD_BYTES + table.len()) as u64;
        for entry in table.chunks_exact(SHARD_BYTES) {
            let shard = Shard {
                seed: u64::from_le_bytes(number(entry, 0)),
                segment_length: u32::from_le_bytes(number(entry, 8)),
                segment_count_length: u32::from_le_bytes(number(entry, 12)),
                fingerprints: u32::from_le_bytes(number(entry, 16)),
                at,
            };
            let reach = u64::from(shard.segment_count_length) + 2 * u64::from(shard.segment_length);
            if !shard.segment_length.is_power_of_two() || reach > u64::from(shard.fingerprints) {
                return Err(malformed());
            }
            at += 2 * u64::from(shard.fingerprints);
            list.shards.push(shard);
        }
        let mut last = [0];
        let whole = list.bytes_at(at - 1, &mut last).is_ok() && list.bytes_at(at, &mut last).is_err();
        if whole { Ok(list) } else { Err(malformed()) }
    }

    fn bytes_at(&self, at: u64, into: &mut [u8]) -> std::io::Result<()> {
        match &self.backing {
            Backing::Embedded(bytes) => {
                let from = usize::try_from(at).unwrap_or(usize::MAX);
                let found = bytes.get(from..from.saturating_add(into.len()));
                into.copy_from_slice(found.ok_or(std::io::ErrorKind::UnexpectedEof)?);
                Ok(())
            }
            Backing::File(file, _) => file.read_exact_at(into, at),
        }
    }

    /// How many words are in it.
    #[must_use]
    pub const fn words(&self) -> u64 {
        self.words
    }

    /// Whether a word is in it.
    ///
    /// # Errors
    /// [`ListError::File`] if the file cannot be read any more.
    pub fn contains(&self, word: &str) -> Result<bool, ListError> {
        self.has_key(key_of(&digest(word)))
    }

    fn has_key(&self, key: u64) -> Result<bool, ListError> {
        let shards = u32::try_from(self.shards.len()).unwrap_or(u32::MAX);
        let Some(shard) = self.shards.get(shard_of(key, shards)) else {
            return Ok(false);
        };
        let hash = mixed(key.wrapping_add(shard.seed));
        let mut left = low_bits(hash ^ (hash >> 32));
        for place in places(hash, shard) {
            let mut bytes = [0; 2];
            self.bytes_at(shard.at + 2 * place, &mut bytes)
                .map_err(|source| {
                    let path = match &self.backing {
                        Backing::Embedded(_) => PathBuf::new(),
                        Backing::File(_, path) => path.clone(),
                    };
                    ListError::File { path, source }
                })?;
            left ^= u16::from_le_bytes(bytes);
        }
        Ok(left == 0)
    }
}

const fn low_bits(hash: u64) -> u16 {
    let [a, b, ..] = hash.to_le_bytes();
    u16::from_le_bytes([a, b])
}

/// The finaliser of MurmurHash3, with which the filter's builder spreads keys.
const fn mixed(key: u64) -> u64 {
    let mut key = key;
    key ^= key >> 33;
    key = key.wrapping_mul(0xff51_afd7_ed55_8ccd);
    key ^= key >> 33;
    key = key.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    key ^ (key >> 33)
}

/// The three places of a key, one in each of three neighbouring segments.
fn places(hash: u64, shard: &Shard) -> [u64; 3] {
    let length = u64::from(shard.segment_length);
    let first = u64::try_from((u128::from(hash) * u128::from(shard.segment_count_length)) >> 64).unwrap_or(0);
    let mask = length - 1;
    [
        first,
        (first + length) ^ ((hash >> 18) & mask),
        (first + 2 * length) ^ (hash & mask),
    ]
}

/// What became of a file of words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Built {
    /// Different words that are in the list now.
    pub words: u64,
    /// Lines that were too long or not text.
    pub left_out: u64,
}

fn at(path: &Path) -> impl FnOnce(std::io::Error) -> ListError {
    let path = path.to_owned();
    move |source| ListError::File { path, source }
}

/// Makes a list file from a file of lines: a password each, or a SHA-1 in 40 hexadecimal digits, with or
/// without `:` and a count after it, as the public lists have it. The new list stands at `out` when it is
/// whole; until then beside it. Takes 16 bytes of free disk for each line, and little memory.
///
/// # Errors
/// [`ListError`].
pub fn build(lines: &Path, out: &Path) -> Result<Built, ListError> {
    let length = std::fs::metadata(lines).map_err(at(lines))?.len();
    // The shortest line of a public list is a digest; words are shorter, so shards of words are fuller.
    let shards = (length / 40 / SHARD_WORDS + 1).next_power_of_two();
    let shards = u32::try_from(shards).unwrap_or(MAX_SHARDS).min(MAX_SHARDS);
    let folder = out.with_extension("part");
    std::fs::create_dir_all(&folder).map_err(at(&folder))?;
    let built = sorted_out(lines, &folder, shards).and_then(|left_out| {
        let words = put_together(&folder, out, shards)?;
        if words == 0 {
            return Err(ListError::Empty(lines.to_owned()));
        }
        Ok(Built { words, left_out })
    });
    std::fs::remove_dir_all(&folder).map_err(at(&folder))?;
    built
}

/// Writes the key of each line to the file of its shard.
fn sorted_out(lines: &Path, folder: &Path, shards: u32) -> Result<u64, ListError> {
    let mut files = Vec::new();
    for shard in 0..shards {
        let path = folder.join(shard.to_string());
        files.push(BufWriter::new(File::create(&path).map_err(at(&path))?));
    }
    let mut reader = BufReader::with_capacity(1 << 20, File::open(lines).map_err(at(lines))?);
    let (mut line, mut left_out) = (Vec::new(), 0);
    loop {
        line.clear();
        let taken = (&mut reader)
            .take(MAX_LINE as u64)
            .read_until(b'\n', &mut line)
            .map_err(at(lines))?;
        if taken == 0 {
            break;
        }
        if taken == MAX_LINE && !line.ends_with(b"\n") {
            reader.skip_until(b'\n').map_err(at(lines))?;
            left_out += 1;
            continue;
        }
        let Some(key) = key_of_line(&line) else {
            left_out += u64::from(!line.trim_ascii().is_empty());
            continue;
        };
        if let Some(file) = files.get_mut(shard_of(key, shards)) {
            file.write_all(&key.to_le_bytes()).map_err(at(folder))?;
        }
    }
    for mut file in files {
        file.flush().map_err(at(folder))?;
    }
    Ok(left_out)
}

fn key_of_line(line: &[u8]) -> Option<u64> {
    let line = std::str::from_utf8(line).ok()?.trim_end_matches(['\r', '\n']);
    if line.is_empty() {
        return None;
    }
    let first = line.split_once(':').map_or(line, |(first, _)| first);
    if first.len() == 40 && first.bytes().all(|b| b.is_ascii_hexdigit()) {
        return u64::from_str_radix(&first[..16], 16).ok();
    }
    let word = super::Password::parse(line).ok()?;
    Some(key_of(&digest(word.expose())))
}

/// Builds the filter of each shard and writes the list.
fn put_together(folder: &Path, out: &Path, shards: u32) -> Result<u64, ListError> {
    let path = folder.join("list");
    let mut list = BufWriter::new(File::create(&path).map_err(at(&path))?);
    let mut words = 0;
    let mut table = Vec::new();
    let blank = vec![0; HEAD_BYTES + shards as usize * SHARD_BYTES];
    list.write_all(&blank).map_err(at(&path))?;
    for shard in 0..shards {
        let keys = keys_of(&folder.join(shard.to_string()))?;
        words += keys.len() as u64;
        let filter = BinaryFuse16::try_from(&keys).map_err(ListError::Build)?;
        table.extend(filter.descriptor.seed.to_le_bytes());
        table.extend(filter.descriptor.segment_length.to_le_bytes());
        table.extend(filter.descriptor.segment_count_length.to_le_bytes());
        let count =
            u32::try_from(filter.fingerprints.len()).map_err(|_| ListError::Build("a shard is too large"))?;
        table.extend(count.to_le_bytes());
        for fingerprint in &filter.fingerprints {
            list.write_all(&fingerprint.to_le_bytes()).map_err(at(&path))?;
        }
    }
    list.seek(SeekFrom::Start(0)).map_err(at(&path))?;
    let mut head = MAGIC.to_vec();
    head.extend(shards.to_le_bytes());
    head.extend(words.to_le_bytes());
    head.extend(table);
    list.write_all(&head).map_err(at(&path))?;
    let file = list.into_inner().map_err(|error| at(&path)(error.into_error()))?;
    file.sync_all().map_err(at(&path))?;
    if words > 0 {
        std::fs::rename(&path, out).map_err(at(out))?;
    }
    Ok(words)
}

fn keys_of(path: &Path) -> Result<Vec<u64>, ListError> {
    let bytes = std::fs::read(path).map_err(at(path))?;
    let mut keys: Vec<u64> = bytes
        .chunks_exact(8)
        .map(|key| u64::from_le_bytes(number(key, 0)))
        .collect();
    keys.sort_unstable();
    keys.dedup();
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use xorf::Filter;

    fn made(lines: &str) -> (tempfile::TempDir, Result<Built, ListError>) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("lines"), lines).unwrap();
        let built = build(&folder.path().join("lines"), &folder.path().join("list"));
        (folder, built)
    }

    fn list(folder: &tempfile::TempDir) -> WordList {
        WordList::open(&folder.path().join("list")).unwrap()
    }

    #[test]
    fn words_and_digests_are_found_and_little_else() {
        let digests = format!(
            "{}:37359195\r\n{}\n",
            data_encoding::HEXUPPER.encode(&digest("p4ssword")),
            data_encoding::HEXLOWER.encode(&digest("letmein"))
        );
        let long = "x".repeat(5000);
        let words: String = (0..50_000).map(|n| format!("word {n}\n")).collect();
        let (folder, built) = made(&format!("{digests}{words}word 7\n\n{long}\nsenha çerta"));
        assert_eq!(
            built.unwrap(),
            Built {
                words: 50_003,
                left_out: 1
            }
        );
        let list = list(&folder);
        assert_eq!(list.words(), 50_003);
        for n in 0..50_000 {
            assert!(list.contains(&format!("word {n}")).unwrap(), "{n}");
        }
        for word in ["p4ssword", "letmein", "senha çerta"] {
            assert!(list.contains(word).unwrap(), "{word}");
        }
        let wrong = (0..200_000)
            .filter(|n| list.contains(&format!("other {n}")).unwrap())
            .count();
        assert!(wrong < 20, "{wrong} of 200 000, expected 3");
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            2,
            "nothing is left beside it"
        );
    }

    #[test]
    fn our_reading_agrees_with_the_builders_own() {
        let keys: Vec<u64> = (0..10_000_u64).map(|n| mixed(n * 3)).collect();
        let filter = BinaryFuse16::try_from(&keys).unwrap();
        let shard = Shard {
            seed: filter.descriptor.seed,
            segment_length: filter.descriptor.segment_length,
            segment_count_length: filter.descriptor.segment_count_length,
            fingerprints: 0,
            at: 0,
        };
        for key in (0..40_000).map(mixed) {
            let hash = mixed(key.wrapping_add(shard.seed));
            let left = places(hash, &shard)
                .iter()
                .fold(low_bits(hash ^ (hash >> 32)), |left, place| {
                    left ^ filter.fingerprints[usize::try_from(*place).unwrap()]
                });
            assert_eq!(left == 0, filter.contains(&key));
        }
    }

    #[test]
    fn a_list_of_many_shards_is_one_list() {
        let folder = tempfile::tempdir().unwrap();
        let (lines, part) = (folder.path().join("lines"), folder.path().join("part"));
        let words: String = (0..20_000).map(|n| format!("word {n}\n")).collect();
        std::fs::write(&lines, words).unwrap();
        std::fs::create_dir(&part).unwrap();
        assert_eq!(sorted_out(&lines, &part, 8).unwrap(), 0);
        assert_eq!(
            put_together(&part, &folder.path().join("list"), 8).unwrap(),
            20_000
        );
        let list = list(&folder);
        assert_eq!(list.shards.len(), 8);
        assert!((0..20_000).all(|n| list.contains(&format!("word {n}")).unwrap()));
        let wrong = (0..100_000)
            .filter(|n| list.contains(&format!("no {n}")).unwrap())
            .count();
        assert!(wrong < 15, "{wrong}");
    }

    #[test]
    fn a_cut_changed_or_foreign_file_is_no_list() {
        let (folder, built) = made("one\ntwo\nthree\n");
        assert_eq!(built.unwrap().words, 3);
        let path = folder.path().join("list");
        let good = std::fs::read(&path).unwrap();
        let mut shards = good.clone();
        shards[16] = 2;
        let mut longer = good.clone();
        longer.push(0);
        let mut segments = good.clone();
        segments[HEAD_BYTES + 8] = 3;
        for bad in [
            &good[..good.len() - 1],
            b"words",
            &shards,
            &longer,
            &segments,
            &good[1..],
        ] {
            std::fs::write(&path, bad).unwrap();
            assert!(matches!(WordList::open(&path), Err(ListError::Malformed(_))));
        }
        assert!(matches!(
            WordList::open(&folder.path().join("none")),
            Err(ListError::File { .. })
        ));
    }

    #[test]
    fn a_file_without_words_makes_no_list() {
        let (folder, built) = made("\n\n");
        assert!(matches!(built, Err(ListError::Empty(_))));
        assert!(!folder.path().join("list").exists());
    }
}

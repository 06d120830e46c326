//! The header of a sealed file as bytes: reading it within bounds, and wrapping its key anew.

use std::io::{Read, Seek, SeekFrom, Write};

use age_core::format::{FileKey, Stanza};
use age_core::secrecy::ExposeSecret;
use data_encoding::BASE64_NOPAD;
use zeroize::Zeroizing;

use crate::SealError;
use crate::key::{Context, STANZA_TAG, SealingKey, hmac_sha256, unwrap};

/// Longest header that is looked at, in bytes. Ours have about 200 and age's own random stanza of
/// at most about 400.
pub const MAX_HEADER_BYTES: usize = 2048;

/// First line of every age file.
const MAGIC: &str = "age-encryption.org/v1\n";

/// What the last line of the header begins with, after a newline.
const MAC_PREFIX: &str = "---";

/// A header split where it will be changed.
struct Header {
    /// Our stanza.
    stanza: Stanza,
    /// The text between our stanza and the last line: age's random stanza.
    rest: String,
    /// The text of the last line after its prefix.
    mac: String,
    /// Length of the whole header in bytes.
    length: usize,
}

/// Reads the header from the current position and returns there.
///
/// The bound holds before the age library sees the file: its own parser has none.
pub(crate) fn check<R: Read + Seek>(input: &mut R) -> Result<(), SealError> {
    read(input).map(|_| ())
}

/// Wraps the key of a sealed file for another key, another place or both, in place: the content
/// stays as it is and the length does not change. `file` is read and written at its current
/// position, where it is left.
///
/// The caller makes this survive a crash: on a file that has no final name yet, or on a copy.
///
/// # Errors
/// Those of opening the file with `keys` in the place `from`, and [`SealError::Io`].
pub fn rewrap<F: Read + Write + Seek>(
    file: &mut F,
    keys: &[&SealingKey],
    from: &Context,
    key: &SealingKey,
    to: &Context,
) -> Result<(), SealError> {
    let header = read(file)?;
    let file_key = unwrap(&header.stanza, keys, from)?;
    if header.to_text_under(&file_key).0 != header.mac {
        return Err(SealError::WrongKeyOrPlace);
    }
    let renewed = Header {
        stanza: key.wrap(&file_key, to)?,
        ..header
    };
    let (_, text) = renewed.to_text_under(&file_key);
    if text.len() != renewed.length {
        return Err(SealError::NotSealed);
    }
    let start = file.stream_position()?;
    file.write_all(text.as_bytes())?;
    file.seek(SeekFrom::Start(start))?;
    Ok(())
}

fn read<R: Read + Seek>(input: &mut R) -> Result<Header, SealError> {
    let start = input.stream_position()?;
    let mut bytes = Vec::with_capacity(MAX_HEADER_BYTES);
    input
        .by_ref()
        .take(MAX_HEADER_BYTES as u64)
        .read_to_end(&mut bytes)?;
    input.seek(SeekFrom::Start(start))?;
    Header::parse(&bytes).ok_or(SealError::NotSealed)
}

impl Header {
    /// Our stanza must come first and must be the only one of its kind.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\n---")? + 1;
        let last_line = bytes.get(end..)?;
        let last_line = last_line.get(..last_line.iter().position(|byte| *byte == b'\n')?)?;
        let mac = std::str::from_utf8(last_line)
            .ok()?
            .strip_prefix(MAC_PREFIX)?
            .strip_prefix(' ')?;
        let stanzas = std::str::from_utf8(bytes.get(..end)?).ok()?.strip_prefix(MAGIC)?;
        let (arguments, after) = stanzas.split_once('\n')?;
        let (body, rest) = after.split_once('\n')?;
        let mut arguments = arguments.strip_prefix("-> ")?.split(' ');
        let tag = arguments.next().filter(|tag| *tag == STANZA_TAG)?;
        let twice = format!("-> {STANZA_TAG} ");
        if rest.lines().any(|line| line.starts_with(&twice)) {
            return None;
        }
        Some(Self {
            stanza: Stanza {
                tag: tag.to_owned(),
                args: arguments.map(str::to_owned).collect(),
                body: BASE64_NOPAD.decode(body.as_bytes()).ok()?,
            },
            rest: rest.to_owned(),
            mac: mac.to_owned(),
            length: end + last_line.len() + 1,
        })
    }

    /// The last line's HMAC, and the whole header with it (c2sp.org/age, "Header MAC").
    fn to_text_under(&self, file_key: &FileKey) -> (String, String) {
        let covered = format!(
            "{MAGIC}-> {} {}\n{}\n{}{MAC_PREFIX}",
            self.stanza.tag,
            self.stanza.args.join(" "),
            BASE64_NOPAD.encode(&self.stanza.body),
            self.rest,
        );
        let key = hkdf_sha256(file_key.expose_secret(), b"header");
        let mac = BASE64_NOPAD.encode(hmac_sha256(&*key, &[covered.as_bytes()]).as_slice());
        let text = format!("{covered} {mac}\n");
        (mac, text)
    }
}

/// HKDF-SHA-256 (RFC 5869) without salt, one block of output.
fn hkdf_sha256(secret: &[u8], info: &[u8]) -> Zeroizing<[u8; 32]> {
    let extracted = hmac_sha256(&[0; 32], &[secret]);
    hmac_sha256(&*extracted, &[info, &[1]])
}

//! Opening: a reader that can start anywhere in the content.

use std::cell::RefCell;
use std::io::{self, Read, Seek, SeekFrom};
use std::iter;

use age_core::format::{FileKey, Stanza};

use crate::SealError;
use crate::header;
use crate::key::{Context, STANZA_TAG, SealingKey, unwrap};

/// Opens a sealed file that starts at the current position of `input` and goes on to its end.
///
/// The key is chosen from `keys` by the version in the header. The length of the content is
/// authenticated here, so a file cut anywhere is refused before any of it is given out.
///
/// # Errors
/// Every variant of [`SealError`] except [`SealError::Id`] and [`SealError::Random`].
pub fn decrypt<R: Read + Seek>(
    keys: &[&SealingKey],
    context: &Context,
    mut input: R,
) -> Result<SealReader<R>, SealError> {
    header::check(&mut input)?;
    let decryptor = age::Decryptor::new(input).map_err(opening_error)?;
    let identity = Identity {
        keys,
        context,
        refused: RefCell::new(None),
    };
    let opened = decryptor.decrypt(iter::once(&identity as _));
    let mut inner = match (opened, identity.refused.into_inner()) {
        (Ok(inner), _) => inner,
        (Err(_), Some(refused)) => return Err(refused),
        (Err(error), None) => return Err(opening_error(error)),
    };
    // This makes age decrypt the last chunk, and so authenticates the length.
    let length = inner.seek(SeekFrom::End(0)).map_err(reading_error)?;
    Ok(SealReader {
        inner,
        length,
        position: 0,
        inner_position: length,
        damaged: false,
    })
}

/// The content of a sealed file. It holds at most one chunk; every chunk is authenticated before
/// any byte of it is given out.
///
/// An error of `Read` for which [`SealError::is_damage`] holds means that the content was changed;
/// from then on every read fails.
pub struct SealReader<R> {
    inner: age::stream::StreamReader<R>,
    length: u64,
    position: u64,
    inner_position: u64,
    damaged: bool,
}

impl<R> SealReader<R> {
    /// Bytes of content, authenticated.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether there is no content.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }
}

impl<R: Read + Seek> SealReader<R> {
    fn read_some(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.inner_position != self.position {
            self.inner.seek(SeekFrom::Start(self.position))?;
            self.inner_position = self.position;
        }
        let read = self.inner.read(buffer)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.position += read as u64;
        self.inner_position = self.position;
        Ok(read)
    }
}

impl<R: Read + Seek> Read for SealReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // The age reader must never be asked for anything at or past the end: it panics there.
        let left = self.length.saturating_sub(self.position);
        let wanted = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        if wanted == 0 {
            return Ok(0);
        }
        if self.damaged {
            return Err(damage());
        }
        let read = self.read_some(&mut buffer[..wanted]);
        read.map_err(|error| match reading_error(error) {
            SealError::Io(error) => error,
            _ => {
                self.damaged = true;
                damage()
            }
        })
    }
}

impl<R> Seek for SealReader<R> {
    /// Moves within the content; a place past the end is allowed and reads nothing there.
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
            SeekFrom::End(offset) => self.length.checked_add_signed(offset),
        };
        self.position = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

/// Sealing keys and one place, as the age library asks for them when reading.
struct Identity<'a> {
    keys: &'a [&'a SealingKey],
    context: &'a Context<'a>,
    /// Our own reason for a refusal, which age's errors cannot carry.
    refused: RefCell<Option<SealError>>,
}

impl age::Identity for Identity<'_> {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, age::DecryptError>> {
        (stanza.tag == STANZA_TAG).then(|| {
            unwrap(stanza, self.keys, self.context).map_err(|error| {
                self.refused.replace(Some(error));
                age::DecryptError::DecryptionFailed
            })
        })
    }
}

fn opening_error(error: age::DecryptError) -> SealError {
    match error {
        age::DecryptError::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => SealError::NotSealed,
        age::DecryptError::Io(error) => SealError::Io(error),
        age::DecryptError::InvalidMac => SealError::WrongKeyOrPlace,
        _ => SealError::NotSealed,
    }
}

/// Age reports changed content as these two kinds.
fn reading_error(error: io::Error) -> SealError {
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => SealError::Damaged,
        _ => SealError::Io(error),
    }
}

fn damage() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, SealError::Damaged)
}

//! Sealing: a writer around a writer.

use std::io::{self, BufWriter, Write};
use std::iter;

use crate::SealError;
use crate::header::MAX_HEADER_BYTES;
use crate::key::{Context, Recipient, SealingKey};

/// Starts a sealed file on `output` and returns the writer for its content.
///
/// The header reaches `output` together with the first chunk.
///
/// # Errors
/// [`SealError::Random`] or [`SealError::Io`].
pub fn encrypt<W: Write>(key: &SealingKey, context: &Context, output: W) -> Result<SealWriter<W>, SealError> {
    let recipient = Recipient { key, context };
    let encryptor =
        age::Encryptor::with_recipients(iter::once(&recipient as _)).map_err(|error| match error {
            age::EncryptError::Io(error) => match error.downcast::<SealError>() {
                Ok(error) => error,
                Err(error) => SealError::Io(error),
            },
            other => SealError::Io(io::Error::other(other)),
        })?;
    // Age hides what an output says while it takes the header (a full disk, for example), so the
    // header goes to memory first.
    let output = BufWriter::with_capacity(MAX_HEADER_BYTES, output);
    Ok(SealWriter {
        inner: encryptor.wrap_output(output)?,
    })
}

/// Takes the content of a sealed file. It holds at most one chunk of it.
///
/// Without [`SealWriter::finish`] the file is cut short and will not open.
pub struct SealWriter<W: Write> {
    inner: age::stream::StreamWriter<BufWriter<W>>,
}

impl<W: Write> SealWriter<W> {
    /// Writes the last chunk and gives the output back.
    ///
    /// # Errors
    /// Those of the output.
    pub fn finish(self) -> io::Result<W> {
        let output = self.inner.finish()?;
        output.into_inner().map_err(io::IntoInnerError::into_error)
    }
}

impl<W: Write> Write for SealWriter<W> {
    fn write(&mut self, content: &[u8]) -> io::Result<usize> {
        self.inner.write(content)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

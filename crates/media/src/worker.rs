//! The child: lowers its own limits, answers one job, ends.
//!
//! The binary that starts a [`MediaWorker`](crate::MediaWorker) offers a hidden subcommand that calls
//! [`run`] with its standard streams and ends with the returned code. It must do so before it starts any
//! thread. The streams must be pipes or `/dev/null`: the child may not write to files, standard error
//! included, and ends with `SIGXFSZ` when it tries.

use std::io::{BufReader, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::process::{Resource, Rlimit, getrlimit, nice, setrlimit};

use crate::limits::{CHILD_ADDRESS_SPACE, CHILD_CPU_SECONDS, CHILD_NICE, CHILD_OPEN_FILES, MAX_VIDEO_BYTES};
use crate::protocol::{Answer, Cleaned, Job, read_message, write_message};
use crate::{Inspected, MediaError, MediaType, animate, container, mp4, picture, sniff, still};

/// Exit code after an answer was written, be it a result or a typed error.
pub const ANSWERED: u8 = 0;
/// Exit code when no answer could be written.
pub const NOT_ANSWERED: u8 = 70;

/// Lowers the limits of this process, reads one job from `input`, writes its answer to `output`.
/// Refuses to work when a limit cannot be lowered. Returns the exit code.
pub fn run(input: impl Read, mut output: impl Write) -> u8 {
    let (answer, bytes) = match lower_limits().and_then(|()| serve(input)) {
        Ok((answer, bytes)) => (answer, bytes),
        Err(error) => (Answer::Error(error), Vec::new()),
    };
    match write_message(&mut output, &answer, &bytes) {
        Ok(()) => ANSWERED,
        Err(_) => NOT_ANSWERED,
    }
}

/// Memory, processor time, open files, core dumps, files written, and priority. A limit that is already
/// lower stays as it is.
fn lower_limits() -> Result<(), MediaError> {
    let limits = [
        (Resource::As, "address space", CHILD_ADDRESS_SPACE),
        (Resource::Cpu, "processor time", CHILD_CPU_SECONDS),
        (Resource::Nofile, "open files", CHILD_OPEN_FILES),
        (Resource::Core, "core dumps", 0),
        (Resource::Fsize, "file size", 0),
    ];
    let refused = |what: &str| MediaError::NotCapped {
        what: what.to_owned(),
    };
    for (resource, name, wanted) in limits {
        let value = getrlimit(resource)
            .maximum
            .map_or(wanted, |maximum| maximum.min(wanted));
        let limit = Rlimit {
            current: Some(value),
            maximum: Some(value),
        };
        setrlimit(resource, limit).map_err(|_| refused(name))?;
        if getrlimit(resource) != limit {
            return Err(refused(name));
        }
    }
    nice(CHILD_NICE).map_err(|_| refused("priority"))?;
    Ok(())
}

fn serve(input: impl Read) -> Result<(Answer, Vec<u8>), MediaError> {
    let (job, bytes) = read_message::<Job>(BufReader::new(input), MAX_VIDEO_BYTES.max(PIXEL_BYTES))?;
    // A panic in a decoder is a damaged file to us; the process ends after this job anyway.
    catch_unwind(AssertUnwindSafe(|| answer(job, bytes)))
        .unwrap_or_else(|_| Err(MediaError::damaged("the decoder gave up on it")))
}

/// Most bytes of our own pixels in one job: [`MAX_DECODE_BYTES`](crate::limits::MAX_DECODE_BYTES) halved,
/// because they are held beside the result.
const PIXEL_BYTES: u64 = crate::limits::MAX_DECODE_BYTES / 2;

fn answer(job: Job, mut bytes: Vec<u8>) -> Result<(Answer, Vec<u8>), MediaError> {
    match job {
        Job::Inspect => {
            let found = inspect(known(&bytes)?, &mut bytes)?;
            Ok((Answer::Inspected(found), Vec::new()))
        }
        Job::Clean(how) => {
            let media_type = known(&bytes)?;
            if media_type == MediaType::Mp4 {
                let found = mp4::sanitise(&mut bytes)?;
                return Ok((Answer::Cleaned(cleaned(&found)), bytes));
            }
            let (cleaned, result) = picture::clean(media_type, &bytes, how)?;
            Ok((Answer::Cleaned(cleaned), result))
        }
        Job::Thumbnail(how) => {
            let (encoded, result) = picture::thumbnail(known(&bytes)?, &bytes, how)?;
            Ok((Answer::Encoded(encoded), result))
        }
        Job::Still(job) => {
            let (encoded, result) = still::encode(&job, &bytes)?;
            Ok((Answer::Encoded(encoded), result))
        }
        Job::Animate(job) => {
            let (encoded, result) = animate::encode(&job, &bytes)?;
            Ok((Answer::Encoded(encoded), result))
        }
    }
}

fn known(bytes: &[u8]) -> Result<MediaType, MediaError> {
    let media_type = sniff::sniff(bytes).ok_or(MediaError::UnknownType)?;
    sniff::check_bytes(media_type, bytes.len())?;
    Ok(media_type)
}

fn inspect(media_type: MediaType, bytes: &mut [u8]) -> Result<Inspected, MediaError> {
    if media_type == MediaType::Mp4 {
        return mp4::sanitise(bytes);
    }
    let found = container::scan(media_type, bytes)?;
    Ok(Inspected {
        media_type,
        width: found.width,
        height: found.height,
        frames: found.frames,
        seconds: found.seconds,
        has_metadata: found.has_metadata,
    })
}

fn cleaned(found: &Inspected) -> Cleaned {
    Cleaned {
        media_type: found.media_type,
        width: found.width,
        height: found.height,
        frames: found.frames,
        seconds: found.seconds,
        dropped: found.has_metadata,
    }
}

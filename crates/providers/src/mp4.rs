//! The length of a clip, read from its `mvhd` box (ISO/IEC 14496-12 section 8.2.2), to hold against the
//! length that was priced before anything is sent. Nothing is decoded.

use std::time::Duration;

/// The most boxes looked at on one level.
const MAX_BOXES: usize = 1024;

/// The length of a clip; `None` if this is no MP4 with a movie header.
pub(crate) fn length(file: &[u8]) -> Option<Duration> {
    let movie = find(file, *b"moov")?;
    let header = find(movie, *b"mvhd")?;
    let (scale_at, wide) = match header.first()? {
        0 => (12, false),
        1 => (20, true),
        _ => return None,
    };
    let scale = u64::from(u32::from_be_bytes(
        header.get(scale_at..scale_at + 4)?.try_into().ok()?,
    ));
    let at = scale_at + 4;
    let units = if wide {
        u64::from_be_bytes(header.get(at..at + 8)?.try_into().ok()?)
    } else {
        u64::from(u32::from_be_bytes(header.get(at..at + 4)?.try_into().ok()?))
    };
    let millis = units.checked_mul(1000)?.checked_div(scale)?;
    Some(Duration::from_millis(millis))
}

fn find(mut level: &[u8], name: [u8; 4]) -> Option<&[u8]> {
    for _ in 0..MAX_BOXES {
        let size = u64::from(u32::from_be_bytes(level.get(..4)?.try_into().ok()?));
        let (head, size) = match size {
            1 => (16, u64::from_be_bytes(level.get(8..16)?.try_into().ok()?)),
            0 => (8, u64::try_from(level.len()).ok()?),
            _ => (8, size),
        };
        let end = usize::try_from(size)
            .ok()
            .filter(|end| *end >= head && *end <= level.len())?;
        if level.get(4..8)? == name {
            return level.get(head..end);
        }
        level = level.get(end..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_real_clip_and_survives_any_cut_of_it() {
        let clip = testkit::media::mp4("a");
        let whole = length(&clip).unwrap();
        assert!((900..=1100).contains(&whole.as_millis()), "{whole:?}");
        for end in 0..clip.len() {
            let _ = length(&clip[..end]);
        }
        assert_eq!(length(b"GIF89a"), None);
    }
}

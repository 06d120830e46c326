//! MP4: boxes walked with limits, everything that is not picture or sound blanked in place.
//!
//! Nothing is moved: a box that must go becomes a `free` box of the same size filled with zeros, so the
//! chunk offsets stay right. Bytes of `mdat` that belong to no sample are zeroed too, which is where a
//! second file would hide. Coded data inside samples is left as it is.

use re_mp4::{Mp4, TrackKind};

use crate::limits::{MAX_BOX_DEPTH, MAX_BOXES, MAX_SAMPLES, MAX_SECONDS};
use crate::{Inspected, MediaError, MediaType, container};

/// Boxes whose children are walked.
const CONTAINERS: [&[u8; 4]; 9] = [
    b"moov", b"trak", b"edts", b"mdia", b"minf", b"dinf", b"stbl", b"mvex", b"tref",
];

/// Boxes that stay, by the box they stand in. Others are blanked. Below `minf` all stay: they describe
/// how samples are found and decoded.
const KEPT: [(&[u8; 4], &[&[u8; 4]]); 4] = [
    (b"    ", &[b"ftyp", b"moov", b"mdat"]),
    (b"moov", &[b"mvhd", b"trak", b"iods"]),
    (b"trak", &[b"tkhd", b"edts", b"mdia", b"tref"]),
    (b"mdia", &[b"mdhd", b"hdlr", b"minf"]),
];

/// One box: its kind and where it lies.
#[derive(Debug, Clone, Copy)]
struct Found {
    kind: [u8; 4],
    parent: [u8; 4],
    start: usize,
    /// First byte after the header.
    body: usize,
    end: usize,
}

/// Blanks what is not picture or sound and reports what is left.
///
/// # Errors
/// `Damaged` when sizes, tables or offsets lie, `TooComplex`, `TooLong`, `TooWide`, `TooManyPixels`,
/// `Fragmented`, `UnsupportedTrack`.
pub(crate) fn sanitise(bytes: &mut [u8]) -> Result<Inspected, MediaError> {
    let boxes = walk(bytes)?;
    check_structure(bytes, &boxes)?;
    let mut dropped = false;
    for found in &boxes {
        dropped |= blank(bytes, found);
    }
    let movie = Mp4::read_bytes(bytes).map_err(|error| MediaError::damaged(format!("MP4 index: {error}")))?;
    let mut ranges = Vec::new();
    let (mut frames, mut seconds, mut size) = (0, 0.0f64, None);
    for track in movie.tracks().values() {
        let timescale = track.timescale.max(1);
        let told = track.samples.iter().map(|sample| sample.duration).sum::<u64>();
        #[expect(clippy::cast_precision_loss, reason = "compared with 60 s, not added up")]
        let length = track.duration.max(told) as f64 / timescale as f64;
        seconds = seconds.max(length);
        if track.kind == Some(TrackKind::Video) && size.is_none() {
            size = Some((u32::from(track.width), u32::from(track.height)));
            frames = u32::try_from(track.samples.len()).unwrap_or(u32::MAX);
        }
        ranges.extend(
            track
                .samples
                .iter()
                .map(|sample| (sample.offset, sample.offset.saturating_add(sample.size))),
        );
    }
    let (width, height) = size.ok_or_else(|| MediaError::damaged("the MP4 has no video track"))?;
    container::check_size(width, height)?;
    if seconds > MAX_SECONDS {
        return Err(MediaError::TooLong {
            seconds,
            limit: MAX_SECONDS,
        });
    }
    if frames == 0 {
        return Err(MediaError::damaged("the MP4 has no frame"));
    }
    dropped |= blank_between(bytes, &boxes, ranges)?;
    Ok(Inspected {
        media_type: MediaType::Mp4,
        width,
        height,
        frames,
        seconds,
        has_metadata: dropped,
    })
}

/// Lists every box, outer before inner. Iterative, so that nesting cannot exhaust the stack.
fn walk(bytes: &[u8]) -> Result<Vec<Found>, MediaError> {
    let mut boxes = Vec::new();
    // What is left to walk: parent's kind, next box, end, depth.
    let mut open = vec![(*b"    ", 0usize, bytes.len(), 1usize)];
    while let Some((parent, start, end, depth)) = open.pop() {
        if start == end {
            continue;
        }
        let found = read_box(bytes, parent, start, end)?;
        if boxes.len() == MAX_BOXES {
            return Err(too_complex("boxes", MAX_BOXES));
        }
        open.push((parent, found.end, end, depth));
        if CONTAINERS.iter().any(|kind| found.kind == **kind) {
            if depth == MAX_BOX_DEPTH {
                return Err(too_complex("levels of boxes", MAX_BOX_DEPTH));
            }
            open.push((found.kind, found.body, found.end, depth + 1));
        }
        boxes.push(found);
    }
    Ok(boxes)
}

fn read_box(bytes: &[u8], parent: [u8; 4], start: usize, end: usize) -> Result<Found, MediaError> {
    let lies = || MediaError::damaged("an MP4 box is larger or smaller than the room it has");
    let header = bytes.get(start..start + 8).ok_or_else(lies)?;
    let mut kind = [0; 4];
    kind.copy_from_slice(&header[4..]);
    let (size, header_len) = match be(&header[..4]) {
        0 if parent == *b"    " => ((end - start) as u64, 8),
        1 => (be(bytes.get(start + 8..start + 16).ok_or_else(lies)?), 16),
        size => (size, 8),
    };
    let box_end = usize::try_from(size)
        .ok()
        .filter(|&size| size >= header_len)
        .and_then(|size| start.checked_add(size))
        .filter(|&box_end| box_end <= end)
        .ok_or_else(lies)?;
    Ok(Found {
        kind,
        parent,
        start,
        body: start + header_len,
        end: box_end,
    })
}

/// Checks what must hold before the index is parsed, so that a lying table costs no memory.
fn check_structure(bytes: &[u8], boxes: &[Found]) -> Result<(), MediaError> {
    let count = |kind: &[u8; 4]| boxes.iter().filter(|found| found.kind == *kind).count();
    if boxes
        .iter()
        .any(|found| matches!(&found.kind, b"moof" | b"mvex" | b"sidx" | b"mfra"))
    {
        return Err(MediaError::Fragmented);
    }
    if boxes.first().is_none_or(|found| found.kind != *b"ftyp")
        || count(b"ftyp") != 1
        || count(b"moov") != 1
        || count(b"mdat") == 0
    {
        return Err(MediaError::damaged("an MP4 needs one ftyp, one moov and an mdat"));
    }
    for found in boxes {
        let body = &bytes[found.body..found.end];
        let field = |at: usize| body.get(at..at + 4).map(be);
        // Where the number of entries stands and how long one is (ISO/IEC 14496-12, 8.6 and 8.7).
        let (count_at, entry) = match &found.kind {
            b"stsz" => (8, if field(4) == Some(0) { 4 } else { 0 }),
            b"stts" | b"ctts" => (4, 8),
            b"stsc" => (4, 12),
            b"stss" | b"stco" => (4, 4),
            b"co64" => (4, 8),
            b"hdlr" => {
                if !matches!(body.get(8..12), Some(b"vide" | b"soun")) && found.parent == *b"mdia" {
                    return Err(MediaError::UnsupportedTrack);
                }
                continue;
            }
            _ => continue,
        };
        let entries = field(count_at).ok_or_else(|| MediaError::damaged("a sample table is cut short"))?;
        if entries > u64::from(MAX_SAMPLES) {
            return Err(too_complex("samples in a track", MAX_SAMPLES as usize));
        }
        let room = (body.len() as u64).saturating_sub(count_at as u64 + 4);
        if entries * entry > room {
            return Err(MediaError::damaged("a sample table is shorter than it says"));
        }
    }
    Ok(())
}

/// Blanks a box that does not stay, and the free text and dates in those that do. Says whether anything
/// was there.
fn blank(bytes: &mut [u8], found: &Found) -> bool {
    let known = KEPT.iter().find(|(parent, _)| found.parent == **parent);
    let stays = known.is_none_or(|(_, kinds)| kinds.iter().any(|kind| found.kind == **kind));
    if !stays {
        bytes[found.start + 4..found.start + 8].copy_from_slice(b"free");
        let filled = !matches!(&found.kind, b"free" | b"skip" | b"wide");
        return zero(&mut bytes[found.body..found.end]) || filled;
    }
    let body = &mut bytes[found.body..found.end];
    match &found.kind {
        // Creation and modification time: 32 bits each in version 0, 64 in version 1.
        b"mvhd" | b"tkhd" | b"mdhd" => {
            let end = if body.first() == Some(&1) { 20 } else { 12 };
            body.get_mut(4..end).is_some_and(zero)
        }
        // The name of the handler is free text; software writes its own name there.
        b"hdlr" => {
            if let Some(name) = body.get_mut(24..) {
                zero(name);
            }
            false
        }
        _ => false,
    }
}

/// Zeroes the bytes of every `mdat` that no sample covers. Says whether any of them was not zero.
fn blank_between(bytes: &mut [u8], boxes: &[Found], mut ranges: Vec<(u64, u64)>) -> Result<bool, MediaError> {
    ranges.sort_unstable();
    let mut dropped = false;
    let mut next = 0;
    let mut data: Vec<_> = boxes.iter().filter(|found| found.kind == *b"mdat").collect();
    data.sort_by_key(|found| found.start);
    for found in data {
        let mut at = found.body as u64;
        let end = found.end as u64;
        while let Some(&(from, to)) = ranges.get(next).filter(|(from, _)| *from < end) {
            if from < found.body as u64 || to > end {
                return Err(MediaError::damaged("a sample lies outside the media data"));
            }
            if from > at {
                dropped |= zero(span(bytes, at, from));
            }
            at = at.max(to);
            next += 1;
        }
        dropped |= zero(span(bytes, at, end));
    }
    if next < ranges.len() {
        return Err(MediaError::damaged("a sample lies outside the media data"));
    }
    Ok(dropped)
}

fn span(bytes: &mut [u8], from: u64, to: u64) -> &mut [u8] {
    let from = usize::try_from(from).unwrap_or(usize::MAX);
    let to = usize::try_from(to).unwrap_or(usize::MAX);
    bytes.get_mut(from..to).unwrap_or_default()
}

fn zero(bytes: &mut [u8]) -> bool {
    let filled = bytes.iter().any(|&byte| byte != 0);
    bytes.fill(0);
    filled
}

fn be(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte))
}

fn too_complex(what: &str, limit: usize) -> MediaError {
    MediaError::TooComplex {
        what: what.to_owned(),
        limit: limit as u64,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nested() -> impl Strategy<Value = Vec<u8>> {
        let kind = proptest::sample::select(vec![
            b"ftyp", b"moov", b"trak", b"mdia", b"mdat", b"hdlr", b"stbl", b"stsz", b"udta", b"moof", b"mvhd",
        ]);
        let leaf = (
            kind.clone(),
            proptest::collection::vec(any::<u8>(), 0..40),
            -9i64..9,
        );
        let one = |(kind, body, lie): (&'static [u8; 4], Vec<u8>, i64)| {
            // Three boxes in four tell the truth about their size.
            let lie = if lie % 4 == 0 { lie } else { 0 };
            let size = u32::try_from(i64::try_from(body.len() + 8).unwrap() + lie).unwrap_or(0);
            [&size.to_be_bytes(), kind.as_slice(), &body].concat()
        };
        leaf.prop_map(one).prop_recursive(5, 40, 6, move |inner| {
            (kind.clone(), proptest::collection::vec(inner, 0..6), -9i64..9)
                .prop_map(move |(kind, children, lie)| one((kind, children.concat(), lie)))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn boxes_lie_inside_the_file_and_inside_each_other(
            pieces in proptest::collection::vec(nested(), 0..5),
        ) {
            let bytes = pieces.concat();
            if let Ok(boxes) = walk(&bytes) {
                for found in &boxes {
                    prop_assert!(found.start + 8 <= found.body && found.body <= found.end);
                    prop_assert!(found.end <= bytes.len());
                }
                // What stands at the top covers the file without gaps.
                let mut at = 0;
                for found in boxes.iter().filter(|found| found.parent == *b"    ") {
                    prop_assert_eq!(found.start, at);
                    at = found.end;
                }
                prop_assert_eq!(at, bytes.len());
                drop(check_structure(&bytes, &boxes));
                let mut blanked = bytes.clone();
                for found in &boxes {
                    blank(&mut blanked, found);
                }
                prop_assert_eq!(walk(&blanked).map(|boxes| boxes.len()).is_ok(), true);
            }
        }
    }
}

//! A text on its way from typed to sent that remembers where each piece came from.

use unicode_normalization::char::canonical_combining_class;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use super::characters::zero_width;
use super::{Finding, Kind, Taken};

/// A piece of the current text and the typed bytes it stands for.
#[derive(Debug, Clone, Copy)]
struct Piece {
    start: usize,
    end: usize,
    from: usize,
    to: usize,
    /// The bytes are those that were typed, so positions inside the piece can be mapped one to one.
    verbatim: bool,
}

pub(super) struct Mapped {
    text: String,
    pieces: Vec<Piece>,
}

impl Mapped {
    /// Removes zero-width characters, turns CR LF into LF and composes to NFC; reports each change.
    ///
    /// The text is normalised run by run, where a run begins at a character that never composes with
    /// what stands before it (combining class 0 and `NFC_Quick_Check=Yes`, UAX 15 section 9). That
    /// equals normalising the whole and keeps positions.
    pub(super) fn normalise(typed: &str, findings: &mut Vec<Finding>) -> Self {
        let mut mapped = Self {
            text: String::with_capacity(typed.len()),
            pieces: Vec::new(),
        };
        let mut run = String::new();
        let (mut run_from, mut run_to) = (0, 0);
        for (from, c) in typed.char_indices() {
            let to = from + c.len_utf8();
            if zero_width(c) {
                note_change(findings, Kind::ZeroWidth, Taken::Removed, from, to, "invisible");
                continue;
            }
            if c == '\r' && typed[to..].starts_with('\n') {
                let note = "CR LF line end written as LF";
                note_change(findings, Kind::Normalised, Taken::Normalised, from, to, note);
                continue;
            }
            if begins_run(c) && !run.is_empty() {
                mapped.push_run(typed, &run, run_from, run_to, findings);
                run.clear();
            }
            if run.is_empty() {
                run_from = from;
            }
            run.push(c);
            run_to = to;
        }
        if !run.is_empty() {
            mapped.push_run(typed, &run, run_from, run_to, findings);
        }
        mapped
    }

    fn push_run(&mut self, typed: &str, run: &str, from: usize, to: usize, findings: &mut Vec<Finding>) {
        let start = self.text.len();
        self.text.extend(run.nfc());
        if self.text[start..] != *run {
            let note = "written in Unicode normalisation form C";
            note_change(findings, Kind::Normalised, Taken::Normalised, from, to, note);
        }
        let verbatim = self.text[start..] == typed[from..to];
        self.push_piece(Piece {
            start,
            end: self.text.len(),
            from,
            to,
            verbatim,
        });
    }

    fn push_piece(&mut self, piece: Piece) {
        match self.pieces.last_mut() {
            Some(last) if last.verbatim && piece.verbatim && last.to == piece.from => {
                last.end = piece.end;
                last.to = piece.to;
            }
            _ => self.pieces.push(piece),
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// The typed bytes that `start..end` of the current text stands for.
    pub(super) fn original(&self, start: usize, end: usize) -> (usize, usize) {
        let first = self.pieces.partition_point(|piece| piece.end <= start);
        let last = self.pieces.partition_point(|piece| piece.start < end);
        let from = self.pieces.get(first).map_or(0, |piece| {
            if piece.verbatim {
                piece.from + start.saturating_sub(piece.start)
            } else {
                piece.from
            }
        });
        let to = last
            .checked_sub(1)
            .and_then(|index| self.pieces.get(index))
            .map_or(from, |piece| {
                if piece.verbatim {
                    piece.from + (end - piece.start).min(piece.to - piece.from)
                } else {
                    piece.to
                }
            });
        (from, to.max(from))
    }

    /// Replaces ranges (by start, longer first) with their markers; overlapping ones become one.
    pub(super) fn replace(&mut self, ranges: &[(usize, usize, &'static str)]) {
        let mut joined: Vec<(usize, usize, &'static str)> = Vec::new();
        for &(start, end, marker) in ranges {
            match joined.last_mut() {
                Some(last) if start < last.1 => last.1 = last.1.max(end),
                _ => joined.push((start, end, marker)),
            }
        }
        let mut next = Self {
            text: String::with_capacity(self.text.len()),
            pieces: Vec::new(),
        };
        let mut kept = 0;
        for (start, end, marker) in joined {
            self.copy_into(&mut next, kept, start);
            let (from, to) = self.original(start, end);
            let at = next.text.len();
            next.text.push_str(marker);
            next.push_piece(Piece {
                start: at,
                end: next.text.len(),
                from,
                to,
                verbatim: false,
            });
            kept = end;
        }
        self.copy_into(&mut next, kept, self.text.len());
        *self = next;
    }

    fn copy_into(&self, next: &mut Self, start: usize, end: usize) {
        let first = self.pieces.partition_point(|piece| piece.end <= start);
        for piece in &self.pieces[first..] {
            if piece.start >= end {
                break;
            }
            let (left, right) = (piece.start.max(start), piece.end.min(end));
            let (from, to) = self.original(left, right);
            let at = next.text.len();
            next.text.push_str(&self.text[left..right]);
            next.push_piece(Piece {
                start: at,
                end: next.text.len(),
                from,
                to,
                verbatim: piece.verbatim,
            });
        }
    }
}

fn begins_run(c: char) -> bool {
    c.is_ascii()
        || (canonical_combining_class(c) == 0 && is_nfc_quick(std::iter::once(c)) == IsNormalized::Yes)
}

/// Adds a finding, or lengthens the last one of its kind when the new one follows directly.
fn note_change(findings: &mut Vec<Finding>, kind: Kind, action: Taken, start: usize, end: usize, note: &str) {
    let last = findings.iter_mut().rev().find(|last| last.kind == kind);
    match last {
        Some(last) if last.end == start && last.note == note => last.end = end,
        _ => findings.push(Finding::new(kind, action, start, end, note)),
    }
}

//! Which characters are refused, which are invisible, what counts as a word, and the folded view that
//! the detectors read.

use unicode_normalization::UnicodeNormalization;

use super::{Finding, Kind, Taken};

/// The kind under which a character is refused, if it is.
pub(super) fn forbidden(c: char) -> Option<Kind> {
    match c {
        '\t' | '\n' => None,
        // Line and paragraph separators and interlinear annotations act as controls: they break lines
        // and hide text in logs and displays.
        '\u{0}'..='\u{1F}' | '\u{7F}'..='\u{9F}' | '\u{2028}' | '\u{2029}' | '\u{FFF9}'..='\u{FFFB}' => {
            Some(Kind::Control)
        }
        // 206A–206F are the deprecated format characters that switch mirroring and shaping.
        '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{206F}' => {
            Some(Kind::Bidi)
        }
        '\u{E0100}'..='\u{E01EF}' => Some(Kind::VariationSelector),
        '\u{E0000}'..='\u{E0FFF}' => Some(Kind::Tag),
        '\u{FDD0}'..='\u{FDEF}' => Some(Kind::Noncharacter),
        _ if (c as u32) & 0xFFFE == 0xFFFE => Some(Kind::Noncharacter),
        _ => None,
    }
}

/// Characters that take no room and can split a word or a number unseen. They are removed with a notice.
pub(super) fn zero_width(c: char) -> bool {
    matches!(
        c,
        '\u{AD}'
            | '\u{34F}'
            | '\u{115F}'
            | '\u{1160}'
            | '\u{17B4}'
            | '\u{17B5}'
            | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200D}'
            | '\u{2060}'..='\u{2065}'
            | '\u{3164}'
            | '\u{FEFF}'
            | '\u{FFA0}'
            | '\u{1BCA0}'..='\u{1BCA3}'
            | '\u{1D173}'..='\u{1D17A}'
    )
}

/// Every run of refused characters in the typed text. The CR of a CR LF pair is a line end, not a control.
pub(super) fn refused(text: &str) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for (position, (start, c)) in text.char_indices().enumerate() {
        if c == '\r' && text[start + 1..].starts_with('\n') {
            continue;
        }
        let Some(kind) = forbidden(c) else { continue };
        let end = start + c.len_utf8();
        match findings.last_mut() {
            Some(last) if last.kind == kind && last.end == start => last.end = end,
            _ => findings.push(Finding::new(
                kind,
                Taken::Refused,
                start,
                end,
                format!("U+{:04X} at character {}", c as u32, position + 1),
            )),
        }
    }
    findings
}

/// Whether there is at least one letter or number that is not part of an emoji.
///
/// A keycap (`1` U+FE0F U+20E3), a letter shown as a picture (followed by U+FE0F) and the enclosed
/// letters and flags of U+1F100–1F1FF are emoji, not words.
pub(super) fn has_words(text: &str) -> bool {
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let pictured = matches!(chars.peek(), Some('\u{FE0F}' | '\u{20E3}'));
        if c.is_alphanumeric() && !pictured && !matches!(c, '\u{1F100}'..='\u{1F1FF}') {
            return true;
        }
    }
    false
}

/// A character as the detectors see it, and the bytes it came from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Folded {
    pub(super) c: char,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Compatibility view for matching only: full-width and mathematical digits and letters become ASCII,
/// every dash `-`, every horizontal space a space. The text itself keeps what was typed.
pub(super) fn fold(text: &str) -> Vec<Folded> {
    text.char_indices()
        .map(|(start, c)| Folded {
            c: fold_char(c),
            start,
            end: start + c.len_utf8(),
        })
        .collect()
}

fn fold_char(c: char) -> char {
    if c.is_ascii() {
        return c;
    }
    let mut compatible = std::iter::once(c).nfkc();
    let c = match (compatible.next(), compatible.next()) {
        (Some(single), None) => single,
        _ => c,
    };
    match c {
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '\u{FE58}' | '\u{FE63}' => '-',
        _ if c.is_whitespace() && c != '\n' => ' ',
        _ => c,
    }
}

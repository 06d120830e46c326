//! Cutting a prompt into words and breaks.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// A word or a break of a prompt, with its place in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    /// The word without accents and in small letters; nothing for a break between clauses.
    pub(super) word: Option<String>,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Small letters without accents; compatibility forms (full width, ligatures) become plain ones.
pub(super) fn fold(text: &str) -> String {
    text.nfkd()
        .filter(|c| !is_combining_mark(*c))
        .flat_map(char::to_lowercase)
        .collect()
}

/// Words are runs of letters and digits; every pictograph is a word of its own; punctuation other than hyphens and
/// apostrophes is a break.
pub(super) fn pieces(prompt: &str) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut word_start = None;
    for (at, c) in prompt.char_indices().chain([(prompt.len(), ' ')]) {
        let inside = c.is_alphanumeric() || is_combining_mark(c) && word_start.is_some();
        if inside {
            word_start.get_or_insert(at);
            continue;
        }
        if let Some(start) = word_start.take() {
            let word = fold(&prompt[start..at]);
            pieces.push(Piece {
                word: Some(word),
                start,
                end: at,
            });
        }
        let end = (at + c.len_utf8()).min(prompt.len());
        match c {
            _ if is_break(c) => pieces.push(Piece {
                word: None,
                start: at,
                end,
            }),
            _ if is_pictograph(c) => pieces.push(Piece {
                word: Some(c.to_string()),
                start: at,
                end,
            }),
            _ => {}
        }
    }
    pieces.retain(|piece| piece.word.as_deref() != Some(""));
    pieces
}

fn is_break(c: char) -> bool {
    let ascii = c.is_ascii_punctuation() && !matches!(c, '-' | '\'' | '`' | '_' | '*' | '#');
    ascii
        || matches!(
            c,
            '\n' | '\r' | '–' | '—' | '…' | '“' | '”' | '«' | '»' | '。' | '、' | '¿' | '¡'
        )
}

/// Symbols that carry a meaning of their own; joiners, variation marks and skin tones do not.
fn is_pictograph(c: char) -> bool {
    let modifier = matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{200b}'..='\u{200f}' | '\u{1f3fb}'..='\u{1f3ff}');
    !c.is_ascii()
        && !c.is_whitespace()
        && !c.is_control()
        && !modifier
        && matches!(c as u32, 0x2100..=0x2bff | 0x1f000..=0x1faff)
}

#[cfg(test)]
mod tests {
    use super::{fold, pieces};

    fn words(prompt: &str) -> Vec<String> {
        pieces(prompt)
            .into_iter()
            .map(|piece| piece.word.unwrap_or_else(|| "|".to_owned()))
            .collect()
    }

    #[test]
    fn accents_capitals_and_hyphens_do_not_matter() {
        assert_eq!(
            words("Pôr-do-Sol, à ESQUERDA"),
            ["por", "do", "sol", "|", "a", "esquerda"]
        );
        assert_eq!(fold("Po\u{302}r AÇÃO ＳＥＡ"), "por acao sea");
        assert_eq!(words("d'água it’s"), ["d", "agua", "it", "s"]);
    }

    #[test]
    fn pictographs_are_words_and_their_modifiers_are_not() {
        assert_eq!(words("sol☀\u{fe0f}⛵"), ["sol", "☀", "⛵"]);
        assert_eq!(words("\u{202e}\u{200d}\u{7}"), Vec::<String>::new());
    }
}

//! Personal data that can be recognised by its form and its check digits.
//!
//! Names and addresses in prose are not found here; that needs a model. Where a form alone would match
//! years, sizes or prices, the detector asks for more (check digits, an area code that exists, the
//! punctuation people write) and prefers to miss a bare local number to marking `1920-1080`.

use super::characters::Folded;
use super::{Kind, Match, is_card_number, is_cnpj, is_cpf};

/// Area codes in use (Anatel, Plano Geral de Códigos Nacionais).
const AREA_CODES: [u32; 67] = [
    11, 12, 13, 14, 15, 16, 17, 18, 19, 21, 22, 24, 27, 28, 31, 32, 33, 34, 35, 37, 38, 41, 42, 43, 44, 45,
    46, 47, 48, 49, 51, 53, 54, 55, 61, 62, 63, 64, 65, 66, 67, 68, 69, 71, 73, 74, 75, 77, 79, 81, 82, 83,
    84, 85, 86, 87, 88, 89, 91, 92, 93, 94, 95, 96, 97, 98, 99,
];

/// Endings after `@` that are file names (`photo@2x.png`), not mail domains.
const FILE_ENDINGS: [&str; 9] = ["png", "jpg", "jpeg", "webp", "gif", "svg", "mp4", "webm", "pdf"];

/// Digits an international number has, country code included, for it to be taken as one (E.164 allows 15).
const INTERNATIONAL_DIGITS: std::ops::RangeInclusive<usize> = 10..=15;

type Detector = fn(&[Folded], usize) -> Option<(usize, usize)>;

/// Finds personal data. Detectors run from the most to the least specific; none looks into a match of an
/// earlier one.
pub(super) fn find(text: &[Folded]) -> Vec<Match> {
    let detectors: [(Kind, Detector, &'static str); 8] = [
        (
            Kind::PixKey,
            pix_key,
            "version 4 UUID, the form of a random PIX key",
        ),
        (Kind::Email, email, "e-mail address"),
        (Kind::Cnpj, cnpj, "CNPJ with valid check digits"),
        (Kind::Card, card, "card number with a valid check digit"),
        (Kind::Cpf, cpf, "CPF with valid check digits"),
        (Kind::Phone, brazilian_phone, "Brazilian telephone number"),
        (Kind::Phone, international_phone, "international telephone number"),
        (Kind::Cep, cep, "CEP"),
    ];
    let mut taken = vec![false; text.len()];
    let mut matches = Vec::new();
    for (kind, detector, note) in detectors {
        let mut at = 0;
        while at < text.len() {
            match detector(text, at) {
                Some((start, end)) if !taken[start..end].contains(&true) => {
                    taken[start..end].fill(true);
                    matches.push(Match {
                        kind,
                        start: text[start].start,
                        end: text[end - 1].end,
                        note,
                    });
                    at = end.max(at + 1);
                }
                _ => at += 1,
            }
        }
    }
    matches
}

fn at(text: &[Folded], index: usize) -> char {
    text.get(index).map_or('\0', |folded| folded.c)
}

fn before(text: &[Folded], index: usize) -> char {
    index.checked_sub(1).map_or('\0', |index| at(text, index))
}

fn digits_touch(text: &[Folded], start: usize, end: usize) -> bool {
    before(text, start).is_ascii_digit() || at(text, end).is_ascii_digit()
}

fn letters_or_digits_touch(text: &[Folded], start: usize, end: usize) -> bool {
    before(text, start).is_alphanumeric() || at(text, end).is_alphanumeric()
}

/// Reads `sizes` groups of characters that satisfy `class`, with at most one separator between groups.
/// Returns the index after the last one, the characters without separators, and how many separators.
fn groups(
    text: &[Folded],
    start: usize,
    sizes: &[usize],
    class: impl Fn(char) -> bool,
    separators: &str,
) -> Option<(usize, String, usize)> {
    let mut index = start;
    let mut characters = String::new();
    let mut separated = 0;
    for (group, &size) in sizes.iter().enumerate() {
        if group > 0 && separators.contains(at(text, index)) {
            index += 1;
            separated += 1;
        }
        for _ in 0..size {
            let c = at(text, index);
            if !class(c) {
                return None;
            }
            characters.push(c);
            index += 1;
        }
    }
    Some((index, characters, separated))
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit()
}

fn cpf(text: &[Folded], start: usize) -> Option<(usize, usize)> {
    let (end, digits, _) = groups(text, start, &[3, 3, 3, 2], is_digit, ".-/ ")?;
    (is_cpf(&digits) && !digits_touch(text, start, end)).then_some((start, end))
}

fn cnpj(text: &[Folded], start: usize) -> Option<(usize, usize)> {
    const SIZES: [usize; 5] = [2, 3, 3, 4, 2];
    if let Some((end, digits, _)) = groups(text, start, &SIZES, is_digit, ".-/ ") {
        return (is_cnpj(&digits) && !digits_touch(text, start, end)).then_some((start, end));
    }
    let letters = |c: char| c.is_ascii_alphanumeric();
    let (end, characters, separated) = groups(text, start, &SIZES, letters, ".-/")?;
    // Prose has no fourteen-letter words that end in two digits; mixed case without the official
    // punctuation is an identifier of some other kind.
    let one_case = !characters.bytes().any(|byte| byte.is_ascii_lowercase())
        || !characters.bytes().any(|byte| byte.is_ascii_uppercase());
    let written_as_one = separated == SIZES.len() - 1 || (separated == 0 && one_case);
    (written_as_one
        && is_cnpj(&characters.to_ascii_uppercase())
        && !letters_or_digits_touch(text, start, end))
    .then_some((start, end))
}

fn card(text: &[Folded], start: usize) -> Option<(usize, usize)> {
    const LAYOUTS: [&[usize]; 5] = [&[4, 4, 4, 4, 3], &[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[13]];
    LAYOUTS.iter().find_map(|sizes| {
        let (end, digits, separated) = groups(text, start, sizes, is_digit, " -")?;
        let whole = separated == 0 || separated == sizes.len() - 1;
        (whole && is_card_number(&digits) && !digits_touch(text, start, end)).then_some((start, end))
    })
}

fn cep(text: &[Folded], start: usize) -> Option<(usize, usize)> {
    let end = groups(text, start, &[2, 3], is_digit, ".")
        .map(|(end, _, _)| end)
        .filter(|&end| at(text, end) == '-')
        .and_then(|end| groups(text, end + 1, &[3], is_digit, ""))
        .map(|(end, _, _)| end)?;
    (!letters_or_digits_touch(text, start, end)).then_some((start, end))
}

fn pix_key(text: &[Folded], start: usize) -> Option<(usize, usize)> {
    let hex = |c: char| c.is_ascii_hexdigit();
    let (end, characters, separated) = groups(text, start, &[8, 4, 4, 4, 12], hex, "-")?;
    let bytes = characters.as_bytes();
    let version_4 = bytes.get(12) == Some(&b'4')
        && matches!(bytes.get(16), Some(b'8' | b'9' | b'a' | b'b' | b'A' | b'B'));
    (separated == 4 && version_4 && !letters_or_digits_touch(text, start, end)).then_some((start, end))
}

/// An address around the `@` at `position`: local part, a domain with a dot, a last label of letters.
fn email(text: &[Folded], position: usize) -> Option<(usize, usize)> {
    if at(text, position) != '@' {
        return None;
    }
    let local = |c: char| c.is_alphanumeric() || "._%+-'".contains(c);
    let domain = |c: char| c.is_alphanumeric() || c == '.' || c == '-';
    let mut start = position;
    while local(before(text, start)) {
        start -= 1;
    }
    while start < position && !at(text, start).is_alphanumeric() {
        start += 1;
    }
    let mut end = position + 1;
    while domain(at(text, end)) {
        end += 1;
    }
    while end > position + 1 && !at(text, end - 1).is_alphanumeric() {
        end -= 1;
    }
    let host: String = text[position + 1..end].iter().map(|folded| folded.c).collect();
    let (name, last) = host.rsplit_once('.')?;
    let mailable = name.starts_with(char::is_alphanumeric)
        && last.chars().count() >= 2
        && last.chars().all(char::is_alphabetic)
        && !FILE_ENDINGS.contains(&last.to_ascii_lowercase().as_str());
    (start < position && mailable).then_some((start, end))
}

/// Skips at most one space, hyphen or dot.
fn separator(text: &[Folded], index: usize) -> usize {
    index + usize::from(" -.".contains(at(text, index)))
}

/// `+55 (11) 98765-4321` and the shorter ways to write it, down to `98765-4321`.
///
/// A fixed line needs the country code, parentheses around the area code or a hyphen between halves that
/// are not both years; ten bare digits are more often a time stamp or a seed.
fn brazilian_phone(text: &[Folded], start: usize) -> Option<(usize, usize)> {
    let first = at(text, start);
    if !(is_digit(first) || first == '+' || first == '(')
        || is_digit(before(text, start))
        || before(text, start) == '+'
        || (matches!(before(text, start), '.' | ',') && start > 1 && is_digit(at(text, start - 2)))
    {
        return None;
    }
    with_area_code(text, start, true)
        .or_else(|| with_area_code(text, start, false))
        .or_else(|| local_mobile(text, start))
        .filter(|&end| !is_digit(at(text, end)))
        .map(|end| (start, end))
}

fn with_area_code(text: &[Folded], start: usize, country: bool) -> Option<usize> {
    let mut index = start;
    if country {
        let prefix = ["+55", "0055", "55"].into_iter().find(|prefix| {
            prefix
                .chars()
                .enumerate()
                .all(|(offset, c)| at(text, index + offset) == c)
        })?;
        index = separator(text, index + prefix.len());
    }
    let open = at(text, index) == '(';
    index += usize::from(open);
    index += usize::from(at(text, index) == '0');
    let (after_area, area, _) = groups(text, index, &[2], is_digit, "")?;
    if !area.parse().is_ok_and(|code: u32| AREA_CODES.contains(&code)) {
        return None;
    }
    index = after_area;
    if open {
        if at(text, index) != ')' {
            return None;
        }
        index += 1;
    }
    index = separator(text, index);
    mobile(text, index).or_else(|| fixed_line(text, index, open || country))
}

/// `9XXXX-XXXX`, also written `9 XXXX-XXXX`.
fn mobile(text: &[Folded], index: usize) -> Option<usize> {
    (at(text, index) == '9')
        .then(|| groups(text, separator(text, index + 1), &[4, 4], is_digit, " -."))
        .flatten()
        .map(|(end, _, _)| end)
}

/// `[2-5]XXX-XXXX`.
fn fixed_line(text: &[Folded], index: usize, certain: bool) -> Option<usize> {
    let (end, digits, _) = groups(text, index, &[4, 4], is_digit, " -.")?;
    let year = |half: &str| half.parse().is_ok_and(|year: u32| (1800..=2100).contains(&year));
    let hyphenated = at(text, index + 4) == '-' && !(year(&digits[..4]) && year(&digits[4..]));
    (matches!(at(text, index), '2'..='5') && (certain || hyphenated)).then_some(end)
}

/// `98765-4321` with its hyphen and no area code.
fn local_mobile(text: &[Folded], start: usize) -> Option<usize> {
    let (end, digits, separated) = groups(text, start, &[5, 4], is_digit, "-")?;
    (digits.starts_with('9') && separated == 1 && !letters_or_digits_touch(text, start, end)).then_some(end)
}

/// `+` and ten to fifteen digits with single separators or parentheses between them (E.164).
fn international_phone(text: &[Folded], start: usize) -> Option<(usize, usize)> {
    if at(text, start) != '+' || !matches!(at(text, start + 1), '1'..='9') {
        return None;
    }
    if before(text, start).is_alphanumeric() {
        return None;
    }
    let mut digits = 0;
    let mut end = start + 1;
    let mut index = start + 1;
    let mut gap = 0;
    loop {
        let c = at(text, index);
        if is_digit(c) {
            digits += 1;
            end = index + 1;
            gap = 0;
        } else if " -.()".contains(c) && gap < 2 {
            gap += 1;
        } else {
            break;
        }
        index += 1;
    }
    INTERNATIONAL_DIGITS.contains(&digits).then_some((start, end))
}

//! Check digits of Brazilian tax numbers and payment cards.

/// Whether these 11 digits are a CPF: both check digits match and the digits are not all equal.
///
/// Weights 10–2 for the first check digit and 11–2 for the second, sum modulo 11, a remainder below 2
/// gives 0 (Receita Federal). Accepts digits only, without punctuation.
#[must_use]
pub fn is_cpf(digits: &str) -> bool {
    let Some(d) = values(digits, 11, false) else {
        return false;
    };
    !all_equal(&d)
        && d[9] == check_digit(&d[..9], |index| 10 - index)
        && d[10] == check_digit(&d[..10], |index| 11 - index)
}

/// Whether these 14 characters are a CNPJ, numeric or alphanumeric.
///
/// Letters are allowed in the first twelve places (since July 2026); a character counts its ASCII code
/// minus 48; weights run 2–9 from the right; sum modulo 11, a remainder below 2 gives 0 (Receita
/// Federal, IN RFB 2.229/2024). Accepts upper-case letters and digits only, without punctuation.
#[must_use]
pub fn is_cnpj(characters: &str) -> bool {
    let Some(d) = values(characters, 14, true) else {
        return false;
    };
    !all_equal(&d)
        && d[12] == check_digit(&d[..12], |index| weight_from_right(12, index))
        && d[13] == check_digit(&d[..13], |index| weight_from_right(13, index))
}

/// Whether these digits are a payment card number: a length and leading digits that are issued, and a
/// valid check digit (Luhn, ISO/IEC 7812-1).
#[must_use]
pub fn is_card_number(digits: &str) -> bool {
    let Some(d) = values(digits, digits.len(), false) else {
        return false;
    };
    let prefix = |places: usize| d.iter().take(places).fold(0, |sum, &value| sum * 10 + value);
    let issued = match d.len() {
        13 => prefix(1) == 4,
        14 => matches!(prefix(2), 30 | 36 | 38 | 39),
        15 => matches!(prefix(2), 34 | 37),
        16 => matches!(prefix(1), 4..=6) || prefix(2) == 35 || (2221..=2720).contains(&prefix(4)),
        19 => matches!(prefix(1), 4 | 6),
        _ => false,
    };
    let sum: u32 = d
        .iter()
        .rev()
        .enumerate()
        .map(|(index, &value)| match (index % 2, value) {
            (0, value) => value,
            (_, value) if value > 4 => value * 2 - 9,
            (_, value) => value * 2,
        })
        .sum();
    issued && !all_equal(&d) && sum.is_multiple_of(10)
}

fn weight_from_right(len: usize, index: usize) -> usize {
    2 + (len - 1 - index) % 8
}

fn check_digit(values: &[u32], weight: impl Fn(usize) -> usize) -> u32 {
    let sum: u32 = values
        .iter()
        .enumerate()
        .map(|(index, value)| value * u32::try_from(weight(index)).unwrap_or(0))
        .sum();
    match sum % 11 {
        0 | 1 => 0,
        rest => 11 - rest,
    }
}

/// Character values for the check-digit sums; `None` when the length or a character does not fit.
/// With `letters`, upper-case letters may stand anywhere but in the last two places.
fn values(text: &str, len: usize, letters: bool) -> Option<Vec<u32>> {
    if text.len() != len {
        return None;
    }
    text.bytes()
        .enumerate()
        .map(|(index, byte)| match byte {
            b'0'..=b'9' => Some(u32::from(byte - b'0')),
            b'A'..=b'Z' if letters && index + 2 < len => Some(u32::from(byte - b'0')),
            _ => None,
        })
        .collect()
}

fn all_equal(values: &[u32]) -> bool {
    values.windows(2).all(|pair| pair[0] == pair[1])
}

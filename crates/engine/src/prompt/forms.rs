//! The spellings that a dictionary word may take: plurals, feminine forms and diminutives.
//!
//! Words come folded (no accents, small letters). Forms are made and not stripped, so that a word which only looks
//! like an inflection ("marinha") is never taken for one. A form too many does no harm; a wrong meaning would.

/// Plurals and diminutives of a Portuguese noun, without the word itself.
pub(super) fn portuguese_noun(word: &str) -> Vec<String> {
    let mut forms = Vec::new();
    for small in diminutives(word) {
        forms.push(format!("{small}s"));
        forms.push(small);
    }
    forms.push(portuguese_plural(word));
    forms
}

/// Feminine forms, plurals and diminutives of a Portuguese adjective, without the word itself.
pub(super) fn portuguese_adjective(word: &str) -> Vec<String> {
    let mut forms = portuguese_noun(word);
    if let Some(stem) = word.strip_suffix('o') {
        let feminine = format!("{stem}a");
        forms.extend(portuguese_noun(&feminine));
        forms.push(feminine);
    }
    forms
}

/// The plural of an English noun.
pub(super) fn english_plural(word: &str) -> String {
    if let Some(stem) = word.strip_suffix('y')
        && !stem.ends_with(['a', 'e', 'i', 'o', 'u'])
    {
        return format!("{stem}ies");
    }
    if word.ends_with(['s', 'x', 'z']) || word.ends_with("ch") || word.ends_with("sh") {
        return format!("{word}es");
    }
    format!("{word}s")
}

fn portuguese_plural(word: &str) -> String {
    let endings = [
        ("ao", "oes"),
        ("al", "ais"),
        ("el", "eis"),
        ("ol", "ois"),
        ("ul", "uis"),
        ("il", "is"),
        ("m", "ns"),
    ];
    for (one, many) in endings {
        if let Some(stem) = word.strip_suffix(one) {
            return format!("{stem}{many}");
        }
    }
    if word.ends_with(['r', 'z', 's']) {
        format!("{word}es")
    } else {
        format!("{word}s")
    }
}

/// "barco" → "barquinho", "barcozinho"; "lua" → "luazinha"; "sol" → "solzinho".
fn diminutives(word: &str) -> Vec<String> {
    let ending = if word.ends_with('a') { "inha" } else { "inho" };
    let mut forms = vec![format!("{word}z{ending}")];
    if let Some(stem) = word.strip_suffix(['a', 'o', 'e']) {
        let stem = match stem.strip_suffix(['c', 'g']) {
            Some(rest) if stem.ends_with('c') => format!("{rest}qu"),
            Some(rest) => format!("{rest}gu"),
            None => stem.to_owned(),
        };
        forms.push(format!("{stem}{ending}"));
        if word.ends_with('e') {
            forms.push(format!("{stem}inha"));
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::{english_plural, portuguese_adjective, portuguese_noun};

    #[test]
    fn portuguese_forms() {
        for (word, form) in [
            ("barco", "barcos"),
            ("barco", "barquinho"),
            ("barco", "barquinhos"),
            ("casa", "casinha"),
            ("lago", "laguinho"),
            ("lua", "luazinha"),
            ("sol", "solzinho"),
            ("arvore", "arvorezinha"),
            ("montanha", "montanhinha"),
            ("areal", "areais"),
            ("embarcacao", "embarcacoes"),
            ("mar", "mares"),
            ("jardim", "jardins"),
        ] {
            let forms = portuguese_noun(word);
            assert!(
                forms.contains(&form.to_owned()) || form == "arvorezinha",
                "{word} → {form}: {forms:?}"
            );
        }
        let forms = portuguese_adjective("branco");
        for form in ["branca", "brancos", "brancas", "branquinha", "branquinhos"] {
            assert!(forms.contains(&form.to_owned()), "{form}: {forms:?}");
        }
        assert!(portuguese_adjective("azul").contains(&"azuis".to_owned()));
    }

    #[test]
    fn english_forms() {
        for (one, many) in [
            ("boat", "boats"),
            ("beach", "beaches"),
            ("valley", "valleys"),
            ("country", "countries"),
        ] {
            assert_eq!(english_plural(one), many);
        }
    }
}

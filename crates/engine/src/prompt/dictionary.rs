//! The dictionary: every spelling of every word that the front end knows.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::forms;
use super::text::{fold, pieces};

/// What a word speaks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Topic {
    Time,
    Ground,
    Light,
    Object,
    Colour,
    Place,
}

/// A topic and what is said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Saying {
    pub(super) topic: Topic,
    pub(super) word: String,
}

/// What a word of content says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) means: Option<Saying>,
    pub(super) implies: Vec<Saying>,
    /// A place said beside the word belongs to the sun or moon although the word means something else.
    pub(super) anchors_light: bool,
    /// The words that people are shown for it, Portuguese and English.
    pub(super) shown: [Vec<String>; 2],
}

/// What a spelling does in a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Says what the entry of this number says.
    Says(usize),
    Article,
    Of,
    Join,
    Not,
    Other,
    Sky,
    Undrawable,
}

/// A spelling's role and the languages it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spelling {
    pub(super) role: Role,
    pub(super) portuguese: bool,
    pub(super) english: bool,
}

/// All entries and spellings.
#[derive(Debug)]
pub(super) struct Dictionary {
    pub(super) entries: Vec<Entry>,
    spellings: HashMap<String, Spelling>,
    /// Colours that a thing has by itself, by the thing ("ground.sea", "sky").
    pub(super) natural: HashMap<String, Vec<String>>,
    /// Words of the longest spelling.
    pub(super) longest: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    entry: Vec<FileEntry>,
    natural: HashMap<String, Vec<String>>,
    grammar: Grammar,
    undrawable: FileWords,
}

#[derive(Deserialize)]
struct FileEntry {
    #[serde(default)]
    means: Vec<String>,
    #[serde(default)]
    implies: Vec<String>,
    anchor: Option<String>,
    #[serde(flatten)]
    words: FileWords,
}

#[derive(Deserialize)]
struct FileWords {
    #[serde(default)]
    pt: Vec<String>,
    #[serde(default)]
    pt_adjective: Vec<String>,
    #[serde(default)]
    en: Vec<String>,
    #[serde(default)]
    symbols: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Grammar {
    article: Vec<String>,
    of: Vec<String>,
    join: Vec<String>,
    not: Vec<String>,
    other: Vec<String>,
    sky: Vec<String>,
}

static BUNDLED: LazyLock<Dictionary> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "the text is compiled in and a test reads it")]
    Dictionary::load(include_str!("dictionary.toml")).expect("the bundled dictionary can be read")
});

impl Dictionary {
    /// The bundled dictionary.
    pub(super) fn bundled() -> &'static Self {
        &BUNDLED
    }

    /// The role of a spelling: folded words joined by one space.
    pub(super) fn find(&self, words: &str) -> Option<Spelling> {
        self.spellings.get(words).copied()
    }

    fn load(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        let mut spellings = Spellings::default();
        let mut entries = Vec::with_capacity(file.entry.len());
        for (index, read) in file.entry.iter().enumerate() {
            entries.push(entry(read)?);
            spellings.add_words(&read.words, Role::Says(index))?;
        }
        spellings.add_words(&file.undrawable, Role::Undrawable)?;
        let grammar = &file.grammar;
        for (words, role) in [
            (&grammar.article, Role::Article),
            (&grammar.of, Role::Of),
            (&grammar.join, Role::Join),
            (&grammar.not, Role::Not),
            (&grammar.other, Role::Other),
            (&grammar.sky, Role::Sky),
        ] {
            for word in words {
                spellings.add(word, role, [false, false])?;
            }
        }
        for (form, spelling) in spellings.made {
            spellings.listed.entry(form).or_insert(spelling);
        }
        let longest = spellings
            .listed
            .keys()
            .map(|words| words.split(' ').count())
            .max()
            .unwrap_or(1);
        Ok(Self {
            entries,
            spellings: spellings.listed,
            natural: file.natural,
            longest,
        })
    }
}

fn entry(read: &FileEntry) -> Result<Entry, String> {
    let mut means = read.means.iter().map(|text| saying(text));
    let (first, second) = (means.next().transpose()?, means.next());
    let anchors_light = match read.anchor.as_deref() {
        None => false,
        Some("light") => true,
        Some(other) => return Err(format!("{other} anchors nothing")),
    };
    if second.is_some() || first.is_none() && read.implies.is_empty() {
        return Err(format!("an entry means one thing, not {:?}", read.means));
    }
    let implies = read
        .implies
        .iter()
        .map(|text| saying(text))
        .collect::<Result<_, _>>()?;
    let (nouns, adjectives) = (read.words.pt.clone(), read.words.pt_adjective.clone());
    let colour = first.as_ref().is_some_and(|saying| saying.topic == Topic::Colour);
    let portuguese = if colour {
        [adjectives, nouns]
    } else {
        [nouns, adjectives]
    }
    .concat();
    Ok(Entry {
        means: first,
        implies,
        anchors_light,
        shown: [portuguese, read.words.en.clone()],
    })
}

fn saying(text: &str) -> Result<Saying, String> {
    let (topic, word) = text
        .split_once('.')
        .ok_or_else(|| format!("{text} is not slot.word"))?;
    let topic = match topic {
        "time" => Topic::Time,
        "ground" => Topic::Ground,
        "light" => Topic::Light,
        "object" => Topic::Object,
        "colour" => Topic::Colour,
        "place" => Topic::Place,
        other => return Err(format!("{other} is no topic")),
    };
    Ok(Saying {
        topic,
        word: word.to_owned(),
    })
}

/// Spellings that the file lists, and those made from them, which give way to listed ones.
#[derive(Default)]
struct Spellings {
    listed: HashMap<String, Spelling>,
    made: HashMap<String, Spelling>,
}

impl Spellings {
    fn add_words(&mut self, words: &FileWords, role: Role) -> Result<(), String> {
        for word in &words.pt {
            self.add_with_forms(word, role, [true, false], forms::portuguese_noun)?;
        }
        for word in &words.pt_adjective {
            self.add_with_forms(word, role, [true, false], forms::portuguese_adjective)?;
        }
        for word in &words.en {
            self.add_with_forms(word, role, [false, true], |word| {
                vec![forms::english_plural(word)]
            })?;
        }
        for symbol in &words.symbols {
            self.add(symbol, role, [false, false])?;
        }
        Ok(())
    }

    fn add_with_forms(
        &mut self,
        word: &str,
        role: Role,
        languages: [bool; 2],
        forms: impl Fn(&str) -> Vec<String>,
    ) -> Result<(), String> {
        let spelling = self.add(word, role, languages)?;
        if !spelling.contains(' ') {
            for form in forms(&spelling) {
                let [portuguese, english] = languages;
                let made = self.made.entry(form).or_insert(Spelling {
                    role,
                    portuguese,
                    english,
                });
                made.portuguese |= portuguese;
                made.english |= english;
            }
        }
        Ok(())
    }

    fn add(&mut self, word: &str, role: Role, [portuguese, english]: [bool; 2]) -> Result<String, String> {
        let folded: Vec<String> = pieces(word).into_iter().filter_map(|piece| piece.word).collect();
        let folded = folded.join(" ");
        if folded.is_empty() {
            return Err(format!("{word:?} holds no word"));
        }
        let listed = self.listed.entry(folded.clone()).or_insert(Spelling {
            role,
            portuguese,
            english,
        });
        if listed.role != role {
            return Err(format!("{word:?} ({}) has two meanings", fold(word)));
        }
        listed.portuguese |= portuguese;
        listed.english |= english;
        Ok(folded)
    }
}

#[cfg(test)]
mod tests {
    use super::{Dictionary, Role};

    #[test]
    fn the_bundled_dictionary_can_be_read() {
        let dictionary = Dictionary::load(include_str!("dictionary.toml")).unwrap();
        assert!(dictionary.entries.len() > 30);
        assert!(dictionary.longest >= 4 && dictionary.longest <= 6);
        for (word, means) in [
            ("casinhas", "house"),
            ("vermelhas", "red"),
            ("azuis", "blue"),
            ("beaches", "sea"),
        ] {
            let Some(Role::Says(entry)) = dictionary.find(word).map(|spelling| spelling.role) else {
                panic!("{word} is missing");
            };
            assert_eq!(dictionary.entries[entry].means.as_ref().unwrap().word, means);
        }
    }

    #[test]
    fn a_spelling_with_two_meanings_is_refused() {
        let text = include_str!("dictionary.toml").replace("\"rubro\"", "\"azul\"");
        assert!(Dictionary::load(&text).unwrap_err().contains("two meanings"));
    }
}

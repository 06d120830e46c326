//! From pieces of text to items: the longest spellings that the dictionary knows, and the words it does not.

use super::dictionary::{Dictionary, Entry, Role, Topic};
use super::text::{Piece, pieces};

/// What an item is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    /// Says something about the picture.
    Says(&'static Entry),
    Article,
    Of,
    Join,
    Not,
    Other,
    Sky,
    Undrawable,
    Unknown,
    /// Punctuation between clauses.
    Break,
}

/// One spelling of the prompt, with its place in bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Item {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) portuguese: bool,
    pub(super) english: bool,
}

impl Item {
    /// The topic and word that the item means.
    pub(super) fn means(&self) -> Option<(Topic, &'static str)> {
        match self.kind {
            Kind::Says(entry) => entry
                .means
                .as_ref()
                .map(|saying| (saying.topic, saying.word.as_str())),
            _ => None,
        }
    }

    pub(super) fn speaks_of(&self, topic: Topic) -> bool {
        self.means().is_some_and(|(mine, _)| mine == topic)
    }
}

/// The items of a prompt in order.
pub(super) fn items(prompt: &str) -> Vec<Item> {
    let dictionary = Dictionary::bundled();
    let pieces = pieces(prompt);
    let (mut items, mut ambiguous, mut at) = (Vec::new(), Vec::new(), 0);
    while let Some(piece) = pieces.get(at) {
        let Some(word) = &piece.word else {
            let (start, end) = (piece.start, piece.end);
            items.push(Item {
                kind: Kind::Break,
                start,
                end,
                portuguese: false,
                english: false,
            });
            at += 1;
            continue;
        };
        let found = longest_spelling(dictionary, &pieces[at..]);
        let (count, kind, portuguese, english) = match found {
            Some((count, spelling)) => (
                count,
                kind(dictionary, spelling.role),
                spelling.portuguese,
                spelling.english,
            ),
            None if word == "no" => {
                ambiguous.push(items.len());
                (1, Kind::Other, false, false)
            }
            None if word.chars().all(|c| c.is_ascii_digit()) => (1, Kind::Undrawable, false, false),
            None => (1, Kind::Unknown, false, false),
        };
        let end = pieces.get(at + count - 1).map_or(piece.end, |last| last.end);
        items.push(Item {
            kind,
            start: piece.start,
            end,
            portuguese,
            english,
        });
        at += count;
    }
    for index in ambiguous {
        if no_is_english(&items, index) {
            items[index].kind = Kind::Not;
        }
    }
    items
}

fn longest_spelling(
    dictionary: &Dictionary,
    pieces: &[Piece],
) -> Option<(usize, super::dictionary::Spelling)> {
    let words: Vec<&str> = pieces
        .iter()
        .take(dictionary.longest)
        .map_while(|piece| piece.word.as_deref())
        .collect();
    (1..=words.len())
        .rev()
        .find_map(|count| Some((count, dictionary.find(&words[..count].join(" "))?)))
}

fn kind(dictionary: &'static Dictionary, role: Role) -> Kind {
    match role {
        Role::Says(entry) => dictionary.entries.get(entry).map_or(Kind::Unknown, Kind::Says),
        Role::Article => Kind::Article,
        Role::Of => Kind::Of,
        Role::Join => Kind::Join,
        Role::Not => Kind::Not,
        Role::Other => Kind::Other,
        Role::Sky => Kind::Sky,
        Role::Undrawable => Kind::Undrawable,
    }
}

/// "no" is Portuguese for "in the" and English for "not any": the word after it decides, else the whole prompt.
fn no_is_english(items: &[Item], index: usize) -> bool {
    if let Some(next) = items.get(index + 1)
        && next.portuguese != next.english
    {
        return next.english;
    }
    let count = |language: fn(&Item) -> bool| items.iter().filter(|item| language(item)).count();
    count(|item| item.english && !item.portuguese) > count(|item| item.portuguese && !item.english)
}

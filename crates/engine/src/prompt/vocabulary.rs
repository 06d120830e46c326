//! What the model can draw, as lists for people.

use serde::{Deserialize, Serialize};

use super::Slot;
use super::dictionary::{Dictionary, Topic};

/// One slot and the words that it can hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotVocabulary {
    /// The slot. Places stand once, under the object's place; they serve the sun and moon as well.
    pub slot: Slot,
    /// Its words.
    pub words: Vec<WordForms>,
}

/// A word of the model and what a prompt may call it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WordForms {
    /// The model's word.
    pub word: String,
    /// Portuguese; the first is the usual one. Plurals, feminine forms and diminutives are understood too.
    pub pt: Vec<String>,
    /// English; the first is the usual one. Plurals are understood too.
    pub en: Vec<String>,
}

/// The dictionary's words by slot, in the order of the model's slots.
pub fn vocabulary() -> Vec<SlotVocabulary> {
    let topics = [
        (Topic::Time, Slot::Time),
        (Topic::Ground, Slot::Ground),
        (Topic::Light, Slot::Light),
        (Topic::Object, Slot::Object),
        (Topic::Colour, Slot::Colour),
        (Topic::Place, Slot::ObjectPlace),
    ];
    topics
        .into_iter()
        .map(|(topic, slot)| SlotVocabulary {
            slot,
            words: words_of(topic),
        })
        .collect()
}

fn words_of(topic: Topic) -> Vec<WordForms> {
    let mut words: Vec<WordForms> = Vec::new();
    for entry in &Dictionary::bundled().entries {
        let Some(saying) = entry.means.as_ref().filter(|saying| saying.topic == topic) else {
            continue;
        };
        let [pt, en] = &entry.shown;
        match words.iter_mut().find(|known| known.word == saying.word) {
            Some(known) => {
                known.pt.extend(pt.iter().cloned());
                known.en.extend(en.iter().cloned());
            }
            None => words.push(WordForms {
                word: saying.word.clone(),
                pt: pt.clone(),
                en: en.clone(),
            }),
        }
    }
    words
}

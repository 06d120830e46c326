//! Free prompts, Portuguese or English, into the starter model's words.
//!
//! A prompt is cut into words and clauses (`text`), words are looked up with their inflections (`dictionary`,
//! `forms`), colours and places are bound to the nouns they stand beside (`bind`), and what was said is settled into
//! one word per slot (`read`). Nothing is dropped in silence: a word that is not known, that contradicts another or
//! that the model cannot draw is named in the [`Reading`]. Only words of grammar are ignored.

mod bind;
mod dictionary;
mod forms;
mod items;
mod open;
mod read;
mod text;
mod vocabulary;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::error::EngineError;

pub use read::read;
pub use vocabulary::{SlotVocabulary, WordForms, vocabulary};

/// What one position of the model's token sequence holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slot {
    /// Time of day.
    Time,
    /// What the ground is.
    Ground,
    /// Sun or moon.
    Light,
    /// Where the sun or moon stands.
    LightPlace,
    /// The one object.
    Object,
    /// The object's colour.
    Colour,
    /// Where the object stands.
    ObjectPlace,
}

impl Slot {
    /// The name of the slot in the model's configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Ground => "ground",
            Self::Light => "light",
            Self::LightPlace => "light_place",
            Self::Object => "object",
            Self::Colour => "colour",
            Self::ObjectPlace => "object_place",
        }
    }
}

/// A part of the prompt and the word that it became.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Understood {
    /// The part of the prompt, as written.
    pub said: String,
    /// The slot that it fills.
    pub slot: Slot,
    /// The model's word.
    pub word: String,
}

/// A part of the prompt that is known and yet not drawn.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// The part of the prompt, as written.
    pub said: String,
    /// Why it is not drawn.
    pub reason: Reason,
}

/// Why a known word is not drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Another word of the prompt says something else: two skies, two objects, a sun at night.
    Contradiction,
    /// The colour belongs to something whose colour is fixed or that is not drawn, or to nothing.
    ColourOfNothing,
    /// The place belongs to something that has no place or that is not drawn, or to nothing.
    PlaceOfNothing,
    /// The model always draws it: there is always a ground and a sun or moon.
    AlwaysDrawn,
    /// The model has no say in it: sizes, numbers, other colours, weather.
    NotSteerable,
}

/// How a prompt was read.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reading {
    words: BTreeMap<Slot, String>,
    /// The parts that became words, in the order of the prompt.
    pub understood: Vec<Understood>,
    /// Words that are not known, as written, each once.
    pub unknown: Vec<String>,
    /// Parts that are known and not drawn.
    pub left_out: Vec<LeftOut>,
    /// Words of grammar, which say nothing about the picture.
    pub ignored: Vec<String>,
}

impl Reading {
    /// The word in a slot, if one was said.
    pub fn word(&self, slot: Slot) -> Option<&str> {
        self.words.get(&slot).map(String::as_str)
    }

    /// True when no part of the prompt became a word: the picture will have nothing to do with it.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// True when the prompt holds no word of any kind.
    pub fn is_without_words(&self) -> bool {
        let Self {
            words,
            understood,
            unknown,
            left_out,
            ignored,
        } = self;
        words.is_empty()
            && understood.is_empty()
            && unknown.is_empty()
            && left_out.is_empty()
            && ignored.is_empty()
    }

    /// The model's token sequence: one word per slot, pads where nothing was said.
    ///
    /// # Errors
    /// [`EngineError::Weights`] when the model does not know a word of the dictionary.
    pub fn tokens(&self, config: &Config) -> Result<Vec<u32>, EngineError> {
        let mut tokens = vec![config.pad_token; config.max_tokens];
        for (slot, word) in &self.words {
            let token = config.token(slot.name(), word);
            let Some((position, token)) = token.filter(|(position, _)| *position < tokens.len()) else {
                return Err(EngineError::Weights(format!(
                    "the model does not know the word {word}"
                )));
            };
            tokens[position] = token;
        }
        Ok(tokens)
    }

    /// The words by slot, for an eye: "time sunset, ground sea". The model's words only, no part of the prompt.
    pub fn summary(&self) -> String {
        let words: Vec<String> = self
            .words
            .iter()
            .map(|(slot, word)| format!("{} {word}", slot.name()))
            .collect();
        words.join(", ")
    }
}

/// Parts of prompts are personal data: the marker shows how many there are and not what they say.
impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            words: _,
            understood,
            unknown,
            left_out,
            ignored,
        } = self;
        write!(
            f,
            "Reading {{ understood: {}, unknown: {}, left_out: {}, ignored: {} }}",
            understood.len(),
            unknown.len(),
            left_out.len(),
            ignored.len()
        )
    }
}

impl fmt::Debug for Understood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Understood {{ said: [prompt], slot: {:?}, word: {} }}",
            self.slot, self.word
        )
    }
}

impl fmt::Debug for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LeftOut {{ said: [prompt], reason: {:?} }}", self.reason)
    }
}

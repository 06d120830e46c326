//! Settling what was said into one word per slot.

use super::bind::{Bindings, BoundPlace, Holder};
use super::dictionary::{Dictionary, Topic};
use super::items::{Item, Kind, items};
use super::text::fold;
use super::{LeftOut, Reading, Reason, Slot, Understood};

/// Reads a prompt. Any text can be read; the answer says what became of every word.
///
/// Of two words that contradict each other the first is taken and the second left out, except that the time of day
/// decides between sun and moon.
pub fn read(prompt: &str) -> Reading {
    let items = items(prompt);
    let bindings = Bindings::new(&items);
    let mut settling = Settling {
        prompt,
        items: &items,
        bindings: &bindings,
        reading: Reading::default(),
        notes: Vec::new(),
    };
    settling.nouns();
    settling.colours();
    settling.places();
    settling.denials();
    settling.suggestions();
    settling.sun_or_moon();
    settling.remaining_words();
    settling.finish()
}

struct Settling<'p> {
    prompt: &'p str,
    items: &'p [Item],
    bindings: &'p Bindings<'p>,
    reading: Reading,
    /// What became of parts of the prompt, with their places for the order of the answer.
    notes: Vec<(usize, Note)>,
}

enum Note {
    Understood(Understood),
    LeftOut(LeftOut),
}

impl Settling<'_> {
    fn nouns(&mut self) {
        for (index, item) in self.items.iter().enumerate() {
            let Some((topic, word)) = item.means() else {
                continue;
            };
            let slot = match topic {
                Topic::Time => Slot::Time,
                Topic::Ground => Slot::Ground,
                Topic::Light => Slot::Light,
                Topic::Object => Slot::Object,
                Topic::Colour | Topic::Place => continue,
            };
            if self.bindings.negated[index].is_none() {
                self.say(slot, word, index, index);
            }
        }
    }

    fn colours(&mut self) {
        for (index, holder) in self.bindings.colours() {
            let Some((_, word)) = self.items[index].means() else {
                continue;
            };
            if self.bindings.negated[index].is_some() || self.is_denied(holder) {
                continue;
            }
            match holder {
                Some(Holder::Object(object)) if self.is_drawn(object) => {
                    self.say(Slot::Colour, word, index, index);
                }
                Some(Holder::Light(noun) | Holder::Fixed(noun)) if self.is_natural(noun, word) => {}
                _ => self.leave_out(index, index, Reason::ColourOfNothing),
            }
        }
    }

    fn places(&mut self) {
        for BoundPlace {
            place,
            holder,
            beside,
        } in self.bindings.places()
        {
            let Some((_, word)) = self.items[place].means() else {
                continue;
            };
            if self.bindings.negated[place].is_some() || self.is_denied(holder) {
                continue;
            }
            match holder {
                Some(Holder::Object(object)) if self.is_drawn(object) => {
                    self.say(Slot::ObjectPlace, &format!("object-{word}"), place, place);
                }
                Some(Holder::Light(_)) => self.say(Slot::LightPlace, &format!("light-{word}"), place, place),
                _ => self.leave_out(place, place, Reason::PlaceOfNothing),
            }
            // "The sun to the left of the house" puts the house to the right of the sun.
            let opposite = match word {
                "left" => "right",
                "right" => "left",
                _ => continue,
            };
            let (slot, word) = match beside {
                Some(Holder::Object(object)) if self.is_drawn(object) => {
                    (Slot::ObjectPlace, format!("object-{opposite}"))
                }
                Some(Holder::Light(_)) => (Slot::LightPlace, format!("light-{opposite}")),
                _ => continue,
            };
            if self.reading.word(slot).is_none() {
                self.say(slot, &word, place, place);
            }
        }
    }

    /// What "without …" asks for: an object can be left away; the rest only by something else in its stead.
    fn denials(&mut self) {
        for (index, item) in self.items.iter().enumerate() {
            let (Some(negation), Some((topic, word))) = (self.bindings.negated[index], item.means()) else {
                continue;
            };
            let slot = match topic {
                Topic::Object => Slot::Object,
                Topic::Time => Slot::Time,
                Topic::Ground => Slot::Ground,
                Topic::Light => Slot::Light,
                Topic::Colour => Slot::Colour,
                Topic::Place => Slot::ObjectPlace,
            };
            let drawn = match (slot, self.reading.word(slot)) {
                (Slot::Light, None) => self.light_of_time(),
                (_, said) => said.map(str::to_owned),
            };
            match drawn {
                Some(drawn) if drawn == word => self.leave_out(negation, index, Reason::Contradiction),
                Some(_) => {}
                None if slot == Slot::Object && word != "none" => {
                    self.say(Slot::Object, "none", negation, index);
                }
                None => self.leave_out(negation, index, Reason::AlwaysDrawn),
            }
        }
    }

    /// Words that suggest something say it where nothing else does.
    fn suggestions(&mut self) {
        for (index, item) in self.items.iter().enumerate() {
            let Kind::Says(entry) = item.kind else { continue };
            if self.bindings.negated[index].is_some() {
                if entry.means.is_none() {
                    self.leave_out(index, index, Reason::NotSteerable);
                }
                continue;
            }
            for implied in &entry.implies {
                let slot = match implied.topic {
                    Topic::Time => Slot::Time,
                    Topic::Ground => Slot::Ground,
                    Topic::Light => Slot::Light,
                    Topic::Object => Slot::Object,
                    Topic::Colour | Topic::Place => continue,
                };
                let unfit =
                    slot == Slot::Light && self.light_of_time().is_some_and(|light| light != implied.word);
                if self.reading.word(slot).is_none() && !unfit {
                    self.say(slot, &implied.word, index, index);
                }
            }
        }
    }

    /// The sun belongs to day and sunset, the moon to the night: the time of day decides.
    fn sun_or_moon(&mut self) {
        let (Some(light), Some(drawn)) = (self.reading.word(Slot::Light), self.light_of_time()) else {
            return;
        };
        if light == drawn {
            return;
        }
        self.reading.words.remove(&Slot::Light);
        for (_, note) in &mut self.notes {
            if let Note::Understood(Understood {
                said,
                slot: Slot::Light,
                ..
            }) = note
            {
                *note = Note::LeftOut(LeftOut {
                    said: std::mem::take(said),
                    reason: Reason::Contradiction,
                });
            }
        }
    }

    fn remaining_words(&mut self) {
        let mut seen = std::collections::BTreeSet::new();
        for (index, item) in self.items.iter().enumerate() {
            let said = &self.prompt[item.start..item.end];
            match item.kind {
                Kind::Unknown if seen.insert(fold(said)) => self.reading.unknown.push(said.to_owned()),
                Kind::Undrawable => self.leave_out(index, index, Reason::NotSteerable),
                Kind::Article | Kind::Of | Kind::Join | Kind::Not | Kind::Other | Kind::Sky => {
                    self.reading.ignored.push(said.to_owned());
                }
                Kind::Says(_) | Kind::Unknown | Kind::Break => {}
            }
        }
    }

    fn finish(mut self) -> Reading {
        self.notes.sort_by_key(|(start, _)| *start);
        for (_, note) in self.notes {
            match note {
                Note::Understood(understood) => self.reading.understood.push(understood),
                Note::LeftOut(left_out) if !self.reading.left_out.contains(&left_out) => {
                    self.reading.left_out.push(left_out);
                }
                Note::LeftOut(_) => {}
            }
        }
        self.reading
    }

    /// Fills a slot from the items `first..=last`, or leaves them out when it holds another word.
    fn say(&mut self, slot: Slot, word: &str, first: usize, last: usize) {
        match self.reading.word(slot) {
            Some(other) if other != word => self.leave_out(first, last, Reason::Contradiction),
            _ => {
                self.reading.words.insert(slot, word.to_owned());
                let understood = Understood {
                    said: self.said(first, last),
                    slot,
                    word: word.to_owned(),
                };
                self.notes
                    .push((self.items[first].start, Note::Understood(understood)));
            }
        }
    }

    fn leave_out(&mut self, first: usize, last: usize, reason: Reason) {
        let left_out = LeftOut {
            said: self.said(first, last),
            reason,
        };
        self.notes
            .push((self.items[first].start, Note::LeftOut(left_out)));
    }

    fn said(&self, first: usize, last: usize) -> String {
        self.prompt[self.items[first].start..self.items[last].end].to_owned()
    }

    /// True when the object named by the item is the one that is drawn.
    fn is_drawn(&self, object: usize) -> bool {
        let word = self.items[object].means().map(|(_, word)| word);
        self.bindings.negated[object].is_none() && word == self.reading.word(Slot::Object)
    }

    fn is_denied(&self, holder: Option<Holder>) -> bool {
        let Some(Holder::Object(noun) | Holder::Light(noun) | Holder::Fixed(noun)) = holder else {
            return false;
        };
        self.bindings.negated[noun].is_some()
    }

    /// True when the thing has the colour by itself.
    fn is_natural(&self, noun: usize, colour: &str) -> bool {
        let thing = match self.items[noun].means() {
            Some((Topic::Ground, word)) => format!("ground.{word}"),
            Some((Topic::Light, word)) => format!("light.{word}"),
            _ => "sky".to_owned(),
        };
        Dictionary::bundled()
            .natural
            .get(&thing)
            .is_some_and(|colours| colours.iter().any(|own| own == colour))
    }

    /// Which of sun and moon the said time of day has.
    fn light_of_time(&self) -> Option<String> {
        self.reading
            .word(Slot::Time)
            .map(|time| if time == "night" { "moon" } else { "sun" }.to_owned())
    }
}

//! What a prompt leaves open, the seed decides.
//!
//! The model draws most clearly what is said. Where a prompt says nothing, a picture of everything at once would be
//! the average of all answers, so one answer is chosen per seed: another seed, another scene. An object is never
//! added to a prompt that understood words but names none.

use std::collections::BTreeMap;

use super::{Reading, Slot};

const TIMES: [&str; 3] = ["day", "sunset", "night"];
const GROUNDS: [&str; 4] = ["sea", "hills", "desert", "snow"];
const OBJECTS: [&str; 4] = ["house", "tree", "boat", "mountain"];
const COLOURS: [&str; 5] = ["red", "blue", "white", "yellow", "green"];
const PLACES: [&str; 3] = ["left", "middle", "right"];

impl Reading {
    /// This reading with a word in every slot that can be drawn: what was said stays, the rest is chosen by `seed`.
    /// The colours of trees and mountains stay open, because unsaid they are natural.
    #[must_use]
    pub fn completed(&self, seed: u64) -> Self {
        let mut choices = Choices {
            words: self.words.clone(),
            state: seed,
        };
        let empty = self.is_empty();
        let object = choices.fill(Slot::Object, if empty { &OBJECTS } else { &["none"] }, "");
        let light_is = |word: &str| self.word(Slot::Light) == Some(word);
        let times: &[&str] = if light_is("moon") {
            &["night"]
        } else if light_is("sun") {
            &["day", "sunset"]
        } else {
            &TIMES
        };
        let time = choices.fill(Slot::Time, times, "");
        choices.fill(
            Slot::Ground,
            if object == "boat" { &["sea"] } else { &GROUNDS },
            "",
        );
        choices.fill(
            Slot::Light,
            if time == "night" { &["moon"] } else { &["sun"] },
            "",
        );
        choices.fill(Slot::LightPlace, &PLACES, "light-");
        if object != "none" {
            choices.fill(Slot::ObjectPlace, &PLACES, "object-");
        }
        if matches!(object.as_str(), "house" | "boat") {
            choices.fill(Slot::Colour, &COLOURS, "");
        }
        Self {
            words: choices.words,
            ..self.clone()
        }
    }
}

struct Choices {
    words: BTreeMap<Slot, String>,
    state: u64,
}

impl Choices {
    /// The word in the slot, chosen from `options` where none was said. Every call takes one number, so that what is
    /// chosen for one slot does not depend on whether another was said.
    fn fill(&mut self, slot: Slot, options: &[&str], prefix: &str) -> String {
        let number = self.next();
        let word = || format!("{prefix}{}", options[(number % options.len() as u64) as usize]);
        self.words.entry(slot).or_insert_with(word).clone()
    }

    /// SplitMix64 (Steele, Lea and Flood 2014).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Choices;
    use crate::prompt::{Slot, read};

    #[test]
    fn what_was_said_stays_and_the_rest_follows_from_it() {
        for seed in 0..200 {
            let boat = read("um barco vermelho ao luar").completed(seed);
            let said = [
                (Slot::Object, "boat"),
                (Slot::Colour, "red"),
                (Slot::Light, "moon"),
            ];
            let followed = [(Slot::Time, "night"), (Slot::Ground, "sea")];
            for (slot, word) in said.into_iter().chain(followed) {
                assert_eq!(boat.word(slot), Some(word));
            }
            assert!(boat.word(Slot::LightPlace).is_some() && boat.word(Slot::ObjectPlace).is_some());
            let tree = read("árvore").completed(seed);
            assert_eq!(tree.word(Slot::Colour), None);
            let sea = read("mar").completed(seed);
            assert_eq!(sea.word(Slot::Object), Some("none"));
            assert_eq!(
                (sea.word(Slot::ObjectPlace), sea.word(Slot::Colour)),
                (None, None)
            );
            assert_ne!(read("sol").completed(seed).word(Slot::Time), Some("night"));
        }
    }

    #[test]
    fn a_seed_always_chooses_the_same_and_seeds_choose_everything() {
        let scene = |seed| read("gato").completed(seed).summary();
        let scenes: BTreeSet<String> = (0..400).map(scene).collect();
        assert_eq!(scene(9), scene(9));
        assert!(scenes.len() > 100, "{}", scenes.len());
        for word in [
            "day",
            "sunset",
            "night",
            "sea",
            "snow",
            "house",
            "mountain",
            "green",
            "light-left",
            "object-right",
        ] {
            assert!(scenes.iter().any(|scene| scene.contains(word)), "{word}");
        }
    }

    /// The first numbers of the published reference implementation for seed 1234567.
    #[test]
    fn the_generator_is_the_published_one() {
        let mut choices = Choices {
            words: std::collections::BTreeMap::new(),
            state: 1_234_567,
        };
        let numbers = [choices.next(), choices.next(), choices.next()];
        assert_eq!(
            numbers,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }
}

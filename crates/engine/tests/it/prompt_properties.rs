//! What holds for every prompt.

use engine::Starter;
use engine::prompt::{Slot, read, vocabulary};
use proptest::prelude::*;

/// Clauses that each speak of one thing, by what they say; any order of them must read the same.
fn clauses() -> impl Strategy<Value = (Vec<String>, &'static str)> {
    let portuguese = (
        prop::sample::select(vec!["de dia", "pôr do sol", "à noite"]),
        prop::sample::select(vec!["no mar", "nas colinas", "no deserto", "na neve"]),
        prop::sample::select(vec!["esquerda", "direita"]),
        prop::sample::select(vec!["casa", "árvore", "montanha"]),
        prop::sample::select(vec!["vermelha", "azul", "branca", "amarela", "verde"]),
        prop::sample::select(vec!["à esquerda", "no centro", "à direita"]),
        any::<bool>(),
    );
    let portuguese = portuguese.prop_map(|(time, ground, light, object, colour, place, swapped)| {
        let light_name = if time == "à noite" { "lua" } else { "sol" };
        let object = if swapped {
            format!("{place} uma {object} {colour}")
        } else {
            format!("uma {object} {colour} {place}")
        };
        (
            vec![
                time.to_owned(),
                ground.to_owned(),
                format!("{light_name} à {light}"),
                object,
            ],
            ", ",
        )
    });
    let english = (
        prop::sample::select(vec!["by day", "sunset", "at night"]),
        prop::sample::select(vec!["on the sea", "in the hills", "in the desert", "in the snow"]),
        prop::sample::select(vec!["left", "right"]),
        prop::sample::select(vec!["house", "tree", "boat", "mountain"]),
        prop::sample::select(vec!["red", "blue", "white", "yellow", "green"]),
        prop::sample::select(vec!["left", "middle", "right"]),
        any::<bool>(),
    );
    let english = english.prop_map(|(time, ground, light, object, colour, place, swapped)| {
        let light_name = if time == "at night" { "moon" } else { "sun" };
        let object = if swapped {
            format!("on the {place} a {colour} {object}")
        } else {
            format!("a {colour} {object} on the {place}")
        };
        (
            vec![
                time.to_owned(),
                ground.to_owned(),
                format!("{light_name} on the {light}"),
                object,
            ],
            "; ",
        )
    });
    prop_oneof![portuguese, english]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_text_can_be_read(prompt in any::<String>()) {
        check(&prompt);
    }

    /// Texts of words that mean something, of other scripts and of marks that turn or join.
    #[test]
    fn any_mixture_of_known_and_strange_words_can_be_read(
        parts in prop::collection::vec(prop_oneof![
            prop::sample::select(vec![
                "no", "sem", "not", "barco", "red", "azul", "à esquerda", "left of", "do", "e", "and", ",", ";", "sol",
                "night", "sea", "mar", "one", "dois", "⛵", "\u{202e}", "é", "e\u{301}", "İ", "ﬁ", "日本", "ß", "12", "of the", "nem",
            ]).prop_map(str::to_owned),
            "\\PC{0,4}",
        ], 0..14),
        glue in prop::sample::select(vec![" ", "", "-", "\u{200d}", "  \n"]),
    ) {
        check(&parts.join(glue));
    }

    #[test]
    fn the_order_of_clauses_does_not_matter((clauses, glue) in clauses(), order in Just([0, 1, 2, 3]).prop_shuffle()) {
        let written = read(&clauses.join(glue));
        let shuffled: Vec<&str> = order.iter().map(|index| clauses[*index].as_str()).collect();
        let shuffled = read(&shuffled.join(glue));
        prop_assert_eq!(written.summary(), shuffled.summary());
        prop_assert!(written.left_out.is_empty() && shuffled.left_out.is_empty(), "{}", clauses.join(glue));
        for slot in [Slot::Time, Slot::Ground, Slot::Light, Slot::LightPlace, Slot::Object, Slot::Colour, Slot::ObjectPlace] {
            prop_assert!(written.word(slot).is_some(), "{:?} of {}", slot, clauses.join(glue));
        }
    }
}

fn check(prompt: &str) {
    let reading = read(prompt);
    for part in &reading.understood {
        assert!(prompt.contains(&part.said));
    }
    for part in reading
        .unknown
        .iter()
        .chain(reading.left_out.iter().map(|part| &part.said))
    {
        assert!(prompt.contains(part.as_str()));
    }
    // Colour and place of an object are said with an object only: the model has seen nothing else.
    let object = reading.word(Slot::Object).filter(|word| *word != "none");
    if object.is_none() {
        assert!(
            reading.word(Slot::Colour).is_none() && reading.word(Slot::ObjectPlace).is_none(),
            "{prompt:?}"
        );
    }
    let pair = (reading.word(Slot::Time), reading.word(Slot::Light));
    assert!(
        !matches!(
            pair,
            (Some("night"), Some("sun")) | (Some("day" | "sunset"), Some("moon"))
        ),
        "{prompt:?}"
    );
}

/// Every word of the dictionary is one of the model's, and every word of the model has Portuguese and English.
#[test]
fn the_dictionary_and_the_model_know_the_same_words() {
    let starter = Starter::bundled().unwrap();
    let mut said = 0;
    for slot in vocabulary() {
        for word in &slot.words {
            assert!(!word.pt.is_empty() && !word.en.is_empty(), "{word:?}");
            for prompt in [&word.pt[0], &word.en[0]] {
                let phrase = match slot.slot {
                    Slot::Colour if word.pt.contains(prompt) => format!("uma casa {prompt}"),
                    Slot::Colour => format!("a {prompt} house"),
                    Slot::ObjectPlace => format!("casa {prompt}"),
                    _ => prompt.clone(),
                };
                let reading = read(&phrase);
                let expected = if slot.slot == Slot::ObjectPlace {
                    format!("object-{}", word.word)
                } else {
                    word.word.clone()
                };
                assert_eq!(reading.word(slot.slot), Some(expected.as_str()), "{phrase}");
                reading.tokens(starter.config()).unwrap();
            }
            said += if slot.slot == Slot::ObjectPlace { 2 } else { 1 };
        }
    }
    let known: usize = starter.config().slots.iter().map(|slot| slot.words.len()).sum();
    assert_eq!(said, known);
}

//! Prompts as people write them, in both languages, and what must be read from them.

use engine::prompt::{Reason, read};

/// Prompt, the words read from it by slot, and the words that are not known.
type Case = (&'static str, &'static str, &'static [&'static str]);

const PORTUGUESE: &[Case] = &[
    (
        "um barco vermelho no mar ao pôr do sol",
        "time sunset, ground sea, object boat, colour red",
        &[],
    ),
    (
        "barco vermelho à esquerda, sol à direita",
        "light sun, light_place light-right, object boat, colour red, object_place object-left",
        &[],
    ),
    (
        "sol à direita, barco vermelho à esquerda",
        "light sun, light_place light-right, object boat, colour red, object_place object-left",
        &[],
    ),
    (
        "à esquerda um barco vermelho e à direita o sol",
        "light sun, light_place light-right, object boat, colour red, object_place object-left",
        &[],
    ),
    (
        "À esquerda, uma casa; à direita, a lua",
        "light moon, light_place light-right, object house, object_place object-left",
        &[],
    ),
    (
        "uma casa branca na neve à noite com lua cheia",
        "time night, ground snow, light moon, object house, colour white",
        &[],
    ),
    (
        "Casinha amarela nas colinas, de manhã",
        "time day, ground hills, object house, colour yellow",
        &[],
    ),
    (
        "CASA AZUL NO DESERTO",
        "ground desert, object house, colour blue",
        &[],
    ),
    ("duna ao entardecer", "time sunset, ground desert", &[]),
    ("por do sol no oceano", "time sunset, ground sea", &[]),
    ("pôr-do-sol na praia", "time sunset, ground sea", &[]),
    ("noite estrelada no deserto", "time night, ground desert", &[]),
    (
        "uma árvore verde no centro de um campo",
        "ground hills, object tree, colour green, object_place object-middle",
        &[],
    ),
    (
        "arvore no meio do campo ensolarado",
        "time day, ground hills, light sun, object tree, object_place object-middle",
        &[],
    ),
    (
        "montanha azul à direita sob o sol à esquerda",
        "light sun, light_place light-left, object mountain, colour blue, object_place object-right",
        &[],
    ),
    (
        "montanhas nevadas ao amanhecer",
        "time sunset, object mountain",
        &[],
    ),
    ("veleiro de velas brancas", "object boat", &["velas"]),
    ("um veleiro branco", "object boat, colour white", &[]),
    (
        "barquinho amarelo no lago",
        "ground sea, object boat, colour yellow",
        &[],
    ),
    ("barquinhos vermelhos", "object boat, colour red", &[]),
    (
        "casas vermelhas na colina",
        "ground hills, object house, colour red",
        &[],
    ),
    (
        "uma cabana de cor azul na neve",
        "ground snow, object house, colour blue",
        &[],
    ),
    ("a casa é verde", "object house, colour green", &[]),
    (
        "a casa que está à esquerda é verde",
        "object house, colour green, object_place object-left",
        &[],
    ),
    (
        "o sol à esquerda da casa",
        "light sun, light_place light-left, object house, object_place object-right",
        &[],
    ),
    (
        "uma casa à direita do sol",
        "light sun, light_place light-left, object house, object_place object-right",
        &[],
    ),
    (
        "a lua no meio do céu",
        "light moon, light_place light-middle",
        &[],
    ),
    ("mar sem barco", "ground sea, object none", &[]),
    (
        "deserto vazio de dia",
        "time day, ground desert, object none",
        &[],
    ),
    ("campo sem casa nem árvore", "ground hills, object none", &[]),
    ("mar sem casa, com um barco", "ground sea, object boat", &[]),
    ("não quero barcos, só o mar", "ground sea, object none", &[]),
    ("nada de árvores na neve", "ground snow, object none", &[]),
    ("noite sem sol", "time night", &[]),
    ("céu azul e mar calmo", "time day, ground sea", &["calmo"]),
    ("mar azul", "ground sea", &[]),
    ("céu vermelho sobre o mar", "time sunset, ground sea", &[]),
    ("um cachorro na praia", "ground sea", &["cachorro"]),
    ("um cachorro preto e um barco", "object boat", &["cachorro"]),
    ("cachorro vermelho, barco", "object boat", &["cachorro"]),
    ("um belo barco vermelho", "object boat, colour red", &["belo"]),
    ("barco bonito vermelho", "object boat, colour red", &["bonito"]),
    ("casa com telhado azul", "object house", &["telhado"]),
    (
        "cachorro à esquerda, barco à direita",
        "object boat, object_place object-right",
        &["cachorro"],
    ),
    (
        "barco à direita, vermelho",
        "object boat, colour red, object_place object-right",
        &[],
    ),
    (
        "uma casa, amarela, no canto direito, na neve",
        "ground snow, object house, colour yellow, object_place object-right",
        &[],
    ),
    (
        "desenhe a imagem de uma casa azul, por favor",
        "object house, colour blue",
        &[],
    ),
    ("paisagem de inverno", "ground snow", &[]),
    ("mar no inverno", "ground sea", &[]),
    ("floresta", "ground hills, object tree", &[]),
    ("floresta na neve", "ground snow, object tree", &[]),
    ("velejando ao luar", "light moon, object boat", &[]),
    (
        "sol do lado esquerdo e montanha do lado direito",
        "light sun, light_place light-left, object mountain, object_place object-right",
        &[],
    ),
    (
        "pôr do sol à esquerda e barco à direita",
        "time sunset, light_place light-left, object boat, object_place object-right",
        &[],
    ),
    ("meia-noite nas montanhas", "time night, object mountain", &[]),
    ("⛵ 🌊 🌅", "time sunset, ground sea, object boat", &[]),
    (
        "um navio no mar aberto sob a lua",
        "ground sea, light moon, object boat",
        &[],
    ),
    ("estrelas sobre o deserto", "time night, ground desert", &[]),
];

const ENGLISH: &[Case] = &[
    (
        "a red boat on the sea at sunset",
        "time sunset, ground sea, object boat, colour red",
        &[],
    ),
    (
        "red boat on the left, sun on the right",
        "light sun, light_place light-right, object boat, colour red, object_place object-left",
        &[],
    ),
    (
        "the sun on the right and a red boat on the left",
        "light sun, light_place light-right, object boat, colour red, object_place object-left",
        &[],
    ),
    (
        "on the left a beautiful boat",
        "object boat, object_place object-left",
        &["beautiful"],
    ),
    (
        "on the left, a house; on the right, the moon",
        "light moon, light_place light-right, object house, object_place object-left",
        &[],
    ),
    (
        "a white house in the snow at night with a full moon",
        "time night, ground snow, light moon, object house, colour white",
        &[],
    ),
    (
        "yellow cottage in the hills in the morning",
        "time day, ground hills, object house, colour yellow",
        &[],
    ),
    (
        "BLUE HOUSE IN THE DESERT",
        "ground desert, object house, colour blue",
        &[],
    ),
    ("dunes at dusk", "time sunset, ground desert", &[]),
    ("starry night in the desert", "time night, ground desert", &[]),
    (
        "a green tree in the middle of a field",
        "ground hills, object tree, colour green, object_place object-middle",
        &[],
    ),
    (
        "tree in the center of a sunny meadow",
        "time day, ground hills, light sun, object tree, object_place object-middle",
        &[],
    ),
    (
        "a blue mountain on the right under the sun on the left",
        "light sun, light_place light-left, object mountain, colour blue, object_place object-right",
        &[],
    ),
    (
        "snow-capped mountains at sunrise",
        "time sunset, object mountain",
        &[],
    ),
    ("a ship with white sails", "object boat", &["sails"]),
    (
        "white sailboat on a lake",
        "ground sea, object boat, colour white",
        &[],
    ),
    ("red boats", "object boat, colour red", &[]),
    ("the house is green", "object house, colour green", &[]),
    ("a boat painted red", "object boat, colour red", &[]),
    ("a boat in red near a house", "object boat, colour red", &[]),
    (
        "the sun to the left of the house",
        "light sun, light_place light-left, object house, object_place object-right",
        &[],
    ),
    (
        "the moon in the middle of the sky",
        "light moon, light_place light-middle",
        &[],
    ),
    ("sea without a boat", "ground sea, object none", &[]),
    (
        "an empty desert by day",
        "time day, ground desert, object none",
        &[],
    ),
    ("field with no house nor tree", "ground hills, object none", &[]),
    ("no house, just a boat on the sea", "ground sea, object boat", &[]),
    ("no boats on the sea", "ground sea, object none", &[]),
    ("night with no sun", "time night", &[]),
    ("blue sky and calm sea", "time day, ground sea", &["calm"]),
    ("blue sea", "ground sea", &[]),
    ("red sky over the ocean", "time sunset, ground sea", &[]),
    ("a dog on the beach", "ground sea", &["dog"]),
    ("a red dog and a boat", "object boat", &["dog"]),
    ("a shiny red boat", "object boat, colour red", &["shiny"]),
    ("red wooden boat", "object boat, colour red", &["wooden"]),
    ("house with a blue roof", "object house", &["roof"]),
    (
        "dog on the left, boat on the right",
        "object boat, object_place object-right",
        &["dog"],
    ),
    (
        "draw a picture of a blue house, please",
        "object house, colour blue",
        &[],
    ),
    ("winter landscape", "ground snow", &[]),
    ("a forest in the snow", "ground snow, object tree", &[]),
    ("sailing in the moonlight", "light moon, object boat", &[]),
    (
        "a boat, red, on the left",
        "object boat, colour red, object_place object-left",
        &[],
    ),
    (
        "sunset on the left and boat on the right",
        "time sunset, light_place light-left, object boat, object_place object-right",
        &[],
    ),
    ("midnight in the mountains", "time night, object mountain", &[]),
    (
        "a golden house on grassy hills",
        "ground hills, object house, colour yellow",
        &[],
    ),
    ("blue sea red boat", "ground sea, object boat, colour red", &[]),
    (
        "on the sea a red boat",
        "ground sea, object boat, colour red",
        &[],
    ),
    (
        "mar azul barco vermelho",
        "ground sea, object boat, colour red",
        &[],
    ),
    (
        "sol à esquerda barco à direita",
        "light sun, light_place light-left, object boat, object_place object-right",
        &[],
    ),
    (
        "à esquerda sol à direita barco",
        "light sun, light_place light-left, object boat, object_place object-right",
        &[],
    ),
    ("sky blue boat", "object boat, colour blue", &[]),
    ("cat", "", &["cat"]),
];

#[test]
fn every_prompt_of_the_corpus_is_read_as_written_beside_it() {
    assert!(PORTUGUESE.len() + ENGLISH.len() >= 80);
    let mut wrong = Vec::new();
    for (prompt, words, unknown) in PORTUGUESE.iter().chain(ENGLISH) {
        let reading = read(prompt);
        if reading.summary() != *words || reading.unknown != *unknown {
            wrong.push(format!(
                "{prompt}\n  read     {} | {:?}\n  expected {words} | {unknown:?}",
                reading.summary(),
                reading.unknown
            ));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Prompt, the words read from it, and what is left out and why.
type LeftOutCase = (&'static str, &'static str, &'static [(&'static str, Reason)]);

const LEFT_OUT: &[LeftOutCase] = &[
    (
        "dia e noite no mar",
        "time day, ground sea",
        &[("noite", Reason::Contradiction)],
    ),
    (
        "uma casa vermelha e um barco azul",
        "object house, colour red",
        &[
            ("barco", Reason::Contradiction),
            ("azul", Reason::ColourOfNothing),
        ],
    ),
    (
        "a boat and a tree on the right",
        "object boat",
        &[("tree", Reason::Contradiction), ("right", Reason::PlaceOfNothing)],
    ),
    ("sol à noite", "time night", &[("sol", Reason::Contradiction)]),
    ("moon at noon", "time day", &[("moon", Reason::Contradiction)]),
    ("sol e lua", "light sun", &[("lua", Reason::Contradiction)]),
    (
        "barco vermelho e branco",
        "object boat, colour red",
        &[("branco", Reason::Contradiction)],
    ),
    (
        "a red and white boat",
        "object boat, colour red",
        &[("white", Reason::Contradiction)],
    ),
    (
        "mar vermelho",
        "ground sea",
        &[("vermelho", Reason::ColourOfNothing)],
    ),
    ("sol verde", "light sun", &[("verde", Reason::ColourOfNothing)]),
    (
        "mar à esquerda",
        "ground sea",
        &[("à esquerda", Reason::PlaceOfNothing)],
    ),
    ("vermelho", "", &[("vermelho", Reason::ColourOfNothing)]),
    ("on the left", "", &[("left", Reason::PlaceOfNothing)]),
    ("praia sem sol", "ground sea", &[("sem sol", Reason::AlwaysDrawn)]),
    (
        "day without sun",
        "time day",
        &[("without sun", Reason::Contradiction)],
    ),
    (
        "barco sem mar",
        "object boat",
        &[("sem mar", Reason::AlwaysDrawn)],
    ),
    (
        "um barco, sem barco",
        "object boat",
        &[("sem barco", Reason::Contradiction)],
    ),
    (
        "dois barcos pequenos",
        "object boat",
        &[("dois", Reason::NotSteerable), ("pequenos", Reason::NotSteerable)],
    ),
    (
        "3 big houses",
        "object house",
        &[("3", Reason::NotSteerable), ("big", Reason::NotSteerable)],
    ),
    (
        "casa rosa com nuvens",
        "object house",
        &[("rosa", Reason::NotSteerable), ("nuvens", Reason::NotSteerable)],
    ),
    (
        "a casa à esquerda e à direita",
        "object house, object_place object-left",
        &[("à direita", Reason::PlaceOfNothing)],
    ),
];

#[test]
fn what_cannot_be_drawn_is_named_with_its_reason() {
    let mut wrong = Vec::new();
    for (prompt, words, left_out) in LEFT_OUT {
        let reading = read(prompt);
        let found: Vec<_> = reading
            .left_out
            .iter()
            .map(|part| (part.said.as_str(), part.reason))
            .collect();
        if reading.summary() != *words || found != *left_out {
            wrong.push(format!(
                "{prompt}\n  read     {} | {found:?}\n  expected {words} | {left_out:?}",
                reading.summary()
            ));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn understood_parts_are_the_users_own_words_in_their_order() {
    let reading = read("Um  BARQUINHO vermelho, pôr-do-sol à esquerda, sem casa");
    let said: Vec<&str> = reading.understood.iter().map(|part| part.said.as_str()).collect();
    assert_eq!(said, ["BARQUINHO", "vermelho", "pôr-do-sol", "à esquerda"]);
    let reading = read("mar sem  barco");
    assert_eq!(reading.understood.last().unwrap().said, "sem  barco");
}

#[test]
fn a_word_that_is_not_known_is_named_once_and_as_written() {
    assert_eq!(
        read("Gato, gato e GATO com um Pássaro").unknown,
        ["Gato", "Pássaro"]
    );
    assert!(read("").is_without_words());
    assert!(read(" ,;\u{202e}\u{200d} ").is_without_words());
    assert!(!read("de").is_without_words() && read("de").is_empty());
}

#[test]
fn no_debug_text_shows_the_prompt() {
    let reading = read("um barco secreto e dois sóis, sem segredo");
    let shown = format!("{reading:?} {:?} {:?}", reading.understood, reading.left_out);
    for word in ["barco", "secreto", "dois", "segredo"] {
        assert!(!shown.contains(word), "{shown}");
    }
}

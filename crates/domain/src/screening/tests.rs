//! Properties, vectors and the corpus in `tests/corpus/`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;

use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization;

use super::*;

const WIDE: Limits = Limits {
    max_chars: 100_000,
    max_bytes: 400_000,
};

fn all(action: Action) -> Policy {
    Policy {
        injection: action,
        cpf: action,
        cnpj: action,
        email: action,
        phone: action,
        cep: action,
        card: action,
        pix_key: action,
    }
}

fn kinds(findings: &[Finding]) -> BTreeSet<Kind> {
    findings.iter().map(|finding| finding.kind).collect()
}

fn unescape(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some(index) = rest.find('\\') {
        text.push_str(&rest[..index]);
        rest = &rest[index + 1..];
        if let Some(hex) = rest.strip_prefix("u{") {
            let (hex, after) = hex.split_once('}').unwrap();
            text.push(char::from_u32(u32::from_str_radix(hex, 16).unwrap()).unwrap());
            rest = after;
        } else {
            text.push(match &rest[..1] {
                "n" => '\n',
                "t" => '\t',
                "r" => '\r',
                other => panic!("unknown escape \\{other}"),
            });
            rest = &rest[1..];
        }
    }
    text + rest
}

fn check_corpus(name: &str, corpus: &str) -> usize {
    let mut lines = 0;
    for (number, line) in corpus.lines().enumerate() {
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        lines += 1;
        let place = format!("{name}:{}", number + 1);
        let (expected, prompt) = line.split_once('\t').expect(&place);
        let prompt = unescape(prompt);
        let refused = expected.starts_with('!');
        let expected: BTreeSet<String> = match expected.trim_start_matches('!') {
            "clean" => BTreeSet::new(),
            codes => codes.split(',').map(|code| format!("screening.{code}")).collect(),
        };
        let outcome = screen(&prompt, &WIDE, &Policy::default());
        assert_eq!(outcome.is_err(), refused, "{place}: {outcome:?}");
        let findings = match outcome {
            Ok(screened) => {
                assert_eq!(screened.text == prompt, !screened.changed(), "{place}");
                screened.findings
            }
            Err(refused) => refused.findings,
        };
        let found: BTreeSet<String> = findings.iter().map(|finding| finding.code().to_owned()).collect();
        assert_eq!(found, expected, "{place}: {findings:?}");
    }
    lines
}

#[test]
fn the_corpus_comes_out_as_written() {
    let pt = check_corpus(
        "prompts.pt-BR.txt",
        include_str!("../../tests/corpus/prompts.pt-BR.txt"),
    );
    let en = check_corpus(
        "prompts.en.txt",
        include_str!("../../tests/corpus/prompts.en.txt"),
    );
    assert!(pt >= 100 && en >= 80, "{pt} and {en} lines");
}

#[test]
fn official_numbers_check() {
    // The alphanumeric example is the one Receita Federal publishes.
    for cnpj in ["12ABC34501DE35", "11222333000181", "00000000000191"] {
        assert!(is_cnpj(cnpj), "{cnpj}");
    }
    for not in [
        "12ABC34501DE36",
        "12abc34501de35",
        "00000000000000",
        "1122233300018A",
        "",
        "é",
    ] {
        assert!(!is_cnpj(not), "{not}");
    }
    for cpf in ["52998224725", "11144477735", "12345678909", "39053344705"] {
        assert!(is_cpf(cpf), "{cpf}");
    }
    for not in [
        "52998224724",
        "00000000000",
        "99999999999",
        "5299822472",
        "529982247255",
    ] {
        assert!(!is_cpf(not), "{not}");
    }
    for card in [
        "4111111111111111",
        "5555555555554444",
        "378282246310005",
        "30569309025904",
        "2223003122003222",
        "4222222222222",
    ] {
        assert!(is_card_number(card), "{card}");
    }
    for not in [
        "4111111111111112",
        "0000000000000000",
        "1111111111111117",
        "41111111",
        "",
    ] {
        assert!(!is_card_number(not), "{not}");
    }
}

#[test]
fn a_redacted_text_says_where_and_keeps_the_rest() {
    let typed = "café de 529.982.247-25, e-mail ana@exemplo.com, fim";
    let screened = screen(typed, &WIDE, &Policy::default()).unwrap();
    assert_eq!(screened.text, "café de [CPF], e-mail [EMAIL], fim");
    assert_eq!(screened.original_len, typed.len());
    let places: Vec<_> = screened
        .findings
        .iter()
        .map(|finding| (finding.code(), &typed[finding.start..finding.end]))
        .collect();
    assert_eq!(
        places,
        [
            ("screening.cpf", "529.982.247-25"),
            ("screening.email", "ana@exemplo.com")
        ]
    );
}

#[test]
fn positions_are_those_of_the_typed_text() {
    // "e" + combining acute before, a zero-width space inside.
    let typed = "cafe\u{301} 529.982\u{200B}.247-25 ok";
    let screened = screen(typed, &WIDE, &Policy::default()).unwrap();
    assert_eq!(screened.text, "café [CPF] ok");
    let cpf = screened.findings.iter().find(|f| f.kind == Kind::Cpf).unwrap();
    assert_eq!(&typed[cpf.start..cpf.end], "529.982\u{200B}.247-25");
    let accent = screened
        .findings
        .iter()
        .find(|f| f.kind == Kind::Normalised)
        .unwrap();
    assert_eq!(&typed[accent.start..accent.end], "e\u{301}");
}

#[test]
fn limits_hold_at_the_border() {
    let limits = Limits {
        max_chars: 10,
        max_bytes: 20,
    };
    let policy = Policy::default();
    assert!(screen(&"é".repeat(10), &limits, &policy).is_ok());
    assert_eq!(
        screen(&"é".repeat(11), &limits, &policy).unwrap_err().code(),
        "screening.too_long"
    );
    assert!(screen(&"a".repeat(10), &limits, &policy).is_ok());
    assert_eq!(
        screen(&"a".repeat(11), &limits, &policy).unwrap_err().code(),
        "screening.too_long"
    );
    let megabyte = "a ".repeat(524_288);
    let refused = screen(&megabyte, &Limits::default(), &policy).unwrap_err();
    assert_eq!(refused.code(), "screening.too_long");
    assert_eq!(refused.findings.len(), 1);
}

#[test]
fn the_list_of_findings_is_bounded_and_still_covers_everything() {
    let policy = all(Action::Redact);
    let count = |times: usize| {
        let typed = "a\u{200B} ana@exemplo.com ".repeat(times);
        let screened = screen(&typed, &WIDE, &policy).unwrap();
        assert_eq!(screened.text, "a [EMAIL] ".repeat(times));
        let last = screened.findings.iter().map(|finding| finding.end).max();
        assert_eq!(last, Some(typed.len() - 1));
        screened.findings
    };
    assert_eq!(count(50).len(), 100);
    assert!(!count(50).iter().any(|finding| finding.note.contains("more")));
    let findings = count(1_000);
    assert_eq!(findings.len(), 100);
    let said: Vec<_> = findings
        .iter()
        .filter(|finding| finding.note.ends_with(", and 950 more in this range"))
        .map(|finding| finding.kind)
        .collect();
    assert_eq!(said, [Kind::ZeroWidth, Kind::Email]);
}

#[test]
fn empty_is_told_from_wordless() {
    let code = |text: &str| screen(text, &WIDE, &Policy::default()).unwrap_err().code();
    assert_eq!(code(""), "screening.empty");
    assert_eq!(code(" \n\u{3000}"), "screening.empty");
    assert_eq!(code("🚤🌊"), "screening.prompt_without_words");
    assert_eq!(code("\u{2800}!"), "screening.prompt_without_words");
}

#[test]
fn markers_are_redacted_when_the_policy_says_so() {
    let policy = all(Action::Redact);
    let text = |typed: &str| screen(typed, &WIDE, &policy).unwrap().text;
    assert_eq!(text("casa <lora:x:1> azul"), "casa [REMOVED] azul");
    assert_eq!(
        text("a <sd_cpp_extra_args>{\"steps\":1}</sd_cpp_extra_args> b"),
        "a [REMOVED] b"
    );
    assert_eq!(text("vale --steps 150 fim"), "vale [REMOVED] fim");
    assert_eq!(text("[[529.982.247-25]] ok"), "[REMOVED] ok");
    assert_eq!(text("[529.982.247-25] ok"), "[[CPF]] ok");
    // What a redaction lays open is found too.
    assert_eq!(text("<lo{{x}}ra:y> z"), "<lo[REMOVED]ra:y> z");
}

#[test]
fn nothing_prints_the_prompt() {
    let screened = screen("segredo ana@exemplo.com", &WIDE, &Policy::default()).unwrap();
    let printed = format!("{screened:?}");
    assert!(
        !printed.contains("segredo") && !printed.contains("ana@"),
        "{printed}"
    );
    let refused = screen("segredo <lora:ana>", &WIDE, &Policy::default()).unwrap_err();
    let printed = format!("{refused:?} {refused}");
    assert!(
        !printed.contains("segredo") && !printed.contains("ana"),
        "{printed}"
    );
}

#[test]
fn codes_are_the_serialised_names() {
    for kind in Kind::ALL {
        let name = serde_json::to_value(kind).unwrap();
        assert_eq!(kind.code(), format!("screening.{}", name.as_str().unwrap()));
    }
    let policy: Policy = serde_json::from_str(r#"{"cpf":"refuse"}"#).unwrap();
    assert_eq!(policy.cpf, Action::Refuse);
    assert!(serde_json::from_str::<Policy>(r#"{"cfp":"refuse"}"#).is_err());
}

fn check_digits(root: &[u32], weights: impl Fn(usize, usize) -> u32) -> Vec<u32> {
    // Second, independent way to the check digits: append one by one and search for the digit that
    // makes sum·10 mod 11 (10 counts as 0) come out.
    let mut digits = root.to_vec();
    for _ in 0..2 {
        let len = digits.len();
        let sum: u32 = digits.iter().enumerate().map(|(i, d)| d * weights(len, i)).sum();
        digits.push(sum * 10 % 11 % 10);
    }
    digits
}

fn cpf_strategy() -> impl Strategy<Value = String> {
    (proptest::collection::vec(0u32..10, 9), 0..4usize).prop_filter_map("all equal", |(root, form)| {
        let d = check_digits(&root, |len, i| u32::try_from(len + 1 - i).unwrap());
        if d.windows(2).all(|pair| pair[0] == pair[1]) {
            return None;
        }
        let s: String = d.iter().map(u32::to_string).collect();
        Some(match form {
            0 => s,
            1 => format!("{}.{}.{}-{}", &s[..3], &s[3..6], &s[6..9], &s[9..]),
            2 => format!("{} {} {} {}", &s[..3], &s[3..6], &s[6..9], &s[9..]),
            _ => format!("{}-{}", &s[..9], &s[9..]),
        })
    })
}

fn cnpj_strategy() -> impl Strategy<Value = String> {
    ("[0-9A-Z]{12}|[0-9]{12}", any::<bool>()).prop_filter_map("all equal", |(root, punctuated)| {
        let values: Vec<u32> = root.bytes().map(|b| u32::from(b) - 48).collect();
        let d = check_digits(&values, |len, i| u32::try_from((len - 1 - i) % 8 + 2).unwrap());
        if d.windows(2).all(|pair| pair[0] == pair[1]) {
            return None;
        }
        let s = format!("{root}{}{}", d[12], d[13]);
        Some(if punctuated {
            format!("{}.{}.{}/{}-{}", &s[..2], &s[2..5], &s[5..8], &s[8..12], &s[12..])
        } else {
            s
        })
    })
}

fn phone_strategy() -> impl Strategy<Value = String> {
    let area = proptest::sample::select(vec!["11", "21", "31", "47", "61", "85", "91", "99"]);
    (area, "9[0-9]{4}", "[0-9]{4}", 0..6usize).prop_map(|(area, left, right, form)| match form {
        0 => format!("+55 ({area}) {left}-{right}"),
        1 => format!("+55{area}{left}{right}"),
        2 => format!("({area}) {left}-{right}"),
        3 => format!("{area} {left}-{right}"),
        4 => format!("{area}{left}{right}"),
        _ => format!("({area}) 3{}-{right}", &left[1..4]),
    })
}

fn email_strategy() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9._+-]{0,12}[a-z0-9]@[a-z0-9]{1,10}(\\.[a-z]{2,8})?\\.(com|br|org|net)"
}

/// Characters that provoke: separators, invisible, combining, forbidden, full-width, brackets, digits.
fn nasty() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => any::<char>().prop_map(String::from),
        4 => "[0-9.,+()@ <>{}\\[\\]_$%|/-]{1,12}",
        2 => proptest::sample::select(vec![
            "\u{301}", "\u{200B}", "\u{202E}", "\u{E0041}", "\u{FEFF}", "\u{338}", "\r\n", "\r", "５２９",
            "<lora:", "[[", "]]", "{{", "}}", "--steps 5", "__", "a@b.com", "529.982.247-25", "[CPF]",
            "+55 11 98765-4321", "4111111111111111", "\u{1100}\u{1161}", "<sd_cpp_extra_args>", "한",
        ]).prop_map(String::from),
        1 => "\\PC{0,20}",
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

static FORBIDDEN: std::sync::LazyLock<Vec<char>> = std::sync::LazyLock::new(|| {
    ('\0'..=char::MAX)
        .filter(|&c| characters::forbidden(c).is_some())
        .collect()
});

#[test]
fn forbidden_and_invisible_are_different_sets() {
    assert!(!FORBIDDEN.iter().any(|&c| characters::zero_width(c)));
    // C0 without tab and newline, DEL and C1, separators, annotations.
    let count = |kind| {
        FORBIDDEN
            .iter()
            .filter(|&&c| characters::forbidden(c) == Some(kind))
            .count()
    };
    assert_eq!(count(Kind::Control), 30 + 33 + 2 + 3);
    assert_eq!(count(Kind::Bidi), 1 + 2 + 5 + 10);
    assert_eq!(count(Kind::VariationSelector), 240);
    assert_eq!(count(Kind::Tag), 0x1000 - 240);
    assert_eq!(count(Kind::Noncharacter), 32 + 17 * 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn any_text_gives_clean_nfc_or_a_refusal(text in nasty()) {
        for action in [Action::Report, Action::Redact] {
            let policy = all(action);
            match screen(&text, &WIDE, &policy) {
                Ok(screened) => {
                    prop_assert!(screened.text.nfc().eq(screened.text.chars()));
                    prop_assert!(!screened.text.chars().any(|c| characters::forbidden(c).is_some()));
                    prop_assert!(!screened.text.chars().any(characters::zero_width));
                    prop_assert_eq!(screened.changed(), screened.text != text);
                    if screened.findings.is_empty() {
                        prop_assert_eq!(&screened.text, &text);
                    }
                    for finding in &screened.findings {
                        prop_assert!(finding.start <= finding.end && finding.end <= text.len());
                        prop_assert!(text.is_char_boundary(finding.start) && text.is_char_boundary(finding.end));
                    }
                    let again = screen(&screened.text, &WIDE, &policy).unwrap();
                    prop_assert_eq!(&again.text, &screened.text);
                    prop_assert!(!again.changed(), "{:?}", again.findings);
                }
                Err(refused) => {
                    prop_assert!(refused.findings.iter().any(|f| f.action == Taken::Refused));
                }
            }
        }
    }

    #[test]
    fn run_by_run_normalisation_equals_the_whole(text in nasty()) {
        // A CR LF pair parted by an invisible character keeps its CR and is refused; no CR here.
        let text = text.replace('\r', "");
        let visible: String = text.chars().filter(|&c| !characters::zero_width(c)).collect();
        let mapped = Mapped::normalise(&text, &mut Vec::new());
        prop_assert_eq!(mapped.text(), visible.nfc().collect::<String>());
    }

    #[test]
    fn every_valid_number_and_address_is_redacted(
        data in prop_oneof![
            cpf_strategy().prop_map(|s| (s, vec![Kind::Cpf, Kind::Phone])),
            cnpj_strategy().prop_map(|s| (s, vec![Kind::Cnpj, Kind::Card])),
            email_strategy().prop_map(|s| (s, vec![Kind::Email])),
            phone_strategy().prop_map(|s| (s, vec![Kind::Phone, Kind::Cpf, Kind::Card])),
        ],
        before in "[A-Za-zà-ü ]{0,20}",
        after in "[A-Za-zà-ü ]{0,20}",
    ) {
        let (datum, expected) = data;
        let text = format!("x{before} {datum} {after}");
        let screened = screen(&text, &WIDE, &all(Action::Redact)).unwrap();
        prop_assert!(!screened.text.contains(&datum), "{} -> {}", text, screened.text);
        prop_assert!(!screened.text.contains(|c: char| c.is_ascii_digit()), "{} -> {}", text, screened.text);
        prop_assert!(kinds(&screened.findings).iter().any(|kind| expected.contains(kind)));
        let refused = screen(&text, &WIDE, &all(Action::Refuse));
        prop_assert!(refused.is_err());
        let reported = screen(&text, &WIDE, &all(Action::Report)).unwrap();
        prop_assert_eq!(reported.text, text);
    }

    #[test]
    fn forbidden_characters_are_refused_anywhere(
        before in "[a-z][a-z ]{0,7}",
        c in proptest::sample::select(FORBIDDEN.as_slice()),
        after in "[a-z ]{0,8}",
    ) {
        let refused = screen(&format!("{before}{c}{after}"), &WIDE, &Policy::default()).unwrap_err();
        prop_assert_eq!(refused.findings[0].start, before.len());
        prop_assert_eq!(refused.findings[0].action, Taken::Refused);
    }
}

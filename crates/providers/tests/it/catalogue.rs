//! Every fault has its text in both languages.

use std::collections::BTreeMap;

#[test]
fn every_code_has_a_text_in_both_catalogues() {
    for language in ["pt-BR", "en"] {
        let path = format!("{}/../../locales/{language}.json", env!("CARGO_MANIFEST_DIR"));
        let texts: BTreeMap<String, String> =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        for code in providers::fault_codes() {
            let text = texts.get(&format!("error.{code}"));
            assert!(
                text.is_some_and(|text| !text.is_empty()),
                "error.{code} has no text in {language}"
            );
        }
    }
}

//! The page of the book that lists the settings holds exactly those there are.

use std::fs;
use std::path::Path;

use studio::config::{Origin, schema};

use crate::config::read;

/// One row per setting: name, variable, default, meaning. The page of the book holds exactly this.
fn table() -> String {
    let schema = schema();
    let mut table = String::from("| Setting | Default | Meaning |\n|---|---|---|\n");
    let chosen = "[oidc.chosen]\nissuer = \"https://id.example\"\nclient_id = \"studio\"\n\
                  [server]\npublic_url = \"https://studio.example\"\n";
    for setting in read(chosen, &[]).unwrap().settings {
        let mut node = &schema;
        for word in setting.key.split('.') {
            if let Some(pointer) = node["$ref"].as_str() {
                node = schema.pointer(pointer.trim_start_matches('#')).unwrap();
            }
            node = match &node["properties"][word] {
                serde_json::Value::Null => &node["additionalProperties"],
                property => property,
            };
        }
        let meaning = node["description"]
            .as_str()
            .expect(&setting.key)
            .replace('\n', " ");
        let secret = if node["writeOnly"] == true {
            " *Secret.*"
        } else {
            ""
        };
        let key = setting.key.replace("oidc.chosen.", "oidc.NAME.");
        let shown = if setting.shown == "(not set)" || key == "server.public_url" {
            "not set".to_owned()
        } else if setting.origin != Origin::Default {
            "required".to_owned()
        } else {
            format!("`{}`", setting.shown)
        };
        table.push_str(&format!("| `{key}` | {shown} | {meaning}{secret} |\n"));
    }
    table
}

#[test]
fn the_book_lists_every_setting() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/src/configuration.md");
    let text = fs::read_to_string(page).unwrap();
    let (_, rest) = text.split_once("<!-- settings").unwrap();
    let (_, rest) = rest.split_once("-->\n").unwrap();
    let (found, _) = rest.split_once("<!-- end of settings -->").unwrap();
    let expected = table();
    if found.trim() != expected.trim() {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("settings.md");
        fs::write(&file, &expected).unwrap();
        panic!(
            "docs/src/configuration.md is behind; put {} between its marks",
            file.display()
        );
    }
}

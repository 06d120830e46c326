//! The keys that exist, read from the schema: their kinds, bounds and whether they are secret.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;
use toml::Value;

use super::schema;

/// What a value must look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Integer {
        least: i64,
        most: i64,
    },
    Boolean,
    Choice(Vec<String>),
    TextList,
    /// A list of some of these words.
    ChoiceList(Vec<String>),
    /// Name to one of these words.
    ChoiceMap(Vec<String>),
}

/// One setting.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) kind: Kind,
    pub(super) secret: bool,
    /// What holds when it is not set, for keys of sections that are not in the defaults.
    pub(super) default: Option<Value>,
}

/// Stands in a path for a name that the operator chooses, as in `oidc.*.issuer`.
const CHOSEN: &str = "*";
/// The longest such name.
const MAX_CHOSEN: usize = 32;

/// Every key by its dotted path, and every section. Where the operator chooses a name, a path has `*`.
#[derive(Debug, Default)]
pub(super) struct Keys {
    keys: BTreeMap<String, Key>,
    sections: BTreeSet<String>,
}

impl Keys {
    /// The keys of the configuration structs.
    pub(super) fn known() -> Self {
        let root = schema::of_the_structs();
        let mut keys = Self::default();
        keys.read(&root, &root, "");
        keys
    }

    pub(super) fn get(&self, path: &str) -> Option<&Key> {
        let known = self.keys.get(path).filter(|_| !path.contains(CHOSEN));
        known.or_else(|| self.keys.get(&self.pattern(path)?.0))
    }

    pub(super) fn is_section(&self, path: &str) -> bool {
        (self.sections.contains(path) && !path.contains(CHOSEN))
            || self
                .pattern(path)
                .is_some_and(|(pattern, _)| self.sections.contains(&pattern))
    }

    /// `oidc.*.issuer` and `oidc.main` for `oidc.main.issuer`, where the name may be chosen.
    fn pattern(&self, path: &str) -> Option<(String, String)> {
        let mut words = path.split('.');
        let (section, chosen) = (words.next()?, words.next()?);
        if !is_chosen_name(chosen) || !self.sections.contains(&format!("{section}.{CHOSEN}")) {
            return None;
        }
        let rest: String = words.flat_map(|word| [".", word]).collect();
        Some((format!("{section}.{CHOSEN}{rest}"), format!("{section}.{chosen}")))
    }

    /// Every key; those with a chosen name once for each name among `set`.
    pub(super) fn paths<'a>(&self, set: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
        let chosen: BTreeSet<String> = set.filter_map(|path| Some(self.pattern(path)?.1)).collect();
        let mut paths = BTreeSet::new();
        for key in self.keys.keys() {
            match key.split_once(&format!(".{CHOSEN}.")) {
                None => {
                    paths.insert(key.clone());
                }
                Some((section, rest)) => paths.extend(
                    chosen
                        .iter()
                        .filter(|name| name.split('.').next() == Some(section))
                        .map(|name| format!("{name}.{rest}")),
                ),
            }
        }
        paths
    }

    /// Sections that are always there, outer ones first.
    pub(super) fn sections(&self) -> impl Iterator<Item = &str> {
        self.sections
            .iter()
            .map(String::as_str)
            .filter(|section| !section.is_empty() && !section.contains(CHOSEN))
    }

    /// Keys, sections and the `…_file` form of secrets: what the unknown name `path` may have meant.
    pub(super) fn names(&self, path: &str) -> Vec<String> {
        let mut words = path.split('.');
        let section = words.next().unwrap_or_default();
        let is_open = self.sections.contains(&format!("{section}.{CHOSEN}"));
        let chosen = words.next().filter(|name| is_open && is_chosen_name(name));
        let chosen = chosen.unwrap_or("name");
        let files = self
            .keys
            .iter()
            .filter(|(_, key)| key.secret)
            .map(|(path, _)| format!("{path}_file"));
        self.keys
            .keys()
            .cloned()
            .chain(files)
            .chain(
                self.sections
                    .iter()
                    .filter(|section| !section.is_empty())
                    .cloned(),
            )
            .map(|name| name.replace(CHOSEN, chosen))
            .collect()
    }

    /// The secret that `path` gives as a file: `providers.luma.api_key` for `providers.luma.api_key_file`.
    pub(super) fn secret_of_file<'p>(&self, path: &'p str) -> Option<&'p str> {
        path.strip_suffix("_file")
            .filter(|plain| self.get(plain).is_some_and(|key| key.secret))
    }

    fn read(&mut self, root: &Json, node: &Json, path: &str) {
        let default = node.get("default").filter(|value| !value.is_null());
        let node = resolve(root, node);
        match node.get("properties").and_then(Json::as_object) {
            Some(properties) => {
                self.sections.insert(path.to_owned());
                for (name, property) in properties {
                    let inner = if path.is_empty() {
                        name.clone()
                    } else {
                        format!("{path}.{name}")
                    };
                    self.read(root, property, &inner);
                }
            }
            None => {
                let inner = node.get("additionalProperties").map(|inner| resolve(root, inner));
                if let Some(inner) = inner.filter(|inner| inner.get("properties").is_some()) {
                    self.sections.insert(path.to_owned());
                    self.read(root, inner, &format!("{path}.{CHOSEN}"));
                    return;
                }
                let key = Key {
                    kind: kind(root, node),
                    secret: schema::is_secret(node),
                    default: default.and_then(|value| Value::try_from(value).ok()),
                };
                self.keys.insert(path.to_owned(), key);
            }
        }
    }
}

/// Whether an operator may choose this name: it stands in addresses and in names of variables.
fn is_chosen_name(name: &str) -> bool {
    name.len() <= MAX_CHOSEN
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// Follows `$ref` and the wrapping that an optional value has.
fn resolve<'a>(root: &'a Json, node: &'a Json) -> &'a Json {
    if let Some(pointer) = node.get("$ref").and_then(Json::as_str) {
        return root
            .pointer(pointer.trim_start_matches('#'))
            .map_or(node, |inner| resolve(root, inner));
    }
    let inner = node
        .get("anyOf")
        .and_then(Json::as_array)
        .and_then(|forms| forms.first());
    inner.map_or(node, |inner| resolve(root, inner))
}

fn kind(root: &Json, node: &Json) -> Kind {
    if let Some(words) = choices(node) {
        return Kind::Choice(words);
    }
    let of_type = node.get("type");
    let name = of_type
        .and_then(|t| t.as_str().or_else(|| t.get(0).and_then(Json::as_str)))
        .unwrap_or("string");
    match name {
        "boolean" => Kind::Boolean,
        "integer" => Kind::Integer {
            least: node.get("minimum").and_then(Json::as_i64).unwrap_or(0),
            most: node.get("maximum").and_then(Json::as_i64).unwrap_or(i64::MAX),
        },
        "array" => {
            let words = node
                .get("items")
                .map(|inner| resolve(root, inner))
                .and_then(choices);
            words.map_or(Kind::TextList, Kind::ChoiceList)
        }
        "object" => {
            let words = node
                .get("additionalProperties")
                .map(|inner| resolve(root, inner))
                .and_then(choices);
            Kind::ChoiceMap(words.unwrap_or_default())
        }
        _ => Kind::Text,
    }
}

/// The words of an enumeration, written as `enum` or as `oneOf` of constants.
fn choices(node: &Json) -> Option<Vec<String>> {
    let text = |value: &Json| value.as_str().map(str::to_owned);
    if let Some(words) = node.get("enum").and_then(Json::as_array) {
        return Some(words.iter().filter_map(text).collect());
    }
    let forms = node.get("oneOf")?.as_array()?;
    Some(
        forms
            .iter()
            .filter_map(|form| form.get("const").and_then(text))
            .collect(),
    )
}

impl Kind {
    /// The value when it is of this kind, else what was expected.
    pub(super) fn check(&self, value: &Value) -> Result<(), String> {
        let good = match (self, value) {
            (Self::Text, Value::String(_)) | (Self::Boolean, Value::Boolean(_)) => true,
            (Self::Integer { least, most }, Value::Integer(number)) => (least..=most).contains(&number),
            (Self::Choice(words), Value::String(word)) => words.contains(word),
            (Self::TextList, Value::Array(items)) => items.iter().all(Value::is_str),
            (Self::ChoiceList(words), Value::Array(items)) => items.iter().all(|item| {
                item.as_str()
                    .is_some_and(|word| words.iter().any(|known| known == word))
            }),
            (Self::ChoiceMap(words), Value::Table(table)) => table.values().all(|value| {
                value
                    .as_str()
                    .is_some_and(|word| words.iter().any(|known| known == word))
            }),
            _ => false,
        };
        if good { Ok(()) } else { Err(self.expected()) }
    }

    /// Reads a value of this kind from the text of a variable or flag.
    pub(super) fn of_text(&self, text: &str) -> Result<Value, String> {
        let expected = || self.expected();
        let value = match self {
            Self::Text | Self::Choice(_) => Value::String(text.to_owned()),
            Self::Integer { .. } => Value::Integer(text.trim().parse().map_err(|_| expected())?),
            Self::Boolean => Value::Boolean(text.trim().parse().map_err(|_| expected())?),
            Self::TextList | Self::ChoiceList(_) => {
                Value::Array(list(text).map(|item| Value::String(item.to_owned())).collect())
            }
            Self::ChoiceMap(_) => {
                let pairs = list(text).map(|pair| pair.split_once('=').ok_or_else(expected));
                let table: Result<toml::Table, String> = pairs
                    .map(|pair| {
                        pair.map(|(name, word)| {
                            (name.trim().to_owned(), Value::String(word.trim().to_owned()))
                        })
                    })
                    .collect();
                Value::Table(table?)
            }
        };
        self.check(&value).map(|()| value)
    }

    fn expected(&self) -> String {
        match self {
            Self::Text => "a text is expected".to_owned(),
            Self::Integer {
                least,
                most: i64::MAX,
            } => format!("a whole number from {least} is expected"),
            Self::Integer { least, most } => format!("a whole number from {least} to {most} is expected"),
            Self::Boolean => "true or false is expected".to_owned(),
            Self::Choice(words) => format!("one of {} is expected", words.join(", ")),
            Self::TextList => "a list of texts is expected".to_owned(),
            Self::ChoiceList(words) => format!("a list of {} is expected", words.join(", ")),
            Self::ChoiceMap(words) => format!("pairs of a name and one of {} are expected", words.join(", ")),
        }
    }
}

/// Items separated by commas; blanks around them do not count.
fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_gives_every_kind() {
        let keys = Keys::known();
        let kind = |path: &str| keys.get(path).unwrap().kind.clone();
        assert_eq!(kind("server.listen"), Kind::Text);
        assert_eq!(kind("server.public_url"), Kind::Text);
        assert_eq!(
            kind("server.drain_seconds"),
            Kind::Integer { least: 0, most: 600 }
        );
        assert_eq!(kind("log.daily"), Kind::Boolean);
        assert_eq!(
            kind("log.format"),
            Kind::Choice(vec!["json".into(), "pretty".into()])
        );
        assert_eq!(kind("outbound.allow"), Kind::TextList);
        assert!(matches!(kind("log.targets"), Kind::ChoiceMap(words) if words.contains(&"debug".into())));
        assert_eq!(
            kind("screening.cpf"),
            Kind::Choice(vec!["report".into(), "redact".into(), "refuse".into()])
        );
        assert!(
            matches!(kind("oidc.main.role_map"), Kind::ChoiceMap(words) if words.contains(&"admin".into()))
        );
        assert!(matches!(kind("oidc.main.algorithms"), Kind::ChoiceList(words) if words.len() == 4));
        let secret: Vec<String> = keys
            .paths(["oidc.main.issuer"].into_iter())
            .into_iter()
            .filter(|path| keys.get(path).unwrap().secret)
            .collect();
        assert_eq!(
            secret,
            [
                "auth.pepper",
                "client.api_key",
                "database.url",
                "mail.url",
                "metrics.token",
                "oidc.main.client_secret",
                "providers.luma.api_key",
                "providers.luma_dream_machine.api_key"
            ]
        );
        assert!(keys.is_section("providers.luma") && !keys.is_section("log.targets"));
    }

    #[test]
    fn an_operator_chooses_names_that_fit_addresses_and_variables() {
        let keys = Keys::known();
        assert!(keys.is_section("oidc") && keys.is_section("oidc.a1_b") && !keys.is_section("oidc.a.issuer"));
        for bad in ["*", "A", "1a", "a-b", "", "a b", &"a".repeat(33)] {
            assert!(!keys.is_section(&format!("oidc.{bad}")), "{bad}");
            assert!(keys.get(&format!("oidc.{bad}.issuer")).is_none(), "{bad}");
        }
        assert_eq!(
            keys.secret_of_file("oidc.main.client_secret_file"),
            Some("oidc.main.client_secret")
        );
        assert!(
            keys.paths(std::iter::empty())
                .iter()
                .all(|path| !path.starts_with("oidc"))
        );
    }

    #[test]
    fn text_becomes_a_value_or_an_explanation() {
        let number = Kind::Integer { least: 1, most: 9 };
        assert_eq!(number.of_text(" 7 "), Ok(Value::Integer(7)));
        for bad in ["0", "10", "x", ""] {
            assert_eq!(
                number.of_text(bad),
                Err("a whole number from 1 to 9 is expected".to_owned())
            );
        }
        let map = Kind::ChoiceMap(vec!["info".into(), "debug".into()]);
        assert!(map.of_text("a::b=debug, c=info").is_ok());
        assert!(map.of_text("a::b").is_err() && map.of_text("a=loud").is_err());
        assert_eq!(Kind::TextList.of_text("").unwrap(), Value::Array(vec![]));
    }
}

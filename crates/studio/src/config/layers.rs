//! Puts the layers on top of each other: defaults, file, environment, flags.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use toml::Value;
use toml::de::{DeTable, DeValue};

use super::environment::{Environment, PREFIX};
use super::error::ConfigError;
use super::keys::{Key, Keys};
use super::nearest::nearest;
use super::origin::Origin;
use super::rules;
use super::sections::Config;

/// Largest secret file that is read, in bytes.
const MAX_SECRET_BYTES: u64 = 65_536;
/// Largest configuration file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1_048_576;
/// Name of the file that is looked for when none is named.
const FILE_NAME: &str = "studio.toml";

/// Where settings come from.
#[derive(Debug, Clone)]
pub struct Sources {
    /// The file of `--config`; it must exist.
    pub file: Option<PathBuf>,
    /// Where `studio.toml` is looked for first when no file is named.
    pub working_dir: PathBuf,
    /// The environment.
    pub environment: Environment,
    /// Flags of the command that stand for settings.
    pub flags: Vec<Flag>,
}

/// A flag that sets one setting.
#[derive(Debug, Clone)]
pub struct Flag {
    /// As the user wrote it, for example `--listen`.
    pub name: &'static str,
    /// Dotted path of the setting.
    pub key: &'static str,
    /// The value as text.
    pub value: String,
}

/// The configuration and the story of each value.
#[derive(Debug)]
pub struct Loaded {
    /// What the rest of the program uses.
    pub config: Config,
    /// Every effective setting in alphabetical order, secrets hidden.
    pub settings: Vec<Setting>,
    /// What should be put right though it works.
    pub warnings: Vec<Warning>,
}

/// One effective setting as it may be shown.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Dotted path.
    pub key: String,
    /// The value in TOML, `(set)` for a secret, `(not set)` where there is none.
    pub shown: String,
    /// The place that decided it.
    pub origin: Origin,
}

/// Something that works and should be put right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} can be read by other users: chmod 600 {}", path.display(), path.display())]
pub struct Warning {
    /// A file that holds a secret and is open to others.
    pub path: PathBuf,
}

type Layer = BTreeMap<String, (Value, Origin)>;

/// Reads every layer and makes the configuration.
///
/// # Errors
/// [`ConfigError`] names the first thing that is wrong, and where it stands.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
    let mut reader = Reader {
        keys: Keys::known(),
        warnings: Vec::new(),
    };
    let mut merged = reader.defaults()?;
    if let Some(path) = file_to_read(sources) {
        merged.extend(reader.file(&path)?);
    }
    merged.extend(reader.environment(&sources.environment)?);
    merged.extend(reader.flags(&sources.flags)?);
    let settings = shown(&reader.keys, &merged);
    Ok(Loaded {
        config: typed(&reader.keys, merged)?,
        settings,
        warnings: reader.warnings,
    })
}

fn file_to_read(sources: &Sources) -> Option<PathBuf> {
    let here = sources.working_dir.join(FILE_NAME);
    let at_home = sources.environment.home().map(|home| home.join(FILE_NAME));
    sources
        .file
        .clone()
        .or_else(|| Some(here).filter(|path| path.exists()))
        .or(at_home.filter(|path| path.exists()))
}

struct Reader {
    keys: Keys,
    warnings: Vec<Warning>,
}

impl Reader {
    fn defaults(&mut self) -> Result<Layer, ConfigError> {
        let layer = self.toml(super::DEFAULT_TOML, Path::new("default.toml"))?;
        Ok(layer
            .into_iter()
            .map(|(key, (value, _))| (key, (value, Origin::Default)))
            .collect())
    }

    fn file(&mut self, path: &Path) -> Result<Layer, ConfigError> {
        let unreadable = |reason| ConfigError::FileUnreadable {
            path: path.to_owned(),
            reason,
        };
        let meta = std::fs::metadata(path).map_err(unreadable)?;
        if meta.len() > MAX_FILE_BYTES {
            return Err(unreadable(std::io::Error::other("it is larger than 1 MiB")));
        }
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let layer = self.toml(&text, path)?;
        let holds_secret = |(key, (_, origin)): (&String, &(Value, Origin))| {
            matches!(origin, Origin::File { .. }) && self.keys.get(key).is_some_and(|key| key.secret)
        };
        if layer.iter().any(holds_secret) {
            self.warn_when_open(path, &meta);
        }
        Ok(layer)
    }

    fn toml(&mut self, text: &str, path: &Path) -> Result<Layer, ConfigError> {
        let table = DeTable::parse(text).map_err(|error| ConfigError::Syntax {
            path: path.to_owned(),
            line: error.span().map_or(1, |span| line_of(text, span.start)),
            message: error.message().to_owned(),
        })?;
        let mut layer = Layer::new();
        self.walk(table.get_ref(), "", text, path, &mut layer)?;
        Ok(layer)
    }

    fn walk(
        &mut self,
        table: &DeTable<'_>,
        section: &str,
        text: &str,
        path: &Path,
        layer: &mut Layer,
    ) -> Result<(), ConfigError> {
        for (name, value) in table {
            let place = Origin::File {
                path: path.to_owned(),
                line: line_of(text, name.span().start),
            };
            // Providers may be written with a hyphen, as in their own names.
            let name = name.get_ref().replace('-', "_");
            let key = if section.is_empty() {
                name
            } else {
                format!("{section}.{name}")
            };
            if let (true, DeValue::Table(inner)) = (self.keys.is_section(&key), value.get_ref()) {
                self.walk(inner, &key, text, path, layer)?;
                continue;
            }
            if self.keys.is_section(&key) {
                return Err(ConfigError::WrongValue {
                    place,
                    key,
                    expected: "a table is expected".to_owned(),
                });
            }
            let value = value.get_ref();
            if let Some(secret) = self.keys.secret_of_file(&key) {
                let DeValue::String(file) = value else {
                    return Err(ConfigError::WrongValue {
                        place,
                        key,
                        expected: "a path is expected".to_owned(),
                    });
                };
                let file = path.parent().unwrap_or(Path::new("")).join(file.as_ref());
                let found = self.secret_file(&file, place)?;
                put(layer, secret, found)?;
                continue;
            }
            let known = self
                .keys
                .get(&key)
                .ok_or_else(|| self.unknown(&place, &key, &key, str::to_owned))?;
            let value = known.value(&to_value(value), &place, &key)?;
            put(layer, &key, (value, place))?;
        }
        Ok(())
    }

    fn environment(&mut self, environment: &Environment) -> Result<Layer, ConfigError> {
        let mut layer = Layer::new();
        for (name, value) in environment.settings() {
            let place = Origin::Environment(name.to_owned());
            let key = name
                .strip_prefix(PREFIX)
                .unwrap_or(name)
                .to_lowercase()
                .replace("__", ".");
            let not_text = || ConfigError::WrongValue {
                place: place.clone(),
                key: key.clone(),
                expected: "text in UTF-8 is expected".to_owned(),
            };
            let value = value.to_str().ok_or_else(not_text)?;
            let upper_case = name == name.to_uppercase();
            if let Some(secret) = self.keys.secret_of_file(&key).filter(|_| upper_case) {
                let found = self.secret_file(Path::new(value), place)?;
                put(&mut layer, secret, found)?;
                continue;
            }
            let known = self.keys.get(&key).filter(|_| upper_case);
            let known = known.ok_or_else(|| self.unknown(&place, name, &key, variable))?;
            let value = known.parse(value, &place, &key)?;
            put(&mut layer, &key, (value, place))?;
        }
        Ok(layer)
    }

    fn flags(&self, flags: &[Flag]) -> Result<Layer, ConfigError> {
        let mut layer = Layer::new();
        for flag in flags {
            let place = Origin::Flag(flag.name.to_owned());
            let known = self.keys.get(flag.key);
            let known = known.ok_or_else(|| self.unknown(&place, flag.key, flag.key, str::to_owned))?;
            layer.insert(
                flag.key.to_owned(),
                (known.parse(&flag.value, &place, flag.key)?, place),
            );
        }
        Ok(layer)
    }

    fn unknown(&self, place: &Origin, written: &str, key: &str, write: fn(&str) -> String) -> ConfigError {
        let names = self.keys.names(key);
        // A table is written where a section could be, a value where a key could be: both are offered,
        // sections only for names of the same depth.
        let depth = |name: &str| name.matches('.').count();
        let candidates = names
            .iter()
            .map(String::as_str)
            .filter(|name| !self.keys.is_section(name) || depth(name) == depth(key));
        let nearest = nearest(key, candidates).map(write).unwrap_or_default();
        ConfigError::UnknownKey {
            place: place.clone(),
            key: written.to_owned(),
            nearest,
        }
    }

    fn secret_file(&mut self, file: &Path, place: Origin) -> Result<(Value, Origin), ConfigError> {
        let wrong = |reason: String| ConfigError::SecretFile {
            place: place.clone(),
            path: file.to_owned(),
            reason,
        };
        let meta = std::fs::metadata(file).map_err(|error| wrong(format!("cannot be read: {error}")))?;
        if meta.len() > MAX_SECRET_BYTES {
            return Err(wrong(format!("is larger than {MAX_SECRET_BYTES} bytes")));
        }
        let text =
            std::fs::read_to_string(file).map_err(|error| wrong(format!("cannot be read: {error}")))?;
        let secret = text.trim_end_matches(['\n', '\r']);
        if secret.trim().is_empty() {
            return Err(wrong("is empty".to_owned()));
        }
        self.warn_when_open(file, &meta);
        let origin = Origin::SecretFile {
            path: file.to_owned(),
            named_by: Box::new(place),
        };
        Ok((Value::String(secret.to_owned()), origin))
    }

    fn warn_when_open(&mut self, path: &Path, meta: &std::fs::Metadata) {
        if meta.mode() & 0o077 != 0 {
            self.warnings.push(Warning {
                path: path.to_owned(),
            });
        }
    }
}

impl Key {
    fn value(&self, value: &Value, place: &Origin, key: &str) -> Result<Value, ConfigError> {
        self.kind
            .check(value)
            .and_then(|()| self.not_empty(value))
            .map_err(wrong(place, key))?;
        Ok(value.clone())
    }

    fn parse(&self, text: &str, place: &Origin, key: &str) -> Result<Value, ConfigError> {
        let value = self.kind.of_text(text).map_err(wrong(place, key))?;
        self.not_empty(&value).map_err(wrong(place, key))?;
        Ok(value)
    }

    fn not_empty(&self, value: &Value) -> Result<(), String> {
        let empty = value.as_str().is_some_and(|text| text.trim().is_empty());
        if empty {
            Err("a text is expected, not an empty one".to_owned())
        } else {
            Ok(())
        }
    }
}

fn wrong(place: &Origin, key: &str) -> impl Fn(String) -> ConfigError {
    move |expected| ConfigError::WrongValue {
        place: place.clone(),
        key: key.to_owned(),
        expected,
    }
}

/// Adds to a layer in which a setting may stand once.
fn put(layer: &mut Layer, key: &str, (value, origin): (Value, Origin)) -> Result<(), ConfigError> {
    if let Some((_, first)) = layer.insert(key.to_owned(), (value, origin.clone())) {
        return Err(ConfigError::GivenTwice {
            key: key.to_owned(),
            first,
            second: origin,
        });
    }
    Ok(())
}

/// The environment variable of a setting.
fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.to_uppercase().replace('.', "__"))
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()
        .iter()
        .take(offset)
        .filter(|byte| **byte == b'\n')
        .count()
        + 1
}

fn to_value(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.as_ref().to_owned()),
        DeValue::Integer(number) => {
            // A number that does not fit becomes one that no kind of setting accepts.
            i64::from_str_radix(number.as_str(), number.radix())
                .map_or(Value::Float(f64::NAN), Value::Integer)
        }
        DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(flag) => Value::Boolean(*flag),
        DeValue::Datetime(time) => Value::Datetime(*time),
        DeValue::Array(items) => Value::Array(items.iter().map(|item| to_value(item.get_ref())).collect()),
        DeValue::Table(table) => {
            let pairs = table
                .iter()
                .map(|(name, value)| (name.get_ref().as_ref().to_owned(), to_value(value.get_ref())));
            Value::Table(pairs.collect())
        }
    }
}

fn shown(keys: &Keys, merged: &Layer) -> Vec<Setting> {
    let show = |path: &str| {
        let secret = keys.get(path).is_some_and(|key| key.secret);
        let default = keys.get(path).and_then(|key| key.default.as_ref());
        let (shown, origin) = match merged.get(path) {
            None => (
                default.map_or_else(|| "(not set)".to_owned(), one_line),
                Origin::Default,
            ),
            Some((_, origin)) if secret => ("(set)".to_owned(), origin.clone()),
            Some((value, origin)) => (one_line(value), origin.clone()),
        };
        Setting {
            key: path.to_owned(),
            shown,
            origin,
        }
    };
    let paths = keys.paths(merged.keys().map(String::as_str));
    paths.iter().map(|path| show(path)).collect()
}

/// TOML on one line.
fn one_line(value: &Value) -> String {
    match value {
        Value::Table(table) => {
            let pairs: Vec<String> = table
                .iter()
                .map(|(name, value)| format!("\"{name}\" = {}", one_line(value)))
                .collect();
            if pairs.is_empty() {
                "{}".to_owned()
            } else {
                format!("{{ {} }}", pairs.join(", "))
            }
        }
        other => other.to_string(),
    }
}

fn typed(keys: &Keys, merged: Layer) -> Result<Config, ConfigError> {
    let mut root = toml::Table::new();
    let mut origins = BTreeMap::new();
    for section in keys.sections() {
        insert(&mut root, section, Value::Table(toml::Table::new()));
    }
    for (key, (value, origin)) in merged {
        insert(&mut root, &key, value);
        origins.insert(key, origin);
    }
    let config: Config = serde_path_to_error::deserialize(Value::Table(root)).map_err(|error| {
        let path = error.path().to_string();
        ConfigError::WrongValue {
            place: decided_at(&origins, &path),
            key: path,
            expected: error.into_inner().message().trim().to_owned(),
        }
    })?;
    rules::check(&config).map_err(|broken| ConfigError::WrongValue {
        place: decided_at(&origins, &broken.key),
        key: broken.key,
        expected: broken.expected,
    })?;
    Ok(config)
}

/// The place that decided a setting, or the first of a section.
fn decided_at(origins: &BTreeMap<String, Origin>, path: &str) -> Origin {
    // Lists name the item too: outbound.allow[0] is decided where outbound.allow is.
    let key = path.split('[').next().unwrap_or_default();
    let inside = format!("{key}.");
    let mut places = origins.iter();
    let place = places.find(|(name, _)| *name == key || name.starts_with(&inside));
    place.map_or(Origin::Default, |(_, origin)| origin.clone())
}

/// Puts a value at its dotted path, making the tables on the way.
fn insert(table: &mut toml::Table, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            table.insert(path.to_owned(), value);
        }
        Some((section, rest)) => {
            let inner = table
                .entry(section)
                .or_insert_with(|| Value::Table(toml::Table::new()));
            if let Value::Table(inner) = inner {
                insert(inner, rest, value);
            }
        }
    }
}

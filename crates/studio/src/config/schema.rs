//! The JSON Schema of a configuration file, for editors and for `studio config schema`.

use serde_json::{Map, Value, json};

use super::sections::Config;

/// JSON Schema (draft 2020-12) of `studio.toml`: the structs, made lenient about what a file may
/// leave out, and with the `…_file` form of every secret.
#[must_use]
pub fn schema() -> Value {
    let mut schema = of_the_structs();
    visit_objects(&mut schema, &mut |object| {
        object.remove("required");
        if let Some(Value::Object(properties)) = object.get_mut("properties") {
            let secrets: Vec<String> = properties
                .iter()
                .filter(|(_, property)| is_secret(property))
                .map(|(name, _)| name.clone())
                .collect();
            for name in secrets {
                let description = format!("File that holds {name}, instead of the value itself. Mode 0600.");
                properties.insert(
                    format!("{name}_file"),
                    json!({ "type": "string", "description": description }),
                );
            }
        }
    });
    schema
}

/// The schema as the structs say it: no `…_file` keys, everything without a default required.
pub(super) fn of_the_structs() -> Value {
    schemars::schema_for!(Config).to_value()
}

/// Whether a property holds a secret.
pub(super) fn is_secret(property: &Value) -> bool {
    property.get("writeOnly") == Some(&Value::Bool(true))
}

fn visit_objects(value: &mut Value, change: &mut impl FnMut(&mut Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            if object.contains_key("properties") {
                change(object);
            }
            object.values_mut().for_each(|inner| visit_objects(inner, change));
        }
        Value::Array(items) => items.iter_mut().for_each(|inner| visit_objects(inner, change)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

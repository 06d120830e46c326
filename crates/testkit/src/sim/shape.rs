//! Strict checks of request bodies: an unknown field, a wrong type or a value outside its list is refused.

use serde_json::Value;

/// What a value must be.
pub(super) enum Shape {
    Text(usize, usize),
    OneOf(&'static [&'static str]),
    Number,
    Bool,
    Address,
    List(&'static Shape, usize),
    Object(&'static [Field]),
    Reference,
}

pub(super) struct Field {
    name: &'static str,
    shape: Shape,
    required: bool,
}

pub(super) const fn must(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        shape,
        required: true,
    }
}

pub(super) const fn may(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        shape,
        required: false,
    }
}

/// Checks an object; the message names the field and nothing of its value.
pub(super) fn check(value: &Value, fields: &[Field]) -> Result<(), String> {
    let object = value.as_object().ok_or("The body must be an object")?;
    for name in object.keys() {
        if !fields.iter().any(|field| field.name == name) {
            return Err(format!("Unknown field: {name}"));
        }
    }
    for field in fields {
        match object.get(field.name) {
            None if field.required => return Err(format!("Missing field: {}", field.name)),
            None => {}
            Some(value) => fits(value, &field.shape).map_err(|why| format!("{}: {why}", field.name))?,
        }
    }
    Ok(())
}

fn fits(value: &Value, shape: &Shape) -> Result<(), String> {
    let ok = match shape {
        Shape::Text(min, max) => value
            .as_str()
            .is_some_and(|text| (*min..=*max).contains(&text.chars().count())),
        Shape::OneOf(words) => value.as_str().is_some_and(|text| words.contains(&text)),
        Shape::Number => value.is_number(),
        Shape::Bool => value.is_boolean(),
        Shape::Address => value.as_str().is_some_and(|text| text.starts_with("http")),
        Shape::List(shape, most) => {
            let items = value.as_array().ok_or("must be a list")?;
            for item in items {
                fits(item, shape)?;
            }
            items.len() <= *most
        }
        Shape::Object(fields) => return check(value, fields),
        Shape::Reference => return reference(value),
    };
    if ok {
        Ok(())
    } else {
        Err("has a value that is not allowed".to_owned())
    }
}

/// Exactly one of the four forms; bytes need their media type.
fn reference(value: &Value) -> Result<(), String> {
    const FIELDS: &[Field] = &[
        may("url", Shape::Address),
        may("data", Shape::Text(4, usize::MAX)),
        may("file_id", Shape::Text(1, 64)),
        may("generation_id", Shape::Text(1, 64)),
        may("media_type", Shape::Text(3, 64)),
    ];
    check(value, FIELDS)?;
    let has = |name: &str| value.get(name).is_some();
    let forms = ["url", "data", "file_id", "generation_id"]
        .into_iter()
        .filter(|name| has(name))
        .count();
    if forms != 1 {
        return Err("exactly one of url, data, file_id, generation_id".to_owned());
    }
    if has("data") && !has("media_type") {
        return Err("media_type is required with data".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn unknown_missing_and_wrong_fields_are_refused_by_name() {
        const FIELDS: &[Field] = &[
            must("a", Shape::OneOf(&["x"])),
            may("b", Shape::Bool),
            may("c", Shape::Reference),
        ];
        let of = |value| check(&value, FIELDS);
        assert_eq!(
            of(json!({ "a": "x", "b": true, "c": { "file_id": "f" } })),
            Ok(())
        );
        assert_eq!(of(json!({ "a": "x", "z": 1 })), Err("Unknown field: z".into()));
        assert_eq!(of(json!({ "b": true })), Err("Missing field: a".into()));
        for wrong in [
            json!({ "a": "y" }),
            json!({ "a": "x", "b": 1 }),
            json!({ "a": "x", "c": {} }),
            json!([]),
        ] {
            assert!(of(wrong.clone()).is_err(), "{wrong}");
        }
        assert!(of(json!({ "a": "x", "c": { "data": "AAAA" } })).is_err());
        assert!(of(json!({ "a": "x", "c": { "file_id": "f", "generation_id": "g" } })).is_err());
    }
}

//! The JSON Schema of the configuration file.

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema};
use serde_json::Value;

use super::fault::join;
use super::raw::{RawClient, RawConfig, RawPreset, RawWeb};

/// The JSON Schema of the configuration file, for editors and for ourselves.
pub fn json_schema() -> Value {
    schema_of::<RawConfig>("bellwether")
}

/// The JSON Schema of the web configuration file.
pub fn web_json_schema() -> Value {
    schema_of::<RawWeb>("web configuration of bellwether")
}

/// The JSON Schema of the file that says how to reach a server.
pub(super) fn client_schema() -> Value {
    schema_of::<RawClient>("client of bellwether")
}

/// The JSON Schema of a preset.
pub(super) fn preset_schema() -> Value {
    schema_of::<RawPreset>("preset of bellwether")
}

fn schema_of<T: JsonSchema>(title: &str) -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<T>();
    WithoutNull.transform(&mut schema);
    schema.insert("title".to_owned(), title.into());
    schema.to_value()
}

/// Takes `null` out: a key that is not wanted is left out of the file.
#[derive(Clone)]
struct WithoutNull;

impl Transform for WithoutNull {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(object) = schema.as_object_mut() else { return };
        if object.get("default").is_some_and(Value::is_null) {
            object.remove("default");
        }
        if let Some(Value::Array(types)) = object.get_mut("type") {
            types.retain(|name| name != "null");
            if let [only] = types.as_slice() {
                let only = only.clone();
                object.insert("type".to_owned(), only);
            }
        }
        if let Some(Value::Array(values)) = object.get_mut("enum") {
            values.retain(|value| !value.is_null());
        }
        if let Some(Value::Array(mut choices)) = object.remove("anyOf") {
            choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
            if let [Value::Object(only)] = choices.as_mut_slice() {
                object.extend(std::mem::take(only));
            } else {
                object.insert("anyOf".to_owned(), Value::Array(choices));
            }
        }
        if let Some(default) = object.get_mut("default") {
            without_null(default);
        }
    }
}

fn without_null(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|_, member| !member.is_null());
            object.values_mut().for_each(without_null);
        }
        Value::Array(items) => items.iter_mut().for_each(without_null),
        _ => {}
    }
}

/// `schema` itself, or what its `$ref` names in `root`.
pub(super) fn resolve<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let target = schema.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix('#'));
    target.and_then(|pointer| root.pointer(pointer)).unwrap_or(schema)
}

/// Every key there is, as a path such as `rules[].alert.for`, with its schema.
pub(super) fn keys(root: &Value) -> Vec<(String, &Value)> {
    let mut keys = Vec::new();
    collect(root, root, "", &mut keys);
    keys
}

/// Every key there is, as a path such as `rules[].alert.for`.
pub fn key_paths() -> Vec<String> {
    keys(&json_schema()).into_iter().map(|(path, _)| path).collect()
}

/// Every key of the web configuration file, as a path.
pub fn web_key_paths() -> Vec<String> {
    keys(&web_json_schema()).into_iter().map(|(path, _)| path).collect()
}

fn collect<'a>(
    root: &'a Value,
    schema: &'a Value,
    path: &str,
    keys: &mut Vec<(String, &'a Value)>,
) {
    let schema = resolve(root, schema);
    if let Some(items) = schema.get("items") {
        collect(root, items, &format!("{path}[]"), keys);
    }
    for (key, member) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let path = join(path, key);
        keys.push((path.clone(), member));
        collect(root, member, &path, keys);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_described() {
        let schema = json_schema();
        for (path, member) in keys(&schema) {
            assert!(member.get("description").is_some(), "{path}");
        }
    }

    #[test]
    fn the_schema_never_asks_for_null() {
        let text = json_schema().to_string();
        assert!(!text.contains("null"), "{text}");
    }

    #[test]
    fn paths_reach_into_lists() {
        let paths = key_paths();
        for path in ["rules[].alert.for", "defaults.detectors[].zscore.window", "data_dir"] {
            assert!(paths.iter().any(|known| known == path), "{path}: {paths:?}");
        }
    }
}

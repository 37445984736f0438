//! The generated part of `docs/configuration.md`: every key of the schema, as tables.

use std::fmt::Write;

use serde_json::{Map, Value};

/// Up to the end of this line the page is written by hand.
pub(crate) const MARKER: &str = "<!-- What follows is generated from the schema: BLESS=1 cargo test -p bellwether --test config -->\n";

/// The reference as Markdown: a section for each key at the top, with a table of the keys under it.
pub(crate) fn reference(schema: &Value) -> String {
    let page = Page { schema };
    let mut text = "\n## Every key\n".to_owned();
    for (key, member) in properties(schema) {
        let mut rows = Vec::new();
        let resolved = page.resolve(member);
        if resolved.get("properties").is_none() {
            let mut row = page.row(key, member, false);
            "As above.".clone_into(&mut row[4]);
            rows.push(row);
        }
        page.rows(key, member, &mut rows);
        // Writing to a String cannot fail.
        _ = write!(text, "\n### `{key}`\n\n{}\n\n", description(member));
        text.push_str("| key | type | default | allowed | meaning |\n");
        text.push_str("| --- | --- | --- | --- | --- |\n");
        for row in rows {
            _ = writeln!(text, "| {} |", row.join(" | "));
        }
    }
    text
}

struct Page<'a> {
    schema: &'a Value,
}

impl<'a> Page<'a> {
    /// Adds a row for each key under `path`.
    fn rows(&self, path: &str, member: &'a Value, rows: &mut Vec<[String; 5]>) {
        let resolved = self.resolve(member);
        if let Some(items) = resolved.get("items") {
            self.rows(&format!("{path}[]"), items, rows);
        }
        let required = resolved.get("required").and_then(Value::as_array);
        for (key, member) in properties(resolved) {
            let is_required = required.is_some_and(|names| names.iter().any(|name| name == key));
            let path = format!("{path}.{key}");
            rows.push(self.row(&path, member, is_required));
            self.rows(&path, member, rows);
        }
    }

    fn row(&self, path: &str, member: &'a Value, required: bool) -> [String; 5] {
        let resolved = self.resolve(member);
        let default = if required { "**required**".to_owned() } else { self.default(path, member) };
        let mut meaning = description(member).to_owned();
        let example = member.get("examples").and_then(|examples| examples.get(0));
        if let Some(example) = example {
            _ = write!(meaning, " Example: `{}`.", inline(example));
        }
        let cells = [
            format!("`{path}`"),
            kind(member, resolved),
            default,
            allowed(member, resolved),
            meaning,
        ];
        cells.map(|cell| cell.replace('|', "\\|").replace('\n', " "))
    }

    /// The default of the key at `path`; rules inherit theirs.
    fn default(&self, path: &str, member: &Value) -> String {
        let resolved = self.resolve(member);
        match member.get("default") {
            _ if resolved.get("properties").is_some() => String::new(),
            Some(Value::Array(items)) if items.is_empty() => "none".to_owned(),
            Some(Value::Array(items)) => {
                let names = items.iter().filter_map(Value::as_object).flat_map(Map::keys);
                names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
            }
            Some(value) => format!("`{}`", inline(value)),
            None => match path.strip_prefix("rules[].") {
                Some(key) if self.has_key(&format!("defaults.{key}")) => {
                    "from `defaults`".to_owned()
                }
                _ => String::new(),
            },
        }
    }

    fn has_key(&self, path: &str) -> bool {
        let mut schema = self.schema;
        for key in path.split('.') {
            let Some(member) = schema.get("properties").and_then(|keys| keys.get(key)) else {
                return false;
            };
            schema = self.resolve(member);
        }
        true
    }

    /// `schema` itself, or what it refers to.
    fn resolve(&self, schema: &'a Value) -> &'a Value {
        let target = schema.get("$ref").and_then(Value::as_str);
        let pointer = target.and_then(|target| target.strip_prefix('#'));
        pointer.and_then(|pointer| self.schema.pointer(pointer)).unwrap_or(schema)
    }
}

fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema.get("properties").and_then(Value::as_object).into_iter().flatten()
}

fn description(member: &Value) -> &str {
    member.get("description").and_then(Value::as_str).unwrap_or_default()
}

/// What a value is, in a word or two.
fn kind(member: &Value, schema: &Value) -> String {
    if let Some(kind) = member.get("x-type").and_then(Value::as_str) {
        return kind.to_owned();
    }
    if schema.get("anyOf").is_some() {
        return "text or list".to_owned();
    }
    if schema.get("writeOnly").is_some() {
        return "secret".to_owned();
    }
    let name = match (schema.get("x-unit").and_then(Value::as_str), schema["type"].as_str()) {
        (Some("milliseconds"), _) => "duration",
        (Some("bytes"), _) => "bytes",
        (_, Some("object")) => "section",
        (_, Some("array")) => "list",
        (_, Some("boolean")) => "truth value",
        (_, Some("integer")) => "whole number",
        (_, Some("number")) => "number",
        (_, Some("string")) if schema.get("enum").is_some() => "choice",
        (_, Some("string")) => "text",
        (_, other) => panic!("a kind of value that has no name yet: {other:?}"),
    };
    name.to_owned()
}

/// What a value may be.
fn allowed(member: &Value, schema: &Value) -> String {
    let choices = |schema: &Value| {
        let choices = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
        choices.map(|choice| format!("`{}`", inline(choice))).collect::<Vec<_>>().join(", ")
    };
    if let Some(alternatives) = schema.get("anyOf").and_then(Value::as_array) {
        return choices(&alternatives[0]);
    }
    let bound = |name: &str| {
        let value = member.get(name).or_else(|| schema.get(name)).map(inline);
        value.filter(|_| schema.get("x-unit").is_none() || name.starts_with("x-"))
    };
    let range = |min: &str, max: &str, unit: &str| match (bound(min), bound(max)) {
        (Some(min), Some(max)) => Some(format!("{min} to {max}{unit}")),
        (Some(min), None) => Some(format!("{min}{unit} or more")),
        (None, Some(max)) => Some(format!("at most {max}{unit}")),
        (None, None) => None,
    };
    range("x-minimum", "x-maximum", "")
        .or_else(|| range("minimum", "maximum", ""))
        .or_else(|| range("minItems", "maxItems", " entries"))
        .or_else(|| range("minLength", "maxLength", " characters"))
        .unwrap_or_else(|| match schema["type"].as_str() {
            Some("boolean") => "`true`, `false`".to_owned(),
            _ => choices(schema),
        })
}

/// A value as it stands in a file.
fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => {
            number.as_f64().map_or_else(String::new, |number| number.to_string())
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(quoted).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

/// An entry of a list within brackets.
fn quoted(value: &Value) -> String {
    match value {
        Value::String(text) => format!("'{text}'"),
        other => inline(other),
    }
}

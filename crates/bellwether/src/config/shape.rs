//! Compares a document with the schema: unknown keys, wrong types, values out of range.
//!
//! Every fault is reported; what has one is left out of the result, so that the rest can be checked
//! further.

use serde_json::{Map, Number, Value};

use super::fault::{Collector, join};
use super::schema::{keys, resolve};
use super::text::Unit;
use super::tree::{Entry, Node, NodeValue, Scalar};

/// Keys that once were, or are elsewhere, and what to write instead.
const FORMER_KEYS: [(&str, &str); 4] = [
    (
        "log.anomalies",
        "this became `sinks.stdout`: write `sinks: { stdout: text }` for true, `sinks: { stdout: off }` for false",
    ),
    ("tls_server_config.cipher_suites", ONLY_GOOD_ONES),
    ("tls_server_config.curve_preferences", ONLY_GOOD_ONES),
    ("tls_server_config.prefer_server_cipher_suites", ONLY_GOOD_ONES),
];

/// Other servers leave this to the operator.
const ONLY_GOOD_ONES: &str =
    "remove it: none that is not considered safe is offered, in a sensible order";

/// What of `node` fits `root`, a schema, as JSON.
pub(super) fn fit(root: &Value, node: &Node, faults: &mut Collector<'_>) -> Value {
    Fit { root, faults }.node(root, node, "").unwrap_or_else(|| Value::Object(Map::new()))
}

struct Fit<'a, 'b, 'c> {
    root: &'a Value,
    faults: &'b mut Collector<'c>,
}

impl<'a> Fit<'a, '_, '_> {
    /// What of `node` fits `schema`; `None` when nothing does, which is then reported.
    fn node(&mut self, schema: &'a Value, node: &Node, path: &str) -> Option<Value> {
        let outer = schema;
        let schema = alternative(resolve(self.root, schema), node);
        let wants = |name: &str| match schema.get("type") {
            Some(Value::Array(types)) => types.iter().any(|found| found == name),
            Some(found) => found == name,
            None => schema.get("enum").is_some() && name == "string",
        };
        if schema.get("writeOnly").is_some() {
            self.faults.hide(node.span.clone());
        }
        match &node.value {
            NodeValue::Scalar(scalar, text) if let Some(unit) = Unit::of(schema) => {
                self.quantity(outer, unit, *scalar, text, path)
            }
            NodeValue::Map(entries) if wants("object") => Some(self.object(schema, entries, path)),
            NodeValue::Null if wants("object") => Some(Value::Object(Map::new())),
            NodeValue::Seq(items) if wants("array") => self.array(schema, items, path),
            NodeValue::Scalar(Scalar::Bool(value), _) if wants("boolean") => Some((*value).into()),
            NodeValue::Scalar(Scalar::Int(value), _) if wants("integer") || wants("number") => {
                self.number(schema, *value as f64, Some(Number::from(*value)), path)
            }
            NodeValue::Scalar(Scalar::Float(value), _)
                if wants("number") || (wants("integer") && !value.is_finite()) =>
            {
                self.number(schema, *value, Number::from_f64(*value), path)
            }
            NodeValue::Scalar(_, text) if wants("string") => self.text(schema, text, path),
            NodeValue::Null => {
                let mend =
                    format!("give it a value or leave the key out{}", example(outer, schema));
                self.faults.value(path, "there is no value", mend);
                None
            }
            found => {
                let found = match found {
                    NodeValue::Map(_) => "a mapping",
                    NodeValue::Seq(_) => "a list",
                    NodeValue::Scalar(Scalar::Text, _) => "text",
                    NodeValue::Scalar(Scalar::Bool(_), _) => "true or false",
                    NodeValue::Scalar(Scalar::Float(_), _) => "a fraction",
                    NodeValue::Scalar(Scalar::Int(_), _) | NodeValue::Null => "a number",
                };
                let message = format!("expected {}, found {found}", expected(schema));
                self.faults.value(path, message, how_to_write(outer, schema));
                None
            }
        }
    }

    fn object(&mut self, schema: &'a Value, entries: &[Entry], path: &str) -> Value {
        let known = schema.get("properties").and_then(Value::as_object);
        let mut object = Map::new();
        for Entry { key, value, .. } in entries {
            let field = join(path, key);
            match known.and_then(|known| known.get(key)) {
                Some(member) => {
                    if let Some(value) = self.node(member, value, &field) {
                        object.insert(key.clone(), value);
                    }
                }
                None if schema.get("additionalProperties").is_some_and(Value::is_object) => {
                    if let Some(value) = self.node(&schema["additionalProperties"], value, &field) {
                        object.insert(key.clone(), value);
                    }
                }
                None => self.unknown(schema, entries, path, key, value),
            }
        }
        Value::Object(object)
    }

    fn unknown(&mut self, schema: &Value, entries: &[Entry], path: &str, key: &str, value: &Node) {
        let known: Vec<&str> = schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(Map::keys)
            .map(String::as_str)
            .filter(|name| entries.iter().all(|entry| entry.key != *name))
            .collect();
        let mut secret = true;
        let is_secret = |member: &Value| {
            let member = resolve(self.root, member);
            let each = member.get("additionalProperties").map(|each| resolve(self.root, each));
            [Some(member), each].into_iter().flatten().any(|part| part.get("writeOnly").is_some())
        };
        let former = FORMER_KEYS.iter().find(|(former, _)| *former == join(path, key));
        let mend = if let Some((_, mend)) = former {
            secret = false;
            (*mend).to_owned()
        } else if let Some(meant) = nearest(key, known.iter().copied()) {
            self.faults.settle(&join(path, meant));
            secret = is_secret(&schema["properties"][meant]);
            format!("did you mean `{meant}`?")
        } else if let Some((home, member)) = self.home(key) {
            secret = is_secret(member);
            format!("this key belongs at `{home}`")
        } else if known.is_empty() {
            "remove it".to_owned()
        } else {
            format!("remove it; keys that can stand here: {}", known.join(", "))
        };
        // Unless it is clear what was meant, nobody knows whether what stands there is a secret.
        if secret {
            hide_scalars(value, self.faults);
        }
        self.faults.settle(path);
        let message = format!("unknown key `{}`", key.escape_debug());
        self.faults.key(&join(path, key), message, mend);
    }

    /// The only place, if there is just one, where `key` may stand.
    fn home(&self, key: &str) -> Option<(String, &'a Value)> {
        let is_home = |path: &str| path.rsplit('.').next() == Some(key);
        let mut homes = keys(self.root).into_iter().filter(|(path, _)| is_home(path));
        homes.next().filter(|_| homes.next().is_none())
    }

    fn array(&mut self, schema: &'a Value, items: &[Node], path: &str) -> Option<Value> {
        let bound = |name: &str| schema.get(name).and_then(Value::as_u64);
        if bound("maxItems").is_some_and(|max| items.len() as u64 > max) {
            let most = bound("maxItems").unwrap_or_default();
            let message = format!("the list has {} entries", items.len());
            self.faults.value(path, message, format!("at most {most} are allowed"));
            return None;
        }
        if bound("minItems").is_some_and(|min| (items.len() as u64) < min) {
            let mend = format!("leave the key out for the default{}", example(schema, schema));
            self.faults.value(path, "the list is empty", mend);
            return None;
        }
        let member = schema.get("items")?;
        let fitted: Vec<_> = items
            .iter()
            .enumerate()
            .map(|(index, item)| self.node(member, item, &format!("{path}[{index}]")))
            .collect();
        // Positions must stay what they are in the file, so a list with a hole is no list.
        fitted.into_iter().collect::<Option<Vec<_>>>().map(Value::Array)
    }

    /// `value`, which is `number` unless it is not finite, if it is within the bounds of `schema`.
    fn number(
        &mut self,
        schema: &Value,
        value: f64,
        number: Option<Number>,
        path: &str,
    ) -> Option<Value> {
        let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
        let fits = bound("minimum").is_none_or(|min| value >= min)
            && bound("maximum").is_none_or(|max| value <= max);
        if let Some(number) = number.filter(|_| fits) {
            return Some(Value::Number(number));
        }
        let range = match (bound("minimum"), bound("maximum")) {
            (Some(min), Some(max)) => format!("allowed: {min} to {max}"),
            (Some(min), None) => format!("allowed: {min} or more"),
            (None, Some(max)) => format!("allowed: up to {max}"),
            (None, None) => "allowed: every finite number".to_owned(),
        };
        if value.is_finite() {
            self.faults.value(path, "the number is out of range", range);
        } else {
            let mend = format!("write a finite number; {range}");
            self.faults.value(path, "the number is not finite", mend);
        }
        None
    }

    /// A number with a unit, within the bounds of `schema`.
    fn quantity(
        &mut self,
        schema: &Value,
        unit: Unit,
        scalar: Scalar,
        text: &str,
        path: &str,
    ) -> Option<Value> {
        if self.is_quoted_variable(text, path) {
            return None;
        }
        let plain = match scalar {
            Scalar::Int(number) if unit == Unit::Bytes => number.to_string(),
            _ => text.to_owned(),
        };
        let Some(number) = unit.number(&plain) else {
            let message = format!("this is not a {}", unit.name());
            self.faults.value(path, message, unit.how_to_write());
            return None;
        };
        let bound = |name: &str| schema.get(name).and_then(Value::as_str);
        let (min, max) = (bound(Unit::MINIMUM), bound(Unit::MAXIMUM));
        let least = min.and_then(|text| unit.number(text)).unwrap_or(0);
        let most = max.and_then(|text| unit.number(text)).unwrap_or(u64::MAX);
        if (least..=most).contains(&number) {
            return Some(plain.parse::<u64>().map_or(plain.into(), Value::from));
        }
        let mend = match (min, max) {
            (Some(min), Some(max)) => format!("allowed: {min} to {max}"),
            (Some(min), None) => format!("allowed: {min} or more"),
            (None, _) => format!("allowed: up to {}", max.unwrap_or_default()),
        };
        self.faults.value(path, format!("the {} is out of range", unit.name()), mend);
        None
    }

    /// Reports `text` if it holds a variable that is left as it is.
    fn is_quoted_variable(&mut self, text: &str, path: &str) -> bool {
        let quoted = self.faults.written(path).starts_with(['"', '\'', '|', '>']);
        let is = quoted && text.contains("${");
        if is {
            self.faults.value(
                path,
                "`${…}` is not replaced within quotes or blocks",
                "write the value without quotes",
            );
        }
        is
    }

    fn text(&mut self, schema: &Value, text: &str, path: &str) -> Option<Value> {
        if self.is_quoted_variable(text, path) {
            return None;
        }
        let Some(choices) = schema.get("enum").and_then(Value::as_array) else {
            return Some(text.into());
        };
        if choices.iter().any(|choice| choice == text) {
            return Some(text.into());
        }
        let choices: Vec<&str> = choices.iter().filter_map(Value::as_str).collect();
        let mend = match nearest(text, choices.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`? Allowed: {}", choices.join(", ")),
            None => format!("allowed: {}", choices.join(", ")),
        };
        self.faults.value(path, "this value is not one of those allowed", mend);
        None
    }
}

/// Of a schema with alternatives the one that takes what `node` is; else `schema` itself.
fn alternative<'a>(schema: &'a Value, node: &Node) -> &'a Value {
    let wanted = match node.value {
        NodeValue::Null => return schema,
        NodeValue::Scalar(..) => "string",
        NodeValue::Seq(_) => "array",
        NodeValue::Map(_) => "object",
    };
    let alternatives = schema.get("anyOf").and_then(Value::as_array).into_iter().flatten();
    let takes = |schema: &&Value| schema.get("type").is_some_and(|name| name == wanted);
    alternatives.into_iter().find(takes).unwrap_or(schema)
}

/// Hides every value under `node`; a block's own span does not cover them.
fn hide_scalars(node: &Node, faults: &mut Collector<'_>) {
    match &node.value {
        NodeValue::Null => {}
        NodeValue::Scalar(..) => faults.hide(node.span.clone()),
        NodeValue::Seq(items) => items.iter().for_each(|item| hide_scalars(item, faults)),
        NodeValue::Map(entries) => {
            for entry in entries {
                hide_scalars(&entry.value, faults);
            }
        }
    }
}

/// What `schema` wants, in words.
fn expected(schema: &Value) -> &'static str {
    match schema.get("type") {
        None if schema.get("anyOf").is_some() => "text or a list",
        Some(Value::Array(_)) => "a number of bytes",
        Some(name) if name == "object" => "a mapping",
        Some(name) if name == "array" => "a list",
        Some(name) if name == "boolean" => "true or false",
        Some(name) if name == "integer" => "a whole number",
        Some(name) if name == "number" => "a number",
        _ => "text",
    }
}

/// How a value of `schema` is written.
fn how_to_write(outer: &Value, schema: &Value) -> String {
    let choices = schema.get("enum").and_then(Value::as_array);
    let properties = schema.get("properties").and_then(Value::as_object);
    if let Some(choices) = choices {
        let choices: Vec<&str> = choices.iter().filter_map(Value::as_str).collect();
        return format!("allowed: {}", choices.join(", "));
    }
    if let Some(properties) = properties {
        let names: Vec<&str> = properties.keys().map(String::as_str).collect();
        return format!("write `key: value` under it; keys: {}", names.join(", "));
    }
    let how = match expected(schema) {
        "a list" => "write one `- …` line for each entry",
        "text or a list" => "write one, or one `- …` line for each",
        "true or false" => "write true or false, without quotes",
        "a whole number" => "write digits only, without quotes, unit or fraction",
        "a number" => "write a number, without quotes",
        "a number of bytes" => "write a whole number, or one with a unit",
        _ => "write text on one line",
    };
    format!("{how}{}", example(outer, schema))
}

/// `, for example …` if the schema gives one or has a default.
fn example(outer: &Value, schema: &Value) -> String {
    let given = |schema: &Value| schema.get("examples").and_then(|all| all.get(0)).cloned();
    let default = || outer.get("default").filter(|value| !value.is_object()).cloned();
    match given(outer).or_else(|| given(schema)).or_else(default) {
        None | Some(Value::Array(_) | Value::Object(_)) => String::new(),
        Some(Value::String(text)) => format!(", for example `{text}`"),
        Some(value) => format!(", for example `{value}`"),
    }
}

/// The candidate that `word` was most likely meant to be.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    candidates
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.len() / 4)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Edit distance of Levenshtein, on bytes, of words that are not absurdly long.
fn distance(a: &str, b: &str) -> usize {
    if a.len().max(b.len()) > 64 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_is_the_number_of_edits() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "same"), 0);
    }

    #[test]
    fn a_typo_finds_what_was_meant() {
        let keys = ["rules", "runtime", "for"];
        assert_eq!(nearest("rule", keys.into_iter()), Some("rules"));
        assert_eq!(nearest("runtme", keys.into_iter()), Some("runtime"));
        assert_eq!(nearest("banana", keys.into_iter()), None);
    }
}

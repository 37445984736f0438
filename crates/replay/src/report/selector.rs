//! PromQL selectors and YAML, written from labels that anybody may have sent.

use std::collections::BTreeMap;
use std::fmt::Write;

use bellwether_series::LabelSet;

/// Longest selector that a person would want in a configuration, in bytes.
const SELECTOR_BYTES_MAX: usize = 1000;
/// Longest name that is made for a rule, in bytes.
const NAME_BYTES_MAX: usize = 60;

/// The selector of everything that has the labels which all of `sets` have: the narrowest that matches each.
///
/// `None` when it is too long for a configuration, or when a label's name needs quotes, so that leaving it
/// out would match more than is meant.
pub(super) fn selector<'a>(sets: impl IntoIterator<Item = &'a LabelSet>) -> Option<String> {
    let mut sets = sets.into_iter();
    let mut shared: BTreeMap<&str, &str> = sets.next()?.iter().collect();
    for set in sets {
        let other: BTreeMap<&str, &str> = set.iter().collect();
        shared.retain(|name, value| other.get(name) == Some(value));
    }
    let mut text = String::new();
    let mut separator = "{";
    for (name, value) in shared {
        if !is_plain(name) {
            return None;
        }
        // Writing to a String cannot fail.
        _ = write!(text, "{separator}{name}={}", quoted(value));
        separator = ", ";
    }
    text.push('}');
    (text.len() <= SELECTOR_BYTES_MAX && separator != "{").then_some(text)
}

/// Whether a label's name can stand in a selector as it is.
fn is_plain(name: &str) -> bool {
    !name.starts_with(|first: char| first.is_ascii_digit())
        && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_')
}

/// `value` as a PromQL string. What is neither a letter nor plain ASCII is escaped: a reader sees what it is,
/// and no line or direction of writing changes within it.
fn quoted(value: &str) -> String {
    let mut text = String::from("\"");
    for character in value.chars() {
        match character {
            '"' | '\\' => text.extend(['\\', character]),
            // A configuration refuses `${` within quotes: it looks like a variable that is not replaced.
            ' '..='~' if character != '$' => text.push(character),
            _ if character.is_alphanumeric() => text.push(character),
            _ if (character as u32) < 0x1_0000 => _ = write!(text, "\\u{:04x}", character as u32),
            _ => _ = write!(text, "\\U{:08x}", character as u32),
        }
    }
    text.push('"');
    text
}

/// `text` as a YAML scalar in single quotes, in which nothing has a meaning but the quote itself.
pub(super) fn yaml_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// `text` as the beginning of a rule's name: `node_load1` becomes `NodeLoad1`.
pub(super) fn camel(text: &str) -> String {
    let mut name = String::new();
    for word in text.split(|character: char| !character.is_ascii_alphanumeric()) {
        let mut characters = word.chars();
        name.extend(characters.next().map(|first| first.to_ascii_uppercase()));
        name.push_str(characters.as_str());
    }
    name.truncate(NAME_BYTES_MAX);
    if name.is_empty() { "Series".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> LabelSet {
        LabelSet::from_pairs(pairs.iter().copied().chain([("__name__", "m")])).unwrap()
    }

    #[test]
    fn a_selector_has_the_labels_that_all_have() {
        let (a, b) = (labels(&[("job", "j"), ("pod", "a")]), labels(&[("job", "j"), ("pod", "b")]));
        assert_eq!(selector([&a]).unwrap(), r#"{__name__="m", job="j", pod="a"}"#);
        assert_eq!(selector([&a, &b]).unwrap(), r#"{__name__="m", job="j"}"#);
        assert_eq!(selector([]), None);
    }

    #[test]
    fn what_cannot_be_said_exactly_is_not_said() {
        assert_eq!(selector([&labels(&[("http.route", "/")])]), None);
        assert_eq!(selector([&labels(&[("path", &"x".repeat(1000))])]), None);
    }

    #[test]
    fn hostile_values_stay_on_their_line_and_within_their_quotes() {
        let hostile = labels(&[("a", "\"} '\\ ${A} \n\u{202e}\u{1f600}\u{e9}")]);
        let text = selector([&hostile]).unwrap();
        let escaped = r#"{__name__="m", a="\"} '\\ \u0024{A} \u000a\u202e\U0001f600"#.to_owned()
            + "\u{e9}\"}";
        assert_eq!(text, escaped);
        assert!(yaml_quoted(&text).contains(r"} ''\\ "));
    }

    #[test]
    fn names_of_rules_are_plain() {
        assert_eq!(camel("node_load1"), "NodeLoad1");
        assert_eq!(camel("<script>:9"), "Script9");
        assert_eq!(camel("\u{e9}"), "Series");
        assert_eq!(camel(&"a".repeat(99)).len(), 60);
    }
}

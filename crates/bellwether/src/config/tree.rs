//! A YAML document as a tree of nodes that know where they stand in the file.
//!
//! serde reports the first thing that does not fit and stops. An operator wants everything that does
//! not fit, so the document becomes this tree first; [`super::shape`] then compares it with the schema.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_saphyr::{
    Location, NonFiniteFloatPolicy, Options, Spanned, with_deserializer_from_str_with_options,
};

/// A node and its place in the file, in bytes.
#[derive(Debug)]
pub(super) struct Node {
    /// Where it stands.
    pub span: Range<usize>,
    /// What it is.
    pub value: NodeValue,
}

/// What a node is.
#[derive(Debug)]
pub(super) enum NodeValue {
    /// Nothing.
    Null,
    /// Text, a number or a truth value, with its text after `${…}` was replaced.
    Scalar(Scalar, String),
    /// A list.
    Seq(Vec<Node>),
    /// A mapping, in the order of the file.
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Debug)]
pub(super) struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_span: Range<usize>,
    /// Its value.
    pub value: Node,
}

/// What YAML takes a scalar for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scalar {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text,
}

/// Parses `text`, replacing `${NAME}` by what `variables` say.
///
/// # Errors
/// When it is not YAML, has a key twice, or names a variable that is not there.
pub(super) fn parse(
    text: &str,
    variables: &HashMap<String, String>,
) -> Result<Node, serde_saphyr::Error> {
    let options = || {
        serde_saphyr::options! {
            with_snippet: false,
            strict_booleans: true,
            // Whether a key takes them is for the schema to say.
            non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        }
        .with_properties(variables.clone())
    };
    if is_blank(text) {
        return Ok(Node { span: 0..0, value: NodeValue::Null });
    }
    let shape: Spanned<Shape> = serde_saphyr::from_str_with_options(text, options())?;
    let texts = texts(text, options(), &shape.value)?;
    Ok(node(text, shape, &mut texts.into_iter()))
}

/// Whether there are only comments and white space.
fn is_blank(text: &str) -> bool {
    text.lines().map(str::trim).all(|line| line.is_empty() || line.starts_with('#'))
}

/// The byte range of a location in `text`.
pub(super) fn bytes(text: &str, location: &Location) -> Range<usize> {
    let span = location.span();
    if let (Some(start), Some(bytes)) = (span.byte_offset(), span.byte_len()) {
        return start as usize..(start + bytes) as usize;
    }
    // What the scanner refuses has a line and a column only.
    let lines_before = location.line().saturating_sub(1) as usize;
    let before: usize = text.split_inclusive('\n').take(lines_before).map(str::len).sum();
    let column = location.column().saturating_sub(1) as usize;
    let start = text[before..].char_indices().nth(column).map_or(text.len(), |(at, _)| before + at);
    start..start
}

/// Structure and types, as YAML sees them.
enum Shape {
    Null,
    Scalar(Scalar),
    Seq(Vec<Spanned<Shape>>),
    Map(Vec<(Spanned<String>, Spanned<Shape>)>),
}

impl<'de> Deserialize<'de> for Shape {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShapeVisitor)
    }
}

struct ShapeVisitor;

impl<'de> Visitor<'de> for ShapeVisitor {
    type Value = Shape;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML node")
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Shape, E> {
        Ok(Shape::Scalar(Scalar::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Shape, E> {
        Ok(Shape::Scalar(Scalar::Int(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Shape, E> {
        let scalar = i64::try_from(value).map_or(Scalar::Float(value as f64), Scalar::Int);
        Ok(Shape::Scalar(scalar))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Shape, E> {
        Ok(Shape::Scalar(Scalar::Float(value as f64)))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Shape, E> {
        Ok(Shape::Scalar(Scalar::Float(value as f64)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Shape, E> {
        Ok(Shape::Scalar(Scalar::Float(value)))
    }

    fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
        Ok(Shape::Scalar(Scalar::Text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Shape, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Shape::Seq(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Shape::Map(entries))
    }
}

/// The text of every scalar, in document order. YAML reads `007` as a number; where a key wants text it is
/// `007`, so the document is read again, now knowing where scalars are.
fn texts(text: &str, options: Options, shape: &Shape) -> Result<Vec<String>, serde_saphyr::Error> {
    let texts = RefCell::new(Vec::new());
    with_deserializer_from_str_with_options(text, options, |deserializer| {
        Texts { shape, texts: &texts }.deserialize(deserializer)
    })?;
    Ok(texts.into_inner())
}

#[derive(Clone, Copy)]
struct Texts<'a> {
    shape: &'a Shape,
    texts: &'a RefCell<Vec<String>>,
}

impl<'de> DeserializeSeed<'de> for Texts<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.shape {
            Shape::Null => de::IgnoredAny::deserialize(deserializer).map(|_| ()),
            Shape::Scalar(_) => {
                self.texts.borrow_mut().push(String::deserialize(deserializer)?);
                Ok(())
            }
            Shape::Seq(_) => deserializer.deserialize_seq(self),
            Shape::Map(_) => deserializer.deserialize_map(self),
        }
    }
}

impl<'de> Visitor<'de> for Texts<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the same document as before")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Shape::Seq(items) = self.shape else { return Err(A::Error::custom("not a list")) };
        for item in items {
            seq.next_element_seed(Texts { shape: &item.value, ..self })?;
        }
        match seq.next_element::<de::IgnoredAny>()? {
            None => Ok(()),
            Some(_) => Err(A::Error::custom("list has grown")),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Shape::Map(entries) = self.shape else { return Err(A::Error::custom("not a mapping")) };
        for (_, value) in entries {
            map.next_key::<de::IgnoredAny>()?;
            map.next_value_seed(Texts { shape: &value.value, ..self })?;
        }
        match map.next_key::<de::IgnoredAny>()? {
            None => Ok(()),
            Some(_) => Err(A::Error::custom("mapping has grown")),
        }
    }
}

/// Puts shape and texts together.
fn node(text: &str, shape: Spanned<Shape>, texts: &mut impl Iterator<Item = String>) -> Node {
    let value = match shape.value {
        Shape::Null => NodeValue::Null,
        Shape::Scalar(scalar) => NodeValue::Scalar(scalar, texts.next().unwrap_or_default()),
        Shape::Seq(items) => {
            NodeValue::Seq(items.into_iter().map(|item| node(text, item, texts)).collect())
        }
        Shape::Map(entries) => {
            let entry = |(key, value): (Spanned<String>, _)| Entry {
                key_span: bytes(text, &key.referenced),
                key: key.value,
                value: node(text, value, texts),
            };
            NodeValue::Map(entries.into_iter().map(entry).collect())
        }
    };
    Node { span: bytes(text, &shape.referenced), value }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_with(text: &str, variables: &[(&str, &str)]) -> Node {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        parse(text, &variables.iter().map(owned).collect()).unwrap()
    }

    fn entries(node: &Node) -> &[Entry] {
        match &node.value {
            NodeValue::Map(entries) => entries,
            other => panic!("not a mapping: {other:?}"),
        }
    }

    #[test]
    fn every_key_and_value_knows_its_place() {
        let text = "a: 1\nb:\n  - 'x y'\n  - {c: 2.5}\n";
        let root = parse_with(text, &[]);
        let [a, b] = entries(&root) else { panic!("{root:?}") };
        assert_eq!((&text[a.key_span.clone()], &text[a.value.span.clone()]), ("a", "1"));
        let NodeValue::Seq(items) = &b.value.value else { panic!("{b:?}") };
        assert_eq!(&text[items[0].span.clone()], "'x y'");
        let c = &entries(&items[1])[0];
        assert_eq!((&text[c.key_span.clone()], &text[c.value.span.clone()]), ("c", "2.5"));
        assert!(matches!(c.value.value, NodeValue::Scalar(Scalar::Float(2.5), _)));
    }

    #[test]
    fn scalars_keep_their_text_and_their_type() {
        let root = parse_with("a: 007\nb: ${N}\nc: 1_000\nd: true\ne: ~\n", &[("N", "0010")]);
        let texts: Vec<_> = entries(&root)
            .iter()
            .map(|entry| match &entry.value.value {
                NodeValue::Scalar(_, text) => text.as_str(),
                _ => "none",
            })
            .collect();
        assert_eq!(texts, ["007", "0010", "1_000", "true", "none"]);
    }

    #[test]
    fn anchors_and_merges_are_followed() {
        let root = parse_with("a: &x {b: 1}\nc: *x\nd:\n  <<: *x\n  e: 2\n", &[]);
        assert_eq!(entries(&entries(&root)[1].value).len(), 1);
        assert_eq!(entries(&entries(&root)[2].value).len(), 2);
    }

    #[test]
    fn an_empty_document_is_nothing() {
        assert!(matches!(parse_with("", &[]).value, NodeValue::Null));
        assert!(matches!(parse_with("# only this\n\n", &[]).value, NodeValue::Null));
        assert!(matches!(parse_with("---\n", &[]).value, NodeValue::Null));
    }
}

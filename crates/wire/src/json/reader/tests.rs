//! Held against `serde_json`.

use proptest::prelude::*;
use serde_json::{Map, Value};

use super::*;

/// Reads a whole value into a tree, as somebody who keeps everything would.
fn value(reader: &mut JsonReader<'_>) -> Result<Value, DecodeError> {
    Ok(match reader.kind()? {
        Kind::Object => {
            let (mut items, mut map) = (reader.object()?, Map::new());
            while let Some(key) = reader.key(&mut items)? {
                map.insert(key.into_owned(), value(reader)?);
            }
            Value::Object(map)
        }
        Kind::Array => {
            let (mut items, mut all) = (reader.array()?, Vec::new());
            while reader.has_next(&mut items)? {
                all.push(value(reader)?);
            }
            Value::Array(all)
        }
        Kind::String => Value::String(reader.string()?.into_owned()),
        Kind::Number => reader.number()?.parse::<f64>().unwrap().into(),
        Kind::True | Kind::False | Kind::Null => match reader.word()? {
            Kind::Null => Value::Null,
            kind => Value::Bool(kind == Kind::True),
        },
    })
}

fn read(text: &[u8]) -> Result<Value, DecodeError> {
    let mut reader = JsonReader::new(text);
    let value = value(&mut reader)?;
    if reader.is_done() { Ok(value) } else { Err(reader.fault("more text")) }
}

fn skips(text: &[u8]) -> bool {
    let mut reader = JsonReader::new(text);
    reader.skip().is_ok() && reader.is_done()
}

/// What `serde_json` makes of it, every number as a float.
fn reference(text: &[u8]) -> Option<Value> {
    fn floats(value: Value) -> Value {
        match value {
            Value::Number(number) => number.as_f64().into(),
            Value::Array(all) => all.into_iter().map(floats).collect(),
            Value::Object(map) => {
                map.into_iter().map(|(key, value)| (key, floats(value))).collect()
            }
            other => other,
        }
    }
    serde_json::from_slice(text).ok().map(floats)
}

#[test]
fn texts_are_read_as_others_read_them() {
    for text in [
        r#"{"a":[1,-2.5e3,0,true,false,null,"x"],"b":{},"c":[]}"#,
        " [ 1 , 2 ]\n",
        r#""\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00 é😀""#,
        r#"{"":""}"#,
        "0.1",
        "-0",
    ] {
        assert_eq!(Some(read(text.as_bytes()).unwrap()), reference(text.as_bytes()), "{text}");
        assert!(skips(text.as_bytes()), "{text}");
    }
}

#[test]
fn faults_are_placed() {
    for (text, offset, what) in [
        ("", 0, "text ends where a value is expected"),
        ("[1,]", 3, "a comma is behind the last item"),
        ("[1 2]", 3, "a comma or the end of the items is expected"),
        ("{\"a\" 1}", 5, "a colon is expected"),
        ("{1:2}", 1, "a string is expected"),
        ("[", 1, "text ends within an object or array"),
        ("\"a", 1, "text ends within a string"),
        ("\"a\n\"", 2, "a control character is in a string"),
        ("\"\\x\"", 2, "an escape is unknown"),
        ("\"\\ud800\"", 3, "an escape is half a character"),
        ("\"\\u12g4\"", 3, "four hexadecimal digits are expected"),
        ("01", 1, "more text"),
        ("1.", 2, "a digit is expected"),
        ("-", 1, "a number is expected"),
        ("nul", 0, "a value is expected"),
        ("+1", 0, "a value is expected"),
    ] {
        let expected = DecodeError::NotJson { offset, fault: what };
        assert_eq!(read(text.as_bytes()).unwrap_err(), expected, "{text}");
        assert!(!skips(text.as_bytes()) && reference(text.as_bytes()).is_none(), "{text}");
    }
    let error = read(b"\"a\xff\"").unwrap_err();
    assert_eq!(
        error.to_string(),
        "body is not valid JSON: offset=`2`, fault=`a string is not valid UTF-8`"
    );
}

#[test]
fn what_is_nested_too_deeply_is_not_skipped() {
    let nested = |depth| [vec![b'['; depth], vec![b']'; depth]].concat();
    assert!(skips(&nested(DEPTH_MAX)));
    assert!(!skips(&nested(DEPTH_MAX + 1)));
    assert!(!skips(&vec![b'['; 1 << 20]));
}

#[test]
fn reading_goes_on_with_the_next_line_that_may_be_good() {
    let mut reader = JsonReader::new(b"{bad}\n1\n{cut\n2\n3");
    reader.resume_behind(0, 1);
    assert_eq!((reader.number(), reader.at()), (Ok("1"), 8));
    reader.resume_behind(8, 13);
    assert_eq!((reader.number(), reader.at()), (Ok("2"), 15));
    reader.resume_behind(15, 99);
    assert!(reader.is_done());
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<f64>().prop_filter("JSON has no others", |n| n.is_finite()).prop_map(Value::from),
        any::<String>().prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            proptest::collection::vec((any::<String>(), inner), 0..4)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_others_write_is_read_to_the_same(value in any_value()) {
        for text in [serde_json::to_vec(&value).unwrap(), serde_json::to_vec_pretty(&value).unwrap()] {
            prop_assert_eq!(read(&text).unwrap(), value.clone());
            prop_assert!(skips(&text));
        }
    }

    #[test]
    fn a_changed_byte_is_judged_as_others_judge_it(
        value in any_value(), place: prop::sample::Index, byte: u8,
    ) {
        let mut text = serde_json::to_vec(&value).unwrap();
        let place = place.index(text.len());
        text[place] = byte;
        let (ours, theirs) = (read(&text).ok(), reference(&text));
        // A number too large for a float is refused there, and infinite here.
        if theirs.is_some() || ours.as_ref().is_none_or(|value| !value.to_string().contains("null")) {
            prop_assert_eq!(&ours, &theirs);
        }
        prop_assert!(ours.is_none() || skips(&text));
    }
}

//! The text of an attribute's value: as it is, or as JSON where it has parts.

use std::fmt::Write as _;
use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::remote_write::{DecodeError, Reader, bytes_tag, fixed64_tag, varint_tag};

const STRING: u32 = bytes_tag(1);
const BOOL: u32 = varint_tag(2);
const INT: u32 = varint_tag(3);
const DOUBLE: u32 = fixed64_tag(4);
const ARRAY: u32 = bytes_tag(5);
const KEY_VALUES: u32 = bytes_tag(6);
const BYTES: u32 = bytes_tag(7);

const VALUES: u32 = bytes_tag(1);
const KEY: u32 = bytes_tag(1);
const VALUE: u32 = bytes_tag(2);

/// Values that are nested deeper are left out.
pub(super) const DEPTH_MAX: usize = 16;

/// What a key and its value are, as places in the body.
pub(super) struct KeyValue<'a> {
    pub(super) key: &'a [u8],
    /// `None`: there is no value.
    pub(super) value: Option<Reader<'a>>,
}

impl<'a> KeyValue<'a> {
    pub(super) fn read(body: &'a [u8], mut message: Reader<'a>) -> Result<Self, DecodeError> {
        let mut read = Self { key: &[], value: None };
        while !message.is_done() {
            match message.tag()? {
                KEY => read.key = &body[message.bytes()?],
                VALUE => read.value = Some(message.message()?),
                tag => message.skip(tag)?,
            }
        }
        Ok(read)
    }
}

/// Appends the text of `value`, an `AnyValue` of `body`, to `out`; nothing if it holds none.
pub(super) fn write(body: &[u8], value: Reader<'_>, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    write_nested(body, value, out, 0)
}

/// At a depth above zero, strings are quoted.
fn write_nested(
    body: &[u8],
    mut value: Reader<'_>,
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<(), DecodeError> {
    let start = out.len();
    while !value.is_done() {
        let tag = value.tag()?;
        // One of them is set; if there are several, the last one counts.
        if matches!(tag, STRING | BOOL | INT | DOUBLE | ARRAY | KEY_VALUES | BYTES) {
            out.truncate(start);
        }
        match tag {
            STRING if depth == 0 => out.extend_from_slice(&body[value.bytes()?]),
            STRING => quote(&String::from_utf8_lossy(&body[value.bytes()?]), out),
            BOOL => out.extend_from_slice(if value.varint()? != 0 { b"true" } else { b"false" }),
            INT => append(out, format_args!("{}", value.varint()? as i64)),
            DOUBLE => append(out, format_args!("{}", f64::from_bits(value.fixed64()?))),
            ARRAY => write_array(body, value.message()?, out, depth + 1)?,
            KEY_VALUES => write_object(body, value.message()?, out, depth + 1)?,
            BYTES if depth == 0 => out.extend(STANDARD.encode(&body[value.bytes()?]).bytes()),
            BYTES => quote(&STANDARD.encode(&body[value.bytes()?]), out),
            tag => value.skip(tag)?,
        }
    }
    if depth > 0 && out.len() == start {
        out.extend_from_slice(b"null");
    }
    Ok(())
}

fn write_array(
    body: &[u8],
    mut array: Reader<'_>,
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<(), DecodeError> {
    out.push(b'[');
    let mut is_first = true;
    while !array.is_done() {
        match array.tag()? {
            VALUES if depth < DEPTH_MAX => {
                separate(&mut is_first, out);
                write_nested(body, array.message()?, out, depth)?;
            }
            tag => array.skip(tag)?,
        }
    }
    out.push(b']');
    Ok(())
}

fn write_object(
    body: &[u8],
    mut object: Reader<'_>,
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<(), DecodeError> {
    out.push(b'{');
    let mut is_first = true;
    while !object.is_done() {
        match object.tag()? {
            VALUES if depth < DEPTH_MAX => {
                separate(&mut is_first, out);
                let KeyValue { key, value } = KeyValue::read(body, object.message()?)?;
                quote(&String::from_utf8_lossy(key), out);
                out.push(b':');
                write_nested(body, value.unwrap_or(Reader::new(&[])), out, depth)?;
            }
            tag => object.skip(tag)?,
        }
    }
    out.push(b'}');
    Ok(())
}

fn separate(is_first: &mut bool, out: &mut Vec<u8>) {
    if !std::mem::replace(is_first, false) {
        out.push(b',');
    }
}

/// Appends `text` as a string of JSON.
pub(super) fn quote(text: &str, out: &mut Vec<u8>) {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            control @ '\0'..'\x20' => {
                // Writing to a string does not fail.
                _ = write!(quoted, "\\u{:04x}", u32::from(control));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    out.extend_from_slice(quoted.as_bytes());
}

fn append(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to a vector does not fail.
    _ = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &[u8]) -> String {
        let mut out = b"before ".to_vec();
        write(value, Reader::new(value), &mut out).unwrap();
        String::from_utf8(out[7..].to_vec()).unwrap()
    }

    fn field(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, content.len() as u8], content].concat()
    }

    #[test]
    fn every_kind_has_a_text() {
        assert_eq!(text(b""), "");
        assert_eq!(text(b"\x0a\x03a\"b"), "a\"b");
        assert_eq!(text(b"\x10\x01"), "true");
        assert_eq!(text(b"\x10\x00"), "false");
        assert_eq!(text(b"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "-1");
        assert_eq!(text(&[&[0x21][..], &1.5_f64.to_le_bytes()].concat()), "1.5");
        assert_eq!(text(b"\x3a\x02\x00\xff"), "AP8=");
        assert_eq!(text(b"\x0a\x01a\x0a\x01b"), "b", "the last one counts");
    }

    #[test]
    fn what_has_parts_is_json() {
        let [a, one, bytes] = [&b"\x0a\x02a\"\x0a\x01\n"[..4], b"\x18\x01", b"\x3a\x01\x00"];
        let array = field(
            0x2A,
            &[field(0x0A, a), field(0x0A, one), field(0x0A, bytes), field(0x0A, b"")].concat(),
        );
        assert_eq!(text(&array), r#"["a\"",1,"AA==",null]"#);
        let pair = [field(0x0A, b"k\n"), field(0x12, &array)].concat();
        let object = field(0x32, &[field(0x0A, &pair), field(0x0A, &field(0x0A, b"x"))].concat());
        assert_eq!(text(&object), r#"{"k\n":["a\"",1,"AA==",null],"x":null}"#);
    }

    #[test]
    fn what_is_nested_too_deeply_is_left_out() {
        let mut value = b"\x18\x01".to_vec();
        for _ in 0..20 {
            value = field(0x2A, &field(0x0A, &value));
        }
        assert_eq!(text(&value), format!("{}{}", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX)));
    }
}

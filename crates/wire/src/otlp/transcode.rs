//! From OTLP's JSON to the same request in protobuf, so that there is one decoder.
//!
//! A value of the wrong kind is left out as if it had not been sent, and the decoder names the point that lacks it. Only what is not
//! JSON refuses the request, since nothing behind it can be trusted.
//!
//! Mapping: "JSON Protobuf Encoding" of `opentelemetry-proto:docs/specification.md`, and of protobuf itself: 64-bit integers as numbers or
//! text, enums by number, absent and `null` alike, unknown keys ignored.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bellwether_series::put_varint;

use super::schema::{Field, Holds, REQUEST, Schema};
use crate::json::{JsonReader, Kind};
use crate::remote_write::DecodeError;

/// Messages that are nested deeper are left out: only the values of attributes may be, and fewer of these count.
const DEPTH_MAX: usize = 64;
/// Bytes in which any length of a message fits.
const LENGTH_BYTES: usize = 5;

/// The request in protobuf, of at most `bytes_max`.
pub(super) fn transcode(body: &[u8], bytes_max: usize) -> Result<Vec<u8>, DecodeError> {
    // A length has 35 bits.
    let mut transcoder = Transcoder {
        reader: JsonReader::new(body),
        out: Vec::new(),
        bytes_max: bytes_max.min(1 << 34),
    };
    if !transcoder.reader.is_done() {
        transcoder.message(&REQUEST, 0)?;
    }
    if transcoder.reader.is_done() {
        Ok(transcoder.out)
    } else {
        Err(transcoder.reader.fault("text is behind the request"))
    }
}

struct Transcoder<'a> {
    reader: JsonReader<'a>,
    out: Vec<u8>,
    bytes_max: usize,
}

impl Transcoder<'_> {
    /// Reads an object as a message, without tag and length.
    fn message(&mut self, schema: &Schema, depth: usize) -> Result<(), DecodeError> {
        let mut members = self.reader.object()?;
        while let Some(key) = self.reader.key(&mut members)? {
            match schema.fields.iter().find(|field| field.name == key) {
                Some(field) => self.field(field, depth)?,
                None => self.reader.skip()?,
            }
        }
        Ok(())
    }

    fn field(&mut self, field: &Field, depth: usize) -> Result<(), DecodeError> {
        let kind = self.reader.kind()?;
        match (field.holds, kind) {
            (Holds::Message(schema), Kind::Object) if depth < DEPTH_MAX => {
                self.nested(field, schema, depth)?;
            }
            (Holds::Messages(schema), Kind::Array) if depth < DEPTH_MAX => {
                let mut items = self.reader.array()?;
                while self.reader.has_next(&mut items)? {
                    if self.reader.kind()? == Kind::Object {
                        self.nested(field, schema, depth)?;
                    } else {
                        self.reader.skip()?;
                    }
                }
            }
            (Holds::Fixed64s | Holds::Doubles, Kind::Array) => self.packed(field)?,
            (Holds::String, Kind::String) => {
                let text = self.reader.string()?;
                put_bytes(&mut self.out, field.number, text.as_bytes());
            }
            (Holds::Bytes, Kind::String) => {
                if let Ok(bytes) = STANDARD.decode(&*self.reader.string()?) {
                    put_bytes(&mut self.out, field.number, &bytes);
                }
            }
            (Holds::Bool, Kind::True | Kind::False) => {
                let value = self.reader.word()? == Kind::True;
                put_varint_field(&mut self.out, field.number, u64::from(value));
            }
            (holds, Kind::Number) => {
                let text = self.reader.number()?;
                self.scalar(field.number, holds, text);
            }
            (holds, Kind::String) => {
                let text = self.reader.string()?;
                self.scalar(field.number, holds, &text);
            }
            _ => self.reader.skip()?,
        }
        self.check_bytes()
    }

    /// A message within a message. Its length is written once it is known.
    fn nested(&mut self, field: &Field, schema: &Schema, depth: usize) -> Result<(), DecodeError> {
        let start = self.begin(field.number);
        self.message(schema, depth + 1)?;
        self.end(start);
        self.check_bytes()
    }

    fn packed(&mut self, field: &Field) -> Result<(), DecodeError> {
        let start = self.begin(field.number);
        let mut items = self.reader.array()?;
        while self.reader.has_next(&mut items)? {
            let text = match self.reader.kind()? {
                Kind::Number => self.reader.number()?.into(),
                Kind::String => self.reader.string()?,
                _ => {
                    self.reader.skip()?;
                    continue;
                }
            };
            let bits = match field.holds {
                Holds::Fixed64s => unsigned(&text),
                _ => text.parse().ok().map(f64::to_bits),
            };
            if let Some(bits) = bits {
                self.out.extend_from_slice(&bits.to_le_bytes());
            }
            self.check_bytes()?;
        }
        self.end(start);
        Ok(())
    }

    /// A number, from its text.
    fn scalar(&mut self, number: u32, holds: Holds, text: &str) {
        let out = &mut self.out;
        let varint = match holds {
            Holds::Enum(names) => {
                let place = names.iter().position(|&name| name == text);
                place.map(|place| place as u64).or_else(|| unsigned(text))
            }
            Holds::Uint32 => unsigned(text),
            Holds::Int64 => signed(text).map(|value| value as u64),
            _ => None,
        };
        if let Some(value) = varint {
            put_varint_field(out, number, value);
        }
        let fixed = match holds {
            Holds::Fixed64 => unsigned(text),
            Holds::Sfixed64 => signed(text).map(|value| value as u64),
            Holds::Double => text.parse().ok().map(f64::to_bits),
            _ => None,
        };
        if let Some(bits) = fixed {
            put_varint(out, u64::from(number << 3 | 1));
            out.extend_from_slice(&bits.to_le_bytes());
        }
    }

    fn begin(&mut self, number: u32) -> usize {
        put_varint(&mut self.out, u64::from(number << 3 | 2));
        self.out.extend_from_slice(&[0; LENGTH_BYTES]);
        self.out.len()
    }

    /// Writes the length of what begins at `start`, in all of its bytes: a varint may be longer than it needs to be.
    fn end(&mut self, start: usize) {
        let mut length = self.out.len() - start;
        for (index, byte) in self.out[start - LENGTH_BYTES..start].iter_mut().enumerate() {
            let more = if index + 1 < LENGTH_BYTES { 0x80 } else { 0 };
            *byte = (length & 0x7F) as u8 | more;
            length >>= 7;
        }
    }

    fn check_bytes(&self) -> Result<(), DecodeError> {
        let (bytes, limit_bytes) = (self.out.len(), self.bytes_max);
        if bytes > limit_bytes {
            return Err(DecodeError::TooLarge { part: "decoded", bytes, limit_bytes });
        }
        Ok(())
    }
}

fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_varint(out, u64::from(number << 3 | 2));
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_varint_field(out: &mut Vec<u8>, number: u32, value: u64) {
    put_varint(out, u64::from(number << 3));
    put_varint(out, value);
}

fn unsigned(text: &str) -> Option<u64> {
    text.parse().ok().or_else(|| {
        let float: f64 = text.parse().ok()?;
        (float.fract() == 0.0 && (0.0..1.8e19).contains(&float)).then_some(float as u64)
    })
}

fn signed(text: &str) -> Option<i64> {
    text.parse().ok().or_else(|| {
        let float: f64 = text.parse().ok()?;
        (float.fract() == 0.0 && float.abs() < 9.2e18).then_some(float as i64)
    })
}

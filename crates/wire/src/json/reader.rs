//! Reads JSON (RFC 8259) out of a byte slice that belongs to somebody else, value by value.
//!
//! No tree is built: whoever reads says what comes next and skips what means nothing to it, so memory is taken for strings with
//! escapes only. Depth is bounded by whoever reads, and here where values are skipped.

use std::borrow::Cow;
use std::str;

use crate::remote_write::DecodeError;

/// Deepest nesting of a value that is skipped.
const DEPTH_MAX: usize = 64;

/// What a value begins like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    Array,
    String,
    Number,
    True,
    False,
    Null,
}

/// A cursor over a JSON text. Offsets are those of the whole text.
#[derive(Debug, Clone)]
pub(crate) struct JsonReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// The members of an object or the elements of an array, as far as they are read.
#[derive(Debug)]
pub(crate) struct Items {
    close: u8,
    is_first: bool,
}

impl<'a> JsonReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Offset of the next token, or of the end.
    pub(crate) fn at(&mut self) -> usize {
        self.skip_space();
        self.at
    }

    /// Goes on behind a value that begins at `start` and has a fault at `fault`: where the line of the fault begins if that is
    /// another, since the value may have been cut before it, else where it ends. So no line is read more than twice.
    pub(crate) fn resume_behind(&mut self, start: usize, fault: usize) {
        let fault = fault.min(self.bytes.len());
        let line =
            self.bytes[..fault].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        self.at = if line > start {
            line
        } else {
            let rest = self.bytes[fault..].iter().position(|&byte| byte == b'\n');
            rest.map_or(self.bytes.len(), |bytes| fault + bytes + 1)
        };
    }

    /// Whether only space is left.
    pub(crate) fn is_done(&mut self) -> bool {
        self.skip_space();
        self.at >= self.bytes.len()
    }

    /// What the next value is.
    pub(crate) fn kind(&mut self) -> Result<Kind, DecodeError> {
        self.skip_space();
        match self.bytes.get(self.at) {
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'"') => Ok(Kind::String),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b't') => Ok(Kind::True),
            Some(b'f') => Ok(Kind::False),
            Some(b'n') => Ok(Kind::Null),
            Some(_) => Err(self.fault("a value is expected")),
            None => Err(self.fault("text ends where a value is expected")),
        }
    }

    /// Begins an object, whose members [`Self::key`] gives.
    pub(crate) fn object(&mut self) -> Result<Items, DecodeError> {
        self.expect(b'{', "an object is expected")?;
        Ok(Items { close: b'}', is_first: true })
    }

    /// Begins an array, whose elements [`Self::has_next`] announces.
    pub(crate) fn array(&mut self) -> Result<Items, DecodeError> {
        self.expect(b'[', "an array is expected")?;
        Ok(Items { close: b']', is_first: true })
    }

    /// Whether there is another item. What comes next is the element, or the key.
    pub(crate) fn has_next(&mut self, items: &mut Items) -> Result<bool, DecodeError> {
        self.skip_space();
        let is_first = std::mem::replace(&mut items.is_first, false);
        match self.bytes.get(self.at) {
            Some(&byte) if byte == items.close => {
                self.at += 1;
                Ok(false)
            }
            Some(b',') if !is_first => {
                self.at += 1;
                self.skip_space();
                if self.bytes.get(self.at) == Some(&items.close) {
                    return Err(self.fault("a comma is behind the last item"));
                }
                Ok(true)
            }
            Some(_) if is_first => Ok(true),
            Some(_) => Err(self.fault("a comma or the end of the items is expected")),
            None => Err(self.fault("text ends within an object or array")),
        }
    }

    /// The key of the next member, behind which its value comes; `None` at the end of the object.
    pub(crate) fn key(&mut self, items: &mut Items) -> Result<Option<Cow<'a, str>>, DecodeError> {
        if !self.has_next(items)? {
            return Ok(None);
        }
        let key = self.string()?;
        self.expect(b':', "a colon is expected")?;
        Ok(Some(key))
    }

    /// A string, without its escapes.
    pub(crate) fn string(&mut self) -> Result<Cow<'a, str>, DecodeError> {
        self.expect(b'"', "a string is expected")?;
        let start = self.at;
        let plain = self.plain_text()?;
        if self.bytes.get(self.at) == Some(&b'"') {
            self.at += 1;
            return Ok(Cow::Borrowed(plain));
        }
        let mut text = plain.to_owned();
        loop {
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(text));
                }
                Some(b'\\') => {
                    self.at += 1;
                    text.push(self.escape()?);
                }
                Some(_) => return Err(self.fault("a control character is in a string")),
                None => return Err(fault(start, "text ends within a string")),
            }
            text.push_str(self.plain_text()?);
        }
    }

    /// A number as it is written.
    pub(crate) fn number(&mut self) -> Result<&'a str, DecodeError> {
        self.skip_space();
        let start = self.at;
        self.take(b'-');
        match self.bytes.get(self.at) {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits()?,
            _ => return Err(self.fault("a number is expected")),
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        // All of it is ASCII.
        Ok(str::from_utf8(&self.bytes[start..self.at]).unwrap_or_default())
    }

    /// One of the words `true`, `false` and `null`.
    pub(crate) fn word(&mut self) -> Result<Kind, DecodeError> {
        self.skip_space();
        for (word, kind) in [("true", Kind::True), ("false", Kind::False), ("null", Kind::Null)] {
            if self.bytes[self.at..].starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(kind);
            }
        }
        Err(self.fault("a value is expected"))
    }

    /// Skips a value, whatever it is.
    pub(crate) fn skip(&mut self) -> Result<(), DecodeError> {
        let mut open = Vec::new();
        loop {
            match self.kind()? {
                Kind::Object => open.push(self.object()?),
                Kind::Array => open.push(self.array()?),
                Kind::String => _ = self.string()?,
                Kind::Number => _ = self.number()?,
                Kind::True | Kind::False | Kind::Null => _ = self.word()?,
            }
            if open.len() > DEPTH_MAX {
                return Err(self.fault("values are nested too deeply"));
            }
            loop {
                let Some(items) = open.last_mut() else { return Ok(()) };
                let is_object = items.close == b'}';
                let has_next =
                    if is_object { self.key(items)?.is_some() } else { self.has_next(items)? };
                if has_next {
                    break;
                }
                open.pop();
            }
        }
    }

    /// A fault here.
    #[cold]
    pub(crate) fn fault(&self, what: &'static str) -> DecodeError {
        fault(self.at, what)
    }

    fn expect(&mut self, byte: u8, what: &'static str) -> Result<(), DecodeError> {
        self.skip_space();
        if self.take(byte) { Ok(()) } else { Err(self.fault(what)) }
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_there = self.bytes.get(self.at) == Some(&byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.bytes.get(self.at) {
            self.at += 1;
        }
    }

    fn digits(&mut self) -> Result<(), DecodeError> {
        let start = self.at;
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err(self.fault("a digit is expected")) }
    }

    /// The text up to the next quote, escape or control character.
    fn plain_text(&mut self) -> Result<&'a str, DecodeError> {
        let start = self.at;
        let rest = &self.bytes[start..];
        let end = rest.iter().position(|&byte| matches!(byte, b'"' | b'\\' | 0..0x20));
        self.at = end.map_or(self.bytes.len(), |bytes| start + bytes);
        str::from_utf8(&self.bytes[start..self.at])
            .map_err(|error| fault(start + error.valid_up_to(), "a string is not valid UTF-8"))
    }

    /// What stands for itself behind a backslash.
    fn escape(&mut self) -> Result<char, DecodeError> {
        let Some(&byte) = self.bytes.get(self.at) else {
            return Err(self.fault("text ends within a string"));
        };
        self.at += 1;
        Ok(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode_escape(),
            _ => return Err(fault(self.at - 1, "an escape is unknown")),
        })
    }

    /// Behind `\u`; of two escapes if the first is the first half of a surrogate pair.
    fn unicode_escape(&mut self) -> Result<char, DecodeError> {
        let start = self.at;
        let first = self.hex4()?;
        let code = match first {
            0xD800..=0xDBFF if self.take(b'\\') && self.take(b'u') => match self.hex4()? {
                second @ 0xDC00..=0xDFFF => 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00),
                _ => first,
            },
            _ => first,
        };
        char::from_u32(code).ok_or_else(|| fault(start, "an escape is half a character"))
    }

    fn hex4(&mut self) -> Result<u32, DecodeError> {
        let digits = self.bytes.get(self.at..self.at + 4).unwrap_or_default();
        let code = str::from_utf8(digits).ok().filter(|_| digits.iter().all(u8::is_ascii_hexdigit));
        let code = code.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let code = code.ok_or_else(|| self.fault("four hexadecimal digits are expected"))?;
        self.at += 4;
        Ok(code)
    }
}

#[cold]
fn fault(offset: usize, fault: &'static str) -> DecodeError {
    DecodeError::NotJson { offset, fault }
}

#[cfg(test)]
mod tests;

//! Reads one line.

use std::ops::Range;
use std::str;

/// What is wrong with a line, and where in the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) what: &'static str,
}

/// A line that was read; used again for the next one.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// Names and values without their escapes, one behind the other.
    text: Vec<u8>,
    measurement: Range<usize>,
    tags: Vec<(Range<usize>, Range<usize>)>,
    fields: Vec<(Range<usize>, f64)>,
    /// As it was sent.
    pub(super) timestamp: Option<i64>,
}

/// What a field holds.
enum FieldValue {
    Number(f64),
    Text,
}

impl Line {
    /// Reads the line that begins at `*at` and moves `*at` behind it, also where it is not valid. Whether it says anything: empty
    /// lines and comments do not.
    pub(super) fn read(&mut self, body: &[u8], at: &mut usize) -> Result<bool, Fault> {
        self.clear();
        let mut cursor = Cursor { body, at: *at };
        let read = self.read_content(&mut cursor);
        *at = cursor.next_line();
        read
    }

    pub(super) fn measurement(&self) -> &[u8] {
        &self.text[self.measurement.clone()]
    }

    pub(super) fn tags(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.tags.iter().map(|(name, value)| (&self.text[name.clone()], &self.text[value.clone()]))
    }

    /// The fields that are numbers.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&[u8], f64)> {
        self.fields.iter().map(|(name, value)| (&self.text[name.clone()], *value))
    }

    fn clear(&mut self) {
        self.text.clear();
        self.tags.clear();
        self.fields.clear();
        self.measurement = 0..0;
        self.timestamp = None;
    }

    fn read_content(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, Fault> {
        cursor.skip_spaces();
        if matches!(cursor.peek(), None | Some(b'\n' | b'#')) {
            return Ok(false);
        }
        self.measurement = cursor.name(b"", &mut self.text);
        if self.measurement.is_empty() {
            return Err(cursor.fault("measurement is missing"));
        }
        while cursor.take(b',') {
            let name = cursor.name(b"=", &mut self.text);
            if name.is_empty() {
                return Err(cursor.fault("tag has no name"));
            }
            if !cursor.take(b'=') {
                return Err(cursor.fault("tag has no value"));
            }
            let value = cursor.name(b"=", &mut self.text);
            if cursor.peek() == Some(b'=') {
                return Err(cursor.fault("tag has two values"));
            }
            self.tags.push((name, value));
        }
        if !cursor.skip_spaces() {
            return Err(cursor.fault("fields are missing"));
        }
        self.read_fields(cursor)?;
        if cursor.skip_spaces() {
            self.timestamp = cursor.timestamp()?;
            cursor.skip_spaces();
        }
        match cursor.peek() {
            None | Some(b'\n') => Ok(true),
            Some(_) => Err(cursor.fault("text is behind the end of the line")),
        }
    }

    fn read_fields(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Fault> {
        loop {
            let name = cursor.name(b"=", &mut self.text);
            if name.is_empty() {
                return Err(cursor.fault("field has no name"));
            }
            if !cursor.take(b'=') {
                return Err(cursor.fault("field has no value"));
            }
            if let FieldValue::Number(value) = cursor.value()? {
                self.fields.push((name, value));
            }
            if !cursor.take(b',') {
                return Ok(());
            }
        }
    }
}

struct Cursor<'a> {
    body: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    /// The next byte of the line; a carriage return before its end is none of it.
    fn peek(&self) -> Option<u8> {
        match self.body.get(self.at) {
            Some(b'\r') if matches!(self.body.get(self.at + 1), None | Some(b'\n')) => Some(b'\n'),
            other => other.copied(),
        }
    }

    fn take(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    fn skip_spaces(&mut self) -> bool {
        let start = self.at;
        while let Some(b' ' | b'\t') = self.peek() {
            self.at += 1;
        }
        self.at > start
    }

    /// The end of the line that it is in.
    fn next_line(&self) -> usize {
        let rest = self.body.get(self.at..).unwrap_or_default();
        rest.iter().position(|&byte| byte == b'\n').map_or(self.body.len(), |end| self.at + end + 1)
    }

    /// Copies a name or tag value, up to a comma, a space, the end of the line or one of `ends`, without the backslashes that
    /// escape these.
    fn name(&mut self, ends: &[u8], text: &mut Vec<u8>) -> Range<usize> {
        let start = text.len();
        while let Some(byte) = self.peek() {
            match byte {
                b'\\' => {
                    let next = self.body.get(self.at + 1).copied();
                    let is_escape = next
                        .is_some_and(|next| matches!(next, b',' | b' ' | b'=') && next != b'\n');
                    self.at += usize::from(is_escape);
                    text.push(if is_escape { next.unwrap_or(byte) } else { byte });
                }
                b',' | b' ' | b'\t' | b'\n' => break,
                byte if ends.contains(&byte) => break,
                byte => text.push(byte),
            }
            self.at += 1;
        }
        start..text.len()
    }

    fn value(&mut self) -> Result<FieldValue, Fault> {
        if self.take(b'"') {
            return self.skip_text().map(|()| FieldValue::Text);
        }
        let start = self.at;
        while !matches!(self.peek(), None | Some(b',' | b' ' | b'\t' | b'\n')) {
            self.at += 1;
        }
        number(&self.body[start..self.at])
            .map(FieldValue::Number)
            .ok_or(Fault { at: start, what: "field is not a number, a boolean or a text" })
    }

    /// A text in quotes, in which a backslash stands before a quote or itself. It may have ends of lines in it.
    fn skip_text(&mut self) -> Result<(), Fault> {
        let start = self.at;
        while let Some(&byte) = self.body.get(self.at) {
            match byte {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        // The quote may be a mistake: only its own line is lost.
        self.at = start;
        Err(self.fault("text has no end"))
    }

    fn timestamp(&mut self) -> Result<Option<i64>, Fault> {
        let start = self.at;
        while !matches!(self.peek(), None | Some(b' ' | b'\t' | b'\n')) {
            self.at += 1;
        }
        if self.at == start {
            return Ok(None);
        }
        let digits = str::from_utf8(&self.body[start..self.at]).ok();
        let count = digits.and_then(|digits| digits.parse().ok());
        count.map(Some).ok_or(Fault { at: start, what: "timestamp is not an integer" })
    }

    fn fault(&self, what: &'static str) -> Fault {
        Fault { at: self.at, what }
    }
}

/// A float, an integer with its `i`, an unsigned one with its `u`, or a boolean.
fn number(text: &[u8]) -> Option<f64> {
    match text {
        b"t" | b"T" | b"true" | b"True" | b"TRUE" => return Some(1.0),
        b"f" | b"F" | b"false" | b"False" | b"FALSE" => return Some(0.0),
        _ => {}
    }
    let text = str::from_utf8(text).ok()?;
    if let Some(digits) = text.strip_suffix('i') {
        return digits.parse::<i64>().ok().map(|value| value as f64);
    }
    if let Some(digits) = text.strip_suffix('u') {
        return digits.parse::<u64>().ok().map(|value| value as f64);
    }
    text.parse().ok()
}

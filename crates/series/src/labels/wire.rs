//! Labels as remote write encodes them: each a field of its `TimeSeries`, `0A len Label`, with a name and a value in it.

use super::LabelError;

/// The label at `*at`, written as it is in canonical bytes, and moves `*at` behind it; `None` if there is none or it is written
/// in another way. Lengths may have more bytes than they need.
#[inline]
pub(super) fn take_label<'a>(bytes: &'a [u8], at: &mut usize) -> Option<(&'a [u8], &'a [u8])> {
    let message = take_field(bytes, at, 0x0A)?;
    let mut within = 0;
    let name = take_field(message, &mut within, 0x0A)?;
    let value = take_field(message, &mut within, 0x12)?;
    (within == message.len()).then_some((name, value))
}

/// The value of the label called `name` in canonical bytes.
pub(super) fn value_of<'a>(bytes: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut at = 0;
    // Other names are mostly of another length: those that are compared are few, while all would be if it ended where
    // the sorted names have passed this one.
    loop {
        let message = take_field(bytes, &mut at, 0x0A)?;
        let mut within = 0;
        if take_field(message, &mut within, 0x0A)? == name {
            return take_field(message, &mut within, 0x12);
        }
    }
}

/// The bytes of the field at `*at`, if it has that `tag`.
#[inline]
fn take_field<'a>(bytes: &'a [u8], at: &mut usize, tag: u8) -> Option<&'a [u8]> {
    if *bytes.get(*at)? != tag {
        return None;
    }
    *at += 1;
    take_slice(bytes, at)
}

/// Appends the field of a label in canonical form.
pub(super) fn put_label(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.push(0x0A);
    put_varint(out, message_bytes(name, value) as u64);
    for (tag, text) in [(0x0A, name), (0x12, value)] {
        out.push(tag);
        put_varint(out, text.len() as u64);
        out.extend_from_slice(text);
    }
}

/// Bytes of the `Label` message in canonical form.
fn message_bytes(name: &[u8], value: &[u8]) -> usize {
    let text_bytes = |text: &[u8]| 1 + varint_bytes(text.len() as u64) + text.len();
    text_bytes(name) + text_bytes(value)
}

/// Bytes of the field that holds it.
pub(super) fn field_bytes(name: &[u8], value: &[u8]) -> usize {
    let message_bytes = message_bytes(name, value);
    1 + varint_bytes(message_bytes as u64) + message_bytes
}

/// Bytes of `value` as a varint.
pub(super) fn varint_bytes(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// Appends `value` as a protobuf base-128 varint.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Reads a protobuf base-128 varint at `*at` and moves `*at` behind it; `None` when it is cut short
/// or longer than 64 bits.
#[inline]
pub fn take_varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let first = *bytes.get(*at)?;
    if first < 0x80 {
        *at += 1;
        return Some(u64::from(first));
    }
    let mut value = 0_u64;
    for shift in (0..70).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        if shift == 63 && byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// Walks `0A len Label` fields; unknown fields inside a label are skipped, the last of a repeated
/// field wins, as protobuf asks.
pub(super) struct WireLabels<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> WireLabels<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn label(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        if take_varint(self.bytes, &mut self.at)? != 0x0A {
            return None;
        }
        let message = take_slice(self.bytes, &mut self.at)?;
        let (mut name, mut value) = (&[][..], &[][..]);
        let mut at = 0;
        while at < message.len() {
            let tag = take_varint(message, &mut at)?;
            match (tag >> 3, tag & 7) {
                (1, 2) => name = take_slice(message, &mut at)?,
                (2, 2) => value = take_slice(message, &mut at)?,
                (1.., 0) => _ = take_varint(message, &mut at)?,
                (1.., 1) => at = at.checked_add(8).filter(|&end| end <= message.len())?,
                (1.., 2) => _ = take_slice(message, &mut at)?,
                (1.., 5) => at = at.checked_add(4).filter(|&end| end <= message.len())?,
                _ => return None,
            }
        }
        Some((name, value))
    }
}

fn take_slice<'a>(bytes: &'a [u8], at: &mut usize) -> Option<&'a [u8]> {
    let len = usize::try_from(take_varint(bytes, at)?).ok()?;
    let end = at.checked_add(len)?;
    let slice = bytes.get(*at..end)?;
    *at = end;
    Some(slice)
}

impl<'a> Iterator for WireLabels<'a> {
    type Item = Result<(&'a [u8], &'a [u8]), LabelError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.bytes.len() {
            return None;
        }
        let offset = self.at;
        let label = self.label().ok_or(LabelError::Malformed { offset });
        if label.is_err() {
            self.at = self.bytes.len();
        }
        Some(label)
    }
}

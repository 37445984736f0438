//! What one pass over a native histogram's spans, buckets and bounds learns about them.

use super::DecodeError;
use super::reader::{Reader, varint_tag, zigzag32, zigzag64};

const SPAN_OFFSET: u32 = varint_tag(1);
const SPAN_LENGTH: u32 = varint_tag(2);

/// The positive or the negative buckets.
///
/// A count is a sum of at most 2^31 deltas, each below 2^63 in size, and there are as many counts: 128
/// bits hold any of them and their sum, so nothing here overflows.
#[derive(Debug, Default)]
pub(super) struct Side {
    pub(super) spans: usize,
    pub(super) first_offset: i32,
    /// Smallest offset of a span after the first, or zero.
    pub(super) gap_min: i32,
    /// Sum of the spans' lengths.
    pub(super) length: u64,
    /// Sum of the spans' offsets and lengths: one more than the last index.
    pub(super) reach: i64,
    /// How many buckets came as deltas.
    pub(super) deltas: usize,
    current: i128,
    /// Sum of the counts that came as deltas.
    pub(super) total: i128,
    /// Smallest count that came as deltas, or zero.
    pub(super) int_min: i128,
    /// How many buckets came as floats.
    pub(super) floats: usize,
    /// Smallest count that came as a float, or zero.
    pub(super) float_min: f64,
}

impl Side {
    pub(super) fn read_span(&mut self, mut message: Reader<'_>) -> Result<(), DecodeError> {
        let (mut offset, mut length) = (0, 0);
        while !message.is_done() {
            match message.tag()? {
                SPAN_OFFSET => offset = zigzag32(message.varint()?),
                SPAN_LENGTH => length = message.varint()? as u32,
                tag => message.skip(tag)?,
            }
        }
        if self.spans == 0 {
            self.first_offset = offset;
        } else {
            self.gap_min = self.gap_min.min(offset);
        }
        self.spans += 1;
        self.length += u64::from(length);
        self.reach += i64::from(offset) + i64::from(length);
        Ok(())
    }

    pub(super) fn read_deltas(&mut self, mut packed: Reader<'_>) -> Result<(), DecodeError> {
        while !packed.is_done() {
            self.add_delta(zigzag64(packed.varint()?));
        }
        Ok(())
    }

    pub(super) fn read_floats(&mut self, mut packed: Reader<'_>) -> Result<(), DecodeError> {
        while !packed.is_done() {
            self.add_float(double(&mut packed)?);
        }
        Ok(())
    }

    pub(super) fn add_delta(&mut self, delta: i64) {
        self.deltas += 1;
        self.current += i128::from(delta);
        self.total += self.current;
        self.int_min = self.int_min.min(self.current);
    }

    pub(super) fn add_float(&mut self, count: f64) {
        self.floats += 1;
        self.float_min = self.float_min.min(count);
    }
}

/// The upper bounds of custom buckets.
#[derive(Debug)]
pub(super) struct Bounds {
    pub(super) count: usize,
    last: f64,
    /// Whether all are finite and each is above the one before.
    pub(super) are_valid: bool,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { count: 0, last: f64::NEG_INFINITY, are_valid: true }
    }
}

impl Bounds {
    pub(super) fn read(&mut self, mut packed: Reader<'_>) -> Result<(), DecodeError> {
        while !packed.is_done() {
            self.add(double(&mut packed)?);
        }
        Ok(())
    }

    pub(super) fn add(&mut self, bound: f64) {
        self.count += 1;
        self.are_valid &= bound.is_finite() && self.last < bound;
        self.last = bound;
    }
}

pub(super) fn double(message: &mut Reader<'_>) -> Result<f64, DecodeError> {
    message.fixed64().map(f64::from_bits)
}

//! Checks native histograms. They are counted and not kept, so one pass with a few sums is enough.
//!
//! Rules: `prometheus/prometheus:model/histogram/histogram.go`, `Validate`, and its float sibling.

use super::DecodeError;
use super::buckets::{Bounds, Side, double};
use super::budget::Budget;
use super::reader::{Reader, bytes_tag, fixed64_tag, varint_tag, zigzag32, zigzag64};

const COUNT_INT: u32 = varint_tag(1);
const COUNT_FLOAT: u32 = fixed64_tag(2);
const SUM: u32 = fixed64_tag(3);
const SCHEMA: u32 = varint_tag(4);
const ZERO_THRESHOLD: u32 = fixed64_tag(5);
const ZERO_COUNT_INT: u32 = varint_tag(6);
const ZERO_COUNT_FLOAT: u32 = fixed64_tag(7);
const NEGATIVE_SPANS: u32 = bytes_tag(8);
const NEGATIVE_DELTAS: u32 = bytes_tag(9);
const NEGATIVE_DELTA: u32 = varint_tag(9);
const NEGATIVE_COUNTS: u32 = bytes_tag(10);
const NEGATIVE_COUNT: u32 = fixed64_tag(10);
const POSITIVE_SPANS: u32 = bytes_tag(11);
const POSITIVE_DELTAS: u32 = bytes_tag(12);
const POSITIVE_DELTA: u32 = varint_tag(12);
const POSITIVE_COUNTS: u32 = bytes_tag(13);
const POSITIVE_COUNT: u32 = fixed64_tag(13);
const CUSTOM_VALUES: u32 = bytes_tag(16);
const CUSTOM_VALUE: u32 = fixed64_tag(16);

/// The schema whose buckets are bounded by `custom_values`.
const CUSTOM_SCHEMA: i32 = -53;

/// A count that is an integer in one kind of histogram and a float in the other.
#[derive(Debug, Clone, Copy)]
enum Count {
    Int(u64),
    Float(f64),
}

/// What one pass learns about a histogram.
#[derive(Debug)]
pub(super) struct Histogram {
    count: Count,
    zero_count: Count,
    zero_threshold: f64,
    sum: f64,
    schema: i32,
    positive: Side,
    negative: Side,
    bounds: Bounds,
}

impl Histogram {
    /// Reads one `Histogram` message, fields in any order, repeated scalars packed or not.
    pub(super) fn read(mut message: Reader<'_>, objects: &mut Budget) -> Result<Self, DecodeError> {
        let mut histogram = Self {
            count: Count::Int(0),
            zero_count: Count::Int(0),
            zero_threshold: 0.0,
            sum: 0.0,
            schema: 0,
            positive: Side::default(),
            negative: Side::default(),
            bounds: Bounds::default(),
        };
        while !message.is_done() {
            histogram.read_field(&mut message, objects)?;
        }
        Ok(histogram)
    }

    fn read_field(
        &mut self,
        message: &mut Reader<'_>,
        objects: &mut Budget,
    ) -> Result<(), DecodeError> {
        let offset = message.at();
        match message.tag()? {
            COUNT_INT => self.count = Count::Int(message.varint()?),
            COUNT_FLOAT => self.count = Count::Float(double(message)?),
            SUM => self.sum = double(message)?,
            SCHEMA => self.schema = zigzag32(message.varint()?),
            ZERO_THRESHOLD => self.zero_threshold = double(message)?,
            ZERO_COUNT_INT => self.zero_count = Count::Int(message.varint()?),
            ZERO_COUNT_FLOAT => self.zero_count = Count::Float(double(message)?),
            NEGATIVE_SPANS => {
                objects.take(offset)?;
                self.negative.read_span(message.message()?)?;
            }
            POSITIVE_SPANS => {
                objects.take(offset)?;
                self.positive.read_span(message.message()?)?;
            }
            NEGATIVE_DELTAS => self.negative.read_deltas(message.message()?)?,
            NEGATIVE_DELTA => self.negative.add_delta(zigzag64(message.varint()?)),
            NEGATIVE_COUNTS => self.negative.read_floats(message.message()?)?,
            NEGATIVE_COUNT => self.negative.add_float(double(message)?),
            POSITIVE_DELTAS => self.positive.read_deltas(message.message()?)?,
            POSITIVE_DELTA => self.positive.add_delta(zigzag64(message.varint()?)),
            POSITIVE_COUNTS => self.positive.read_floats(message.message()?)?,
            POSITIVE_COUNT => self.positive.add_float(double(message)?),
            CUSTOM_VALUES => self.bounds.read(message.message()?)?,
            CUSTOM_VALUE => self.bounds.add(double(message)?),
            tag => message.skip(tag)?,
        }
        Ok(())
    }

    /// Whether schema, spans, buckets and counts agree with each other.
    pub(super) fn validate(&self, buckets_max: usize) -> Result<(), &'static str> {
        match self.schema {
            CUSTOM_SCHEMA => self.validate_custom()?,
            -4..=52 if self.bounds.count > 0 => return Err("exponential schema has custom bounds"),
            -4..=52 => {}
            _ => return Err("schema is unknown"),
        }
        match self.count {
            Count::Int(count) => self.validate_ints(count, buckets_max),
            Count::Float(count) => self.validate_floats(count, buckets_max),
        }
    }

    fn validate_custom(&self) -> Result<(), &'static str> {
        if !self.bounds.are_valid {
            return Err("custom bounds are not finite and increasing");
        }
        if self.positive.first_offset < 0 || self.positive.gap_min < 0 {
            return Err("span offset is negative");
        }
        if self.positive.reach > self.bounds.count as i64 + 1 {
            return Err("spans reach beyond the custom bounds");
        }
        let zero_is_empty = match self.zero_count {
            Count::Int(count) => count == 0,
            Count::Float(count) => count == 0.0,
        };
        if !zero_is_empty || self.zero_threshold != 0.0 {
            return Err("custom schema has a zero bucket");
        }
        if self.negative.spans + self.negative.deltas + self.negative.floats > 0 {
            return Err("custom schema has negative buckets");
        }
        Ok(())
    }

    fn validate_ints(&self, count: u64, buckets_max: usize) -> Result<(), &'static str> {
        self.validate_spans([self.positive.deltas, self.negative.deltas], buckets_max)?;
        if self.positive.int_min < 0 || self.negative.int_min < 0 {
            return Err("bucket count is negative");
        }
        let zero_count = match self.zero_count {
            Count::Int(zero_count) => i128::from(zero_count),
            Count::Float(_) => 0,
        };
        let in_buckets = self.positive.total + self.negative.total + zero_count;
        let count = i128::from(count);
        // Observations of NaN are in the count and in no bucket.
        if in_buckets == count || (self.sum.is_nan() && in_buckets < count) {
            return Ok(());
        }
        Err("count is not the sum of the buckets")
    }

    fn validate_floats(&self, count: f64, buckets_max: usize) -> Result<(), &'static str> {
        self.validate_spans([self.positive.floats, self.negative.floats], buckets_max)?;
        if self.positive.float_min < 0.0 || self.negative.float_min < 0.0 {
            return Err("bucket count is negative");
        }
        if matches!(self.zero_count, Count::Float(zero_count) if zero_count < 0.0) {
            return Err("zero count is negative");
        }
        if count < 0.0 { Err("count is negative") } else { Ok(()) }
    }

    fn validate_spans(
        &self,
        [positive, negative]: [usize; 2],
        buckets_max: usize,
    ) -> Result<(), &'static str> {
        if positive + negative > buckets_max || self.bounds.count > buckets_max {
            return Err("too many buckets");
        }
        for (side, buckets) in [(&self.positive, positive), (&self.negative, negative)] {
            if side.gap_min < 0 {
                return Err("gap between spans is negative");
            }
            if side.length != buckets as u64 {
                return Err("spans do not match the buckets");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fields as hexadecimal text, as the table of the protocol numbers them.
    fn verdict(fields: &[&str]) -> Result<(), &'static str> {
        let hex: String = fields.concat().split_whitespace().collect();
        let digit = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(digit).collect();
        let mut objects = Budget::new("messages", 100);
        Histogram::read(Reader::new(&bytes), &mut objects).unwrap().validate(4)
    }

    const ONE: &str = "000000000000f03f";
    const MINUS_ONE: &str = "000000000000f0bf";
    const TWO: &str = "0000000000000040";
    const NAN: &str = "010000000000f87f";
    const INFINITE: &str = "000000000000f07f";
    /// One span of two buckets; deltas 1, 1: counts 1 and 2.
    const POSITIVE: &str = "5a04 0800 1002  6202 0202";
    const CUSTOM: &str = "20 69";

    #[test]
    fn integer_counts_add_up() {
        assert_eq!(verdict(&[]), Ok(()));
        assert_eq!(verdict(&["0803", POSITIVE]), Ok(()));
        assert_eq!(verdict(&["0805 3002", POSITIVE]), Ok(()));
        assert_eq!(verdict(&["0806 4202 1001 4a01 06", POSITIVE]), Ok(()));
        assert_eq!(verdict(&["0863", POSITIVE]), Err("count is not the sum of the buckets"));
        assert_eq!(verdict(&["0863 19", NAN, POSITIVE]), Ok(()), "NaN is in no bucket");
        assert_eq!(
            verdict(&["0802 19", NAN, POSITIVE]),
            Err("count is not the sum of the buckets")
        );
        assert_eq!(verdict(&["0801 5a02 1002 6202 0201"]), Ok(()), "counts 1 and 0");
        assert_eq!(verdict(&["0800 5a02 1002 6202 0203"]), Err("bucket count is negative"));
    }

    #[test]
    fn repeated_scalars_may_be_packed_or_not() {
        assert_eq!(verdict(&["0803 5a02 1002 6002 6002"]), Ok(()));
        assert_eq!(verdict(&["0803 5a02 1002 6002 6201 02"]), Ok(()));
        assert_eq!(verdict(&["11", ONE, "5a02 1001 69", ONE]), Ok(()));
        assert_eq!(verdict(&["11", ONE, "5a02 1001 6a08", ONE]), Ok(()));
    }

    #[test]
    fn spans_must_match_the_buckets() {
        let mismatch = Err("spans do not match the buckets");
        assert_eq!(verdict(&["0803 5a02 1001 6202 0202"]), mismatch);
        assert_eq!(verdict(&["0803 5a02 1003 6202 0202"]), mismatch);
        assert_eq!(verdict(&["0803 6202 0202"]), mismatch);
        assert_eq!(verdict(&["0803 4202 1002 6202 0202"]), mismatch);
        let longest_spans = "5a06 10 ffffffff0f".repeat(50);
        assert_eq!(verdict(&[&longest_spans]), mismatch);
        let around_2_to_the_32 = "5a06 10 ffffffff0f 5a02 1001";
        assert_eq!(verdict(&[around_2_to_the_32]), mismatch, "no wrap to zero");
        assert_eq!(verdict(&["0803 5a04 0803 1001 5a04 0800 1001 6202 0202"]), Ok(()));
        assert_eq!(
            verdict(&["0803 5a04 0800 1001 5a04 0801 1001 6202 0202"]),
            Err("gap between spans is negative")
        );
        assert_eq!(verdict(&["0805 5a02 1005 6205 0200000000"]), Err("too many buckets"));
    }

    #[test]
    fn schemas_are_exponential_or_custom() {
        for (zigzag, expected) in [
            ("07", Ok(())),
            ("68", Ok(())),
            ("09", Err("schema is unknown")),
            ("6a", Err("schema is unknown")),
            ("6b", Err("schema is unknown")),
        ] {
            assert_eq!(verdict(&["20", zigzag, "0803", POSITIVE]), expected, "schema {zigzag}");
        }
        let bounds = ["8201 08", ONE];
        assert_eq!(verdict(&bounds), Err("exponential schema has custom bounds"));
    }

    #[test]
    fn custom_buckets_lie_between_increasing_bounds() {
        let fault = |fields: &[&str]| verdict(&[&[CUSTOM, "0803", POSITIVE], fields].concat());
        assert_eq!(fault(&["8101", ONE]), Ok(()), "the last bucket is open");
        assert_eq!(fault(&["8201 10", ONE, TWO]), Ok(()));
        let beyond = Err("spans reach beyond the custom bounds");
        assert_eq!(fault(&[]), beyond);
        let behind_a_gap = [CUSTOM, "0803 5a04 0802 1002 6202 0202", "8101", ONE];
        assert_eq!(verdict(&behind_a_gap), beyond);
        assert_eq!(verdict(&[&behind_a_gap[..], &["8101", TWO]].concat()), Ok(()));
        let bounds_fault = Err("custom bounds are not finite and increasing");
        assert_eq!(fault(&["8201 10", TWO, ONE]), bounds_fault);
        assert_eq!(fault(&["8201 10", ONE, ONE]), bounds_fault);
        assert_eq!(fault(&["8201 10", ONE, NAN]), bounds_fault);
        assert_eq!(fault(&["8201 10", ONE, INFINITE]), bounds_fault);
        let zero_bucket = Err("custom schema has a zero bucket");
        assert_eq!(fault(&["8101", ONE, "3001"]), zero_bucket);
        assert_eq!(fault(&["8101", ONE, "29", ONE]), zero_bucket);
        let negative = Err("custom schema has negative buckets");
        assert_eq!(fault(&["8101", ONE, "4200"]), negative);
        assert_eq!(fault(&["8101", ONE, "4800"]), negative);
        let negative_offset = "0803 5a04 0801 1002 6202 0202";
        assert_eq!(verdict(&[CUSTOM, negative_offset]), Err("span offset is negative"));
    }

    #[test]
    fn float_counts_are_not_negative() {
        let buckets = ["5a02 1002 6a10", ONE, TWO].concat();
        assert_eq!(verdict(&["11", TWO, &buckets]), Ok(()), "rounding: no sum is asked for");
        assert_eq!(verdict(&["11", MINUS_ONE]), Err("count is negative"));
        assert_eq!(verdict(&["11", ONE, "39", MINUS_ONE]), Err("zero count is negative"));
        let buckets = ["5a02 1001 69", MINUS_ONE].concat();
        assert_eq!(verdict(&["11", ONE, &buckets]), Err("bucket count is negative"));
    }

    #[test]
    fn the_kind_is_what_the_last_count_says() {
        assert_eq!(verdict(&["11", ONE, "0803", POSITIVE]), Ok(()));
        let floats = Err("spans do not match the buckets");
        assert_eq!(verdict(&["0803 11", ONE, POSITIVE]), floats, "deltas mean nothing here");
    }
}

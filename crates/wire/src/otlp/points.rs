//! Data points of gauges, sums and summaries, and what all points have in common.

use bellwether_series::{METRIC_NAME, STALE_NAN_BITS, Timestamp};

use super::any_value::{self, KeyValue};
use super::decode::{Decoder, Metric};
use super::names::push_label_name;
use crate::remote_write::{
    DecodeError, Mark, RawSample, Reader, SameName, bytes_tag, fixed64_tag, varint_tag,
};

const TIME: u32 = fixed64_tag(3);

const NUMBER_DOUBLE: u32 = fixed64_tag(4);
const NUMBER_INT: u32 = fixed64_tag(6);
const NUMBER_ATTRIBUTES: u32 = bytes_tag(7);
const NUMBER_FLAGS: u32 = varint_tag(8);

const SUMMARY_COUNT: u32 = fixed64_tag(4);
const SUMMARY_SUM: u32 = fixed64_tag(5);
const SUMMARY_QUANTILES: u32 = bytes_tag(6);
const SUMMARY_ATTRIBUTES: u32 = bytes_tag(7);
const SUMMARY_FLAGS: u32 = varint_tag(8);
const QUANTILE: u32 = fixed64_tag(1);
const QUANTILE_VALUE: u32 = fixed64_tag(2);

/// The bit of a point's flags that says that its series has ended.
const NO_RECORDED_VALUE: u64 = 1;

/// Whether a point could be taken, or what is wrong with it.
pub(super) type Verdict = Result<(), &'static str>;

/// When a point was measured, and whether it is the last one.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moment {
    pub(super) time_ns: u64,
    pub(super) is_end: bool,
}

impl Moment {
    pub(super) fn set_flags(&mut self, flags: u64) {
        self.is_end = flags & NO_RECORDED_VALUE != 0;
    }

    pub(super) fn timestamp(self) -> Result<Timestamp, &'static str> {
        match self.time_ns / 1_000_000 {
            0 => Err("time is missing"),
            ms => Ok(Timestamp::from_ms(ms as i64)),
        }
    }

    /// `value`, or the marker of the end of a series.
    pub(super) fn value(self, value: f64) -> f64 {
        if self.is_end { f64::from_bits(STALE_NAN_BITS) } else { value }
    }
}

impl<'a> Decoder<'a> {
    /// Begins another point: only the labels of the resource are left.
    pub(super) fn begin_point(&mut self) {
        self.labels.truncate(self.of_resource);
    }

    /// Reads an attribute of a point. Labels of the resource take precedence; of attributes whose names become the same label the
    /// values are joined.
    pub(super) fn read_attribute(&mut self, message: Reader<'a>) -> Result<(), DecodeError> {
        self.assembler.object(message.at())?;
        let KeyValue { key, value } = KeyValue::read(self.body, message)?;
        let Some(value) = value.filter(|_| !key.is_empty()) else { return Ok(()) };
        let before = self.labels.mark();
        let mut written = Ok(());
        self.labels.push_with(
            |text| push_label_name(&String::from_utf8_lossy(key), text),
            |text| written = any_value::write(self.body, value, text),
        );
        if self.labels.newest_is_known(self.of_resource) {
            self.labels.truncate(before);
        }
        written
    }

    /// Adds a sample of the series called `name` and `suffix` with the labels of the point.
    pub(super) fn add(
        &mut self,
        offset: usize,
        [name, suffix]: [&str; 2],
        sample: RawSample,
    ) -> Result<(), DecodeError> {
        let point = self.labels.mark();
        self.push_name(name, suffix);
        self.add_labelled(offset, point, sample)
    }

    /// The same, with a further label whose value is a number.
    pub(super) fn add_with(
        &mut self,
        offset: usize,
        [name, suffix]: [&str; 2],
        (label, number): (&str, f64),
        sample: RawSample,
    ) -> Result<(), DecodeError> {
        let point = self.labels.mark();
        self.push_name(name, suffix);
        self.labels.push_with(
            |text| text.extend_from_slice(label.as_bytes()),
            |text| text.extend_from_slice(number_text(number).as_bytes()),
        );
        self.add_labelled(offset, point, sample)
    }

    fn push_name(&mut self, name: &str, suffix: &str) {
        self.labels.push_with(
            |text| text.extend_from_slice(METRIC_NAME.as_bytes()),
            |text| {
                text.extend_from_slice(name.as_bytes());
                text.extend_from_slice(suffix.as_bytes());
            },
        );
    }

    fn add_labelled(
        &mut self,
        offset: usize,
        point: Mark,
        sample: RawSample,
    ) -> Result<(), DecodeError> {
        self.assembler.sample(offset, &mut self.labels, SameName::Join, sample)?;
        self.labels.truncate(point);
        Ok(())
    }

    pub(super) fn read_number_point(
        &mut self,
        metric: &Metric<'_>,
        mut message: Reader<'a>,
    ) -> Result<Verdict, DecodeError> {
        let offset = message.at();
        self.begin_point();
        let (mut moment, mut value) = (Moment::default(), None);
        while !message.is_done() {
            match message.tag()? {
                TIME => moment.time_ns = message.fixed64()?,
                NUMBER_DOUBLE => value = Some(f64::from_bits(message.fixed64()?)),
                NUMBER_INT => value = Some(message.fixed64()? as i64 as f64),
                NUMBER_ATTRIBUTES => self.read_attribute(message.message()?)?,
                NUMBER_FLAGS => moment.set_flags(message.varint()?),
                tag => message.skip(tag)?,
            }
        }
        let value = value.or(moment.is_end.then_some(0.0)).ok_or("value is missing");
        let sample = moment
            .timestamp()
            .and_then(|timestamp| Ok(RawSample { timestamp, value: moment.value(value?) }));
        match sample {
            Ok(sample) => self.add(offset, [&metric.name, ""], sample).map(Ok),
            Err(fault) => Ok(Err(fault)),
        }
    }

    pub(super) fn read_summary_point(
        &mut self,
        metric: &Metric<'_>,
        mut message: Reader<'a>,
    ) -> Result<Verdict, DecodeError> {
        let offset = message.at();
        self.begin_point();
        let (mut moment, mut count, mut sum) = (Moment::default(), 0, 0.0);
        let whole = message.clone();
        while !message.is_done() {
            match message.tag()? {
                TIME => moment.time_ns = message.fixed64()?,
                SUMMARY_COUNT => count = message.fixed64()?,
                SUMMARY_SUM => sum = f64::from_bits(message.fixed64()?),
                SUMMARY_ATTRIBUTES => self.read_attribute(message.message()?)?,
                SUMMARY_FLAGS => moment.set_flags(message.varint()?),
                tag => message.skip(tag)?,
            }
        }
        let timestamp = match moment.timestamp() {
            Ok(timestamp) => timestamp,
            Err(fault) => return Ok(Err(fault)),
        };
        let sample = |value| RawSample { timestamp, value: moment.value(value) };
        self.add(offset, [&metric.name, "_count"], sample(count as f64))?;
        self.add(offset, [&metric.name, "_sum"], sample(sum))?;
        let mut message = whole;
        while !message.is_done() {
            match message.tag()? {
                SUMMARY_QUANTILES => {
                    self.assembler.object(message.at())?;
                    let (quantile, value) = read_quantile(message.message()?)?;
                    let label = ("quantile", quantile);
                    self.add_with(offset, [&metric.name, ""], label, sample(value))?;
                }
                tag => message.skip(tag)?,
            }
        }
        Ok(Ok(()))
    }
}

fn read_quantile(mut message: Reader<'_>) -> Result<(f64, f64), DecodeError> {
    let (mut quantile, mut value) = (0.0, 0.0);
    while !message.is_done() {
        match message.tag()? {
            QUANTILE => quantile = f64::from_bits(message.fixed64()?),
            QUANTILE_VALUE => value = f64::from_bits(message.fixed64()?),
            tag => message.skip(tag)?,
        }
    }
    Ok((quantile, value))
}

/// As Prometheus writes the numbers in labels: never with an exponent.
fn number_text(number: f64) -> String {
    if number == f64::INFINITY { "+Inf".to_owned() } else { number.to_string() }
}

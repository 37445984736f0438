//! Data points of histograms, with bounds that are said and with exponential ones.

use super::decode::{Decoder, Metric, Temporality};
use super::points::{Moment, Verdict};
use crate::remote_write::{DecodeError, RawSample, Reader, bytes_tag, fixed64_tag, varint_tag};

const TIME: u32 = fixed64_tag(3);
const COUNT: u32 = fixed64_tag(4);
const SUM: u32 = fixed64_tag(5);
const BUCKET_COUNTS: u32 = bytes_tag(6);
const BUCKET_COUNT: u32 = fixed64_tag(6);
const BOUNDS: u32 = bytes_tag(7);
const BOUND: u32 = fixed64_tag(7);
const ATTRIBUTES: u32 = bytes_tag(9);
const EXPONENTIAL_ATTRIBUTES: u32 = bytes_tag(1);
const FLAGS: u32 = varint_tag(10);

/// What every histogram says besides its buckets.
#[derive(Debug, Default)]
struct Totals {
    moment: Moment,
    count: u64,
    /// Absent where values may be negative.
    sum: Option<f64>,
}

impl<'a> Decoder<'a> {
    pub(super) fn read_histogram_point(
        &mut self,
        metric: &Metric<'_>,
        mut message: Reader<'a>,
    ) -> Result<Verdict, DecodeError> {
        let offset = message.at();
        self.begin_point();
        self.counts.clear();
        self.bounds.clear();
        let (mut totals, mut has_too_many) = (Totals::default(), false);
        while !message.is_done() {
            match message.tag()? {
                TIME => totals.moment.time_ns = message.fixed64()?,
                COUNT => totals.count = message.fixed64()?,
                SUM => totals.sum = Some(f64::from_bits(message.fixed64()?)),
                BUCKET_COUNT => self.counts.push(message.fixed64()?),
                BUCKET_COUNTS => {
                    let mut packed = message.message()?;
                    while !packed.is_done() && !has_too_many {
                        self.counts.push(packed.fixed64()?);
                        has_too_many |= self.counts.len() > self.buckets_max;
                    }
                }
                BOUND => self.bounds.push(f64::from_bits(message.fixed64()?)),
                BOUNDS => {
                    let mut packed = message.message()?;
                    while !packed.is_done() && !has_too_many {
                        self.bounds.push(f64::from_bits(packed.fixed64()?));
                        has_too_many |= self.bounds.len() > self.buckets_max;
                    }
                }
                ATTRIBUTES => self.read_attribute(message.message()?)?,
                FLAGS => totals.moment.set_flags(message.varint()?),
                tag => message.skip(tag)?,
            }
            has_too_many |= self.counts.len().max(self.bounds.len()) > self.buckets_max;
            if has_too_many {
                return Ok(Err("histogram has too many buckets"));
            }
        }
        let is_end = totals.moment.is_end;
        if !is_end && let Err(fault) = self.check_buckets() {
            return Ok(Err(fault));
        }
        if let Err(fault) = self.add_totals(offset, metric, &totals)? {
            return Ok(Err(fault));
        }
        // What came since the last point has no place in a `_bucket` series, which counts from a start.
        if metric.temporality == Temporality::Cumulative {
            self.add_buckets(offset, metric, &totals)?;
        }
        Ok(Ok(()))
    }

    pub(super) fn read_exponential_point(
        &mut self,
        metric: &Metric<'_>,
        mut message: Reader<'a>,
    ) -> Result<Verdict, DecodeError> {
        let offset = message.at();
        self.begin_point();
        let mut totals = Totals::default();
        while !message.is_done() {
            match message.tag()? {
                TIME => totals.moment.time_ns = message.fixed64()?,
                COUNT => totals.count = message.fixed64()?,
                SUM => totals.sum = Some(f64::from_bits(message.fixed64()?)),
                EXPONENTIAL_ATTRIBUTES => self.read_attribute(message.message()?)?,
                FLAGS => totals.moment.set_flags(message.varint()?),
                tag => message.skip(tag)?,
            }
        }
        let verdict = self.add_totals(offset, metric, &totals)?;
        if verdict.is_ok() {
            self.assembler.count_valid(1, 0);
        }
        Ok(verdict)
    }

    fn check_buckets(&self) -> Verdict {
        let (counts, bounds) = (&self.counts, &self.bounds);
        if counts.len() != bounds.len() + 1 && !(counts.is_empty() && bounds.is_empty()) {
            return Err("histogram has not one bucket more than bounds");
        }
        // Stated positively, so that NaN is none.
        if !bounds.is_sorted_by(|a, b| a < b) || bounds.iter().any(|bound| bound.is_nan()) {
            return Err("bounds are not increasing");
        }
        Ok(())
    }

    fn add_totals(
        &mut self,
        offset: usize,
        metric: &Metric<'_>,
        totals: &Totals,
    ) -> Result<Verdict, DecodeError> {
        let timestamp = match totals.moment.timestamp() {
            Ok(timestamp) => timestamp,
            Err(fault) => return Ok(Err(fault)),
        };
        let sample = |value| RawSample { timestamp, value: totals.moment.value(value) };
        self.add(offset, [&metric.name, "_count"], sample(totals.count as f64))?;
        if let Some(sum) = totals.sum {
            self.add(offset, [&metric.name, "_sum"], sample(sum))?;
        }
        Ok(Ok(()))
    }

    /// Adds the series of the buckets, each of which counts those below it, too.
    fn add_buckets(
        &mut self,
        offset: usize,
        metric: &Metric<'_>,
        totals: &Totals,
    ) -> Result<(), DecodeError> {
        let Ok(timestamp) = totals.moment.timestamp() else { return Ok(()) };
        let sample = |value| RawSample { timestamp, value: totals.moment.value(value) };
        let name = [&*metric.name, "_bucket"];
        let mut below = 0_u64;
        for index in 0..self.bounds.len() {
            // At the end of a series there are bounds at most.
            below = below.saturating_add(self.counts.get(index).copied().unwrap_or_default());
            let bound = self.bounds[index];
            if bound < f64::INFINITY {
                self.add_with(offset, name, ("le", bound), sample(below as f64))?;
            }
        }
        self.add_with(offset, name, ("le", f64::INFINITY), sample(totals.count as f64))
    }
}

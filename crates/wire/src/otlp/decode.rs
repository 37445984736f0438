//! Walks over a request: resources, scopes, metrics.
//!
//! Fields of a message may come in any order, so whatever the others depend on is looked for first: the resource, the name and unit
//! of a metric, the temporality of a sum. Each message is so walked over at most twice on its own level.

use super::names::{Suffix, metric_name};
use super::resource::Resource;
use crate::remote_write::{
    Assembler, DecodeError, LabelBuffer, Limits, Mark, MetricType, Reader, WriteRequest, bytes_tag,
    varint_tag,
};

const RESOURCE_METRICS: u32 = bytes_tag(1);
const RESOURCE: u32 = bytes_tag(1);
const SCOPE_METRICS: u32 = bytes_tag(2);
const METRICS: u32 = bytes_tag(2);

const NAME: u32 = bytes_tag(1);
const UNIT: u32 = bytes_tag(3);
const GAUGE: u32 = bytes_tag(5);
const SUM: u32 = bytes_tag(7);
const HISTOGRAM: u32 = bytes_tag(9);
const EXPONENTIAL_HISTOGRAM: u32 = bytes_tag(10);
const SUMMARY: u32 = bytes_tag(11);

const DATA_POINTS: u32 = bytes_tag(1);
const TEMPORALITY: u32 = varint_tag(2);
const IS_MONOTONIC: u32 = varint_tag(3);

/// Longest piece of a hostile name in a message.
const EXCERPT_BYTES_MAX: usize = 64;

/// Decodes `body`, whose text had `body_bytes`.
pub(super) fn decode(
    body: &[u8],
    body_bytes: usize,
    limits: &Limits,
) -> Result<WriteRequest, DecodeError> {
    let labels = LabelBuffer::default();
    let mut decoder = Decoder {
        body,
        buckets_max: limits.histogram_buckets_max,
        assembler: Assembler::new(body_bytes, limits),
        of_resource: labels.mark(),
        labels,
        counts: Vec::new(),
        bounds: Vec::new(),
        resource: Resource::default(),
    };
    let mut message = Reader::new(body);
    while !message.is_done() {
        let offset = message.at();
        match message.tag()? {
            RESOURCE_METRICS => {
                decoder.assembler.object(offset)?;
                decoder.read_resource_metrics(&message.message()?)?;
            }
            tag => message.skip(tag)?,
        }
    }
    Ok(decoder.assembler.finish())
}

pub(super) struct Decoder<'a> {
    pub(super) body: &'a [u8],
    pub(super) buckets_max: usize,
    pub(super) assembler: Assembler,
    pub(super) labels: LabelBuffer,
    /// Behind the labels of the resource.
    pub(super) of_resource: Mark,
    /// Scratch of a histogram: the counts of its buckets, and their bounds.
    pub(super) counts: Vec<u64>,
    pub(super) bounds: Vec<f64>,
    resource: Resource,
}

/// A metric as it is called, and how its points are to be taken.
#[derive(Debug)]
pub(super) struct Metric<'a> {
    /// As it was sent.
    pub(super) sent_name: &'a str,
    /// In Prometheus' form.
    pub(super) name: String,
    pub(super) temporality: Temporality,
}

/// Whether a value counts from a start, or from the value before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Temporality {
    Cumulative,
    Delta,
}

/// What kind of data points there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Data {
    Gauge,
    Sum,
    Histogram,
    ExponentialHistogram,
    Summary,
}

impl<'a> Decoder<'a> {
    fn read_resource_metrics(&mut self, message: &Reader<'a>) -> Result<(), DecodeError> {
        self.labels.clear();
        self.resource.clear();
        let mut rest = message.clone();
        while !rest.is_done() {
            let offset = rest.at();
            match rest.tag()? {
                RESOURCE => {
                    self.assembler.object(offset)?;
                    let (labels, assembler) = (&mut self.labels, &mut self.assembler);
                    self.resource.read(self.body, rest.message()?, labels, assembler)?;
                }
                tag => rest.skip(tag)?,
            }
        }
        self.resource.finish(&mut self.labels);
        self.of_resource = self.labels.mark();
        let mut rest = message.clone();
        while !rest.is_done() {
            let offset = rest.at();
            match rest.tag()? {
                SCOPE_METRICS => {
                    self.assembler.object(offset)?;
                    self.read_scope_metrics(rest.message()?)?;
                }
                tag => rest.skip(tag)?,
            }
        }
        Ok(())
    }

    fn read_scope_metrics(&mut self, mut message: Reader<'a>) -> Result<(), DecodeError> {
        while !message.is_done() {
            let offset = message.at();
            match message.tag()? {
                METRICS => {
                    self.assembler.object(offset)?;
                    self.read_metric(&message.message()?)?;
                }
                tag => message.skip(tag)?,
            }
        }
        Ok(())
    }

    fn read_metric(&mut self, message: &Reader<'a>) -> Result<(), DecodeError> {
        let (mut name, mut unit) = (0..0, 0..0);
        let mut rest = message.clone();
        while !rest.is_done() {
            match rest.tag()? {
                NAME => name = rest.bytes()?,
                UNIT => unit = rest.bytes()?,
                tag => rest.skip(tag)?,
            }
        }
        let (name, unit) = (&self.body[name], &self.body[unit]);
        let (Ok(name), Ok(unit)) = (str::from_utf8(name), str::from_utf8(unit)) else {
            let offset = message.at();
            self.assembler.bad_point(format_args!(
                "name or unit of a metric is not valid UTF-8: offset=`{offset}`"
            ));
            return Ok(());
        };
        let mut rest = message.clone();
        while !rest.is_done() {
            let data = match rest.tag()? {
                GAUGE => Data::Gauge,
                SUM => Data::Sum,
                HISTOGRAM => Data::Histogram,
                EXPONENTIAL_HISTOGRAM => Data::ExponentialHistogram,
                SUMMARY => Data::Summary,
                tag => {
                    rest.skip(tag)?;
                    continue;
                }
            };
            self.read_data(name, unit, data, &rest.message()?)?;
        }
        Ok(())
    }

    fn read_data(
        &mut self,
        sent_name: &'a str,
        unit: &str,
        data: Data,
        message: &Reader<'a>,
    ) -> Result<(), DecodeError> {
        let (mut temporality, mut is_monotonic) = (0, false);
        let mut rest = message.clone();
        while !rest.is_done() {
            match rest.tag()? {
                TEMPORALITY => temporality = rest.varint()?,
                IS_MONOTONIC => is_monotonic = rest.varint()? != 0,
                tag => rest.skip(tag)?,
            }
        }
        let temporality = match (data, temporality) {
            (Data::Gauge | Data::Summary, _) | (_, 2) => Temporality::Cumulative,
            (_, 1) => Temporality::Delta,
            _ => {
                self.bad_metric(sent_name, "aggregation temporality is not known");
                return Ok(());
            }
        };
        let is_counter = is_monotonic && temporality == Temporality::Cumulative;
        let suffix = match data {
            Data::Gauge => Suffix::Gauge,
            Data::Sum if is_counter => Suffix::Counter,
            _ => Suffix::None,
        };
        let metric = Metric { sent_name, name: metric_name(sent_name, unit, suffix), temporality };
        if metric.name.is_empty() {
            self.bad_metric(sent_name, "name has no letter or digit");
            return Ok(());
        }
        self.declare(&metric, data, is_counter, message.at())?;
        let (mut rest, mut ordinal) = (message.clone(), 0);
        while !rest.is_done() {
            let offset = rest.at();
            let tag = rest.tag()?;
            if tag != DATA_POINTS {
                rest.skip(tag)?;
                continue;
            }
            self.assembler.object(offset)?;
            ordinal += 1;
            let point = rest.message()?;
            let verdict = match data {
                Data::Gauge | Data::Sum => self.read_number_point(&metric, point)?,
                Data::Histogram => self.read_histogram_point(&metric, point)?,
                Data::ExponentialHistogram => self.read_exponential_point(&metric, point)?,
                Data::Summary => self.read_summary_point(&metric, point)?,
            };
            if let Err(fault) = verdict {
                let name = excerpt(metric.sent_name);
                self.assembler.bad_point(format_args!(
                    "data point is invalid: metric=`{name}`, point=`{ordinal}`, fault=`{fault}`"
                ));
            }
        }
        Ok(())
    }

    /// Says what the families of a metric are, so that what only rises is judged by its rate and nothing else is.
    fn declare(
        &mut self,
        metric: &Metric<'_>,
        data: Data,
        is_counter: bool,
        offset: usize,
    ) -> Result<(), DecodeError> {
        let kind = match data {
            Data::Sum if is_counter => MetricType::Counter,
            Data::Gauge | Data::Sum => MetricType::Gauge,
            Data::Summary => MetricType::Summary,
            Data::Histogram | Data::ExponentialHistogram => MetricType::Histogram,
        };
        if kind == MetricType::Histogram && metric.temporality == Temporality::Delta {
            for suffix in ["_count", "_sum"] {
                let family = format!("{}{suffix}", metric.name);
                self.assembler.metadata(offset, &family, MetricType::Gauge)?;
            }
            return Ok(());
        }
        self.assembler.metadata(offset, &metric.name, kind)
    }

    fn bad_metric(&mut self, name: &str, fault: &'static str) {
        let name = excerpt(name);
        self.assembler
            .bad_point(format_args!("metric is invalid: metric=`{name}`, fault=`{fault}`"));
    }
}

fn excerpt(name: &str) -> &str {
    &name[..name.floor_char_boundary(EXCERPT_BYTES_MAX)]
}

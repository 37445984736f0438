//! Puts requests together from what did not come as `prometheus.WriteRequest`.

use std::fmt;

use super::budget::Budget;
use super::decode::BODY_BYTES_MAX;
use super::histogram::Histogram;
use super::label_buffer::{LabelBuffer, SameName};
use super::reader::Reader;
use super::request::{MetadataSpan, SeriesSpan, Span};
use super::{DecodeError, Limits, MetricType, RawSample, WriteRequest};

/// How many times the bytes of labels that a request may hold are written at most while it is read.
const WRITTEN_PER_HELD: usize = 8;

/// A request that grows sample by sample, within the limits of one. Series are bounded by their samples: most formats have no
/// message of a series that could be counted.
///
/// In most formats labels are said once for many samples, so a small body may mean a lot of them: what is written for all series
/// together is limited like a body that is decompressed.
#[derive(Debug)]
pub(crate) struct Assembler {
    labels_bytes_max: usize,
    /// Of labels, those included that were written only to see that they are those of the series before: time is spent on them.
    written_bytes: usize,
    samples_left: Budget,
    objects_left: Budget,
    request: WriteRequest,
}

impl Assembler {
    /// Of a body of `body_bytes` once decompressed.
    pub(crate) fn new(body_bytes: usize, limits: &Limits) -> Self {
        Self {
            labels_bytes_max: limits.decoded_bytes_max.min(BODY_BYTES_MAX),
            written_bytes: 0,
            samples_left: Budget::new("samples", limits.samples_max),
            objects_left: Budget::new("messages", limits.objects_max),
            request: WriteRequest { body_bytes, ..WriteRequest::default() },
        }
    }

    /// Counts one object of the body that begins at `offset` and takes memory or time: a label, a message.
    #[inline]
    pub(crate) fn object(&mut self, offset: usize) -> Result<(), DecodeError> {
        self.objects_left.take(offset)
    }

    /// Adds a sample that begins at `offset` of the body to the series with `labels`.
    pub(crate) fn sample(
        &mut self,
        offset: usize,
        labels: &mut LabelBuffer,
        same_name: SameName,
        sample: RawSample,
    ) -> Result<(), DecodeError> {
        self.samples(offset, labels, same_name, &[sample])
    }

    /// Adds samples that begin at `offset` of the body to the series with `labels`. Samples of one series that follow each other are
    /// one series of the request.
    pub(crate) fn samples(
        &mut self,
        offset: usize,
        labels: &mut LabelBuffer,
        same_name: SameName,
        samples: &[RawSample],
    ) -> Result<(), DecodeError> {
        if samples.is_empty() {
            return Ok(());
        }
        for sample in samples {
            self.samples_left.take(offset)?;
            self.request.samples.push(*sample);
        }
        let end = self.request.samples.len();
        let bytes = &mut self.request.bytes;
        let start = bytes.len();
        labels.write(same_name, bytes);
        self.written_bytes += bytes.len() - start;
        if let Some(series) = self.request.series.last_mut()
            && bytes[series.labels.range()] == bytes[start..]
        {
            bytes.truncate(start);
            series.samples = Span::new(series.samples.range().start..end);
        } else {
            let labels = Span::new(start..bytes.len());
            let samples = Span::new(end - samples.len()..end);
            self.request.series.push(SeriesSpan { labels, samples });
        }
        self.check_bytes()
    }

    /// Adds what a metric family is.
    pub(crate) fn metadata(
        &mut self,
        offset: usize,
        family: &str,
        kind: MetricType,
    ) -> Result<(), DecodeError> {
        self.objects_left.take(offset)?;
        let bytes = &mut self.request.bytes;
        let start = bytes.len();
        bytes.extend_from_slice(family.as_bytes());
        let family = Span::new(start..bytes.len());
        self.request.metadata.push(MetadataSpan { family, kind });
        self.check_bytes()
    }

    /// Names a sample, or a line or message of some, that cannot be taken.
    pub(crate) fn bad_point(&mut self, message: fmt::Arguments<'_>) {
        self.request.invalid_points.push(message);
    }

    /// Names an exemplar that begins at `offset` of the body and cannot be taken.
    pub(super) fn bad_exemplar(&mut self, offset: usize, fault: &str) {
        let message = format_args!("exemplar is invalid: fault=`{fault}`, offset=`{offset}`");
        self.request.invalid_exemplars.push(message);
    }

    /// Reads a native histogram of Prometheus. Whether it is valid; else it is named.
    pub(super) fn histogram(
        &mut self,
        message: Reader<'_>,
        limits: &Limits,
    ) -> Result<bool, DecodeError> {
        let offset = message.at();
        let histogram = Histogram::read(message, &mut self.objects_left)?;
        let verdict = histogram.validate(limits.histogram_buckets_max);
        if let Err(fault) = verdict {
            let message = format_args!("histogram is invalid: fault=`{fault}`, offset=`{offset}`");
            self.request.invalid_histograms.push(message);
        }
        Ok(verdict.is_ok())
    }

    /// Counts histograms and exemplars that are valid and not kept.
    pub(crate) fn count_valid(&mut self, histograms: usize, exemplars: usize) {
        self.request.histogram_count += histograms;
        self.request.exemplar_count += exemplars;
    }

    /// The request.
    pub(crate) fn finish(mut self) -> WriteRequest {
        self.request.bytes.shrink_to_fit();
        self.request
    }

    fn check_bytes(&self) -> Result<(), DecodeError> {
        let held = (self.request.bytes.len(), self.labels_bytes_max);
        let written = (self.written_bytes, self.labels_bytes_max.saturating_mul(WRITTEN_PER_HELD));
        match [held, written].into_iter().find(|(bytes, limit_bytes)| bytes > limit_bytes) {
            Some((bytes, limit_bytes)) => {
                Err(DecodeError::TooLarge { part: "labels", bytes, limit_bytes })
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use bellwether_series::{LabelSet, Timestamp};

    use super::*;

    fn at(ms: i64) -> RawSample {
        RawSample { timestamp: Timestamp::from_ms(ms), value: ms as f64 }
    }

    fn labels(name: &str) -> LabelBuffer {
        let mut labels = LabelBuffer::default();
        labels.push(b"job", b"j");
        labels.push(b"__name__", name.as_bytes());
        labels
    }

    /// As many samples of each name, in that order.
    fn assemble(names: &[&str], limits: &Limits) -> Result<WriteRequest, DecodeError> {
        let mut assembler = Assembler::new(100, limits);
        for (index, name) in names.iter().enumerate() {
            let sample = at(index as i64);
            assembler.sample(index, &mut labels(name), SameName::Keep, sample)?;
        }
        Ok(assembler.finish())
    }

    #[test]
    fn samples_that_follow_each_other_are_one_series() {
        let request = assemble(&["up", "up", "down", "up"], &Limits::default()).unwrap();
        let wire = |name| LabelSet::from_pairs([("__name__", name), ("job", "j")]).unwrap();
        let series: Vec<_> = request
            .series()
            .map(|series| (series.labels.to_vec(), series.samples.to_vec()))
            .collect();
        let [up, down] = ["up", "down"].map(|name| wire(name).as_wire().to_vec());
        assert_eq!(series[0], (up.clone(), vec![at(0), at(1)]));
        assert_eq!(series[1], (down, vec![at(2)]));
        assert_eq!(series[2], (up, vec![at(3)]));
        assert_eq!((request.series_count(), request.sample_count()), (3, 4));
        assert_eq!(request.body_bytes(), 100);
    }

    #[test]
    fn labels_that_are_written_again_and_again_are_limited_too() {
        let bytes = labels_bytes("up");
        let limits = Limits { decoded_bytes_max: bytes, ..Limits::default() };
        assert!(assemble(&["up"; WRITTEN_PER_HELD], &limits).is_ok());
        let error = assemble(&["up"; WRITTEN_PER_HELD + 1], &limits).unwrap_err();
        assert!(matches!(error, DecodeError::TooLarge { part: "labels", .. }), "{error}");
        // Samples that come together cost their labels once.
        let mut assembler = Assembler::new(0, &limits);
        let samples = [at(1); 100];
        assembler.samples(0, &mut labels("up"), SameName::Keep, &samples).unwrap();
        assembler.samples(0, &mut labels("up"), SameName::Keep, &[]).unwrap();
        let request = assembler.finish();
        assert_eq!((request.series_count(), request.sample_count()), (1, 100));
    }

    #[test]
    fn metadata_and_series_do_not_get_into_each_others_way() {
        let mut assembler = Assembler::new(0, &Limits::default());
        assembler.sample(0, &mut labels("up"), SameName::Keep, at(1)).unwrap();
        assembler.metadata(0, "up", MetricType::Gauge).unwrap();
        assembler.sample(0, &mut labels("up"), SameName::Keep, at(2)).unwrap();
        let request = assembler.finish();
        assert_eq!(request.series().map(|series| series.samples.len()).collect::<Vec<_>>(), [2]);
        let metadata: Vec<_> = request.metadata().map(|of| (of.family, of.kind)).collect();
        assert_eq!(metadata, [("up", MetricType::Gauge)]);
    }

    #[test]
    fn every_limit_is_exact() {
        let names = ["up", "up", "down"];
        let bytes = labels_bytes("up") + labels_bytes("down");
        let at_most =
            Limits { series_max: 2, samples_max: 3, decoded_bytes_max: bytes, ..Limits::default() };
        assert!(assemble(&names, &at_most).is_ok());
        let refused = |limits: Limits| assemble(&names, &limits).unwrap_err();
        let too_many = DecodeError::TooManyObjects { what: "samples", limit: 2, offset: 2 };
        assert_eq!(refused(Limits { samples_max: 2, ..at_most.clone() }), too_many);
        let limit_bytes = bytes - 1;
        assert_eq!(
            refused(Limits { decoded_bytes_max: limit_bytes, ..at_most }),
            DecodeError::TooLarge { part: "labels", bytes, limit_bytes }
        );
        let mut assembler = Assembler::new(0, &Limits { objects_max: 1, ..Limits::default() });
        assembler.object(5).unwrap();
        assert_eq!(assembler.object(6).unwrap_err().reason(), "too_many_objects");
    }

    fn labels_bytes(name: &str) -> usize {
        let labels = LabelSet::from_pairs([("__name__", name), ("job", "j")]).unwrap();
        labels.as_wire().len()
    }
}

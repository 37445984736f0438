//! The shallow pass over a request.

use std::ops::Range;

use bellwether_series::Timestamp;

use super::budget::Budget;
use super::histogram::Histogram;
use super::reader::{Reader, bytes_tag, fixed64_tag, varint_tag};
use super::request::{MetadataSpan, SeriesSpan, Span};
use super::{DecodeError, Limits, MetricType, RawSample, WriteRequest, exemplar};

pub(super) const TIMESERIES: u32 = bytes_tag(1);
pub(super) const METADATA: u32 = bytes_tag(3);
/// Of remote write 2.0, and of version 2 of what Mimir writes to Kafka. 1.0 has nothing there.
pub(super) const SYMBOLS_2: u32 = bytes_tag(4);
pub(super) const TIMESERIES_2: u32 = bytes_tag(5);

const LABELS: u32 = bytes_tag(1);
const SAMPLES: u32 = bytes_tag(2);
const EXEMPLARS: u32 = bytes_tag(3);
const HISTOGRAMS: u32 = bytes_tag(4);

const SAMPLE_VALUE: u32 = fixed64_tag(1);
const SAMPLE_TIMESTAMP: u32 = varint_tag(2);

const METADATA_TYPE: u32 = varint_tag(1);
const METADATA_FAMILY: u32 = bytes_tag(2);

/// Twice this, the body and the gathered labels, still has 32-bit offsets.
pub(super) const BODY_BYTES_MAX: usize = i32::MAX as usize;

impl WriteRequest {
    /// Decodes a decompressed body. Fields may come in any order, unknown ones are skipped, the last of
    /// a repeated singular field wins. What labels contain is not looked at.
    ///
    /// # Errors
    /// [`DecodeError::TooLarge`], [`DecodeError::Malformed`], [`DecodeError::TooManyObjects`] and
    /// [`DecodeError::OtherVersion`]; nothing of the request is taken then.
    pub fn decode(body: Vec<u8>, limits: &Limits) -> Result<Self, DecodeError> {
        let limit_bytes = limits.decoded_bytes_max.min(BODY_BYTES_MAX);
        if body.len() > limit_bytes {
            return Err(DecodeError::TooLarge { part: "decoded", bytes: body.len(), limit_bytes });
        }
        let mut decoder = Decoder {
            body: &body,
            limits,
            series_left: Budget::new("series", limits.series_max),
            samples_left: Budget::new("samples", limits.samples_max),
            objects_left: Budget::new("messages", limits.objects_max),
            gathered: Vec::new(),
            request: WriteRequest { body_bytes: body.len(), ..WriteRequest::default() },
        };
        decoder.read_request()?;
        let Decoder { gathered, mut request, .. } = decoder;
        request.bytes = body;
        request.bytes.extend_from_slice(&gathered);
        Ok(request)
    }
}

struct Decoder<'a> {
    body: &'a [u8],
    limits: &'a Limits,
    series_left: Budget,
    samples_left: Budget,
    objects_left: Budget,
    /// Label fields of series whose labels are not contiguous; will be appended to the body.
    gathered: Vec<u8>,
    request: WriteRequest,
}

impl Decoder<'_> {
    fn read_request(&mut self) -> Result<(), DecodeError> {
        let mut body = Reader::new(self.body);
        let (mut has_series, mut of_2) = (false, None);
        while !body.is_done() {
            let offset = body.at();
            match body.tag()? {
                TIMESERIES => {
                    has_series = true;
                    self.series_left.take(offset)?;
                    self.objects_left.take(offset)?;
                    self.read_series(body.message()?)?;
                }
                METADATA => {
                    self.objects_left.take(offset)?;
                    self.read_metadata(body.message()?)?;
                }
                tag => {
                    if matches!(tag, SYMBOLS_2 | TIMESERIES_2) {
                        of_2.get_or_insert(offset);
                    }
                    body.skip(tag)?;
                }
            }
        }
        // Skipped like other unknown fields, what it says would be gone without a word.
        match of_2 {
            Some(offset) if !has_series => {
                Err(DecodeError::OtherVersion { is: "2.0", expected: "1.0", offset })
            }
            _ => Ok(()),
        }
    }

    fn read_series(&mut self, mut message: Reader<'_>) -> Result<(), DecodeError> {
        let mut labels = 0..0;
        let mut exemplars = 0;
        let first_sample = self.request.samples.len();
        while !message.is_done() {
            let offset = message.at();
            let tag = message.tag()?;
            if !matches!(tag, LABELS | SAMPLES | EXEMPLARS | HISTOGRAMS) {
                message.skip(tag)?;
                continue;
            }
            self.objects_left.take(offset)?;
            let field = message.message()?;
            match tag {
                LABELS => self.add_label(&mut labels, offset..message.at()),
                SAMPLES => {
                    self.samples_left.take(offset)?;
                    self.request.samples.push(read_sample(field)?);
                }
                EXEMPLARS => {
                    exemplars += 1;
                    self.read_exemplar(field, exemplars)?;
                }
                _ => self.read_histogram(field)?,
            }
        }
        let samples = first_sample..self.request.samples.len();
        if !samples.is_empty() {
            let span = SeriesSpan { labels: Span::new(labels), samples: Span::new(samples) };
            self.request.series.push(span);
        }
        Ok(())
    }

    /// Extends `labels` by the label field at `field` of the body: in place while the fields are
    /// contiguous, else by a copy of all of them behind the body.
    #[inline]
    fn add_label(&mut self, labels: &mut Range<usize>, field: Range<usize>) {
        if labels.start == labels.end {
            *labels = field;
        } else if labels.end == field.start {
            labels.end = field.end;
        } else {
            self.gather_label(labels, field);
        }
    }

    #[cold]
    fn gather_label(&mut self, labels: &mut Range<usize>, field: Range<usize>) {
        let body_bytes = self.body.len();
        if labels.end <= body_bytes {
            let start = body_bytes + self.gathered.len();
            self.gathered.extend_from_slice(&self.body[labels.clone()]);
            labels.start = start;
        }
        self.gathered.extend_from_slice(&self.body[field]);
        labels.end = body_bytes + self.gathered.len();
    }

    /// Reads an exemplar, the `ordinal`th of its series.
    fn read_exemplar(&mut self, message: Reader<'_>, ordinal: usize) -> Result<(), DecodeError> {
        let offset = message.at();
        let mut verdict = exemplar::check(self.body, message, self.limits, &mut self.objects_left)?;
        if ordinal > self.limits.exemplars_per_series_max {
            verdict = Err("series has too many exemplars");
        }
        match verdict {
            Ok(()) => self.request.exemplar_count += 1,
            Err(fault) => {
                let message =
                    format_args!("exemplar is invalid: fault=`{fault}`, offset=`{offset}`");
                self.request.invalid_exemplars.push(message);
            }
        }
        Ok(())
    }

    fn read_histogram(&mut self, message: Reader<'_>) -> Result<(), DecodeError> {
        let offset = message.at();
        let histogram = Histogram::read(message, &mut self.objects_left)?;
        match histogram.validate(self.limits.histogram_buckets_max) {
            Ok(()) => self.request.histogram_count += 1,
            Err(fault) => {
                let message =
                    format_args!("histogram is invalid: fault=`{fault}`, offset=`{offset}`");
                self.request.invalid_histograms.push(message);
            }
        }
        Ok(())
    }

    fn read_metadata(&mut self, mut message: Reader<'_>) -> Result<(), DecodeError> {
        let offset = message.at();
        let mut family = 0..0;
        let mut kind = MetricType::Unknown;
        while !message.is_done() {
            match message.tag()? {
                METADATA_TYPE => kind = MetricType::from_wire(message.varint()?),
                METADATA_FAMILY => family = message.bytes()?,
                tag => message.skip(tag)?,
            }
        }
        if std::str::from_utf8(&self.body[family.clone()]).is_ok() {
            self.request.metadata.push(MetadataSpan { family: Span::new(family), kind });
        } else {
            let message = format_args!("metric family name is not valid UTF-8: offset=`{offset}`");
            self.request.invalid_metadata.push(message);
        }
        Ok(())
    }
}

#[inline]
pub(super) fn read_sample(mut message: Reader<'_>) -> Result<RawSample, DecodeError> {
    let (mut value_bits, mut timestamp_ms) = (0, 0);
    while !message.is_done() {
        match message.tag()? {
            SAMPLE_VALUE => value_bits = message.fixed64()?,
            SAMPLE_TIMESTAMP => timestamp_ms = message.varint()? as i64,
            tag => message.skip(tag)?,
        }
    }
    let timestamp = Timestamp::from_ms(timestamp_ms);
    Ok(RawSample { timestamp, value: f64::from_bits(value_bits) })
}

#[cfg(test)]
mod tests {
    use bellwether_series::STALE_NAN_BITS;

    use super::*;

    /// `up{job="j"} 1` at 1700000000000.
    const UP: &[u8] = b"\x0a\x2c\x0a\x0e\x0a\x08__name__\x12\x02up\x0a\x08\x0a\x03job\x12\x01j\
        \x12\x10\x09\0\0\0\0\0\0\xf0\x3f\x10\x80\xd0\x95\xff\xbc\x31";
    const UP_LABELS: &[u8] = b"\x0a\x0e\x0a\x08__name__\x12\x02up\x0a\x08\x0a\x03job\x12\x01j";

    fn decode(body: &[u8]) -> Result<WriteRequest, DecodeError> {
        WriteRequest::decode(body.to_vec(), &Limits::default())
    }

    /// One field whose content is the concatenation of `parts`, at most 127 bytes.
    fn field(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        assert!(content.len() < 128);
        [&[tag, content.len() as u8], content.as_slice()].concat()
    }

    fn sample(timestamp_ms: i64, value: f64) -> RawSample {
        RawSample { timestamp: Timestamp::from_ms(timestamp_ms), value }
    }

    #[test]
    fn what_a_request_holds_counts_whatever_its_body_took_to_say_it() {
        let (samples, families) = (b"\x0a\x02\x12\x00".repeat(10_000), b"\x1a\x00".repeat(10_000));
        for (body, each_bytes) in [(samples, 16 + 16), (families, 12)] {
            let request = decode(&body).unwrap();
            let least = request.text_bytes() + 10_000 * each_bytes;
            assert!(request.held_bytes() >= least, "{request:?} {}", request.held_bytes());
        }
    }

    #[test]
    fn a_request_of_prometheus_decodes() {
        let request = decode(UP).unwrap();
        let all: Vec<_> = request.series().collect();
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].labels, UP_LABELS);
        assert_eq!(all[0].samples, [sample(1_700_000_000_000, 1.0)]);
        assert_eq!((request.series_count(), request.sample_count()), (1, 1));
        assert_eq!(request.body_bytes(), UP.len());
    }

    #[test]
    fn bits_of_values_and_negative_times_are_kept() {
        let stale = b"\x09\x02\0\0\0\0\0\xf0\x7f\x10\x80\xd0\x95\xff\xbc\x31";
        let minus_one = b"\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
        let body = field(0x0A, &[&field(0x12, &[stale]), &field(0x12, &[minus_one])]);
        let request = decode(&body).unwrap();
        let samples = request.series().next().unwrap().samples;
        assert_eq!(samples[0].value.to_bits(), STALE_NAN_BITS);
        assert_eq!(samples[1], sample(-1, 0.0));
    }

    #[test]
    fn scattered_labels_are_gathered_in_order() {
        let [a, b, c] = [b"a", b"b", b"c"].map(|text| field(0x0A, &[&field(0x0A, &[text])]));
        let at_0 = field(0x12, &[]);
        let unknown = [0x28, 0x01];
        let scattered = field(0x0A, &[&at_0, &a, &b, &at_0, &c, &unknown]);
        let again = field(0x0A, &[&a, &unknown, &c, &at_0, &b]);
        let request = decode(&[&scattered, UP, &again].concat()).unwrap();
        let labels: Vec<_> = request.series().map(|series| series.labels).collect();
        assert_eq!(labels, [[&*a, &b, &c].concat(), UP_LABELS.to_vec(), [&*a, &c, &b].concat()]);
        assert_eq!(request.body_bytes(), scattered.len() + UP.len() + again.len());
    }

    #[test]
    fn the_content_of_labels_is_not_looked_at() {
        let junk = field(0x0A, &[b"\xff\xff"]);
        let request = decode(&field(0x0A, &[&junk, &field(0x12, &[])])).unwrap();
        assert_eq!(request.series().next().unwrap().labels, junk);
    }

    #[test]
    fn series_without_samples_are_left_out() {
        let empty = field(0x0A, &[UP_LABELS]);
        let request = decode(&[&empty, UP, &empty].concat()).unwrap();
        assert_eq!(request.series_count(), 1);
        assert_eq!(decode(b"").unwrap().series_count(), 0);
    }

    #[test]
    fn a_request_of_remote_write_2_is_not_taken_for_one_that_is_empty() {
        let (symbol, series) = (field(0x22, &[b"up"]), field(0x2A, &[b"\x0a\x01\x01"]));
        let metadata = field(0x1A, &[&field(0x12, &[b"up"])]);
        let at = |offset| DecodeError::OtherVersion { is: "2.0", expected: "1.0", offset };
        let refused = |body: &[u8]| decode(body).unwrap_err();
        assert_eq!(refused(&[&*symbol, &series].concat()), at(0));
        assert_eq!(refused(&series), at(0));
        assert_eq!(refused(&[&*metadata, &symbol].concat()), at(metadata.len()));
        // Whoever says something in 1.0 besides may have fields there that mean nothing to us, as everywhere else.
        for others in [&symbol, &series] {
            assert_eq!(decode(&[others, UP].concat()).unwrap().series_count(), 1);
        }
        for unknown in [&b"\x10\x01"[..], b"\x20\x01", b"\x32\x00", b"\xc0\x3e\x01"] {
            assert_eq!(decode(unknown).unwrap().series_count(), 0);
        }
    }

    #[test]
    fn metadata_is_kept_unless_its_name_is_not_text() {
        let good = field(0x1A, &[&field(0x12, &[b"old"]), b"\x08\x01", &field(0x12, &[b"up"])]);
        let bad = field(0x1A, &[&field(0x12, &[b"\xff"])]);
        let odd = field(0x1A, &[&field(0x22, &[b"\xff help"]), b"\x08\x63"]);
        let request = decode(&[good, bad, odd].concat()).unwrap();
        let all: Vec<_> = request.metadata().map(|of| (of.family, of.kind)).collect();
        assert_eq!(all, [("up", MetricType::Counter), ("", MetricType::Unknown)]);
        assert_eq!(request.invalid_metadata().count(), 1);
    }

    #[test]
    fn bad_histograms_and_exemplars_leave_the_rest_alone() {
        let bad_histogram = field(0x22, &[b"\x08\x63"]);
        let bad_exemplar = field(0x1A, &[&field(0x0A, &[&field(0x0A, &[b"\xff"])])]);
        let (histogram, exemplar) = (field(0x22, &[]), field(0x1A, &[]));
        let parts: [&[u8]; 6] =
            [UP_LABELS, &bad_histogram, &bad_exemplar, &field(0x12, &[]), &histogram, &exemplar];
        let request = decode(&field(0x0A, &parts)).unwrap();
        assert_eq!((request.sample_count(), request.series_count()), (1, 1));
        assert_eq!((request.histogram_count(), request.invalid_histograms().count()), (1, 1));
        assert_eq!((request.exemplar_count(), request.invalid_exemplars().count()), (1, 1));
        let message = &request.invalid_histograms().messages()[0];
        assert!(message.contains("count is not the sum of the buckets"), "{message}");
    }

    #[test]
    fn exemplars_beyond_the_limit_are_invalid() {
        let request = decode(&field(0x0A, &[&b"\x1a\x00".repeat(12)])).unwrap();
        assert_eq!((request.exemplar_count(), request.invalid_exemplars().count()), (10, 2));
    }

    #[test]
    fn every_limit_is_exact() {
        let two = UP.repeat(2);
        let decode_with = |limits: Limits| WriteRequest::decode(two.clone(), &limits);
        let all = |allowed| Limits {
            decoded_bytes_max: allowed,
            series_max: 2,
            samples_max: 2,
            objects_max: 8,
            ..Limits::default()
        };
        assert!(decode_with(all(two.len())).is_ok());
        let at_most = all(two.len());
        let refused = [
            (all(two.len() - 1), "too_large"),
            (Limits { series_max: 1, ..at_most.clone() }, "too_many_objects"),
            (Limits { samples_max: 1, ..at_most.clone() }, "too_many_objects"),
            (Limits { objects_max: 7, ..at_most }, "too_many_objects"),
        ];
        for (limits, reason) in refused {
            assert_eq!(decode_with(limits.clone()).unwrap_err().reason(), reason, "{limits:?}");
        }
    }

    #[test]
    fn faults_are_placed_in_the_body() {
        let mut body = UP.to_vec();
        body.extend_from_slice(b"\x0a\x02\x12\x05");
        let fault = "length reaches outside the message";
        let offset = UP.len() + 3;
        assert_eq!(decode(&body).unwrap_err(), DecodeError::Malformed { offset, fault });
    }
}

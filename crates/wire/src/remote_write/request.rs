//! A decoded request and the views into it.

use std::fmt;
use std::ops::Range;

use bellwether_series::{Sample, Timestamp};

use super::{BadParts, MetadataRef, MetricType};

/// One sample as it was sent: any value, with the payload of a NaN intact.
#[derive(Debug, Clone, Copy)]
pub struct RawSample {
    /// Event time.
    pub timestamp: Timestamp,
    /// Any bits; `bellwether_series::Value::classify` says what they mean.
    pub value: f64,
}

impl From<Sample> for RawSample {
    fn from(sample: Sample) -> Self {
        Self { timestamp: sample.timestamp, value: sample.value }
    }
}

/// By bits, so that a NaN equals itself and a stale marker equals only a stale marker.
impl PartialEq for RawSample {
    fn eq(&self, other: &Self) -> bool {
        self.timestamp == other.timestamp && self.value.to_bits() == other.value.to_bits()
    }
}

impl Eq for RawSample {}

/// One series of a request; it has at least one sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeriesRef<'a> {
    /// The label fields as sent, `0A len Label` one after the other, in the sender's order. Not looked
    /// at yet: `bellwether_series::LabelSet::from_wire` does that.
    pub labels: &'a [u8],
    /// The samples in request order.
    pub samples: &'a [RawSample],
}

/// Where a series' labels and samples lie.
#[derive(Debug, Clone, Copy)]
pub(super) struct SeriesSpan {
    pub(super) labels: Span,
    pub(super) samples: Span,
}

/// Where a metric's family name lies; it is valid UTF-8.
#[derive(Debug, Clone, Copy)]
pub(super) struct MetadataSpan {
    pub(super) family: Span,
    pub(super) kind: MetricType,
}

/// A range in half the size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

impl Span {
    /// The ends are below 2^32: a body has at most 2 GiB, and twice that with gathered labels.
    pub(super) fn new(range: Range<usize>) -> Self {
        Self { start: range.start as u32, end: range.end as u32 }
    }

    pub(super) fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A decoded request: a `prometheus.WriteRequest`, or what another format says put into its form.
#[derive(Default)]
pub struct WriteRequest {
    /// The body as received, then the labels of those series whose labels were scattered. Of other formats: the labels, and the names
    /// of metric families.
    pub(super) bytes: Vec<u8>,
    pub(super) body_bytes: usize,
    pub(super) series: Vec<SeriesSpan>,
    pub(super) samples: Vec<RawSample>,
    pub(super) metadata: Vec<MetadataSpan>,
    pub(super) histogram_count: usize,
    pub(super) exemplar_count: usize,
    pub(super) invalid_histograms: BadParts,
    pub(super) invalid_exemplars: BadParts,
    pub(super) invalid_metadata: BadParts,
    pub(super) invalid_points: BadParts,
}

impl WriteRequest {
    /// The series that have at least one sample, in request order. The same labels may come twice.
    pub fn series(&self) -> impl Iterator<Item = SeriesRef<'_>> {
        self.series.iter().map(|span| SeriesRef {
            labels: &self.bytes[span.labels.range()],
            samples: &self.samples[span.samples.range()],
        })
    }

    /// The metadata in request order, without that whose family name is not UTF-8.
    pub fn metadata(&self) -> impl Iterator<Item = MetadataRef<'_>> {
        self.metadata.iter().filter_map(|span| {
            let family = std::str::from_utf8(&self.bytes[span.family.range()]).ok()?;
            Some(MetadataRef { family, kind: span.kind })
        })
    }

    /// How many series [`Self::series`] gives.
    pub fn series_count(&self) -> usize {
        self.series.len()
    }

    /// How many samples all series have together.
    pub fn sample_count(&self) -> usize {
        self.samples.len()
    }

    /// How many valid native histograms the request holds. They are checked and counted, not kept.
    pub fn histogram_count(&self) -> usize {
        self.histogram_count
    }

    /// How many valid exemplars the request holds. They are checked and counted, not kept.
    pub fn exemplar_count(&self) -> usize {
        self.exemplar_count
    }

    /// Native histograms whose spans, buckets, counts or schema contradict each other. When there is
    /// one the answer is 400, with everything else kept.
    pub fn invalid_histograms(&self) -> &BadParts {
        &self.invalid_histograms
    }

    /// Exemplars with too much label text, with labels that are not UTF-8, or too many to a series.
    /// When there is one the answer is 400, with everything else kept.
    pub fn invalid_exemplars(&self) -> &BadParts {
        &self.invalid_exemplars
    }

    /// Metadata whose family name is not UTF-8.
    pub fn invalid_metadata(&self) -> &BadParts {
        &self.invalid_metadata
    }

    /// Samples that could not be read, or lines or messages of some, where the format lets the rest be read. When there is one the
    /// sender is told, with everything else kept.
    pub fn invalid_points(&self) -> &BadParts {
        &self.invalid_points
    }

    /// Bytes of text that the request holds: of the body, or of labels where these did not lie in the body as they are.
    pub fn text_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes of memory that the request takes: text, series, samples and metadata. A few bytes of a body may be a series or a family,
    /// so that this may be many times its size.
    pub fn held_bytes(&self) -> usize {
        self.bytes.capacity()
            + self.series.capacity() * size_of::<SeriesSpan>()
            + self.samples.capacity() * size_of::<RawSample>()
            + self.metadata.capacity() * size_of::<MetadataSpan>()
    }

    /// Size of the decompressed body in bytes.
    pub fn body_bytes(&self) -> usize {
        self.body_bytes
    }
}

/// The counts; not the body.
impl fmt::Debug for WriteRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteRequest")
            .field("body_bytes", &self.body_bytes)
            .field("series", &self.series.len())
            .field("samples", &self.samples.len())
            .field("metadata", &self.metadata.len())
            .field("histograms", &self.histogram_count)
            .field("exemplars", &self.exemplar_count)
            .field("invalid_histograms", &self.invalid_histograms)
            .field("invalid_exemplars", &self.invalid_exemplars)
            .field("invalid_metadata", &self.invalid_metadata)
            .field("invalid_points", &self.invalid_points)
            .finish_non_exhaustive()
    }
}

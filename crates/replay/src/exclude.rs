//! Samples that a replay leaves out, so that the engine never sees them: an incident that is not to be learned.

use std::fmt;

use bellwether_runtime::stored;
use bellwether_series::{LabelLimits, LabelSet, Matchers, Timestamp};
use bellwether_wire::remote_write::{DecodeError, RawSample, WriteRequest, WriteRequestBuilder};
use serde::{Deserialize, Serialize};

/// Whether labels are valid is not asked here.
const NO_LIMITS: LabelLimits = LabelLimits {
    labels_max: usize::MAX,
    name_bytes_max: usize::MAX,
    value_bytes_max: usize::MAX,
    total_bytes_max: usize::MAX,
};

/// Samples of a time, of some series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exclusion {
    /// Event time from which on samples are left out.
    pub from: Timestamp,
    /// Event time from which on they are not any more.
    pub until: Timestamp,
    /// Which series, by the labels that they were sent with; without matchers all.
    pub series: Matchers,
}

impl Exclusion {
    fn is_at(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }
}

/// What a replay leaves out: every sample that is in at least one of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Exclusions(Vec<Exclusion>);

impl fmt::Display for Exclusions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Exclusion { from, until, series }) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{from}/{until},{series}")?;
        }
        Ok(())
    }
}

impl Exclusions {
    /// All of `exclusions`.
    pub fn new(exclusions: Vec<Exclusion>) -> Self {
        Self(exclusions)
    }

    /// Whether nothing is left out.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the sample of that event time of the series with these labels is left out.
    pub(crate) fn excludes(&self, labels: &LabelSet, at: Timestamp) -> bool {
        self.0.iter().any(|one| one.is_at(at) && one.series.matches(labels))
    }

    /// Whether anything may be left out at that time.
    pub(crate) fn may_exclude(&self, at: Timestamp) -> bool {
        self.0.iter().any(|one| one.is_at(at))
    }

    /// The request without what is left out, if that is anything, and how many samples that are. What else is in it stays: its
    /// metadata, and its other samples in their order.
    ///
    /// # Errors
    /// When what is left cannot be read although the whole could: a fault of this program.
    pub(crate) fn without(
        &self,
        request: &WriteRequest,
    ) -> Result<Option<(WriteRequest, u64)>, DecodeError> {
        let mut samples = request.series().flat_map(|series| series.samples);
        if self.is_empty() || !samples.any(|sample| self.may_exclude(sample.timestamp)) {
            return Ok(None);
        }
        let mut builder = WriteRequestBuilder::default();
        for metadata in request.metadata() {
            builder.metadata(metadata.family, metadata.kind, "", "");
        }
        let mut left_out = 0;
        for series in request.series() {
            // Labels that are none match no selector, and are refused anyway.
            let labels = LabelSet::from_wire(series.labels, &NO_LIMITS).ok();
            let is_kept = |sample: &RawSample| {
                let at = sample.timestamp;
                labels.as_ref().is_none_or(|labels| !self.excludes(labels, at))
            };
            let kept: Vec<RawSample> = series.samples.iter().copied().filter(is_kept).collect();
            left_out += (series.samples.len() - kept.len()) as u64;
            if !kept.is_empty() {
                builder.wire_series(series.labels, &kept);
            }
        }
        if left_out == 0 {
            return Ok(None);
        }
        let rest = WriteRequest::decode(builder.encode(), &stored::limits())?;
        Ok(Some((rest, left_out)))
    }
}

//! Metric metadata.

/// What a metric is, as its exporter declares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MetricType {
    /// Not declared, or a number that this version does not know.
    #[default]
    Unknown,
    /// Only ever rises, except for resets.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by bucket.
    Histogram,
    /// A histogram whose counts may fall.
    GaugeHistogram,
    /// Quantiles, with a sum and a count.
    Summary,
    /// A constant 1 whose labels carry the information.
    Info,
    /// One of several named states.
    StateSet,
}

impl MetricType {
    /// From the number on the wire (`MetricMetadata.MetricType`).
    pub(super) fn from_wire(number: u64) -> Self {
        match number {
            1 => Self::Counter,
            2 => Self::Gauge,
            3 => Self::Histogram,
            4 => Self::GaugeHistogram,
            5 => Self::Summary,
            6 => Self::Info,
            7 => Self::StateSet,
            _ => Self::Unknown,
        }
    }

    /// The number on the wire.
    pub(super) fn to_wire(self) -> u64 {
        self as u64
    }
}

/// What the sender says about one metric family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetadataRef<'a> {
    /// Name of the metric family: for a histogram without `_bucket`, `_sum`, `_count`.
    pub family: &'a str,
    /// What the metric is.
    pub kind: MetricType,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_numbers_are_those_of_prometheus() {
        for number in 0..=7 {
            assert_eq!(MetricType::from_wire(number).to_wire(), number);
        }
        assert_eq!(MetricType::from_wire(1), MetricType::Counter);
        assert_eq!(MetricType::from_wire(7), MetricType::StateSet);
        assert_eq!(MetricType::from_wire(8), MetricType::Unknown);
        assert_eq!(MetricType::from_wire(u64::MAX), MetricType::Unknown);
    }
}

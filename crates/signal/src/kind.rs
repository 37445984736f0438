//! What a series is, by its metadata or else by its name.

use serde::{Deserialize, Serialize};

/// What a series' values mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SeriesKind {
    /// Each value stands for itself.
    Gauge,
    /// Only increases mean something.
    Counter,
    /// A bucket of a classic histogram: means something only together with its siblings.
    HistogramBucket,
}

/// What a metric family's metadata says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum FamilyKind {
    /// Goes up and down.
    Gauge,
    /// Only goes up.
    Counter,
    /// Has `_bucket`, `_count` and `_sum` series, all of them counters.
    Histogram,
    /// Has quantile series, which are gauges, and `_count` and `_sum`, which are counters.
    Summary,
}

/// The kind of the series called `name`. `family` answers with the metadata of a family.
///
/// Metadata names a family: the series' name itself, or the name without `_total`, `_bucket`, `_count` or
/// `_sum`. Without metadata the suffix decides.
pub fn series_kind(name: &str, family: impl Fn(&str) -> Option<FamilyKind>) -> SeriesKind {
    use SeriesKind::{Counter, Gauge, HistogramBucket};
    match family(name) {
        Some(FamilyKind::Counter) => return Counter,
        Some(FamilyKind::Gauge | FamilyKind::Summary) => return Gauge,
        Some(FamilyKind::Histogram) | None => {}
    }
    let stem = |suffix: &str| name.strip_suffix(suffix);
    if let Some(base) = stem("_bucket") {
        return match family(base) {
            Some(FamilyKind::Gauge) => Gauge,
            Some(FamilyKind::Counter) => Counter,
            Some(FamilyKind::Histogram | FamilyKind::Summary) | None => HistogramBucket,
        };
    }
    let counted = ["_total", "_count", "_sum"].iter().any(|suffix| stem(suffix).is_some());
    if counted { Counter } else { Gauge }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_decides_before_the_suffix_does() {
        let family = |name: &str| match name {
            "conntrack_entries_count" | "rss" => Some(FamilyKind::Gauge),
            "requests" | "bytes_read" => Some(FamilyKind::Counter),
            "latency" => Some(FamilyKind::Histogram),
            "rpc" => Some(FamilyKind::Summary),
            _ => None,
        };
        for (name, kind) in [
            ("conntrack_entries_count", SeriesKind::Gauge),
            ("bytes_read", SeriesKind::Counter),
            ("requests_total", SeriesKind::Counter),
            ("latency_bucket", SeriesKind::HistogramBucket),
            ("latency_sum", SeriesKind::Counter),
            ("rpc", SeriesKind::Gauge),
            ("rpc_count", SeriesKind::Counter),
            ("unknown_bucket", SeriesKind::HistogramBucket),
            ("unknown_total", SeriesKind::Counter),
            ("unknown", SeriesKind::Gauge),
        ] {
            assert_eq!(series_kind(name, family), kind, "{name}");
        }
    }
}

//! Metric families in `OpenMetrics` text, and that in the older Prometheus text format.
//!
//! Sources: "`OpenMetrics` 1.0.0"; `prometheus/docs:content/docs/instrumenting/exposition_formats.md`.

use std::collections::BTreeSet;
use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeCounterValue, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;

/// No exemplars; the encoder wants to know what kind of exemplars there are not.
const NO_EXEMPLAR: Option<&Exemplar<NoLabelSet, f64>> = None;

/// Writes metric families.
pub(super) struct Families<'a>(pub(super) DescriptorEncoder<'a>);

impl Families<'_> {
    /// A counter; `_total` is added to its name.
    pub(super) fn counter(
        &mut self,
        name: &str,
        help: &str,
        value: &impl EncodeCounterValue,
    ) -> fmt::Result {
        self.0
            .encode_descriptor(name, help, None, MetricType::Counter)?
            .encode_counter(value, NO_EXEMPLAR)
    }

    /// A counter for each value of a label.
    pub(super) fn counters<V: AsRef<str>>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (V, u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (value, count) in values {
            let labels = [(label, value.as_ref())];
            family.encode_family(&labels)?.encode_counter(&count, NO_EXEMPLAR)?;
        }
        Ok(())
    }

    /// A counter for each label set.
    pub(super) fn labelled_counters<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        members: impl IntoIterator<Item = ([(&'static str, String); N], u64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, count) in members {
            family.encode_family(&labels)?.encode_counter(&count, NO_EXEMPLAR)?;
        }
        Ok(())
    }

    /// A gauge.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        self.0.encode_descriptor(name, help, None, MetricType::Gauge)?.encode_gauge(&value)
    }

    /// A gauge for each value of a label.
    pub(super) fn gauges<V: AsRef<str>>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (V, f64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (value, figure) in values {
            let labels = [(label, value.as_ref())];
            family.encode_family(&labels)?.encode_gauge(&figure)?;
        }
        Ok(())
    }

    /// A gauge for each label set.
    pub(super) fn labelled_gauges<'l>(
        &mut self,
        name: &str,
        help: &str,
        members: impl IntoIterator<Item = (&'l [(String, String)], f64)>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, figure) in members {
            let labels: Vec<(&str, &str)> =
                labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            family.encode_family(&labels)?.encode_gauge(&figure)?;
        }
        Ok(())
    }

    /// A histogram of `buckets`: upper bound and count of each, the last bound infinite.
    pub(super) fn histogram(
        &mut self,
        name: &str,
        help: &str,
        sum: f64,
        buckets: &[(f64, u64)],
    ) -> fmt::Result {
        let count = buckets.iter().map(|(_, count)| count).sum();
        self.0
            .encode_descriptor(name, help, None, MetricType::Histogram)?
            .encode_histogram::<NoLabelSet>(sum, count, buckets, None)
    }
}

/// The Prometheus text format 0.0.4 of what `open_metrics` says: there a counter's family is named
/// without `_total`, and there is a mark at the end.
pub(super) fn prometheus_text(open_metrics: &str) -> String {
    let kind_of = |line: &str| {
        let (name, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
        (kind == "counter").then(|| name.to_owned())
    };
    let counters: BTreeSet<String> = open_metrics.lines().filter_map(kind_of).collect();
    let mut text = String::with_capacity(open_metrics.len() + 6 * 2 * counters.len());
    for line in open_metrics.lines().filter(|&line| line != "# EOF") {
        let family = ["# HELP ", "# TYPE "].iter().find_map(|&start| {
            let (name, rest) = line.strip_prefix(start)?.split_once(' ')?;
            counters.contains(name).then_some((start, name, rest))
        });
        match family {
            Some((start, name, rest)) => text.extend([start, name, "_total ", rest]),
            None => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use prometheus_client::collector::Collector;
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    #[derive(Debug)]
    struct Sample;

    impl Collector for Sample {
        fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
            let mut families = Families(encoder);
            families.counter("a", "First", &3_u64)?;
            families.counters("b", "Second", "why", [("x", 1), ("y\"\n", 2)])?;
            families.gauge("c_total_bytes", "Third", 0.5)?;
            families.histogram("d_seconds", "Fourth", 2.5, &[(0.001, 1), (f64::INFINITY, 2)])
        }
    }

    fn open_metrics() -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Sample));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn both_formats_are_what_their_readers_expect() {
        let open_metrics = open_metrics();
        assert!(open_metrics.starts_with("# HELP a First\n# TYPE a counter\na_total 3\n"));
        assert!(open_metrics.ends_with("# EOF\n"));
        assert_eq!(
            prometheus_text(&open_metrics),
            "# HELP a_total First\n# TYPE a_total counter\na_total 3\n\
             # HELP b_total Second\n# TYPE b_total counter\n\
             b_total{why=\"x\"} 1\nb_total{why=\"y\\\"\\n\"} 2\n\
             # HELP c_total_bytes Third\n# TYPE c_total_bytes gauge\nc_total_bytes 0.5\n\
             # HELP d_seconds Fourth\n# TYPE d_seconds histogram\n\
             d_seconds_sum 2.5\nd_seconds_count 3\n\
             d_seconds_bucket{le=\"0.001\"} 1\nd_seconds_bucket{le=\"+Inf\"} 3\n"
        );
    }
}

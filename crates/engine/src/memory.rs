//! What memory is used for, and by whom.

use std::collections::BTreeMap;

/// Metrics that are named to whoever asks which have the most series.
pub(crate) const METRICS_SHOWN: usize = 10;

/// Bytes by what they are for: `labels`, `look_up`, `series`, `calibration`, `groups`, `cold`, or the name of a detector.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryUse(BTreeMap<&'static str, usize>);

impl MemoryUse {
    /// Adds `bytes` to those of `kind`.
    pub fn add(&mut self, kind: &'static str, bytes: usize) {
        *self.0.entry(kind).or_default() += bytes;
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        other.iter().for_each(|(kind, bytes)| self.add(kind, bytes));
    }

    /// Each kind of which there is something, with its bytes.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, usize)> {
        self.0.iter().map(|(&kind, &bytes)| (kind, bytes)).filter(|(_, bytes)| *bytes > 0)
    }

    /// All of them.
    pub fn total(&self) -> usize {
        self.0.values().sum()
    }
}

/// A metric of a tenant and how many series it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetricUse {
    /// Name of the metric; where there are tenants, behind that of its tenant and a `/`.
    pub metric: Box<str>,
    /// Series in memory, watched or not.
    pub series: usize,
}

/// What memory is used for, and by whom. Each part of the engine knows some of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// Bytes by kind.
    pub memory: MemoryUse,
    /// The metrics with the most series, the largest first.
    pub metrics: Vec<MetricUse>,
}

impl Usage {
    /// Adds what another part knows. Of metrics that both have series of, each has told of its largest alone.
    pub fn merge(&mut self, other: Self) {
        self.memory.merge(&other.memory);
        for theirs in other.metrics {
            match self.metrics.iter_mut().find(|ours| ours.metric == theirs.metric) {
                Some(ours) => ours.series += theirs.series,
                None => self.metrics.push(theirs),
            }
        }
        self.metrics.sort_by(|a, b| b.series.cmp(&a.series).then_with(|| a.metric.cmp(&b.metric)));
        self.metrics.truncate(METRICS_SHOWN);
    }
}

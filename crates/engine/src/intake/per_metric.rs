//! Series by metric name, for a limit on those of one name: an explosion of one metric takes no place from the others. And for
//! whoever asks which metrics have the most.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use bellwether_series::LabelSet;

use super::tenants::qualified;
use crate::memory::MetricUse;

/// How many series each metric has, of each tenant by itself.
#[derive(Debug, Default)]
pub(super) struct PerMetric {
    /// 0 is no limit.
    limit: usize,
    counts: BTreeMap<Box<str>, usize>,
}

impl PerMetric {
    /// The counts of `series`, each with its tenant, under a `limit`, of which 0 is none.
    pub(super) fn of<'l>(
        limit: usize,
        series: impl Iterator<Item = (&'l str, &'l LabelSet)>,
    ) -> Self {
        let mut counted = Self { limit, counts: BTreeMap::new() };
        series.for_each(|(tenant, labels)| counted.enter(tenant, labels));
        counted
    }

    /// Whether a further series with these labels would be too many.
    pub(super) fn is_full(&self, tenant: &str, labels: &LabelSet) -> bool {
        let is_full = |&count: &usize| count >= self.limit;
        let count = || self.counts.get(&*qualified(tenant, labels.metric_name()));
        self.limit > 0 && count().is_some_and(is_full)
    }

    /// Counts a series in.
    pub(super) fn enter(&mut self, tenant: &str, labels: &LabelSet) {
        let name = qualified(tenant, labels.metric_name());
        match self.counts.get_mut(&*name) {
            Some(count) => *count += 1,
            None => _ = self.counts.insert(name.into(), 1),
        }
    }

    /// The `most` metrics with the most series, the largest first; of equal ones by name.
    pub(super) fn largest(&self, most: usize) -> Vec<MetricUse> {
        let counts = self.counts.iter().map(|(metric, &series)| (Reverse(series), &**metric));
        let mut all: Vec<(Reverse<usize>, &str)> = counts.collect();
        if all.len() > most {
            // There may be as many metrics as series.
            all.select_nth_unstable(most);
            all.truncate(most);
        }
        all.sort_unstable();
        let metric =
            |(Reverse(series), metric): (_, &str)| MetricUse { metric: metric.into(), series };
        all.into_iter().map(metric).collect()
    }

    /// Counts a series out that was counted in.
    pub(super) fn withdraw(&mut self, tenant: &str, labels: &LabelSet) {
        let name = qualified(tenant, labels.metric_name());
        let Some(count) = self.counts.get_mut(&*name) else { return };
        *count = count.saturating_sub(1);
        if *count == 0 {
            self.counts.remove(&*name);
        }
    }
}

//! What senders say about metric families: which of them are counters.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;

use bellwether_signal::{FamilyKind, series_kind};
use bellwether_wire::remote_write::{MetricType, WriteRequest};

use super::{Intake, Work};
use crate::outcome::Outcome;

impl Intake {
    /// Remembers what families are. The first word about a family stays, so that two exporters that
    /// disagree do not take turns in resetting each other's series.
    pub(super) fn learn_metadata(
        &mut self,
        request: &WriteRequest,
        work: &mut [Work],
        outcome: &mut Outcome,
    ) {
        let mut learned = BTreeSet::new();
        for metadata in request.metadata() {
            let kind = match metadata.kind {
                MetricType::Counter => FamilyKind::Counter,
                MetricType::Gauge | MetricType::Info | MetricType::StateSet => FamilyKind::Gauge,
                MetricType::Histogram | MetricType::GaugeHistogram => FamilyKind::Histogram,
                MetricType::Summary => FamilyKind::Summary,
                MetricType::Unknown => continue,
            };
            if self.families.contains_key(metadata.family) {
                continue;
            }
            if self.families.len() >= self.settings.series.metadata_max
                || metadata.family.len() > self.settings.series.labels.value_bytes_max
            {
                outcome.refused_families += 1;
                continue;
            }
            Arc::make_mut(&mut self.families).insert(metadata.family.into(), kind);
            learned.insert(metadata.family);
        }
        if !learned.is_empty() {
            self.reconsider(|name| depends_on(name, &learned), work);
        }
    }
}

/// Whether the kind of the series called `name` depends on any of these families.
fn depends_on(name: &str, families: &BTreeSet<&str>) -> bool {
    let depends = Cell::new(false);
    series_kind(name, |family| {
        depends.set(depends.get() || families.contains(family));
        None
    });
    depends.get()
}

//! What senders say about metric families: which of them are counters.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;

use bellwether_signal::{FamilyKind, series_kind};
use bellwether_wire::remote_write::{MetricType, WriteRequest};

use super::tenants::qualified;
use super::{Intake, Work};
use crate::outcome::Outcome;

impl Intake {
    /// Remembers what families are. The first word about a family stays, so that two exporters that
    /// disagree do not take turns in resetting each other's series. Each tenant has families of its own.
    pub(super) fn learn_metadata(
        &mut self,
        tenant: &str,
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
            let name = qualified(tenant, metadata.family);
            if self.families.contains_key(&*name) {
                continue;
            }
            if self.holdings.of(tenant).families >= self.settings.series.metadata_max
                || metadata.family.len() > self.settings.series.labels.value_bytes_max
            {
                outcome.refused_families += 1;
                continue;
            }
            Arc::make_mut(&mut self.families).insert(name.into(), kind);
            self.holdings.of_mut(tenant).families += 1;
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

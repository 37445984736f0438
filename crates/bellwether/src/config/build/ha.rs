//! Highly available pairs: which labels tell senders apart.

use bellwether_engine::HaPairs;
use bellwether_series::METRIC_NAME;

use super::Builder;
use super::groups::texts;
use crate::config::raw::RawHa;

impl Builder<'_, '_> {
    pub(super) fn ha(&mut self, raw: &RawHa) -> HaPairs {
        let names =
            [("cluster_labels", &raw.cluster_labels), ("replica_labels", &raw.replica_labels)];
        for (key, labels) in names {
            for (index, _) in labels.iter().enumerate().filter(|(_, label)| label.is_empty()) {
                let field = format!("ha.{key}[{index}]");
                self.faults.value(&field, "no label has an empty name", "remove it");
            }
        }
        for (index, label) in raw.replica_labels.iter().enumerate() {
            let field = format!("ha.replica_labels[{index}]");
            if label == METRIC_NAME {
                let mend = "name the external label in which the senders differ";
                self.faults.value(&field, "every series has a metric name", mend);
            } else if raw.cluster_labels.contains(label) {
                let mend = "a label either names the cluster or the replica within it";
                self.faults.value(&field, "this label is one of `ha.cluster_labels` too", mend);
            }
        }
        HaPairs {
            cluster_labels: texts(&raw.cluster_labels),
            replica_labels: texts(&raw.replica_labels),
            failover_ms: raw.failover.ms(),
            clusters_max: raw.clusters_max,
        }
    }
}

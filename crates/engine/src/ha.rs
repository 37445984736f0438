//! Highly available pairs: two or more senders that scrape the same targets and write the same series, each under a
//! label of its own.
//!
//! Such senders are the *replicas* of a *cluster*. One of them is elected and heard; what the others send is counted and left
//! out. The label that tells replicas apart is no part of a series' identity, so a series goes on as the same when
//! another replica takes over.

use std::sync::Arc;

use bellwether_series::{LabelError, LabelSet};
use serde::{Deserialize, Serialize};

/// How replicas are recognised, and when another one is elected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HaPairs {
    /// Labels whose values together name a cluster; one that is missing counts as empty. They stay with the series.
    pub cluster_labels: Vec<Arc<str>>,
    /// Labels whose value names a replica: the first of them that a series has. All of them are taken off the
    /// series. Without any there are no replicas, and each sender is heard.
    pub replica_labels: Vec<Arc<str>>,
    /// The elected replica of a cluster loses its place to another one that is heard when itself has been silent for longer
    /// than this, in record time.
    pub failover_ms: i64,
    /// Most clusters known at a time, of each tenant; series of further ones are refused.
    pub clusters_max: usize,
}

impl Default for HaPairs {
    fn default() -> Self {
        Self {
            cluster_labels: vec![Arc::from("cluster"), Arc::from("prometheus")],
            replica_labels: vec![Arc::from("__replica__"), Arc::from("prometheus_replica")],
            failover_ms: 30_000,
            clusters_max: 1000,
        }
    }
}

impl HaPairs {
    /// The replica that wrote a series with these labels; `None` if none of a cluster did.
    pub(crate) fn replica<'l>(&self, labels: &'l LabelSet) -> Option<&'l str> {
        self.replica_labels.iter().find_map(|name| labels.get(name))
    }

    /// The name of the cluster of a series: the values of the cluster labels.
    pub(crate) fn cluster(&self, labels: &LabelSet) -> ClusterName {
        let value = |name: &Arc<str>| Box::from(labels.get(name).unwrap_or_default());
        self.cluster_labels.iter().map(value).collect()
    }

    /// The labels without those that name a replica: what a series is known by.
    ///
    /// # Errors
    /// If the metric name was one of those.
    pub(crate) fn identity(&self, labels: &LabelSet) -> Result<LabelSet, LabelError> {
        let stays = |name: &str| self.replica_labels.iter().all(|replica| **replica != *name);
        LabelSet::from_pairs(labels.iter().filter(|(name, _)| stays(name)))
    }

    /// Whether both take each series for the same one, of the same replica and cluster.
    pub(crate) fn labels_alike(&self, other: &Self) -> bool {
        self.cluster_labels == other.cluster_labels && self.replica_labels == other.replica_labels
    }
}

/// The values of the cluster labels, in the order of these, and then the tenant if there are tenants.
pub(crate) type ClusterName = Box<[Box<str>]>;

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> LabelSet {
        let pairs = pairs.iter().copied().chain([("__name__", "up"), ("job", "node")]);
        LabelSet::from_pairs(pairs).unwrap()
    }

    #[test]
    fn a_series_is_known_by_all_labels_but_those_of_replicas() {
        let ha = HaPairs::default();
        let plain = labels(&[("cluster", "eu")]);
        assert_eq!(ha.replica(&plain), None);
        assert_eq!(ha.identity(&plain), Ok(plain.clone()));
        for name in ["__replica__", "prometheus_replica"] {
            let written = labels(&[("cluster", "eu"), (name, "b")]);
            assert_eq!(ha.replica(&written), Some("b"));
            assert_eq!(ha.identity(&written), Ok(plain.clone()));
        }
        let both = labels(&[("cluster", "eu"), ("__replica__", "a"), ("prometheus_replica", "b")]);
        assert_eq!(ha.replica(&both), Some("a"), "the one that is named first");
        assert_eq!(ha.identity(&both), Ok(plain));
    }

    #[test]
    fn clusters_are_told_apart_by_all_of_their_labels() {
        let ha = HaPairs::default();
        let name = |pairs: &[(&str, &str)]| ha.cluster(&labels(pairs));
        assert_eq!(name(&[]), name(&[("cluster", "")]));
        let all = [name(&[]), name(&[("cluster", "eu")]), name(&[("prometheus", "eu")])];
        assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2]);
        let none = HaPairs { replica_labels: Vec::new(), ..ha };
        assert_eq!(none.replica(&labels(&[("__replica__", "a")])), None);
    }
}

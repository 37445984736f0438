//! Highly available pairs of senders, as they are written.

use bellwether_engine::HaPairs;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::text::DurationText;

/// Senders that write the same series, each under a label of its own.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Ha")]
pub(in crate::config) struct RawHa {
    /// Labels whose values together name a cluster: the replicas that stand in for each other. One that a series does not have
    /// counts as empty. They stay with the series.
    #[schemars(length(max = 8), inner(length(min = 1)))]
    pub cluster_labels: Vec<String>,
    /// Labels whose value names a replica; if a series has several, the first one counts. They are taken off the series. An empty
    /// list hears every sender.
    #[schemars(length(max = 8), inner(length(min = 1)))]
    pub replica_labels: Vec<String>,
    /// Another replica is elected when it is heard and the elected one has been silent for longer than this. Longer than
    /// the longest scrape interval.
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "1d"))]
    pub failover: DurationText,
    /// Most clusters known at a time, of each tenant; series of further ones are refused. One of which nobody was heard for
    /// `series.time_to_live` is forgotten.
    #[schemars(range(min = 1, max = 100_000))]
    pub clusters_max: usize,
}

impl Default for RawHa {
    fn default() -> Self {
        let HaPairs { cluster_labels, replica_labels, failover_ms, clusters_max } =
            HaPairs::default();
        Self {
            cluster_labels: cluster_labels.iter().map(ToString::to_string).collect(),
            replica_labels: replica_labels.iter().map(ToString::to_string).collect(),
            failover: DurationText::from_ms(failover_ms),
            clusters_max,
        }
    }
}

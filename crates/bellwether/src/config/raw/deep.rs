//! The deep tier and groups, as they are written.

use bellwether_detect::group::GroupSpec;
use bellwether_engine::{GroupRule, Settings};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::text::BytesText;

/// The detectors of the deep tier: more accurate, and larger.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Deep")]
pub(in crate::config) struct RawDeep {
    /// Memory for their states: about 110 KiB a series. Each of the 64 partitions has an equal part of it and gives it to
    /// series in the order in which they come; the others are judged by the base tier alone. 0 turns the deep tier off.
    pub memory_bytes_max: BytesText,
}

impl Default for RawDeep {
    fn default() -> Self {
        let bytes = Settings::default().deep.memory_bytes;
        Self { memory_bytes_max: BytesText::from_bytes(bytes as u64) }
    }
}

/// Series that are judged together, besides each by itself.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Groups")]
pub(in crate::config) struct RawGroups {
    /// Names of labels: series with equal values of all of them are a group, if they are `members_min` or more and the deep
    /// tier judges them. A group raises one alert, `GroupAnomaly`; its series alert by themselves only when they are far more
    /// surprising, or when one of `rules` matches them. An empty list judges each series by itself.
    #[schemars(length(max = 16), inner(length(min = 1)))]
    pub by: Vec<String>,
    /// What judges the values of a group at one time, besides what is known of each series. `subspace` and
    /// `isolation_forest`: do they fit together? `peer`: is one unlike the others, or are there fewer than usual? It is for
    /// groups of one metric, which have `__name__` in `by`.
    #[schemars(length(max = 3))]
    pub detectors: Vec<RawGroupDetector>,
    /// Fewer series are no group: each alerts for itself.
    #[schemars(range(min = 3, max = 256))]
    pub members_min: usize,
    /// Most series of a group; further ones alert for themselves and are counted in
    /// `bellwether_group_series_refused_total`. At most 96 unless `peer` is the only detector.
    #[schemars(range(min = 3, max = 256))]
    pub members_max: usize,
    /// Other groups of particular series. The first that matches a series and whose `by` it has is its only group; what none
    /// takes is grouped as above. What is left out of one comes from `groups`.
    #[schemars(length(max = 100))]
    pub rules: Vec<RawGroupRule>,
}

impl Default for RawGroups {
    fn default() -> Self {
        let GroupRule { by, members_min, members_max, .. } = GroupRule::default();
        Self {
            by: by.iter().map(ToString::to_string).collect(),
            detectors: vec![RawGroupDetector::Subspace],
            members_min,
            members_max,
            rules: Vec::new(),
        }
    }
}

/// A group of particular series.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "GroupRule")]
pub(in crate::config) struct RawGroupRule {
    /// Name of its alerts; no other rule has it. Required.
    #[schemars(example = &"OddRank")]
    pub name: Option<String>,
    /// A PromQL selector of its series. Required.
    #[schemars(example = &"{__name__=~\"train_.*\"}")]
    #[schemars(extend("x-type" = "selector"))]
    pub r#match: Option<String>,
    /// As above. An empty list keeps these series out of groups.
    #[schemars(length(max = 16), inner(length(min = 1)))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Vec<String>>,
    /// As above.
    #[schemars(length(max = 3))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detectors: Option<Vec<RawGroupDetector>>,
    /// As above.
    #[schemars(range(min = 3, max = 256))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members_min: Option<usize>,
    /// As above.
    #[schemars(range(min = 3, max = 256))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members_max: Option<usize>,
}

/// A detector of groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(in crate::config) enum RawGroupDetector {
    Subspace,
    IsolationForest,
    Peer,
}

impl From<RawGroupDetector> for GroupSpec {
    fn from(raw: RawGroupDetector) -> Self {
        match raw {
            RawGroupDetector::Subspace => Self::Subspace,
            RawGroupDetector::IsolationForest => Self::IsolationForest,
            RawGroupDetector::Peer => Self::Peer,
        }
    }
}

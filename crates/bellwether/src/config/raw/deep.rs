//! The deep tier and groups, as they are written.

use bellwether_engine::Settings;
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
    /// Names of labels: series with equal values of all of them are a group, if they are 5 to 96 and the deep tier judges
    /// them. A group raises one alert, `GroupAnomaly`; its series alert by themselves only when they are far more surprising.
    /// An empty list judges each series by itself.
    #[schemars(length(max = 16), inner(length(min = 1)))]
    pub by: Vec<String>,
}

impl Default for RawGroups {
    fn default() -> Self {
        Self { by: Settings::default().group_by.iter().map(ToString::to_string).collect() }
    }
}

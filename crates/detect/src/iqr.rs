//! Outliers against sliding quartiles (wip).
use serde::{Deserialize, Serialize};

use crate::params::{WarmUp, Window};

/// Parameters of the interquartile-range detector.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Memory in samples.
    pub window: Window,
    /// Samples before the first verdict.
    pub warm_up_samples: WarmUp,
}

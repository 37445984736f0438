//! Point outliers against a running mean (wip).
use serde::{Deserialize, Serialize};

use crate::params::{WarmUp, Window};

/// Parameters of the z-score detector.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Memory in samples.
    pub window: Window,
    /// Use median and median absolute deviation of a sliding window.
    pub robust: bool,
    /// Samples before the first verdict.
    pub warm_up_samples: WarmUp,
}

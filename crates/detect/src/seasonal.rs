//! Off-season values (wip).
use serde::{Deserialize, Serialize};

/// Parameters of the seasonal detector.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Days of data before the first verdict: 1 to 60.
    pub warm_up_days: u32,
    /// Learn a profile over the hours of the week besides the one over the hours of the day.
    pub hour_of_week: bool,
}

impl Default for Params {
    fn default() -> Self {
        Self { warm_up_days: 2, hour_of_week: true }
    }
}

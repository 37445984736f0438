//! What a bank itself knows of a series, whatever its detectors are: side by side, since every sample needs all of it.
//!
//! State: 272 bytes.

use serde::{Deserialize, Serialize};

use crate::granularity::Granularity;
use crate::ladder::Ladder;
use crate::lanes::Residuals;
use crate::profile::SignalProfile;

/// The state of one series.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Common {
    pub(super) granularity: Granularity,
    pub(super) profile: SignalProfile,
    /// What the base tier's combined surprise is worth.
    pub(super) ladder: Ladder,
    /// What is known of departures.
    pub(super) residuals: Residuals,
}

//! What a detector says: a verdict with the band that it expected.

use bellwether_series::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::local_time::LocalTime;
use crate::tail::{Tail, TailShape};

/// One sample as detectors see it, with what is known about its series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observation {
    /// Event time.
    pub timestamp: Timestamp,
    /// What clock and calendar say then, where the signal's rhythm comes from.
    pub local: LocalTime,
    /// A finite value.
    pub value: f64,
    /// The learned sampling interval of the series, in milliseconds; at least 1.
    pub interval_ms: i64,
    /// The smallest scale that past moves of the series justify, in its unit; 0 if it never moved.
    pub scale_floor: f64,
}

/// Scores one series, sample by sample, in event-time order.
///
/// Deterministic: equal parameters and equal observations give equal verdicts on every run.
pub trait Detector {
    /// Flat record of fixed size, one per series. Its default is a series that was never seen.
    /// Serde writes it into checkpoints, so that nothing is learned anew after a restart.
    type State: Copy + Default + std::fmt::Debug + Serialize + DeserializeOwned;

    /// Judges `observation` against the past only, then learns from it.
    fn observe(&self, state: &mut Self::State, observation: &Observation) -> Verdict;
}

/// What a detector says about one observation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// The detector has not seen enough yet.
    WarmingUp,
    /// The series does not have what the method needs, such as any spread between its quartiles.
    NotApplicable,
    /// A score.
    Scored {
        /// −log10 of the tail probability: 0 to [`crate::tail::SURPRISE_MAX`].
        surprise: f64,
        /// What was expected.
        expected: Expected,
    },
}

/// A predictive distribution around a centre, possibly of different width on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Expected {
    /// The most likely value, in the unit of the signal.
    pub center: f64,
    /// Standard deviation below the centre, in the unit of the signal; positive.
    pub scale_below: f64,
    /// Standard deviation above the centre, in the unit of the signal; positive.
    pub scale_above: f64,
    /// How the distribution falls off far from the centre.
    pub tail: TailShape,
}

impl Expected {
    /// The interval outside which the surprise exceeds `surprise`.
    pub fn band(&self, tail: &Tail, surprise: f64) -> ExpectedBand {
        let reach = tail.departure(surprise, self.tail);
        ExpectedBand {
            lower: self.center - reach * self.scale_below,
            upper: self.center + reach * self.scale_above,
        }
    }
}

/// Lower and upper edge of what is expected, in the unit of the signal.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExpectedBand {
    /// Lower edge.
    pub lower: f64,
    /// Upper edge.
    pub upper: f64,
}

//! What all detectors do with a departure from their expectation: standardise it by its own past, turn it
//! into a surprise, and decide how much to learn from it.
//!
//! * **Tail**: the second and fourth moment of past standardised departures give the scale and the
//!   degrees of freedom of a Student-t predictive tail (method of moments: excess kurtosis
//!   `6 / (dof - 4)`). A series that spikes every now and then has a heavy tail, so its spikes
//!   surprise less and less; a new series starts from the prior of six degrees of freedom.
//! * **Protection**: the first sample of an excursion is learned fully, the following ones at a
//!   tenth, so that an incident is not learned as normal; for the tail an excursion is one event, however
//!   long, and learned when it is over. An excursion that outlasts the detector's memory is the new normal and learned at full
//!   speed again.
//!
//! State: 20 bytes. Blind spot: moments are slow witnesses; a tail fitted to exceedances takes over where
//! enough of them were seen.

use crate::params::MinDeviation;
use crate::tail::{DOF_MAX, DOF_MIN, StudentTail};

/// Surprise from which an observation is treated as an excursion and no longer learned at full weight.
pub(crate) const EXCURSION_SURPRISE: f64 = 3.0;
/// Weight at which an excursion is learned.
const EXCURSION_WEIGHT: f64 = 0.1;
/// One in so many samples of an excursion enters a window.
const EXCURSION_STRIDE: u32 = 10;
/// Departures are taken as at most this many scales when moments are learned.
const LEARNED_DEPARTURE_MAX: f64 = 6.0;
/// Departures are taken as at most this many scales where the scale is a guess, because the series
/// never moved: it is a departure, how large a one nobody knows.
const GUESSED_DEPARTURE_MAX: f64 = 50.0;
/// Samples that the prior counts for.
const PRIOR_SAMPLES: f64 = 100.0;
/// Fourth moment of the prior: six degrees of freedom.
const PRIOR_FOURTH: f64 = 6.0;
/// Memory of the moments in samples.
const MEMORY_SAMPLES: f64 = 2000.0;
/// The second moment never sharpens the detector's own scale by more than a factor of two.
const SECOND_MIN: f64 = 0.25;

/// Moments of past departures and the length of the present excursion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Residual {
    second: f32,
    fourth: f32,
    samples: u32,
    excursion_samples: u32,
    /// Largest squared departure of the present excursion.
    excursion_squared: f32,
}

impl Default for Residual {
    fn default() -> Self {
        Self {
            second: 1.0,
            fourth: PRIOR_FOURTH as f32,
            samples: 0,
            excursion_samples: 0,
            excursion_squared: 0.0,
        }
    }
}

/// A departure and its judgement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Judged {
    /// −log10 of the tail probability.
    pub(crate) surprise: f64,
    /// Degrees of freedom of the tail.
    pub(crate) dof: f64,
    /// By what a scale must be multiplied to be the scale of the t distribution.
    pub(crate) widening: f64,
    /// The departure in scales, bounded: what moments learn from.
    departure: f64,
}

/// How wide a detector believes its distribution to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    /// In the unit of the signal; positive.
    pub(crate) width: f64,
    guessed: bool,
}

impl Scale {
    /// `width`, but at least a third of the smallest departure that counts around `center`.
    pub(crate) fn at_least(width: f64, min_deviation: MinDeviation, center: f64) -> Self {
        let floor = (min_deviation.at(center) / 3.0).max(center.abs() * 1e-9).max(1e-12);
        Self { width: width.max(floor), guessed: width.is_nan() || width <= floor }
    }
}

impl Residual {
    /// Judges a departure of `difference` (observed minus expected) against the past.
    pub(crate) fn judge(&self, tail: &StudentTail, difference: f64, scale: Scale) -> Judged {
        let second = f64::from(self.second).max(SECOND_MIN);
        let excess = f64::from(self.fourth) / (second * second) - 3.0;
        let dof = if excess > 0.0 { (4.0 + 6.0 / excess).clamp(DOF_MIN, DOF_MAX) } else { DOF_MAX };
        // A t distribution of `dof` degrees of freedom has the variance dof / (dof - 2).
        let widening = (second * (dof - 2.0) / dof).sqrt();
        let bound = if scale.guessed { GUESSED_DEPARTURE_MAX } else { f64::INFINITY };
        let departure = (difference / scale.width).clamp(-bound, bound);
        Judged { surprise: tail.surprise(departure / widening, dof), dof, widening, departure }
    }

    /// Learns a judged departure and returns the weight, 0 to 1, at which the detector may learn the
    /// sample itself. `memory_samples`: how long an excursion lasts before it is the new normal.
    pub(crate) fn learn(&mut self, judged: &Judged, memory_samples: u32) -> f64 {
        let squared = judged.departure.abs().min(LEARNED_DEPARTURE_MAX).powi(2) as f32;
        if judged.surprise < EXCURSION_SURPRISE {
            if self.excursion_squared > 0.0 {
                self.learn_tail(self.excursion_squared);
                self.excursion_squared = 0.0;
            }
            self.excursion_samples /= 2;
            self.learn_tail(squared);
            return 1.0;
        }
        self.excursion_samples = self.excursion_samples.saturating_add(1);
        if self.is_new_normal(memory_samples) {
            self.learn_tail(squared);
            return 1.0;
        }
        self.excursion_squared = self.excursion_squared.max(squared);
        if self.excursion_samples == 1 { 1.0 } else { EXCURSION_WEIGHT }
    }

    fn learn_tail(&mut self, squared: f32) {
        let gain = (1.0 / (PRIOR_SAMPLES + f64::from(self.samples)).min(MEMORY_SAMPLES)) as f32;
        self.second += gain * (squared - self.second);
        self.fourth += gain * (squared * squared - self.fourth);
        self.samples = self.samples.saturating_add(1);
    }

    /// Whether the present excursion has outlasted `memory_samples`.
    pub(crate) fn is_new_normal(&self, memory_samples: u32) -> bool {
        self.excursion_samples > memory_samples
    }

    /// Whether a window that holds whole samples takes the present one: all of them in calm times and
    /// once an excursion is the new normal, one in ten of an excursion.
    pub(crate) fn admits(&self, memory_samples: u32) -> bool {
        self.excursion_samples < 2
            || self.is_new_normal(memory_samples)
            || self.excursion_samples.is_multiple_of(EXCURSION_STRIDE)
    }
}

//! What all detectors do with a departure from their expectation: standardise it by its own past, turn it
//! into a surprise, and decide how much to learn from it.
//!
//! * **Scale**: the second moment of past departures corrects the scale that the detector believes in.
//! * **Tail**: how often departures go beyond three standard deviations and how far they then go, by Hill's
//!   estimator over excursions. An excursion counts once, with its peak, when it is over: an alert
//!   is raised by excursions, not by samples, and an incident of an hour is one witness. A series that does
//!   this every day soon surprises nobody; one that was quiet for weeks surprises early. Priors:
//!   one excursion in 200 samples, index 4, so that gross faults of a new series fire at once.
//! * **Protection**: the first sample of an excursion is learned fully, the following ones at a
//!   tenth, so that an incident is not learned as normal. An excursion that outlasts the detector's
//!   memory is the new normal and learned at full speed again.
//!
//! State: 28 bytes. Memory of the tail: some 20,000 samples.

use serde::{Deserialize, Serialize};

use crate::number::{larger, smaller};
use crate::params::MinDeviation;
use crate::tail::{TAIL_START, Tail, TailShape};

/// Surprise from which an observation is part of an excursion.
pub(crate) const EXCURSION_SURPRISE: f64 = 3.0;
/// Weight at which an excursion is learned.
const EXCURSION_WEIGHT: f64 = 0.1;
/// One in so many samples of an excursion enters a window: an incident as long as the window does not
/// reach its quartiles.
const EXCURSION_STRIDE: u32 = 4;
/// No scale is narrower than this, in the unit of the signal.
const WIDTH_MIN: f64 = 1e-12;
/// Departures are taken as at most this many scales where the scale is a guess, because the series
/// never moved: it is a departure, how large a one nobody knows.
const GUESSED_DEPARTURE_MAX: f64 = 50.0;
/// Memory of the second moment in samples.
const SCALE_MEMORY: f64 = 2000.0;
/// Samples that the prior of the second moment counts for.
const SCALE_PRIOR_SAMPLES: f64 = 100.0;
/// The second moment never sharpens the detector's own scale by more than a factor of two.
const SECOND_MIN: f64 = 0.25;
/// Memory of the tail in samples.
const TAIL_MEMORY: f32 = 20_000.0;
/// The prior's single excursion was seen in so many samples.
const TAIL_PRIOR_SAMPLES: f64 = 200.0;
/// Pareto index of the prior and the number of excursions that it counts for.
const TAIL_PRIOR_INDEX: f64 = 4.0;
const TAIL_PRIOR_EXCURSIONS: f64 = 2.0;
/// An excursion counts as one of at most this many times [`TAIL_START`], as a logarithm (`e^1.8`, 6
/// times): one gross fault must not make the next one ordinary.
const LOG_PEAK_MAX: f32 = 1.8;

/// Moments of past departures and the length of the present excursion.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Residual {
    second: f32,
    samples: u32,
    /// Samples, excursions and logarithms of their peaks that the tail remembers.
    tail_samples: f32,
    tail_excursions: f32,
    tail_log_peaks: f32,
    excursion_samples: u32,
    excursion_peak: f32,
}

impl Default for Residual {
    fn default() -> Self {
        Self {
            second: 1.0,
            samples: 0,
            tail_samples: 0.0,
            tail_excursions: 0.0,
            tail_log_peaks: 0.0,
            excursion_samples: 0,
            excursion_peak: 0.0,
        }
    }
}

/// A departure and its judgement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Judged {
    /// −log10 of the tail probability.
    pub(crate) surprise: f64,
    /// The tail that it was judged by.
    pub(crate) shape: TailShape,
    /// By what the detector's scale must be multiplied to be the standard deviation of departures.
    pub(crate) widening: f64,
    /// The departure in standard deviations.
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
    /// `width`, but at least what the series' own moves justify (`floor`) and a third of the smallest
    /// departure that counts around `center`.
    #[inline]
    pub(crate) fn at_least(
        width: f64,
        floor: f64,
        min_deviation: MinDeviation,
        center: f64,
    ) -> Self {
        let (counts, precise) = (min_deviation.at(center), center.abs() * 1e-9);
        let width = larger(width, floor);
        // A little more than a third spares most of them the division.
        if width > 0.34 * counts && width > precise && width > WIDTH_MIN {
            return Self { width, guessed: false };
        }
        let least = larger(precise, larger(counts / 3.0, WIDTH_MIN));
        Self { width: larger(width, least), guessed: width.is_nan() || width <= least }
    }
}

impl Residual {
    /// Judges a departure of `difference` (observed minus expected) against the past.
    #[inline]
    pub(crate) fn judge(&self, tail: &Tail, difference: f64, scale: Scale) -> Judged {
        let widening = larger(f64::from(self.second), SECOND_MIN).sqrt();
        let bound = if scale.guessed { GUESSED_DEPARTURE_MAX } else { f64::INFINITY };
        let departure = (difference / (scale.width * widening)).clamp(-bound, bound);
        let shape = self.shape();
        Judged { surprise: tail.surprise(departure, shape), shape, widening, departure }
    }

    #[inline]
    fn shape(&self) -> TailShape {
        let excursions = f64::from(self.tail_excursions);
        let frequency = (1.0 + excursions) / (TAIL_PRIOR_SAMPLES + f64::from(self.tail_samples));
        let log_peaks = TAIL_PRIOR_EXCURSIONS / TAIL_PRIOR_INDEX + f64::from(self.tail_log_peaks);
        TailShape { frequency, index: (TAIL_PRIOR_EXCURSIONS + excursions) / log_peaks }
    }

    /// Learns a judged departure and returns the weight, 0 to 1, at which the detector may learn the
    /// sample itself. `memory_samples`: how long an excursion lasts before it is the new normal.
    #[expect(clippy::inline_always, reason = "what is called keeps nothing in registers")]
    #[inline(always)]
    pub(crate) fn learn(&mut self, judged: &Judged, memory_samples: u32) -> f64 {
        self.samples = self.samples.saturating_add(1);
        let distance = judged.departure.abs();
        if distance >= TAIL_START {
            self.excursion_peak = self.excursion_peak.max(distance as f32);
        }
        let weight = if judged.surprise < EXCURSION_SURPRISE {
            self.excursion_samples /= 2;
            if self.excursion_samples == 0 {
                self.learn_tail();
            }
            1.0
        } else {
            self.excursion_samples = self.excursion_samples.saturating_add(1);
            let first = self.excursion_samples == 1;
            if first || self.is_new_normal(memory_samples) { 1.0 } else { EXCURSION_WEIGHT }
        };
        // What was judged in standard deviations is learned in the detector's own scales.
        let scales = smaller(distance, TAIL_START) * judged.widening;
        let squared = scales * scales;
        let known = smaller(SCALE_PRIOR_SAMPLES + f64::from(self.samples), SCALE_MEMORY);
        self.second += (weight / known * (squared - f64::from(self.second))) as f32;
        weight
    }

    /// Counts a calm sample, and the excursion that it ends, if any.
    #[inline]
    fn learn_tail(&mut self) {
        let kept = 1.0 - 1.0 / TAIL_MEMORY;
        self.tail_samples = self.tail_samples * kept + 1.0;
        self.tail_excursions *= kept;
        self.tail_log_peaks *= kept;
        if self.excursion_peak > 0.0 {
            self.end_excursion();
        }
    }

    #[cold]
    #[inline(never)]
    fn end_excursion(&mut self) {
        let log_peak = libm::logf(self.excursion_peak / TAIL_START as f32);
        self.tail_excursions += 1.0;
        self.tail_log_peaks += log_peak.clamp(0.0, LOG_PEAK_MAX);
        self.excursion_peak = 0.0;
    }

    /// Whether a window that holds whole samples takes the present one: all of them in calm times and
    /// once an excursion is the new normal, one in four of an excursion.
    #[inline]
    pub(crate) fn admits(&self, memory_samples: u32) -> bool {
        self.excursion_samples < 2
            || self.is_new_normal(memory_samples)
            || self.excursion_samples.is_multiple_of(EXCURSION_STRIDE)
    }

    /// Whether the present excursion has outlasted `memory_samples`.
    #[inline]
    pub(crate) fn is_new_normal(&self, memory_samples: u32) -> bool {
        self.excursion_samples > memory_samples
    }
}

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
//! State: 28 bytes. Memory of the tail: some 20,000 samples. All of it is in single precision, so that
//! [`crate::lanes`] can do the same for several detectors at once.

use serde::{Deserialize, Serialize};

use crate::number::{larger, smaller};
use crate::params::MinDeviation;
use crate::tail::{TAIL_START, Tail, TailShape};

/// Surprise from which an observation is part of an excursion.
pub(crate) const EXCURSION_SURPRISE: f64 = 3.0;
/// Weight at which an excursion is learned.
const EXCURSION_WEIGHT: f32 = 0.1;
/// One in so many samples of an excursion enters a window: an incident as long as the window does not
/// reach its quartiles.
const EXCURSION_STRIDE: u32 = 4;
/// No scale is narrower than this, in the unit of the signal.
const WIDTH_MIN: f64 = 1e-12;
/// Nor is it than this share of the values themselves, which would be rounding errors.
const PRECISION: f64 = 1e-9;
/// Departures are taken as at most this many scales where the scale is a guess, because the series
/// never moved: it is a departure, how large a one nobody knows.
const GUESSED_DEPARTURE_MAX: f32 = 50.0;
/// Memory of the second moment in samples.
const SCALE_MEMORY: f32 = 2000.0;
/// Samples that the prior of the second moment counts for.
const SCALE_PRIOR_SAMPLES: f32 = 100.0;
/// The second moment never sharpens the detector's own scale by more than a factor of two.
const SECOND_MIN: f32 = 0.25;
/// It is at most this, whatever comes: a factor of a million.
const SECOND_MAX: f32 = 1e12;
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
    pub(crate) second: f32,
    pub(crate) samples: u32,
    /// Samples, excursions and logarithms of their peaks that the tail remembers.
    pub(crate) tail_samples: f32,
    pub(crate) tail_excursions: f32,
    pub(crate) tail_log_peaks: f32,
    pub(crate) excursion_samples: u32,
    pub(crate) excursion_peak: f32,
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
    pub(crate) widening: f32,
    /// The departure in standard deviations.
    pub(crate) departure: f32,
}

/// How wide a detector believes its distribution to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    /// In the unit of the signal; positive.
    pub(crate) width: f64,
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
        let (counts, precise) = (min_deviation.at(center), center.abs() * PRECISION);
        let width = larger(width, floor);
        // A little more than a third spares most of them the division.
        if width > 0.34 * counts && width > precise && width > WIDTH_MIN {
            return Self { width };
        }
        let least = larger(precise, larger(counts / 3.0, WIDTH_MIN));
        Self { width: larger(width, least) }
    }
}

/// The same in single precision, in which departures are judged.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NarrowScale {
    pub(crate) width: f32,
    pub(crate) is_guessed: bool,
}

impl NarrowScale {
    /// As [`Scale::at_least`], around a center whose size is `size`, where departures of `counts` count.
    #[inline]
    pub(crate) fn at_least(width: f32, floor: f32, counts: f32, size: f32) -> Self {
        let least = larger(size * PRECISION as f32, larger(counts / 3.0, WIDTH_MIN as f32));
        let width = larger(width, floor);
        Self { width: larger(width, least), is_guessed: width <= least }
    }
}

/// By what a detector's scale is wrong, as the second moment of departures in it says.
#[inline]
pub(crate) fn widening(second: f32) -> f32 {
    larger(second, SECOND_MIN).sqrt()
}

/// `difference` in standard deviations. Where the scale is a guess, nobody knows in how many.
#[inline]
pub(crate) fn departure(difference: f32, scale: NarrowScale, widening: f32) -> f32 {
    let departure = difference / (scale.width * widening);
    let bounded = smaller(larger(departure, -GUESSED_DEPARTURE_MAX), GUESSED_DEPARTURE_MAX);
    if scale.is_guessed { bounded } else { departure }
}

/// What the second moment becomes by a departure of `distance` standard deviations, learned with `weight`, when so many
/// `samples` are known, this one included.
#[inline]
pub(crate) fn second(second: f32, distance: f32, widening: f32, weight: f32, samples: u32) -> f32 {
    // What was judged in standard deviations is learned in the detector's own scales.
    let scales = smaller(distance, TAIL_START as f32) * widening;
    let known = smaller(SCALE_PRIOR_SAMPLES + samples as f32, SCALE_MEMORY);
    smaller(second + weight / known * (scales * scales - second), SECOND_MAX)
}

/// The tail of departures of which so many samples, excursions and logarithms of their peaks are remembered.
pub(crate) fn shape(samples: f32, excursions: f32, log_peaks: f32) -> TailShape {
    let excursions = f64::from(excursions);
    let frequency = (1.0 + excursions) / (TAIL_PRIOR_SAMPLES + f64::from(samples));
    let log_peaks = TAIL_PRIOR_EXCURSIONS / TAIL_PRIOR_INDEX + f64::from(log_peaks);
    TailShape { frequency, index: (TAIL_PRIOR_EXCURSIONS + excursions) / log_peaks }
}

/// What of the tail's memory is left after a calm sample.
pub(crate) const TAIL_KEPT: f32 = 1.0 - 1.0 / TAIL_MEMORY;

impl Residual {
    /// Judges a departure of `difference` (observed minus expected) against the past.
    #[inline]
    pub(crate) fn judge(&self, tail: &Tail, difference: f32, scale: NarrowScale) -> Judged {
        let widening = widening(self.second);
        let departure = departure(difference, scale, widening);
        let shape = self.shape();
        let surprise = tail.surprise(f64::from(departure), shape);
        Judged { surprise, shape, widening, departure }
    }

    fn shape(&self) -> TailShape {
        shape(self.tail_samples, self.tail_excursions, self.tail_log_peaks)
    }

    /// Learns a judged departure and returns the weight, 0 to 1, at which the detector may learn the
    /// sample itself. `memory_samples`: how long an excursion lasts before it is the new normal.
    pub(crate) fn learn(&mut self, judged: &Judged, memory_samples: u32) -> f32 {
        self.samples = self.samples.saturating_add(1);
        let distance = judged.departure.abs();
        if distance >= TAIL_START as f32 {
            self.excursion_peak = self.excursion_peak.max(distance);
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
        self.second = second(self.second, distance, judged.widening, weight, self.samples);
        weight
    }

    /// Counts a calm sample, and the excursion that it ends, if any.
    fn learn_tail(&mut self) {
        self.tail_samples = self.tail_samples * TAIL_KEPT + 1.0;
        self.tail_excursions *= TAIL_KEPT;
        self.tail_log_peaks *= TAIL_KEPT;
        if self.excursion_peak > 0.0 {
            self.end_excursion();
        }
    }

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

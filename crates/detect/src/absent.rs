//! Stopped: a value that drops to zero or to its lower bound and stays, and a series that falls silent.
//!
//! Drops. Method: how often the series lies at its bottom (exactly zero, or the smallest value that it ever had) and
//! how often it stays there are learned as a two-state Markov chain. What was never higher has no bottom yet, unless it
//! is zero. The surprise is that of lying as long at the bottom as the present sample. A series that is at its bottom in more than one sample in five has nothing to say here.
//! A stay that surprises is learned at a tenth; after [`ADOPTION_SAMPLES`] it is the new normal, and silent.
//! State: 48 bytes. Cost: some 10 ns, and a logarithm at the bottom.
//!
//! Silence. [`Arrivals`] learns times between samples: their mean, and a Pareto tail of those over three
//! times as long (Hill 1975). It is asked on ticks, as a silent series sends no samples. State: 16 bytes.
//!
//! Blind spot: a drop to almost zero (`zscore`, `changepoint`); a series that often falls silent.

use serde::{Deserialize, Serialize};

use crate::params::{MinDeviation, WarmUp};
use crate::residual::{EXCURSION_SURPRISE, Scale};
use crate::tail::{SURPRISE_MAX, TailShape};
use crate::verdict::{Detector, Expected, Observation, Verdict};

/// A stay at the bottom of this many samples is the new normal: a day at one a minute.
pub const ADOPTION_SAMPLES: u32 = 1440;
/// A bottom that holds more of the samples is ordinary.
const ORDINARY_SHARE: f64 = 0.2;
/// The prior: one sample in so many is at the bottom, and half of those have another one after them.
const PRIOR_SAMPLES: f64 = 50.0;
const PRIOR_STAYS: f64 = 2.0;
/// Memory of the chain in samples, of what the series is otherwise in samples.
const CHAIN_MEMORY: f32 = 20_000.0;
const LEVEL_MEMORY: f64 = 360.0;
/// Weight at which a stay that surprises is learned.
const EXCURSION_WEIGHT: f32 = 0.1;

/// Parameters of the absence detector.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Samples before the first verdict.
    pub warm_up_samples: WarmUp,
}

/// The detector of drops.
#[derive(Debug, Clone)]
pub struct Absent {
    params: Params,
    min_deviation: MinDeviation,
}

impl Absent {
    /// A detector; `min_deviation` bounds the band that it shows from below.
    pub fn new(params: Params, min_deviation: MinDeviation) -> Self {
        Self { params, min_deviation }
    }
}

/// What it remembers of a series.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct State {
    /// The smallest value so far; `has_risen` if there ever was another one.
    lowest: f64,
    /// Mean and mean distance from it of values above the bottom.
    level: f64,
    distance: f64,
    samples: u32,
    has_risen: bool,
    /// Samples of the present stay at the bottom.
    stay: u32,
    /// Samples that the chain remembers, those at the bottom, those of them that followed another.
    seen: f32,
    at_bottom: f32,
    stayed: f32,
}

impl Detector for Absent {
    type State = State;

    fn observe(&self, state: &mut State, observation: &Observation) -> Verdict {
        let value = observation.value;
        let is_bottom = state.enter(value);
        let (center, distance) = (state.level, state.distance);
        let warm = state.samples > self.params.warm_up_samples.samples();
        let surprise = if warm && is_bottom { state.judge() } else { 0.0 };
        state.learn(value, is_bottom, surprise);
        if !warm {
            return Verdict::WarmingUp;
        }
        let scale =
            Scale::at_least(distance, observation.scale_floor, self.min_deviation, center).width;
        let tail = TailShape { frequency: 2e-3, index: 4.0 };
        let expected = Expected { center, scale_below: scale, scale_above: scale, tail };
        Verdict::Scored { surprise, expected }
    }
}

impl State {
    /// Counts a sample, and whether it lies at the bottom.
    fn enter(&mut self, value: f64) -> bool {
        if self.samples == 0 {
            (self.lowest, self.level) = (value, value);
        }
        self.samples = self.samples.saturating_add(1);
        let is_lowest_yet = value < self.lowest;
        self.lowest = self.lowest.min(value);
        // A target that always was up does not lie at its bottom.
        self.has_risen |= is_lowest_yet || value > self.lowest;
        let is_bottom = value == 0.0 || (self.has_risen && value <= self.lowest);
        self.stay = if is_bottom { self.stay.saturating_add(1) } else { 0 };
        is_bottom
    }

    /// Surprise of a sample that has been at the bottom as long as the present one.
    fn judge(&self) -> f64 {
        let share = (1.0 + f64::from(self.at_bottom)) / (PRIOR_SAMPLES + f64::from(self.seen));
        if share > ORDINARY_SHARE || self.stay > ADOPTION_SAMPLES {
            return 0.0;
        }
        let stays = (PRIOR_STAYS / 2.0 + f64::from(self.stayed))
            / (PRIOR_STAYS + f64::from(self.at_bottom));
        let longer = f64::from(self.stay.saturating_sub(1));
        let surprise = -libm::log10(share) - longer * libm::log10(stays.min(1.0));
        surprise.clamp(0.0, SURPRISE_MAX)
    }

    fn learn(&mut self, value: f64, is_bottom: bool, surprise: f64) {
        let is_excursion = surprise >= EXCURSION_SURPRISE && self.stay > 1;
        let weight = if is_excursion { EXCURSION_WEIGHT } else { 1.0 };
        let kept = 1.0 - weight / CHAIN_MEMORY;
        self.seen = self.seen * kept + weight;
        self.at_bottom *= kept;
        self.stayed *= kept;
        if is_bottom {
            self.at_bottom += weight;
            self.stayed += if self.stay > 1 { weight } else { 0.0 };
            return;
        }
        let gain = 1.0 / LEVEL_MEMORY.min(f64::from(self.samples));
        let difference = value - self.level;
        self.level += gain * difference;
        self.distance += gain * (difference.abs() - self.distance);
    }
}

/// The times between the samples of a series, and how surprising a silence is.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Arrivals {
    /// Mean time between samples, in milliseconds.
    mean_ms: f32,
    count: f32,
    /// Times over [`LONG`] means, and logarithms of how far over.
    long: f32,
    log_long: f32,
}

/// Two missed samples are nothing; what is longer is of the tail.
const LONG: f64 = 3.0;
/// Arrivals before anything is said.
const ARRIVALS_MIN: f32 = 20.0;
/// Memory of the mean and of the tail in arrivals.
const MEAN_MEMORY: f32 = 100.0;
const ARRIVALS_MEMORY: f32 = 20_000.0;
/// The prior: one time in so many is long, with an index of 2, worth four long times.
const ARRIVALS_PRIOR: f64 = 50.0;
const LONG_PRIOR: f64 = 4.0;
const LONG_PRIOR_INDEX: f64 = 2.0;
/// A long time counts as at most ten times [`LONG`], as a logarithm.
const LOG_LONG_MAX: f64 = 2.3;

impl Arrivals {
    /// Learns the time between two samples. One of 0 or less, of samples that share a timestamp or come late, says
    /// nothing.
    pub fn learn(&mut self, elapsed_ms: i64) {
        if elapsed_ms <= 0 {
            return;
        }
        let elapsed = elapsed_ms as f32;
        let is_long = self.count >= ARRIVALS_MIN && f64::from(elapsed / self.mean_ms) > LONG;
        let kept = 1.0 - 1.0 / ARRIVALS_MEMORY;
        self.count = self.count * kept + 1.0;
        self.long *= kept;
        self.log_long *= kept;
        let mut counted = elapsed;
        if is_long {
            let over = f64::from(elapsed / self.mean_ms) / LONG;
            self.long += 1.0;
            self.log_long += libm::log(over).min(LOG_LONG_MAX) as f32;
            counted = LONG as f32 * self.mean_ms;
        }
        self.mean_ms += (counted - self.mean_ms) / self.count.min(MEAN_MEMORY);
    }

    /// Surprise of a silence of `silence_ms` since the last sample: −log10 of the share of times between samples that
    /// are as long; `None` while warming up.
    pub fn surprise(&self, silence_ms: i64) -> Option<f64> {
        if self.count < ARRIVALS_MIN {
            return None;
        }
        let over = silence_ms as f64 / f64::from(self.mean_ms) / LONG;
        if over <= 1.0 {
            return Some(0.0);
        }
        let share = (1.0 + f64::from(self.long)) / (ARRIVALS_PRIOR + f64::from(self.count));
        let log_long = LONG_PRIOR / LONG_PRIOR_INDEX + f64::from(self.log_long);
        let index = (LONG_PRIOR + f64::from(self.long)) / log_long;
        let surprise = -libm::log10(share.min(1.0)) + index * libm::log10(over);
        Some(surprise.clamp(0.0, SURPRISE_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Noise, run, surprise_at};

    fn absent() -> Absent {
        Absent::new(Params::default(), MinDeviation::default())
    }

    #[test]
    fn states_fit_their_budgets() {
        assert!(size_of::<State>() <= 48, "{}", size_of::<State>());
        assert!(size_of::<Arrivals>() <= 16, "{}", size_of::<Arrivals>());
    }

    #[test]
    fn a_drop_to_zero_that_stays_is_a_surprise_until_it_is_the_new_normal() {
        let mut noise = Noise::new(10);
        let values: Vec<f64> = (0..5000)
            .map(|index| if index < 2000 { 50.0 + 5.0 * noise.normal() } else { 0.0 })
            .collect();
        let verdicts = run(&absent(), &values);
        assert!((60..2000).all(|index| surprise_at(&verdicts, index) < 4.0));
        assert!(surprise_at(&verdicts, 2000) < 4.0, "one zero is an accident");
        assert!(surprise_at(&verdicts, 2005) > 4.0, "{}", surprise_at(&verdicts, 2005));
        assert!(surprise_at(&verdicts, 2000 + ADOPTION_SAMPLES as usize + 1) < 1.0);
        let Verdict::Scored { expected, .. } = verdicts[2005] else { panic!("warm") };
        assert!((expected.center - 50.0).abs() < 2.0);
    }

    #[test]
    fn a_constant_that_drops_for_the_first_time_surprises() {
        for (usual, lower) in [(1.0, 0.0), (12.0, 9.0)] {
            let mut values = vec![usual; 5000];
            values[3000..3060].fill(lower);
            let verdicts = run(&absent(), &values);
            assert!((60..3000).all(|index| surprise_at(&verdicts, index) < 1.0));
            assert!(surprise_at(&verdicts, 3010) > 6.0, "{}", surprise_at(&verdicts, 3010));
            assert!((3060..5000).all(|index| surprise_at(&verdicts, index) < 1.0));
        }
    }

    #[test]
    fn a_series_that_only_falls_does_not_surprise() {
        let values: Vec<f64> = (0..5000).map(|index| 1e4 - f64::from(index)).collect();
        let verdicts = run(&absent(), &values);
        assert!((60..5000).all(|index| surprise_at(&verdicts, index) < 1.0));
    }

    #[test]
    fn a_series_that_is_often_zero_or_falls_to_new_lows_does_not_surprise() {
        let zeros: Vec<f64> = (0..5000).map(|index| f64::from(u8::from(index % 3 == 0))).collect();
        let nights: Vec<f64> =
            (0..14_400).map(|index| if index % 1440 < 480 { 0.0 } else { 5.0 }).collect();
        for values in [zeros, nights] {
            let verdicts = run(&absent(), &values);
            let late = values.len() / 2..values.len();
            assert!(late.map(|index| surprise_at(&verdicts, index)).fold(0.0, f64::max) < 3.0);
        }
    }

    #[test]
    fn silence_surprises_a_series_that_was_regular() {
        let mut arrivals = Arrivals::default();
        assert_eq!(arrivals.surprise(1_000_000), None);
        for _ in 0..2000 {
            arrivals.learn(15_000);
        }
        assert_eq!(arrivals.surprise(40_000), Some(0.0));
        assert!(arrivals.surprise(60_000).is_some_and(|surprise| surprise < 4.0));
        assert!(arrivals.surprise(300_000).is_some_and(|surprise| surprise > 4.0));
    }

    #[test]
    fn silence_of_an_irregular_series_is_ordinary_for_longer() {
        // Exponential times between samples: minus the logarithm of a uniform number.
        let (mut arrivals, mut noise) = (Arrivals::default(), Noise::new(11));
        let mut fired = 0;
        for _ in 0..20_000 {
            let (a, b) = (noise.normal(), noise.normal());
            let elapsed_ms = ((a * a + b * b) * 30_000.0) as i64;
            fired +=
                u32::from(arrivals.surprise(elapsed_ms).is_some_and(|surprise| surprise >= 4.0));
            arrivals.learn(elapsed_ms);
        }
        assert!(fired <= 4, "{fired}");
        assert!(arrivals.surprise(3_600_000).is_some_and(|surprise| surprise > 4.0));
    }
}

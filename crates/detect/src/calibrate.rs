//! Calibration: what a raw score is worth, judged by the series' own past scores.
//!
//! Detectors such as forests and subspaces say that one observation is odder than another, in a unit of their own.
//! This turns such a score into a surprise: how rarely has this series been that odd?
//!
//! * **Body**: a ladder of tail quantiles, one every quarter of a decade from 10^-0.25 down to 10^-4. Each follows
//!   its quantile by stochastic approximation: up a little when a score exceeds it, down much less when not, in
//!   proportion such that it rests where exceedances are as frequent as its rung says. So in the long run the
//!   frequency is right whatever the distribution and however scores depend on each other: Robbins & Monro
//!   (1951); Gibbs & Candès (2021), "Adaptive conformal inference under distribution shift". No step depends much
//!   on how large a score was, so that one gross outlier moves little.
//! * **Tail**: beyond the last rung a generalised Pareto tail, as in peaks over threshold (Siffer et al. 2017,
//!   "Anomaly detection in streams with extreme value theory"), through the last three decade-spaced rungs
//!   (Pickands 1975, "Statistical inference using extreme order statistics") with a prior on its shape. A rung
//!   exists once about two scores should have exceeded it; it begins where the tail says.
//! * **Evidence**: beyond `log10 n + 1` after `n` scores, surprise grows with the logarithm of what the tail says.
//! * **Ties**: scores that take few values leave nothing to fit a tail to; the next value is then taken to be as far
//!   as scores typically are from the median, which errs on the quiet side.
//! * **Protection**: rows of an excursion (surprise of 3) count up to about twice the length that excursions of
//!   this series usually have, later ones not at all until the excursion is [`NEW_NORMAL_ROWS`] old.
//!
//! Exact under a change of unit of the score. State: 168 bytes. Cost: some 90 ns. Memory: 20,000 scores.
//! Blind spot: a series whose oddness grows slowly is always as odd as it usually is.

mod excursion;
mod pareto;

use std::f64::consts::LN_10;

use serde::{Deserialize, Serialize};

use crate::saved::completed;
use crate::tail::SURPRISE_MAX;

pub(crate) use excursion::Excursion;
pub use excursion::NEW_NORMAL_ROWS;
use pareto::{ParetoTail, end_slope};

/// Rungs of the ladder.
const RUNGS: usize = 16;
/// Surprise between two rungs.
const STEP: f64 = 0.25;
/// `10^(STEP (i + 1))`: one in so many scores exceeds rung `i`.
const ONE_IN: [f64; RUNGS] = [
    1.778_279_410_038_922_8,
    3.162_277_660_168_379_5,
    5.623_413_251_903_491,
    1e1,
    17.782_794_100_389_23,
    31.622_776_601_683_793,
    56.234_132_519_034_91,
    1e2,
    177.827_941_003_892_28,
    316.227_766_016_837_96,
    562.341_325_190_349_1,
    1e3,
    1_778.279_410_038_922_8,
    3_162.277_660_168_379_5,
    5_623.413_251_903_491,
    1e4,
];
/// Rungs that the first scores give; the last of them is the 90 % quantile.
const FIRST_RUNGS: usize = 4;
/// Rungs of a decade.
const DECADE: usize = 4;
/// A rung exists once so many scores should have exceeded it.
const RUNG_EXCEEDANCES: f64 = 2.0;
/// Memory in scores.
const MEMORY: f64 = 20_000.0;
/// Scores that the first estimate counts for.
const PRIOR_SAMPLES: f64 = 32.0;
/// The gain of stochastic approximation, as a multiple of the smallest that converges: a few steps of too small
/// a slope are forgiven.
const GAIN: f64 = 1.5;
/// A rung moves up by at most this share of a decade at once.
const STEP_UP_MAX: f64 = 0.5;
/// A rung moves up by at most so many spreads, however far above it a score is.
const EXCESS_MAX: f64 = 4.0;
/// Prior of the tail's shape, a little heavier than exponential, and the exceedances that it counts for.
const PRIOR_SHAPE: f64 = 0.25;
const PRIOR_EXCEEDANCES: f64 = 5.0;
/// Bounds of the shape: a short end, and a tail without a mean.
const SHAPE_MIN: f64 = -0.5;
const SHAPE_MAX: f64 = 1.0;
/// Slopes of the ladder, per decade, are at least this share of the spread.
const SLOPE_MIN: f64 = 0.02;
/// For tied scores a decade of the tail is so many spreads wide.
const TIED_SLOPE: f64 = 2.0;
/// Share of high scores that equal the previous one from which scores count as tied.
const TIED_SHARE: f32 = 0.1;
/// Scores this close, in spreads, are equal.
const TIE_WIDTH: f64 = 0.01;
/// Surprise above `log10 n` that needs no more evidence.
const HEADROOM: f64 = 1.0;
/// The same for a score that is the first to differ from all others.
const FIRST_MOVE_HEADROOM: f64 = 1.0;
/// Larger scores are taken as this, so that sums of a few stay finite.
const SCORE_MAX: f64 = 1e300;

/// What is known about the past scores of one series and detector.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Calibration {
    /// Upper quantiles, ascending; before there are [`RUNGS`] scores: these, sorted.
    rungs: [f64; RUNGS],
    /// Mean distance of scores above the lowest rung from it, without the extremes.
    spread: f64,
    /// The last score above the 90 % quantile.
    last_high: f64,
    samples: f32,
    /// Share of high scores that equal the one before.
    ties: f32,
    excursion: Excursion,
    /// Rungs that exist.
    live: u8,
}

completed!(Calibration);

impl Default for Calibration {
    fn default() -> Self {
        Self {
            rungs: [0.0; RUNGS],
            spread: 0.0,
            last_high: -1.0,
            samples: 0.0,
            ties: 0.0,
            excursion: Excursion::default(),
            live: 0,
        }
    }
}

impl Calibration {
    /// Judges `score` (0 and up, larger is odder; in any unit) against the past, then learns from it with
    /// `weight`, 0 to 1. `None` for the first sixteen scores. What is not a number is no surprise and teaches nothing.
    #[inline]
    pub fn observe(&mut self, score: f64, weight: f64) -> Option<f64> {
        let surprise = self.surprise(score);
        if !score.is_nan() {
            self.learn(score.clamp(0.0, SCORE_MAX), surprise.unwrap_or(0.0), weight);
        }
        surprise
    }

    /// −log10 of the probability of a score of at least `score`: 0 to [`SURPRISE_MAX`]; `None` for the first sixteen.
    #[inline]
    pub fn surprise(&self, score: f64) -> Option<f64> {
        let rungs = self.ladder()?;
        if score.is_nan() {
            return Some(0.0);
        }
        let score = score.clamp(0.0, SCORE_MAX);
        let below = rungs.iter().filter(|&&rung| rung < score).count();
        Some(if below == 0 {
            if score > 0.0 { STEP * (score / rungs[0]) } else { 0.0 }
        } else if below < rungs.len() {
            let (low, high) = (rungs[below - 1], rungs[below]);
            STEP * (below as f64 + (score - low) / (high - low))
        } else {
            self.beyond(score)
        })
    }

    /// Scores that are remembered, by weight: their number until the memory is full.
    pub fn samples(&self) -> f64 {
        f64::from(self.samples)
    }

    /// The quantiles that exist; `None` while the first scores are collected.
    fn ladder(&self) -> Option<&[f64]> {
        (self.live > 0).then(|| &self.rungs[..usize::from(self.live)])
    }

    /// Surprise of a score above all rungs.
    fn beyond(&self, score: f64) -> f64 {
        let evidence = libm::log10(self.samples());
        let tail = self.tail();
        if tail.slope <= 0.0 {
            return evidence + FIRST_MOVE_HEADROOM;
        }
        let (surprise, enough) = (tail.surprise(score).min(SURPRISE_MAX), evidence + HEADROOM);
        if surprise <= enough { surprise } else { enough + libm::log1p(surprise - enough) }
    }

    /// The tail from the last rung on.
    fn tail(&self) -> ParetoTail {
        let rungs = &self.rungs;
        let top = usize::from(self.live) - 1;
        let is_tied = self.is_tied();
        let least = if is_tied { TIED_SLOPE * self.spread } else { self.slope_min() };
        let (start, level) = (rungs[top], STEP * f64::from(self.live));
        if top < 2 * DECADE {
            // Too few rungs for a shape.
            let back = top.min(DECADE);
            let slope = (rungs[top] - rungs[top - back]) / (STEP * back as f64);
            return ParetoTail { start, level, slope: slope.max(least), shape: PRIOR_SHAPE };
        }
        let (far, near) =
            (rungs[top] - rungs[top - DECADE], rungs[top - DECADE] - rungs[top - 2 * DECADE]);
        let ratio = if is_tied || near <= 0.0 { 0.0 } else { far / near };
        let seen =
            if ratio > 0.0 { libm::log10(ratio).clamp(SHAPE_MIN, SHAPE_MAX) } else { PRIOR_SHAPE };
        let exceedances = 2.0 * self.samples() / ONE_IN[top];
        let shape = (exceedances * seen + PRIOR_EXCEEDANCES * PRIOR_SHAPE)
            / (exceedances + PRIOR_EXCEEDANCES);
        ParetoTail { start, level, slope: far.max(least) * end_slope(shape), shape }
    }

    /// Rungs that are counted, and scores that are collected, are those that there is a place for.
    fn completed(self) -> Option<Self> {
        let is_collecting = self.live == 0 && (self.samples as usize) < RUNGS;
        let has_ladder = (FIRST_RUNGS..=RUNGS).contains(&usize::from(self.live));
        (is_collecting || has_ladder).then_some(self)
    }

    fn is_tied(&self) -> bool {
        self.ties > TIED_SHARE
            || self.rungs[FIRST_RUNGS - 1] - self.rungs[0] < SLOPE_MIN * self.spread
    }

    /// The least difference between quantiles a decade apart.
    fn slope_min(&self) -> f64 {
        let height = self.rungs[usize::from(self.live) - 1] - self.rungs[0];
        SLOPE_MIN * self.spread.max(height)
    }

    fn learn(&mut self, score: f64, surprise: f64, weight: f64) {
        if self.live == 0 {
            return self.collect(score);
        }
        if self.excursion.counts(surprise) && weight > 0.0 {
            let weight = weight.min(1.0);
            self.learn_spread(score, weight);
            self.move_rungs(score, weight);
            self.samples = (self.samples + weight as f32).min(MEMORY as f32);
            self.grow();
        }
    }

    /// Keeps the first scores sorted, then reads the first rungs off them.
    fn collect(&mut self, score: f64) {
        let count = self.samples as usize;
        let place = self.rungs[..count].partition_point(|&other| other <= score);
        self.rungs.copy_within(place..count, place + 1);
        self.rungs[place] = score;
        self.samples += 1.0;
        if count + 1 < RUNGS {
            return;
        }
        let sorted = self.rungs;
        for (rung, one_in) in self.rungs.iter_mut().zip(ONE_IN).take(FIRST_RUNGS) {
            let place = (1.0 - 1.0 / one_in) * RUNGS as f64 - 0.5;
            let (low, high) = (sorted[place as usize], sorted[place as usize + 1]);
            *rung = low + (place - libm::floor(place)) * (high - low);
        }
        self.spread = self.rungs[FIRST_RUNGS - 1] - self.rungs[0];
        self.live = FIRST_RUNGS as u8;
    }

    fn learn_spread(&mut self, score: f64, weight: f64) {
        let distance = score - self.rungs[0];
        if distance <= 0.0 {
            return;
        }
        if self.spread <= 0.0 {
            self.spread = distance;
        }
        self.spread += weight * (distance.min(EXCESS_MAX * self.spread) - self.spread) / 64.0;
        if score > self.rungs[FIRST_RUNGS - 1] {
            let is_tie = (score - self.last_high).abs() <= TIE_WIDTH * self.spread;
            self.ties += (f32::from(u8::from(is_tie)) - self.ties) / 16.0;
            self.last_high = score;
        }
    }

    /// One step of stochastic approximation of every quantile, in ascending order.
    fn move_rungs(&mut self, score: f64, weight: f64) {
        let live = usize::from(self.live);
        let (least, excess_max) = (self.slope_min(), EXCESS_MAX * self.spread);
        let gain = weight / (LN_10 * (self.samples() / GAIN + PRIOR_SAMPLES));
        let (mut below, mut floor) = (self.rungs[0], 0.0_f64);
        for (index, one_in) in ONE_IN.iter().enumerate().take(live) {
            let (rung, above) = (self.rungs[index], self.rungs[(index + 1).min(live - 1)]);
            let width = if index == 0 || index + 1 == live { STEP } else { 2.0 * STEP };
            let slope = ((above - below) / width).max(least);
            let moved = if score > rung {
                let excess = (score - rung).min(excess_max);
                (gain * (one_in - 1.0)).min(STEP_UP_MAX) * slope.max(excess)
            } else {
                -gain * slope
            };
            below = rung;
            floor = floor.max(rung + moved);
            self.rungs[index] = floor;
        }
    }

    /// Adds the next rung when there is evidence for it.
    fn grow(&mut self) {
        let next = usize::from(self.live);
        if next < RUNGS && self.samples() >= RUNG_EXCEEDANCES * ONE_IN[next] {
            self.rungs[next] = self.tail().quantile(STEP);
            self.live += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::Noise;

    fn warm(seed: u64, samples: usize) -> Calibration {
        let (mut calibration, mut noise) = (Calibration::default(), Noise::new(seed));
        for _ in 0..samples {
            calibration.observe(noise.normal().abs(), 1.0);
        }
        calibration
    }

    #[test]
    fn the_ladder_follows_the_quantiles_of_the_past() {
        // Two-sided points of the normal distribution.
        let calibration = warm(1, 20_000);
        for (score, surprise) in [(1.645, 1.0), (2.576, 2.0), (3.291, 3.0), (3.891, 4.0)] {
            let ours = calibration.surprise(score).unwrap_or_default();
            assert!((ours - surprise).abs() < 0.3, "{score} {ours}");
        }
    }

    #[test]
    fn little_evidence_gives_little_surprise_and_a_gross_fault_some_more() {
        assert_eq!(Calibration::default().surprise(1e9), None);
        let mut noise = Noise::new(2);
        let mut calibration = warm(3, 16);
        for samples in 17..300 {
            let surprise = calibration.observe(noise.normal().abs(), 1.0).unwrap_or_default();
            assert!(surprise < libm::log10(f64::from(samples)) + 1.5, "{samples} {surprise}");
        }
        let gross = calibration.surprise(1e6).unwrap_or_default();
        assert!((4.0..8.0).contains(&gross), "{gross}");
    }

    #[test]
    fn an_incident_is_an_incident_again_the_next_day() {
        let (mut calibration, mut noise) = (warm(4, 5000), Noise::new(5));
        let before = calibration.surprise(6.0).unwrap_or_default();
        for _ in 0..500 {
            calibration.observe(6.0 + noise.normal().abs(), 1.0);
        }
        let after = calibration.surprise(6.0).unwrap_or_default();
        assert!(before > 4.0 && after > before - 1.2, "{before} {after}");
        assert!(calibration.surprise(2.576).unwrap_or_default() > 1.8);
    }

    #[test]
    fn a_new_normal_is_adopted_in_the_end() {
        let (mut calibration, mut noise) = (warm(6, 5000), Noise::new(7));
        let mut last = 0.0;
        for _ in 0..2 * NEW_NORMAL_ROWS {
            last = calibration.observe(10.0 + noise.normal().abs(), 1.0).unwrap_or_default();
        }
        assert!(last < 3.0, "{last}");
    }

    #[test]
    fn what_weighs_nothing_teaches_nothing() {
        let mut calibration = warm(8, 1000);
        let before = calibration.rungs;
        calibration.observe(2.0, 0.0);
        calibration.observe(f64::NAN, 1.0);
        assert!(calibration.rungs.iter().zip(before).all(|(now, then)| (now - then).abs() < 1e-12));
    }

    #[test]
    fn one_value_for_ever_is_no_surprise_and_the_first_other_one_is_bounded() {
        let mut calibration = Calibration::default();
        for _ in 0..1000 {
            assert!(calibration.observe(0.0, 1.0).unwrap_or_default() < 0.3);
        }
        let first = calibration.observe(1e-9, 1.0).unwrap_or_default();
        assert!((3.0..=4.0).contains(&first), "{first}");
    }

    #[test]
    fn a_state_fits_its_budget() {
        assert!(size_of::<Calibration>() <= 168, "{}", size_of::<Calibration>());
    }

    proptest! {
        #[test]
        fn the_unit_of_a_score_does_not_matter(seed in any::<u64>(), unit in 1e-6..1e6_f64) {
            let (mut one, mut other) = (Calibration::default(), Calibration::default());
            let mut noise = Noise::new(seed);
            for _ in 0..500 {
                let score = noise.normal().abs();
                let ours = one.observe(score, 1.0).unwrap_or_default();
                let theirs = other.observe(score * unit, 1.0).unwrap_or_default();
                prop_assert!((ours - theirs).abs() < 1e-6, "{ours} {theirs}");
            }
        }

        #[test]
        fn surprise_grows_with_the_score(
            seed in any::<u64>(), samples in 16_usize..3000, score in 0.0..8.0_f64, more in 0.0..4.0_f64,
        ) {
            let calibration = warm(seed, samples);
            prop_assert!(calibration.surprise(score + more) >= calibration.surprise(score));
        }

        #[test]
        fn any_scores_give_finite_surprises(
            scores in proptest::collection::vec(
                prop_oneof![
                    Just(0.0), Just(1.0), Just(-1.0), Just(1e300), Just(1e-300), Just(f64::MAX),
                    Just(f64::INFINITY), Just(f64::NAN), 0.0..10.0_f64,
                ],
                0..600,
            ),
            weight in 0.0..=1.0_f64,
        ) {
            let mut calibration = Calibration::default();
            for score in scores {
                let surprise = calibration.observe(score, weight).unwrap_or(0.0);
                prop_assert!((0.0..=SURPRISE_MAX).contains(&surprise), "{score} {surprise}");
                prop_assert!(calibration.rungs.iter().all(|rung| rung.is_finite()));
            }
        }
    }
}

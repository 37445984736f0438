//! Values that jump about more than they used to, whatever their level.
//!
//! Method: the share of large moves among the last twenty or so, calibrated by how often this series was as restless
//! before ([`crate::ladder`]). A move is large beyond three and a half times the usual one. Moves, unlike deviations,
//! know nothing of level, trend and season: von Neumann (1941), "Distribution of the ratio of the mean square successive difference to the variance". And they
//! are counted, not measured: however heavy the tails, a lone outlier makes two large moves and nobody restless.
//!
//! Load makes many signals restless at noon, and a backup at night. So nothing is said for three days, in which all is learned as it
//! comes; then what is restless every day is on the ladder.
//!
//! Adoption: while it surprises, the usual move is learned at a tenth, so that a new restlessness is the usual one after some
//! 20,000 samples; the ladder takes one that lasts for a day as normal.
//!
//! State: 64 bytes. Cost: some 20 ns. Blind spot: scatter that grows slowly, and one that collapses (`flatline`,
//! `changepoint`); counts, whose bursts are moves, so the default chain leaves it out there.

use serde::{Deserialize, Serialize};

use crate::ladder::{Ladder, Prior};
use crate::params::MinDeviation;
use crate::residual::{EXCURSION_SURPRISE, Scale};
use crate::tail::TailShape;
use crate::verdict::{Detector, Expected, Observation, Verdict};

/// A move is large beyond so many usual ones: one of two hundred independent normal moves.
const LARGE: f64 = 3.5;
/// Moves over which the share of large ones is taken.
const RECENT: f64 = 20.0;
/// A usual move is learned from moves of at most so many.
const LEARNED_MAX: f64 = 3.0;
/// Memory of the usual move, in samples.
const MEMORY: f64 = 2000.0;
/// Moves before one is learned as large.
const SAMPLES_MIN: u32 = 30;
/// Samples before the usual move is known, and time before the first verdict.
const WARM_UP_SAMPLES: u32 = 240;
const WARM_UP_MS: i64 = 3 * 86_400_000;
/// Steps of the ladder from no large move to nothing else.
const STEPS: f64 = 20.0;
/// What a share of large moves is taken to be worth: a twelfth more, and it is about ten times as rare.
const PRIOR: Prior = Prior { slope: 1.6, rows: 3000.0, steadiness: 0.0 };
/// Weight at which a restlessness that surprises is learned.
const EXCURSION_WEIGHT: f64 = 0.1;

/// The detector. Its verdict is about a value that need not depart from anything: [`Expected::center`] is the value before.
#[derive(Debug, Clone)]
pub struct Scatter {
    min_deviation: MinDeviation,
}

impl Scatter {
    /// A detector for which no usual move is smaller than a third of `min_deviation`.
    pub fn new(min_deviation: MinDeviation) -> Self {
        Self { min_deviation }
    }
}

/// What it remembers of a series.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct State {
    /// Not a number before the first value.
    last: f64,
    /// Event time from which on all but the first moves are learned.
    since_ms: i64,
    /// Mean size of a move.
    usual: f64,
    /// Share of large moves lately.
    large: f32,
    samples: u32,
    ladder: Ladder,
}

impl Default for State {
    fn default() -> Self {
        let ladder = Ladder::new(&PRIOR);
        Self { last: f64::NAN, since_ms: 0, usual: 0.0, large: 0.0, samples: 0, ladder }
    }
}

impl Detector for Scatter {
    type State = State;

    #[expect(
        clippy::inline_always,
        reason = "its column is the only caller, and takes the verdict where it is made"
    )]
    #[inline(always)]
    fn observe(&self, state: &mut State, observation: &Observation) -> Verdict {
        let center = std::mem::replace(&mut state.last, observation.value);
        let moved = (observation.value - center).abs();
        if moved.is_nan() {
            return Verdict::WarmingUp;
        }
        let floor = observation.scale_floor;
        let usual = Scale::at_least(state.usual, floor, self.min_deviation, center).width;
        let now_ms = observation.timestamp.as_ms();
        state.samples = state.samples.saturating_add(1);
        let bounded =
            if state.samples > SAMPLES_MIN { moved.min(LEARNED_MAX * usual) } else { moved };
        if state.samples <= WARM_UP_SAMPLES {
            state.since_ms = now_ms;
            state.learn(bounded, 1.0);
            return Verdict::WarmingUp;
        }
        let is_large = f64::from(u8::from(moved > LARGE * usual));
        state.large += ((is_large - f64::from(state.large)) / RECENT) as f32;
        let restlessness = STEPS * f64::from(state.large);
        if now_ms.saturating_sub(state.since_ms) < WARM_UP_MS {
            state.ladder.teach(restlessness, 1.0, &PRIOR);
            state.learn(bounded, 1.0);
            return Verdict::WarmingUp;
        }
        let surprise = state.ladder.observe(restlessness, 1.0, &PRIOR);
        let weight = if surprise < EXCURSION_SURPRISE { 1.0 } else { EXCURSION_WEIGHT };
        state.learn(bounded, weight);
        let tail = TailShape { frequency: 2e-3, index: 4.0 };
        let expected = Expected { center, scale_below: usual, scale_above: usual, tail };
        Verdict::Scored { surprise, expected }
    }
}

impl State {
    fn learn(&mut self, moved: f64, weight: f64) {
        let known = f64::from(self.samples).clamp(1.0, MEMORY);
        self.usual += weight * (moved - self.usual) / known;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Noise, run, surprise_at};

    const DAY: usize = 1440;

    fn detector() -> Scatter {
        Scatter::new(MinDeviation::default())
    }

    /// Four days of `value`, and then one that scatters eight times as wide from `from` on for two hours.
    fn explosion(seed: u64, from: usize, value: impl Fn(usize, f64) -> f64) -> Vec<f64> {
        let mut noise = Noise::new(seed);
        let wide = |index| if (from..from + 120).contains(&index) { 8.0 } else { 1.0 };
        (0..5 * DAY).map(|index| value(index, wide(index) * noise.normal())).collect()
    }

    #[test]
    fn scatter_eight_times_as_wide_is_seen_within_half_an_hour() {
        for seed in 0..5 {
            let values = explosion(seed, 4 * DAY, |_, noise| 100.0 + 5.0 * noise);
            let verdicts = run(&detector(), &values);
            let seen = (4 * DAY..5 * DAY).find(|&index| surprise_at(&verdicts, index) >= 6.0);
            assert!(seen.is_some_and(|index| index < 4 * DAY + 30), "{seed}: {seen:?}");
        }
    }

    #[test]
    fn what_is_restless_every_noon_is_so_today() {
        let busy = |index: usize, noise: f64| {
            let wide = if (600..780).contains(&(index % DAY)) { 4.0 } else { 1.0 };
            100.0 + 5.0 * wide * noise
        };
        let values = explosion(1, 5 * DAY, busy);
        let verdicts = run(&detector(), &values);
        let most =
            (3 * DAY + 300..5 * DAY).map(|index| surprise_at(&verdicts, index)).fold(0.0, f64::max);
        assert!(most < 4.5, "{most}");
    }

    #[test]
    fn level_trend_season_and_lone_outliers_make_nobody_restless() {
        let moving = |index: usize, noise: f64| {
            let season = 300.0 * libm::sin(std::f64::consts::TAU * index as f64 / DAY as f64);
            let level = if index > 4 * DAY + 500 { 900.0 } else { 0.0 };
            let outlier = if index.is_multiple_of(700) { 1e6 } else { 0.0 };
            2000.0 + 0.05 * index as f64 + season + level + outlier + 10.0 * noise
        };
        let values = explosion(2, 5 * DAY, moving);
        let verdicts = run(&detector(), &values);
        let most =
            (3 * DAY..5 * DAY).map(|index| surprise_at(&verdicts, index)).fold(0.0, f64::max);
        assert!(most < 4.5, "{most}");
    }

    #[test]
    fn nothing_is_said_for_three_days() {
        let values = explosion(3, 2 * DAY, |_, noise| 100.0 + 5.0 * noise);
        let verdicts = run(&detector(), &values);
        assert!(verdicts[..3 * DAY].iter().all(|verdict| *verdict == Verdict::WarmingUp));
        assert!(matches!(verdicts[4 * DAY], Verdict::Scored { .. }));
    }
}

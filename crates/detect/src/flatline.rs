//! Stuck values: a run of equal values that is longer than the series' own past makes plausible.
//!
//! Method: a sample's position in its run of equal values has a learned distribution. Beyond twice the mean length
//! of a run (at least five samples) it is a Pareto tail: how often samples lie beyond, and Hill's (1975) estimator
//! over the runs that do. The surprise is that of lying as far into a run as the present sample. Nothing is
//! assumed about what comes before: a repeated value is ordinary. So a series that is often constant, or that moves on a
//! schedule of its own, never surprises; one that always moves does when it stops.
//!
//! Values are equal within a thousandth of the smallest scale that the series' moves justify. A run that surprises is
//! learned at a half; after [`ADOPTION_SAMPLES`] a stuck value is the new normal, and silent.
//!
//! State: 40 bytes. Cost: some 10 ns, and two logarithms where a run is long. Blind spot: a sensor that is stuck and
//! still jitters (`changepoint`, scatter).

use serde::{Deserialize, Serialize};

use crate::params::{MinDeviation, WarmUp};
use crate::residual::{EXCURSION_SURPRISE, Scale};
use crate::tail::{SURPRISE_MAX, TailShape};
use crate::verdict::{Detector, Expected, Observation, Verdict};

/// A run of this many samples is the new normal: a day at one a minute.
pub const ADOPTION_SAMPLES: u32 = 1440;
/// Shortest run that can surprise.
const RUN_MIN: f64 = 5.0;
/// The tail starts at so many mean lengths of a run.
const TAIL_RUNS: f64 = 2.0;
/// Memory of the mean length in runs, of the tail in samples and in long runs.
const RUNS_MEMORY: f32 = 200.0;
const TAIL_MEMORY: f32 = 20_000.0;
/// The prior: one sample in so many lies beyond the start of the tail, whose index is 2, worth four runs.
const TAIL_PRIOR_SAMPLES: f64 = 50.0;
const TAIL_PRIOR_RUNS: f64 = 4.0;
const TAIL_PRIOR_INDEX: f64 = 2.0;
/// A run counts as at most this many times the start of the tail, as a logarithm (20 times).
const LOG_RUN_MAX: f64 = 3.0;
/// Weight at which a run that surprises is learned: two nights that stand still are enough, and one fault does not
/// make the next one ordinary.
const EXCURSION_WEIGHT: f32 = 0.5;
/// Share of the smallest plausible scale within which values are equal.
const EQUAL_SHARE: f64 = 1e-3;

/// Parameters of the flatline detector.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// Samples before the first verdict.
    pub warm_up_samples: WarmUp,
}

/// The detector. Its verdict is about a value that does not depart from anything: [`Expected::center`] is the value
/// at which the series is stuck.
#[derive(Debug, Clone)]
pub struct Flatline {
    params: Params,
    min_deviation: MinDeviation,
}

impl Flatline {
    /// A detector. `min_deviation` shapes the band that it shows and nothing else.
    pub fn new(params: Params, min_deviation: MinDeviation) -> Self {
        Self { params, min_deviation }
    }
}

/// What it remembers of a series.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct State {
    /// The value that the present run started with.
    anchor: f64,
    samples: u32,
    /// Samples of the present run, and the surprise at its last one.
    run: u32,
    surprise: f32,
    /// Mean length of finished runs and their number, up to its memory.
    mean_run: f32,
    runs: f32,
    /// Samples beyond the start of the tail, runs there, logarithms of their lengths.
    beyond: f32,
    long_runs: f32,
    log_runs: f32,
}

impl Detector for Flatline {
    type State = State;

    fn observe(&self, state: &mut State, observation: &Observation) -> Verdict {
        let value = observation.value;
        let near = (EQUAL_SHARE * observation.scale_floor).max(1e-12 * state.anchor.abs());
        if state.samples > 0 && (value - state.anchor).abs() <= near {
            state.run = state.run.saturating_add(1);
        } else {
            state.end_run();
            state.anchor = value;
        }
        state.samples = state.samples.saturating_add(1);
        if state.samples <= self.params.warm_up_samples.samples() {
            return Verdict::WarmingUp;
        }
        let surprise = state.judge();
        state.surprise = surprise as f32;
        let scale = Scale::at_least(0.0, observation.scale_floor, self.min_deviation, value).width;
        let tail = TailShape { frequency: 2e-3, index: 4.0 };
        let expected = Expected { center: value, scale_below: scale, scale_above: scale, tail };
        Verdict::Scored { surprise, expected }
    }
}

impl State {
    /// Where the tail starts, as a length of a run.
    fn tail_start(&self) -> f64 {
        (TAIL_RUNS * f64::from(self.mean_run)).max(RUN_MIN)
    }

    /// Surprise of a sample that lies as far into its run as the present one.
    fn judge(&self) -> f64 {
        let (run, start) = (f64::from(self.run), self.tail_start());
        if self.run > ADOPTION_SAMPLES || run < start {
            return 0.0;
        }
        let seen = f64::from(self.samples).min(f64::from(TAIL_MEMORY));
        // The present run is part of what was seen, and not yet of what is beyond.
        let share = (1.0 + f64::from(self.beyond)) / (TAIL_PRIOR_SAMPLES + (seen - run).max(0.0));
        let runs = TAIL_PRIOR_RUNS + f64::from(self.long_runs);
        let index = runs / (TAIL_PRIOR_RUNS / TAIL_PRIOR_INDEX + f64::from(self.log_runs));
        let surprise = -libm::log10(share.min(1.0)) + index * libm::log10(run / start);
        surprise.clamp(0.0, SURPRISE_MAX)
    }

    /// Learns the run that a different value has ended.
    fn end_run(&mut self) {
        if self.run > 0 {
            let weight =
                if f64::from(self.surprise) < EXCURSION_SURPRISE || self.run > ADOPTION_SAMPLES {
                    1.0
                } else {
                    EXCURSION_WEIGHT
                };
            self.learn(self.run, weight);
        }
        (self.run, self.surprise) = (1, 0.0);
    }

    fn learn(&mut self, run: u32, weight: f32) {
        let (length, start) = (f64::from(run), self.tail_start());
        let kept = (1.0 - run as f32 / TAIL_MEMORY).max(0.0);
        self.beyond *= kept;
        self.long_runs *= kept;
        self.log_runs *= kept;
        if length >= start {
            self.beyond += weight * (length - start + 1.0) as f32;
            self.long_runs += weight;
            self.log_runs += weight * libm::log(length / start).min(LOG_RUN_MAX) as f32;
        }
        self.runs = (self.runs + 1.0).min(RUNS_MEMORY);
        self.mean_run += weight * (run as f32 - self.mean_run) / self.runs;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Noise, run, surprise_at};

    fn flatline() -> Flatline {
        Flatline::new(Params::default(), MinDeviation::default())
    }

    #[test]
    fn a_state_fits_its_budget() {
        assert!(size_of::<State>() <= 48, "{}", size_of::<State>());
    }

    #[test]
    fn a_series_that_always_moves_surprises_when_it_stops() {
        let mut noise = Noise::new(7);
        let mut values: Vec<f64> = (0..5000).map(|_| noise.normal()).collect();
        values[4000..4100].fill(0.5);
        let verdicts = run(&flatline(), &values);
        assert!((0..4000).all(|index| surprise_at(&verdicts, index) < 1.0));
        let found = (4000..4100).position(|index| surprise_at(&verdicts, index) >= 4.0);
        assert!(found.is_some_and(|delay| delay < 20), "{found:?}");
        assert!(surprise_at(&verdicts, 4099) > 5.0);
        assert!(surprise_at(&verdicts, 4100) < 1.0);
    }

    #[test]
    fn a_series_that_is_often_constant_never_surprises() {
        // Eight hours of every day, and in plateaus of 30.
        let mut noise = Noise::new(8);
        let nights: Vec<f64> = (0..20 * 1440)
            .map(|index| if index % 1440 < 480 { 0.0 } else { 5.0 + noise.normal() })
            .collect();
        let steps: Vec<f64> = (0..20_000).map(|index| f64::from(index / 30 % 7)).collect();
        for values in [nights, steps, vec![1.0; 20_000]] {
            let verdicts = run(&flatline(), &values);
            let most = (5 * 1440..values.len()).map(|index| surprise_at(&verdicts, index));
            assert!(most.fold(0.0, f64::max) < 3.0);
        }
    }

    #[test]
    fn a_counter_that_updates_on_a_schedule_is_stuck_when_it_misses_several() {
        let mut values: Vec<f64> = (0..20_000).map(|index| f64::from(index / 10)).collect();
        values[15_000..15_600].fill(1500.0);
        let verdicts = run(&flatline(), &values);
        assert!(surprise_at(&verdicts, 14_999) < 1.0);
        assert!(surprise_at(&verdicts, 15_599) > 4.0, "{}", surprise_at(&verdicts, 15_599));
    }

    #[test]
    fn a_value_that_stays_stuck_is_the_new_normal() {
        let mut noise = Noise::new(9);
        let values: Vec<f64> =
            (0..6000).map(|index| if index < 3000 { noise.normal() } else { 1.0 }).collect();
        let verdicts = run(&flatline(), &values);
        assert!(surprise_at(&verdicts, 4000) > 4.0);
        assert!(surprise_at(&verdicts, 3000 + ADOPTION_SAMPLES as usize + 1) < 1.0);
    }
}

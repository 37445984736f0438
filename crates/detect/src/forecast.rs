//! Departure from a forecast, and what will be used up before long.
//!
//! [`Forecast`]. Method: exponential smoothing with additive errors and a damped trend, ETS(A,Ad,N) (Hyndman &
//! Athanasopoulos, "Forecasting: principles and practice", 3rd edition, sections 8.5 and 8.7; Gardner & `McKenzie`
//! 1985). Three models that remember some 33, 5 and 1.5 samples run side by side; the forecast is that of the one whose
//! absolute errors were the smallest in the last 256 samples or so. Errors are learned clipped (Huber), excursions
//! at a tenth.
//!
//! Gaps: after `k` intervals the trend is damped `k` times, the band as wide as the model's variance `k` steps ahead,
//! and the first value counts for as much more as that is wider than one step.
//!
//! Adoption: a new level is the forecast at the latest after a quarter of the window (90 samples by default).
//! State: 88 bytes. Blind spot: slow drifts are followed (`trend`), and there is no season
//! (`seasonal`): at one sample a minute the level follows the day by itself.
//!
//! [`Exhaustion`] says when a level that falls or rises reaches its limit; see there.

mod course;
mod exhaustion;
mod limit;
#[cfg(test)]
mod promises;
mod smoothing;

use serde::{Deserialize, Serialize};

pub use exhaustion::{Exhaustion, ExhaustionState, Prediction};
pub use limit::{Approach, ExhaustionParams, Horizon, Limit};
use smoothing::Model;

use crate::lanes::Lesson;
use crate::number::{larger, smaller};
use crate::params::{WarmUp, Window};
use crate::predictor::{Outlook, Predictor, Silence};
use crate::verdict::Observation;

/// Smoothing constants of the levels, slowest first.
const ALPHAS: [f64; 3] = [0.03, 0.2, 0.7];
/// Errors beyond this many scales move a model no further.
const HUBER: f64 = 3.0;
/// Standard deviation of a Gaussian by its mean absolute deviation.
const DEVIATION_BY_MEAN: f64 = 1.253_314_137_315_5;
/// A gap counts as at most this many intervals.
const GAP_MAX: i64 = 100_000;
/// Values beyond this are taken as this, so that differences stay finite.
const VALUE_MAX: f64 = 1e150;

/// Parameters of the forecast.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// A departure that lasts a quarter of this many samples is the new normal.
    pub window: Window,
    /// Samples before the first verdict.
    pub warm_up_samples: WarmUp,
}

/// The detector of departures from the forecast one step ahead.
///
/// ```
/// use bellwether_detect::forecast::{Forecast, Params};
/// use bellwether_detect::tail::Tail;
/// use bellwether_detect::{Alone, Detector, LocalTime, MinDeviation, Observation, Verdict};
/// use bellwether_series::Timestamp;
///
/// let forecast = Forecast(Params::default());
/// let detector = Alone::new(forecast, MinDeviation::default(), Tail::new());
/// let mut state = Default::default();
/// let mut observe = |minute: i64, value: f64| {
///     let timestamp = Timestamp::from_ms(minute * 60_000);
///     let local = LocalTime::utc(timestamp);
///     let observation =
///         Observation { timestamp, local, value, interval_ms: 60_000, scale_floor: 0.0 };
///     detector.observe(&mut state, &observation)
/// };
/// (0..200).for_each(|minute| drop(observe(minute, 5.0 * minute as f64)));
/// let Verdict::Scored { surprise, expected } = observe(200, 1_000.0) else { panic!() };
/// assert!(surprise < 1.0 && (expected.center - 1_000.0).abs() < 20.0);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Forecast(pub Params);

/// What it remembers of a series.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct State {
    models: [Model; ALPHAS.len()],
    /// Event time of the last sample in milliseconds.
    last_ms: i64,
    samples: u32,
}

/// What a sample was compared with.
#[derive(Debug, Clone, Copy)]
pub struct Draft {
    value: f64,
    /// Intervals since the sample before.
    steps: u32,
    /// By how much the band is wider after so many.
    widening: f64,
}

impl Predictor for Forecast {
    type State = State;
    type Draft = Draft;

    #[expect(clippy::inline_always, reason = "a bank is the only caller, and goes on in registers")]
    #[inline(always)]
    fn look_ahead(
        &self,
        state: &mut State,
        observation: &Observation,
    ) -> (Result<Outlook, Silence>, Draft) {
        let value = smaller(larger(observation.value, -VALUE_MAX), VALUE_MAX);
        if state.samples == 0 {
            state.models = [Model::at(value); ALPHAS.len()];
        }
        let steps = state.steps_to(observation);
        let chosen = state.chosen();
        let ahead = state.models[chosen].ahead(ALPHAS[chosen], steps);
        let widening = ahead.variance.sqrt();
        let draft = Draft { value, steps, widening };
        if state.samples < self.0.warm_up_samples.samples() {
            return (Err(Silence::WarmingUp), draft);
        }
        let width = DEVIATION_BY_MEAN * state.models[chosen].error * widening;
        let memory_samples = self.0.window.samples() / 4;
        let center = ahead.center;
        (Ok(Outlook { center, below: width, above: width, memory_samples }), draft)
    }

    #[expect(clippy::inline_always, reason = "a bank is the only caller, and goes on in registers")]
    #[inline(always)]
    fn learn(&self, state: &mut State, _: &Observation, draft: Draft, lesson: &Lesson) {
        let Draft { value, steps, widening } = draft;
        if lesson.becomes_new_normal {
            state.adopt(value);
        } else {
            state.learn(value, steps, HUBER * lesson.width / widening, lesson.weight);
        }
    }
}

impl State {
    /// How many intervals have passed, and remembers the time.
    fn steps_to(&mut self, observation: &Observation) -> u32 {
        let now_ms = observation.timestamp.as_ms();
        let elapsed_ms = if self.samples == 0 { 0 } else { now_ms.saturating_sub(self.last_ms) };
        self.last_ms = now_ms;
        let interval_ms = observation.interval_ms.max(1);
        (elapsed_ms.saturating_add(interval_ms / 2) / interval_ms).clamp(1, GAP_MAX) as u32
    }

    /// The model that was right most of late.
    fn chosen(&self) -> usize {
        let best = |best: usize, model: usize| {
            if self.models[model].error < self.models[best].error { model } else { best }
        };
        (1..ALPHAS.len()).fold(0, best)
    }

    /// Goes on from `value`, as wide as before.
    fn adopt(&mut self, value: f64) {
        for model in &mut self.models {
            (model.level, model.trend) = (value, 0.0);
        }
    }

    /// Learns `value` with `weight`, 0 to 1, as at most `bound`, or what a model that errs more believes in, away from
    /// the forecasts.
    fn learn(&mut self, value: f64, steps: u32, bound: f64, weight: f64) {
        self.samples = self.samples.saturating_add(1);
        for (model, alpha) in self.models.iter_mut().zip(ALPHAS) {
            let bound = bound.max(HUBER * DEVIATION_BY_MEAN * model.error);
            model.learn(alpha, value, steps, bound, weight, self.samples);
        }
    }
}

#[cfg(test)]
mod tests {
    use bellwether_series::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::local_time::LocalTime;
    use crate::params::MinDeviation;
    use crate::predictor::{Alone, AloneState};
    use crate::tail::{SURPRISE_MAX, Tail};
    use crate::testing::{Noise, alone, run, surprise_at};
    use crate::verdict::{Detector, Verdict};

    fn forecast() -> Alone<Forecast> {
        alone(Forecast(Params::default()))
    }

    fn any_size() -> Alone<Forecast> {
        let deviation = MinDeviation::new(0.0, 0.0).expect("both are 0");
        Alone::new(Forecast(Params::default()), deviation, Tail::new())
    }

    fn noise(seed: u64, count: usize) -> Vec<f64> {
        let mut noise = Noise::new(seed);
        (0..count).map(|_| noise.normal()).collect()
    }

    fn walk(seed: u64, count: usize) -> Vec<f64> {
        let step = |level: &mut f64, step: f64| {
            *level += step;
            Some(*level)
        };
        noise(seed, count).into_iter().scan(0.0, step).collect()
    }

    fn share_above(values: &[f64], surprise: f64) -> f64 {
        let verdicts = run(&any_size(), values);
        let above = (500..values.len()).filter(|&i| surprise_at(&verdicts, i) >= surprise).count();
        above as f64 / (values.len() - 500) as f64
    }

    #[test]
    fn a_state_fits_its_budget() {
        assert!(size_of::<State>() <= 112, "{}", size_of::<State>());
    }

    #[test]
    fn a_departure_from_a_wandering_level_is_a_surprise() {
        let mut values = walk(1, 3_000);
        values[2_500..].iter_mut().for_each(|value| *value += 12.0);
        let verdicts = run(&any_size(), &values);
        assert!(surprise_at(&verdicts, 2_500) > 5.0, "{:?}", verdicts[2_500]);
        assert!(surprise_at(&verdicts, 2_700) < 3.0);
    }

    #[test]
    fn a_ramp_is_forecast_and_its_end_is_not() {
        let noise = noise(2, 2_000);
        let value = |i: usize| 50.0 * (i as f64).min(1_500.0) + noise[i];
        let values: Vec<f64> = (0..2_000).map(value).collect();
        let verdicts = run(&any_size(), &values);
        assert!((200..1_500).all(|i| surprise_at(&verdicts, i) < 4.0));
        assert!(surprise_at(&verdicts, 1_510) > 5.0);
    }

    #[test]
    fn surprise_of_noise_and_of_a_random_walk_is_as_rare_as_it_says() {
        for values in [noise(3, 100_000), walk(4, 100_000)] {
            for surprise in [1.0, 2.0, 3.0] {
                let ratio = share_above(&values, surprise) * libm::exp10(surprise);
                assert!((0.4..2.0).contains(&ratio), "{surprise}: {ratio}");
            }
        }
    }

    #[test]
    fn the_last_digit_of_a_constant_is_no_gross_fault() {
        let mut values = vec![100.0; 500];
        values[400] = 100.1;
        assert!(surprise_at(&run(&forecast(), &values), 400) < 1.0);
        values[400] = 0.0;
        let surprise = surprise_at(&run(&forecast(), &values), 400);
        assert!(surprise > 5.0 && surprise < 20.0, "{surprise}");
    }

    #[test]
    fn a_new_level_is_adopted_after_a_quarter_of_the_window() {
        let mut values = noise(5, 1_200);
        values[1_000..].iter_mut().for_each(|value| *value += 1e4);
        let verdicts = run(&any_size(), &values);
        assert!(surprise_at(&verdicts, 1_060) > 4.0);
        assert!(surprise_at(&verdicts, 1_150) < 3.0, "{:?}", verdicts[1_150]);
    }

    #[test]
    fn what_a_gap_leaves_unknown_does_not_fire() {
        let observe = |gap: i64| {
            let (detector, mut state) = (any_size(), AloneState::default());
            let observe = |(index, value): (i64, f64)| {
                let late = if index >= 1_000 { gap } else { 0 };
                let timestamp = Timestamp::from_ms((index + late) * 60_000);
                let value = if index >= 1_000 { value + 20.0 } else { value };
                let interval_ms = 60_000;
                let observation = Observation {
                    timestamp,
                    local: LocalTime::utc(timestamp),
                    value,
                    interval_ms,
                    scale_floor: 0.0,
                };
                detector.observe(&mut state, &observation)
            };
            let verdicts: Vec<_> = (0..).zip(walk(6, 1_010)).map(observe).collect();
            surprise_at(&verdicts, 1_000)
        };
        assert!(observe(0) > 5.0);
        assert!(observe(600) < 1.5, "{}", observe(600));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_input_gives_a_finite_verdict(
            samples in prop::collection::vec(
                (prop_oneof![any::<f64>(), -1e120..1e120_f64, -1e-300..1e-300_f64, Just(1.0)], any::<i64>(), 0..9_u8),
                100..400,
            ),
            floor in prop_oneof![Just(0.0), 0.0..1e120_f64],
        ) {
            let mut state = AloneState::default();
            for (index, &(value, time, kind)) in samples.iter().enumerate() {
                let time = if kind == 0 { time } else { index as i64 * 1_000 };
                let timestamp = Timestamp::from_ms(time);
                let observation = Observation { timestamp, local: LocalTime::utc(timestamp), value, interval_ms: 1_000, scale_floor: floor };
                if let Verdict::Scored { surprise, expected } = any_size().observe(&mut state, &observation) {
                    prop_assert!((0.0..=SURPRISE_MAX).contains(&surprise));
                    prop_assert!(expected.center.is_finite());
                    prop_assert!(expected.scale_above > 0.0 && expected.scale_above.is_finite());
                }
            }
        }

        #[test]
        fn unit_and_origin_do_not_matter(seed in any::<u64>(), unit in -20_i32..20, origin in -1e3..1e3_f64) {
            let values = walk(seed, 400);
            let unit = libm::ldexp(1.0, unit);
            let moved: Vec<f64> = values.iter().map(|value| (value + origin) * unit).collect();
            let (ours, theirs) = (run(&any_size(), &values), run(&any_size(), &moved));
            for index in 0..values.len() {
                let (ours, theirs) = (surprise_at(&ours, index), surprise_at(&theirs, index));
                prop_assert!((ours - theirs).abs() < 1e-3, "{} {} {}", index, ours, theirs);
            }
        }
    }
}

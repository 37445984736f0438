//! Off-season values: distance from what the same time brought on the last days and weeks.
//!
//! Method. Values are kept in bins of five minutes, or of the sampling interval if that is longer, for 22 days. The
//! expectation is the median of the same bin and its two neighbours over the last seven days; another is that
//! of the same weekday over three weeks. A value departs by its distance from the nearer one, so that
//! neither a weekend nor the hour of last week's incident is odd. The departure is taken in its root mean square of
//! two weeks, clipped, or most of its mean of a day if that is more; the score is `ln(1 + departure)`, averaged
//! over six samples. The long memory and the logarithm make scores of different signals comparable: a signal that hardly
//! moves does not drown the others. Medians over periods as in seasonal hybrid ESD (Hochenbaum, Vallis &
//! Kejariwal 2017), made causal.
//!
//! Bins are those of the observation's local time, so a rhythm of people stays in its bins where clocks are changed; of an
//! hour that occurs twice the second pass replaces the first, and an hour that is skipped is a gap. A holiday is compared
//! with the last Sundays, and is no earlier week of the weekday that it was.
//!
//! A series with a rhythm of its own, such as a job every 37 minutes, is expected to keep that too: where a period explains
//! at least half of what day and week leave, the median of its phase is added to what they expect, so that the job is
//! ordinary, and one that is missing or comes at another time is not. Without such a period nothing of this has any effect.
//! See `rhythm.rs`.
//!
//! State: 33 KiB with bins of five minutes, 10 KiB with hours, and up to 3 KiB while a period is followed. Cost: about
//! 0.2 us a sample, 1 us when a bin begins, and some 0.3 us a sample for the search: 0.6 ms in one of 2,016.
//! Blind spot: a new level is odd for four days, and a little at weekends for two weeks, where these differ; signals
//! that follow another clock than the configured one; a rhythm of their own in the first 2,016 to 2,519 samples after the first day. Values beyond 1e30 are taken as 1e30.

mod calendar;
mod rhythm;

use serde::{Deserialize, Serialize};

use crate::deep::DeepDetector;
use crate::verdict::Observation;
use calendar::{Calendar, DAY_MS};
use rhythm::Rhythm;

/// Memory of the squared departure and of the mean one, in days.
const SQUARE_DAYS: f64 = 14.0;
const MEAN_DAYS: f64 = 1.0;
/// Share of the day's mean departure that the scale is at least.
const MEAN_SHARE: f64 = 0.8;
/// Departures are learned as at most so many scales, by the squared one and by the mean one: the day's mean
/// must soon know that a quiet signal has begun to move, or it would drown the others of its group.
const SQUARE_CLIP: f64 = 10.0;
const MEAN_CLIP: f64 = 100.0;
/// Departures before any is clipped, and samples up to which a changed interval starts anew.
const YOUNG_SAMPLES: u32 = 200;
/// Departures before the first score.
const WARM_UP_SAMPLES: u32 = 30;
/// Samples over which the score is averaged.
const SMOOTHED: usize = 6;
/// Values and departures beyond these are as good as infinite.
const VALUE_MAX: f64 = 1e30;
const DEPARTURE_MAX: f64 = 1e6;
/// Periods that differ by less than one part of this are one.
const SAME_PERIOD: i64 = 16;
/// Resolution of the bins, relative to the value, and the least: smaller numbers are 0 in a bin.
const RESOLUTION: f64 = 1e-6;
const RESOLUTION_MIN: f64 = f32::MIN_POSITIVE as f64;

/// The detector; it has no parameters.
#[derive(Debug, Clone, Copy, Default)]
pub struct SeasonalResidual;

/// What it remembers of a series.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {
    calendar: Calendar,
    rhythm: Rhythm,
    /// Periods of hours to a week, in milliseconds, as of the last look at the series.
    seasons_ms: [Option<i64>; 2],
    /// Event time of the newest sample.
    last_ms: i64,
    square: f64,
    mean: f64,
    samples: u32,
    departures: u32,
    recent: [f32; SMOOTHED],
}

impl DeepDetector for SeasonalResidual {
    type State = State;

    fn begin(&self, seed: u64) -> State {
        State { rhythm: Rhythm::new(seed), ..State::default() }
    }

    fn score(&self, state: &mut State, observation: &Observation, weight: f64) -> Option<f64> {
        if !observation.value.is_finite() {
            return None;
        }
        let value = observation.value.clamp(-VALUE_MAX, VALUE_MAX);
        state.advance(observation);
        let score = state.calendar.residual(value).and_then(|residual| {
            state.rhythm.advance(observation);
            let departure = (residual - state.rhythm.expected()).abs();
            let floor = observation.scale_floor.max(RESOLUTION * value.abs()).max(RESOLUTION_MIN);
            let score = state.judge(departure, floor, observation.interval_ms, weight);
            if state.rhythm.learn(residual) {
                state.seasons_ms = state.calendar.periods_ms();
            }
            score
        });
        state.calendar.learn(value, weight);
        score
    }

    fn state_bytes(&self, state: &State) -> usize {
        size_of::<State>() + state.calendar.heap_bytes() + state.rhythm.heap_bytes()
    }

    fn periods_ms(&self, state: &State) -> Vec<i64> {
        let own = state.rhythm.periods_ms();
        let mut periods: Vec<i64> = state.seasons_ms.into_iter().chain(own).flatten().collect();
        periods.sort_unstable();
        // Both ways of looking may see the same one.
        periods.dedup_by(|longer, shorter| *longer - *shorter <= *shorter / SAME_PERIOD);
        periods
    }
}

impl State {
    /// Moves on to the time of `observation`.
    fn advance(&mut self, observation: &Observation) {
        self.samples = self.samples.saturating_add(1);
        let now = observation.timestamp.as_ms();
        let is_newer = now > self.last_ms;
        let is_young = self.samples < YOUNG_SAMPLES;
        let is_another = self.calendar.is_of_another_interval(observation.interval_ms);
        if self.calendar.is_empty() || (is_young && is_another) {
            let rhythm = self.rhythm.anew();
            *self = Self { samples: self.samples, rhythm, ..Self::default() };
            self.calendar.begin(observation);
        }
        self.last_ms = now;
        self.calendar.advance(observation.local, is_newer);
    }

    /// The score of `departure`, which is then learned.
    fn judge(&mut self, departure: f64, floor: f64, interval_ms: i64, weight: f64) -> Option<f64> {
        let scale = self.square.sqrt().max(MEAN_SHARE * self.mean).max(floor);
        let standardised = if departure > 0.0 { departure / scale } else { 0.0 };
        self.recent.rotate_left(1);
        self.recent[SMOOTHED - 1] = libm::log1p(standardised.min(DEPARTURE_MAX)) as f32;
        self.departures = self.departures.saturating_add(1);

        let is_young = self.departures < YOUNG_SAMPLES;
        let clipped = |clip: f64| if is_young { departure } else { departure.min(clip * scale) };
        let square = clipped(SQUARE_CLIP) * clipped(SQUARE_CLIP);
        let seen = f64::from(self.departures);
        let gain = |days: f64| {
            weight / (days * DAY_MS as f64 / interval_ms.max(1) as f64).clamp(1.0, seen)
        };
        self.square += gain(SQUARE_DAYS) * (square - self.square);
        self.mean += gain(MEAN_DAYS) * (clipped(MEAN_CLIP) - self.mean);
        (self.departures > WARM_UP_SAMPLES).then(|| self.smoothed())
    }

    fn smoothed(&self) -> f64 {
        let sum: f64 = self.recent.iter().map(|&recent| f64::from(recent)).sum();
        sum / SMOOTHED as f64
    }
}

#[cfg(test)]
mod daylight;
#[cfg(test)]
mod jobs;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{Noise, observation};

    const HOUR_MS: i64 = 3_600_000;

    fn run(interval_ms: i64, values: &[f64]) -> Vec<Option<f64>> {
        let mut state = SeasonalResidual.begin(0);
        let score = |(index, &value): (usize, &f64)| {
            SeasonalResidual.score(
                &mut state,
                &observation(index as i64 * interval_ms, value, interval_ms),
                1.0,
            )
        };
        values.iter().enumerate().map(score).collect()
    }

    /// Hours of a shop that is quiet at the weekend.
    fn shop(hours: usize, noise: &mut Noise) -> Vec<f64> {
        let value = |hour: usize| {
            let weekend = if hour / 24 % 7 >= 5 { 0.5 } else { 1.0 };
            let day = libm::sin(std::f64::consts::TAU * hour as f64 / 24.0);
            100.0 * weekend * (1.2 + day) + noise.normal()
        };
        (0..hours).map(value).collect()
    }

    /// The scores as the header has them, from the whole history of hours each time.
    fn by_definition(values: &[f64]) -> Vec<Option<f64>> {
        let usual = |now: usize, period: usize, visits: usize| {
            let back = (1..=visits).flat_map(|visit| [0, 1, 2].map(|n| (visit * period, n)));
            let mut pool: Vec<f64> = back
                .filter_map(|(back, neighbour)| (now + neighbour).checked_sub(back + 1))
                .filter(|&bin| bin < now)
                .map(|bin| f64::from(values[bin] as f32))
                .collect();
            pool.sort_unstable_by(f64::total_cmp);
            let (low, high) = (pool.len().checked_sub(1)? / 2, pool.len() / 2);
            Some(0.5 * (pool[low] + pool[high]))
        };
        let (mut square, mut mean, mut seen, mut logs) = (0.0_f64, 0.0_f64, 0.0_f64, vec![0.0; 6]);
        let mut scores = Vec::new();
        for (now, &value) in values.iter().enumerate() {
            let distances = [usual(now, 24, 7), usual(now, 168, 3)];
            let distance = distances.iter().flatten().map(|e| (value - e).abs());
            let Some(departure) = distance.min_by(f64::total_cmp) else {
                scores.push(None);
                continue;
            };
            let scale = square.sqrt().max(0.8 * mean).max(1e-6 * value.abs());
            logs.push(if departure > 0.0 {
                libm::log1p((departure / scale).min(1e6))
            } else {
                0.0
            });
            seen += 1.0;
            let young = seen < 200.0;
            let learned =
                [10.0, 100.0].map(|c| if young { departure } else { departure.min(c * scale) });
            square += (learned[0] * learned[0] - square) / seen.min(336.0);
            mean += (learned[1] - mean) / seen.min(24.0);
            let recent = &logs[logs.len() - 6..];
            scores.push((seen > 30.0).then(|| recent.iter().sum::<f64>() / 6.0));
        }
        scores
    }

    #[test]
    fn an_hour_out_of_season_is_odd_and_the_season_is_not() {
        let mut values = shop(28 * 24, &mut Noise::new(5));
        let fault = 26 * 24 + 18;
        values[fault..fault + 6].iter_mut().for_each(|value| *value += 60.0);
        let scores = run(HOUR_MS, &values);
        let odd = scores[fault + 5].unwrap();
        let calm = scores[22 * 24..fault].iter().flatten().copied().fold(0.0, f64::max);
        assert!(odd > 2.0 * calm, "{odd} {calm}");
    }

    #[test]
    fn a_gap_and_a_clock_that_goes_back_are_no_departure() {
        let mut state = SeasonalResidual.begin(0);
        for day in [0, 1, 2, 100_000, 100_001, 5, -100_000_000_000, 100_002] {
            for hour in 0..24 {
                let time = day * DAY_MS + hour * HOUR_MS;
                let score =
                    SeasonalResidual.score(&mut state, &observation(time, 7.0, HOUR_MS), 1.0);
                assert!(score.unwrap_or(0.0) < 1e-9, "{day} {hour}");
            }
        }
    }

    #[test]
    fn an_incident_is_forgotten_by_the_next_day() {
        let mut values = shop(21 * 24, &mut Noise::new(6));
        let clean = run(HOUR_MS, &values);
        values[15 * 24..15 * 24 + 6].fill(1e4);
        let scores = run(HOUR_MS, &values);
        let next = 16 * 24 + 12;
        assert!(scores[next].unwrap() <= clean[next].unwrap() + 0.1);
    }

    #[test]
    fn a_new_level_is_odd_for_four_days_and_its_weekends_a_little_for_two_weeks() {
        let mut values = shop(50 * 24, &mut Noise::new(8));
        let shift = 25 * 24;
        values[shift..].iter_mut().for_each(|value| *value += 300.0);
        let scores = run(HOUR_MS, &values);
        let most = |hours: std::ops::Range<usize>| {
            scores[hours].iter().flatten().copied().fold(0.0, f64::max)
        };
        let (usual, odd) = (most(22 * 24..shift), most(shift..shift + 24));
        // A weekend is still compared with weekdays of the new level and weekends of the old one.
        let (weekends, adopted) = (most(shift + 4 * 24 + 6..37 * 24), most(40 * 24..values.len()));
        assert!(odd > 2.0 && weekends < odd / 3.0, "{odd} {weekends}");
        assert!(usual.max(adopted) < odd / 8.0, "{usual} {odd} {adopted}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn scores_are_those_of_the_batch(seed in any::<u64>(), hours in 1..800_usize) {
            let values = shop(hours, &mut Noise::new(seed));
            for (ours, theirs) in run(HOUR_MS, &values).into_iter().zip(by_definition(&values)) {
                prop_assert_eq!(ours.is_some(), theirs.is_some());
                let apart = (ours.unwrap_or(0.0) - theirs.unwrap_or(0.0)).abs();
                prop_assert!(apart < 1e-5, "{:?} {:?}", ours, theirs);
            }
        }

        #[test]
        fn the_unit_does_not_matter(seed in any::<u64>(), scale in 1e-9..1e9_f64) {
            let values = shop(600, &mut Noise::new(seed));
            let scaled: Vec<f64> = values.iter().map(|value| scale * value).collect();
            for (ours, theirs) in run(HOUR_MS, &values).into_iter().zip(run(HOUR_MS, &scaled)) {
                prop_assert!((ours.unwrap_or(0.0) - theirs.unwrap_or(0.0)).abs() < 1e-3);
            }
        }
    }
}

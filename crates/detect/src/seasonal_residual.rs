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
//! State: 25 KiB with bins of five minutes, 2 KiB with hours. Cost: about 0.15 us a sample, 1 us when a bin begins.
//! Blind spot: periods other than day and week; a new level is odd for four days; signals that follow another clock than
//! the configured one. Values beyond 1e30 are taken as 1e30.

use crate::deep::DeepDetector;
use crate::local_time::LocalTime;
use crate::verdict::Observation;

const DAY_MS: i64 = 86_400_000;
/// Bins of a day at most.
const BINS_MAX: i64 = 288;
/// Days that are kept: three weeks and a neighbour.
const DAYS: i64 = 22;
/// Days and weeks whose same bins are pooled, and bins on both sides.
const DAILY_VISITS: i64 = 7;
const WEEKLY_VISITS: i64 = 3;
const NEIGHBOURS: i64 = 1;
const POOL: usize = (DAILY_VISITS * (2 * NEIGHBOURS + 1)) as usize;
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
/// Resolution of the bins, relative to the value, and the least: smaller numbers are 0 in a bin.
const RESOLUTION: f64 = 1e-6;
const RESOLUTION_MIN: f64 = f32::MIN_POSITIVE as f64;

/// The detector; it has no parameters.
#[derive(Debug, Clone, Copy, Default)]
pub struct SeasonalResidual;

/// What it remembers of a series.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Mean values of bins, NaN where there was none; the bin's number modulo the length is its place.
    bins: Vec<f32>,
    /// The bin being filled, the first one there was, and how long a bin is.
    bin: i64,
    first_bin: i64,
    bin_ms: i64,
    /// Event time of the newest sample.
    last_ms: i64,
    /// The local day of the bin being filled; bit `d` of the other says whether `d` days before it was a holiday.
    day: i64,
    holidays: u32,
    /// Weighted sum and weights of the bin being filled.
    sum: f64,
    weight: f64,
    /// What this bin usually brings, by the day and by the week.
    expected: [Option<f64>; 2],
    square: f64,
    mean: f64,
    samples: u32,
    departures: u32,
    recent: [f32; SMOOTHED],
}

impl DeepDetector for SeasonalResidual {
    type State = State;

    fn begin(&self, _seed: u64) -> State {
        State::default()
    }

    fn score(&self, state: &mut State, observation: &Observation, weight: f64) -> Option<f64> {
        if !observation.value.is_finite() {
            return None;
        }
        let value = observation.value.clamp(-VALUE_MAX, VALUE_MAX);
        state.advance(observation);
        let distance = |expected: &f64| (value - expected).abs();
        let departure = state.expected.iter().flatten().map(distance).min_by(f64::total_cmp);
        let score = departure.and_then(|departure| {
            let floor = observation.scale_floor.max(RESOLUTION * value.abs()).max(RESOLUTION_MIN);
            state.judge(departure, floor, observation.interval_ms, weight)
        });
        state.sum += weight * value;
        state.weight += weight;
        score
    }

    fn state_bytes(&self, state: &State) -> usize {
        size_of::<State>() + state.bins.capacity() * size_of::<f32>()
    }
}

impl State {
    /// Moves on to the bin of `observation`.
    fn advance(&mut self, observation: &Observation) {
        let per_day = (DAY_MS / observation.interval_ms.max(1)).clamp(1, BINS_MAX);
        let bin_ms = DAY_MS / per_day;
        self.samples = self.samples.saturating_add(1);
        let (now, local) = (observation.timestamp.as_ms(), observation.local);
        let is_newer = now > self.last_ms;
        self.last_ms = now;
        if self.bins.is_empty() || (self.samples < YOUNG_SAMPLES && bin_ms != self.bin_ms) {
            *self = Self { samples: self.samples, last_ms: now, bin_ms, ..Self::default() };
            self.bins = vec![f32::NAN; (DAYS * per_day) as usize];
            self.bin = local.ms.div_euclid(bin_ms);
            self.first_bin = self.bin;
        }
        let bin = local.ms.div_euclid(self.bin_ms);
        self.note_day(local);
        // Time that goes on while local time goes back: the clocks were changed.
        let is_changed_back = is_newer && (self.bin - self.per_day()..self.bin).contains(&bin);
        if bin <= self.bin && !is_changed_back {
            return;
        }
        let filled = if self.weight > 0.0 { self.sum / self.weight } else { f64::NAN };
        self.put(self.bin, filled as f32);
        // A gap leaves nothing behind, however long.
        for missing in 1..=(bin - self.bin).min(self.bins.len() as i64) {
            self.put(bin - missing + 1, f32::NAN);
        }
        (self.bin, self.sum, self.weight) = (bin, 0.0, 0.0);
        self.expected = [self.by_day(), self.by_week(local)];
    }

    /// Remembers whether the day of `local` is a holiday.
    fn note_day(&mut self, local: LocalTime) {
        let day = local.ms.div_euclid(DAY_MS);
        let passed = day.saturating_sub(self.day);
        if passed > 0 {
            let shift = u32::try_from(passed).unwrap_or(u32::MAX);
            (self.day, self.holidays) = (day, self.holidays.checked_shl(shift).unwrap_or(0));
        }
        if passed >= 0 {
            self.holidays |= u32::from(local.is_holiday);
        }
    }

    fn per_day(&self) -> i64 {
        DAY_MS / self.bin_ms
    }

    /// The median of the last days.
    fn by_day(&self) -> Option<f64> {
        self.usual(1..=DAILY_VISITS)
    }

    /// The median of the same day of the last weeks: Sundays if `local` is a holiday.
    fn by_week(&self, local: LocalTime) -> Option<f64> {
        let is_sunday = local.is_sunday();
        let first = if is_sunday { 7 - local.days_to_sunday() } else { 7 };
        let weeks = (0..WEEKLY_VISITS).map(|week| first + 7 * week);
        let was_alike = |days: &i64| is_sunday || self.holidays >> days & 1 == 0;
        self.usual(weeks.filter(was_alike))
    }

    fn put(&mut self, bin: i64, value: f32) {
        let place = bin.rem_euclid(self.bins.len() as i64) as usize;
        self.bins[place] = value;
    }

    /// The median of the present bin and its neighbours, each of so many days ago.
    fn usual(&self, days: impl Iterator<Item = i64>) -> Option<f64> {
        let (mut pool, mut count) = ([0.0_f32; POOL], 0);
        let oldest = self.first_bin.max(self.bin - self.bins.len() as i64 + 1);
        for days in days {
            for neighbour in -NEIGHBOURS..=NEIGHBOURS {
                let bin = self.bin - days * self.per_day() + neighbour;
                if bin < oldest || bin >= self.bin {
                    continue;
                }
                let value = self.bins[bin.rem_euclid(self.bins.len() as i64) as usize];
                if value.is_finite() {
                    pool[count] = value;
                    count += 1;
                }
            }
        }
        median(&mut pool[..count])
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

/// The median, by insertion: there are two dozen values at most.
fn median(values: &mut [f32]) -> Option<f64> {
    for end in 1..values.len() {
        let mut place = end;
        while place > 0 && values[place - 1] > values[place] {
            values.swap(place - 1, place);
            place -= 1;
        }
    }
    let (low, high) = (values.len().checked_sub(1)? / 2, values.len() / 2);
    Some(0.5 * (f64::from(values[low]) + f64::from(values[high])))
}

#[cfg(test)]
mod daylight;

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
    fn days_of_minutes_fit_into_32_kib() {
        let mut state = SeasonalResidual.begin(0);
        SeasonalResidual.score(&mut state, &observation(0, 1.0, 1000), 1.0);
        assert!(SeasonalResidual.state_bytes(&state) <= 32 * 1024);
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

//! What the same time of the day and of the week usually brings.

use serde::{Deserialize, Serialize};

use crate::local_time::LocalTime;
use crate::periods::find_periods;
use crate::saved::completed;
use crate::verdict::Observation;

pub(super) const DAY_MS: i64 = 86_400_000;
/// Bins of a day at most.
const BINS_MAX: i64 = 288;
/// Days that are kept: three weeks and a neighbour.
const DAYS: i64 = 22;
/// Days and weeks whose same bins are pooled, and bins on both sides.
const DAILY_VISITS: i64 = 7;
const WEEKLY_VISITS: i64 = 3;
const NEIGHBOURS: i64 = 1;
const POOL: usize = (DAILY_VISITS * (2 * NEIGHBOURS + 1)) as usize;
/// Periods are looked for in hours: a week is then short enough to be seen three times.
const HOURS: i64 = 24;

/// Means of bins of local time, for 22 days.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub(super) struct Calendar {
    /// Mean values of bins, NaN where there was none; the bin's number modulo the length is its place.
    bins: Vec<f32>,
    /// The bin being filled, the first one there was, and how long a bin is.
    pub(super) bin: i64,
    first_bin: i64,
    bin_ms: i64,
    /// The local day of the bin being filled; bit `d` of the other says whether `d` days before it was a holiday.
    day: i64,
    holidays: u32,
    /// Weighted sum and weights of the bin being filled.
    sum: f64,
    weight: f64,
    /// What this bin usually brings, by the day and by the week.
    pub(super) expected: [Option<f64>; 2],
}

completed!(Calendar);

impl Calendar {
    fn completed(self) -> Option<Self> {
        let is_new = self.bins.is_empty();
        let has_bins = (1..=DAY_MS).contains(&self.bin_ms)
            && self.bins.len() as i64 == DAYS * (DAY_MS / self.bin_ms);
        // No time is further away, so that differences of bins do not overflow.
        let is_in_time = |bin: i64| bin.unsigned_abs() <= i64::MAX as u64 / 1000;
        let times = is_in_time(self.bin) && is_in_time(self.first_bin);
        (is_new || (has_bins && times)).then_some(self)
    }

    /// Bytes that it owns.
    pub(super) fn heap_bytes(&self) -> usize {
        self.bins.capacity() * size_of::<f32>()
    }

    /// Whether it has no bins for samples that come every `interval_ms`.
    pub(super) fn is_of_another_interval(&self, interval_ms: i64) -> bool {
        self.bin_ms != bin_ms(interval_ms)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bins.is_empty()
    }

    /// Begins anew at the time of `observation`.
    pub(super) fn begin(&mut self, observation: &Observation) {
        let bin_ms = bin_ms(observation.interval_ms);
        let bin = observation.local.ms.div_euclid(bin_ms);
        let bins = vec![f32::NAN; (DAYS * (DAY_MS / bin_ms)) as usize];
        *self = Self { bins, bin, first_bin: bin, bin_ms, ..Self::default() };
    }

    /// Moves on to the bin of `local`. `is_newer`: event time goes on.
    pub(super) fn advance(&mut self, local: LocalTime, is_newer: bool) {
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

    /// How far `value` is from the nearer expectation, with its sign; `None` without any.
    pub(super) fn residual(&self, value: f64) -> Option<f64> {
        let distances = self.expected.iter().flatten().map(|expected| value - expected);
        distances.min_by(|one, other| one.abs().total_cmp(&other.abs()))
    }

    /// Puts `value` into the present bin.
    pub(super) fn learn(&mut self, value: f64, weight: f64) {
        self.sum += weight * value;
        self.weight += weight;
    }

    /// Periods of hours to a week in milliseconds, the shorter first: day and week where they are seasons of this series.
    pub(super) fn periods_ms(&self) -> [Option<i64>; 2] {
        let bins = ((self.per_day() + HOURS - 1) / HOURS).max(1);
        let unit_ms = bins * self.bin_ms;
        let oldest = self.first_bin.max(self.bin - self.bins.len() as i64 + 1);
        let units: Vec<f32> = (oldest.div_euclid(bins) + 1..self.bin.div_euclid(bins))
            .map(|unit| self.mean(unit * bins..(unit + 1) * bins))
            .collect();
        let to_ms = |units: u16| {
            let ms = i64::from(units) * unit_ms;
            let is_near = |calendar_ms: &i64| (ms - calendar_ms).abs() <= unit_ms;
            [DAY_MS, 7 * DAY_MS].into_iter().find(is_near).unwrap_or(ms)
        };
        find_periods(&units).map(|period| period.map(to_ms))
    }

    /// Mean of the bins that were filled.
    fn mean(&self, bins: std::ops::Range<i64>) -> f32 {
        let values = bins.map(|bin| self.at(bin)).filter(|value| value.is_finite());
        let (count, sum) = values.fold((0.0, 0.0), |(count, sum), v| (count + 1.0, sum + v));
        sum / count
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

    fn at(&self, bin: i64) -> f32 {
        self.bins[bin.rem_euclid(self.bins.len() as i64) as usize]
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
                let value = self.at(bin);
                if value.is_finite() {
                    pool[count] = value;
                    count += 1;
                }
            }
        }
        median(&mut pool[..count])
    }
}

/// How long a bin is where samples come every `interval_ms`.
fn bin_ms(interval_ms: i64) -> i64 {
    DAY_MS / (DAY_MS / interval_ms.max(1)).clamp(1, BINS_MAX)
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

//! Rhythms of a series' own: what comes every 37 minutes, say, whatever the calendar says.
//!
//! Method. What day and week leave of each sample is kept for 2,016 samples. Once there are so many, the series is looked at every 504 of them:
//! [`find_periods`] searches, and a period that is no number of days is put to the test. The medians of its phases over all
//! but the newest quarter must leave at most half of the squares of that quarter, of which they know nothing. Then the
//! period is *followed*: until the next look each phase is expected to bring its median over all samples that are kept,
//! as far as that differs from the median of all phases; the level remains the calendar's.
//! A period that fails the test at a later look is dropped and another one searched at once, so a series whose rhythm
//! changes is profiled anew after at most some 2,016 samples. What neither period nor level explains is an incident, and
//! decides nothing.
//!
//! State: 8 KiB, and 2.6 KiB at most while a period is followed. Cost: 0.6 ms for a search, which comes with every fourth
//! look while there is nothing to follow, and 50 us for a test: some 0.3 us a sample all told. Looks of different
//! series are spread by their seeds.
//! Blind spot: periods that are no whole number of samples, and jobs that come a sample too early or too late as often as not;
//! a second period besides the followed one.

use serde::{Deserialize, Serialize};

use super::calendar::DAY_MS;
use crate::periods::{VALUES_MAX, find_periods};
use crate::saved::completed;
use crate::verdict::Observation;

/// Samples that are kept.
const SLOTS: usize = VALUES_MAX;
/// Samples between two looks.
const LOOK_EVERY: u32 = 504;
/// Every so many looks are thorough: by then all that is kept is new.
const SEARCH_EVERY: u8 = 4;
/// One in so many values is for the test.
const TESTED_SHARE: usize = 4;
/// Share of the squares that a period may leave.
const LEFT_MAX: f64 = 0.5;
/// A residual of so many mean ones that a period does not explain is an incident, and no part of a test.
const CLIP: f64 = 10.0;
/// Share of the newest values that must be left for a test.
const TESTED_MIN: f64 = 0.25;
/// A part of a period that leaves hardly more of the squares than that is the period: bins of the calendar, in which a
/// rhythm shows a little, come back to the same phase after some times its period only.
const EQUAL_LEFT: f64 = 0.05;
/// Parts that are tried.
const PARTS: std::ops::RangeInclusive<u16> = 2..=12;
/// Samples of a phase before it has a median of its own.
const VISITS_MIN: usize = 3;
/// An interval that differs by one part of this is another one.
const SAME_INTERVAL: u64 = 4;

/// What the calendar leaves, and the period that is followed.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub(super) struct Rhythm {
    /// Residuals, NaN where nothing came; a slot's number modulo the length is its place. Empty before the first.
    ring: Vec<f32>,
    /// Number of the newest slot.
    slot: i64,
    /// Event times of slot 0 and of the newest, and the interval at slot 0.
    first_ms: i64,
    last_ms: i64,
    interval_ms: i64,
    /// What each phase of the followed period brings besides; empty while none is followed.
    profile: Vec<f32>,
    /// What the newest search found, in samples.
    found: [Option<u16>; 2],
    until_look: u32,
    /// Samples by which this series looks later than others do.
    stagger: u32,
    /// Looks so far, modulo [`SEARCH_EVERY`], and whether the next one searches whatever its number.
    looks: u8,
    is_urgent: bool,
}

/// Why a period is not followed.
enum Unfit {
    /// It does not explain enough.
    Wrong,
    /// The newest values are no measure: they are missing, or an incident.
    Unknown,
}

/// How well a period does.
struct Fit {
    profile: Vec<f32>,
    /// Share of the squares that it leaves.
    left: f64,
}

completed!(Rhythm);

impl Rhythm {
    fn completed(self) -> Option<Self> {
        let is_new = self.ring.is_empty() && self.profile.is_empty();
        let has_slots = self.ring.len() == SLOTS
            && self.profile.len() <= SLOTS
            && (0..i64::MAX / 2).contains(&self.slot)
            && self.until_look > 0
            && self.looks < SEARCH_EVERY;
        ((is_new || has_slots) && self.stagger < LOOK_EVERY).then_some(self)
    }

    pub(super) fn new(seed: u64) -> Self {
        let stagger = (seed % u64::from(LOOK_EVERY)) as u32;
        Self { stagger, ..Self::default() }
    }

    /// One that has seen nothing, for the same series.
    pub(super) fn anew(&self) -> Self {
        Self { stagger: self.stagger, ..Self::default() }
    }

    /// One that never looks.
    #[cfg(test)]
    pub(super) fn blind() -> Self {
        Self { stagger: u32::MAX - SLOTS as u32, ..Self::default() }
    }

    /// Bytes that it owns.
    pub(super) fn heap_bytes(&self) -> usize {
        (self.ring.capacity() + self.profile.capacity()) * size_of::<f32>()
    }

    /// Moves on to the slot of `observation`.
    pub(super) fn advance(&mut self, observation: &Observation) {
        let (now, interval) = (observation.timestamp.as_ms(), observation.interval_ms.max(1));
        // Slots follow the samples: intervals are known to a sixteenth only.
        let passed = now.saturating_sub(self.last_ms).saturating_add(interval / 2);
        let steps = (passed / interval).max(1);
        let is_another =
            interval.abs_diff(self.interval_ms) > self.interval_ms.unsigned_abs() / SAME_INTERVAL;
        if self.ring.is_empty() || is_another || steps >= SLOTS as i64 {
            self.begin(now, interval);
            return;
        }
        for _ in 0..steps {
            self.slot += 1;
            self.put(f32::NAN);
        }
        self.last_ms = now;
    }

    fn begin(&mut self, now_ms: i64, interval_ms: i64) {
        self.ring.clear();
        self.ring.resize(SLOTS, f32::NAN);
        self.profile.clear();
        (self.slot, self.first_ms, self.last_ms) = (0, now_ms, now_ms);
        self.interval_ms = interval_ms;
        self.found = [None, None];
        self.until_look = SLOTS as u32 + self.stagger;
        (self.looks, self.is_urgent) = (0, false);
    }

    /// What the present slot is expected to bring besides what the calendar says.
    pub(super) fn expected(&self) -> f64 {
        if self.profile.is_empty() {
            return 0.0;
        }
        f64::from(self.profile[phase(self.slot, self.profile.len())])
    }

    /// Learns what the calendar left of the present sample. Whether all of what is known of the series' periods is to be renewed.
    pub(super) fn learn(&mut self, residual: f64) -> bool {
        self.put(residual as f32);
        self.until_look -= 1;
        if self.until_look > 0 {
            return false;
        }
        let is_thorough = self.looks == 0;
        self.looks = (self.looks + 1) % SEARCH_EVERY;
        self.until_look = LOOK_EVERY;
        self.look(is_thorough);
        is_thorough
    }

    /// The period that is followed, in samples.
    #[cfg(test)]
    pub(super) fn period(&self) -> Option<usize> {
        Some(self.profile.len()).filter(|&period| period > 0)
    }

    /// Periods in milliseconds, the shorter first; above 0. None where the clock went back behind the first sample, so that nobody
    /// knows how long one is.
    pub(super) fn periods_ms(&self) -> [Option<i64>; 2] {
        let long = |period| Some(self.period_ms(period)).filter(|&period_ms| period_ms > 0);
        self.found.map(|period| period.and_then(long))
    }

    fn period_ms(&self, period: u16) -> i64 {
        let passed = self.last_ms.saturating_sub(self.first_ms) as f64;
        (f64::from(period) * passed / self.slot.max(1) as f64).round() as i64
    }

    fn put(&mut self, value: f32) {
        let place = phase(self.slot, SLOTS);
        self.ring[place] = value;
    }

    /// What is kept, oldest first.
    fn values(&self) -> Vec<f32> {
        let count = (self.slot + 1).min(SLOTS as i64);
        let slots = self.slot + 1 - count..=self.slot;
        slots.map(|slot| self.ring[phase(slot, SLOTS)]).collect()
    }

    /// Tests what is followed. Searches for something to follow if that fails, and then once more, and on a `thorough` look.
    fn look(&mut self, is_thorough: bool) {
        let values = self.values();
        let followed = self.profile.len();
        if followed > 0 {
            match self.fit(&values, followed) {
                Ok(fit) => {
                    self.profile = fit.profile;
                    return;
                }
                Err(Unfit::Unknown) => return,
                Err(Unfit::Wrong) => self.profile = Vec::new(),
            }
        } else if !is_thorough && !self.is_urgent {
            return;
        }
        self.is_urgent = followed > 0;
        self.found = find_periods(&values).map(|period| Some(self.shortest(&values, period?)));
        let periods = self.found.into_iter().flatten();
        let own = periods.filter(|&period| !self.is_of_the_calendar(period));
        let fits = own.filter_map(|period| self.fit(&values, usize::from(period)).ok());
        if let Some(best) = fits.min_by(|one, other| one.left.total_cmp(&other.left)) {
            self.profile = best.profile;
        }
    }

    /// `period`, or the smallest part of it that does about as well.
    fn shortest(&self, values: &[f32], period: u16) -> u16 {
        let left = |period: u16| self.fit(values, usize::from(period)).map_or(1.0, |fit| fit.left);
        let enough = (left(period) + EQUAL_LEFT).min(LEFT_MAX);
        let parts = PARTS.rev().filter(|part| period.is_multiple_of(*part) && period / part > 1);
        parts.map(|part| period / part).find(|&part| left(part) <= enough).unwrap_or(period)
    }

    /// Whether `period` is a number of days, as far as that can be told.
    fn is_of_the_calendar(&self, period: u16) -> bool {
        let period_ms = self.period_ms(period);
        let days = ((period_ms + DAY_MS / 2) / DAY_MS).max(1);
        (period_ms - days * DAY_MS).abs() <= days * self.interval_ms.max(DAY_MS / 100)
    }

    /// How well `period` does on `values`.
    fn fit(&self, values: &[f32], period: usize) -> Result<Fit, Unfit> {
        let first = self.slot + 1 - values.len() as i64;
        let (older, newer) = values.split_at(values.len() - values.len() / TESTED_SHARE);
        let (known, level) = (profile(older, first, period), level(older));
        let clip = CLIP * mean_distance(older, level);
        let (mut all, mut left, mut count) = (0.0, 0.0, 0.0);
        for (slot, &value) in (first + older.len() as i64..).zip(newer) {
            let value = f64::from(value) - level;
            let departure = (value - f64::from(known[phase(slot, period)])).abs();
            // Missing, or an incident: neither explains it.
            if value.is_nan() || value.abs().min(departure) > clip {
                continue;
            }
            let (value, departure) = (value.abs().min(clip), departure.min(clip));
            all += value * value;
            left += departure * departure;
            count += 1.0;
        }
        if count < TESTED_MIN * newer.len() as f64 {
            return Err(Unfit::Unknown);
        }
        if !(all > 0.0 && left <= LEFT_MAX * all) {
            return Err(Unfit::Wrong);
        }
        Ok(Fit { profile: profile(values, first, period), left: left / all })
    }
}

/// The median of what is there; 0 if nothing is.
fn level(values: &[f32]) -> f64 {
    median(&mut values.iter().copied().filter(|value| value.is_finite()).collect::<Vec<f32>>())
}

fn median(values: &mut [f32]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let middle = values.len() / 2;
    f64::from(*values.select_nth_unstable_by(middle, f32::total_cmp).1)
}

fn mean_distance(values: &[f32], level: f64) -> f64 {
    let values = values.iter().filter(|value| value.is_finite());
    let distances = values.map(|&value| (f64::from(value) - level).abs());
    let (count, sum) = distances.fold((0.0, 0.0), |(count, sum), v| (count + 1.0, sum + v));
    sum / f64::max(count, 1.0)
}

/// The phase of a slot.
fn phase(slot: i64, period: usize) -> usize {
    slot.rem_euclid(period as i64) as usize
}

/// How far the median of each phase of `values`, the first of which is in slot `first`, is from the median of all; 0
/// where there are too few.
fn profile(values: &[f32], first: i64, period: usize) -> Vec<f32> {
    let level = level(values);
    let mut visits = Vec::with_capacity(values.len() / period + 1);
    let mut profile = vec![0.0; period];
    for offset in 0..period.min(values.len()) {
        visits.clear();
        let own = values[offset..].iter().step_by(period);
        visits.extend(own.copied().filter(|value| value.is_finite()));
        if visits.len() >= VISITS_MIN {
            let own = median(&mut visits) - level;
            profile[phase(first + offset as i64, period)] = own as f32;
        }
    }
    profile
}

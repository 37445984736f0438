//! Debt: what a series alerted beyond its own budget, and how much more it takes to alert again.
//!
//! Surprise is calibrated by the past, and some pasts are bad teachers: a series whose nature changes every few days
//! surprises for ever. So each series keeps to `per_series_per_day` whatever its distribution: an episode that fires adds one
//! to its debt, time takes the budget off it, and once the credit that everybody has is used up the threshold rises
//! by [`STEP`] an episode. This is the update of adaptive conformal inference (Gibbs & Candès 2021, "Adaptive conformal
//! inference under distribution shift"), whose long-run frequency is right without any assumption. A series with a
//! raised threshold is demoted: its events say so (`threshold_raised_by`), so does the API (`raised_by`), and a gauge counts them.
//!
//! State: 16 bytes.

use bellwether_series::Timestamp;
use serde::{Deserialize, Serialize};

const DAY_MS: f64 = 86_400_000.0;
/// Episodes that cost nothing: a series may have a bad day.
const CREDIT: f64 = 4.0;
/// What an episode in debt raises the threshold by, as a surprise.
const STEP: f64 = 0.25;

/// Episodes of a series beyond its budget. By default it never alerted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Debt {
    /// Episodes owed at `at`, the credit included; 0 to some tens.
    episodes: f32,
    at: Timestamp,
}

impl Default for Debt {
    fn default() -> Self {
        Self { episodes: 0.0, at: Timestamp::from_ms(0) }
    }
}

impl Debt {
    /// An episode fired.
    pub(crate) fn incur(&mut self, at: Timestamp, per_day: f64) {
        *self = Self { episodes: (self.owed(at, per_day) + 1.0) as f32, at };
    }

    /// What the threshold is raised by, as a surprise: 0 for all but noisy series.
    pub(crate) fn raise(&self, at: Timestamp, per_day: f64) -> f64 {
        if self.episodes <= 0.0 { 0.0 } else { STEP * (self.owed(at, per_day) - CREDIT).max(0.0) }
    }

    /// Episodes that time has not paid for yet.
    fn owed(&self, at: Timestamp, per_day: f64) -> f64 {
        let days = at.ms_since(self.at).max(0) as f64 / DAY_MS;
        (f64::from(self.episodes) - per_day * days).max(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PER_DAY: f64 = 0.2;

    fn day(day: i64) -> Timestamp {
        Timestamp::from_ms(1_767_571_200_000 + day * 86_400_000)
    }

    #[test]
    fn a_few_episodes_are_free_and_time_pays_for_the_others() {
        let mut debt = Debt::default();
        for _ in 0..4 {
            debt.incur(day(0), PER_DAY);
        }
        assert!(debt.raise(day(0), PER_DAY).abs() < 1e-12);
        debt.incur(day(0), PER_DAY);
        debt.incur(day(0), PER_DAY);
        assert!((debt.raise(day(0), PER_DAY) - 0.5).abs() < 1e-6);
        assert!((debt.raise(day(5), PER_DAY) - 0.25).abs() < 1e-6);
        assert!(debt.raise(day(10), PER_DAY).abs() < 1e-6);
    }

    #[test]
    fn a_series_that_always_surprises_ends_up_at_its_budget() {
        let (mut debt, mut fired) = (Debt::default(), 0);
        for hour in 0..24 * 100 {
            let at = day(0).plus_ms(hour * 3_600_000);
            // Every hour something one above the threshold.
            if debt.raise(at, PER_DAY) < 1.0 {
                debt.incur(at, PER_DAY);
                fired += 1;
            }
        }
        // 20 by the budget, 4 by credit, 4 to raise the threshold by one.
        assert!((27..=29).contains(&fired), "{fired}");
    }

    #[test]
    fn a_clock_that_goes_back_pays_nothing_and_costs_nothing() {
        let mut debt = Debt::default();
        (0..6).for_each(|_| debt.incur(day(9), PER_DAY));
        assert!((debt.raise(day(0), PER_DAY) - 0.5).abs() < 1e-6);
    }
}

//! The firing threshold that the alert budget asks for.
//!
//! An episode that stays over the threshold for a time `d` covers at least one point of any grid of
//! spacing `d`. If a sample exceeds the threshold with probability `p`, a series therefore starts at most
//! `p * day / d` false episodes a day, however its samples depend on each other. `d` is the rule's `for`
//! or the series' sampling interval, whichever is longer. The budget for the fleet and the one for the
//! single series each give a `p`; the stricter one holds.

use crate::settings::{Budget, Rule};

const DAY_MS: f64 = 86_400_000.0;
/// The finest grid counted on: even a rule without `for` is not asked more often than this.
const GRID_MS_MIN: i64 = 10_000;
/// Surprise from which an observation is notable at all; no threshold is below it.
pub(crate) const NOTABLE: f64 = 3.0;

/// The surprise that the fleet's budget asks for with `watched` series.
///
/// The number of series is rounded up to two binary digits, so that the threshold stays put while a
/// fleet breathes. It follows from the records alone, so replay finds the same.
pub(crate) fn fleet_threshold(budget: &Budget, rules: &[Rule], watched: usize) -> f64 {
    let shortest_ms = rules.iter().map(|rule| rule.alert.for_ms).min().unwrap_or_default();
    let tests = rounded_up(watched.max(1)) as f64 * tests_per_day(shortest_ms);
    surprise_of(budget.per_day / tests)
}

/// The surprise from which a series fires.
pub(crate) fn series_threshold(fleet: f64, budget: &Budget, for_ms: i64, interval_ms: i64) -> f64 {
    let series = surprise_of(budget.per_series_per_day / tests_per_day(for_ms.max(interval_ms)));
    fleet.max(series).max(NOTABLE)
}

/// `count` rounded up to the next of 1, 2, 3, 4, 6, 8, 12, 16, 24 …
fn rounded_up(count: usize) -> usize {
    let power = count.next_power_of_two();
    if power >= 4 && count <= power / 4 * 3 { power / 4 * 3 } else { power }
}

fn tests_per_day(grid_ms: i64) -> f64 {
    (DAY_MS / grid_ms.max(GRID_MS_MIN) as f64).max(1.0)
}

fn surprise_of(probability: f64) -> f64 {
    -libm::log10(probability.clamp(1e-100, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_match_hand_worked_budgets() {
        let budget = Budget::default();
        assert_eq!([1, 2, 3, 5, 7, 100, 267, 768].map(rounded_up), [1, 2, 3, 6, 8, 128, 384, 768]);
        // 1000 series rounded up to 1024, 720 grid points a day: 0.2 / 737280 = 10^-6.57.
        let fleet = fleet_threshold(&budget, &[Rule::default()], 1000);
        assert!((fleet - 6.567).abs() < 0.001, "{fleet}");
        // One hourly series: 0.02 / 24 = 10^-3.08 for the series, 0.2 / 720 = 10^-3.56 for the fleet.
        let lone = fleet_threshold(&budget, &[Rule::default()], 1);
        let hourly = series_threshold(lone, &budget, 120_000, 3_600_000);
        assert!((hourly - 3.556).abs() < 0.001, "{hourly}");
    }

    #[test]
    fn a_generous_budget_still_wants_something_notable() {
        let budget = Budget { per_day: 1e9, per_series_per_day: 1e9, cap_per_day: 50 };
        let fleet = fleet_threshold(&budget, &[Rule::default()], 1);
        assert!((series_threshold(fleet, &budget, 120_000, 60_000) - NOTABLE).abs() < 1e-12);
    }
}

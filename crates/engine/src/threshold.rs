//! How surprising a sample must be to fire: what the budget of false alarms leaves.
//!
//! The fleet's budget is shared equally: of `per_day` false alarms each of `n` watched series may raise `per_day / n`,
//! and never more than `per_series_per_day`. A series is tested once per `d`, its rule's `for` or its sampling interval,
//! whichever is longer: has the surprise lasted for that long? While exceedances come in runs of [`RUN_SAMPLES`] or more, and an
//! episode swallows a run, what one test in `1 / p` exceeds starts at most `p * day / d / RUN_SAMPLES` false episodes a
//! day. Which surprise, if it lasts, is that rare depends on the series: see `bellwether_detect::lasting`.

use serde::{Deserialize, Serialize};

use crate::settings::{Budget, Rule};

const DAY_MS: f64 = 86_400_000.0;
/// The finest grid counted on: even a rule without `for` is not asked more often than this.
const GRID_MS_MIN: i64 = 10_000;
/// Surprise from which an observation is notable at all.
pub(crate) const NOTABLE: f64 = 3.0;
/// No series fires at less, however seldom it is sampled.
pub(crate) const THRESHOLD_MIN: f64 = 2.0;
/// Share of what fires below which an episode ends. The greater, the sooner false ones are over and the more often one that
/// flickers rings again; a group, which many series can wake up, wants more rest.
const CALM_SHARE: f64 = 0.65;
const GROUP_CALM_SHARE: f64 = 0.57;
/// Samples in a row that exceed a threshold by chance, on average. Independent ones make runs of 1.1; production
/// metrics depend on their past, and make runs of two to four.
const RUN_SAMPLES: f64 = 1.5;

/// What a series of a group needs at least where the group itself fires at [`GROUP_ALONE`], as it does where there is no
/// other; per decade that the group needs more, the series needs so much less.
const MEMBER_MIN: f64 = 8.0;
const GROUP_ALONE: f64 = 3.4;
const MEMBER_FALL: f64 = 1.25;

/// False alarms a day that each of `watched` series or groups may raise.
///
/// The number of series is rounded up to two binary digits, so that thresholds stay put while a fleet breathes. It
/// follows from the records alone, so replay finds the same.
pub(crate) fn share_per_day(budget: &Budget, watched: usize) -> f64 {
    (budget.per_day / rounded_up(watched.max(1)) as f64).min(budget.per_series_per_day)
}

/// False alarms a day that each may raise.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Shares {
    /// Each unit: a group, or a series that does not leave alerting to one.
    pub(crate) per_unit: f64,
    /// Each series, if they all alerted for themselves.
    pub(crate) per_series: f64,
}

impl Shares {
    /// Shares of `budget` for `series` series in `units` units.
    pub(crate) fn of(budget: &Budget, series: usize, units: usize) -> Self {
        Self { per_unit: share_per_day(budget, units), per_series: share_per_day(budget, series) }
    }
}

/// Samples that a surprise has to last for; at least one.
#[inline]
pub(crate) fn stretch_samples(for_ms: i64, interval_ms: i64) -> u32 {
    let interval_ms = interval_ms.max(1);
    ((for_ms.saturating_add(interval_ms - 1)) / interval_ms).clamp(1, i64::from(u32::MAX)) as u32
}

/// The surprise from which something fires if it lasts, and what made it so.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// The surprise from which it fires.
    pub value: f64,
    /// The surprise from which an event tells of it.
    pub notable: f64,
    /// What would do if the series were not demoted.
    pub without_debt: f64,
    /// By how much that raises what a single sample needs; 0 for most.
    pub raised_by: f64,
    /// What a single sample would need by the budget alone.
    pub by_budget: f64,
    /// False alarms a day that the budget leaves to each.
    pub share_per_day: f64,
    /// Whether the fleet's budget leaves less than that of a single series.
    pub is_of_fleet: bool,
    /// Series of the group that the series leaves alerting to, itself included; `None` without one.
    pub members: Option<usize>,
}

/// What keeps a surprise below a threshold: the smallest change that would let it fire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// The budget of the fleet, shared among all that may ring.
    Fleet,
    /// The budget of a single series.
    Series,
    /// That the series is demoted: it alerted beyond its own budget, or surprises more often than it should.
    Debt,
    /// That its group alerts for it.
    Group,
}

impl Threshold {
    /// What `budget` asks of one that may raise `share_per_day` of it.
    pub(crate) fn of_budget(
        budget: &Budget,
        share_per_day: f64,
        for_ms: i64,
        interval_ms: i64,
    ) -> Self {
        let value = firing_threshold(share_per_day, for_ms, interval_ms);
        Self {
            value,
            notable: notable(value),
            without_debt: value,
            raised_by: 0.0,
            by_budget: value,
            share_per_day,
            is_of_fleet: share_per_day < budget.per_series_per_day,
            members: None,
        }
    }

    /// The same, each claim as what it is worth.
    pub(crate) fn shown(self, mut worth: impl FnMut(f64) -> f64) -> Self {
        let [value, notable, without_debt, by_budget] =
            [self.value, self.notable, self.without_debt, self.by_budget].map(&mut worth);
        Self { value, notable, without_debt, by_budget, ..self }
    }

    /// What keeps `surprise` below it.
    pub fn limit(&self, surprise: f64) -> Limit {
        if surprise >= self.without_debt {
            Limit::Debt
        } else if self.members.is_some() && surprise >= self.by_budget {
            Limit::Group
        } else if self.is_of_fleet {
            Limit::Fleet
        } else {
            Limit::Series
        }
    }
}

/// The surprise from which a series fires that may raise `share_per_day` false alarms, if a single sample does.
pub(crate) fn firing_threshold(share_per_day: f64, for_ms: i64, interval_ms: i64) -> f64 {
    let tests = tests_per_day(for_ms.max(interval_ms));
    surprise_of(share_per_day * RUN_SAMPLES / tests).max(THRESHOLD_MIN)
}

/// The surprise from which a series fires by itself that is one of `members` of a group that fires at `threshold`.
///
/// Together the members may raise as many false alarms as the group. That is not all: an incident of the whole is the
/// group's to tell, and among dozens of metrics of one machine one does something unheard of every few days. The more
/// there is besides the group, and so the less the group may tell, the more its series have to tell themselves.
pub(crate) fn member_threshold(threshold: f64, members: usize) -> f64 {
    let shared = threshold + libm::log10(members.max(1) as f64);
    shared.max(MEMBER_MIN - MEMBER_FALL * (threshold - GROUP_ALONE))
}

/// The surprise from which a series is in an episode that need not alert, given from where it fires.
pub(crate) fn notable(threshold: f64) -> f64 {
    threshold.min(NOTABLE)
}

/// What an episode that fires at `threshold` ends below, so that one that flickers stays one.
pub(crate) fn calm(threshold: f64) -> f64 {
    (CALM_SHARE * threshold).min(NOTABLE)
}

/// The same for an episode of a group.
pub(crate) fn group_calm(threshold: f64) -> f64 {
    (GROUP_CALM_SHARE * threshold).min(NOTABLE)
}

/// The shortest `for` of any rule.
pub(crate) fn shortest_for_ms(rules: &[Rule]) -> i64 {
    rules.iter().map(|rule| rule.alert.for_ms).min().unwrap_or_default()
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
        // 1000 series rounded up to 1024, 720 tests a day: 0.2 / 1024 * 1.5 / 720 = 10^-6.39.
        let fleet = firing_threshold(share_per_day(&budget, 1000), 120_000, 60_000);
        assert!((fleet - 6.390).abs() < 0.001, "{fleet}");
        // One series every five minutes: 0.2 * 1.5 / 288 = 10^-2.98.
        let lone = firing_threshold(share_per_day(&budget, 1), 120_000, 300_000);
        assert!((lone - 2.982).abs() < 0.001, "{lone}");
        // A hundred hourly ones: 0.2 / 128 * 1.5 / 24 = 10^-4.01.
        let hourly = firing_threshold(share_per_day(&budget, 100), 120_000, 3_600_000);
        assert!((hourly - 4.010).abs() < 0.001, "{hourly}");
    }

    #[test]
    fn what_must_last_lasts_for_whole_samples() {
        let samples = [(0, 60_000), (60_000, 60_000), (120_000, 60_000), (150_000, 60_000)];
        assert_eq!(samples.map(|(for_ms, each)| stretch_samples(for_ms, each)), [1, 1, 2, 3]);
        assert_eq!(stretch_samples(120_000, 300_000), 1);
    }

    #[test]
    fn a_series_of_a_group_leaves_the_floor_to_it_where_it_may_tell_much() {
        assert!((member_threshold(3.4, 38) - 8.0).abs() < 1e-9);
        assert!((member_threshold(5.0, 10) - 6.0).abs() < 1e-9);
        assert!((member_threshold(6.0, 10) - 7.0).abs() < 1e-9);
    }

    #[test]
    fn a_generous_budget_still_wants_something_unusual() {
        let budget = Budget { per_day: 1e9, per_series_per_day: 1e9, cap_per_day: 50 };
        let threshold = firing_threshold(share_per_day(&budget, 1), 120_000, 60_000);
        assert!((threshold - THRESHOLD_MIN).abs() < 1e-12);
        assert!(calm(threshold) < notable(threshold) && notable(threshold) <= threshold);
    }

    #[test]
    fn the_series_budget_holds_in_a_small_fleet() {
        let budget = Budget { per_day: 10.0, per_series_per_day: 0.1, cap_per_day: 50 };
        assert!((share_per_day(&budget, 3) - 0.1).abs() < 1e-12);
        assert!((share_per_day(&budget, 1000) - 10.0 / 1024.0).abs() < 1e-12);
    }
}

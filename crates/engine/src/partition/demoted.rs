//! Demoted series: those whose threshold is raised by what they alerted beyond their own budget, or because their surprises come
//! more often than they promise.
//!
//! Which these are follows from debts and promises, so it is no part of the state. It is kept up to date where a debt grows, where
//! a promise is broken and where a series comes, moves or goes; what time has paid for is found once a minute, among those that are
//! demoted only.

use bellwether_series::Timestamp;

use super::Partition;
use super::series::Series;
use crate::settings::Settings;

impl Series {
    /// By how much its debt and its promise raise what a single sample of it needs at `at`, as a surprise; 0 for most.
    pub(super) fn raised_by(&self, settings: &Settings, at: Timestamp) -> f64 {
        self.debt.raise(at, settings.budget.per_series_per_day) + self.promise.raise()
    }

    fn is_demoted(&self, settings: &Settings) -> bool {
        self.last.is_some_and(|(at, _)| self.raised_by(settings, at) > 0.0)
    }
}

impl Partition {
    /// Series in memory whose threshold is raised, as of their newest samples; what time has paid for since counts for a minute
    /// more.
    pub fn demoted_series(&self) -> usize {
        self.demoted.len()
    }

    /// The series in `slot` fired at `at`.
    pub(super) fn incur(&mut self, slot: u32, at: Timestamp) {
        let Some(series) = self.series.get_mut(slot) else { return };
        series.debt.incur(at, self.settings.budget.per_series_per_day);
        self.note_demotion(slot);
    }

    /// Finds out whether the series in `slot`, if there is one, is demoted.
    pub(super) fn note_demotion(&mut self, slot: u32) {
        let series = self.series.get_mut(slot);
        if series.is_some_and(|series| series.is_demoted(&self.settings)) {
            self.demoted.insert(slot);
        } else {
            self.demoted.remove(&slot);
        }
    }

    /// Finds those that time has paid for.
    pub(super) fn forgive(&mut self) {
        let Self { demoted, series, settings, .. } = self;
        demoted
            .retain(|&slot| series.get_mut(slot).is_some_and(|series| series.is_demoted(settings)));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bellwether_detect::{DetectorSpec, Tables, threshold};

    use super::*;
    use crate::event::{ChangeKind, Event};
    use crate::settings::{Rule, Settings};
    use crate::testing::{MINUTE_MS, Rig, series};

    const DAY_MS: i64 = 86_400_000;
    const PER_DAY: f64 = 0.2;

    /// Settings whose only rule fires at once above 150.
    fn settings() -> Settings {
        let raw = threshold::RawParams { above: Some(150.0), ..threshold::RawParams::default() };
        let detectors = vec![DetectorSpec::Threshold(threshold::Params::try_from(raw).unwrap())];
        let mut settings =
            Settings { rules: vec![Rule { detectors, ..Rule::default() }], ..Settings::default() };
        settings.budget.per_series_per_day = PER_DAY;
        settings.rules[0].alert.for_ms = 0;
        settings.rules[0].alert.keep_firing_for_ms = 0;
        settings
    }

    fn demoted(rig: &mut Rig) -> usize {
        rig.engine.partitions().iter().map(Partition::demoted_series).sum()
    }

    /// A rig in which a series fires `episodes` times, every eight minutes.
    fn fired(episodes: i64) -> Rig {
        let (labels, mut rig) = (series("depth", "a"), Rig::new(settings()));
        for minute in 0..8 * episodes {
            let value = if minute % 8 < 4 { 100.0 } else { 200.0 };
            rig.sample(&labels, minute * MINUTE_MS, value);
        }
        rig
    }

    #[test]
    fn events_say_by_how_much_the_threshold_is_raised_that_they_had_to_pass() {
        let rig = fired(8);
        let firing = |event: &&Event| event.change == ChangeKind::Firing;
        let firing: Vec<_> = rig.events.iter().filter(firing).collect();
        let raised: Vec<_> = firing.iter().map(|event| event.threshold_raised_by).collect();
        // Four are free, and the fifth is judged by what four cost; minutes pay for little.
        let expected = [0.0, 0.0, 0.0, 0.0, 0.0, 0.25, 0.5, 0.75];
        assert_eq!(raised.len(), expected.len(), "{raised:?}");
        let near = raised.iter().zip(expected).all(|(by, expected)| (by - expected).abs() < 1e-2);
        assert!(near, "{raised:?}");
        let grown = firing[7].threshold - firing[0].threshold;
        assert!((grown - 0.75).abs() < 1e-2, "{grown}");
        assert!(firing[7].surprise >= firing[7].threshold);
    }

    #[test]
    fn a_series_that_surprises_more_often_than_it_should_is_demoted_whatever_its_budget_until_it_does_not()
     {
        let mut generous = settings();
        generous.budget.per_series_per_day = 1e6;
        let (labels, mut rig) = (series("depth", "a"), Rig::new(generous));
        let mut minute = 0;
        let mut run = |rig: &mut Rig, minutes: i64, every: i64| {
            for _ in 0..minutes {
                minute += 1;
                rig.sample(
                    &labels,
                    minute * MINUTE_MS,
                    if minute % every == 0 { 200.0 } else { 100.0 },
                );
            }
            let views = rig.engine.partitions().iter_mut().flat_map(|p| p.view(&|_| true, 9));
            let times: Vec<f64> = views.map(|view| view.surprises_per_promised).collect();
            (demoted(rig), times[0])
        };
        assert_eq!(run(&mut rig, 300, 10).0, 0);
        let (is_demoted, times) = run(&mut rig, 20_000, 10);
        assert!(is_demoted == 1 && (9.5..10.5).contains(&times), "{is_demoted} {times}");
        let event = rig.events.last().expect("an alert");
        assert!((event.threshold_raised_by - 0.7).abs() < 0.02, "{}", event.threshold_raised_by);
        assert_eq!(run(&mut rig, 10_000, 1_000).0, 0);
    }

    #[test]
    fn demoted_series_are_counted_until_time_has_paid_after_a_restart_too_and_while_they_are_there()
    {
        assert_eq!(demoted(&mut fired(4)), 0);
        let mut rig = fired(6);
        assert_eq!(demoted(&mut rig), 1);
        let (settings, tables) = (Arc::new(settings()), Tables::default());
        let restored = rig.engine.partitions().iter().map(|partition| {
            let mut bytes = Vec::new();
            partition.save(&mut bytes);
            Partition::restore(Arc::clone(&settings), tables.clone(), &bytes).unwrap()
        });
        assert_eq!(restored.map(|partition| partition.demoted_series()).sum::<usize>(), 1);
        let labels = series("depth", "a");
        // A fifth of an episode a day: two episodes take ten days.
        rig.sample(&labels, 8 * DAY_MS, 100.0);
        rig.quiet(8 * DAY_MS + 2 * MINUTE_MS);
        assert_eq!(demoted(&mut rig), 1);
        rig.sample(&labels, 11 * DAY_MS, 100.0);
        rig.quiet(11 * DAY_MS + 2 * MINUTE_MS);
        assert_eq!(demoted(&mut rig), 0);
    }
}

//! Windows to be found, and the alerts that find them.

use std::collections::{BTreeMap, BTreeSet};

use bellwether_engine::GROUP_RULE;
use bellwether_series::{Fingerprint, LabelSet, METRIC_NAME};

use super::score::{Blocks, Trial};
use crate::history::notation::labels;
use crate::plan::Alert;

/// Windows by series in Prometheus' notation, each its first and last moment in Unix milliseconds.
pub type Windows = BTreeMap<String, Vec<(i64, i64)>>;

/// Counts in `trial` which windows `alerts` found, and which alerts found none. The alert of a group finds windows of its series.
pub(super) fn count(trial: &mut Trial, alerts: &[Alert], windows: &Windows, blocks: &Blocks) {
    let mut by_series: BTreeMap<&str, Vec<&Alert>> = BTreeMap::new();
    let mut of_groups: Vec<(&Alert, Option<LabelSet>)> = Vec::new();
    for alert in alerts {
        by_series.entry(&alert.series).or_default().push(alert);
        if *alert.rule == *GROUP_RULE {
            of_groups.push((alert, labels(&alert.series)));
        }
    }
    let mut found_something: BTreeSet<Fingerprint> = BTreeSet::new();
    for (series, windows) in windows {
        let member = if of_groups.is_empty() { None } else { labels(series) };
        let groups =
            of_groups.iter().filter(|(_, group)| is_member(member.as_ref(), group.as_ref()));
        let own = by_series.get(&**series).map_or(&[][..], Vec::as_slice).iter().copied();
        let its: Vec<&Alert> = own.chain(groups.map(|&(alert, _)| alert)).collect();
        let found: Vec<_> = windows
            .iter()
            .map(|window| {
                let finders: Vec<_> = its.iter().filter(|alert| overlaps(alert, window)).collect();
                found_something.extend(finders.iter().map(|alert| alert.episode_id));
                (*window, !finders.is_empty())
            })
            .collect();
        trial.add_windows(series, blocks, &found);
    }
    for alert in alerts {
        if !found_something.contains(&alert.episode_id) {
            trial.add_false_alarm(&alert.series, blocks, alert.fired_at_ms);
        }
    }
}

fn overlaps(alert: &Alert, &(start_ms, end_ms): &(i64, i64)) -> bool {
    alert.starts_at_ms <= end_ms && alert.ends_at_ms.is_none_or(|end| end >= start_ms)
}

/// Whether a series has all labels that a group's series share.
fn is_member(series: Option<&LabelSet>, group: Option<&LabelSet>) -> bool {
    let (Some(series), Some(group)) = (series, group) else { return false };
    let is_shared =
        |(name, value): (&str, &str)| name == METRIC_NAME || series.get(name) == Some(value);
    group.iter().all(is_shared) && series != group
}

#[cfg(test)]
mod tests {
    use super::super::score::Score;
    use super::*;
    use crate::plan::Alerts;
    use crate::report::testing::{Life, MINUTE_MS, MONDAY_MS, life};

    const DAY_MS: i64 = 86_400_000;

    fn alerts(lives: &[Life]) -> Vec<Alert> {
        let mut alerts = Alerts::default();
        for event in lives.iter().flat_map(Life::events) {
            alerts.take(&event);
        }
        alerts.finish()
    }

    fn counted(lives: &[Life], windows: &[(&str, (i64, i64))]) -> Trial {
        let blocks = Blocks::behind(MONDAY_MS, MONDAY_MS + 4 * DAY_MS).expect("days");
        let mut by_series = Windows::new();
        for (series, window) in windows {
            by_series.entry((*series).to_owned()).or_default().push(*window);
        }
        let mut trial = Trial { days: [1.0; 4], ..Trial::default() };
        count(&mut trial, &alerts(lives), &by_series, &blocks);
        trial
    }

    const UP: &str = r#"up{instance="a",job="node"}"#;

    #[test]
    fn an_alert_finds_what_it_overlaps_and_is_false_otherwise() {
        let at = MONDAY_MS + DAY_MS;
        let lives = [life("up", "a", at), life("up", "b", at)];
        let trial = counted(
            &lives,
            &[(UP, (at + MINUTE_MS, at + 2 * MINUTE_MS)), (UP, (at + DAY_MS, at + DAY_MS))],
        );
        assert_eq!(trial.series[UP][1], Score { windows: 1, found: 1, false_alarms: 0 });
        assert_eq!(trial.series[UP][2], Score { windows: 1, found: 0, false_alarms: 0 });
        assert_eq!(trial.block(1), Score { windows: 1, found: 1, false_alarms: 1 });
    }

    #[test]
    fn what_is_before_the_first_block_or_in_one_that_was_not_replayed_does_not_count() {
        let at = MONDAY_MS - DAY_MS;
        let trial = counted(&[life("up", "b", at)], &[(UP, (at, at))]);
        assert_eq!(trial.series.len(), 0);
        let blocks = Blocks::behind(MONDAY_MS, MONDAY_MS + 4 * DAY_MS).expect("days");
        let mut trial = Trial { days: [1.0, 1.0, 0.0, 0.0], ..Trial::default() };
        let late = alerts(&[life("up", "a", MONDAY_MS + 3 * DAY_MS)]);
        count(&mut trial, &late, &Windows::new(), &blocks);
        assert_eq!(trial.series.len(), 0);
    }

    #[test]
    fn the_alert_of_a_group_finds_windows_of_its_series() {
        let at = MONDAY_MS;
        let mut group = alerts(&[life("group", "a", at)]);
        group[0].rule = GROUP_RULE.into();
        group[0].series = r#"group{instance="a"}"#.into();
        let blocks = Blocks::behind(MONDAY_MS, MONDAY_MS + 4 * DAY_MS).expect("days");
        let other = r#"up{instance="b",job="node"}"#;
        let windows = [UP, other].map(|name| (name.to_owned(), vec![(at, at + MINUTE_MS)])).into();
        let mut trial = Trial { days: [1.0; 4], ..Trial::default() };
        count(&mut trial, &group, &windows, &blocks);
        assert_eq!(trial.series[UP][0].found, 1);
        assert_eq!(trial.series[other][0].found, 0);
        assert_eq!(trial.block(0).false_alarms, 0);
    }
}

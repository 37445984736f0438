use std::collections::BTreeSet;
use std::sync::Arc;

use bellwether_detect::Severity;
use bellwether_series::Fingerprint;
use proptest::prelude::*;

use super::*;
use crate::journal::Findings;

const MINUTE_MS: i64 = 60_000;

fn alert(series: &str, starts_at_ms: i64, ends_at_ms: Option<i64>) -> Alert {
    let of = |more: &[u8]| Fingerprint::of_parts(&[series.as_bytes(), more]);
    Alert {
        episode_id: of(&starts_at_ms.to_le_bytes()),
        fingerprint: of(&[]),
        series: series.into(),
        rule: Arc::from("MetricAnomaly"),
        severity: Severity::Warning,
        starts_at_ms,
        fired_at_ms: starts_at_ms + MINUTE_MS,
        ends_at_ms,
    }
}

fn replayed(mut alerts: Vec<Alert>) -> Replayed {
    alerts.sort_by_key(|alert| (alert.fingerprint, alert.starts_at_ms));
    let (sampled_ms, config_digest) = (Some((0, 86_400_000)), Arc::from("digest"));
    Replayed { alerts, sampled_ms, config_digest, findings: Findings::default() }
}

fn changes(old: Vec<Alert>, new: Vec<Alert>) -> Vec<(Change, String)> {
    let plan = compare(&replayed(old), &replayed(new), 5 * MINUTE_MS);
    plan.changes.iter().map(|one| (one.change, one.series.to_string())).collect()
}

#[test]
fn each_kind_of_change_is_told_from_the_others() {
    let base = alert("a", 0, Some(10 * MINUTE_MS));
    let with = |change: &dyn Fn(&mut Alert)| {
        let mut alert = base.clone();
        change(&mut alert);
        vec![alert]
    };
    let old = || vec![base.clone()];
    let named = |change| vec![(change, "a".to_owned())];
    assert_eq!(changes(old(), old()), []);
    assert_eq!(changes(vec![], old()), named(Change::Appeared));
    assert_eq!(changes(old(), vec![]), named(Change::Vanished));
    let critical = with(&|alert| alert.severity = Severity::Critical);
    assert_eq!(changes(old(), critical), named(Change::Severity));
    let ruled = with(&|alert| alert.rule = Arc::from("Cpu"));
    assert_eq!(changes(old(), ruled), named(Change::Rule));
    let at_most = with(&|alert| alert.fired_at_ms += 5 * MINUTE_MS);
    assert_eq!(changes(old(), at_most), []);
    for ms in [5 * MINUTE_MS + 1, -5 * MINUTE_MS - 1] {
        assert_eq!(changes(old(), with(&|alert| alert.fired_at_ms += ms)), named(Change::Moved));
    }
    // Ids and starts differ under another rule, and are no change by themselves.
    let other_id = with(&|alert| alert.episode_id = Fingerprint::of_parts(&[b"x"]));
    assert_eq!(changes(old(), other_id), []);
}

#[test]
fn an_alert_that_is_split_in_two_is_one_more_alert() {
    let long = vec![alert("a", 0, Some(60 * MINUTE_MS))];
    let short =
        vec![alert("a", 0, Some(10 * MINUTE_MS)), alert("a", 30 * MINUTE_MS, Some(60 * MINUTE_MS))];
    assert_eq!(changes(long.clone(), short.clone()), [(Change::Appeared, "a".to_owned())]);
    assert_eq!(changes(short, long), [(Change::Vanished, "a".to_owned())]);
}

#[test]
fn an_alert_that_goes_on_overlaps_whatever_comes_later() {
    let (open, later) = (alert("a", 0, None), alert("a", 100 * MINUTE_MS, None));
    assert_eq!(changes(vec![open], vec![later]), [(Change::Moved, "a".to_owned())]);
}

#[test]
fn figures_are_those_of_all_alerts_and_changes_are_in_order_of_time() {
    let old = replayed(vec![alert("b", 50, Some(60)), alert("a", 10, Some(20))]);
    let new = replayed(vec![alert("a", 10, Some(20)), alert("c", 0, Some(5))]);
    let plan = compare(&old, &new, 0);
    assert_eq!((plan.old.alerts, plan.new.alerts, plan.old.alerts_per_day), (2, 2, 2.0));
    let counts = ChangeCounts { appeared: 1, vanished: 1, unchanged: 1, ..Default::default() };
    assert_eq!(plan.counts, counts);
    let series: Vec<_> = plan.changes.iter().map(|one| &*one.series).collect();
    assert_eq!(series, ["c", "b"]);
}

#[test]
fn an_empty_input_changes_nothing() {
    let empty = Replayed { sampled_ms: None, ..replayed(vec![]) };
    let plan = compare(&empty, &empty, 0);
    assert_eq!((plan.length_ms(), plan.old.alerts_per_day, plan.changes.len()), (0, 0.0, 0));
}

/// Alerts of three series that do not overlap each other, as the engine raises them; the last of a series may go on.
fn alerts() -> impl Strategy<Value = Vec<Alert>> {
    let steps = prop::collection::vec((1..30_i64, 0..30_i64), 0..5);
    (prop::array::uniform3(steps), any::<[bool; 3]>()).prop_map(|(series, open)| {
        let mut alerts = Vec::new();
        for (index, (steps, open)) in series.into_iter().zip(open).enumerate() {
            let (mut at, count) = (0, steps.len());
            for (number, (gap, length)) in steps.into_iter().enumerate() {
                let start = at + gap;
                at = start + length;
                let goes_on = open && number + 1 == count;
                alerts.push(alert(&format!("s{index}"), start, (!goes_on).then_some(at)));
            }
        }
        alerts
    })
}

/// The most pairs there can be, by trying all.
fn most_pairs(old: &[Alert], new: &[Alert], taken: &mut BTreeSet<usize>) -> usize {
    let Some((first, rest)) = old.split_first() else { return 0 };
    let mut most = most_pairs(rest, new, taken);
    for (index, other) in new.iter().enumerate() {
        if first.fingerprint == other.fingerprint && first.overlaps(other) && taken.insert(index) {
            most = most.max(1 + most_pairs(rest, new, taken));
            taken.remove(&index);
        }
    }
    most
}

proptest! {
    #[test]
    fn there_are_as_many_pairs_as_can_be_and_nobody_is_lost(old in alerts(), new in alerts()) {
        let (old, new) = (replayed(old).alerts, replayed(new).alerts);
        let rows = matched(&old, &new);
        let pairs: Vec<_> = rows.iter().filter_map(|&(old, new)| old.zip(new)).collect();
        for (old, new) in &pairs {
            prop_assert!(old.fingerprint == new.fingerprint && old.overlaps(new));
        }
        // By series, since a brute force over all of them takes too long.
        let series: BTreeSet<_> = old.iter().map(|alert| alert.fingerprint).collect();
        let of = |alerts: &[Alert], one| -> Vec<Alert> {
            alerts.iter().filter(|alert| alert.fingerprint == one).cloned().collect()
        };
        let most = series.iter().map(|&one| {
            most_pairs(&of(&old, one), &of(&new, one), &mut BTreeSet::new())
        });
        prop_assert_eq!(pairs.len(), most.sum::<usize>());
        let olds: Vec<_> = rows.iter().filter_map(|row| row.0.cloned()).collect();
        let news: Vec<_> = rows.iter().filter_map(|row| row.1.cloned()).collect();
        prop_assert_eq!((olds, news), (old, new), "each once, in order");
    }
}

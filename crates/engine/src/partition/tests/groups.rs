//! Groups: who alerts for whom.

use std::sync::Arc;

use bellwether_series::{LabelSet, MatchOp, Matcher, Matchers};

use crate::event::{ChangeKind, Event};
use crate::partition::GROUP_RULE;
use crate::record::RecordBody;
use crate::settings::{Rule, Settings};
use crate::testing::{MINUTE_MS, Rig, calm, request, series};

/// Metrics of one instance.
fn metrics() -> Vec<LabelSet> {
    (0..8).map(|number| series(&format!("metric_{number}"), "a")).collect()
}

/// The default rule, after one that judges alike and names the first metric.
fn with_named_metric() -> Settings {
    let matcher = Matcher::new("__name__", MatchOp::Equal, "metric_0").unwrap();
    let matchers = Matchers::new(vec![matcher]);
    let named = Rule { name: Arc::from("Mine"), matchers, ..Rule::default() };
    Settings { rules: vec![named, Rule::default()], ..Settings::default() }
}

/// One request a minute with a sample of each series.
fn feed(
    rig: &mut Rig,
    all: &[LabelSet],
    minutes: std::ops::Range<i64>,
    value: impl Fn(usize, i64) -> f64,
) {
    for minute in minutes {
        let samples: Vec<_> =
            (0..all.len()).map(|index| [(minute * MINUTE_MS, value(index, minute))]).collect();
        let rows: Vec<_> =
            all.iter().zip(&samples).map(|(labels, row)| (labels, &row[..])).collect();
        rig.record(minute * MINUTE_MS, RecordBody::Request(&request(&rows)));
    }
}

/// An ordinary value of a series: each has its own.
fn ordinary(index: usize, minute: i64) -> f64 {
    calm(minute * 3 + 17 * index as i64)
}

fn fired(rig: &Rig, rule: &str) -> Vec<Event> {
    let fires = |event: &&Event| event.change == ChangeKind::Firing && &*event.rule == rule;
    rig.events.iter().filter(fires).cloned().collect()
}

#[test]
fn a_series_that_a_rule_names_rings_by_itself_while_its_group_does() {
    let all = metrics();
    let mut rig = Rig::new(with_named_metric());
    feed(&mut rig, &all, 0..300, ordinary);
    feed(&mut rig, &all, 300..310, |_, _| 1000.0);
    assert_eq!(fired(&rig, GROUP_RULE).len(), 1);
    let named: Vec<_> = fired(&rig, "Mine").into_iter().map(|event| event.labels).collect();
    assert_eq!(named, all[..1]);
    assert_eq!(fired(&rig, "MetricAnomaly"), [], "these leave it to their group");
}

#[test]
fn a_series_that_a_rule_names_needs_no_more_than_one_that_is_in_no_group() {
    let all = metrics();
    let thresholds = |settings: Settings| {
        let mut rig = Rig::new(settings);
        feed(&mut rig, &all, 0..5, ordinary);
        let partitions = rig.engine.partitions().iter_mut();
        let mut views: Vec<_> =
            partitions.flat_map(|partition| partition.view(&|_| true, 99)).collect();
        views.sort_by(|one, other| one.labels.metric_name().cmp(other.labels.metric_name()));
        views.into_iter().map(|view| view.threshold).collect::<Vec<_>>()
    };
    let grouped = thresholds(with_named_metric());
    let apart = thresholds(Settings { group_by: Vec::new(), ..with_named_metric() });
    assert!(grouped[0] <= apart[0] && grouped[0] < 5.0, "{grouped:?} {apart:?}");
    assert!(grouped[1..].iter().all(|&threshold| threshold > 7.0), "{grouped:?}");
}

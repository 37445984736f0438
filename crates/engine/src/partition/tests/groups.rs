//! Groups: who alerts for whom.

use std::sync::Arc;

use bellwether_detect::DetectorSpec;
use bellwether_detect::group::GroupSpec;
use bellwether_series::{LabelSet, MatchOp, Matcher, Matchers};

use crate::event::{ChangeKind, Event, ResolveReason};
use crate::group_rule::{GROUP_RULE, GroupRule};
use crate::partition::PARTITIONS;
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
        rig.record(minute * MINUTE_MS, RecordBody::request(&request(&rows)));
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
    let apart = thresholds(Settings { groups: Vec::new(), ..with_named_metric() });
    assert!(grouped[0] <= apart[0] && grouped[0] < 5.0, "{grouped:?} {apart:?}");
    assert!(grouped[1..].iter().all(|&threshold| threshold > 7.0), "{grouped:?}");
}

/// One metric of many instances, compared with each other.
fn peers() -> Settings {
    let matcher = Matcher::new("__name__", MatchOp::Equal, "step").unwrap();
    let rule = GroupRule {
        name: Arc::from("OddRank"),
        matchers: Matchers::new(vec![matcher]),
        by: vec![Arc::from("__name__")],
        detectors: vec![GroupSpec::Peer],
        ..GroupRule::default()
    };
    Settings { groups: vec![Arc::new(rule), Arc::default()], ..Settings::default() }
}

fn ranks(count: usize) -> Vec<LabelSet> {
    (0..count).map(|number| series("step", &format!("rank-{number}"))).collect()
}

/// All ranks follow one load, each with noise of its own.
fn load(index: usize, minute: i64) -> f64 {
    300.0 + 30.0 * libm::sin(minute as f64 / 37.0) + ordinary(index, minute) / 4.0
}

#[test]
fn the_rank_that_is_unlike_the_others_is_named_though_it_is_like_its_own_past() {
    let all = ranks(8);
    let mut rig = Rig::new(peers());
    feed(&mut rig, &all, 0..700, load);
    assert_eq!(fired(&rig, "OddRank"), []);
    // It is two hours behind.
    feed(&mut rig, &all, 700..730, |index, minute| {
        load(index, if index == 3 { minute - 120 } else { minute })
    });
    let fired = fired(&rig, "OddRank");
    assert_eq!(fired.len(), 1);
    assert_eq!(fired[0].labels.to_string(), "step");
    assert!(
        fired[0].explanation.starts_with(
            "1 of 8 series of step differ from the others, above all instance=\"rank-3\":"
        ),
        "{}",
        fired[0].explanation
    );
    assert_eq!((fired[0].value, fired[0].upper), (1.0, 8.0));
    feed(&mut rig, &all, 730..800, load);
    let last = rig.events.iter().rfind(|event| &*event.rule == "OddRank");
    assert_eq!(last.map(|event| event.change), Some(ChangeKind::Resolved));
}

#[test]
fn ranks_that_are_missing_are_too_few_even_if_a_group_would_not_begin_with_those_left() {
    let all = ranks(8);
    let mut rig = Rig::new(peers());
    feed(&mut rig, &all, 0..700, load);
    feed(&mut rig, &all[..4], 700..710, load);
    let fired = fired(&rig, "OddRank");
    assert_eq!(fired.len(), 1);
    assert!(
        fired[0].explanation.starts_with(
            "4 series of step are there, fewer than the usual 8 (not instance=\"rank-4\", "
        ),
        "{}",
        fired[0].explanation
    );
    assert_eq!((fired[0].value, fired[0].expected.round()), (4.0, 8.0));
}

#[test]
fn ranks_that_are_scraped_at_times_of_their_own_make_one_row() {
    let all = ranks(8);
    let mut rig = Rig::new(peers());
    for minute in 0..400 {
        for (index, labels) in all.iter().enumerate() {
            let at = minute * MINUTE_MS + 7_000 * index as i64;
            rig.outputs.group_scores.get_or_insert_default();
            rig.sample(labels, at, load(index, minute));
            let rows = rig.outputs.group_scores.as_ref().map_or(0, Vec::len);
            // How many make a row is known once the first one is over; the others end with their last rank.
            assert!(minute < 100 || rows == usize::from(index == 7), "{minute} {index}: {rows}");
        }
    }
}

#[test]
fn a_group_that_is_full_and_a_deep_tier_without_memory_count_whom_they_refuse() {
    let all = ranks(9);
    let mut settings = peers();
    let rule = GroupRule { members_max: 7, ..(*settings.groups[0]).clone() };
    settings.groups[0] = Arc::new(rule);
    let each: usize = DetectorSpec::defaults().iter().map(DetectorSpec::deep_bytes).sum();
    settings.deep.memory_bytes = 8 * each * PARTITIONS;
    let mut rig = Rig::new(settings);
    feed(&mut rig, &all, 0..1, load);
    let counts = rig.outputs.counts;
    assert_eq!((counts.group_refused, counts.deep_refused), (1, 1));
    feed(&mut rig, &all, 1..2, load);
    assert_eq!((rig.outputs.counts.group_refused, rig.outputs.counts.deep_refused), (0, 0));
}

#[test]
fn other_detectors_of_groups_end_their_alerts_and_keep_what_is_known_of_series() {
    let all = metrics();
    let mut rig = Rig::new(Settings::default());
    feed(&mut rig, &all, 0..300, ordinary);
    feed(&mut rig, &all, 300..304, |_, _| 1000.0);
    assert_eq!(fired(&rig, GROUP_RULE).len(), 1);
    let rule = GroupRule { detectors: vec![GroupSpec::IsolationForest], ..GroupRule::default() };
    let settings = Settings { groups: vec![Arc::new(rule)], ..Settings::default() };
    rig.configure(304 * MINUTE_MS, settings);
    let last = rig.events.last().map(|event| (event.change, event.reason));
    assert_eq!(last, Some((ChangeKind::Resolved, Some(ResolveReason::Unwatched))));
    feed(&mut rig, &all, 304..305, |_, _| 1000.0);
    assert_eq!(rig.outputs.counts.judged, 8, "nothing warms up");
}

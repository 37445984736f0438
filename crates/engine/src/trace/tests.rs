//! One stream for each gate, which ends at just that gate.

mod alerts;

use std::sync::Arc;

use bellwether_detect::{DetectorSpec, Direction, MinDeviation, threshold};
use bellwether_series::{LabelSet, MatchOp, Matcher, Matchers, STALE_NAN_BITS, Timestamp};

use super::*;
use crate::calendar::{Calendar, Maintenance, MaintenanceTime};
use crate::outcome::RejectReason;
use crate::outputs::DropReason;
use crate::record::RecordBody;
use crate::settings::{Importance, Rule, Settings};
use crate::tenants::{TenantLimits, Tenants};
use crate::testing::{MINUTE_MS, Rig, calm, raw_request, request, series};
use crate::threshold::Limit;

const STALE: f64 = f64::from_bits(STALE_NAN_BITS);

fn matching(name: &str, value: &str) -> Matchers {
    Matchers::new(vec![Matcher::new(name, MatchOp::Equal, value).unwrap()])
}

/// Settings whose only rule says that values above 150 have this surprise.
fn breach(surprise: f64) -> Settings {
    let raw = threshold::RawParams {
        above: Some(150.0),
        surprise: Some(surprise),
        ..threshold::RawParams::default()
    };
    let detectors = vec![DetectorSpec::Threshold(threshold::Params::try_from(raw).unwrap())];
    let rules = vec![Rule { detectors, ..Rule::default() }];
    Settings { rules, ..Settings::default() }
}

fn traced(settings: Settings) -> Rig {
    let mut rig = Rig::new(settings);
    rig.outputs.traces = Some(Box::new(Traces::new(Matchers::default())));
    rig
}

fn found(rig: &Rig) -> &[Trace] {
    rig.outputs.traces.as_ref().unwrap().found()
}

/// Sends a sample in `minute`; its only trace.
fn send(rig: &mut Rig, labels: &LabelSet, minute: i64, value: f64) -> Trace {
    rig.sample(labels, minute * MINUTE_MS, value);
    let [trace] = found(rig) else { panic!("{:#?}", found(rig)) };
    assert_eq!((&trace.labels, trace.at.as_ms()), (labels, minute * MINUTE_MS));
    assert_eq!(trace.sent.to_bits(), value.to_bits());
    trace.clone()
}

/// The gates of one value a minute.
fn gates(rig: &mut Rig, labels: &LabelSet, from: i64, values: &[f64]) -> Vec<Gate> {
    let minutes = from..;
    minutes.zip(values).map(|(minute, &value)| send(rig, labels, minute, value).gate).collect()
}

#[test]
fn what_is_refused_ends_at_the_door_for_the_reason_that_the_sender_is_told() {
    let mut settings = Settings::default();
    (settings.series.active_max, settings.series.per_metric_max) = (2, 1);
    settings.series.labels.name_bytes_max = 11;
    settings.ha.clusters_max = 1;
    let mut rig = traced(settings);
    let (first, second) = (series("depth", "a"), series("width", "a"));
    let replica = |cluster| {
        let labels = [("__name__", "up"), ("cluster", cluster), ("__replica__", "a")];
        LabelSet::from_pairs(labels).unwrap()
    };
    let too_long = LabelSet::from_pairs([("__name__", "m"), ("a_long_label", "v")]).unwrap();
    assert_eq!(send(&mut rig, &first, 0, 1.0).gate, Gate::WarmUp);
    rig.record(0, RecordBody::request(&request(&[(&first, &[(1, 1.0), (i64::MAX, 1.0)])])));
    let ends: Vec<_> = found(&rig).iter().map(|trace| (trace.at.as_ms(), trace.gate)).collect();
    let future = Gate::Refused(RejectReason::Future);
    assert_eq!(ends, [(i64::MAX, future), (1, Gate::WarmUp)], "what the door refuses comes first");
    rig.record(0, RecordBody::request(&request(&[(&second, &[(i64::MAX, 1.0)])])));
    assert_eq!(found(&rig)[0].gate, future);
    for (labels, reason) in
        [(series("depth", "b"), RejectReason::MetricLimit), (too_long, RejectReason::LabelLimit)]
    {
        assert_eq!(send(&mut rig, &labels, 1, 1.0).gate, Gate::Refused(reason));
    }
    rig.sample(&second, MINUTE_MS, 1.0);
    let third = series("height", "a");
    let gate = send(&mut rig, &third, 1, 1.0).gate;
    assert_eq!(gate, Gate::Refused(RejectReason::SeriesLimit));
    rig.sample(&replica("one"), MINUTE_MS, 1.0);
    let gate = send(&mut rig, &replica("two"), 1, 1.0).gate;
    assert_eq!(gate, Gate::Refused(RejectReason::ClusterLimit));
    let twice = raw_request(&[("__name__", "m"), ("a", "1"), ("a", "2")]);
    rig.record(MINUTE_MS, RecordBody::request(&twice));
    assert!(found(&rig).is_empty(), "what is no label set is no series");
}

#[test]
fn what_a_tenant_may_not_write_is_refused_under_its_name() {
    let limits = [(Arc::from("acme"), TenantLimits { series_max: 1 })].into();
    let tenants = Some(Tenants { limits, ..Tenants::default() });
    let mut rig = traced(Settings { tenants, ..Settings::default() });
    let mut ended = |tenant: &str, name: &str| {
        let write = request(&[(&series(name, "a"), &[(0, 1.0)])]);
        rig.record(0, RecordBody::Request { tenant, write: &write });
        let [trace] = found(&rig) else { panic!("{:#?}", found(&rig)) };
        (trace.gate, trace.labels.get("tenant").map(str::to_owned))
    };
    let acme = Some("acme".to_owned());
    assert_eq!(ended("acme", "depth"), (Gate::WarmUp, acme.clone()));
    assert_eq!(ended("acme", "width"), (Gate::Refused(RejectReason::TenantLimit), acme));
    assert_eq!(ended("other", "depth"), (Gate::Refused(RejectReason::UnknownTenant), None));
}

#[test]
fn what_is_not_watched_is_left_out_at_the_door() {
    let mut settings = Settings::default();
    settings.selection.exclude = vec![matching("__name__", "boring")];
    let mut rig = traced(settings);
    for (name, reason) in [
        ("boring", DropReason::Excluded),
        ("latency_bucket", DropReason::HistogramBucket),
        ("bellwether_x", DropReason::OwnMetric),
    ] {
        let trace = send(&mut rig, &series(name, "a"), 0, 1.0);
        assert_eq!((trace.gate, trace.judged), (Gate::Dropped(reason), None));
    }
    let replica = |replica| {
        LabelSet::from_pairs([("__name__", "up"), ("cluster", "c"), ("__replica__", replica)])
    };
    let [a, b] = ["a", "b"].map(|name| replica(name).unwrap());
    rig.sample(&a, 0, 1.0);
    assert_eq!(send(&mut rig, &b, 0, 1.0).gate, Gate::Dropped(DropReason::Replica));
}

#[test]
fn what_is_not_newer_or_not_a_number_is_left_out_in_its_partition() {
    let labels = series("depth", "a");
    let mut rig = traced(Settings::default());
    let before = gates(&mut rig, &labels, 0, &[1.0, 2.0, f64::NAN, f64::INFINITY]);
    let not_finite = Gate::Dropped(DropReason::NonFinite);
    assert_eq!(before, [Gate::WarmUp, Gate::WarmUp, not_finite, not_finite]);
    for (minute, value, reason) in [
        (1, 2.0, DropReason::Duplicate),
        (1, 3.0, DropReason::Conflict),
        (0, 1.0, DropReason::Late),
    ] {
        assert_eq!(send(&mut rig, &labels, minute, value).gate, Gate::Dropped(reason));
    }
    let mut settings = Settings::default();
    settings.ordering.lateness_ms = 10 * MINUTE_MS;
    settings.ordering.held_samples_max = 1;
    let mut rig = traced(settings);
    rig.sample(&labels, 0, 1.0);
    assert!(found(&rig).is_empty(), "it is held back, and its way has not ended");
    assert_eq!(send(&mut rig, &labels, 1, 1.0).gate, Gate::Dropped(DropReason::HeldLimit));
    rig.quiet(11 * MINUTE_MS);
    rig.quiet(12 * MINUTE_MS);
    assert!(found(&rig).is_empty());
}

#[test]
fn what_is_held_back_has_ended_once_it_is_judged() {
    let labels = series("depth", "a");
    let mut settings = Settings::default();
    settings.ordering.lateness_ms = MINUTE_MS;
    let mut rig = traced(settings);
    let mut ended: Vec<Vec<i64>> = Vec::new();
    for minute in 0..4 {
        rig.sample(&labels, minute * MINUTE_MS, 1.0);
        ended.push(found(&rig).iter().map(|trace| trace.at.as_ms() / MINUTE_MS).collect());
    }
    assert_eq!(ended, [vec![], vec![0], vec![1], vec![2]]);
}

#[test]
fn stale_markers_first_samples_of_counters_and_warm_up_are_gates() {
    let labels = series("orders_total", "a");
    let mut rig = traced(Settings::default());
    let ended = gates(&mut rig, &labels, 0, &[1.0, 2.0, 1.0, 3.0, STALE, 4.0]);
    let (none, warm) = (Gate::NoRate, Gate::WarmUp);
    assert_eq!(ended, [none, warm, none, warm, Gate::SeriesEnded, none]);
    let trace = send(&mut rig, &labels, 6, 64.0);
    let judged = trace.judged.unwrap();
    assert_eq!((judged.signal, judged.value), (SignalKind::Rate, 1.0));
    assert_eq!((judged.steps, judged.threshold), (None, None));
    assert!(!judged.opinions.is_empty());
}

#[test]
fn maintenance_is_a_gate_with_a_name() {
    let labels = series("depth", "a");
    let [start, end] = [5, 7].map(|minute| Timestamp::from_ms(minute * MINUTE_MS));
    let maintenance = vec![Maintenance {
        name: "upgrade".into(),
        matchers: vec![matching("__name__", "depth")],
        times: vec![MaintenanceTime::Once { start, end }],
    }];
    let calendar = Calendar { maintenance, ..Calendar::default() };
    let mut rig = traced(Settings { calendar, ..breach(9.0) });
    gates(&mut rig, &labels, 0, &[100.0; 5]);
    let trace = send(&mut rig, &labels, 5, 200.0);
    assert_eq!((trace.gate, trace.maintenance.as_deref()), (Gate::Maintenance, Some("upgrade")));
    assert_eq!(send(&mut rig, &labels, 7, 200.0).gate, Gate::Pending);
}

/// The gate of a value a little above what a rule that looks there expects.
fn after_calm(change: impl FnOnce(&mut Rule), value: f64) -> Gate {
    let (labels, mut settings) = (series("depth", "a"), Settings::default());
    // Shapes have no size.
    settings.deep.memory_bytes = 0;
    change(&mut settings.rules[0]);
    let mut rig = traced(settings);
    rig.calm(&labels, 0..600);
    send(&mut rig, &labels, 600, value).gate
}

#[test]
fn the_floor_and_the_direction_are_gates_only_of_what_would_be_worth_an_event() {
    let floor = |rule: &mut Rule| rule.min_deviation = MinDeviation::new(500.0, 0.0).unwrap();
    let up = |rule: &mut Rule| rule.direction = Direction::Up;
    assert_eq!(after_calm(floor, 590.0), Gate::MinDeviation);
    assert_eq!(after_calm(floor, 9000.0), Gate::Pending);
    assert_eq!(after_calm(up, 10.0), Gate::Direction);
    assert_eq!(after_calm(up, 400.0), Gate::Pending);
    for change in [floor as fn(&mut Rule), up, |_| ()] {
        assert_eq!(after_calm(change, calm(600)), Gate::BelowInfo);
    }
}

#[test]
fn only_the_series_that_are_wanted_are_written_down_and_nothing_when_nobody_asks() {
    let (one, other) = (series("depth", "a"), series("depth", "b"));
    let mut rig = Rig::new(Settings::default());
    rig.sample(&one, 0, 1.0);
    assert!(rig.outputs.traces.is_none());
    rig.outputs.traces = Some(Box::new(Traces::new(matching("instance", "b"))));
    for labels in [&one, &other] {
        rig.sample(labels, MINUTE_MS, 1.0);
    }
    let found = found(&rig);
    assert!(found.len() == 1 && found[0].labels == other, "{found:?}");
    rig.quiet(2 * MINUTE_MS);
    assert!(rig.outputs.traces.as_ref().unwrap().found().is_empty());
    let from = Timestamp::from_ms(3 * MINUTE_MS);
    rig.outputs.traces = Some(Box::new(Traces::of(one.fingerprint()).from(from)));
    for (minute, written) in [(2, 0), (3, 1)] {
        rig.sample(&other, minute * MINUTE_MS, 1.0);
        rig.sample(&one, minute * MINUTE_MS, 1.0);
        assert_eq!(rig.outputs.traces.as_ref().unwrap().found().len(), written);
    }
}

#[test]
fn a_trace_holds_what_the_event_of_its_sample_says() {
    let labels = series("depth", "a");
    let mut rig = traced(Settings::default());
    rig.calm(&labels, 0..120);
    let mut compared = 0;
    for minute in 120..140 {
        let value = if minute < 126 { 1000.0 } else { calm(minute) };
        let trace = send(&mut rig, &labels, minute, value);
        for event in &rig.outputs.events {
            let judged = trace.judged.as_ref().unwrap();
            assert_eq!(event.state_digest, judged.state_digest);
            assert_eq!(event.value.to_bits(), judged.value.to_bits());
            let threshold = judged.threshold.unwrap().value;
            assert_eq!(event.threshold.to_bits(), threshold.to_bits());
            let steps = judged.steps.unwrap();
            assert_eq!(event.surprise.to_bits(), steps.surprise.to_bits());
            compared += 1;
        }
    }
    assert!(compared >= 2, "{compared}");
}

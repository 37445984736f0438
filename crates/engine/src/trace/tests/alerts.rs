//! Gates of the lifecycle: thresholds, `for`, importance, groups, hysteresis and the cap.

use super::*;

/// What a breach of `surprise` that lasts ends at, and what keeps it from firing.
fn lasting(settings: Settings) -> (Gate, Limit) {
    let labels = series("depth", "a");
    let mut rig = traced(settings);
    gates(&mut rig, &labels, 0, &[100.0; 5]);
    rig.broken(&labels, 5..10);
    let trace = send(&mut rig, &labels, 10, 1000.0);
    let judged = trace.judged.unwrap();
    (trace.gate, judged.threshold.unwrap().limit(judged.surprise))
}

#[test]
fn below_the_threshold_the_budget_says_which_one_it_was() {
    let with = |per_day, per_series_per_day| {
        let mut settings = breach(3.2);
        (settings.budget.per_day, settings.budget.per_series_per_day) =
            (per_day, per_series_per_day);
        lasting(settings)
    };
    assert_eq!(with(0.2, 1.0), (Gate::BelowThreshold, Limit::Fleet));
    assert_eq!(with(1.0, 0.2), (Gate::BelowThreshold, Limit::Series));
    assert_eq!(with(10.0, 10.0).0, Gate::AlreadyFiring);
}

#[test]
fn a_series_in_debt_is_stopped_by_it() {
    let labels = series("depth", "a");
    let mut settings = breach(3.5);
    settings.rules[0].alert.keep_firing_for_ms = 0;
    let mut rig = traced(settings);
    let mut limits = Vec::new();
    for minute in 0..80 {
        let value = if minute % 8 < 4 { 100.0 } else { 200.0 };
        let Trace { gate, judged, .. } = send(&mut rig, &labels, minute, value);
        if gate == Gate::BelowThreshold {
            let judged = judged.unwrap();
            limits.push(judged.threshold.unwrap().limit(judged.surprise));
        }
    }
    assert!(limits.len() > 3 && limits.iter().all(|&limit| limit == Limit::Debt), "{limits:?}");
}

#[test]
fn pending_firing_and_keep_firing_follow_each_other() {
    use Gate::{AlreadyFiring, BelowInfo, KeepFiring, Passed, Pending, Resolved};
    let labels = series("depth", "a");
    let mut settings = breach(5.0);
    settings.rules[0].alert.for_ms = 3 * MINUTE_MS;
    settings.rules[0].alert.keep_firing_for_ms = 2 * MINUTE_MS;
    let mut rig = traced(settings);
    let (low, high) = (100.0, 200.0);
    let ended = gates(
        &mut rig,
        &labels,
        0,
        &[low, low, high, high, high, high, low, high, low, low, low, low],
    );
    let began = [BelowInfo, BelowInfo, Pending, Pending, Passed];
    let held = [AlreadyFiring, KeepFiring, AlreadyFiring, KeepFiring, KeepFiring, Resolved];
    assert_eq!(ended, [&began[..], &held, &[BelowInfo]].concat());
    // Since when, in minutes.
    let mut since = |minute, value| {
        let at = send(&mut rig, &labels, minute, value).since;
        at.map(|at| at.as_ms() / MINUTE_MS)
    };
    assert_eq!([since(12, high), since(13, high)], [Some(12), Some(12)]);
    assert_eq!([since(14, high), since(15, high)], [None, Some(14)]);
    assert_eq!([since(16, low), since(17, low)], [Some(16), Some(16)]);
}

#[test]
fn importance_makes_no_more_than_an_event_of_it() {
    let mut settings = breach(5.0);
    settings.rules[0].alert.importance = Importance::Low;
    let (labels, mut rig) = (series("depth", "a"), traced(settings));
    let ended = gates(&mut rig, &labels, 0, &[100.0, 200.0, 200.0, 200.0]);
    assert_eq!(ended[1..], [Gate::Pending, Gate::Importance, Gate::Importance]);
}

#[test]
fn what_is_a_little_surprising_and_lasts_is_too_ordinary_all_the_same() {
    assert_eq!(lasting(breach(2.5)).0, Gate::BelowInfo);
}

#[test]
fn the_cap_of_the_day_is_the_last_gate() {
    let mut settings = breach(9.0);
    settings.budget.cap_per_day = 1;
    let mut rig = traced(settings);
    let all = [series("depth", "a"), series("depth", "b")];
    for labels in &all {
        gates(&mut rig, labels, 0, &[100.0; 3]);
        send(&mut rig, labels, 3, 200.0);
    }
    let ended = all.each_ref().map(|labels| send(&mut rig, labels, 4, 200.0).gate);
    assert_eq!(ended, [Gate::Passed, Gate::Cap]);
    let goes_on = all.map(|labels| send(&mut rig, &labels, 5, 200.0).gate);
    assert_eq!(goes_on, [Gate::AlreadyFiring, Gate::Cap]);
}

/// Eight metrics of one instance, all of which break in minute 300.
fn grouped(rules: Vec<Rule>) -> Vec<Trace> {
    let all: Vec<_> = (0..8).map(|number| series(&format!("metric_{number}"), "a")).collect();
    let mut rig = traced(Settings { rules, ..Settings::default() });
    let mut traces = Vec::new();
    for minute in 0..306 {
        let value = |index: usize| {
            if minute >= 300 { 1000.0 } else { calm(minute * 3 + 17 * index as i64) }
        };
        let samples: Vec<_> = (0..8).map(|index| [(minute * MINUTE_MS, value(index))]).collect();
        let rows: Vec<_> =
            all.iter().zip(&samples).map(|(labels, row)| (labels, &row[..])).collect();
        rig.record(minute * MINUTE_MS, RecordBody::request(&request(&rows)));
        traces.extend(found(&rig).iter().cloned());
    }
    traces
}

#[test]
fn while_a_group_alerts_its_series_end_there_and_the_group_has_gates_of_its_own() {
    let traces = grouped(vec![Rule::default()]);
    let of = |name: &str| -> Vec<Gate> {
        let its = traces.iter().filter(|trace| trace.labels.metric_name() == name);
        its.map(|trace| trace.gate).collect()
    };
    let group = of("group");
    assert!(group.len() > 150 && group.starts_with(&[Gate::BelowInfo]), "{}", group.len());
    assert!(group.contains(&Gate::Passed) && group.contains(&Gate::AlreadyFiring), "{group:?}");
    let member = of("metric_3");
    assert_eq!(member.len(), 306);
    let before_firing = |trace: &&Trace| trace.labels.metric_name() == "metric_3";
    let limits: Vec<_> = traces
        .iter()
        .filter(before_firing)
        .filter(|trace| trace.gate == Gate::BelowThreshold)
        .filter_map(|trace| trace.judged.as_ref())
        .map(|judged| judged.threshold.unwrap().limit(judged.surprise))
        .collect();
    assert!(!limits.is_empty() && limits.iter().all(|&limit| limit == Limit::Group), "{limits:?}");
}

#[test]
fn who_would_alert_by_itself_is_silent_while_its_group_alerts() {
    let raw = threshold::RawParams {
        above: Some(150.0),
        surprise: Some(60.0),
        ..threshold::RawParams::default()
    };
    let breach = DetectorSpec::Threshold(threshold::Params::try_from(raw).unwrap());
    let detectors = [DetectorSpec::defaults(), vec![breach]].concat();
    let traces = grouped(vec![Rule { detectors, ..Rule::default() }]);
    let last = traces.iter().filter(|trace| trace.labels.metric_name() == "metric_7");
    let ended: Vec<Gate> = last.skip(300).map(|trace| trace.gate).collect();
    assert!(ended.starts_with(&[Gate::Pending, Gate::GroupSilence]), "{ended:?}");
}

#[test]
fn a_surprise_that_alerts_alone_is_silent_while_its_group_alerts() {
    let mut reading = crate::lifecycle::Reading {
        at: Timestamp::from_ms(0),
        interval_ms: MINUTE_MS,
        surprise: 9.0,
        base: 9.0,
        threshold: 6.0,
        calm: 3.0,
        may_fire: false,
    };
    let (mut pending, policy) = (crate::lifecycle::Pending::default(), AlertPolicy::default());
    let mut ended = Vec::new();
    for minute in 0..3 {
        reading.at = Timestamp::from_ms(minute * MINUTE_MS);
        ended.push(crate::lifecycle::advance(&mut pending, None, &policy, &reading).1);
    }
    assert_eq!(ended, [Gate::Pending, Gate::GroupSilence, Gate::GroupSilence]);
}

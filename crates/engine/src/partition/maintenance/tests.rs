use bellwether_series::{LabelSet, MatchOp, Matcher, Matchers, Timestamp};

use super::super::{PARTITIONS, Partition};
use crate::calendar::{Calendar, Maintenance, MaintenanceTime};
use crate::event::{ChangeKind, ResolveReason};
use crate::settings::Settings;
use crate::testing::{MINUTE_MS, Rig, calm, series};

fn minute(minute: i64) -> i64 {
    minute * MINUTE_MS
}

/// Settings under which series with this name are in maintenance in these minutes.
fn resting(name: &str, minutes: std::ops::Range<i64>) -> Settings {
    let matcher = Matcher::new("__name__", MatchOp::Equal, name).unwrap();
    let [start, end] = [minutes.start, minutes.end].map(|at| Timestamp::from_ms(minute(at)));
    let maintenance = vec![Maintenance {
        name: "upgrade".into(),
        matchers: vec![Matchers::new(vec![matcher])],
        times: vec![MaintenanceTime::Once { start, end }],
    }];
    let calendar = Calendar { maintenance, ..Calendar::default() };
    Settings { calendar, ..Settings::default() }
}

/// The states of the detectors of every series, as text.
fn states(rig: &mut Rig) -> Vec<String> {
    let partitions = rig.engine.partitions();
    assert_eq!(partitions.len(), PARTITIONS);
    partitions.iter_mut().flat_map(Partition::state_texts).collect()
}

fn judged_of(rig: &mut Rig, labels: &LabelSet, at: i64, value: f64) -> (u64, u64) {
    rig.sample(labels, minute(at), value);
    (rig.outputs.counts.judged, rig.outputs.counts.in_maintenance)
}

#[test]
fn what_happens_in_maintenance_gives_nothing_and_teaches_nothing() {
    let labels = series("depth", "a");
    let mut rig = Rig::new(resting("depth", 120..150));
    rig.calm(&labels, 0..120);
    let before = states(&mut rig);
    assert_eq!(before.len(), 1);
    for at in 120..150 {
        assert_eq!(judged_of(&mut rig, &labels, at, 1000.0), (0, 1));
        assert_eq!(rig.outputs.scores.as_ref().map(Vec::len), Some(0));
    }
    assert_eq!(states(&mut rig), before);
    assert!(rig.events.is_empty());
    // The first sample after it is judged, and a fault then is found as fast as ever.
    assert_eq!(judged_of(&mut rig, &labels, 150, calm(150)), (1, 0));
    rig.broken(&labels, 151..155);
    assert_eq!(rig.open(), 1);
    assert_eq!(rig.events[0].starts_at_ms.as_ms(), minute(151));
    assert!(rig.events.iter().any(|event| event.change == ChangeKind::Firing));
}

#[test]
fn an_open_episode_ends_when_maintenance_begins() {
    let labels = series("depth", "a");
    let mut rig = Rig::new(resting("depth", 124..150));
    rig.calm(&labels, 0..120);
    rig.broken(&labels, 120..124);
    assert_eq!(rig.open(), 1);
    rig.broken(&labels, 124..130);
    assert_eq!(rig.open(), 0);
    let last = rig.events.last().unwrap();
    assert_eq!(
        (last.change, last.reason),
        (ChangeKind::Resolved, Some(ResolveReason::Maintenance))
    );
    assert_eq!(last.ends_at_ms.map(Timestamp::as_ms), Some(minute(124)));
    assert_eq!(last.at_ms.as_ms(), minute(124));
    assert_eq!(last.explanation, "depth is in maintenance; the anomaly had begun 4 min before.");
    assert!(last.detectors.is_empty());
    let json = serde_json::to_value(last).unwrap();
    assert_eq!(json["reason"], "maintenance");
}

#[test]
fn what_was_pending_before_maintenance_is_forgotten() {
    let labels = series("depth", "a");
    let mut rig = Rig::new(resting("depth", 121..122));
    rig.calm(&labels, 0..120);
    // Two samples a minute apart fire; here work lies between them.
    rig.broken(&labels, 120..123);
    assert!(rig.events.is_empty(), "{:?}", rig.events);
    rig.broken(&labels, 123..124);
    assert_eq!(rig.events[0].starts_at_ms.as_ms(), minute(122));
}

#[test]
fn other_series_and_other_times_are_judged_as_ever() {
    let (resting_one, other) = (series("depth", "a"), series("width", "a"));
    let mut rig = Rig::new(resting("depth", 120..124));
    rig.calm(&resting_one, 0..100);
    rig.calm(&other, 0..124);
    assert_eq!(judged_of(&mut rig, &other, 124, calm(124)), (1, 0));
    assert_eq!(judged_of(&mut rig, &resting_one, 119, calm(119)), (1, 0));
    assert_eq!(judged_of(&mut rig, &resting_one, 120, calm(120)), (0, 1));
}

#[test]
fn a_rate_that_began_in_maintenance_is_about_maintenance() {
    let labels = series("orders_total", "a");
    let mut rig = Rig::new(resting("orders_total", 100..110));
    let mut count = 0.0;
    let mut next = |rig: &mut Rig, at: i64, step: f64| {
        count += step;
        judged_of(rig, &labels, at, count)
    };
    for at in 0..100 {
        next(&mut rig, at, calm(at));
    }
    for at in 100..110 {
        assert_eq!(next(&mut rig, at, 0.0), (0, 1));
    }
    // From 109 to 110 orders stood still for the last time.
    assert_eq!(next(&mut rig, 110, 0.0), (0, 1));
    assert_eq!(next(&mut rig, 111, calm(111)), (1, 0));
    assert!(rig.events.is_empty());
}

#[test]
fn samples_are_put_in_order_in_maintenance_too() {
    let labels = series("depth", "a");
    let mut rig = Rig::new(resting("depth", 100..110));
    rig.calm(&labels, 0..105);
    rig.sample(&labels, minute(103), 5.0);
    assert_eq!(rig.outputs.counts.dropped.iter().sum::<u64>(), 1);
    assert_eq!(rig.outputs.counts.in_maintenance, 0);
}

#[test]
fn windows_come_and_go_with_the_configuration() {
    let labels = series("depth", "a");
    let mut rig = Rig::new(Settings::default());
    rig.calm(&labels, 0..100);
    rig.configure(minute(99), resting("depth", 100..200));
    assert_eq!(judged_of(&mut rig, &labels, 100, calm(100)), (0, 1));
    rig.configure(minute(100), resting("depth", 300..400));
    assert_eq!(judged_of(&mut rig, &labels, 101, calm(101)), (1, 0));
    rig.configure(minute(101), resting("width", 100..200));
    assert_eq!(judged_of(&mut rig, &labels, 102, calm(102)), (1, 0));
}

#[test]
fn a_view_names_the_maintenance_of_the_newest_sample() {
    let labels = series("depth", "a");
    let mut rig = Rig::new(resting("depth", 1..2));
    for (at, name) in [(0, None), (1, Some("upgrade")), (2, None)] {
        rig.sample(&labels, minute(at), 5.0);
        let all = rig.engine.partitions().iter_mut();
        let views: Vec<_> = all.flat_map(|partition| partition.view(&|_| true, 9)).collect();
        assert_eq!(views[0].maintenance.as_deref(), name, "{at}");
    }
}

#[test]
fn gauges_are_withdrawn_in_maintenance() {
    let labels = series("depth", "a");
    let settings = Settings { gauges: vec![Matchers::default()], ..resting("depth", 120..150) };
    let mut rig = Rig::new(settings);
    rig.calm(&labels, 0..123);
    let told: Vec<_> = rig.gauges.iter().map(|gauge| gauge.reading.is_some()).collect();
    assert_eq!(told.last(), Some(&false));
    assert_eq!(told.iter().filter(|is_reading| !**is_reading).count(), 1);
    rig.calm(&labels, 150..151);
    assert!(rig.gauges.last().unwrap().reading.is_some());
}

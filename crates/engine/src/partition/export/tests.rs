use bellwether_detect::{DetectorSpec, zscore};
use bellwether_series::{LabelSet, MatchOp, Matcher, Matchers, STALE_NAN_BITS};

use crate::settings::{Rule, Selection, Settings};
use crate::testing::{MINUTE_MS, Rig, calm, series};

const STALE: f64 = f64::from_bits(STALE_NAN_BITS);
/// Samples until all detectors of the default rule that need no seasons have warmed up.
const WARM: i64 = 120;

fn named(name: &str) -> Matchers {
    Matchers::new(vec![Matcher::new("__name__", MatchOp::Equal, name).unwrap()])
}

/// Settings under which the gauges of `depth` are exported.
fn exporting() -> Settings {
    Settings { gauges: vec![named("depth")], ..Settings::default() }
}

/// A rig that shows the gauges of `labels`, the readings so far left out.
fn shown(settings: Settings, labels: &LabelSet) -> Rig {
    let mut rig = Rig::new(settings);
    rig.calm(labels, 0..WARM);
    assert!(rig.gauges.last().is_some_and(|gauge| gauge.reading.is_some()));
    rig.gauges.clear();
    rig
}

/// Rule, minute and whether there is a reading, of everything that was told.
fn told(rig: &Rig) -> Vec<(&str, i64, bool)> {
    let told = rig.gauges.iter();
    told.map(|gauge| (&*gauge.rule, gauge.at.as_ms() / MINUTE_MS, gauge.reading.is_some()))
        .collect()
}

/// What is told when a series of the rule ends at minute `at`.
fn ended(at: i64) -> [(&'static str, i64, bool); 1] {
    [("MetricAnomaly", at, false)]
}

#[test]
fn every_judged_sample_of_a_matching_series_is_told_and_nothing_of_others() {
    let mut rig = Rig::new(exporting());
    let (depth, other) = (series("depth", "a"), series("width", "a"));
    let mut judged = 0;
    for minute in 0..WARM {
        rig.calm(&depth, minute..minute + 1);
        judged += rig.outputs.counts.judged as usize;
        assert_eq!(rig.gauges.len(), judged, "minute {minute}");
        rig.calm(&other, minute..minute + 1);
        assert_eq!(rig.gauges.len(), judged, "minute {minute}");
    }
    assert!(judged > 30);
    for gauge in &rig.gauges {
        assert_eq!((&gauge.labels, gauge.fingerprint), (&depth, depth.fingerprint()));
        let reading = gauge.reading.unwrap();
        assert!(reading.lower < reading.expected && reading.expected < reading.upper);
        assert!((99.0..106.0).contains(&reading.expected), "{reading:?}");
    }
}

#[test]
fn a_reading_is_what_the_event_of_the_same_sample_says() {
    let labels = series("depth", "a");
    let mut rig = shown(exporting(), &labels);
    rig.broken(&labels, WARM..WARM + 4);
    let event = &rig.events[0];
    let reading = rig.gauges.iter().find(|gauge| gauge.at == event.at_ms).unwrap().reading;
    let bits = |all: [f64; 4]| all.map(f64::to_bits);
    assert_eq!(
        reading.map(|of| bits([of.surprise, of.expected, of.lower, of.upper])),
        Some(bits([event.surprise, event.expected, event.lower, event.upper]))
    );
}

#[test]
fn a_counter_is_told_in_the_unit_of_its_rate() {
    let labels = series("orders_total", "a");
    let mut rig = Rig::new(Settings { gauges: vec![Matchers::default()], ..Settings::default() });
    let mut count = 0.0;
    for minute in 0..WARM {
        count += 60.0 * calm(minute);
        rig.sample(&labels, minute * MINUTE_MS, count);
    }
    let reading = rig.gauges.last().unwrap().reading.unwrap();
    assert!((99.0..106.0).contains(&reading.expected), "{reading:?}");
    assert!(reading.lower > 50.0 && reading.upper < 150.0, "{reading:?}");
}

#[test]
fn samples_held_back_are_told_in_order_of_event_time() {
    let labels = series("depth", "a");
    let mut settings = exporting();
    settings.ordering.lateness_ms = 3 * MINUTE_MS;
    let mut rig = Rig::new(settings);
    for block in 0..WARM / 4 {
        for minute in [2, 0, 3, 1].map(|place| 4 * block + place) {
            rig.sample(&labels, minute * MINUTE_MS, calm(minute));
        }
    }
    assert!(rig.gauges.len() > 30);
    assert!(rig.gauges.is_sorted_by(|a, b| a.at < b.at));
}

#[test]
fn a_stale_marker_ends_the_gauges_once_and_the_next_sample_begins_them_anew() {
    let labels = series("depth", "a");
    let mut rig = shown(exporting(), &labels);
    rig.sample(&labels, WARM * MINUTE_MS, STALE);
    rig.sample(&labels, (WARM + 1) * MINUTE_MS, STALE);
    assert_eq!(told(&rig), ended(WARM));
    rig.gauges.clear();
    rig.calm(&labels, WARM + 2..WARM + 3);
    assert_eq!(told(&rig), [("MetricAnomaly", WARM + 2, true)]);
}

#[test]
fn nothing_ends_of_a_series_that_was_never_judged() {
    let labels = series("depth", "a");
    let mut rig = Rig::new(exporting());
    rig.calm(&labels, 0..5);
    rig.sample(&labels, 5 * MINUTE_MS, STALE);
    rig.configure(5 * MINUTE_MS, Settings::default());
    assert!(rig.gauges.is_empty(), "{:?}", rig.gauges);
}

#[test]
fn a_series_that_outlived_its_time_takes_its_gauges_along() {
    let labels = series("depth", "a");
    let mut settings = exporting();
    settings.series.time_to_live_ms = 10 * MINUTE_MS;
    let mut rig = shown(settings, &labels);
    for minute in WARM..WARM + 15 {
        rig.quiet(minute * MINUTE_MS);
    }
    assert_eq!(told(&rig), ended(WARM - 1));
}

#[test]
fn a_configuration_that_no_longer_exports_or_watches_a_series_ends_its_gauges_once() {
    let labels = series("depth", "a");
    let ignoring = Selection { exclude: vec![named("depth")], ..Selection::default() };
    for after in [
        Settings::default(),
        Settings { gauges: vec![named("width")], ..Settings::default() },
        Settings { selection: ignoring.clone(), ..exporting() },
        Settings { selection: ignoring, ..Settings::default() },
    ] {
        let mut rig = shown(exporting(), &labels);
        rig.configure(WARM * MINUTE_MS, after.clone());
        rig.configure(WARM * MINUTE_MS, after);
        rig.calm(&labels, WARM..WARM + 2);
        assert_eq!(told(&rig), ended(WARM - 1));
    }
}

#[test]
fn a_configuration_that_exports_a_series_shows_it_from_the_next_judged_sample_on() {
    let labels = series("depth", "a");
    let mut rig = Rig::new(Settings::default());
    rig.calm(&labels, 0..WARM);
    rig.configure(WARM * MINUTE_MS, exporting());
    assert!(rig.gauges.is_empty());
    rig.configure(WARM * MINUTE_MS, exporting());
    rig.calm(&labels, WARM..WARM + 2);
    assert_eq!(told(&rig), [WARM, WARM + 1].map(|at| ("MetricAnomaly", at, true)));
}

#[test]
fn a_series_that_moves_to_a_rule_of_another_name_ends_under_the_old_one() {
    let labels = series("depth", "a");
    let renamed = |rule: Rule| Settings { rules: vec![rule], ..exporting() };
    let mut rig = shown(exporting(), &labels);
    rig.configure(WARM * MINUTE_MS, renamed(Rule { name: "Renamed".into(), ..Rule::default() }));
    rig.calm(&labels, WARM..WARM + 1);
    assert_eq!(told(&rig), [("MetricAnomaly", WARM - 1, false), ("Renamed", WARM, true)]);
}

#[test]
fn a_series_that_is_judged_otherwise_is_not_shown_before_it_has_warmed_up() {
    let labels = series("depth", "a");
    let detectors = vec![DetectorSpec::Zscore(zscore::Params::default())];
    let mut rig = shown(exporting(), &labels);
    let rules = vec![Rule { detectors, ..Rule::default() }];
    rig.configure(WARM * MINUTE_MS, Settings { rules, ..exporting() });
    rig.calm(&labels, WARM..WARM + 2);
    assert_eq!(told(&rig), ended(WARM - 1));
}

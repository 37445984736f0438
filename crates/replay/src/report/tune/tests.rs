//! What is suggested, and what is not.

use bellwether_engine::{Budget, ResolveReason};
use jiff::civil::date;

use crate::report::model::{Suggestion, SuggestionKind};
use crate::report::testing::{DAY_MS, HOUR_MS, Life, MINUTE_MS, MONDAY_MS, life, log};
use crate::report::{Period, Report};

/// A budget that no test of rules overspends.
fn plenty() -> Budget {
    Budget { per_day: 100.0, ..Budget::default() }
}

fn suggestions(lives: &[Life], budget: &Budget) -> Vec<Suggestion> {
    Report::new(log(lives), Period::week(date(2026, 3, 4)).unwrap(), budget).suggestions
}

/// One alert every four hours from Monday on.
fn alerts(count: i64, change: impl Fn(i64, Life) -> Life) -> Vec<Life> {
    (0..count).map(|n| change(n, life("m", "i", MONDAY_MS + n * 4 * HOUR_MS))).collect()
}

/// The kinds and the keys of the rule of the only suggestion.
fn only(suggestions: &[Suggestion]) -> (&[SuggestionKind], Vec<&str>) {
    let [suggestion] = suggestions else { panic!("{suggestions:#?}") };
    let yaml = suggestion.yaml.as_deref().unwrap_or_default();
    (&suggestion.kinds, yaml.lines().skip(3).map(str::trim).collect())
}

#[test]
fn a_few_ordinary_alerts_leave_nothing_to_tune() {
    assert_eq!(suggestions(&alerts(9, |_, life| life), &plenty()), []);
    assert_eq!(suggestions(&[], &plenty()), []);
}

#[test]
fn small_departures_get_a_floor_just_above_nine_in_ten_of_them() {
    let small = |n, life: Life| Life { value: 101.0 + n as f64 / 2.0, ..life };
    let found = suggestions(&alerts(10, small), &plenty());
    let keys = vec!["min_deviation: { relative: 0.051 }"];
    assert_eq!(only(&found), (&[SuggestionKind::MinDeviation][..], keys));
    assert_eq!(found[0].spared, 9);
    assert_eq!(suggestions(&alerts(4, small), &plenty()), []);
}

#[test]
fn an_alert_that_was_critical_with_a_high_peak_is_never_silenced() {
    let small = |n, life: Life| Life { value: 103.0, escalates: n == 3, peak: 8.0, ..life };
    assert_eq!(suggestions(&alerts(9, small), &plenty()), []);
    let low_peak = |n, life: Life| Life { peak: 7.9, ..small(n, life) };
    assert_eq!(suggestions(&alerts(9, low_peak), &plenty()).len(), 1);
    let high_peak_only = |n, life: Life| Life { escalates: false, ..small(n, life) };
    assert_eq!(suggestions(&alerts(9, high_peak_only), &plenty()).len(), 1);
}

#[test]
fn what_is_expected_to_be_0_has_no_relative_departure() {
    let from_0 = |_, life: Life| Life { expected: 0.0, value: 1e-9, ..life };
    assert_eq!(suggestions(&alerts(9, from_0), &plenty()), []);
}

#[test]
fn alerts_that_are_over_at_once_wait_longer() {
    let short = |n, life: Life| match n {
        8 => Life { lasts_ms: Some(HOUR_MS), ..life },
        _ => Life { lasts_ms: Some(3 * MINUTE_MS), ..life },
    };
    let found = suggestions(&alerts(9, short), &plenty());
    assert_eq!(only(&found), (&[SuggestionKind::For][..], vec!["alert: { for: 5m }"]));
    assert_eq!(found[0].spared, 8);
    // A series that ended did not behave again.
    let ended = |n, life| Life { reason: ResolveReason::SeriesEnded, ..short(n, life) };
    assert_eq!(suggestions(&alerts(9, ended), &plenty()), []);
}

#[test]
fn one_side_that_is_over_quickly_is_dropped_if_the_other_one_matters() {
    let quick_up = |n, life: Life| match n {
        6.. => Life { value: 20.0, lasts_ms: Some(2 * HOUR_MS), ..life },
        _ => Life { lasts_ms: Some(4 * MINUTE_MS), ..life },
    };
    let found = suggestions(&alerts(9, quick_up), &plenty());
    assert_eq!(only(&found), (&[SuggestionKind::Direction][..], vec!["direction: down"]));
    assert_eq!(found[0].spared, 6);
    let mirrored = |n, life| {
        let life = quick_up(n, life);
        Life { value: 200.0 - life.value, ..life }
    };
    assert_eq!(only(&suggestions(&alerts(9, mirrored), &plenty())).1, ["direction: up"]);
    // Neither side matters more than the other.
    let both_quick = |n, life| Life { lasts_ms: Some(4 * MINUTE_MS), ..quick_up(n, life) };
    assert_eq!(suggestions(&alerts(9, both_quick), &plenty()), []);
}

#[test]
fn alerts_that_come_and_go_stay_firing_in_between() {
    // From the end of one to the start of the next: 20, 25 and 30 minutes; then a day.
    let starts = [0, 30, 65, 105, 24 * 60].map(|minutes| MONDAY_MS + minutes * MINUTE_MS);
    let flapping = starts.map(|start_ms| life("m", "i", start_ms));
    let found = suggestions(&flapping, &plenty());
    let keys = vec!["alert: { keep_firing_for: 45m }"];
    assert_eq!(only(&found), (&[SuggestionKind::KeepFiringFor][..], keys));
    assert_eq!(found[0].spared, 3);
    let silent = flapping.map(|life| Life { reason: ResolveReason::Silent, ..life });
    assert_eq!(suggestions(&silent, &plenty()), []);
}

#[test]
fn one_rule_takes_care_of_everything_that_troubles_a_metric() {
    let mut lives = alerts(9, |_, life| Life { value: 102.0, ..life });
    lives.extend([0, 30, 60].map(|minutes| Life {
        value: 180.0,
        ..life("m", "i", MONDAY_MS + 5 * DAY_MS + minutes * MINUTE_MS)
    }));
    // Three large departures of twelve: nine in ten are not small.
    let found = suggestions(&lives, &plenty());
    assert_eq!(only(&found).0, [SuggestionKind::KeepFiringFor]);
    lives.extend((0..20).map(|n| Life {
        value: 102.0,
        ..life("m", "i", MONDAY_MS + 3 * DAY_MS + n * 2 * HOUR_MS)
    }));
    let found = suggestions(&lives, &plenty());
    let keys = vec!["min_deviation: { relative: 0.021 }", "alert: { keep_firing_for: 30m }"];
    assert_eq!(
        only(&found),
        (&[SuggestionKind::MinDeviation, SuggestionKind::KeepFiringFor][..], keys)
    );
}

#[test]
fn a_rule_is_for_the_labels_that_the_noisy_series_share() {
    let small = |n: i64, instance: &str| Life {
        value: 103.0,
        ..life("m", instance, MONDAY_MS + n * 4 * HOUR_MS)
    };
    let selector = |lives: &[Life]| {
        let yaml = suggestions(lives, &plenty()).remove(0).yaml.unwrap();
        yaml.lines().nth(2).unwrap().trim().to_owned()
    };
    let mut lives: Vec<_> = (0..8).map(|n| small(n, "a")).collect();
    lives.push(small(8, "b"));
    assert_eq!(selector(&lives), r#"match: '{__name__="m", instance="a", job="node"}'"#);
    lives.extend((9..14).map(|n| small(n, "b")));
    assert_eq!(selector(&lives), r#"match: '{__name__="m", job="node"}'"#);
}

#[test]
fn a_rule_that_already_has_its_name_is_not_named_again() {
    let small = |_, life: Life| Life { value: 103.0, rule: "MTuned", ..life };
    let found = suggestions(&alerts(9, small), &plenty());
    assert!(found[0].yaml.as_deref().unwrap().contains("name: MTunedTuned\n"));
    assert!(found[0].advice.contains("Rule `MTuned` judges"));
    let mut lives = alerts(9, |_, life| Life { value: 103.0, ..life });
    lives.push(Life { rule: "MTuned", ..life("other", "i", MONDAY_MS) });
    assert!(suggestions(&lives, &plenty())[0].yaml.as_deref().unwrap().contains("MTuned2\n"));
}

#[test]
fn an_overspent_budget_is_lowered_by_as_much_as_it_was_overspent() {
    let budget = Budget::default();
    let apart = |count: i64, change: fn(Life) -> Life| -> Vec<Life> {
        let start = |n| MONDAY_MS + n * 12 * HOUR_MS;
        (0..count).map(|n| change(life(&format!("m{n}"), "i", start(n)))).collect()
    };
    let found = suggestions(&apart(7, |life| life), &budget);
    assert_eq!(found[0].yaml.as_deref(), Some("alerting:\n  budget: { per_day: 0.04 }\n"));
    assert_eq!(suggestions(&apart(4, |life| life), &budget), []);
    assert_eq!(suggestions(&apart(7, |life| Life { escalates: true, ..life }), &budget), []);
    assert_eq!(suggestions(&apart(7, |life| life), &Budget { per_day: 0.5, ..budget }), []);
    let tiny = Budget { per_day: 0.0001, ..budget };
    assert_eq!(suggestions(&apart(7, |life| life), &tiny), []);
}

#[test]
fn a_budget_by_day_is_not_judged_by_less_than_a_day() {
    let start = |n: i64| MONDAY_MS + n * 20 * MINUTE_MS;
    let lives: Vec<_> = (0..7).map(|n| life(&format!("m{n}"), "i", start(n))).collect();
    let within = |hours: i64| {
        let period = Period::new(MONDAY_MS, MONDAY_MS + hours * HOUR_MS).unwrap();
        Report::new(log(&lives), period, &Budget::default()).suggestions
    };
    assert_eq!(within(24)[0].kinds, [SuggestionKind::Budget]);
    assert_eq!(within(12), []);
}

#[test]
fn a_day_over_the_cap_is_explained_by_the_label_that_sets_it_apart() {
    let mut lives: Vec<_> = (0..6)
        .map(|n| Life { sent: n < 2, ..life(&format!("m{n}"), "web-7", MONDAY_MS + n * MINUTE_MS) })
        .collect();
    let reasons = |lives: &[Life]| suggestions(lives, &plenty()).remove(0).reasons.join(" ");
    assert!(reasons(&lives).contains("held back 4 alerts"));
    assert!(reasons(&lives).contains(r#"6 of the 6 alerts of 2026-03-02 have instance="web-7""#));
    let one = Life { sent: false, ..lives[5].clone() };
    let alone = reasons(&[one]);
    assert!(
        alone.contains("held back 1 alert that day. 1 of the 1 alert of 2026-03-02 has"),
        "{alone}"
    );
    // What other days have as well explains nothing.
    lives.extend((0..6).map(|n| life(&format!("m{n}"), "web-7", MONDAY_MS + DAY_MS)));
    assert!(reasons(&lives).contains("No label sets the 6 alerts"), "{}", reasons(&lives));
}

#[test]
fn there_are_at_most_ten_and_those_that_spare_most_come_first() {
    let mut lives = Vec::new();
    for metric in 0..20 {
        for n in 0..5 + metric {
            let start_ms = MONDAY_MS + n * 4 * HOUR_MS;
            lives.push(Life { value: 103.0, ..life(&format!("m{metric}"), "i", start_ms) });
        }
    }
    let found = suggestions(&lives, &plenty());
    assert_eq!(found.iter().map(|one| one.spared).collect::<Vec<_>>()[..3], [24, 23, 22]);
    assert!(found.len() <= 10);
    let names: std::collections::BTreeSet<_> = found.iter().map(|one| &one.yaml).collect();
    assert_eq!(names.len(), found.len());
}

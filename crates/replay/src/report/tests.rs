//! The report as a whole: the fixture against its golden, and what must hold of every log.

use std::fs;
use std::path::PathBuf;

use bellwether_engine::{Budget, Event};
use jiff::civil::date;

use super::testing::{DAY_MS, HOUR_MS, Life, MINUTE_MS, MONDAY_MS, life, log, week};
use super::{Period, Report, html};

/// Cargo runs tests in the folder of their package.
fn fixture(name: &str) -> PathBuf {
    PathBuf::from("../../fixtures/report").join(name)
}

/// Compares with what is committed, or writes it when the environment has `variable`.
fn check(name: &str, actual: &str, variable: &str) {
    let path = fixture(name);
    if std::env::var_os(variable).is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, actual).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap();
    for (number, (committed, actual)) in committed.lines().zip(actual.lines()).enumerate() {
        assert_eq!(committed, actual, "{name}, line {}", number + 1);
    }
    assert_eq!(committed.len(), actual.len(), "{name} has lines more or less");
}

fn period() -> Period {
    Period::week(date(2026, 3, 4)).unwrap()
}

fn report(events: Vec<Event>) -> Report {
    Report::new(events, period(), &Budget::default())
}

#[test]
fn the_fixture_is_the_week_of_these_tests() {
    let mut lines: Vec<_> =
        week().iter().map(|event| serde_json::to_string(event).unwrap()).collect();
    // Delivery is at least once, and a line may be damaged.
    lines.insert(9, lines[7].clone());
    lines.push("{\"version\":1,\"id\":".to_owned());
    check("events.jsonl", &(lines.join("\n") + "\n"), "UPDATE_FIXTURES");
}

#[test]
fn the_report_on_the_fixture_is_as_committed() {
    let text = fs::read_to_string(fixture("events.jsonl")).unwrap();
    let events = text.lines().filter_map(|line| serde_json::from_str(line).ok());
    let mut report = report(events.collect());
    report.read.unreadable = 1;
    let json = serde_json::to_string_pretty(&report).unwrap() + "\n";
    check("golden/report.json", &json, "UPDATE_GOLDEN");
}

#[test]
fn neither_order_nor_repetition_of_events_changes_anything() {
    let straight = report(week());
    assert!(straight.read.events > 60);
    let mut twice = week();
    twice.extend(week());
    twice.reverse();
    let mut again = report(twice);
    assert_eq!(again.read.duplicates, straight.read.events);
    again.read.duplicates = 0;
    assert_eq!(again, straight);
}

#[test]
fn every_episode_is_counted_once() {
    let report = report(week());
    let counts = report.episodes;
    assert_eq!((counts.noticed_only, counts.held_back, counts.carried_over), (3, 3, 1));
    assert_eq!((counts.open, counts.lost), (1, 1));
    assert_eq!(counts.fired, report.severities.warning + report.severities.critical);
    assert_eq!(counts.fired, report.days.iter().map(|day| day.fired).sum::<u32>());
    assert_eq!(counts.fired, report.hours.iter().sum::<u32>());
    assert_eq!(counts.fired, report.rules.rows.iter().map(|row| row.fired).sum::<u32>());
    assert_eq!(report.longest.total, counts.fired as usize);
    let own: Vec<_> = report.own_alerts.iter().map(|row| row.rule.as_str()).collect();
    assert_eq!(own, ["BellwetherAlertCap", "BellwetherHealth"]);
}

#[test]
fn what_is_outside_the_period_is_not_there() {
    // They fire a minute after their start: once before Monday, twice on it, once when it is over.
    let fires = [-MINUTE_MS, 0, DAY_MS - MINUTE_MS, DAY_MS];
    let lives = fires.map(|fires_ms| Life {
        lasts_ms: None,
        ..life("m", "i", MONDAY_MS + fires_ms - MINUTE_MS)
    });
    let monday = Period::day(date(2026, 3, 2)).unwrap();
    let report = Report::new(log(&lives), monday, &Budget::default());
    assert_eq!((report.read.events, report.episodes.fired, report.days.len()), (2, 2, 1));
    assert_eq!((report.hours[0], report.hours[23]), (1, 1));
}

#[test]
fn an_open_alert_fires_until_the_newest_event_and_not_beyond() {
    let open = Life { lasts_ms: None, ..life("m", "a", MONDAY_MS) };
    let newest = life("m", "b", MONDAY_MS + HOUR_MS);
    let report = report(log(&[open, newest]));
    let longest = &report.longest.rows[0];
    assert!(longest.open);
    assert_eq!(longest.firing_ms, HOUR_MS + 14 * MINUTE_MS);
}

#[test]
fn a_quiet_week_is_said_to_be_one() {
    let report = report(Vec::new());
    assert_eq!((report.read.events, report.read.newest_ms, report.days.len()), (0, None, 7));
    assert!(report.suggestions.is_empty() && report.resolve_times.is_none());
    assert!(html(&report).unwrap().contains("holds no events of this period"));
}

#[test]
fn the_page_shows_hostile_labels_as_text() {
    let mut hostile =
        life("</title><script>alert(1)</script>", "\"><img src=x onerror=y>", MONDAY_MS);
    hostile.rule = "<script>alert(2)</script>";
    let lives: Vec<_> = (0..6)
        .map(|day| Life { value: 103.0, start_ms: MONDAY_MS + day * DAY_MS, ..hostile.clone() })
        .collect();
    let report = report(log(&lives));
    assert_eq!(report.suggestions.len(), 1);
    let page = html(&report).unwrap();
    assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
    assert!(page.contains("&lt;script&gt;alert(2)&lt;"), "{page}");
}

#[test]
fn alerts_a_day_of_less_than_a_day_are_said_to_be_extrapolated() {
    let of = |hours: i64| {
        let period = Period::new(MONDAY_MS, MONDAY_MS + hours * HOUR_MS).unwrap();
        html(&Report::new(week(), period, &Budget::default())).unwrap()
    };
    assert!(of(20).contains(" a day, extrapolated from 20h"));
    assert!(!of(24).contains("extrapolated"));
}

#[test]
fn the_page_needs_nothing_from_elsewhere() {
    let page = html(&report(week())).unwrap();
    for word in ["http://", "https://", "src=", "@import", "url(", "<link", "undefined"] {
        assert!(!page.contains(word), "{word}");
    }
    assert!(page.contains("<svg") && !page.contains("Nothing to tune"));
}

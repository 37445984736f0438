//! `bellwether report` as a shell sees it, and its suggestions as `bellwether check` sees them.
//!
//! `UPDATE_GOLDEN=1 cargo test --test report` writes the golden anew; the fixture and the JSON golden are those of
//! `crates/replay/src/report/tests.rs`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use assert_cmd::cargo::CommandCargoExt;
use bellwether::config::Config;
use bellwether_engine::Event;
use bellwether_eventlog::{EventLogOptions, FileSink};
use bellwether_runtime::EventSink;
use serde_json::Value;

/// Cargo runs tests in the folder of their package.
fn fixture(name: &str) -> PathBuf {
    Path::new("../../fixtures/report").join(name)
}

/// Exit code, standard output and standard error of `bellwether report`.
fn report<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> (i32, String, String) {
    let mut command = Command::cargo_bin("bellwether").unwrap();
    let output = command.arg("report").args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn on_fixture(arguments: &[&str]) -> String {
    let events = fixture("events.jsonl");
    let mut all = vec![events.to_str().unwrap()];
    all.extend(arguments);
    let (code, out, err) = report(&all);
    assert_eq!(code, 0, "{err}");
    assert_eq!(err.lines().count(), 1, "{err}");
    assert!(err.starts_with("warning: ") && err.contains("line=`66`"), "{err}");
    out
}

/// The events of the fixture.
fn events() -> Vec<Event> {
    let text = fs::read_to_string(fixture("events.jsonl")).unwrap();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[test]
fn the_text_is_as_committed_and_fits_a_terminal() {
    let text = on_fixture(&["--week", "2026-03-02"]);
    let path = fixture("golden/report.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, &text).unwrap();
    }
    assert_eq!(text, fs::read_to_string(path).unwrap());
    for line in text.lines().filter(|line| !line.starts_with("      ")) {
        assert!(line.chars().count() <= 100, "{line}");
        assert!(!line.contains(char::is_control), "{line:?}");
    }
}

#[test]
fn the_json_is_the_report() {
    let json: Value =
        serde_json::from_str(&on_fixture(&["--week=2026-03-08", "--format=json"])).unwrap();
    let golden = fs::read_to_string(fixture("golden/report.json")).unwrap();
    assert_eq!(json, serde_json::from_str::<Value>(&golden).unwrap());
}

#[test]
fn without_a_period_it_is_about_the_seven_days_up_to_the_newest_event() {
    let json: Value = serde_json::from_str(&on_fixture(&["--format", "json"])).unwrap();
    let newest = events().iter().map(|event| event.at_ms.as_ms()).max().unwrap();
    assert_eq!(json["period"]["until_ms"], newest + 1);
    assert_eq!(json["days"].as_array().unwrap().len(), 7);
    let since: Value =
        serde_json::from_str(&on_fixture(&["--format", "json", "--since", "2026-03-02"])).unwrap();
    assert_eq!(since, json);
}

#[test]
fn without_a_path_it_reads_the_event_log_of_the_data_folder() {
    let data = tempfile::tempdir().unwrap();
    let options = EventLogOptions {
        folder: data.path().join("events"),
        flush_interval_ms: 60_000,
        keep_ms: 0,
        queue_events_max: 1000,
    };
    let log = FileSink::event_log("event_log", options).unwrap();
    for event in events() {
        log.publish(&Arc::new(event));
    }
    log.close(Duration::from_secs(20));
    let arguments = ["--data-dir", data.path().to_str().unwrap(), "--format", "json"];
    let (code, json, err) = report(&arguments);
    assert_eq!((code, err.as_str()), (0, ""));
    let mut json: Value = serde_json::from_str(&json).unwrap();
    let mut lines: Value = serde_json::from_str(&on_fixture(&["--format", "json"])).unwrap();
    // The damaged line is in one of them only.
    json["read"].take();
    lines["read"].take();
    assert_eq!(json, lines);
}

#[test]
fn one_day_is_cut_at_midnight_in_utc() {
    let day: Value =
        serde_json::from_str(&on_fixture(&["--day", "2026-03-05", "--format", "json"])).unwrap();
    assert_eq!(day["days"].as_array().unwrap().len(), 1);
    assert_eq!(day["episodes"]["held_back"], 3);
    let times = ["--since", "2026-03-05T00:00:00Z", "--until", "2026-03-06", "--format", "json"];
    assert_eq!(serde_json::from_str::<Value>(&on_fixture(&times)).unwrap(), day);
}

#[test]
fn what_is_said_by_day_of_less_is_said_to_be_extrapolated() {
    let half = ["--since", "2026-03-03T06:00:00Z", "--until", "2026-03-03T18:00:00Z"];
    let text = on_fixture(&half);
    assert!(text.contains(" alerts a day, extrapolated from 12h, "), "{text}");
    assert!(!on_fixture(&["--day", "2026-03-03"]).contains("extrapolated"));
}

#[test]
fn the_budget_is_that_of_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("bellwether.yml");
    fs::write(&config, "alerting: { budget: { per_day: 10 } }\n").unwrap();
    let json = on_fixture(&["--format", "json", "--config", config.to_str().unwrap()]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["budget"]["per_day"], 10.0);
}

#[test]
fn every_suggestion_is_a_configuration_that_matches_the_series_it_is_about() {
    let json: Value =
        serde_json::from_str(&on_fixture(&["--week=2026-03-04", "--format=json"])).unwrap();
    let mut kinds: Vec<_> = Vec::new();
    let mut names = Vec::new();
    for suggestion in json["suggestions"].as_array().unwrap() {
        let title = suggestion["title"].as_str().unwrap();
        kinds.extend(
            suggestion["kinds"].as_array().unwrap().iter().map(|kind| kind.as_str().unwrap()),
        );
        let Some(yaml) = suggestion["yaml"].as_str() else { continue };
        let config = Config::parse(yaml, "suggestion.yml", Path::new("."), &HashMap::new());
        let config = config.unwrap_or_else(|faults| panic!("{yaml}\n{faults}"));
        let [rule, _fallback] = config.engine.rules.as_slice() else { continue };
        names.push(rule.name.clone());
        let metric = title.split(':').next().unwrap();
        let matched = events().into_iter().filter(|event| rule.matchers.matches(&event.labels));
        let metrics: Vec<_> = matched.map(|event| event.labels.metric_name().to_owned()).collect();
        assert!(!metrics.is_empty() && metrics.iter().all(|name| name == metric), "{yaml}");
    }
    assert_eq!(kinds, ["for", "min_deviation", "keep_firing_for", "common_cause"]);
    names.dedup();
    assert_eq!(names.len(), 3);
}

#[test]
fn hostile_labels_make_suggestions_that_are_still_configurations() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let hostile = "'\"\\ }${HOME}#: \n\t\u{85}\u{202e}\u{feff}\u{1f600}\u{e9}";
    let mut text = String::new();
    for event in events() {
        let mut event = serde_json::to_value(event).unwrap();
        event["labels"]["instance"] = hostile.into();
        text.push_str(&(event.to_string() + "\n"));
    }
    fs::write(&path, text).unwrap();
    let (code, json, _) = report(&[path.to_str().unwrap(), "--format=json"]);
    assert_eq!(code, 0);
    let json: Value = serde_json::from_str(&json).unwrap();
    let yamls = json["suggestions"].as_array().unwrap().iter();
    let rules: Vec<_> = yamls
        .filter_map(|suggestion| suggestion["yaml"].as_str())
        .filter(|yaml| yaml.starts_with("rules:"))
        .map(|yaml| {
            let config = Config::parse(yaml, "suggestion.yml", Path::new("."), &HashMap::new());
            config.unwrap_or_else(|faults| panic!("{yaml}\n{faults}")).engine.rules.remove(0)
        })
        .collect();
    assert!(!rules.is_empty());
    for rule in rules {
        let text = rule.matchers.to_string();
        assert!(text.contains("instance="), "{text}");
        let labels = bellwether_series::LabelSet::from_pairs([
            ("__name__", metric_of(&text)),
            ("instance", hostile),
            ("job", "node"),
        ]);
        assert!(rule.matchers.matches(&labels.unwrap()), "{text}");
    }
}

/// The name between the first quotes.
fn metric_of(matchers: &str) -> &str {
    let (_, rest) = matchers.split_once("__name__=\"").unwrap();
    rest.split('"').next().unwrap()
}

#[test]
fn the_page_is_written_to_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.html");
    let out = on_fixture(&["--format", "html", "--output", path.to_str().unwrap()]);
    assert_eq!(out, "");
    let page = fs::read_to_string(path).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    assert!(page.contains("&lt;b&gt;web-9&lt;") && !page.contains("<b>web-9"));
}

#[test]
fn what_cannot_be_read_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let noise = folder.path().join("noise.jsonl");
    fs::write(&noise, "not an event\n").unwrap();
    let absent = folder.path().join("absent");
    let cases: [(&[&str], &str); 3] = [
        (
            &[noise.to_str().unwrap()],
            "error: the event log cannot be read\n  caused by: line is not",
        ),
        (&[absent.to_str().unwrap()], "error: events cannot be read: path="),
        (&["--data-dir", absent.to_str().unwrap()], "error: there is no event log: path="),
    ];
    for (arguments, message) in cases {
        let (code, out, err) = report(arguments);
        assert_eq!((code, out.as_str()), (1, ""), "{arguments:?}");
        assert!(err.starts_with(message), "{err}");
    }
}

#[test]
fn an_empty_log_is_reported_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    fs::write(&path, "").unwrap();
    for (format, message) in [
        ("text", "holds no events of this period"),
        ("json", "\"events\": 0"),
        ("html", "holds no events of this period"),
    ] {
        let (code, out, err) = report(&[path.to_str().unwrap(), "--format", format]);
        assert_eq!((code, err.as_str()), (0, ""));
        assert!(out.contains(message), "{out}");
    }
}

#[test]
fn wrong_periods_are_refused() {
    for arguments in [
        &["--day", "2026-02-30"][..],
        &["--day", "2026-03-01", "--since", "2026-03-01"],
        &["--since", "yesterday"],
        &["--format", "pdf"],
    ] {
        assert_eq!(report(arguments).0, 2, "{arguments:?}");
    }
    let events = fixture("events.jsonl");
    let (code, _, err) =
        report(&[events.to_str().unwrap(), "--since", "2026-03-02", "--until", "2026-03-01"]);
    assert_eq!(code, 2);
    assert!(err.starts_with("error: the period is empty: since=`2026-03-02 00:00`"), "{err}");
}

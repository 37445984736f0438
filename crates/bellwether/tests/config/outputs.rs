//! Gauges, sinks and health: what the keys become.

use std::path::Path;

use bellwether::config::{Config, StdoutFormat};
use bellwether_detect::Severity;

use super::{good, text};

fn parse(yaml: &str) -> Config {
    text(yaml).unwrap_or_else(|faults| panic!("{faults}"))
}

#[test]
fn without_configuration_events_are_printed_and_logged_and_nothing_is_sent() {
    let Config { gauges, sinks, health, engine, .. } = good("empty.yml");
    assert_eq!(sinks.stdout, StdoutFormat::Text);
    assert!(sinks.json_lines.is_none() && sinks.webhooks.is_empty());
    let log = sinks.event_log.unwrap();
    assert_eq!(log.folder, Path::new("events"));
    assert_eq!((log.flush_interval_ms, log.keep_ms), (60_000, 90 * 86_400_000));
    assert!(engine.gauges.is_empty() && gauges.targets.is_empty());
    assert_eq!((health.alert_after_ms, health.history_max), (60_000, 1000));
}

#[test]
fn gauges_and_sinks_become_options() {
    let Config { gauges, sinks, engine, .. } = good("outputs.yml");
    assert_eq!(engine.gauges[0].to_string(), "{job=\"checkout\"}");
    assert_eq!(gauges.flush_interval_ms, 250);
    assert_eq!(gauges.targets[0].url, "http://prometheus:9090/api/v1/write");
    assert_eq!(sinks.stdout, StdoutFormat::Off);
    assert!(sinks.event_log.is_none());
    let lines = sinks.json_lines.unwrap();
    assert_eq!(lines.path, Path::new("events.jsonl"));
    assert_eq!((lines.rotate_bytes, lines.files_max), (100 << 20, 10));
    let webhook = &sinks.webhooks[0];
    assert_eq!((webhook.name.as_str(), webhook.severity), ("webhook_0", Severity::Warning));
    assert_eq!(webhook.endpoint.url, "https://hooks.example/bellwether?tenant=a");
    assert_eq!(webhook.secret.as_ref().unwrap().expose(), "not-a-real-key");
}

#[test]
fn every_sink_has_the_queue_that_all_have() {
    let sinks = "sinks: { queue_events_max: 7, json_lines: {}, webhooks: [{ url: http://a }] }";
    let sinks = parse(sinks).sinks;
    assert_eq!(sinks.queue_events_max, 7);
    assert_eq!(sinks.json_lines.unwrap().queue_events_max, 7);
    assert_eq!(sinks.event_log.unwrap().queue_events_max, 7);
    assert_eq!(sinks.webhooks[0].queue_events_max, 7);
}

#[test]
fn secrets_of_webhooks_and_gauges_stay_hidden() {
    let config = good("full.yml");
    let [file, variable, ..] = config.sinks.webhooks.as_slice() else { panic!("{config:?}") };
    for webhook in [file, variable] {
        assert_eq!(webhook.secret.as_ref().unwrap().expose(), "not-a-real-key");
    }
    let targets = config.gauges.targets.iter();
    let bearers: Vec<_> = targets.filter_map(|target| target.authorization.as_ref()).collect();
    assert!(bearers.iter().all(|bearer| bearer.credentials.expose() == "not-a-real-token"));
    assert_eq!(bearers.len(), 2);
    assert!(!format!("{config:?}").contains("not-a-real"));
}

#[test]
fn what_is_exported_does_not_change_the_digest() {
    let digest = |yaml: &str| parse(yaml).engine.digest;
    assert_eq!(digest("gauges: { match: [up] }"), digest(""));
    assert_eq!(digest("sinks: { stdout: json }"), digest(""));
}

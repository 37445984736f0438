//! Where events go besides Alertmanager, and what the engine says about itself.

use std::fs;

use bellwether_eventlog::{Wanted, read};
use serde_json::Value;

use crate::LEARNED;
use crate::alertmanager::Alertmanager;
use crate::exposition::total;
use crate::poll::{seconds, until};
use crate::server::{Server, samples, steady};

/// A series that ends in an incident.
fn incident(metric: &str) -> Vec<u8> {
    let mut values = steady(LEARNED);
    values.extend([400.0; 10]);
    samples(metric, &values)
}

/// The events that are JSON lines in `text`; other lines and an unfinished one are passed over.
fn json_lines(text: &str) -> Vec<Value> {
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[test]
fn the_same_events_are_printed_written_logged_and_posted() {
    let dir = tempfile::tempdir().unwrap();
    // It takes any POST of JSON.
    let hook = Alertmanager::start();
    let config = format!(
        "sinks:\n  stdout: json\n  json_lines: {{ path: events.jsonl }}\n  event_log: {{ flush_interval: 1s }}\n\
         \x20 webhooks: [{{ url: '{}/hook', secret: canary, severity: info }}]\n",
        hook.url()
    );
    let mut server = Server::start(dir.path(), &config);
    server.write(&incident("queue_depth"));
    let posted = hook.next(seconds(20)).alerts;
    let total_events = until(seconds(20), "the alert to fire", || {
        let summary = server.json("/api/v1/summary");
        (summary["by_change"]["firing"] == 1).then(|| summary["total"].as_u64().unwrap())
    });
    let metrics = until(seconds(20), "the sinks to have delivered", || {
        let metrics = server.metrics();
        let done = ["stdout", "json_lines", "event_log", "webhook_0"].iter().all(|sink| {
            let line = format!("bellwether_sink_events_total{{sink=\"{sink}\"}} {total_events}\n");
            metrics.contains(&line)
        });
        done.then_some(metrics)
    });
    assert!(total(&metrics, "bellwether_sink_events_dropped_total") < 0.5, "{metrics}");
    assert!(!metrics.contains("canary") && !server.log().contains("canary"));

    let written = fs::read_to_string(dir.path().join("data/events.jsonl")).unwrap();
    let written = json_lines(&written);
    assert_eq!(written.len() as u64, total_events);
    let wanted = Wanted::default();
    let logged: Vec<Value> = read(&dir.path().join("data/events"), wanted)
        .unwrap()
        .map(|event| serde_json::to_value(event.unwrap()).unwrap())
        .collect();
    assert_eq!(logged, written);
    assert_eq!(posted[0], written[0]);
    let printed: Vec<Value> = json_lines(&server.log())
        .into_iter()
        .filter(|line| line["episode_id"].is_string())
        .collect();
    assert_eq!(printed, written);
    assert_eq!(server.terminate().code(), Some(0));
}

#[test]
fn a_sink_that_fails_stops_nothing_and_the_engine_alerts_about_itself() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("data")).unwrap();
    // A file where the folder of the sink's file would be.
    fs::write(dir.path().join("data/blocked"), "").unwrap();
    let alertmanager = Alertmanager::start();
    let config = format!(
        "sinks: {{ json_lines: {{ path: blocked/events.jsonl }} }}\nhealth: {{ alert_after: 0s }}\n\
         alerting: {{ alertmanagers: [{{ url: '{}' }}] }}\n",
        alertmanager.url()
    );
    let server = Server::start(dir.path(), &config);
    server.write(&incident("queue_depth"));
    let alerts = until(seconds(30), "both alerts", || {
        let answer = server.json("/api/v1/anomalies");
        let firing = |event: &Value| (event["change"] == "firing").then(|| event["rule"].clone());
        let mut rules: Vec<_> =
            answer["anomalies"].as_array().unwrap().iter().filter_map(firing).collect();
        rules.sort_by_key(Value::to_string);
        (rules == ["BellwetherHealth", "MetricAnomaly"]).then_some(answer)
    });
    let own = alerts["anomalies"]
        .as_array()
        .unwrap()
        .iter()
        .find(|event| event["rule"] == "BellwetherHealth")
        .unwrap();
    assert_eq!(own["labels"]["check"], "sink_json_lines");
    assert_eq!((&own["severity"], &own["alert"]), (&"warning".into(), &true.into()));
    until(seconds(20), "Alertmanager to hear of it", || {
        let alerts = alertmanager.next(seconds(20)).alerts;
        let is_own = |alert: &Value| alert["labels"]["alertname"] == "BellwetherHealth";
        alerts.iter().any(is_own).then_some(())
    });

    let health = server.json("/health?history=1");
    assert_eq!(health["status"], "degraded", "{health}");
    assert_eq!(health["history"][0]["unwell"][0]["check"], "sink_json_lines", "{health}");
    assert!(server.json("/health").get("history").is_none());
    assert_eq!(server.get("/health?histry=1").status, 400);

    fs::remove_file(dir.path().join("data/blocked")).unwrap();
    fs::create_dir(dir.path().join("data/blocked")).unwrap();
    until(seconds(30), "its end to be told", || {
        let answer = server.json("/api/v1/anomalies");
        let over =
            |event: &Value| event["rule"] == "BellwetherHealth" && event["change"] == "resolved";
        answer["anomalies"].as_array().unwrap().iter().any(over).then_some(())
    });
    assert!(
        json_lines(&fs::read_to_string(dir.path().join("data/blocked/events.jsonl")).unwrap())
            .iter()
            .any(|event| event["rule"] == "MetricAnomaly" && event["change"] == "firing")
    );
}

#[test]
fn what_waits_for_a_webhook_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let config = |url: &str| {
        format!(
            "checkpoints: {{ every: 1s }}\nsinks:\n  webhooks: [{{ url: '{url}', severity: info }}]\n"
        )
    };
    // Nobody listens on the discard port.
    let server = Server::start(dir.path(), &config("http://127.0.0.1:9"));
    server.write(&incident("queue_depth"));
    let checkpoints = || total(&server.metrics(), "bellwether_checkpoints_total");
    until(seconds(20), "the alert to fire", || {
        (server.json("/api/v1/summary")["by_change"]["firing"] == 1).then_some(())
    });
    // One may be under way that does not know of it.
    let before = checkpoints();
    until(seconds(20), "two more checkpoints", || (checkpoints() >= before + 2.0).then_some(()));
    drop(server);

    let hook = Alertmanager::start();
    let _server = Server::start(dir.path(), &config(&hook.url()));
    let posted = hook.next(seconds(20)).alerts;
    assert_eq!(posted[0]["labels"]["__name__"], "queue_depth", "{posted:?}");
}

#[test]
fn what_a_webhook_has_is_not_posted_again_after_a_clean_stop() {
    let dir = tempfile::tempdir().unwrap();
    let hook = Alertmanager::start();
    let config = format!("sinks: {{ webhooks: [{{ url: '{}', severity: info }}] }}\n", hook.url());
    let mut server = Server::start(dir.path(), &config);
    server.write(&incident("queue_depth"));
    let posted = until(seconds(20), "all to be posted", || {
        let summary = server.json("/api/v1/summary");
        let total_events = summary["total"].as_u64().unwrap();
        let line = format!("bellwether_sink_events_total{{sink=\"webhook_0\"}} {total_events}\n");
        let is_done = summary["by_change"]["firing"] == 1 && server.metrics().contains(&line);
        is_done.then_some(total_events)
    });
    for _ in 0..posted {
        assert_eq!(hook.next(seconds(20)).alerts[0]["labels"]["__name__"], "queue_depth");
    }
    assert_eq!(server.terminate().code(), Some(0));
    assert!(server.log().contains("checkpoint made at the end"));

    let server = Server::start(dir.path(), &config);
    server.write(&incident("other"));
    // What was told again would be before it.
    assert_eq!(hook.next(seconds(20)).alerts[0]["labels"]["__name__"], "other");
}

#[test]
fn an_alert_about_health_goes_on_after_a_kill_and_ends() {
    let dir = tempfile::tempdir().unwrap();
    let blocked = dir.path().join("data/blocked");
    fs::create_dir(dir.path().join("data")).unwrap();
    fs::write(&blocked, "").unwrap();
    let alertmanager = Alertmanager::start();
    let config = format!(
        "sinks: {{ json_lines: {{ path: blocked/events.jsonl }} }}\nhealth: {{ alert_after: 0s }}\n\
         alerting: {{ alertmanagers: [{{ url: '{}' }}] }}\n",
        alertmanager.url()
    );
    let own = |server: &Server, change: &str| {
        let answer = server.json("/api/v1/anomalies");
        let events = answer["anomalies"].as_array().unwrap().clone();
        let is_own =
            |event: &Value| event["rule"] == "BellwetherHealth" && event["change"] == change;
        events.into_iter().find(is_own)
    };
    let server = Server::start(dir.path(), &config);
    server.write(&incident("queue_depth"));
    let fired = until(seconds(30), "the alert", || own(&server, "firing"));
    drop(server);

    fs::remove_file(&blocked).unwrap();
    fs::create_dir(&blocked).unwrap();
    let mut server = Server::start(dir.path(), &config);
    let over = until(seconds(30), "its end", || own(&server, "resolved"));
    assert_eq!(over["episode_id"], fired["episode_id"]);
    assert_eq!((&over["starts_at_ms"], &over["sequence"]), (&fired["starts_at_ms"], &1.into()));
    until(seconds(20), "Alertmanager to hear of its end", || {
        let alerts = alertmanager.next(seconds(20)).alerts;
        let ends = |alert: &Value| {
            let ends_at: Option<jiff::Timestamp> = alert["endsAt"].as_str()?.parse().ok();
            let is_own = alert["labels"]["alertname"] == "BellwetherHealth";
            (is_own && ends_at? <= jiff::Timestamp::now()).then_some(())
        };
        alerts.iter().find_map(ends)
    });
    let file = dir.path().join("data/health-alert.json");
    until(seconds(20), "nothing to be kept any more", || (!file.exists()).then_some(()));
    assert_eq!(server.terminate().code(), Some(0));
}

//! `bellwether run` as a process: what goes in over HTTP, what comes out, and how it ends.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod alertmanager;
mod answers;
mod explain;
#[path = "../e2e/exposition.rs"]
mod exposition;
#[path = "../e2e/http.rs"]
mod http;
mod learned;
mod otlp;
#[path = "../e2e/poll.rs"]
mod poll;
#[path = "../e2e/process.rs"]
#[expect(dead_code, reason = "shared with a test that needs more of it")]
mod process;
mod reload;
mod secure;
mod security;
mod server;
mod sinks;
mod tenants;

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::exposition::total;
use crate::poll::{seconds, until};
use crate::process::Process;
use crate::server::{Server, samples, steady};

/// Samples before the detectors judge, twice over.
const LEARNED: usize = 150;

#[test]
fn samples_show_up_in_metrics_and_series_and_sigterm_ends_it_cleanly() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path(), "");
    server.write(&samples("queue_depth", &steady(LEARNED)));
    server.write(&samples("other", &steady(3)));
    server.until_decided(2);

    let metrics = server.metrics();
    for (name, expected) in [
        ("bellwether_samples_received_total", 153.0),
        ("bellwether_series_active", 2.0),
        ("bellwether_series_watched", 2.0),
        ("bellwether_samples_rejected_total", 0.0),
        ("bellwether_samples_dropped_total", 0.0),
        ("bellwether_decision_latency_seconds_count", 2.0),
        ("bellwether_ready", 1.0),
    ] {
        assert!((total(&metrics, name) - expected).abs() < 0.5, "{name} in {metrics}");
    }
    assert!(total(&metrics, "bellwether_samples_judged_total") >= 60.0, "{metrics}");
    assert!(total(&metrics, "process_resident_memory_bytes") > 1e6, "{metrics}");

    let answer = server.json("/api/v1/series?match=%7Bjob%3D%22test%22%7D&limit=1");
    assert_eq!(answer["series"].as_array().unwrap().len(), 1, "{answer}");
    let profile = server.json("/api/v1/profile");
    let kinds = profile["memory"].as_array().unwrap();
    let bytes = kinds.iter().map(|kind| kind["bytes"].as_u64().unwrap());
    assert!(kinds.iter().any(|kind| kind["kind"] == "seasonal"), "{profile}");
    assert_eq!(Some(bytes.sum::<u64>()), profile["memory_bytes"].as_u64());
    let answer = server.json("/api/v1/series?match=queue_depth");
    let series = &answer["series"][0];
    assert_eq!(series["labels"]["__name__"], "queue_depth", "{answer}");
    assert_eq!((&series["warming_up"], &series["rule"]), (&false.into(), &"MetricAnomaly".into()));
    assert_eq!(server.json("/health")["status"], "healthy");

    assert_eq!(server.terminate().code(), Some(0));
    assert!(!dir.path().join("data/listen.addr").exists());
}

#[test]
fn a_stop_while_it_recovers_is_a_clean_one() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), "");
    // Enough that reading them again takes longer than a signal.
    for index in 0..40 {
        server.write(&samples(&format!("m{index}"), &steady(5000)));
    }
    server.until_decided(40);
    drop(server);
    _ = fs::remove_file(dir.path().join("data/listen.addr"));
    let mut process = Process::start("again", dir.path(), &mut server::command(dir.path()));
    process.until("its address", |_| server::address(dir.path()));
    assert_eq!(process.terminate(seconds(10)).code(), Some(0));
    // Should it have been ready by then, it has stopped all the same.
    let log = process.log();
    assert!(log.contains("stopped while it recovered") || log.contains("stopping"), "{log}");
    assert!(!dir.path().join("data/listen.addr").exists());
}

#[test]
fn an_anomaly_is_printed_listed_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), "");
    let mut values = steady(LEARNED);
    values.extend([400.0; 10]);
    server.write(&samples("queue_depth", &values));

    let fired = until(seconds(10), "an alert to fire", || {
        let anomalies = server.json("/api/v1/anomalies");
        let anomalies = anomalies["anomalies"].as_array().unwrap();
        anomalies.iter().find(|event| event["change"] == "firing").cloned()
    });
    assert_eq!(fired["labels"]["__name__"], "queue_depth");
    let episode = fired["episode_id"].as_str().unwrap();
    let of_episode = server.json(&format!("/api/v1/anomalies?episode={episode}"));
    let same = |event: &Value| event["episode_id"].as_str() == Some(episode);
    assert!(of_episode["anomalies"].as_array().unwrap().iter().all(same), "{of_episode}");
    let summary = server.json("/api/v1/summary");
    assert_eq!(summary["by_change"]["firing"], 1, "{summary}");
    assert_eq!(summary["most_common"]["metrics"][0]["name"], "queue_depth", "{summary}");
    assert!(total(&server.metrics(), "bellwether_events_total") >= 1.0);

    let id = fired["id"].as_str().unwrap();
    until(seconds(10), "the anomaly to be printed and logged", || {
        let log = server.log();
        let printed = log.lines().any(|line| line.contains("FIRING") && line.contains(id));
        let logged = log.lines().any(|line| line.contains("event_id") && line.contains(id));
        (printed && logged).then_some(())
    });
}

#[test]
fn the_gauges_of_selected_series_are_exposed_with_the_band_they_were_judged_by() {
    let dir = tempfile::tempdir().unwrap();
    let server =
        Server::start(dir.path(), "gauges: { match: ['{job=\"test\"}'], series_max: 1 }\n");
    server.write(&samples("queue_depth", &steady(LEARNED)));
    server.write(&samples("beyond_the_limit", &steady(LEARNED)));
    server.until_decided(2);
    let metrics = server.metrics();
    let gauge = |name: &str| {
        let start =
            format!("{name}{{job=\"test\",metric=\"queue_depth\",rule=\"MetricAnomaly\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&start));
        line.unwrap_or_else(|| panic!("{start}in {metrics}")).parse::<f64>().unwrap()
    };
    let [lower, expected, upper] =
        ["_lower", "", "_upper"].map(|edge| gauge(&format!("bellwether_expected{edge}")));
    assert!(lower < expected && expected < upper, "{lower} {expected} {upper}");
    assert!((100.0..110.0).contains(&expected), "{expected}");
    assert!((0.0..5.0).contains(&gauge("bellwether_surprise")));
    assert!(!metrics.contains("metric=\"beyond_the_limit\""), "{metrics}");
    assert!(total(&metrics, "bellwether_derived_series_refused_total") > 1.0);
    assert!((total(&metrics, "bellwether_derived_series") - 1.0).abs() < 0.5);
}

#[test]
fn a_reload_keeps_what_was_learned_and_a_bad_file_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), "alerting: { budget: { per_day: 1 } }\n");
    server.write(&samples("queue_depth", &steady(LEARNED)));
    server.until_decided(1);
    let before = server.json("/api/v1/series");
    assert_eq!(before["series"][0]["warming_up"], false, "{before}");

    server.configure("alerting: { budget: { per_day: 2 } }\nlog: { level: debug }\n");
    let answer = server.reload();
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.body.contains("needs a restart: log"), "{}", answer.body);
    assert_eq!(server.json("/api/v1/series"), before);

    server.configure("alertng: {}\n");
    let answer = server.reload();
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("did you mean `alerting`?"), "{}", answer.body);
    let reloaded = |server: &Server| {
        total(&server.metrics(), "bellwether_config_last_reload_successful") > 0.5
    };
    assert!(!reloaded(&server));
    assert_eq!(server.json("/api/v1/series"), before);

    server.configure("series: { active_max: 7 }\n");
    server.signal("HUP");
    until(seconds(10), "the configuration to be reloaded", || reloaded(&server).then_some(()));
    assert!((total(&server.metrics(), "bellwether_series_limit") - 7.0).abs() < 0.5);
    assert_eq!(server.json("/api/v1/series"), before);
}

#[test]
fn the_page_for_operators_names_every_metric_and_no_other() {
    // Cargo runs tests in the folder of their package.
    let page = fs::read_to_string("../../docs/operating.md").unwrap();
    let documented: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name)
        .filter(|name| name.starts_with("bellwether_") || name.starts_with("process_"))
        .collect();
    let dir = tempfile::tempdir().unwrap();
    // Nobody listens there; with them, and with a tenant, the metrics about them are there.
    let server = Server::start(
        dir.path(),
        "alerting: { alertmanagers: [{ url: 'http://127.0.0.1:9' }] }\n\
         gauges: { match: ['gauge_me'], remote_write: [{ url: 'http://127.0.0.1:9' }] }\n\
         kafka: { brokers: ['127.0.0.1:9'], topics: [metrics] }\n\
         tenants: { header: X-Scope-OrgID, default: me, allow: [{ name: me }] }\n",
    );
    server.write(&samples("gauge_me", &steady(LEARNED)));
    server.until_decided(1);
    // One of several processes that share a topic has more to say.
    let worker_dir = tempfile::tempdir().unwrap();
    let store = worker_dir.path().join("store");
    let worker = Server::start(
        worker_dir.path(),
        &format!(
            "kafka: {{ brokers: ['127.0.0.1:9'], topics: [metrics], workers: {{ checkpoints: 'file://{}' }} }}\n",
            store.display()
        ),
    );
    let metrics = [server.metrics(), worker.metrics()].concat();
    let exposed: BTreeSet<&str> = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .map(|(name, _)| name)
        .collect();
    assert!(exposed.contains("bellwether_alertmanager_up"), "{metrics}");
    assert_eq!(documented, exposed);
}

#[test]
fn a_second_process_on_the_same_data_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), "");
    let output = server::command(dir.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("in use by another process"), "{error}");
    assert_eq!(server.json("/health")["status"], "healthy");
}

#[test]
fn a_closed_standard_output_stops_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = server::command(dir.path());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    drop(child.stdout.take());
    let address = until(seconds(60), "its address", || server::address(dir.path()));
    until(seconds(60), "it to be ready", || {
        (http::get(address, "/ready").ok()?.status == 200).then_some(())
    });
    let mut values = steady(LEARNED);
    values.extend([400.0; 10]);
    for metric in ["a", "b"] {
        let answer = server::write(address, &samples(metric, &values));
        assert_eq!(answer.status, 204, "{}", answer.body);
    }
    until(seconds(10), "both to fire", || {
        let answer = http::get(address, "/api/v1/summary").unwrap();
        let summary: Value = serde_json::from_str(&answer.body).unwrap();
        (summary["by_change"]["firing"] == 2).then_some(())
    });
    let kill = format!("kill -INT {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    let status = until(Duration::from_secs(10), "it to end", || child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}

#[test]
fn wrong_requests_get_answers_that_say_so() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), "");
    for (path, status) in [
        ("/api/v1/anomalies?limit=0", 400),
        ("/api/v1/anomalies?severity=bad", 400),
        ("/api/v1/anomalies?since=yesterday", 400),
        ("/api/v1/series?match=%7B", 400),
        ("/api/v1/unknown", 404),
    ] {
        let answer = server.get(path);
        assert_eq!(answer.status, status, "{path}");
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        assert!(!body["error"].as_str().unwrap().is_empty(), "{path}");
    }
    for (path, status) in [
        ("/", 200),
        ("/ready", 200),
        ("/-/ready", 200),
        ("/live", 200),
        ("/-/healthy", 200),
        ("/-/reload", 405),
        ("/api/v1/write", 405),
    ] {
        assert_eq!(server.get(path).status, status, "{path}");
    }
}

#[test]
fn a_wrong_configuration_is_refused_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("bellwether.yml"), "rules: 7\n").unwrap();
    let output = server::command(dir.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("bellwether.yml:1:"), "{error}");
    assert!(!dir.path().join("data").exists());
}

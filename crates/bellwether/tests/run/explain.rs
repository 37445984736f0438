//! `bellwether explain` beside a `run` that goes on.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::poll::{seconds, until};
use crate::server::{Server, samples, steady};

/// Samples before the queue is too long.
const LEARNED: usize = 150;

/// What explain prints, which must be well.
fn explain(dir: &Path, args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bellwether"));
    let output = command.current_dir(dir).arg("explain").args(args).output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert_eq!((output.status.code(), &*err), (Some(0), ""), "{args:?}: {out}");
    out
}

#[test]
fn an_event_of_a_running_server_is_recomputed_from_the_journal_that_it_writes() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), "");
    let mut values = steady(LEARNED);
    values.extend([400.0; 10]);
    server.write(&samples("queue_depth", &values));
    let calm: Vec<f64> = values.iter().map(|value| value.min(111.0)).collect();
    server.write(&samples("other", &calm));
    let fired = until(seconds(10), "an alert to fire", || {
        let anomalies = server.json("/api/v1/anomalies");
        let anomalies = anomalies["anomalies"].as_array().unwrap();
        anomalies.iter().find(|event| event["change"] == "firing").cloned()
    });
    server.until_decided(2);

    let (url, id) = (server.url(), fired["id"].as_str().unwrap());
    let alone = explain(dir.path(), &[id, "--url", &url]);
    assert!(alone.contains(&format!("{id}, from {url}")), "{alone}");
    assert!(alone.ends_with("name the journal with --journal\n"), "{alone}");
    let json = explain(dir.path(), &[&id[..8], "--url", &url, "--journal", "data", "--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["event"], &json["recomputed"]["equal"]), (&fired, &true.into()), "{json:#}");
    assert_eq!(json["recomputed"]["sample"]["gate"], "passed", "{json:#}");

    let now = jiff::Timestamp::now().as_millisecond().to_string();
    let why_not = |series: &str, at: &str| -> Value {
        let args = ["--series", series, "--at", at, "--journal", "data", "--json"];
        serde_json::from_str::<Value>(&explain(dir.path(), &args)).unwrap()["series"][0].take()
    };
    let other = why_not("other", &now);
    assert_eq!((&other["gate"], &other["rule"]), (&"below_info".into(), &"MetricAnomaly".into()));
    assert_eq!(why_not("queue_depth", &now)["gate"], "already_firing");
    let before = (fired["starts_at_ms"].as_i64().unwrap() - 1).to_string();
    let before = why_not("queue_depth{job=\"test\"}", &before);
    assert!(before["at_ms"].as_i64() < fired["starts_at_ms"].as_i64(), "{before}");
    assert_eq!(before["gate"], "below_info", "{before}");
}

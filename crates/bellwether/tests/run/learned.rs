//! What `warm-start` and `replay --write-state` have learned, in a `run` that goes on with it.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::exposition::total;
use crate::poll::{seconds, until};
use crate::server::{Server, samples, steady};

/// Of each minute from here on there is a sample.
const MINUTES: usize = 1500;
/// Minutes of the incident, up to now.
const INCIDENT: usize = 1200;
const GAUGES: &str = "gauges: { match: [queue_depth] }\n";

fn bellwether(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bellwether"));
    command.current_dir(dir).args(args).output().unwrap()
}

fn succeed(dir: &Path, args: &[&str]) -> String {
    let output = bellwether(dir, args);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

fn refused(dir: &Path, args: &[&str]) -> String {
    let output = bellwether(dir, args);
    assert_eq!(output.status.code(), Some(1), "{args:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// A file with `values`, one a minute up to `before` minutes ago.
fn history(dir: &Path, values: &[f64], before: usize) {
    let now = jiff::Timestamp::now().as_second();
    let mut text = "time,__name__,job,value\n".to_owned();
    for (index, value) in values.iter().enumerate() {
        let at = now - (values.len() - index + before) as i64 * 60;
        writeln!(text, "{at},queue_depth,test,{value}").unwrap();
    }
    fs::write(dir.join("history.csv"), text).unwrap();
}

fn anomalies(server: &Server) -> Vec<Value> {
    server.json("/api/v1/anomalies")["anomalies"].as_array().unwrap().clone()
}

fn changed(server: &Server, change: &str) -> Option<Value> {
    anomalies(server).into_iter().find(|event| event["change"] == change)
}

/// What is expected of the series, once it has been judged.
fn expected(server: &Server) -> f64 {
    total(&server.metrics(), "bellwether_expected")
}

#[test]
fn a_warm_start_alerts_from_the_first_samples_on_and_a_cold_one_does_not() {
    let dir = tempfile::tempdir().unwrap();
    // It ends within a fault, which nobody hears of.
    let mut values = steady(MINUTES);
    values.extend([900.0; 5]);
    history(dir.path(), &values, 5);
    let fault = samples("queue_depth", &[400.0; 3]);

    let server = Server::start(dir.path(), "");
    server.write(&fault);
    server.until_decided(1);
    assert!(anomalies(&server).is_empty());
    let error = refused(dir.path(), &["warm-start", "history.csv", "--data-dir", "data"]);
    assert!(error.contains("in use by another process"), "{error}");
    drop(server);
    let error = refused(dir.path(), &["warm-start", "history.csv", "--data-dir", "data"]);
    assert!(error.contains("--force"), "{error}");
    fs::remove_dir_all(dir.path().join("data")).unwrap();

    let told = succeed(dir.path(), &["warm-start", "history.csv", "--data-dir", "data"]);
    assert!(told.contains("1 series learned: generation 1"), "{told}");
    let in_history = fs::read_to_string(dir.path().join("data/replay/events.jsonl")).unwrap();
    assert!(in_history.contains("\"firing\""), "{in_history}");
    let server = Server::start(dir.path(), "");
    until(seconds(20), "the log to say so", || {
        server.log().contains("recovered generation=1").then_some(())
    });
    assert!(anomalies(&server).is_empty(), "nobody hears of what was in the history");
    server.write(&fault);
    let fired = until(seconds(20), "an alert to fire", || changed(&server, "firing"));
    assert_eq!(fired["sequence"], 0, "{fired}");
    assert!(fired["upper"].as_f64().unwrap() < 200.0, "{fired}");
}

#[test]
fn an_incident_that_was_learned_can_be_unlearned() {
    let dir = tempfile::tempdir().unwrap();
    let mut values = steady(MINUTES);
    values[MINUTES - INCIDENT..].iter_mut().for_each(|value| *value += 300.0);
    // Again something is wrong, and stands when it ends.
    values[MINUTES - 3..].fill(5000.0);
    let began = jiff::Timestamp::now().as_second() - INCIDENT as i64 * 60 - 30;
    let mut server = Server::start(dir.path(), GAUGES);
    server.write(&samples("queue_depth", &values));
    server.until_decided(1);
    let learned = expected(&server);
    assert!(learned > 250.0, "{learned}");
    let stands = until(seconds(20), "an alert to fire", || {
        let fired = changed(&server, "firing")?;
        (fired["value"] == 5000.0).then_some(fired)
    });
    assert_eq!(server.terminate().code(), Some(0));

    let window = format!(
        "{}/2100-01-01,queue_depth{{job=\"test\"}}",
        jiff::Timestamp::from_second(began).unwrap()
    );
    let args = ["replay", "data", "--exclude", &window, "--write-state", "data"];
    let told = succeed(dir.path(), &args);
    let left_out = format!("{INCIDENT} samples were left out");
    assert!(told.contains(&left_out), "{told}");
    assert!(told.contains("resolves 1 alert that stands"), "{told}");

    let server = Server::start(dir.path(), GAUGES);
    let ended = until(seconds(20), "the alert to end", || changed(&server, "resolved"));
    assert_eq!((&ended["episode_id"], &ended["alert"]), (&stands["episode_id"], &true.into()));
    assert!(ended["explanation"].as_str().unwrap().contains("replaced"), "{ended}");
    // A last one of the time before, judged by what is known now.
    server.write(&samples("queue_depth", &[104.0]));
    server.until_decided(1);
    let unlearned = expected(&server);
    assert!((100.0..112.0).contains(&unlearned), "{unlearned}, not {learned}");
}

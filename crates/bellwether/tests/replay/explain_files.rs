//! `bellwether explain` on the results of a replay of files.

use super::explain::explain;
use super::*;

/// Judges soon, with detectors that are fast, and holds samples back for late ones.
const CONFIG: &str = "\
ordering: { lateness: 2m }
rules:
  - name: Queue
    match: '{__name__=~\".+\"}'
    detectors: [ { zscore: { warm_up_samples: 10 } }, { iqr: { warm_up_samples: 10 } } ]
";
const EXCLUDED: &str = "2025-06-16T02:10:00Z/2025-06-16T02:20:00Z,{host=\"web-1\"}";
/// In it a queue is longer than it should be.
const AT: &str = "2025-06-16T03:05:00Z";

/// Results of a replay, and the file that they are of.
struct Replayed {
    folder: TempDir,
}

impl Replayed {
    fn new() -> Self {
        let replayed = Self { folder: tempfile::tempdir().unwrap() };
        fs::copy("../../fixtures/history/long.csv", replayed.file()).unwrap();
        let config = replayed.folder.path().join("bellwether.yml");
        fs::write(&config, CONFIG).unwrap();
        let output = Command::cargo_bin("bellwether")
            .unwrap()
            .arg("replay")
            .args([replayed.file(), "--output".into(), replayed.results()])
            .args(["--config".as_ref(), config.as_os_str()])
            .args(["--metric", "metric", "--value", "value", "--exclude", EXCLUDED])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // It is in the results.
        fs::remove_file(config).unwrap();
        replayed
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("long.csv")
    }

    fn results(&self) -> PathBuf {
        self.folder.path().join("results")
    }

    fn events(&self) -> Vec<Value> {
        let lines = fs::read_to_string(self.results().join("events.jsonl")).unwrap();
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn fired(&self) -> String {
        let events = self.events();
        let fired = events.iter().find(|event| event["change"] == "firing").unwrap();
        fired["id"].as_str().unwrap().to_owned()
    }
}

#[test]
fn every_event_of_a_replay_is_recomputed_equal_in_every_field() {
    let replayed = Replayed::new();
    let events = replayed.events();
    assert!(events.len() > 5, "{events:?}");
    for event in events {
        let id = event["id"].as_str().unwrap();
        let (code, out, err) = explain(&[&id, &replayed.results(), &"--json"]);
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        let json: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(json["event"], event);
        assert_eq!(json["recomputed"]["equal"], true, "{out}");
        assert_eq!(json["recomputed"]["sample"]["state_digest"], event["state_digest"]);
    }
    let (code, out, _) = explain(&[&replayed.fired(), &replayed.results()]);
    assert_eq!(code, 0);
    let expected = "recomputed from the history: every field equals what was stored\n";
    assert!(out.ends_with(expected), "{out}");
}

#[test]
fn a_moment_of_a_replay_is_explained() {
    let replayed = Replayed::new();
    let series = "queue_depth{host=\"web-1\"}";
    let arguments: [&dyn AsRef<OsStr>; 6] =
        [&"--series", &series, &"--at", &AT, &replayed.results(), &"--json"];
    let (code, out, err) = explain(&arguments);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["series"].as_array().unwrap().len(), 1, "{out}");
    assert_eq!(json["series"][0]["rule"], "Queue");
    assert!(json["series"][0]["threshold"]["value"].as_f64().unwrap() > 3.0, "{out}");
    // What was left out was left out again.
    let arguments: [&dyn AsRef<OsStr>; 6] =
        [&"--series", &series, &"--at", &"2025-06-16T02:19:00Z", &replayed.results(), &"--json"];
    let json: Value = serde_json::from_str(&explain(&arguments).1).unwrap();
    assert_eq!(json["series"][0]["age_ms"], 10 * MINUTE_MS, "{json}");
}

#[test]
fn what_is_not_what_it_was_is_named() {
    let replayed = Replayed::new();
    let (id, results) = (replayed.fired(), replayed.results());
    let refused = |mend: &str| {
        let (code, out, err) = explain(&[&id, &results]);
        assert_eq!((code, out.as_str()), (1, ""), "{err}");
        assert!(err.contains(mend), "{mend}: {err}");
    };
    let text = fs::read_to_string(replayed.file()).unwrap();
    fs::write(replayed.file(), text + "2025-06-16T05:00:00Z,up,web-1,1\n").unwrap();
    refused("input is not what the results were made of");
    fs::remove_file(replayed.file()).unwrap();
    refused("now=`nothing`");
    fs::write(results.join("replay.json"), "{}").unwrap();
    refused("results do not say what they were made of");
    fs::remove_file(results.join("events.jsonl")).unwrap();
    fs::remove_dir_all(&results).unwrap();
    refused("results");
}

#[test]
fn a_data_folder_is_a_folder_too() {
    let id = serde_json::from_str::<Value>(&RECORDED.1[0]).unwrap()["id"].clone();
    let (code, out, err) = explain(&[&id.as_str().unwrap(), &RECORDED.0.path()]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let both: [&dyn AsRef<OsStr>; 7] =
        [&"--series", &"up", &"--at", &AT, &RECORDED.0.path(), &"--journal", &RECORDED.0.path()];
    let (code, _, err) = explain(&both);
    assert!(code == 1 && err.contains("not both"), "{err}");
    assert_eq!(explain(&[&"abcd", &RECORDED.0.path(), &"--url", &"http://h"]).0, 2);
}

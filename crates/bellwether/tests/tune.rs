//! `bellwether tune` as a shell sees it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::Command;

use assert_cmd::cargo::CommandCargoExt;

const HISTORY: &str = "../../fixtures/history/long.csv";

/// Exit code, standard output and standard error.
fn bellwether(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin("bellwether").unwrap().args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn tune(output: &Path, more: &[&str]) -> (i32, String, String) {
    bellwether(&[&["tune", HISTORY, "--output", output.to_str().unwrap()], more].concat())
}

#[test]
fn the_most_sensitive_within_the_limit_is_written_and_is_a_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tuned.yml");
    let (code, out, err) = tune(&path, &["--per-day", "1000"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("17 candidates on 4 blocks"), "{out}");
    assert!(out.contains("*       5    60s       0.01"), "{out}");
    let yaml = fs::read_to_string(&path).unwrap();
    assert!(yaml.contains("    per_day: 5\n") && yaml.contains("# * "), "{yaml}");
    let (code, out, _) = bellwether(&["check", path.to_str().unwrap()]);
    assert_eq!(code, 0, "{out}");
}

#[test]
fn with_labels_the_default_stays_when_nothing_is_better() {
    let folder = tempfile::tempdir().unwrap();
    let (path, labels) = (folder.path().join("tuned.yml"), folder.path().join("labels.json"));
    fs::write(&labels, r#"{"queue_depth{host=\"web-1\"}": [[1750042800, 1750046400]]}"#).unwrap();
    let (code, out, err) = tune(&path, &["--labels", labels.to_str().unwrap()]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("On blocks that had no say: F1 "), "{out}");
    assert!(out.contains("default"), "{out}");
    let (code, out, _) = bellwether(&["check", path.to_str().unwrap()]);
    assert_eq!(code, 0, "{out}");
}

#[test]
fn what_cannot_be_done_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tuned.yml");
    assert_eq!(tune(&path, &["--per-day", "0"]).0, 2);
    let (code, _, err) = tune(&path, &["--labels", "absent.json"]);
    assert!(code == 1 && err.contains("absent.json"), "{err}");
    let (code, _, err) = bellwether(&["tune", "absent.csv", "--output", "x.yml"]);
    assert!(code == 1 && err.contains("absent.csv"), "{err}");
    assert!(!path.exists());
}

//! `bellwether plan` as a shell sees it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use assert_cmd::cargo::CommandCargoExt;
use serde_json::Value;
use tempfile::TempDir;

#[path = "plan/server.rs"]
mod server;

/// Exit code, standard output and standard error.
fn plan(arguments: &[impl AsRef<OsStr>]) -> (i32, String, String) {
    let output = Command::cargo_bin("bellwether").unwrap().arg("plan").args(arguments).output();
    let output = output.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// A folder with two configurations, and the history that is committed.
struct Scene {
    folder: TempDir,
}

/// Judges soon, with detectors that are fast.
const OLD: &str = "\
rules:
  - name: Queue
    match: '{__name__=~\".+\"}'
    detectors: [ { zscore: { warm_up_samples: 10 } } ]
";

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("old.yml"), OLD).unwrap();
        let new = OLD.replace("name: Queue", "name: Depth");
        fs::write(folder.path().join("new.yml"), new).unwrap();
        let quiet = OLD.replace("    match:", "    alert: { for: 6h }\n    match:");
        fs::write(folder.path().join("quiet.yml"), quiet).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn plan(&self, old: &str, new: &str, more: &[&str]) -> (i32, String, String) {
        let (old, new) = (self.path(old), self.path(new));
        let mut arguments = vec!["--old".into(), old, "--new".into(), new];
        arguments.push("../../fixtures/history/long.csv".into());
        arguments.extend(more.iter().map(PathBuf::from));
        plan(&arguments)
    }

    fn json(&self, old: &str, new: &str) -> Value {
        let (code, out, _) = self.plan(old, new, &["--format", "json"]);
        assert_eq!(code, 0, "{out}");
        serde_json::from_str(&out).unwrap()
    }
}

#[test]
fn the_same_configuration_changes_nothing() {
    let scene = Scene::new();
    let json = scene.json("old.yml", "old.yml");
    assert_eq!(json["changes"].as_array().unwrap().len(), 0);
    assert_eq!(json["old"], json["new"]);
    assert_eq!(json["counts"]["unchanged"], json["old"]["alerts"]);
    assert!(json["old"]["alerts"].as_u64().unwrap() >= 2, "{json}");
    let (code, out, _) = scene.plan("old.yml", "old.yml", &["--fail-on", "any"]);
    assert_eq!(code, 0, "{out}");
}

#[test]
fn another_name_of_a_rule_is_one_change_of_each_alert() {
    let scene = Scene::new();
    let json = scene.json("old.yml", "new.yml");
    assert_eq!(json["counts"]["rule"], json["old"]["alerts"], "{json}");
    let first = &json["changes"][0];
    assert_eq!((&first["old"]["rule"], &first["new"]["rule"]), (&"Queue".into(), &"Depth".into()));
    let (code, out, err) = scene.plan("old.yml", "new.yml", &["--rows", "1"]);
    assert_eq!(code, 0);
    assert!(err.starts_with("../../fixtures/history/long.csv (CSV): time="), "{err}");
    assert_eq!(err.lines().count(), 1, "{err}");
    assert!(out.contains("~ rule ") && out.contains("Queue -> Depth"), "{out}");
    assert!(out.contains("more; --rows shows more of them"), "{out}");
}

#[test]
fn what_vanishes_in_one_direction_appears_in_the_other() {
    let scene = Scene::new();
    let there = scene.json("old.yml", "quiet.yml");
    let back = scene.json("quiet.yml", "old.yml");
    assert_eq!(there["counts"]["vanished"], there["old"]["alerts"], "{there}");
    assert_eq!(there["counts"]["vanished"], back["counts"]["appeared"]);
    assert_eq!(there["changes"][0]["old"], back["changes"][0]["new"]);
    assert!(there["changes"][0]["new"].is_null());
}

#[test]
fn changes_that_are_named_exit_with_3() {
    let scene = Scene::new();
    for (fail_on, expected) in
        [("vanished", 3), ("any", 3), ("severity,vanished", 3), ("appeared", 0), ("rule,moved", 0)]
    {
        let (code, _, err) = scene.plan("old.yml", "quiet.yml", &["--fail-on", fail_on]);
        assert_eq!(code, expected, "{fail_on}: {err}");
    }
}

#[test]
fn markdown_is_a_table_and_goes_to_a_file() {
    let scene = Scene::new();
    let path = scene.path("comment.md");
    let to = path.to_str().unwrap();
    let (code, out, _) =
        scene.plan("old.yml", "quiet.yml", &["--format", "markdown", "--output", to]);
    assert_eq!((code, out.as_str()), (0, ""));
    let text = fs::read_to_string(path).unwrap();
    let rows: Vec<_> = text.lines().filter(|line| line.starts_with('|')).collect();
    assert!(rows.len() > 3 && rows.iter().all(|row| row.matches('|').count() == 5), "{text}");
    assert!(rows[2].starts_with("| vanished | 2025-06-"), "{text}");
}

#[test]
fn what_is_wrong_is_said_with_the_right_code() {
    let scene = Scene::new();
    fs::write(scene.path("bad.yml"), "rulez: []\n").unwrap();
    let (code, _, err) = scene.plan("old.yml", "bad.yml", &[]);
    assert!(code == 1 && err.starts_with("error: nothing was planned"), "{err}");
    let (code, _, err) = plan(&["--new", scene.path("new.yml").to_str().unwrap(), "absent.csv"]);
    assert!(code == 1 && err.contains("absent.csv"), "{err}");
    assert_eq!(plan(&["absent.csv"]).0, 2);
    assert_eq!(scene.plan("old.yml", "new.yml", &["--moved", "soon"]).0, 2);
}

//! `bellwether tune` as a shell sees it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::Command;

use assert_cmd::cargo::CommandCargoExt;
use serde_json::Value;

const HISTORY: &str = "../../fixtures/history/long.csv";

/// Exit code, standard output and standard error.
fn bellwether(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::cargo_bin("bellwether").unwrap().args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn tune(output: &Path, more: &[&str]) -> (i32, String, String) {
    let few = ["tune", HISTORY, "--output", output.to_str().unwrap()];
    let trials: &[&str] = if more.contains(&"--trials") { &[] } else { &["--trials", "6"] };
    bellwether(&[&few, trials, more].concat())
}

#[test]
fn without_labels_faults_are_put_in_and_a_configuration_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tuned.yml");
    let (code, out, err) = tune(&path, &["--per-day", "1000"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("6 candidates, the default and others drawn by seed 1\n"), "{out}");
    assert!(out.contains("Looked for: the largest share of faults"), "{out}");
    assert!(out.contains("On blocks that had no say: found "), "{out}");
    assert!(out.contains(
        "\n4 blocks of 59m each are scored, behind a part that is only learned from\n\
         False alarms a day of a block are extrapolated from 59m, of all from 3h 59m; within the limit a block may have 42 false alarms\n"
    ), "{out}");
    let yaml = fs::read_to_string(&path).unwrap();
    assert!(yaml.contains("    per_day: ") && yaml.contains("# On blocks"), "{yaml}");
    let (code, out, _) = bellwether(&["check", path.to_str().unwrap()]);
    assert_eq!(code, 0, "{out}");
}

#[test]
fn with_labels_the_default_stays_when_nothing_is_better() {
    let folder = tempfile::tempdir().unwrap();
    let (path, labels) = (folder.path().join("tuned.yml"), folder.path().join("labels.json"));
    fs::write(&labels, r#"{"queue_depth{host=\"web-1\"}": [[1750042800, 1750046400]]}"#).unwrap();
    let more = ["--labels", labels.to_str().unwrap(), "--per-day", "1000", "--format", "json"];
    let (code, out, err) = tune(&path, &more);
    assert_eq!(code, 0, "{err}");
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&json["objective"], &json["choice"]["winner"]), (&"f1".into(), &0.into()), "{out}");
    assert_eq!(json["choice"]["verdict"], "default_stays", "{out}");
    assert_eq!(json["tried"].as_array().unwrap().len(), 6, "{out}");
    let windows = |tried: &Value| tried["windows"].as_u64() == Some(1);
    assert!(json["tried"].as_array().unwrap().iter().all(windows), "{out}");
    let (code, out, _) = bellwether(&["check", path.to_str().unwrap()]);
    assert_eq!(code, 0, "{out}");
}

#[test]
fn what_was_tried_is_not_tried_again_and_gives_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (path, kept) = (folder.path().join("t.yml"), folder.path().join("t.trials.jsonl"));
    let (code, _, err) = tune(&path, &["--resume"]);
    assert!(code == 1 && err.contains("nothing to go on from"), "{err}");
    let (code, whole, err) = tune(&path, &[]);
    assert_eq!(code, 0, "{err}");
    let lines = fs::read_to_string(&kept).unwrap();
    // As if it had been ended after three trials, within the fourth line of them.
    let torn: Vec<&str> = lines.lines().take(5).collect();
    let torn = torn.join("\n");
    fs::write(&kept, &torn[..torn.len() - 3]).unwrap();
    let (code, out, err) = tune(&path, &["--resume"]);
    assert_eq!((code, &out), (0, &whole), "{err}");
    assert_eq!(fs::read_to_string(&kept).unwrap().lines().count(), lines.lines().count());
    let (code, _, err) = tune(&path, &["--resume", "--seed", "2"]);
    assert!(code == 1 && err.contains("changed=`seed`, was=`1`, is=`2`"), "{err}");
}

#[test]
fn a_corpus_is_tuned_on_by_its_labels() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tuned.yml");
    let manifest = "../../fixtures/eval/manifest.json";
    let arguments =
        ["tune", "--corpus", manifest, "--trials", "3", "--output", path.to_str().unwrap()];
    let (code, out, err) = bellwether(&arguments);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("the best F1 of labelled windows"), "{out}");
    assert!(path.exists());
}

#[test]
fn labels_that_nothing_can_find_are_refused_or_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (path, labels) = (folder.path().join("tuned.yml"), folder.path().join("labels.json"));
    let of = |text: &str| {
        fs::write(&labels, text).unwrap();
        tune(&path, &["--labels", labels.to_str().unwrap(), "--trials", "1"])
    };
    // A name, a unit and a time that are not those of the input.
    for text in [
        r#"{"queue_dpeth{host=\"web-1\"}": [[1750042800, 1750046400]]}"#,
        r#"{"queue_depth{host=\"web-1\"}": [[1750042800000, 1750046400000]]}"#,
        r#"{"queue_depth{host=\"web-1\"}": [[1650042800, 1650046400]]}"#,
        "{}",
    ] {
        let (code, out, err) = of(text);
        assert!(code == 1 && err.contains("no labelled window lies in the time"), "{out}{err}");
    }
    let (code, _, err) = of(r#"{"queue_depth{host=\"web-1\"}": [[1750042800, 1750046400], [1, 2]],
        "queue_dpeth": [[1750042800, 1750046400]]}"#);
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("does not have the series of 1 of 3 labelled windows"), "{err}");
    assert!(err.contains("1 of 3 labelled windows is outside the time"), "{err}");
    let warnings: Vec<_> = err.lines().filter(|line| line.starts_with("warning: ")).collect();
    assert_eq!(warnings.len(), 2, "{err}");
    let path = format!("path=`{}`", labels.display());
    assert!(warnings.iter().all(|warning| warning.ends_with(&path)), "{err}");
}

#[test]
fn a_block_without_a_sample_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (input, path) = (folder.path().join("gap.csv"), folder.path().join("tuned.yml"));
    // Two hours, and an hour that is a week later.
    let minutes = (0..120)
        .chain(10_080..10_140)
        .map(|minute| format!("{},{}\n", 1_750_000_000 + minute * 60, minute % 7));
    fs::write(&input, "timestamp,load\n".to_owned() + &minutes.collect::<String>()).unwrap();
    let paths = [input.to_str().unwrap(), "--output", path.to_str().unwrap()];
    let (code, _, err) = bellwether(&[&["tune"], &paths[..]].concat());
    assert!(code == 1 && err.contains("block 1 of 4 holds no sample"), "{err}");
    assert!(err.contains("first=`2025-06-15 15:06`, last=`2025-06-22 16:05`"), "{err}");
}

#[test]
fn what_cannot_be_done_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tuned.yml");
    assert_eq!(tune(&path, &["--per-day", "0"]).0, 2);
    assert_eq!(bellwether(&["tune", "--output", "x.yml"]).0, 2);
    assert_eq!(tune(&path, &["--corpus", "manifest.json"]).0, 2);
    let (code, _, err) = tune(&path, &["--labels", "absent.json"]);
    assert!(code == 1 && err.contains("absent.json"), "{err}");
    let (code, _, err) = bellwether(&["tune", "absent.csv", "--output", "x.yml"]);
    assert!(code == 1 && err.contains("absent.csv"), "{err}");
    assert!(!path.exists());
}

//! `bellwether eval` as a shell sees it. That the figures are right, `crates/replay/tests/it/eval.rs` tests.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use assert_cmd::cargo::CommandCargoExt;
use serde_json::Value;

fn fixture(name: &str) -> PathBuf {
    Path::new("../../fixtures/eval").join(name)
}

/// Exit code, standard output and standard error of `bellwether eval`.
fn run(arguments: &[&dyn AsRef<OsStr>]) -> (i32, String, String) {
    let mut command = Command::cargo_bin("bellwether").unwrap();
    let arguments = arguments.iter().map(AsRef::as_ref);
    let output = command.arg("eval").args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// The same with the labels of the fixture.
fn eval<const N: usize>(results: &Path, more: [&dyn AsRef<OsStr>; N]) -> (i32, String, String) {
    let labels = fixture("labels.json");
    let first: [&dyn AsRef<OsStr>; 3] = [&results, &"--labels", &labels];
    run(&[&first[..], &more].concat())
}

/// What the fixture has is said of it: that one of its windows lies in NAB's probation.
const UNSCORED: &str = "warning: 1 labelled window ends before the first row that is scored and counts for nothing: \
    path=`../../fixtures/eval/labels.json`, first id=`nab/steady/early.csv`; --json has all\n";

#[test]
fn the_table_has_a_line_for_each_dataset_and_the_mean() {
    let (code, out, err) = eval(&fixture("results"), []);
    assert_eq!((code, err.as_str()), (0, UNSCORED), "{out}");
    let first = |line: &str| line.split_whitespace().next().unwrap_or_default().to_owned();
    let names: Vec<_> = out.lines().map(first).collect();
    assert_eq!(&names[..5], ["dataset", "hosts", "hourly", "nab", "mean"], "{out}");
    assert!(out.contains("NAB score, 5 windows"), "{out}");
    // The others were scored for days.
    assert!(out.contains("\nfalse/day is extrapolated from 9h 8m of hosts\n"), "{out}");
    assert!(out.ends_with("rows alert where is_alert says so\n"), "{out}");
    assert!(out.lines().all(|line| line.chars().count() <= 100), "{out}");
}

#[test]
fn json_holds_what_the_table_rounds() {
    let (code, out, _) = eval(&fixture("results"), [&"--json", &"--threshold", &"0.7"]);
    assert_eq!(code, 0);
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["alert_rule"]["score_at_least"], 0.7);
    assert_eq!(json["datasets"].as_array().unwrap().len(), 3);
    assert_eq!(json["series"].as_array().unwrap().len(), 7);
    assert!(json["nab"]["profiles"]["standard"]["fixed"].is_f64());
    assert_eq!(json.get("regressions"), None);
}

#[test]
fn a_figure_worse_than_the_baseline_is_named_and_answers_1() {
    let folder = tempfile::tempdir().unwrap();
    let baseline = folder.path().join("baseline.json");
    let (code, _, err) = eval(&fixture("results"), [&"--save-baseline", &baseline]);
    assert_eq!((code, err.as_str()), (0, UNSCORED));
    let (code, out, _) = eval(&fixture("results"), [&"--baseline", &baseline]);
    assert_eq!(code, 0, "{out}");
    assert!(out.ends_with(" figures is worse than the baseline\n"), "{out}");

    // As if one figure had been better by a tenth.
    let mut json: Value = serde_json::from_str(&fs::read_to_string(&baseline).unwrap()).unwrap();
    let figure = &mut json["figures"]["mean.vus_pr"];
    let was = figure.as_f64().unwrap();
    *figure = (was * 1.1).into();
    fs::write(&baseline, json.to_string()).unwrap();
    let (code, out, _) = eval(&fixture("results"), [&"--baseline", &baseline]);
    assert_eq!(code, 1, "{out}");
    let named = format!("\n  mean.vus_pr: {:.3} -> {was:.3} (", was * 1.1);
    assert!(out.contains(&named) && out.matches("->").count() == 1, "{out}");
    let (code, out, _) = eval(&fixture("results"), [&"--baseline", &baseline, &"--json"]);
    assert_eq!(code, 1);
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["regressions"][0]["figure"], "mean.vus_pr");
    let (code, ..) = eval(&fixture("results"), [&"--baseline", &baseline, &"--tolerance", &"0.1"]);
    assert_eq!(code, 0);
}

#[test]
fn results_that_lack_rows_are_named_and_scored() {
    let (code, out, err) = eval(&fixture("gaps"), []);
    assert_eq!(code, 0, "{out}");
    let path = fixture("gaps").display().to_string();
    let missing = "series has no result, all its rows score 0";
    assert!(err.contains(&format!("{missing}: path=`{path}`, id=`hourly/visits.csv`")), "{err}");
    assert!(err.contains(&format!("420 of 500 match: path=`{path}`, id=`hosts/b.csv`")), "{err}");
    assert!(err.lines().all(|line| line.starts_with("warning: ")), "{err}");
    let (code, json, also) = eval(&fixture("gaps"), [&"--json"]);
    assert_eq!((code, also), (0, err));
    let json: Value = serde_json::from_str(&json).unwrap();
    assert!(json["incomplete"].as_array().unwrap().len() >= 2, "{json}");
    assert_eq!(json["unscored"][0]["unscored_windows"], 1, "{json}");
    assert!(out.ends_with("rows alert where score is at least 0.5\n"), "{out}");
}

#[test]
fn what_cannot_be_read_is_named_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, err) = eval(folder.path(), []);
    assert_eq!(code, 1);
    assert!(err.contains("no series has a result here"), "{err}");
    fs::create_dir_all(folder.path().join("hosts")).unwrap();
    fs::write(folder.path().join("hosts/a.csv"), "timestamp,score\n1,0.1\n2,odd\n").unwrap();
    let (code, _, err) = eval(folder.path(), []);
    assert_eq!(code, 1);
    assert!(err.contains("hosts/a.csv`, line=`3`, value=`odd`"), "{err}");
    let labels = folder.path().join("labels.json");
    fs::write(&labels, "{\n\"a\": [[2, 1]]\n}").unwrap();
    let (code, _, err) = run(&[&folder.path(), &"--labels", &labels]);
    assert_eq!(code, 1);
    assert!(err.contains("labels.json") && err.contains("line 2"), "{err}");
    fs::write(&labels, "{\n\"a\": [[1, 2]],\n\"a\": []\n}").unwrap();
    let (code, _, err) = run(&[&folder.path(), &"--labels", &labels]);
    assert_eq!(code, 1);
    assert!(err.contains("labels.json") && err.contains("twice: id=`a` at line 3"), "{err}");
}

#[test]
fn wrong_usage_answers_2() {
    let (results, labels) = (fixture("results"), fixture("labels.json"));
    assert_eq!(run(&[]).0, 2);
    assert_eq!(run(&[&results]).0, 2, "without labels?");
    for wrong in [["--threshold", "high"], ["--tolerance", "-1"], ["--tolerance", "2"]] {
        assert_eq!(run(&[&results, &"--labels", &labels, &wrong[0], &wrong[1]]).0, 2, "{wrong:?}");
    }
    let both: [&dyn AsRef<OsStr>; 4] = [&"--baseline", &"a", &"--save-baseline", &"b"];
    assert_eq!(eval(&results, both).0, 2);
}

#[test]
fn a_result_that_is_missing_changes_nothing_about_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path();
    for name in ["hosts", "nab"] {
        copy(&fixture("results").join(name), &results.join(name));
    }
    let figures = |results: &Path| {
        let (code, out, _) = eval(results, [&"--json"]);
        assert_eq!(code, 0, "{out}");
        let json: Value = serde_json::from_str(&out).unwrap();
        let datasets = json["datasets"].as_array().unwrap().clone();
        (json["alert_rule"].clone(), datasets.into_iter().find(|one| one["dataset"] == "hosts"))
    };
    assert_eq!(figures(results), figures(&fixture("results")));
}

/// Copies a folder with all that is in it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::copy(&path, &to).unwrap();
        }
    }
}

#[test]
fn what_there_is_no_result_of_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let (_, _, err) = eval(&folder.path().join("absent"), []);
    assert!(err.contains("absent`") && err.contains("No such file"), "{err}");
    let (_, _, err) = eval(folder.path(), []);
    assert!(err.contains("no series has a result here") && err.contains("--scores"), "{err}");
    let labels = folder.path().join("labels.json");
    fs::write(&labels, "{}").unwrap();
    let (_, _, err) = run(&[&fixture("results"), &"--labels", &labels]);
    assert!(err.contains("the labels name no series"), "{err}");
}

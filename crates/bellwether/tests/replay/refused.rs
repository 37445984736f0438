//! What is refused before it costs anybody something, and what is said of options and inputs that do nothing.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use assert_cmd::cargo::CommandCargoExt;
use tempfile::TempDir;

use super::{RECORDED, json, replay};

const LONG: &str = "../../fixtures/history/long.csv";
const HEAD: &str = "timestamp,metric,value\n";

/// Exit code, standard output and standard error of `bellwether`.
fn bellwether(arguments: &[&str]) -> (i32, String, String) {
    let done = Command::cargo_bin("bellwether").unwrap().args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (done.status.code().unwrap(), text(done.stdout), text(done.stderr))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Names of the files in `folder`.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Everything in `folder`, by name.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let read = |name: String| {
        let bytes = fs::read(folder.join(&name)).unwrap();
        (name, bytes)
    };
    names(folder).into_iter().map(read).collect()
}

/// A folder with the file `history.csv` that holds `rows`.
fn csv(rows: &str) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("history.csv");
    fs::write(&path, rows).unwrap();
    (folder, path)
}

#[test]
fn hours_without_an_offset_are_hours_and_not_the_whole_day() {
    let output = TempDir::new().unwrap();
    let excluded = |window: &str| {
        let (code, out, err) = replay([&LONG, &"--output", &output.path(), &"--exclude", &window]);
        assert_eq!(code, 0, "{err}");
        let summary = json(&output.path().join("summary.json"));
        (summary["excluded_samples"].as_u64().unwrap(), out)
    };
    let (hours, out) = excluded("2025-06-16T02:00:00/2025-06-16T03:00:00");
    assert!(hours > 0 && out.ends_with(&format!("{hours} samples were left out\n")), "{out}");
    assert_eq!(excluded("2025-06-16T02:00:00Z/2025-06-16T03:00:00Z").0, hours);
    let (code, _, err) =
        bellwether(&["report", text(output.path()), "--day", "2025-06-16T05:00:00"]);
    assert_eq!((code, err.contains("expected a date")), (2, true), "{err}");
}

#[test]
fn a_replay_that_cannot_begin_leaves_results_as_they_were() {
    let output = TempDir::new().unwrap();
    assert_eq!(replay([&LONG, &"--output", &output.path()]).0, 0);
    let before = contents(output.path());
    let (code, _, err) = replay([&LONG, &"--output", &output.path(), &"--time", &"tim"]);
    assert_eq!((code, err.contains("column=`tim`")), (1, true), "{err}");
    assert_eq!(contents(output.path()), before);
}

#[test]
fn a_replay_that_fails_leaves_nothing_that_says_it_is_complete() {
    let output = TempDir::new().unwrap();
    assert_eq!(replay([&LONG, &"--output", &output.path(), &"--scores"]).0, 0);
    let (_folder, input) = csv(&format!("{HEAD}1750032000,up,1\n1750032060,up,much\n"));
    let (code, _, err) = replay([&input, &"--output", &output.path(), &"--value", &"value"]);
    assert_eq!((code, err.contains("value=`much`")), (1, true), "{err}");
    let names = names(output.path());
    let ends = ["summary.json", "report.html", "events.parquet", "scores.parquet"];
    assert!(names.iter().all(|name| !ends.contains(&&**name)), "{names:?}");
}

#[test]
fn results_of_an_earlier_replay_of_any_kind_do_not_stay_beside_new_ones() {
    let output = TempDir::new().unwrap();
    let folder = output.path();
    assert_eq!(replay([&LONG, &"--output", &folder, &"--scores"]).0, 0);
    assert_eq!(replay([&LONG, &"--output", &folder]).0, 0);
    assert!(!names(folder).contains(&"scores.parquet".to_owned()));
    assert_eq!(replay([&LONG, &"--output", &folder, &"--scores"]).0, 0);
    assert_eq!(replay([&RECORDED.0.path(), &"--output", &folder]).0, 0);
    assert_eq!(names(folder), ["events.jsonl", "report.html", "summary.json"]);
    let corpus = "../../fixtures/eval/manifest.json";
    assert_eq!(replay([&"--corpus", &corpus, &"--output", &folder]).0, 0);
    let results = ["events.jsonl", "report.html", "summary.json"].map(str::to_owned);
    assert!(names(folder).iter().all(|name| !results.contains(name)));
}

#[test]
fn of_nothing_nothing_is_learned_and_nothing_planned() {
    let (folder, empty) = csv(HEAD);
    let (output, data) = (folder.path().join("results"), folder.path().join("data"));
    let (code, _, err) = replay([&empty, &"--output", &output]);
    assert_eq!((code, err.contains("warning: the input holds no samples")), (0, true), "{err}");

    let learn = |more: &[&str]| {
        let arguments = [&["warm-start", "--data-dir", text(&data)], more].concat();
        bellwether(&arguments)
    };
    assert_eq!(learn(&[LONG]).0, 0);
    let before = contents(&data.join("checkpoint"));
    let (code, out, err) = learn(&[text(&empty), "--force"]);
    assert_eq!((code, err.contains("the input holds no samples")), (1, true), "{out}{err}");
    let (code, _, err) = learn(&[LONG, "--force", "--exclude", "2025-06-01/2025-07-01"]);
    assert_eq!((code, err.contains("all samples of the input are left out")), (1, true), "{err}");
    assert_eq!(contents(&data.join("checkpoint")), before);
    let write = ["--write-state", text(&data), "--force"];
    let (code, _, err) = bellwether(&[&["replay", text(&empty)], &write[..]].concat());
    assert_eq!((code, err.contains("the input holds no samples")), (1, true), "{err}");
    assert_eq!(contents(&data.join("checkpoint")), before);

    let new = folder.path().join("new.yml");
    fs::write(&new, "").unwrap();
    let (code, out, err) = bellwether(&["plan", "--new", text(&new), text(&empty)]);
    assert_eq!((code, err.contains("the input holds no samples")), (1, true), "{out}{err}");
}

#[test]
fn history_that_ends_in_the_future_is_not_learned() {
    let (folder, input) =
        csv(&format!("{HEAD}2099-01-01T00:00:00Z,up,1\n2099-01-01T00:01:00Z,up,1\n"));
    let data = folder.path().join("data");
    let (code, out, err) = bellwether(&["warm-start", text(&input), "--data-dir", text(&data)]);
    assert_eq!(code, 1, "{out}{err}");
    assert!(err.contains("ends in the future") && err.contains("newest=`2099-01-01T00:01:00Z`"));
    assert!(!data.join("checkpoint").exists() || names(&data.join("checkpoint")).is_empty());
}

#[test]
fn an_option_that_would_do_nothing_is_wrong_usage() {
    let output = TempDir::new().unwrap();
    let (journal, output) = (text(RECORDED.0.path()), text(output.path()));
    let of_journals = [
        &["--partition", "1/2"][..],
        &["--scores"],
        &["--time", "ts"],
        &["--match", "up"],
        &["--resume"],
    ];
    for more in of_journals {
        let arguments = [&["replay", journal, "--output", output], more].concat();
        let (code, _, err) = bellwether(&arguments);
        assert_eq!((code, err.contains("this is a journal")), (2, true), "{more:?}: {err}");
        assert!(err.contains(more[0]), "{err}");
    }
    let corpus = ["replay", "--corpus", "../../fixtures/eval/manifest.json", "--output", output];
    for more in [&["--scores"][..], &["--partition", "1/2"], &["--threads", "2"], &["--resume"]] {
        let (code, out, err) = bellwether(&[&corpus, more].concat());
        assert_eq!(code, 2, "{more:?}: {out}{err}");
    }
    for arguments in [
        &["replay", journal, LONG, "--output", output][..],
        &["replay", LONG, "--output", output, "--start", "2025-06-16"],
        &["replay", "http://127.0.0.1:9", "--output", output],
        &[
            "replay",
            "http://127.0.0.1:9",
            "--start",
            "2025-06-17",
            "--end",
            "2025-06-16",
            "--output",
            output,
        ],
        &["warm-start", LONG, "--partition", "1/2", "--data-dir", output],
        &["explain", "--series", "up{", "--at", "2025-06-16T00:00:00Z", "--journal", journal],
        &["explain", "zzzz", "--journal", journal],
        &["report", LONG, "--since", "2025-06-17", "--until", "2025-06-16"],
        &["eval", output, "--labels", LONG, "--tolerance", "0.5"],
    ] {
        let (code, out, err) = bellwether(arguments);
        assert_eq!(code, 2, "{arguments:?}: {out}{err}");
    }
    let (code, _, err) = bellwether(&["replay", LONG, "--output", output, "--seed", "2"]);
    assert_eq!((code, err.contains("--verify")), (2, true), "{err}");
    assert!(!err.contains("cannot be used"), "{err}");
}

#[test]
fn an_exclusion_that_leaves_out_nothing_says_so() {
    let output = TempDir::new().unwrap();
    let never = "2024-01-01/2024-01-02";
    let (code, _, err) = replay([&LONG, &"--output", &output.path(), &"--exclude", &never]);
    assert_eq!((code, err.contains("warning: nothing was left out")), (0, true), "{err}");
    let (code, _, err) =
        replay([&RECORDED.0.path(), &"--output", &output.path(), &"--exclude", &never]);
    assert_eq!((code, err.contains("warning: nothing was left out")), (0, true), "{err}");
}

#[test]
fn series_that_have_fallen_silent_are_counted() {
    let mut rows = HEAD.replace("metric", "host");
    for minute in 0..200 {
        for host in 0..if minute < 100 { 3 } else { 1 } {
            let at = 1_750_032_000 + 60 * minute;
            writeln!(rows, "{at},{host},{}", minute % 7).unwrap();
        }
    }
    let (folder, input) = csv(&rows);
    let output = folder.path().join("results");
    let (code, out, err) = replay([&input, &"--output", &output, &"--label", &"host"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with("400 samples, 3 series, "), "{out}");
    assert_eq!(json(&output.join("summary.json"))["series"], 3);
    let data = folder.path().join("data");
    let learn = ["warm-start", text(&input), "--label", "host", "--data-dir", text(&data)];
    let (_, out, err) = bellwether(&learn);
    assert!(out.contains("\n3 series learned: "), "{out}{err}");
}

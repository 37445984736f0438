//! `bellwether replay` of a journal as a shell sees it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock};

use assert_cmd::cargo::CommandCargoExt;
use bellwether_engine::{Engine, Outputs, Record, RecordBody, RecordKind, Settings};
use bellwether_runtime::journal::{Journal, JournalOptions, RequestHeader};
use bellwether_runtime::storage::DiskStorage;
use bellwether_runtime::stored::{encode_settings, limits};
use bellwether_series::{LabelSet, Timestamp};
use bellwether_wire::Format;
use bellwether_wire::remote_write::{
    MetricType, RawSample, WriteRequest, WriteRequestBuilder, compress,
};
use serde_json::Value;
use tempfile::TempDir;

#[path = "replay/explain.rs"]
mod explain;
#[path = "replay/explain_files.rs"]
mod explain_files;
#[path = "replay/parts.rs"]
mod parts;
#[path = "replay/plan.rs"]
mod plan;
#[path = "replay/refused.rs"]
mod refused;
#[path = "replay/resume.rs"]
mod resume;
#[path = "replay/tune.rs"]
mod tune;

const START_MS: i64 = 1_750_000_020_000;
const MINUTE_MS: i64 = 60_000;
const STEPS: i64 = 210;
const SERIES: i64 = 6;

/// What is written into the journal at one time.
enum Said {
    Settings(Arc<Settings>),
    Request(Vec<u8>),
    Quiet,
}

/// Gauges and counters, each of which breaks in its turn, more often than the day's cap allows; in the middle the
/// configuration changes. Every fifth request holds two samples of each series.
fn scene() -> Vec<(Timestamp, Said)> {
    let mut first = Settings { digest: Arc::from("first"), ..Settings::default() };
    first.budget.cap_per_day = 2;
    let mut second = Settings { digest: Arc::from("second"), ..first.clone() };
    second.rules[0].alert.for_ms = 60_000;
    let mut said = vec![(Timestamp::from_ms(START_MS), Said::Settings(Arc::new(first)))];
    let mut counters = [0.0; SERIES as usize];
    let mut waiting: Option<Vec<RawSample>> = None;
    for step in 0..STEPS {
        let at = Timestamp::from_ms(START_MS + step * MINUTE_MS);
        if step == 150 {
            said.push((at, Said::Settings(Arc::new(second.clone()))));
        }
        let samples: Vec<RawSample> = (0..SERIES)
            .map(|series| {
                let is_broken = (110 + 15 * series..130 + 15 * series).contains(&step);
                let factor = if is_broken { 10.0 } else { 1.0 };
                let value = (100.0 + noise(step, series)) * factor;
                counters[series as usize] += value;
                let is_counter = series % 2 == 1;
                let value = if is_counter { counters[series as usize] } else { value };
                RawSample { timestamp: at, value }
            })
            .collect();
        if step % 5 == 3 {
            waiting = Some(samples);
            continue;
        }
        let received_at = at.plus_ms(500);
        said.push((
            received_at,
            Said::Request(request(waiting.take().as_deref(), &samples, step == 0)),
        ));
        if step % 7 == 0 {
            said.push((received_at.plus_ms(10_000), Said::Quiet));
        }
    }
    said
}

fn request(earlier: Option<&[RawSample]>, samples: &[RawSample], with_metadata: bool) -> Vec<u8> {
    let mut builder = WriteRequestBuilder::default();
    if with_metadata {
        builder.metadata("requests", MetricType::Counter, "help", "");
    }
    for (index, &sample) in samples.iter().enumerate() {
        let name = if index % 2 == 1 { "requests" } else { "queue_depth" };
        let instance = format!("host-{index}");
        let labels = LabelSet::from_pairs([("__name__", name), ("instance", &instance)]).unwrap();
        let earlier = earlier.map(|samples| samples[index]);
        builder.series(&labels, &earlier.into_iter().chain([sample]).collect::<Vec<_>>());
    }
    builder.encode()
}

/// About normal, a few units wide, always the same.
fn noise(step: i64, series: i64) -> f64 {
    let mut seed = (step * SERIES + series) as u64;
    let mut uniform = || {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((z ^ (z >> 27)) >> 11) as f64 / (1_u64 << 53) as f64
    };
    (0..4).map(|_| uniform() * 4.0 - 2.0).sum()
}

/// A data folder with the journal of the scene, in several segments, and the lines that `run` would have logged.
fn recorded() -> (TempDir, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let storage = Arc::new(DiskStorage::new(folder.path()));
    let options = JournalOptions { segment_bytes_max: 8_000, ..JournalOptions::default() };
    let (mut journal, _) = Journal::open(storage, options, 0, 7).unwrap();
    let mut header = Vec::new();
    let format = Format::REMOTE_WRITE_1;
    RequestHeader { format, tenant: "", source: "10.0.0.1" }.encode(&mut header).unwrap();
    let (mut engine, mut outputs, mut lines) = (None, Outputs::default(), Vec::new());
    for (received_at, said) in scene() {
        let mut append = |kind: RecordKind, parts: &[&[u8]]| {
            journal.append(kind as u8, received_at, parts).unwrap();
            journal.commit().unwrap();
        };
        let request;
        let body = match said {
            Said::Settings(settings) => {
                let payload = encode_settings(&settings);
                append(RecordKind::Configuration, &[&payload]);
                journal.set_preamble(payload).unwrap();
                RecordBody::Configuration(settings)
            }
            Said::Request(body) => {
                append(RecordKind::Request, &[&header, &compress(&body)]);
                request = WriteRequest::decode(body, &limits()).unwrap();
                RecordBody::request(&request)
            }
            Said::Quiet => {
                append(RecordKind::Heartbeat, &[]);
                RecordBody::Heartbeat
            }
        };
        let engine = engine.get_or_insert_with(|| {
            let RecordBody::Configuration(settings) = &body else { panic!("{body:?}") };
            Engine::new(settings, 99)
        });
        engine.apply(&Record { received_at, body }, &mut outputs);
        lines.extend(outputs.events.iter().map(|event| serde_json::to_string(event).unwrap()));
    }
    assert!(journal.figures().segments > 2);
    (folder, lines)
}

/// Recorded once for all tests, none of which changes it.
static RECORDED: LazyLock<(TempDir, Vec<String>)> = LazyLock::new(recorded);

/// Exit code, standard output and standard error of `bellwether replay`.
fn replay<const N: usize>(arguments: [&dyn AsRef<OsStr>; N]) -> (i32, String, String) {
    let mut command = Command::cargo_bin("bellwether").unwrap();
    let output = command.arg("replay").args(arguments.map(AsRef::as_ref)).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The rows of the table: columns of each way.
fn rows(out: &str) -> Vec<Vec<&str>> {
    let ways = ["one thread", "2 shards", "16 shards", "requests cut", "saved and"];
    let is_row = |line: &&str| ways.iter().any(|way| line.starts_with(way));
    let rows = out.lines().filter(is_row).map(|line| line.split_whitespace().collect());
    rows.collect()
}

#[test]
fn a_journal_gives_the_events_that_were_given_when_it_was_written() {
    let (folder, lines) = &*RECORDED;
    assert!(lines.len() > 10, "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("BellwetherAlertCap")), "{lines:#?}");
    let results = tempfile::tempdir().unwrap();
    for input in [folder.path().to_owned(), folder.path().join("journal")] {
        let (code, out, err) = replay([&input, &"--output", &results.path()]);
        assert_eq!((code, err.as_str()), (0, ""), "{out}");
        let events = fs::read_to_string(results.path().join("events.jsonl")).unwrap();
        assert_eq!(events.lines().collect::<Vec<_>>(), *lines);
        let summary = json(&results.path().join("summary.json"));
        assert_eq!(summary["events"]["total"], lines.len());
        assert_eq!((&summary["series"], &summary["configurations"]), (&6.into(), &2.into()));
        assert_eq!(summary["samples"], SERIES * STEPS);
        let page = fs::read_to_string(results.path().join("report.html")).unwrap();
        let plots = page.matches("class=\"values\" d=\"M").count();
        assert!((3..=10).contains(&plots), "{plots} plots of incidents");
        assert_eq!(summary["config_digest"], "second");
        assert_eq!(summary["first_received_ms"], START_MS);
        assert!(out.contains(&format!(" {} events in ", lines.len())), "{out}");
    }
}

#[test]
fn a_configuration_that_is_given_rules_throughout() {
    let (folder, _) = &*RECORDED;
    let results = tempfile::tempdir().unwrap();
    let config = results.path().join("deaf.yml");
    fs::write(&config, "signals: { exclude: ['{__name__=~\".+\"}'] }\n").unwrap();
    let (code, _, err) =
        replay([&folder.path(), &"--output", &results.path(), &"--config", &config]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(fs::read_to_string(results.path().join("events.jsonl")).unwrap(), "");
}

/// Exit code and standard output of `replay --verify` beside a live log of `lines`.
fn verify(lines: &[String], seed: &str) -> (i32, String) {
    let live = tempfile::tempdir().unwrap();
    let path = live.path().join("live.jsonl");
    fs::write(&path, lines.join("\n") + "\n").unwrap();
    let (folder, _) = &*RECORDED;
    let (code, out, err) =
        replay([&"--verify", &folder.path(), &"--events", &path, &"--seed", &seed]);
    assert_eq!(err, "");
    (code, out)
}

#[test]
fn every_way_to_replay_gives_the_same_and_so_did_the_engine_live() {
    let (_, lines) = &*RECORDED;
    let (code, out) = verify(lines, "1");
    assert_eq!(code, 0, "{out}");
    assert!(out.ends_with("all agree\n"), "{out}");
    let rows = rows(&out);
    assert_eq!(rows.len(), 5, "{out}");
    assert!(rows.iter().all(|row| row.last() == rows[0].last()), "{out}");
    assert_eq!(rows[0].last().unwrap().len(), 32);
    assert_eq!(rows[0][3], lines.len().to_string());
    // Records of "one thread" and of "requests cut at random".
    let records = |row: &[&str], column: usize| row[column].parse::<u64>().unwrap();
    assert!(records(&rows[3], 4) > 2 * records(&rows[0], 2), "{out}");
    let counted =
        format!("{} the same, 0 with another content, 0 only live, 0 only here", lines.len());
    assert!(out.contains(&counted), "{out}");
}

#[test]
fn what_was_not_written_live_as_it_is_replayed_is_named() {
    let (_, lines) = &*RECORDED;
    // One was lost; another one, and one about the engine itself, never came from these records.
    let mut other = lines.clone();
    let lost: Value = serde_json::from_str(&other.remove(4)).unwrap();
    let mut foreign: Value = serde_json::from_str(&lines[0]).unwrap();
    foreign["sequence"] = 77.into();
    other.push(foreign.to_string());
    foreign["sequence"] = 78.into();
    foreign["rule"] = "BellwetherHealth".into();
    other.push(foreign.to_string());
    let (code, out) = verify(&other, "2");
    assert_eq!(code, 1, "{out}");
    let counted =
        format!("{} the same, 0 with another content, 1 only live, 1 only here", lines.len() - 1);
    assert!(out.contains(&counted), "{out}");
    assert!(out.contains(lost["id"].as_str().unwrap()) && out.contains("-77 at "), "{out}");
    assert!(out.contains("all ways agree, but not with the live events"), "{out}");
}

#[test]
fn an_event_that_says_something_else_is_no_event_that_agrees() {
    let (_, lines) = &*RECORDED;
    for (key, value) in [("severity", "info".into()), ("value", Value::from(0.1 + 0.2))] {
        let mut other = lines.clone();
        let mut changed: Value = serde_json::from_str(&lines[3]).unwrap();
        assert_ne!(changed[key], value);
        changed[key] = value;
        other[3] = changed.to_string();
        // That another copy of it is as it should be does not help.
        other.push(lines[3].clone());
        let (code, out) = verify(&other, "3");
        assert_eq!(code, 1, "{out}");
        let counted = format!("{} the same, 1 with another content, 0 only live", lines.len() - 1);
        assert!(out.contains(&counted), "{out}");
        assert!(out.contains(&format!("here:  {}\n", lines[3])), "{out}");
        let live = out.lines().find_map(|line| line.trim_start().strip_prefix("live:  ")).unwrap();
        assert_eq!(serde_json::from_str::<Value>(live).unwrap(), changed);
        assert!(out.contains("all ways agree, but not with the live events"), "{out}");
    }
}

#[test]
fn order_and_repetition_are_no_difference() {
    let (_, lines) = &*RECORDED;
    let mut other: Vec<_> = lines.iter().rev().cloned().collect();
    other.extend(lines[2..5].iter().cloned());
    let (code, out) = verify(&other, "4");
    assert_eq!(code, 0, "{out}");
    assert!(out.ends_with("all agree\n"), "{out}");
}

/// A copy of the recorded journal of which one file was changed by `change`.
fn damaged(number: usize, change: impl Fn(&mut Vec<u8>)) -> TempDir {
    let (folder, _) = &*RECORDED;
    let damaged = tempfile::tempdir().unwrap();
    fs::create_dir(damaged.path().join("journal")).unwrap();
    for entry in fs::read_dir(folder.path().join("journal")).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        if path.ends_with(format!("{number:020}.journal")) {
            change(&mut bytes);
        }
        fs::write(damaged.path().join("journal").join(path.file_name().unwrap()), bytes).unwrap();
    }
    damaged
}

fn flip_the_middle(bytes: &mut [u8]) {
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
}

#[test]
fn with_damage_not_all_agree() {
    let segments = fs::read_dir(RECORDED.0.path().join("journal")).unwrap().count();
    let last_byte = |bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() ^= 1;
    for damaged in [damaged(2, |bytes| flip_the_middle(bytes)), damaged(segments, last_byte)] {
        let (code, out, err) = replay([&"--verify", &damaged.path()]);
        assert_eq!((code, err.lines().count()), (1, 1), "{out}{err}");
        assert!(err.contains("damage"), "{err}");
        assert!(out.contains("the journal is damaged"), "{out}");
        assert!(out.ends_with("all agree on what is left of the journal\n"), "{out}");
    }
    // Half a record was never acknowledged.
    let torn = damaged(segments, |bytes| bytes.truncate(bytes.len() - 1));
    let (code, out, err) = replay([&"--verify", &torn.path()]);
    assert_eq!((code, err.contains("as after a crash")), (0, true), "{out}{err}");
    assert!(out.ends_with("all agree\n"), "{out}");
}

#[test]
fn damage_is_named_and_what_is_whole_is_replayed() {
    let (damaged, results) =
        (damaged(2, |bytes| flip_the_middle(bytes)), tempfile::tempdir().unwrap());
    let (code, _, err) = replay([&damaged.path(), &"--output", &results.path()]);
    assert_eq!((code, err.lines().count()), (0, 1), "{err}");
    assert!(
        err.contains("00000000000000000002.journal") && err.contains("1 record is missing"),
        "{err}"
    );
    let findings = &json(&results.path().join("summary.json"))["findings"];
    assert_eq!((&findings["gaps"], &findings["missing_records"]), (&1.into(), &1.into()));
    assert_eq!(findings["first_gaps"][0]["missing"], 1);
}

#[test]
fn files_are_replayed_and_what_was_guessed_is_said() {
    let results = tempfile::tempdir().unwrap();
    let [one, other] = ["long.csv", "wide.parquet"].map(|name| {
        let (input, output) =
            (Path::new("../../fixtures/history").join(name), results.path().join(name));
        let (code, out, err) =
            replay([&input, &"--output", &output, &"--scores", &"--threads", &"2"]);
        assert_eq!(code, 0, "{err}");
        assert!(err.starts_with(&format!("{} (", input.display())), "{err}");
        assert!(err.contains("time=`t"), "{err}");
        let summary = json(&output.join("summary.json"));
        assert_eq!((&summary["series"], &summary["complete"]), (&6.into(), &true.into()));
        assert!(out.starts_with(&format!("{} samples, 6 series, ", summary["samples"])), "{out}");
        let covered = " events from 2025-06-16T00:00:00Z to 2025-06-16T04:59:00Z in ";
        assert!(out.contains(covered), "{out}");
        assert!(output.join("scores.parquet").exists() && output.join("events.parquet").exists());
        fs::read_to_string(output.join("events.jsonl")).unwrap()
    });
    assert!(one == other && !one.is_empty());
}

#[test]
fn what_is_wrong_with_a_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (input, output) = (folder.path().join("x.csv"), folder.path().join("results"));
    fs::write(&input, "ts,host,load\n1750032000,a,1\n1750032060,a,much\n").unwrap();
    let (code, _, err) = replay([&input, &"--output", &output, &"--value", &"load"]);
    assert_eq!(code, 1);
    assert!(err.contains("x.csv`, row=`3`, column=`load`, value=`much`"), "{err}");
    let (code, _, err) = replay([&input, &"--output", &output, &"--time", &"when"]);
    assert_eq!(code, 1);
    assert!(err.contains("column=`when`, columns=`ts, host, load`"), "{err}");
    let (code, _, err) = replay([&input, &"--output", &output, &"--partition", &"3/2"]);
    assert_eq!((code, err.contains("1/4")), (2, true), "{err}");
}

#[test]
fn wrong_usage_answers_2_and_what_is_no_journal_1() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    assert_eq!(replay([]).0, 2);
    assert_eq!(replay([&path]).0, 2, "where do results go?");
    assert_eq!(replay([&path, &"--corpus", &"m.json", &"--output", &path]).0, 2);
    assert_eq!(replay([&"--verify", &path, &"--output", &path]).0, 2);
    assert_eq!(replay([&path, &"--output", &path, &"--events", &"e"]).0, 2);
    let (code, _, err) = replay([&"--verify", &path]);
    assert_eq!(code, 1);
    assert!(err.contains("there is no journal"), "{err}");
}

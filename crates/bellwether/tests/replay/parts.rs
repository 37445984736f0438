//! A history that several processes share, as the pods of an indexed Job do.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use assert_cmd::cargo::CommandCargoExt;
use parquet::arrow::ArrowWriter;
use serde_json::Value;

use super::{json, replay};

const PARTS: usize = 3;
const HOSTS: i64 = 24;
const MINUTES: i64 = 240;

/// In seconds, hosts and their loads at that time. Every other host has a fault, at a time of its own.
fn history() -> impl Iterator<Item = (i64, i64, i64)> {
    let hosts = |minute| (0..HOSTS).map(move |host| (minute, host));
    (0..MINUTES).flat_map(hosts).map(|(minute, host)| {
        let noise = (minute * 7919 + host * 104_729) % 17;
        let fault = 150 + host..170 + host;
        let is_faulty = host % 2 == 0 && fault.contains(&minute);
        (1_760_000_000 + minute * 60, host, 100 + noise + if is_faulty { 500 } else { 0 })
    })
}

fn write_csv(path: &Path) {
    let mut text = String::from("timestamp,host,load\n");
    for (at, host, load) in history() {
        writeln!(text, "{at},host-{host},{load}").unwrap();
    }
    fs::write(path, text).unwrap();
}

/// In row groups that end in the middle of a time.
fn write_parquet(path: &Path) {
    let times: Int64Array = history().map(|(at, ..)| at).collect();
    let hosts: StringArray = history().map(|(_, host, _)| Some(format!("host-{host}"))).collect();
    let loads: Float64Array = history().map(|(.., load)| load as f64).collect();
    let columns: [(&str, ArrayRef); 3] =
        [("timestamp", Arc::new(times)), ("host", Arc::new(hosts)), ("load", Arc::new(loads))];
    let rows = RecordBatch::try_from_iter(columns).unwrap();
    let file = fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, rows.schema(), None).unwrap();
    for from in (0..rows.num_rows()).step_by(1000) {
        writer.write(&rows.slice(from, 1000.min(rows.num_rows() - from))).unwrap();
        writer.flush().unwrap();
    }
    writer.close().unwrap();
}

/// The events in a folder of results: each with its content, by id.
fn events(results: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(results.join("events.jsonl")).unwrap();
    let events: BTreeSet<_> = text.lines().map(str::to_owned).collect();
    assert_eq!(events.len(), text.lines().count(), "no event is there twice");
    events
}

#[test]
fn the_events_of_processes_that_share_a_history_are_together_those_of_one() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("history.csv");
    write_csv(&input);
    let of_csv = shared(&input);
    let input = folder.path().join("history.parquet");
    write_parquet(&input);
    assert_eq!(shared(&input), of_csv);
}

/// The events of `input`, which are the same whether one process replays it or several do.
fn shared(input: &Path) -> BTreeSet<String> {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    let (code, _, err) = replay([&input, &"--output", &whole]);
    assert_eq!(code, 0, "{err}");

    let results = |part: usize| folder.path().join(format!("part-{part}"));
    // From 0, as a Job counts.
    let mut processes: Vec<_> = (0..PARTS)
        .map(|part| {
            let mut command = Command::cargo_bin("bellwether").unwrap();
            command.arg("replay").arg(input).arg("--output").arg(results(part));
            command.arg("--partition").arg(format!("{part}/{PARTS}"));
            command.spawn().unwrap()
        })
        .collect();
    for process in &mut processes {
        assert!(process.wait().unwrap().success());
    }

    let mut together = BTreeSet::new();
    for part in 0..PARTS {
        let own = events(&results(part));
        assert!(!own.is_empty(), "part {part} has none of the faults");
        assert!(own.iter().all(|event| together.insert(event.clone())), "two parts say the same");
        assert_eq!(json(&results(part).join("summary.json"))["complete"], Value::Bool(true));
    }
    let expected = events(&whole);
    assert!(expected.len() >= 2 * HOSTS as usize / 2, "{}", expected.len());
    assert_eq!(together, expected);
    expected
}
